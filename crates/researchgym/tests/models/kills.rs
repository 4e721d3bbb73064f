//! kill -9 of a run whose agent is a model: it goes on with the same conversation, asks for no answer twice, and books what
//! it cannot know at what it may have cost.

use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::conversations::{
    answers_given, bash, check_books, conversation, model, slow, submits, told, words,
};
use crate::support::{World, can_isolate, events, eventually, of_type, wait};

/// Answers that each leave a mark; some take a while, so that kills hit calls in flight as well.
fn marking(steps: usize) -> Vec<Value> {
    let answer = |step: usize| match step % 10 {
        3 => slow(bash(&format!("echo {step} >> marks")), 15),
        7 => bash(&format!("echo {step} >> marks; sleep 0.01")),
        _ => bash(&format!("echo {step} >> marks")),
    };
    (1..=steps).map(answer).chain([submits()]).collect()
}

/// The marks in the workspace, in order.
fn marks(run: &Path) -> Vec<usize> {
    let text = std::fs::read_to_string(run.join("workspace/input/marks")).unwrap_or_default();
    text.lines().map(|line| line.parse().expect("a number")).collect()
}

/// Where a run is to be killed.
enum Moment {
    /// When its log has so many bytes.
    Size(u64),
    /// When the last event of its log is of this kind and it has so many events.
    After(&'static str, usize),
}

/// Starts the binary with these words and kills it at the moment, if it has not ended before.
fn kill_at(world: &World, words: &[&str], moment: &Moment) {
    let mut child = world.start(words);
    let is_there = |log: &Path| match moment {
        Moment::Size(size) => log.metadata().is_ok_and(|data| data.len() >= *size),
        Moment::After(kind, least) => {
            let text = std::fs::read_to_string(log).unwrap_or_default();
            let last = text.lines().last().unwrap_or_default();
            text.lines().count() >= *least && last.contains(&format!("\"type\":\"{kind}\""))
        }
    };
    eventually("the moment comes", || {
        let has_ended = child.try_wait().ok()?.is_some();
        let log = world.runs().first().map(|run| run.join("events.jsonl"));
        (has_ended || log.is_some_and(|log| is_there(&log))).then_some(())
    });
    // It may have ended meanwhile.
    let _ = kill_process(Pid::from_child(&child), Signal::KILL);
    wait(child);
}

/// Kills a run at each of these moments, lets it end, and checks all that must hold.
fn killed(steps: usize, moments: &[Moment]) {
    let whole = World::new();
    let script = model(&whole, "m.jsonl", &marking(steps));
    let undisturbed = whole.finish(&words(&script, &[]));
    assert_eq!(undisturbed.code, 0, "{undisturbed:?}");
    let expected = conversation(&undisturbed.run());

    let world = World::new();
    let script = model(&world, "m.jsonl", &marking(steps));
    kill_at(&world, &words(&script, &[]), &moments[0]);
    let run = world.runs()[0].clone();
    let path = run.display().to_string();
    for moment in &moments[1..] {
        let before = events(&run);
        kill_at(&world, &["run", "--resume", &path], moment);
        assert_eq!(events(&run)[..before.len()], before[..], "what was recorded stays");
    }
    world.wait_until_nothing_is_left();
    let resumed = world.finish(&["run", "--resume", &path]);
    assert_eq!(resumed.code, 0, "{resumed:?}");
    assert_eq!(resumed.object()["ending"], json!("submitted"));

    let events = events(&run);
    assert_eq!(of_type(&events, "run_ended").len(), 1);
    let diverged = of_type(&events, "noted").into_iter().find(|noted| !is_torn(noted));
    assert_eq!(diverged, None, "the record is followed to its end");
    // Each answer was given once, in order.
    assert_eq!(answers_given(&run), answers_given(&undisturbed.run()));
    let mut interrupted = 0;
    let found = conversation(&run);
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(&expected) {
        match found["content"].as_str() {
            Some(text) if text.contains("was interrupted while this was under way") => interrupted += 1,
            _ => assert_eq!(found, expected),
        }
    }
    let acted = of_type(&events, "interrupted").len();
    assert!(interrupted <= acted, "{interrupted} of {acted}");
    // A command that was interrupted was done once or not at all, every other once.
    let marks = marks(&run);
    assert!(marks.windows(2).all(|pair| pair[0] < pair[1]), "{marks:?}");
    assert!(marks.len() <= steps && marks.len() + interrupted >= steps, "{marks:?}");
    check_books(&run, &resumed.object()["cost_usd"]);
    let segments = of_type(&events, "run_resumed").len();
    let breaks = told(&run).iter().filter(|text| text.contains("The run was interrupted")).count();
    assert!(breaks <= segments, "{breaks} of {segments}");
    let verified = world.finish(&["verify", &path]);
    assert_eq!(verified.code, 0, "{verified:?}");
    world.wait_until_nothing_is_left();
}

/// A kill in the middle of a line is noted.
fn is_torn(noted: &Value) -> bool {
    noted["text"].as_str().is_some_and(|text| text.starts_with("a torn last line"))
}

#[test]
fn a_run_of_200_steps_goes_on_from_wherever_it_was_killed() {
    if !can_isolate() {
        return;
    }
    // Some 1800 bytes a step; the last moments are at the end.
    let moments: Vec<Moment> =
        (1..=20).map(|moment| Moment::Size(moment * 17_700 + moment * moment * 31)).collect();
    killed(200, &moments);
}

#[test]
fn a_killed_run_goes_on_from_every_kind_of_event() {
    if !can_isolate() {
        return;
    }
    let kinds = [
        "run_started",
        "workspace_ready",
        "model_asked",
        "model_called",
        "acted",
        "observed",
        "run_resumed",
        "model_lost",
        "interrupted",
        "model_asked",
    ];
    let moments: Vec<Moment> =
        kinds.iter().enumerate().map(|(at, kind)| Moment::After(kind, 1 + at * 4)).collect();
    killed(30, &moments);
}
