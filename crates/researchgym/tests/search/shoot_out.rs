//! `shoot-out`: policies compared by ordinary runs, none of which is made twice.

use std::collections::BTreeSet;
use std::path::PathBuf;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::climb::{answer, model, tasks};
use crate::support::{World, can_isolate, events, eventually, name, of_type, signal, wait};

fn words<'a>(tasks: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    ["shoot-out", "climb", "--output", "json", "--tasks-dir", tasks].iter().chain(more).copied().collect()
}

/// Names of policies, and of their searches seed and evaluations.
fn made(object: &Value) -> Vec<(String, u64, u64)> {
    let searches = object["searches"].as_array().expect("searches");
    let text = |value: &Value| value.as_str().expect("a name").to_owned();
    let number = |value: &Value| value.as_u64().expect("a number");
    searches
        .iter()
        .map(|one| (text(&one["policy"]), number(&one["seed"]), number(&one["evaluations"])))
        .collect()
}

fn runs(world: &World) -> BTreeSet<PathBuf> {
    world.runs().into_iter().collect()
}

#[test]
fn policies_are_compared_and_no_search_is_made_twice() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let tasks = tasks();
    let common = ["--operators", "tune", "--steps", "3", "--policies", "hill-climb,best-of-n"];
    let two = world.finish(&words(&tasks, &[&common[..], &["--seeds", "2"]].concat()));
    assert_eq!(two.code, 0, "{}", two.stderr);
    let before = runs(&world);
    assert_eq!(before.len(), 4);
    let more = ["--seeds", "3", "--target", "3.5", "-o", "out"];
    let three = world.finish(&words(&tasks, &[&common[..], &more].concat()));
    assert_eq!(three.code, 0, "{}", three.stderr);
    let after = runs(&world);
    assert!(after.is_superset(&before) && after.len() == 6, "{after:?}");
    let object = three.object();
    let expected =
        ["hill-climb", "best-of-n"].map(|policy| (1..=3).map(move |seed| (policy.to_owned(), seed, 4)));
    assert_eq!(made(&object), expected.into_iter().flatten().collect::<Vec<_>>());
    let named = |folder: &PathBuf| name(folder);
    let ids: BTreeSet<String> = after.iter().map(named).collect();
    let of_searches = object["searches"].as_array().expect("searches").iter();
    assert_eq!(
        of_searches.map(|one| one["run_id"].as_str().expect("an id").to_owned()).collect::<BTreeSet<_>>(),
        ids
    );
    assert_eq!(object["setting"]["candidates"], json!(3));
    assert_eq!(object["setting"]["target"], json!(3.5));
    let notes = object["notes"].to_string();
    assert!(notes.contains("With 3 seeds") && notes.contains("No two policies can be told apart"), "{notes}");
    for search in object["searches"].as_array().expect("searches") {
        let reached = search["course"].as_array().expect("a course").iter();
        let first = reached
            .filter(|moment| moment["value"].as_f64() >= Some(3.5))
            .map(|moment| moment["evaluations"].clone())
            .next();
        assert_eq!(search["to_target"], first.unwrap_or(Value::Null), "{search}");
        assert_eq!(
            (&search["fates"], &search["diversity"]["distinct"]),
            (&json!({"measured": 3}), &json!(3)),
            "{search}"
        );
    }
    let kept = std::fs::read_to_string(world.path("out/shoot-out.json")).expect("it was written");
    assert_eq!(serde_json::from_str::<Value>(&kept).expect("JSON"), object);
    for file in [
        "shoot-out.md",
        "figures/shoot-out-course.svg",
        "figures/shoot-out-seeds.pdf",
        "figures/shoot-out-fates.csv",
    ] {
        assert!(world.path("out").join(file).is_file(), "{file}");
    }
    let tag = object["setting"]["tag"].as_str().expect("a word");
    for tag in [tag, "shoot-out"] {
        let listed = world.finish(&["list", "--output", "json", "--tag", tag]).object();
        assert_eq!(listed["runs"].as_array().map(Vec::len), Some(6), "{tag}");
    }
    // As text, the same comparison.
    let shown: Vec<&str> = words(&tasks, &[&common[..], &more].concat())
        .into_iter()
        .filter(|word| !["--output", "json"].contains(word))
        .collect();
    let shown = world.finish(&shown);
    let lines: Vec<&str> = shown.stdout.lines().collect();
    assert!(lines.len() == 3 && lines[0].starts_with("policy"), "{}", shown.stdout);
    assert!(shown.stderr.contains("6 over, 0 to go on, 0 new"), "{}", shown.stderr);
    assert_eq!(runs(&world).len(), 6);
    // Another number of candidates is another shoot-out.
    let other =
        world.finish(&words(&tasks, &["--operators", "tune", "--steps", "4", "--seeds", "1", "--dry-run"]));
    let plan = other.object();
    assert_eq!((&plan["searches"], &plan["over"]), (&json!(7), &json!(0)));
    assert_ne!(plan["tag"], object["setting"]["tag"]);
    assert_eq!(runs(&world).len(), 6, "a dry run makes nothing");
}

