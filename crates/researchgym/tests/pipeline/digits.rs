//! Two epochs on `digits-classifier`, one candidate at a time: what becomes of every kind of idea, and the same after a kill.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::scene::{Scene, Trajectories, trajectories};
use crate::support::{World, can_isolate, events, of_type, signal, wait};

const FLAGS: [&str; 12] = [
    "--policy-set",
    "epochs=2",
    "--policy-set",
    "batch=6",
    "--policy-set",
    "per_call=3",
    "--slots",
    "1",
    "--resamples",
    "0",
    "--seed",
    "5",
];

fn scene() -> Scene {
    Scene::new("digits-classifier", "digits", &FLAGS)
}

/// Of each idea what does not depend on the machine.
fn fates(trajectories: &Trajectories) -> Vec<Value> {
    let fate = |idea: &Value| {
        json!([
            idea["epoch"],
            idea["idea_id"],
            idea["kind"],
            idea["status"],
            idea["failure"],
            idea["attempts"],
            idea["stage"],
            idea["better_than_baseline"],
        ])
    };
    trajectories.ideas.iter().map(fate).collect()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

#[test]
fn every_idea_is_told_from_the_others_by_what_became_of_it() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let finished = scene().finish(&world);
    let run = finished.run();
    let found = trajectories(&world, &run, "out");
    let expected = [
        // A better learning rate; one whose patch is mended once; one whose patch never applies.
        json!([0, 0, "initial", "measured", null, 1, "full", true]),
        json!([0, 1, "initial", "measured", null, 2, "full", true]),
        json!([0, 2, "initial", "not_implemented", "not_implemented", 3, null, null]),
        // A crash; the same code once more; a program that names the hidden labels.
        json!([0, 3, "initial", "failed", "crash", 1, "smoke", null]),
        json!([0, 4, "initial", "duplicate", "duplicate", 1, null, null]),
        json!([0, 5, "initial", "refused", "leakage", 1, null, null]),
        // Refinements of those that beat the baseline, the last by a file that is not there.
        json!([1, 0, "exploit", "measured", null, 1, "full", true]),
        json!([1, 1, "exploit", "measured", null, 1, "full", true]),
        json!([1, 2, "exploit", "failed", "crash", 1, "smoke", null]),
        // A bad idea, well implemented; a good one; one that is too small.
        json!([1, 3, "explore", "measured", null, 1, "full", false]),
        json!([1, 4, "explore", "measured", null, 1, "full", true]),
        json!([1, 5, "explore", "measured", null, 1, "full", false]),
    ];
    assert_eq!(fates(&found), expected, "{:#?}", found.ideas);

    // The best of all is what was submitted.
    let best = found.ideas.iter().filter_map(|idea| Some((idea["value"].as_f64()?, &idea["node"])));
    let best = best.max_by(|one, other| one.0.total_cmp(&other.0)).expect("a value");
    assert_eq!(&finished.object()["search"]["best"]["value"].as_f64(), &Some(best.0));

    // Ideas of a question share what it has cost, and words tell what went wrong.
    let events = finished.events();
    let had = of_type(&events, "ideas_had");
    let questions: Vec<(u64, u64)> = had
        .iter()
        .map(|had| {
            (had["ideas"].as_array().map_or(0, Vec::len) as u64, had["spent"]["calls"].as_u64().unwrap_or(0))
        })
        .collect();
    assert_eq!(questions, [(3, 1), (3, 1), (3, 2), (3, 1)]);
    let calls: u64 = found.ideas.iter().filter_map(|idea| idea["calls"].as_u64()).sum();
    assert_eq!(calls, of_type(&events, "model_called").len() as u64);
    let cost: f64 = found.ideas.iter().filter_map(|idea| idea["cost_usd"].as_f64()).sum();
    assert!((cost - finished.object()["cost_usd"].as_f64().expect("a cost")).abs() < 1e-9, "{cost}");
    let ideas = &found.ideas;
    assert!(text(&ideas[2], "reason").contains("gaussian(0.5)"), "{}", ideas[2]);
    assert!(text(&ideas[3], "log").contains("ZeroDivisionError"), "{}", ideas[3]);
    assert!(text(&ideas[8], "log").contains("FileNotFoundError"), "{}", ideas[8]);
    assert!(text(&ideas[0], "log").contains(r#"{"step": 1600, "train_loss": "#), "{}", ideas[0]);
    assert!(text(&ideas[1], "idea").contains("Ten times the learning rate"), "{}", ideas[1]);
    assert!(text(&ideas[1], "idea_model").ends_with("digits-ideas.jsonl"), "{}", ideas[1]);
    assert!(text(&ideas[1], "code_model").ends_with("digits-code.jsonl"), "{}", ideas[1]);
    let diff = text(&ideas[6], "diff");
    assert!(diff.contains("-EPOCHS = 4\n+LEARNING_RATE = 0.05\n+EPOCHS = 6\n"), "{diff}");
    // Only words are inherited: every idea changes the baseline's code, and the exploiting ones were shown the winners.
    assert!(ideas.iter().all(|idea| idea["code_parent"] == 0), "{ideas:#?}");
    let shown: Vec<u64> =
        ideas[6]["shown"].as_array().into_iter().flatten().filter_map(Value::as_u64).collect();
    assert_eq!(shown.iter().copied().collect::<std::collections::BTreeSet<u64>>(), [1, 2].into());

    let epochs = &found.epochs;
    let counts = |epoch: &Value| {
        let keys = ["epoch", "ideas", "exploit", "implemented", "measured", "better_than_baseline", "late"];
        keys.map(|key| epoch[key].as_u64().expect("a count"))
    };
    assert_eq!(epochs.iter().map(counts).collect::<Vec<_>>(), [[0, 6, 0, 5, 2, 2, 0], [1, 6, 3, 6, 5, 3, 0]]);
    assert_eq!(
        (&epochs[0]["completion_rate"], &epochs[1]["exploit_ratio"]),
        (&json!(5.0 / 6.0), &json!(0.5))
    );
    let statuses = json!({"duplicate": 1, "failed": 1, "measured": 2, "not_implemented": 1, "refused": 1});
    assert_eq!(epochs[0]["statuses"], statuses);
    let values: Vec<f64> = ideas[..6].iter().filter_map(|idea| idea["value"].as_f64()).collect();
    let mean = values.iter().sum::<f64>() / 2.0;
    assert!((epochs[0]["mean"].as_f64().expect("a mean") - mean).abs() < 1e-12, "{epochs:#?}");
    assert_eq!(epochs[0]["best"].as_f64(), values.iter().copied().reduce(f64::max));
    let similarity = epochs[0]["similarity"].as_f64().expect("texts");
    assert!(similarity > 0.0 && similarity < 1.0, "{similarity}");

    is_read_back(&world, &found);
    is_shown(&world, &run.display().to_string());
}

/// Our own importer takes the export in: executed ideas are attempts, failed ones without a score.
fn is_read_back(world: &World, found: &Trajectories) {
    let imported = world.finish(&["import", &found.folder.display().to_string(), "--output", "json"]);
    assert_eq!(imported.code, 0, "{} {}", imported.stdout, imported.stderr);
    assert_eq!(imported.object()["tasks"], json!({"digits-classifier": 1}));
    let listed =
        world.finish(&["export", "--format", "csv", "--agent", "ideas", "-o", "again", "--output", "json"]);
    assert_eq!(listed.code, 0, "{} {}", listed.stdout, listed.stderr);
    let scores = std::fs::read_to_string(world.path("again/scores.csv")).expect("a table");
    let values = scores.lines().skip(1).filter_map(|line| line.split(',').nth(7)?.parse::<f64>().ok());
    let own = found.ideas.iter().filter(|idea| idea["status"] == "measured");
    assert_eq!(
        values.collect::<Vec<f64>>(),
        own.filter_map(|idea| idea["value"].as_f64()).collect::<Vec<f64>>()
    );
    // Two crashes have no score.
    assert_eq!(scores.matches("its execution gave no score").count(), 2, "{scores}");
}

/// `show` tells what became of each idea.
fn is_shown(world: &World, run: &str) {
    let shown = world.finish(&["show", run]);
    assert_eq!(shown.code, 0, "{}", shown.stderr);
    for words in
        ["Ideas", "Four times the learning rate.", "not implemented", "the same code as before", "refused"]
    {
        assert!(shown.stdout.contains(words), "{words}: {}", shown.stdout);
    }
}

#[test]
fn a_search_that_is_killed_in_its_second_epoch_goes_on_as_if_it_had_not_been() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let scene = scene();
    let child = world.start(&scene.words());
    // In the midst of the second epoch: an answer with ideas was recorded, and not all of its candidates are made.
    let run = world.wait_for_log("the second epoch at work", |log| {
        log.matches("\"type\":\"ideas_had\"").count() == 3
            && log.matches("\"type\":\"evaluation_began\"").count() >= 8
    });
    signal(&child, Signal::KILL);
    wait(child);
    let resumed = world.finish(&["run", "--output", "json", "--resume", &crate::support::name(&run)]);
    assert_eq!(resumed.code, 0, "{}", resumed.stderr);
    let other = World::new();
    let whole = scene.finish(&other).run();
    let tree = |found: Trajectories| {
        let keys =
            ["epoch", "idea_id", "idea", "kind", "shown", "diff", "attempts", "status", "value", "cost_usd"];
        let of = |idea: &Value| Value::from(keys.map(|key| idea[key].clone()).to_vec());
        found.ideas.iter().map(of).collect::<Vec<Value>>()
    };
    assert_eq!(tree(trajectories(&world, &run, "out")), tree(trajectories(&other, &whole, "out")));
    // No recorded answer is asked for again: what was under way at the kill alone may be.
    let events = events(&run);
    let lost = of_type(&events, "model_lost").len();
    assert_eq!(of_type(&events, "model_asked").len(), of_type(&events, "model_called").len() + lost);
    world.wait_until_nothing_is_left();
}
