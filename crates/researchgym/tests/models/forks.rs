//! Runs that go on from the middle of another.

use std::path::Path;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::conversations::{bash, call, conversation, header, model, slow, submits, words};
use crate::support::{Finished, World, can_isolate, eventually, of_type, signal, wait};

/// The step that prints something else each time, and the one that validates.
const CHANGING: usize = 4;
const VALIDATING: usize = 5;

/// Steps 2 to 7, after the one that reads the description: marks 2, 3, 4 (with the time), a validation, mark 6, the end.
fn answers() -> Vec<Value> {
    vec![
        bash("echo 2 >> marks"),
        bash("echo 3 >> marks"),
        bash("echo 4 >> marks; date +%N"),
        call("Now I validate.", "validate", json!({})),
        bash("echo 6 >> marks"),
        submits(),
    ]
}

/// Another model, which shows the marks and submits, whenever it is asked.
fn other(world: &World) -> String {
    let mut first = header();
    first["repeat_last"] = json!(true);
    let answer = json!({ "text": "other", "calls": [
        { "name": "bash", "arguments": { "cmd": "cat marks" } },
        { "name": "submit", "arguments": {} },
    ] });
    world.file("other.jsonl", &format!("{first}\n{answer}\n"));
    "scripted/other.jsonl".to_owned()
}

fn marks(run: &Path) -> String {
    std::fs::read_to_string(run.join("workspace/input/marks")).unwrap_or_default()
}

fn marks_at(step: usize) -> String {
    [2, 3, 4, 6].iter().filter(|mark| **mark <= step).map(|mark| format!("{mark}\n")).collect()
}

fn notes(finished: &Finished) -> Vec<String> {
    let events = finished.events();
    of_type(&events, "noted")
        .iter()
        .map(|noted| noted["text"].as_str().unwrap_or_default().to_owned())
        .collect()
}

fn submitted(finished: &Finished) {
    assert_eq!((finished.code, &finished.object()["ending"]), (0, &json!("submitted")), "{finished:?}");
}

#[test]
fn a_fork_begins_where_the_other_run_was_at_its_step() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let original = world.finish(&words(&model(&world, "m.jsonl", &answers()), &[]));
    submitted(&original);
    let id = original.object()["run_id"].as_str().expect("an id").to_owned();
    let whole = conversation(&original.run());
    let other = other(&world);
    let mut last_cost = 0.0;
    for step in 0..=7 {
        let fork = world.finish(&["run", "--fork", &format!("{id}@{step}"), "--model", &other]);
        submitted(&fork);
        let object = fork.object();
        assert_eq!(marks(&fork.run()), marks_at(step), "step {step}");
        assert_eq!(object["forked_from"], format!("{id}@{step}"));
        assert_eq!(object["model"], "scripted/other.jsonl");
        assert_eq!(object["validations"], u64::from(step >= VALIDATING));
        let same = conversation(&fork.run()).iter().zip(&whole).take_while(|(one, two)| one == two).count();
        // System and task, then for each step from the second on an answer and its result; the last has none.
        assert!(same + 1 >= (2 * step).min(whole.len()), "step {step}: {same} of {}", whole.len());
        // Done again from the workspace's newest snapshot, which a validation takes.
        let again = notes(&fork);
        let changed = (CHANGING..VALIDATING).contains(&step);
        assert_eq!(again.len(), usize::from(changed), "step {step}: {again:?}");
        let cost = object["cost_usd"].as_f64().expect("a number");
        assert!(cost > last_cost || step < 2 || step == 7, "step {step}: {cost} after {last_cost}");
        last_cost = cost;
        assert_eq!(world.finish(&["verify", &fork.run().display().to_string()]).code, 0);
    }
    // With the same model, and of a fork.
    let fork = world.finish(&["run", "--fork", &format!("{id}@3")]);
    submitted(&fork);
    assert_eq!(marks(&fork.run()), marks_at(6));
    let second = fork.object()["run_id"].as_str().expect("an id").to_owned();
    let again = world.finish(&["run", "--fork", &format!("{second}@4")]);
    submitted(&again);
    assert_eq!(marks(&again.run()), marks_at(6));
    // The others may be deleted.
    std::fs::remove_dir_all(original.run()).expect("a folder");
    std::fs::remove_dir_all(fork.run()).expect("a folder");
    let path = again.run().display().to_string();
    assert_eq!(world.finish(&["verify", &path]).code, 0);
    world.wait_until_nothing_is_left();
}