#[test]
fn a_killed_shoot_out_goes_on_with_the_search_that_was_cut_off() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let tasks = tasks();
    let flags =
        ["--operators", "tune", "--steps", "5", "--seeds", "1", "--policies", "hill-climb,best-of-n,mcts"];
    let words = words(&tasks, &flags);
    let child = world.start(&words);
    let second = eventually("the second search has evaluated something", || {
        let logs = world.runs().into_iter().filter_map(|run| {
            let log = std::fs::read_to_string(run.join("events.jsonl")).ok()?;
            Some((run, log))
        });
        let logs: Vec<(PathBuf, String)> = logs.collect();
        let is_cut =
            |log: &str| !log.contains("\"type\":\"run_ended\"") && log.contains("\"type\":\"evaluated\"");
        (logs.len() == 2).then(|| logs.into_iter().find(|(_, log)| is_cut(log)))?.map(|(run, _)| run)
    });
    signal(&child, Signal::KILL);
    wait(child);
    let again = world.finish(&words);
    assert_eq!(again.code, 0, "{}", again.stderr);
    assert_eq!(world.runs().len(), 3, "one was over, one went on, one is new");
    let evaluations: Vec<u64> = made(&again.object()).into_iter().map(|one| one.2).collect();
    assert_eq!(evaluations, [6, 6, 6]);
    let lines = events(&second);
    assert_eq!(of_type(&lines, "run_resumed").len(), 1);
    world.wait_until_nothing_is_left();
}

#[test]
fn a_search_that_was_given_lower_limits_is_not_compared_until_it_is_whole() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let tasks = tasks();
    let flags = ["--operators", "tune", "--steps", "40", "--seeds", "1", "--policies", "hill-climb"];
    let words = words(&tasks, &flags);
    let child = world.start(&words);
    let run = world.wait_for_log("a candidate", |log| log.matches("\"type\":\"evaluated\"").count() >= 2);
    let id = name(&run);
    let limited = world.finish(&["limit", &id, "--steps", "20"]);
    assert_eq!(limited.code, 0, "{}", limited.stderr);
    let first = wait(child);
    assert_eq!(first.code, 3, "{}", first.stderr);
    assert!(first.stderr.contains("lower limits than were asked for have ended it"), "{}", first.stderr);
    assert_eq!(made(&first.object()), []);
    let planned = world.finish(&[words.as_slice(), &["--dry-run"]].concat()).object();
    assert_eq!((&planned["over"], &planned["going_on"]), (&json!(0), &json!(1)), "{planned}");
    let whole = world.finish(&words);
    assert_eq!(whole.code, 0, "{}", whole.stderr);
    assert_eq!(world.runs(), [run]);
    let evaluations: Vec<u64> = made(&whole.object()).into_iter().map(|one| one.2).collect();
    assert_eq!(evaluations, [41]);
}

#[test]
fn a_stopped_shoot_out_shows_what_is_over() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let tasks = tasks();
    let flags = ["--operators", "tune", "--steps", "2", "--seeds", "40", "--policies", "hill-climb"];
    let child = world.start(&words(&tasks, &flags));
    eventually("two searches have begun", || (world.runs().len() >= 2).then_some(()));
    signal(&child, Signal::INT);
    let stopped = wait(child);
    assert_eq!(stopped.code, 130, "{}", stopped.stderr);
    let object = stopped.object();
    let over = made(&object).len();
    assert!((1..40).contains(&over), "{over}");
    assert_eq!(
        object["notes"][0],
        json!(format!("{over} of the 40 searches are over; the others are not counted."))
    );
    world.wait_until_nothing_is_left();
}

