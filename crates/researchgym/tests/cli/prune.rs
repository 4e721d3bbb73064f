//! `prune`: told first, removed only when that is asked, and never half.

use std::path::Path;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::stored::{age, foreign, keep};
use crate::support::{World, can_isolate, eventually, name, signal, wait};

/// A store with three imported runs: 40, 20 and 1 days old.
fn store() -> World {
    let world = World::new();
    for (id, task, days) in [("aaaaaaaa", "one", 40), ("bbbbbbbb", "two", 20), ("cccccccc", "one", 1)] {
        age(&keep(&world.path("runs"), &foreign(id, task, Some(2.0))), days);
    }
    world
}

fn ids(object: &Value) -> Vec<&str> {
    object["runs"].as_array().into_iter().flatten().filter_map(|run| run["run_id"].as_str()).collect()
}

fn kept(world: &World) -> Vec<String> {
    let mut kept: Vec<String> = world.runs().iter().map(|run| name(run)).collect();
    kept.sort();
    kept
}

fn entries(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| name(&entry.path())).collect();
    names.sort();
    names
}

#[test]
fn what_would_go_is_told_and_nothing_goes() {
    let world = store();
    let all = ["aaaaaaaa", "bbbbbbbb", "cccccccc"];
    for (words, expected) in [
        (vec!["--older-than", "30d"], vec!["aaaaaaaa"]),
        (vec!["--older-than", "2w"], vec!["aaaaaaaa", "bbbbbbbb"]),
        (vec!["--task", "one"], vec!["aaaaaaaa", "cccccccc"]),
        (vec!["--task", "one", "--older-than", "30d"], vec!["aaaaaaaa"]),
        (vec!["--state", "ended"], all.to_vec()),
        (vec!["--state", "interrupted"], vec![]),
        (vec!["--keep-size", "0"], all.to_vec()),
        (vec!["--keep-size", "1G"], vec![]),
    ] {
        let told = world.finish(&[&["prune", "--output", "json"], words.as_slice()].concat());
        let object = told.object();
        assert_eq!((told.code, ids(&object)), (0, expected.clone()), "{words:?}: {told:?}");
        assert_eq!(object["dry_run"], true);
        assert_eq!(
            object["frees_bytes"].as_u64().is_some_and(|bytes| bytes > 0),
            !expected.is_empty(),
            "{object}"
        );
    }
    let people = world.finish(&["prune", "--older-than", "30d"]);
    assert!(people.stdout.starts_with("aaaaaaaa") && people.stderr.contains("--yes does it"), "{people:?}");
    assert_eq!(kept(&world), all);
}

#[test]
fn with_yes_they_go_and_the_others_stay() {
    let world = store();
    let pruned = world.finish(&["prune", "--older-than", "30d", "--yes", "--output", "json"]);
    let object = pruned.object();
    let gone = world.path("runs/2026-11-01/aaaaaaaa");
    let gone = gone.parent().and_then(|day| day.canonicalize().ok()).expect("a day").join("aaaaaaaa");
    assert_eq!(
        (pruned.code, &object["removed"], &object["failed"]),
        (0, &json!([gone]), &json!([])),
        "{pruned:?}"
    );
    assert_eq!(kept(&world), ["bbbbbbbb", "cccccccc"]);
    let listed = world.finish(&["list", "--output", "json"]).object();
    assert_eq!(listed["imported"].as_array().map(Vec::len), Some(2));
    let all = world.finish(&["prune", "--keep-size", "0", "--yes"]);
    assert_eq!(all.code, 0, "{all:?}");
    // The index may be there; no day without a run is.
    assert_eq!(entries(&world.path("runs")), ["index.jsonl"]);
}

#[test]
fn it_has_to_be_said_which_runs() {
    let world = store();
    for (words, expected) in [
        (vec!["prune"], "it is not said which runs"),
        (vec!["prune", "--yes"], "it is not said which runs"),
        (vec!["prune", "--older-than", "30"], "write a number with a unit"),
        (vec!["prune", "--keep-size", "lots"], "write bytes"),
        (vec!["prune", "--state", "running"], "invalid value 'running'"),
        (vec!["prune", "--state", "ended", "--runs-dir", "/nosuch"], "/nosuch"),
    ] {
        let refused = world.finish(&words);
        assert!(refused.code == 2 && refused.stderr.contains(expected), "{words:?}: {refused:?}");
    }
    assert_eq!(kept(&world).len(), 3);
}