#[test]
fn a_fork_that_is_killed_goes_on() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let mut answers = answers();
    answers[2] = slow(bash("echo 4 >> marks; date +%N"), 300);
    let original = world.finish(&words(&model(&world, "m.jsonl", &answers), &[]));
    submitted(&original);
    let id = original.object()["run_id"].as_str().expect("an id").to_owned();
    // Killed when its workspace is there, and with a question of its own under way.
    for (kind, times) in [("workspace_ready", 2), ("model_asked", 3)] {
        let known = world.runs();
        let child = world.start(&["run", "--fork", &format!("{id}@3")]);
        let run = eventually("the fork works", || {
            let run = world.runs().into_iter().find(|run| !known.contains(run))?;
            let log = std::fs::read_to_string(run.join("events.jsonl")).ok()?;
            (log.matches(&format!("\"type\":\"{kind}\"")).count() >= times || log.contains("snapshot_taken"))
                .then_some(run)
        });
        signal(&child, Signal::KILL);
        wait(child);
        let resumed = world.finish(&["run", "--resume", &run.display().to_string()]);
        submitted(&resumed);
        assert_eq!(marks(&run), marks_at(6), "killed after {kind}");
        assert_eq!(world.finish(&["verify", &run.display().to_string()]).code, 0);
    }
    world.wait_until_nothing_is_left();
}

#[test]
fn places_that_are_none_are_refused() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let original = world.finish(&words(&model(&world, "m.jsonl", &[bash("echo 1"), submits()]), &[]));
    let id = original.object()["run_id"].as_str().expect("an id").to_owned();
    let runs = world.runs().len();
    let wrong = [
        (format!("{id}@99"), format!("run {id} has 3 steps; there is no step 99")),
        (id.clone(), "write RUN@STEP".to_owned()),
        (format!("{id}@x"), "write RUN@STEP".to_owned()),
        (format!("{id}@-1"), "write RUN@STEP".to_owned()),
        ("@1".to_owned(), "write RUN@STEP".to_owned()),
        ("nothing@1".to_owned(), "nothing".to_owned()),
    ];
    for (place, expected) in wrong {
        let refused = world.finish(&["run", "--fork", &place]);
        let message = refused.object()["error"]["message"].as_str().unwrap_or_default().to_owned();
        assert!(refused.code == 2 && message.contains(&expected), "{place}: {refused:?}");
    }
    let place = format!("{id}@2");
    for (flag, total) in
        [("--steps", "1"), ("--budget", "0.000001"), ("--tokens", "1"), ("--hours", "0.0000001")]
    {
        let refused = world.finish(&["run", "--fork", &place, flag, total]);
        let message = refused.object()["error"]["message"].as_str().unwrap_or_default().to_owned();
        let expected = format!("{flag}: the run has used ");
        assert!(refused.code == 2 && message.starts_with(&expected), "{flag}: {refused:?}");
    }
    assert_eq!(world.runs().len(), runs, "no folder is left");
}

#[test]
fn a_fork_whose_history_was_cut_off_does_not_go_on_without_it() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let original = world.finish(&words(&model(&world, "m.jsonl", &answers()), &[]));
    submitted(&original);
    let id = original.object()["run_id"].as_str().expect("an id").to_owned();
    let fork = world.finish(&["run", "--fork", &format!("{id}@4"), "--model", &other(&world)]);
    submitted(&fork);
    // Killed in the midst of copying: whole lines, but not all of them.
    let log = fork.run().join("events.jsonl");
    let text = std::fs::read_to_string(&log).expect("a log");
    let kept: Vec<&str> = text.lines().take(5).collect();
    std::fs::write(&log, kept.join("\n") + "\n").expect("a log");
    let resumed = world.finish(&["run", "--resume", &fork.run().display().to_string()]);
    assert_eq!(resumed.code, 2, "{resumed:?}");
    let expected = format!("cut off while the history of {id}@4 was copied; make the fork again");
    assert!(resumed.stderr.contains(&expected), "{resumed:?}");
}
