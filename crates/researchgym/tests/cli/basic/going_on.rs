//! A run that was killed, or that met a limit, goes on from its record.

use rustix::process::Signal;
use serde_json::{Value, json};

use super::{answered, bash, call, model, run, submitted, words};
use crate::support::{World, can_isolate, events, eventually, of_type, signal, wait};

#[test]
fn a_killed_run_goes_on_from_its_record_and_says_so() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let lines = [
        bash(&[], "echo x >> marks; x=1"),
        call(&[], "start_async", json!({ "cmd": "sleep 600" })),
        bash(&["job-1 is running"], "sleep 600"),
        call(
            &[
                "The run was interrupted and goes on now",
                "the program was interrupted while this was under way",
            ],
            "check_async",
            json!({ "job_id": "job-1" }),
        ),
        bash(&["job-1: lost: its process is gone"], "cat marks; echo ${x-unset}"),
        submitted(&["exit code 0\nx\nunset\n"]),
    ];
    let model = model(&world, &lines);
    let child = world.start(&words(&model, &[]));
    let run = world.wait_for_log("the last command runs", |log| log.contains("\"action_id\":4"));
    signal(&child, Signal::KILL);
    wait(child);
    world.wait_until_nothing_is_left();
    let killed = events(&run);
    let resumed = world.finish(&["run", "--resume", &run.display().to_string()]);
    assert_eq!(resumed.outcome(), (0, json!("submitted"), json!(1.0)), "{resumed:?}");
    let events = events(&run);
    assert_eq!(events[..killed.len()], killed[..], "what was recorded stays");
    assert_eq!(of_type(&events, "noted").len(), 0, "{:?}", of_type(&events, "noted"));
    assert_eq!(of_type(&events, "model_called").len(), 6);
}

#[test]
fn a_run_at_its_limit_goes_on_under_a_higher_one() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let mut lines = vec![answered(&[], 2)];
    lines.extend((0..4).map(|number| bash(&[], &format!("echo {number} >> marks"))));
    lines.push(answered(&["The run was interrupted and goes on now"], 8));
    lines.push(bash(&[], "cat marks"));
    lines.push(submitted(&["exit code 0\n0\n1\n2\n3\n"]));
    for mode in [[].as_slice(), &["--iterative"]] {
        let cut = run(&world, &lines, &[mode, &["--steps", "6"]].concat());
        assert_eq!(cut.outcome(), (0, json!("step_limit"), json!(2.0)), "{cut:?}");
        let path = cut.run().display().to_string();
        let resumed = world.finish(&["run", "--resume", &path, "--steps", "20"]);
        assert_eq!(resumed.outcome(), (0, json!("submitted"), json!(8.0)), "{resumed:?}");
        let events = resumed.events();
        assert_eq!(of_type(&events, "noted"), [&json!(null); 0]);
        assert_eq!(of_type(&events, "model_called").len(), lines.len());
    }
}

/// Whatever moment it is killed at, each command is done at most once, and each answer is asked for once.
#[test]
fn a_run_killed_at_any_moment_submits_in_the_end() {
    if !can_isolate() {
        return;
    }
    let mut lines: Vec<Value> = (0..6).map(|number| bash(&[], &format!("echo {number} >> marks"))).collect();
    lines.insert(2, call(&[], "validate", json!({})));
    lines.insert(
        4,
        call(&[], "replace", json!({ "file_path": "marks", "old_string": "0\n", "new_string": "0\n" })),
    );
    // A submission that is interrupted is not done again.
    lines.extend([answered(&[], 5), submitted(&[]), submitted(&[])]);
    let world = World::new();
    let whole = run(&world, &lines, &[]);
    assert_eq!(whole.outcome(), (0, json!("submitted"), json!(5.0)), "{whole:?}");
    let size = whole.run().join("events.jsonl").metadata().expect("a log").len();
    for part in 1..=8 {
        killed_at(&lines, size * part / 9);
    }
}

fn killed_at(lines: &[Value], size: u64) {
    let world = World::new();
    let model = model(&world, lines);
    let mut child = world.start(&words(&model, &[]));
    let log = eventually("the run begins", || {
        let log = world.runs().first()?.join("events.jsonl");
        (log.metadata().ok()?.len() > 0).then_some(log)
    });
    eventually("the log grows", || {
        let has_ended = child.try_wait().ok()?.is_some();
        (has_ended || log.metadata().ok()?.len() >= size).then_some(())
    });
    let _ = rustix::process::kill_process(rustix::process::Pid::from_child(&child), Signal::KILL);
    wait(child);
    world.wait_until_nothing_is_left();
    let run = world.runs()[0].clone();
    let resumed = world.finish(&["run", "--resume", &run.display().to_string()]);
    assert_eq!(
        (resumed.code, &resumed.object()["ending"]),
        (0, &json!("submitted")),
        "killed at {size}: {resumed:?}"
    );
    assert_eq!(of_type(&events(&run), "noted").len(), 0, "killed at {size}");
    let marks = std::fs::read_to_string(run.join("workspace/input/marks")).unwrap_or_default();
    let mut seen: Vec<&str> = marks.lines().collect();
    seen.dedup();
    assert_eq!(seen.join("\n"), marks.trim_end(), "killed at {size}");
}
