//! Pauses, stops and clocks in moments that are no ordinary step: a provider is waited for, an attempt is graded.

use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::conversations::{answers_given, bash, check_books, model, submits, words};
use crate::support::{World, can_isolate, events, eventually, exec, of_type, signal, submit, validate, wait};

/// A command that waits for a file in the workspace.
fn until(file: &str) -> String {
    format!("echo here > here; while [ ! -e {file} ]; do sleep 0.01; done")
}

/// The first answer of a provider that is asked too often.
fn asks_to_wait(wait_ms: u64) -> Value {
    json!({ "error": { "status": 429, "message": "slow down", "retry_after_ms": wait_ms } })
}

fn sum(events: &[Value], kind: &str, key: &str) -> f64 {
    of_type(events, kind).iter().map(|event| event[key].as_f64().expect("a number")).sum::<f64>() / 1e3
}

/// Says what comes of asking a run for something.
fn ask(world: &World, run: &Path, word: &str) -> (i32, String) {
    let finished = world.finish(&[word, &run.display().to_string()]);
    (finished.code, finished.stderr)
}

#[test]
fn time_is_left_out_once_when_a_run_waits_for_a_rate_limit_while_it_is_paused() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let model = model(&world, "m.jsonl", &[bash(&until("go")), asks_to_wait(700), submits()]);
    let child = world.start(&words(&model, &[]));
    let run = eventually("the command waits", || {
        let run = world.runs().into_iter().next()?;
        run.join("workspace/input/here").exists().then_some(run)
    });
    // Working time from which something could be left out twice.
    let began = Instant::now();
    eventually("a while", || (began.elapsed() > Duration::from_millis(1500)).then_some(()));
    std::fs::write(run.join("workspace/input/go"), "").expect("a file in the workspace");
    eventually("the wait", || (!of_type(&events(&run), "model_retried").is_empty()).then_some(()));
    assert_eq!(ask(&world, &run, "pause").0, 0);
    let began = Instant::now();
    eventually("the wait is over while nothing moves", || {
        (began.elapsed() > Duration::from_millis(1200)).then_some(())
    });
    assert_eq!(of_type(&events(&run), "model_called").len(), 1, "nothing is asked in a pause");
    assert_eq!(ask(&world, &run, "unpause").0, 0);
    let finished = wait(child);
    let object = finished.object();
    assert_eq!((finished.code, &object["ending"]), (0, &json!("submitted")), "{finished:?}");
    let number = |key: &str| object[key].as_f64().expect("a number");
    let (log, seconds) = (finished.events(), number("seconds"));
    let worked = log
        .iter()
        .filter(|event| event["observation"]["type"] == "exec")
        .map(|event| event["took_ms"].as_f64().expect("a number") / 1e3)
        .sum::<f64>();
    let paused = sum(&log, "unpaused", "paused_ms");
    assert!(worked >= 1.5 && paused >= 1.2, "{worked} {paused}");
    assert!(seconds >= worked, "left out twice: {seconds} s of work, of which {worked} in a command");
    let graded = sum(&log, "scored", "grading_ms");
    assert!(seconds + paused + graded <= number("wall_seconds") + 0.01, "not left out: {object}");
    check_books(&run, &object["cost_usd"]);
}

#[test]
fn no_scripted_answer_is_skipped_when_a_run_is_stopped_while_it_waits_to_ask_again() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let model =
        model(&world, "m.jsonl", &[bash("echo one"), asks_to_wait(60_000), bash("echo two"), submits()]);
    let child = world.start(&words(&model, &[]));
    let run = world.wait_for_log("the wait", |log| log.contains("model_retried"));
    signal(&child, Signal::INT);
    let stopped = wait(child);
    assert_eq!(stopped.object()["ending"], "cancelled", "{stopped:?}");
    let path = run.display().to_string();
    let resumed = world.finish(&["run", "--resume", &path]);
    assert_eq!((resumed.code, &resumed.object()["ending"]), (0, &json!("submitted")), "{resumed:?}");
    assert_eq!(answers_given(&run), ["echo one", "echo two", "I submit."]);
    check_books(&run, &resumed.object()["cost_usd"]);
}

