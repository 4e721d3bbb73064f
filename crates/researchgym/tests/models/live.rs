//! The user of a live run, in another process: pause, unpause, new limits, notes.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::conversations::{bash, check_books, model, slow, submits, told, words};
use crate::support::{World, can_isolate, events, eventually, of_type, signal, wait};

/// A command that waits for the file `go` in the workspace.
fn waits() -> Value {
    bash("echo here > here; while [ ! -e go ]; do sleep 0.01; done")
}

/// Starts a run and waits until its first command waits.
fn waiting(world: &World, answers: &[Value], more: &[&str]) -> (Child, std::path::PathBuf) {
    let model = model(world, "m.jsonl", answers);
    let child = world.start(&words(&model, more));
    let run = eventually("the command waits", || {
        let run = world.runs().into_iter().next()?;
        run.join("workspace/input/here").exists().then_some(run)
    });
    (child, run)
}

fn go(run: &Path) {
    std::fs::write(run.join("workspace/input/go"), "").expect("a file in the workspace");
}

/// Asks something of a run; exit code and what was said.
fn ask(world: &World, run: &Path, words: &[&str]) -> (i32, String) {
    let path = run.display().to_string();
    let finished = world.finish(&[&[words[0], path.as_str()], &words[1..]].concat());
    (finished.code, finished.stderr)
}

fn wait_for(run: &Path, kind: &str) {
    eventually(kind, || (!of_type(&events(run), kind).is_empty()).then_some(()));
}

#[test]
fn nothing_moves_while_a_run_is_paused_and_the_time_is_not_working_time() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let ticking = bash("(while :; do echo tick >> ticks; sleep 0.01; done) > /dev/null 2>&1 &");
    let (child, run) = waiting(&world, &[ticking, waits(), submits()], &[]);
    let socket = run.join("control.sock");
    assert_eq!(socket.metadata().expect("a socket").permissions().mode() & 0o7777, 0o600);
    let ticks = || run.join("workspace/input/ticks").metadata().map_or(0, |data| data.len());
    assert_eq!(ask(&world, &run, &["pause"]).0, 0);
    let began = Instant::now();
    // What was under way when it was paused comes to an end.
    let still = eventually("nothing moves", || {
        let before = ticks();
        let (code, said) = ask(&world, &run, &["pause"]);
        assert!(code == 2 && said.contains("paused already"), "{said}");
        (ticks() == before).then_some(before)
    });
    eventually("a while", || {
        assert_eq!(ask(&world, &run, &["note", "look here"]).0, 0);
        (began.elapsed() > Duration::from_millis(600)).then_some(())
    });
    assert_eq!(ticks(), still);
    assert_eq!(ask(&world, &run, &["unpause"]).0, 0);
    eventually("it goes on", || (ticks() > still).then_some(()));
    let (code, said) = ask(&world, &run, &["unpause"]);
    assert!(code == 2 && said.contains("not paused"), "{said}");
    go(&run);
    let finished = wait(child);
    let object = finished.object();
    assert_eq!((finished.code, &object["ending"]), (0, &json!("submitted")), "{finished:?}");
    let events = finished.events();
    let paused = of_type(&events, "unpaused")[0]["paused_ms"].as_f64().expect("a number") / 1e3;
    let number = |key: &str| object[key].as_f64().expect("a number");
    assert!(paused >= 0.6, "{paused}");
    assert!(number("seconds") + paused <= number("wall_seconds") + 0.01, "{object} {paused}");
    assert!(!socket.exists());
    world.wait_until_nothing_is_left();
}

#[test]
fn an_answer_that_comes_while_a_run_is_paused_is_read_and_kept() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let (child, run) = waiting(&world, &[waits(), slow(bash("echo two"), 2000), submits()], &[]);
    go(&run);
    eventually("the question", || (of_type(&events(&run), "model_asked").len() > 1).then_some(()));
    assert_eq!(ask(&world, &run, &["pause"]).0, 0);
    let began = Instant::now();
    eventually("the answer, and a while", || {
        assert_eq!(ask(&world, &run, &["note", "look here"]).0, 0);
        (began.elapsed() > Duration::from_millis(5000)).then_some(())
    });
    assert_eq!(of_type(&events(&run), "model_called").len(), 1, "it is not acted on yet");
    assert_eq!(ask(&world, &run, &["unpause"]).0, 0);
    let finished = wait(child);
    let object = finished.object();
    assert_eq!((finished.code, &object["ending"]), (0, &json!("submitted")), "{finished:?}");
    let events = finished.events();
    let called = of_type(&events, "model_called")[1];
    assert_eq!(called["outcome"]["type"], "answered", "{called}");
    // It took as long as the provider did, not as the pause.
    let latency = called["latency_ms"].as_u64().expect("a number");
    assert!((2000..5000).contains(&latency), "{called}");
    check_books(&run, &object["cost_usd"]);
    world.wait_until_nothing_is_left();
}

