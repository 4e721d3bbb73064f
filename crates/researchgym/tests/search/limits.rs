//! Limits and mistakes: money, validations, time, and flags that cannot be.

use serde_json::json;

use crate::climb::{answer, model, search};
use crate::support::{World, can_isolate, of_type};

#[test]
fn money_ends_a_search_before_it_is_overrun() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let lines: Vec<_> = (0..40).map(|step| answer(&format!("{}", 3.0 + f64::from(step) / 10.0))).collect();
    let model = model(&world, &lines);
    // An answer costs about 0.001 dollars, and what is set aside for one about 0.005.
    let finished = search(
        &world,
        &[
            "--model",
            &model,
            "--policy",
            "best-of-n",
            "--operators",
            "draft",
            "--slots",
            "3",
            "--budget",
            "0.02",
        ],
    );
    let result = finished.object();
    assert_eq!(result["ending"], json!("budget"), "{result}");
    assert!(result["cost_usd"].as_f64().is_some_and(|cost| cost <= 0.02 && cost > 0.01), "{result}");
    // What was made is evaluated, and the best of it is what counts.
    let best = result["search"]["best"]["value"].as_f64();
    assert_eq!(result["score"]["score"].as_f64(), best);
    assert!(best.is_some_and(|best| best >= 3.1), "{result}");
}

#[test]
fn the_task_says_how_often_candidates_are_validated() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let tasks = crate::climb::tasks();
    let words = [
        "run",
        "tiny",
        "search",
        "--output",
        "json",
        "--tasks-dir",
        &tasks,
        "--operators",
        "tune",
        "--slots",
        "4",
    ];
    let finished = world.finish(&words);
    let result = finished.object();
    assert_eq!(result["ending"], json!("submitted"), "{result}");
    assert_eq!(result["validations"].as_u64(), Some(3));
    let events = finished.events();
    let notes = of_type(&events, "noted");
    assert_eq!(notes[0]["text"], json!("the search ends: all 3 validations that the task allows are used"));
}

#[test]
fn what_cannot_be_searched_is_refused_before_anything_starts() {
    let world = World::new();
    let tasks = crate::climb::tasks();
    let refused = |words: &[&str]| {
        let all: Vec<&str> = words.iter().copied().chain(["--tasks-dir", &tasks]).collect();
        let finished = world.finish(&all);
        assert_eq!(finished.code, 2, "{words:?}: {}", finished.stderr);
        finished.stderr
    };
    let cases: [(&[&str], &str); 8] = [
        (&["run", "climb", "search", "--policy", "mtcs"], "did you mean `mcts`?"),
        (&["run", "climb", "search", "--policy", "./none.py"], "there is no such file"),
        (&["run", "climb", "search", "--operators", "improve"], "improve needs --model provider/model"),
        (
            &["run", "climb", "search", "--operators", "breed"],
            "there is no operator `breed`; there are draft,",
        ),
        (&["run", "climb", "search", "--operators", "tune=0"], "write a weight above 0"),
        (&["run", "climb", "tuner", "--policy", "mcts"], "--policy belongs to the agent `search`"),
        (&["run", "climb", "search", "--target", "nan"], "write a finite number"),
        (
            &["run", "climb", "search", "--ensemble", "openai/gpt-5"],
            "--ensemble adds to the model that --model names",
        ),
    ];
    for (words, expected) in cases {
        let said = refused(words);
        assert!(said.contains(expected), "{words:?}: {said}");
    }
    assert_eq!(world.runs(), Vec::<std::path::PathBuf>::new());
}
