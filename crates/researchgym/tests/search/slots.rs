//! Candidates that are made while others are evaluated: slots of their own for evaluations.

use std::collections::BTreeSet;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::climb::{fates, search, tasks, words};
use crate::support::{World, can_isolate, events, signal, wait};

/// After each event of a log: how many candidates wait for their first stage, and how many are evaluated.
fn at_work(events: &[Value]) -> Vec<(usize, usize)> {
    let (mut waiting, mut evaluated) = (BTreeSet::new(), BTreeSet::new());
    let after = |event: &Value| {
        match event["type"].as_str() {
            Some("node_built") => drop(waiting.insert(event["node"].as_u64())),
            Some("evaluation_began") => {
                waiting.remove(&event["node"].as_u64());
                evaluated.insert(event["evaluation"].as_u64());
            }
            Some("evaluated") => drop(evaluated.remove(&event["evaluation"].as_u64())),
            _ => {}
        }
        (waiting.len(), evaluated.len())
    };
    events.iter().map(after).collect()
}

#[test]
fn candidates_are_made_while_others_are_evaluated_and_wait_until_it_is_their_turn() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let flags = ["--operators", "tune", "--slots", "5", "--evaluation-slots", "2", "--steps", "12"];
    let finished = search(&world, &flags);
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    let events = finished.events();
    let at_work = at_work(&events);
    assert_eq!(at_work.iter().map(|(_, evaluated)| *evaluated).max(), Some(2));
    assert_eq!(
        at_work.iter().map(|(waiting, _)| *waiting).max(),
        Some(3),
        "five are there, two are evaluated"
    );
    let made = fates(&events);
    assert_eq!(made.len(), 13);
    assert!(made.iter().all(|(_, fate)| fate.parse::<f64>().is_ok()), "{made:?}");
    // The first that was made is the first whose stages begin.
    let nodes = |kind: &str| -> Vec<u64> {
        let of_kind = events.iter().filter(|event| event["type"] == kind);
        let (nodes, mut seen) = (of_kind.filter_map(|event| event["node"].as_u64()), BTreeSet::from([0]));
        nodes.filter(|node| seen.insert(*node)).collect()
    };
    assert_eq!(nodes("node_built"), nodes("evaluation_began"));
    let shown = world.finish(&["show", &crate::support::name(&finished.run())]);
    assert!(shown.stdout.contains("islands, 5 slots, 2 for evaluations"), "{}", shown.stdout);
}

#[test]
fn what_waits_when_a_search_is_killed_is_evaluated_when_it_goes_on() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let tasks = tasks();
    let flags = ["--operators", "tune", "--slots", "4", "--evaluation-slots", "1", "--steps", "16"];
    let child = world.start(&words(&tasks, &flags));
    let run = world.wait_for_log("some candidates", |log| log.matches("\"type\":\"evaluated\"").count() >= 4);
    signal(&child, Signal::KILL);
    wait(child);
    let (waiting, _) = at_work(&events(&run)).pop().expect("events");
    assert!(waiting > 0, "nobody waited");
    let again = world.finish(&["run", "--output", "json", "--resume", &crate::support::name(&run)]);
    assert_eq!(again.code, 0, "{}", again.stderr);
    assert_eq!(again.object()["ending"], json!("step_limit"));
    let made = fates(&again.events());
    assert_eq!(made.len(), 17);
    assert!(made.iter().all(|(_, fate)| fate.parse::<f64>().is_ok()), "{made:?}");
    world.wait_until_nothing_is_left();
}