#[test]
fn what_lies_elsewhere_or_is_no_run_stays() {
    let world = store();
    // A day and a run that are links, and a file and a folder of the user's.
    std::fs::rename(world.path("runs/2026-11-01/aaaaaaaa"), world.path("elsewhere"))
        .expect("it can be renamed");
    std::os::unix::fs::symlink(world.path("elsewhere"), world.path("runs/2026-11-01/aaaaaaaa"))
        .expect("a link");
    std::fs::create_dir_all(world.path("days/dddddddd")).expect("a folder");
    std::fs::copy(world.path("elsewhere/imported.jsonl"), world.path("days/dddddddd/imported.jsonl"))
        .expect("a file");
    std::os::unix::fs::symlink(world.path("days"), world.path("runs/2026-11-02")).expect("a link");
    std::fs::create_dir(world.path("runs/2026-11-01/notes")).expect("a folder");
    let pruned =
        world.finish(&["prune", "--state", "ended", "--state", "broken", "--yes", "--output", "json"]);
    assert_eq!(pruned.code, 0, "{pruned:?}");
    assert_eq!(pruned.object()["removed"].as_array().map(Vec::len), Some(2), "{pruned:?}");
    assert!(
        world.path("elsewhere/imported.jsonl").is_file()
            && world.path("days/dddddddd/imported.jsonl").is_file()
    );
    assert_eq!(entries(&world.path("runs/2026-11-01")), ["aaaaaaaa", "notes"]);
}

#[test]
fn broken_runs_go_only_if_that_is_said() {
    let world = store();
    let broken = world.path("runs/2026-11-01/bbbbbbbb/imported.jsonl");
    std::fs::write(&broken, "{}\n").expect("a file");
    age(broken.parent().expect("a folder"), 20);
    let told = world.finish(&["prune", "--older-than", "0s", "--output", "json"]).object();
    assert_eq!(ids(&told), ["aaaaaaaa", "cccccccc"]);
    let told = world.finish(&["prune", "--state", "broken", "--output", "json"]).object();
    assert_eq!(ids(&told), ["bbbbbbbb"]);
    let filtered =
        world.finish(&["prune", "--state", "broken", "--task", "two", "--output", "json"]).object();
    assert_eq!(ids(&filtered), Vec::<&str>::new(), "nobody knows its task");
    assert_eq!(world.finish(&["prune", "--state", "broken", "--yes"]).code, 0);
    assert_eq!(kept(&world), ["aaaaaaaa", "cccccccc"]);
}

#[test]
fn a_run_that_is_worked_on_stays() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let (child, run) = world.at_work();
    let pruned = world.finish(&["prune", "--older-than", "0s", "--yes", "--output", "json"]);
    assert_eq!((pruned.code, &pruned.object()["removed"]), (0, &json!([])), "{pruned:?}");
    assert!(run.join("events.jsonl").is_file());
    signal(&child, Signal::KILL);
    wait(child);
    let pruned = eventually("its lock is free", || {
        let pruned = world.finish(&["prune", "--state", "interrupted", "--yes", "--output", "json"]);
        (pruned.object()["removed"] != json!([])).then_some(pruned)
    });
    assert_eq!(pruned.code, 0, "{pruned:?}");
    assert!(!run.exists());
    world.wait_until_nothing_is_left();
}

#[test]
fn a_killed_removal_leaves_no_run_and_is_finished_by_the_next() {
    let world = World::new();
    let run = keep(&world.path("runs"), &foreign("aaaaaaaa", "one", Some(2.0)));
    for folder in 0..40 {
        let folder = run.join(format!("workspace/{folder}"));
        std::fs::create_dir_all(&folder).expect("a folder");
        for file in 0..1000 {
            std::fs::write(folder.join(file.to_string()), "").expect("a file");
        }
    }
    let child = world.start(&["prune", "--state", "ended", "--yes"]);
    let aside = eventually("it is put aside", || {
        entries(&world.path("runs")).into_iter().find(|name| name.starts_with(".removing-"))
    });
    signal(&child, Signal::KILL);
    wait(child);
    assert_eq!(aside, ".removing-2026-11-01-aaaaaaaa-0");
    assert!(world.path("runs").join(&aside).is_dir(), "it was killed in the midst");
    let listed = world.finish(&["list", "--output", "json"]).object();
    assert_eq!((&listed["imported"], &listed["broken"]), (&json!([]), &json!([])));
    let told = world.finish(&["prune", "--older-than", "1d", "--output", "json"]).object();
    assert_eq!(told["unfinished"].as_array().map(Vec::len), Some(1), "{told}");
    let audited = world.finish(&["doctor", "--audit", "--output", "json"]);
    assert!(audited.stdout.contains(&aside), "{audited:?}");
    let finished = world.finish(&["prune", "--older-than", "1d", "--yes"]);
    assert_eq!(finished.code, 0, "{finished:?}");
    assert!(!world.path("runs").join(&aside).exists());
}