/// The fixture task with a grader that waits for a file beside it; gives the task's folder.
fn task_that_waits(world: &World) -> String {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tasks/tiny");
    let task = world.path("tiny");
    let copied = Command::new("cp").arg("-r").arg(fixture).arg(&task).status();
    assert!(copied.is_ok_and(|status| status.success()), "the task is copied");
    let grader = task.join("grader/grade.py");
    let text = std::fs::read_to_string(&grader).expect("a grader");
    let waits = "import os, time\n        while not os.path.exists('/grader/go'): time.sleep(0.01)";
    let waiting = text.replace("signal.pause()", waits);
    assert_ne!(text, waiting);
    std::fs::write(grader, waiting).expect("a grader");
    task.display().to_string()
}

/// A run whose grader waits, and a pause that was asked for meanwhile.
fn pause_in_a_grading(world: &World, actions: &[Value]) -> (Child, std::path::PathBuf, Child) {
    let (task, script) = (task_that_waits(world), world.script(actions));
    let child = world.start(&world.scripted_words(&task, &script, &["--variant", "endless"]));
    let run = world.wait_for_log("the grading", |log| {
        log.contains("\"action\":{\"type\":\"validate\"}") || log.contains("\"action\":{\"type\":\"submit\"}")
    });
    let pause = world.start(&["pause", &run.display().to_string()]);
    let files = format!("/proc/{}/fd", pause.id());
    eventually("the pause is asked for", || {
        let mut files = std::fs::read_dir(&files).ok()?.flatten();
        files.find(|file| {
            std::fs::read_link(file.path()).is_ok_and(|to| to.to_string_lossy().starts_with("socket:"))
        })
    });
    (child, run, pause)
}

fn end_of_grading(world: &World) {
    std::fs::write(world.path("tiny/grader/go"), "").expect("a file beside the grader");
}

#[test]
fn a_pause_waits_for_the_grading_that_is_under_way() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let actions = [validate(), exec(&until("go")), submit()];
    let (child, run, mut pause) = pause_in_a_grading(&world, &actions);
    let began = Instant::now();
    eventually("a while", || (began.elapsed() > Duration::from_millis(500)).then_some(()));
    assert!(pause.try_wait().expect("a child").is_none(), "it is not answered before it holds");
    assert!(of_type(&events(&run), "paused").is_empty());
    end_of_grading(&world);
    let paused = wait(pause);
    assert_eq!(paused.code, 0, "{paused:?}");
    let log = events(&run);
    let place = |kind: &str| log.iter().position(|event| event["type"] == kind);
    assert!(place("scored").expect("a score") < place("paused").expect("a pause"), "{log:?}");
    assert_eq!(ask(&world, &run, "unpause").0, 0);
    std::fs::write(run.join("workspace/input/go"), "").expect("a file in the workspace");
    let finished = wait(child);
    assert_eq!(finished.outcome(), (0, json!("submitted"), json!(1.0)), "{finished:?}");
    let (log, object) = (finished.events(), finished.object());
    let number = |key: &str| object[key].as_f64().expect("a number");
    let apart = sum(&log, "unpaused", "paused_ms") + sum(&log, "scored", "grading_ms");
    assert!(apart >= 0.5 && number("seconds") + apart <= number("wall_seconds") + 0.01, "{apart} {object}");
}

#[test]
fn a_pause_that_was_asked_for_in_the_last_grading_finds_the_run_over() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let (child, run, pause) = pause_in_a_grading(&world, &[submit()]);
    end_of_grading(&world);
    let finished = wait(child);
    assert_eq!(finished.outcome(), (0, json!("submitted"), json!(1.0)), "{finished:?}");
    let paused = wait(pause);
    assert_eq!(paused.code, 2, "{paused:?}");
    assert!(paused.stderr.contains("over"), "{paused:?}");
    assert!(of_type(&events(&run), "paused").is_empty());
}
