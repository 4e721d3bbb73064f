//! The result object: its keys, for every ending, and the commands that print it.

use serde_json::{Value, json};

use crate::support::{World, answer, can_isolate, exec, submit, validate};

/// Keys are only ever added to this list.
const KEYS: [&str; 35] = [
    "schema",
    "run",
    "run_id",
    "task",
    "task_digest",
    "variant",
    "agent",
    "model",
    "seed",
    "runtime",
    "image",
    "isolation",
    "state",
    "ending",
    "boundary",
    "error",
    "primary",
    "score",
    "best_score",
    "validation_gap",
    "score_split",
    "best_split",
    "baseline",
    "improved",
    "steps",
    "validations",
    "seconds",
    "wall_seconds",
    "cost_usd",
    "tokens",
    "model_calls",
    "forked_from",
    "integrity",
    "network",
    "log_head",
];

fn keys(object: &Value) -> Vec<&str> {
    object.as_object().expect("an object").keys().map(String::as_str).collect()
}

#[test]
fn the_result_says_all_that_is_documented() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let finished = world.scripted(&[answer(7), validate(), answer(3), submit()], &["--seed", "11"]);
    let object = finished.object();
    let mut documented = KEYS;
    documented.sort_unstable();
    assert_eq!(keys(&object), documented);
    let run = finished.run();
    assert!(run.is_absolute() && run.join("events.jsonl").is_file());
    let expected = json!({
        "schema": 1, "task": "tiny", "variant": "default", "agent": "scripted", "model": null, "seed": 11,
        "runtime": "local", "image": null, "state": "ended", "ending": "submitted", "boundary": null, "error": null,
        "primary": { "name": "score", "direction": "maximize" },
        "score": { "score": 3.0 }, "score_split": "test",
        "best_score": { "score": 7.0 }, "best_split": "validation",
        "validation_gap": 4.0,
        "baseline": { "score": 1.0 }, "improved": true,
        "steps": 4, "validations": 1, "cost_usd": 0.0, "tokens": 0, "model_calls": 0, "forked_from": null,
        "integrity": [],
        "network": {
            "agent": "none", "grader": "none",
            "requests": { "allowed": 0, "refused": 0, "reasons": {}, "bytes_up": 0, "bytes_down": 0 },
        },
    });
    for (key, value) in expected.as_object().expect("an object") {
        assert_eq!(&object[key], value, "{key}");
    }
    assert_eq!(keys(&object["isolation"]), ["enforced", "level", "missing"]);
    assert!(object["seconds"].as_f64() <= object["wall_seconds"].as_f64());

    let id = object["run_id"].as_str().expect("an id");
    let shown = world.finish(&["show", id, "--output", "json"]);
    assert_eq!(shown.code, 0);
    for key in KEYS {
        assert_eq!(shown.object()[key], object[key], "{key}");
    }
    let replayed = world.finish(&["replay", id]);
    assert_eq!((replayed.code, &replayed.stderr, replayed.object()), (0, &finished.stderr, object.clone()));
    let listed = world.finish(&["list", "--output", "json"]).object();
    assert_eq!((&listed["runs"], &listed["broken"]), (&json!([object]), &json!([])));
    let verified = world.finish(&["verify", id, "--output", "json"]);
    assert_eq!((verified.code, &verified.object()["log_head"]), (0, &object["log_head"]));
    let status: Value =
        serde_json::from_str(&std::fs::read_to_string(run.join("status.json")).expect("a file"))
            .expect("JSON");
    assert_eq!(status["score"], object["score"]);
}

#[test]
fn repeated_runs_are_an_array_with_seeds_of_their_own() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let lines = [exec("echo $RESEARCHGYM_SEED"), submit()];
    let more = ["--repeat", "3", "--parallel", "3", "--seed", "1", "--variant", "noisy"];
    let seeds_and_scores = || -> Vec<(Value, Value)> {
        let finished = world.scripted(&lines, &more);
        assert_eq!(finished.code, 0, "{finished:?}");
        let runs = finished.object();
        let runs = runs.as_array().expect("an array");
        runs.iter().map(|run| (run["seed"].clone(), run["score"]["score"].clone())).collect()
    };
    let first = seeds_and_scores();
    assert_eq!(first, seeds_and_scores());
    assert_eq!(first.len(), 3);
    assert!(first[0] != first[1] && first[1] != first[2] && first[0] != first[2], "{first:?}");
    let one = world.scripted(&lines, &["--repeat", "1"]);
    assert_eq!(one.object().as_array().map(Vec::len), Some(1));
}

#[test]
fn the_worst_of_several_runs_decides_the_code() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let check = |line: Value, more: &[&str], code: i32| {
        let finished = world.scripted(&[line, submit()], &[&["--repeat", "2"], more].concat());
        assert_eq!((finished.code, finished.object().as_array().map(Vec::len)), (code, Some(2)));
    };
    check(exec("rm answer.json"), &[], 1);
    check(exec("true"), &["--variant", "broken"], 3);
}

#[test]
fn the_log_of_outputs_holds_all_of_a_long_one() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let finished = world.scripted(&[exec("seq 1 5000; echo end >&2"), answer(7), submit()], &[]);
    let log = std::fs::read_to_string(finished.run().join("logs/exec.stdout.log")).expect("a log");
    let expected: Vec<String> = (1..=5000).map(|number| number.to_string()).chain(["end".into()]).collect();
    assert_eq!(log.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn a_copied_run_is_named_by_its_own_folder() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let run = world.scripted(&[answer(5), submit()], &[]).run();
    let id = run.file_name().expect("a name").to_str().expect("a text").to_owned();
    let twin = world.path("runs/2026-01-01").join(&id);
    std::fs::create_dir_all(twin.parent().expect("a day")).expect("a folder");
    for copy in [run.with_file_name("00000c0d"), twin.clone()] {
        let copied = std::process::Command::new("cp").arg("-a").arg(&run).arg(&copy).status();
        assert!(copied.expect("cp runs").success());
    }
    let hinted = |asked: &str, named: &str| {
        let shown = world.finish(&["show", asked]);
        let hint = format!(" replay {named}\n");
        assert!(shown.code == 0 && shown.stderr.contains(&hint), "{asked}: {shown:?}");
    };
    hinted("00000c0d", "00000c0d");
    // Of two folders of one name the earlier day's is meant; the other is named by its path.
    hinted(&id, &id);
    hinted(&twin.display().to_string(), &id);
    hinted(&run.display().to_string(), &run.display().to_string());
    let verified = world.finish(&["verify", "00000c0d", "--output", "json"]);
    let note =
        format!("this is a copy of run `{id}`, or its folder was renamed: commands know it by its folder");
    let object = verified.object();
    assert_eq!(
        (verified.code, &object["run_id"], &object["whole"], &object["notes"]),
        (0, &json!(id), &json!(true), &json!([note]))
    );
    assert_eq!(world.finish(&["verify", &id, "--output", "json"]).object()["notes"], json!([]));
}
