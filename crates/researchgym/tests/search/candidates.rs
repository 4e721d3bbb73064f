//! Candidates without a model: numbers, combinations, measurements, and what each policy makes of them.

use serde_json::{Value, json};

use crate::climb::{fates, search};
use crate::support::{World, can_isolate, of_type};

#[test]
fn every_policy_improves_the_baseline_and_submits_its_best() {
    if !can_isolate() {
        return;
    }
    for policy in ["hill-climb", "best-of-n", "best-first", "stages", "mcts", "epochs", "islands"] {
        let world = World::new();
        let finished = search(
            &world,
            &[
                "--policy",
                policy,
                "--operators",
                "tune,crossover=0.5",
                "--slots",
                "2",
                "--steps",
                "8",
                "--seed",
                "5",
            ],
        );
        assert_eq!(finished.code, 0, "{policy}: {}", finished.stderr);
        let result = finished.object();
        let found = &result["search"];
        assert_eq!((&found["policy"], &found["candidates"]), (&json!(policy), &json!(8)), "{result}");
        assert_eq!(result["steps"], json!(8), "a candidate is a step");
        let best = found["best"]["value"].as_f64().expect("a best candidate");
        assert!(best > 3.0, "{policy} found nothing better than the baseline: {best}");
        // The task has no noise: what was validated is what is submitted.
        assert_eq!(result["score"]["score"].as_f64(), Some(best), "{policy}");
        assert_eq!(result["validation_gap"].as_f64(), Some(0.0));
        assert_eq!(result["validations"].as_u64(), Some(9), "the baseline's and one for each candidate");
    }
}

#[test]
fn the_same_seed_makes_the_same_candidates_in_one_slot() {
    if !can_isolate() {
        return;
    }
    let candidates = |seed: &str| {
        let world = World::new();
        let finished = search(
            &world,
            &[
                "--policy",
                "mcts",
                "--operators",
                "tune,cma-es",
                "--slots",
                "1",
                "--steps",
                "6",
                "--seed",
                seed,
            ],
        );
        let events = finished.events();
        let built: Vec<Value> =
            of_type(&events, "node_built").iter().map(|built| built["changes"].clone()).collect();
        (fates(&events), built)
    };
    let first = candidates("11");
    assert_eq!(first.0.len(), 7);
    assert_eq!(first, candidates("11"));
    assert_ne!(first, candidates("12"));
}

#[test]
fn the_best_candidate_is_measured_again_before_it_counts() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let finished = search(
        &world,
        &[
            "--variant",
            "noisy",
            "--operators",
            "tune",
            "--policy",
            "hill-climb",
            "--slots",
            "1",
            "--steps",
            "6",
            "--measurements",
            "3",
            "--seed",
            "2",
        ],
    );
    let result = finished.object();
    let best = &result["search"]["best"];
    assert_eq!(best["n"].as_u64(), Some(3), "{result}");
    assert!(best["standard_error"].as_f64().is_some_and(|error| error > 0.0), "{best}");
    let operators: Vec<String> =
        fates(&finished.events()).into_iter().map(|(operator, _)| operator).collect();
    assert_eq!(operators[..3], ["baseline", "replicate", "replicate"]);
    assert_eq!(
        result["search"]["candidates"].as_u64(),
        Some(operators.iter().filter(|o| *o == "tune").count() as u64)
    );
}

#[test]
fn a_target_and_patience_end_a_search_with_a_submission() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let finished = search(
        &world,
        &["--operators", "tune", "--target", "4", "--slots", "1", "--steps", "60", "--seed", "5"],
    );
    let result = finished.object();
    assert_eq!(result["ending"], json!("submitted"), "{result}");
    assert!(result["score"]["score"].as_f64().is_some_and(|score| score >= 4.0));
    let notes = finished.events();
    let notes = of_type(&notes, "noted");
    assert!(
        notes[0]["text"].as_str().is_some_and(|text| text.contains("reaches the target of 4")),
        "{notes:?}"
    );

    let world = World::new();
    let flat = search(
        &world,
        &["--policy", "best-of-n", "--operators", "tune", "--patience", "3", "--slots", "1", "--seed", "5"],
    );
    let events = flat.events();
    let notes = of_type(&events, "noted");
    assert_eq!(notes[0]["text"], json!("the search ends: 3 candidates brought nothing better"));
    assert_eq!(flat.object()["ending"], json!("submitted"));
}
