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
fn a_stage_ends_at_its_own_limit() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let lines: Vec<_> = (0..20).map(|step| answer(&format!("{}", 3.0 + f64::from(step) / 10.0))).collect();
    let model = model(&world, &lines);
    let words =
        ["--policy", "epochs", "--policy-set", "batch=4", "--policy-set", "epochs=2", "--operators", "draft"];
    let limits = ["--slots", "1", "--similarity", "1", "--stage-tokens", "0=1500", "--model", &model];
    let finished = search(&world, &[words.as_slice(), limits.as_slice()].concat());
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    let events = finished.events();
    let dropped = of_type(&events, "node_dropped");
    let reasons: Vec<&str> = dropped.iter().filter_map(|dropped| dropped["reason"].as_str()).collect();
    assert_eq!(reasons.len(), 2, "{reasons:?}");
    assert!(reasons.iter().all(|reason| reason.starts_with("epoch 0 has used ")), "{reasons:?}");
}

#[test]
fn a_search_that_can_make_nothing_more_ends_and_says_so() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let folder = copy_of(&world, |task| task.replace("high = 9.0", "high = 1.0\ninteger = true"));
    let words = ["run", "climb", "search", "--output", "json", "--tasks-dir", &folder, "--operators", "tune"];
    let finished = world.finish(&[words.as_slice(), &["--slots", "1", "--resamples", "2"]].concat());
    let result = finished.object();
    assert_eq!(result["ending"], json!("submitted"), "{result}");
    let events = finished.events();
    let note = of_type(&events, "noted").last().map(|note| note["text"].to_string()).expect("a note");
    assert!(
        note.contains("100 plans in a row came to nothing, the last one: it is the same as node"),
        "{note}"
    );
}

#[test]
fn an_artefact_of_the_starter_is_nobodys_answer() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let folder = copy_of(&world, str::to_owned);
    std::fs::write(world.path("tasks/climb/starter/answer.json"), r#"{"answer": 9}"#).expect("a file");
    let silent = json!({"text": "```python solve.py\nanswer = 'none'\n```\n"});
    let model = model(&world, &[silent]);
    let words =
        ["run", "climb", "search", "--output", "json", "--tasks-dir", &folder, "--operators", "draft"];
    let more =
        ["--policy", "best-of-n", "--form", "whole-files", "--slots", "1", "--steps", "1", "--model", &model];
    let finished = world.finish(&[words.as_slice(), more.as_slice()].concat());
    let found: Vec<String> =
        crate::climb::fates(&finished.events()).into_iter().map(|(_, fate)| fate).collect();
    assert_eq!(found, ["3", "no_artefact"], "{}", finished.stderr);
}

#[test]
fn a_policy_that_never_answers_is_ended_with_the_run() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let policy = world.file("silent.py", "import sys\nfor line in sys.stdin:\n    pass\n");
    let words = ["--policy", &policy, "--operators", "tune", "--slots", "1", "--hours", "0.0015"];
    let finished = search(&world, &words);
    assert_eq!(finished.object()["ending"], json!("time_limit"), "{}", finished.stderr);
    world.wait_until_nothing_is_left();
}

/// The tasks' folder with one copy of `climb` whose declaration is changed.
fn copy_of(world: &World, change: impl Fn(&str) -> String) -> String {
    let folder = world.path("tasks/climb");
    crate::hostile::copy(&std::path::Path::new(&crate::climb::tasks()).join("climb"), &folder);
    let file = folder.join("task.toml");
    let text = std::fs::read_to_string(&file).expect("a task");
    std::fs::write(&file, change(&text)).expect("a file");
    world.path("tasks").display().to_string()
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
    let script = world.file("policy.sh", "exit 0\n");
    let search = ["run", "climb", "search"];
    let model = model(&world, &[answer("4")]);
    let cases: [(&[&str], &str); 27] = [
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
            &["run", "climb", "search", "--operators", "replicate"],
            "can make nothing with these operators alone",
        ),
        (&["run", "tiny", "search", "--measurements", "9"], "allows 3 validations in all"),
        (&["run", "climb", "search", "--policy-set", "migration_rate=-5"], "it is a share, from 0 to 1"),
        (&["run", "climb", "search", "--policy-set", "num_islands=4000000000"], "it is more than 1000000"),
        (
            &["run", "climb", "search", "--ensemble", "openai/gpt-5"],
            "--ensemble adds to the model that --model names",
        ),
        (&["--policy", &script], "it is not executable"),
        (&["--operators", "tune,tune=3"], "--operators names tune twice"),
        (&["--policy", "mcts", "--policy-set", "exploration=-1"], "`exploration` is less than 0"),
        (
            &["--policy-set", "feature_dimensions=complxity"],
            "candidates of task climb have complexity, diversity, score",
        ),
        (&["--temperature", "nan"], "--temperature NaN: must be a number"),
        (&["--select", "bandit"], "--select would have no effect: there is one model only"),
        (&["--model-weight", "2"], "--model-weight would have no effect: there is one model only"),
        (&["--repairs", "1"], "--repairs would have no effect: no operator of this search asks a model"),
        (&["--form", "whole-files"], "--form would have no effect"),
        (&["--context-tokens", "9000"], "--context-tokens would have no effect"),
        (
            &["--slots", "2", "--evaluation-slots", "3"],
            "--evaluation-slots would have no effect: there are at most 2 candidates at once",
        ),
        (&["--inherit", "text"], "it is about the operator implement"),
        (&["--model", &model, "--stage-tokens", "1=9"], "the policy islands has no stages"),
        (
            &["--model", &model, "--policy", "stages", "--stage-tokens", "5=9"],
            "there is no 5; the stages are 1 to 4",
        ),
        (
            &["--model", &model, "--policy", "epochs", "--stage-budget", "10=1"],
            "there is no 10; the epochs are 0 to 9",
        ),
    ];
    for (words, expected) in cases {
        let whole: Vec<&str> = match words {
            ["run", ..] => words.to_vec(),
            flags => [&search[..], flags].concat(),
        };
        let words = whole.as_slice();
        let said = refused(words);
        assert!(said.contains(expected), "{words:?}: {said}");
    }
    assert_eq!(world.runs(), Vec::<std::path::PathBuf>::new());
}
