//! kill -9 of a run whose agent is a model: it goes on with the same conversation, asks for no answer twice, and books what
//! it cannot know at what it may have cost.

use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::conversations::{
    answers_given, bash, check_books, conversation, model, slow, submits, told, words,
};
use crate::support::{World, can_isolate, events, eventually, of_type, wait};

/// Answers that each leave a mark; each `slow_every`th takes a while, so that kills hit calls in flight as well.
fn marking(steps: usize, slow_every: usize) -> Vec<Value> {
    let answer = |step: usize| match step {
        step if step % slow_every == 0 => slow(bash(&format!("echo {step} >> marks")), 40),
        step if step % 10 == 7 => bash(&format!("echo {step} >> marks; sleep 0.01")),
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
    /// When its log has so many new events and one of this kind from there on.
    After(&'static str, usize),
}

/// Starts the binary with these words and kills it at the moment, if it has not ended before.
fn kill_at(world: &World, words: &[&str], moment: &Moment) {
    let before = world.runs().first().map_or(0, |run| events(run).len());
    let mut child = world.start(words);
    let is_there = |log: &Path| match moment {
        Moment::Size(size) => log.metadata().is_ok_and(|data| data.len() >= *size),
        Moment::After(kind, least) => {
            let text = std::fs::read_to_string(log).unwrap_or_default();
            let new: Vec<&str> = text.lines().skip(before).collect();
            let wanted = format!("\"type\":\"{kind}\"");
            // Only a question is the newest event for a while.
            let first = if *kind == "model_asked" { new.len().saturating_sub(1) } else { least - 1 };
            let looked_at = new.get(first..).unwrap_or_default();
            new.len() >= *least && looked_at.iter().any(|line| line.contains(&wanted))
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
fn killed(steps: usize, slow_every: usize, moments: &[Moment]) -> Vec<Value> {
    let whole = World::new();
    let script = model(&whole, "m.jsonl", &marking(steps, slow_every));
    let undisturbed = whole.finish(&words(&script, &[]));
    assert_eq!(undisturbed.code, 0, "{undisturbed:?}");
    let expected = conversation(&undisturbed.run());

    let world = World::new();
    let script = model(&world, "m.jsonl", &marking(steps, slow_every));
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
    events
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
    killed(200, 10, &moments);
}

#[test]
fn a_killed_run_goes_on_from_every_kind_of_event() {
    if !can_isolate() {
        return;
    }
    let moments = [
        ("run_started", 1),
        ("model_asked", 8),
        ("run_resumed", 1),
        ("model_asked", 9),
        ("model_lost", 1),
        ("model_called", 12),
        ("acted", 10),
        ("observed", 10),
        ("model_asked", 14),
        ("acted", 12),
    ];
    let events = killed(30, 1, &moments.map(|(kind, least)| Moment::After(kind, least)));
    let times = |kind: &str| of_type(&events, kind).len();
    assert_eq!(times("run_resumed"), moments.len(), "each kill came before the end");
    assert!(times("model_lost") >= 2, "calls were in flight at kills");
}