#[test]
fn money_is_shared_by_all_searches() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let values: Vec<Value> =
        (0..8).map(|step| answer(&format!("{}", 3.5 + f64::from(step) / 10.0))).collect();
    let model = model(&world, &values);
    let tasks = tasks();
    let flags = [
        "--model",
        &model,
        "--budget",
        "0.4",
        "--operators",
        "draft",
        "--steps",
        "3",
        "--seeds",
        "1",
        "--policies",
        "best-of-n,best-first",
    ];
    let finished = world.finish(&words(&tasks, &flags));
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    let object = finished.object();
    assert_eq!(object["setting"]["budget"], json!(200_000));
    for run in world.runs() {
        let plan = std::fs::read_to_string(run.join("plan.json")).expect("a plan");
        let plan: Value = serde_json::from_str(&plan).expect("JSON");
        assert_eq!(plan["limits"]["budget_micro_usd"], json!(200_000));
    }
    for policy in object["policies"].as_array().expect("policies") {
        assert!(policy["cost"].as_u64() > Some(0) && policy["tokens"].as_u64() > Some(0), "{policy}");
    }
    // The script is kept elsewhere in a log than in a command; it is the same search all the same.
    let again = world.finish(&words(&tasks, &flags));
    assert_eq!((again.code, again.object()), (0, object));
    assert_eq!(world.runs().len(), 2);
}

#[test]
fn what_cannot_be_compared_is_refused_before_anything_is_made() {
    let world = World::new();
    let tasks = tasks();
    let check = |flags: &[&str], expected: &str| {
        let refused = world.finish(&words(&tasks, flags));
        assert_eq!(refused.code, 2, "{flags:?}: {}", refused.stderr);
        assert!(refused.stderr.contains(expected), "{flags:?}: {}", refused.stderr);
        assert!(world.runs().is_empty(), "{flags:?}");
    };
    check(&["--policies", "hill-climb,hill-climb"], "--policies names hill-climb twice");
    check(&["--policies", "hill-clim"], "did you mean `hill-climb`?");
    check(&["--policy-set", "mcts.nothing=1"], "mcts: ");
    check(
        &["--policies", "islands", "--policy-set", "mcts.c=1"],
        "mcts is none of the policies that are compared",
    );
    check(&["--policy-set", "mcts=1"], "write POLICY.KEY=VALUE");
    check(&["--operators", "improve"], "needs --model provider/model");
    check(&["--budget", "3"], "--model");
    check(&["--seeds", "0"], "--seeds");
    std::fs::create_dir(world.path("mine")).expect("a folder");
    std::fs::write(world.path("mine/thesis.md"), "all of it").expect("a file");
    check(&["-o", "mine"], "holds something else than a shoot-out");
}

#[test]
fn a_policy_that_fails_is_not_compared_and_the_others_are() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let tasks = tasks();
    let path = world.file("garbage.sh", "#!/bin/sh\necho nonsense\n");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&path, mode).expect("ours");
    let policies = format!("hill-climb,{path}");
    let flags = ["--operators", "tune", "--steps", "2", "--seeds", "1", "--policies", &policies];
    let ran = world.finish(&words(&tasks, &flags));
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert_eq!(made(&ran.object()), [("hill-climb".to_owned(), 1, 3)]);
}

#[test]
fn a_search_that_is_not_what_was_recorded_is_told_and_not_compared() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let tasks = tasks();
    let words =
        words(&tasks, &["--operators", "tune", "--steps", "2", "--seeds", "2", "--policies", "hill-climb"]);
    let both = world.finish(&words);
    assert_eq!((both.code, made(&both.object()).len()), (0, 2), "{}", both.stderr);
    // The log of the first has lost what its result was told of.
    let run = world.runs().into_iter().next().expect("a run");
    let status = run.join("status.json");
    let mut told: Value = serde_json::from_slice(&std::fs::read(&status).expect("a result")).expect("JSON");
    told["log_head"] = json!("0".repeat(64));
    std::fs::write(&status, told.to_string()).expect("ours");
    let again = world.finish(&words);
    assert_eq!(again.code, 3, "{}", again.stderr);
    assert_eq!(made(&again.object()).len(), 1);
    let warning = format!("run {} is not compared: events.jsonl:", name(&run));
    assert!(again.stderr.contains(&warning), "{}", again.stderr);
    assert_eq!(runs(&world).len(), 2, "nothing is made anew");
}
