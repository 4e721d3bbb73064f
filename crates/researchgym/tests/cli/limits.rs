//! Limits of steps and hours, and going on with a run under raised totals.

use serde_json::{Value, json};

use crate::support::{Finished, World, answer, can_isolate, exec, of_type, submit};

fn resume(world: &World, run: &Finished, more: &[&str]) -> Finished {
    let path = run.run().display().to_string();
    world.finish(&[&["run", "--resume", &path], more].concat())
}

fn count(finished: &Finished, kind: &str) -> usize {
    of_type(&finished.events(), kind).len()
}

#[test]
fn steps_are_a_total_that_can_be_raised() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let lines = [exec("echo one >> log"), answer(4), exec("echo two >> log"), answer(8), submit()];
    let cut = world.scripted(&lines, &["--steps", "2"]);
    assert_eq!(cut.outcome(), (0, json!("step_limit"), json!(4.0)));
    assert_eq!(cut.object()["steps"], 2);

    let log = cut.run().join("events.jsonl");
    let before = std::fs::read(&log).expect("a log");
    for more in [vec![], vec!["--steps", "2"], vec!["--hours", "9"]] {
        let refused = resume(&world, &cut, &more);
        let message = refused.object()["error"]["message"].to_string();
        assert!(refused.code == 2 && message.contains("step limit of 2"), "{refused:?}");
        assert!(refused.object()["error"]["hint"].to_string().contains("--steps"), "{refused:?}");
    }
    assert_eq!(std::fs::read(&log).expect("a log"), before, "a refusal changes nothing");

    let further = resume(&world, &cut, &["--steps", "4"]);
    assert_eq!(further.outcome(), (0, json!("step_limit"), json!(8.0)));
    assert_eq!(further.object()["steps"], 4);
    let last = resume(&world, &further, &["--steps", "unlimited"]);
    assert_eq!(last.outcome(), (0, json!("submitted"), json!(8.0)));
    assert_eq!((last.object()["steps"].clone(), count(&last, "run_extended")), (json!(5), 2));
    assert_eq!((count(&last, "run_ended"), count(&last, "workspace_ready")), (3, 3));
    let written = std::fs::read_to_string(last.run().join("workspace/input/log")).expect("a file");
    assert_eq!(written, "one\ntwo\n");
    assert!(before.len() < std::fs::read(&log).expect("a log").len());
    assert_eq!(world.finish(&["verify", &last.run().display().to_string()]).code, 0);
}

#[test]
fn a_submitted_run_stays_as_it_is() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    for lines in [vec![answer(5), submit()], vec![answer(5)]] {
        let run = world.scripted(&lines, &[]);
        let log = run.run().join("events.jsonl");
        let before = std::fs::read(&log).expect("a log");
        let again = resume(&world, &run, &["--steps", "100"]);
        assert_eq!((again.code, again.object()), (0, run.object()));
        assert_eq!(std::fs::read(&log).expect("a log"), before);
        for (flag, value) in
            [("--seed", "1"), ("--variant", "endless"), ("--runtime", "host"), ("--trials", "2")]
        {
            let refused = resume(&world, &run, &[flag, value]);
            assert!(refused.code == 2 && refused.stderr.contains(flag), "{refused:?}");
        }
    }
}

#[test]
fn time_ends_a_run_in_the_middle_of_a_command() {
    if !can_isolate() {
        return;
    }
    // A tenth of a second or so, whatever the run is doing then.
    let hours = ["--hours", "0.0001"];
    let check = |lines: &[Value]| {
        let world = World::new();
        let cut = world.scripted(lines, &hours);
        assert_eq!(cut.outcome(), (0, json!("time_limit"), json!(6.0)), "{cut:?}");
        assert!(cut.object()["seconds"].as_f64().is_some_and(|seconds| (0.36..20.0).contains(&seconds)));
        world.wait_until_nothing_is_left();
        (world, cut)
    };
    check(&[answer(6), json!({ "sleep_ms": 100_000 })]);
    check(&[answer(6), exec("sleep 1000")]);
    check(&[answer(6), exec("trap '' TERM INT; while :; do sleep 1000; done"), submit()]);
    // The command that was cut off is begun again when there is time for it.
    let (world, cut) = check(&[answer(6), exec("test -e again || { touch again; sleep 1000; }"), submit()]);
    let refused = resume(&world, &cut, &[]);
    assert!(refused.code == 2 && refused.stdout.contains("--hours"), "{refused:?}");
    let last = resume(&world, &cut, &["--hours", "1"]);
    assert_eq!(last.outcome(), (0, json!("submitted"), json!(6.0)));
}

#[test]
fn grading_is_not_working_time() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let lines = [exec("researchgym validate && researchgym validate && researchgym validate"), submit()];
    let object = world.scripted(&lines, &[]).object();
    assert_eq!(object["validations"], 3);
    let (working, wall) = (object["seconds"].as_f64(), object["wall_seconds"].as_f64());
    assert!(working.zip(wall).is_some_and(|(working, wall)| wall > 2.0 * working), "{object}");
}

#[test]
fn a_run_goes_on_under_no_total_below_what_it_has_used() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let run = world.scripted(
        &[answer(5), json!({ "sleep_ms": 20 }), exec("true"), exec("true"), submit()],
        &["--steps", "3"],
    );
    let log = run.run().join("events.jsonl");
    let before = std::fs::read(&log).expect("a log");
    for (more, expected) in [
        (vec!["--steps", "2"], "--steps: the run has used 3 already, so its total cannot be 2"),
        (vec!["--steps", "9", "--hours", "0.000001"], "--hours: the run has used"),
    ] {
        let refused = resume(&world, &run, &more);
        assert!(refused.code == 2 && refused.stderr.contains(expected), "{refused:?}");
    }
    assert_eq!(std::fs::read(&log).expect("a log"), before);
}
