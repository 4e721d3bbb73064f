//! kill -9 of ours at any moment: the run goes on where it was, and nothing is left behind.

use std::collections::BTreeMap;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{
    World, answer, can_isolate, events, eventually, exec, of_type, signal, submit, validate, wait,
};

const COMMANDS: usize = 10;

/// A script whose commands each leave a mark, with gradings among them.
fn lines() -> Vec<Value> {
    let mut lines: Vec<Value> =
        (1..=COMMANDS).map(|number| exec(&format!("echo {number} >> marks"))).collect();
    lines.insert(4, validate());
    lines.insert(8, json!({ "sleep_ms": 5 }));
    lines.extend([answer(5), validate(), submit(), exec("echo 99 >> marks")]);
    lines
}

/// How often each mark was made.
fn marks(run: &std::path::Path) -> BTreeMap<usize, usize> {
    let mut marks = BTreeMap::new();
    for line in std::fs::read_to_string(run.join("workspace/input/marks")).unwrap_or_default().lines() {
        *marks.entry(line.parse().expect("a number")).or_default() += 1;
    }
    marks
}

/// Kills a run when its log has `size` bytes, resumes it until it ends, and checks what came of it.
fn killed_at(size: u64) {
    let world = World::new();
    let script = world.script(&lines());
    let words = world.scripted_words("tiny", &script, &["--seed", "1", "--variant", "noisy"]);
    let mut child = world.start(&words);
    let log = eventually("the run begins", || {
        let log = world.runs().first()?.join("events.jsonl");
        (log.metadata().ok()?.len() > 0).then_some(log)
    });
    // Times in the log make it a few bytes longer or shorter: the last moment may be past its end.
    eventually("the log grows", || {
        let has_ended = child.try_wait().ok()?.is_some();
        (has_ended || log.metadata().ok()?.len() >= size).then_some(())
    });
    let _ = rustix::process::kill_process(rustix::process::Pid::from_child(&child), Signal::KILL);
    wait(child);
    world.wait_until_nothing_is_left();
    let run = world.runs()[0].clone();
    let path = run.display().to_string();
    let killed = events(&run);
    let resumed = world.finish(&["run", "--resume", &path]);
    assert_eq!(resumed.code, 0, "killed at {size}: {resumed:?}");
    let object = resumed.object();
    assert_eq!((&object["ending"], &object["score_split"]), (&json!("submitted"), &json!("test")));

    let events = events(&run);
    assert_eq!(events[..killed.len()], killed[..], "what was recorded stays");
    assert_eq!(of_type(&events, "run_ended").len(), 1);
    let done: Vec<&Value> = of_type(&events, "observed").iter().map(|event| &event["action_id"]).collect();
    assert_eq!(done.len(), 14, "each action is done once, killed at {size}");
    let kinds: Vec<&Value> = of_type(&events, "scored").iter().map(|event| &event["kind"]).collect();
    assert_eq!(kinds, ["validate", "validate", "submit"], "killed at {size}");

    // A command in flight may have been done without being recorded; it is done at least once, every other exactly once.
    let in_flight = of_type(&events, "interrupted").len();
    let marks = marks(&run);
    assert_eq!(marks.keys().copied().collect::<Vec<_>>(), (1..=COMMANDS).collect::<Vec<_>>());
    let repeated: usize = marks.values().map(|times| times - 1).sum();
    assert!(repeated <= in_flight && in_flight <= 1, "killed at {size}: {marks:?}");
    let verified = world.finish(&["verify", &path]);
    assert_eq!(verified.code, 0, "killed at {size}: {verified:?}");
    world.wait_until_nothing_is_left();
}

#[test]
fn a_killed_run_goes_on_from_every_moment() {
    if !can_isolate() {
        return;
    }
    let whole = World::new();
    let finished = whole.scripted(&lines(), &["--seed", "1", "--variant", "noisy"]);
    let size = finished.run().join("events.jsonl").metadata().expect("a log").len();
    // Everywhere, with the first and the last events among them.
    let moments = 16;
    for moment in 0..=moments {
        killed_at(size * moment / moments);
    }
}

#[test]
fn a_run_killed_between_its_last_action_and_its_end_only_ends() {
    if !can_isolate() {
        return;
    }
    for (last, expected) in [(submit(), "submitted"), (json!({ "give_up": "" }), "gave_up")] {
        let world = World::new();
        let finished = world.scripted(&[answer(5), last, exec("touch never")], &[]);
        let run = finished.run();
        let log = std::fs::read_to_string(run.join("events.jsonl")).expect("a log");
        // Killed just before the ending was written.
        let kept: Vec<&str> = log.lines().filter(|line| !line.contains("\"run_ended\"")).collect();
        std::fs::write(run.join("events.jsonl"), kept.join("\n") + "\n").expect("a log");
        let resumed = world.finish(&["run", "--resume", &run.display().to_string()]);
        assert_eq!(resumed.outcome(), (0, json!(expected), json!(5.0)));
        assert_eq!(of_type(&resumed.events(), "scored").len(), 1, "it is graded once");
        assert!(!run.join("workspace/input/never").exists());
    }
}

#[test]
fn two_processes_do_not_work_on_one_run() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let (child, run) = world.at_work();
    let path = run.display().to_string();
    let before = events(&run);
    let second = world.finish(&["run", "--resume", &path]);
    let expected = format!("the run `{path}` is in use by process {}", child.id());
    assert_eq!((second.code, &second.object()["error"]["message"]), (2, &json!(expected)));
    assert_eq!(events(&run), before);
    assert_eq!(world.finish(&["show", &path, "--output", "json"]).object()["state"], "running");
    signal(&child, Signal::KILL);
    wait(child);
    let shown = eventually("the lock is free", || {
        let shown = world.finish(&["show", &path, "--output", "json"]);
        (shown.object()["state"] != "running").then_some(shown)
    });
    assert_eq!(shown.object()["state"], "interrupted");
    world.wait_until_nothing_is_left();
}
