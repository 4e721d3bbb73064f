//! kill -9, Ctrl-C and raised limits: a search goes on with the same tree, pays for no answer twice and loses no candidate.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::climb::{answer, drafting, fates, model, search, tasks, words};
use crate::support::{World, can_isolate, events, of_type, signal, wait};

#[test]
fn a_killed_search_goes_on_and_asks_for_no_answer_twice() {
    if !can_isolate() {
        return;
    }
    let values: Vec<Value> =
        (0..12).map(|step| answer(&format!("{}", 3.5 + f64::from(step) / 10.0))).collect();
    for moment in ["node_built", "model_called", "evaluation_began", "evaluated", "planned", "model_asked"] {
        let world = World::new();
        let model = model(&world, &values);
        let tasks = tasks();
        let words = words(&tasks, &drafting(&model, &["--steps", "6"]));
        let child = world.start(&words);
        let wanted = format!("\"type\":\"{moment}\"");
        let run = world.wait_for_log("the third event of its kind", |log| log.matches(&wanted).count() >= 3);
        signal(&child, Signal::KILL);
        wait(child);
        let finished = world.finish(&["run", "--output", "json", "--resume", &crate::support::name(&run)]);
        assert_eq!(finished.code, 0, "{moment}: {}", finished.stderr);
        let events = events(&run);
        let made: Vec<(String, String)> = fates(&events);
        assert_eq!(made.len(), 7, "{moment}: {made:?}");
        assert!(made.iter().all(|(_, fate)| fate.parse::<f64>().is_ok()), "{moment}: {made:?}");
        // A call under way at the kill may be sent once more; none whose answer was recorded is.
        let lost = of_type(&events, "model_lost").len();
        assert_eq!(of_type(&events, "model_called").len(), 6, "{moment}");
        assert_eq!(of_type(&events, "model_asked").len(), 6 + lost, "{moment}");
        let result = finished.object();
        assert_eq!(result["search"]["best"]["value"].as_f64(), result["score"]["score"].as_f64());
        world.wait_until_nothing_is_left();
    }
}

#[test]
fn a_search_that_was_stopped_goes_on_under_a_higher_total_as_if_it_had_not() {
    if !can_isolate() {
        return;
    }
    let flags = ["--policy", "best-first", "--operators", "tune,crossover", "--slots", "1", "--seed", "9"];
    let whole = {
        let world = World::new();
        let finished = search(&world, &[flags.as_slice(), &["--steps", "8"]].concat());
        fates(&finished.events())
    };
    let world = World::new();
    let first = search(&world, &[flags.as_slice(), &["--steps", "4"]].concat());
    assert_eq!(first.object()["ending"], json!("step_limit"));
    let again = world.finish(&[
        "run",
        "--output",
        "json",
        "--resume",
        &crate::support::name(&first.run()),
        "--steps",
        "8",
    ]);
    assert_eq!(again.code, 0, "{}", again.stderr);
    assert_eq!(fates(&again.events()), whole);
}

#[test]
fn an_interrupted_search_can_be_taken_up_again() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let tasks = tasks();
    let words = words(&tasks, &["--operators", "tune", "--slots", "2", "--steps", "200", "--seed", "3"]);
    let child = world.start(&words);
    let run = world.wait_for_log("some candidates", |log| log.matches("\"type\":\"evaluated\"").count() >= 6);
    signal(&child, Signal::INT);
    let stopped = wait(child);
    assert_eq!((stopped.code, &stopped.object()["ending"]), (130, &json!("cancelled")));
    let before = fates(&events(&run));
    world.wait_until_nothing_is_left();
    let total = (before.len() + 1).to_string();
    let again = world.finish(&[
        "run",
        "--output",
        "json",
        "--resume",
        &crate::support::name(&run),
        "--steps",
        &total,
    ]);
    assert_eq!(again.code, 0, "{}", again.stderr);
    let after = fates(&events(&run));
    assert_eq!(after.len(), before.len() + 2, "the totals leave the baseline out");
    assert!(after.iter().all(|(_, fate)| fate.parse::<f64>().is_ok()), "{after:?}");
}