#[test]
fn a_note_is_told_before_the_next_question_and_once_even_after_kills() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let mut second = slow(bash("echo two"), 400);
    second["expect"] = json!({ "contains": "please hurry" });
    let (child, run) = waiting(&world, &[waits(), second, bash("echo three"), submits()], &[]);
    assert_eq!(ask(&world, &run, &["note", "please hurry"]).0, 0);
    go(&run);
    // The note is in the question that is under way.
    eventually("the question", || (of_type(&events(&run), "model_asked").len() > 1).then_some(()));
    signal(&child, Signal::KILL);
    wait(child);
    let path = run.display().to_string();
    let again = world.start(&["run", "--resume", &path]);
    eventually("the question again", || (of_type(&events(&run), "model_asked").len() > 2).then_some(()));
    signal(&again, Signal::KILL);
    wait(again);
    let finished = world.finish(&["run", "--resume", &path]);
    assert_eq!((finished.code, &finished.object()["ending"]), (0, &json!("submitted")), "{finished:?}");
    let times = told(&run).iter().filter(|text| text.contains("please hurry")).count();
    assert_eq!(times, 1, "{:?}", told(&run));
    assert_eq!(of_type(&events(&run), "model_lost").len(), 2);
    check_books(&run, &finished.object()["cost_usd"]);
    world.wait_until_nothing_is_left();
}

#[test]
fn limits_are_raised_and_lowered_while_a_run_works() {
    if !can_isolate() {
        return;
    }
    let check = |more: &[&str], limit: &[&str], expected: &str| {
        let world = World::new();
        let (child, run) = waiting(&world, &[waits(), bash("echo 1"), bash("echo 2"), submits()], more);
        let said = ask(&world, &run, limit);
        assert_eq!(said.0, 0, "{said:?}");
        go(&run);
        let finished = wait(child);
        assert_eq!(finished.object()["ending"], expected, "{more:?} {limit:?}");
        assert_eq!(of_type(&finished.events(), "limits_changed").len(), 1);
    };
    check(&["--steps", "3"], &["limit", "--steps", "+10"], "submitted");
    check(&["--steps", "3"], &["limit", "--steps", "unlimited"], "submitted");
    check(&[], &["limit", "--tokens", "0"], "token_limit");
    check(&[], &["limit", "--steps", "0"], "step_limit");
    check(&[], &["limit", "--budget", "0"], "budget");
    check(&[], &["limit", "--hours", "0"], "time_limit");
}

#[test]
fn wrong_requests_are_told_apart() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let (child, run) = waiting(&world, &[waits(), submits()], &[]);
    let before = events(&run).len();
    let wrong: [(&[&str], &str); 11] = [
        (&["limit"], "no limit is named"),
        (&["limit", "--steps", "x"], "--steps x: must be"),
        (&["limit", "--steps", "1.5"], "--steps 1.5: must be"),
        (&["limit", "--budget", "nan"], "--budget nan: must be"),
        (&["limit", "--hours", "+"], "--hours +: must be"),
        (&["limit", "--budget", "-100"], "--budget: the total is 10 USD, so 100 USD less would be below 0"),
        (&["limit", "--budget", "0.000001"], "so its total cannot be 0.000001 USD; 0 lets it use no more"),
        (&["limit", "--tokens", "1"], "so its total cannot be 1; 0 lets it use no more"),
        (&["limit", "--steps", "-1"], "--steps: there is no limit of which 1 could be taken away"),
        (&["note", "  "], "the note is empty"),
        (&["unpause"], "not paused"),
    ];
    for (words, expected) in wrong {
        let (code, said) = ask(&world, &run, words);
        assert!(code == 2 && said.contains(expected), "{words:?}: {code} {said}");
    }
    assert_eq!(events(&run).len(), before, "nothing of it is recorded");
    let (code, said) = ask(&world, Path::new("nowhere"), &["pause"]);
    assert!(code == 2 && said.contains("nowhere"), "{said}");
    go(&run);
    wait(child);
    let (code, said) = ask(&world, &run, &["pause"]);
    assert!(code == 2 && said.contains("is over: nothing can be changed any more"), "{said}");
}

#[test]
fn a_run_that_was_killed_while_it_was_paused_goes_on() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let (child, run) = waiting(&world, &[waits(), bash("echo 1"), submits()], &[]);
    assert_eq!(ask(&world, &run, &["pause"]).0, 0);
    wait_for(&run, "paused");
    signal(&child, Signal::KILL);
    wait(child);
    world.wait_until_nothing_is_left();
    let path = run.display().to_string();
    let finished = world.finish(&["run", "--resume", &path]);
    assert_eq!((finished.code, &finished.object()["ending"]), (0, &json!("submitted")), "{finished:?}");
    assert_eq!(world.finish(&["verify", &path]).code, 0);
    world.wait_until_nothing_is_left();
}
