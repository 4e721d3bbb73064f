//! `import`: the published runs of MLGym, what is broken, what is there already, and what cannot be done with runs of others.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::{World, eventually, say, signal, wait};

const NAME: &str = "litellm-small__blotto__default__t-0.00__p-0.95__c-4.00__install-0__x_run_";

fn trajectory(steps: usize) -> String {
    let step = json!({
        "action": "edit 1:2\nx = 1\nend_of_edit\n",
        "observation": "[File: /home/agent/workspace/target.py (3 lines total)]\nFile updated. Please review the changes",
        "state": "{\"open_file\": \"/home/agent/workspace/target.py\"}", "thought": "So.", "execution_time": 0.5,
    });
    json!({
        "trajectory": vec![step; steps], "history": [],
        "info": { "exit_status": "submitted", "score": [{ "Score": 0.25 }], "model_stats": { "task_cost": 0.5, "api_calls": steps } },
    })
    .to_string()
}

const RESULTS: &str = r#"{"agent": [{"Score": 0.25}], "baseline": {"Score": -0.25}}"#;

/// A run folder of MLGym below `mlgym`.
fn run_folder(world: &World, number: usize, files: &[(&str, &[u8])]) -> PathBuf {
    let folder = world.path("mlgym").join(format!("{NAME}{number}"));
    fs::create_dir_all(&folder).expect("a folder");
    files.iter().for_each(|(name, bytes)| fs::write(folder.join(name), bytes).expect("a file"));
    folder
}

fn whole(world: &World, number: usize) -> PathBuf {
    let steps = trajectory(3);
    run_folder(world, number, &[("results.json", RESULTS.as_bytes()), ("blotto.traj", steps.as_bytes())])
}

fn import(world: &World, words: &[&str]) -> (i32, Value) {
    let finished = world.finish(&[&["import", "--output", "json"], words].concat());
    (finished.code, finished.object())
}

/// The imported runs of a world: their records by seed.
fn records(world: &World) -> BTreeMap<u64, Value> {
    let read = |run: PathBuf| {
        let text = fs::read_to_string(run.join("imported.jsonl")).expect("a run is whole");
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let record = lines[0].clone();
        assert_eq!(record["actions"]["steps"].as_str().map(str::len), Some(lines.len() - 1));
        (record["seed"].as_u64().expect("a number"), record)
    };
    world.runs().into_iter().map(read).collect()
}

#[test]
fn what_is_broken_is_told_and_the_rest_is_taken() {
    let world = World::new();
    whole(&world, 1);
    run_folder(&world, 2, &[("results.json", RESULTS.as_bytes())]);
    run_folder(&world, 3, &[("blotto.traj", &trajectory(3).as_bytes()[..500])]);
    run_folder(&world, 4, &[("results.json", br#"{"agent": [{"Score": NaN}], "baseline": {}}"#)]);
    run_folder(&world, 5, &[("results.json", b"{\"agent\": ["), ("notes.txt", b"x")]);
    run_folder(&world, 6, &[("blotto.traj", b"[]")]);
    let outside = world.path("outside");
    fs::create_dir(&outside).expect("a folder");
    fs::write(outside.join("results.json"), RESULTS).expect("a file");
    std::os::unix::fs::symlink(&outside, world.path("mlgym").join(format!("{NAME}7"))).expect("a link");

    let (code, mut told) = import(&world, &["mlgym", "--tag", "old", "--tag", "tried"]);
    let runs = told["runs"].as_array().expect("a list").len();
    told.as_object_mut().expect("an object").remove("runs");
    let source = |number: u64| format!("mlgym/{NAME}{number}");
    let no_results = "there is no results.json: scores and baseline are those that the trajectory tells";
    let cut = told["left_out"]
        .as_object()
        .expect("an object")
        .keys()
        .find(|key| key.contains("to its end"))
        .cloned();
    let cut = cut.expect("the cut is told");
    let expected = json!({
        "schema": 1, "imported": 4, "duplicates": 0, "ours": [], "left_alone": 1, "stopped": false,
        "broken": [
            { "source": source(5), "why": "results.json does not hold the scores of a run of MLGym: EOF while parsing a list at line 1 column 11" },
            { "source": source(6), "why": told["broken"][1]["why"] },
        ],
        "formats": { "mlgym": 4 }, "models": { "small": 4 }, "tasks": { "blotto": 4 },
        "left_out": {
            "there is no trajectory: how the run ended, its steps and its usage are unknown": 2,
            "results.json: numbers that are not finite were taken as unknown (1 times)": 1,
            no_results: 1,
            cut.clone(): 1,
        },
    });
    assert_eq!((code, runs, &told), (1, 4, &expected));
    assert!(cut.ends_with("its first 1 steps were taken"), "{cut}");
    let records = records(&world);
    assert_eq!(records.keys().copied().collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!(records[&1]["tags"], json!(["old", "tried"]));
    assert_eq!(records[&1]["origin"]["source"], json!(source(1)));
    assert_eq!(records[&1]["usage"]["cost"], json!(500_000));
    assert_eq!(records[&4]["attempts"][0]["invalid"], json!("Score is not a finite number"));

    let (code, again) = import(&world, &["mlgym", "--format", "mlgym"]);
    assert_eq!((code, &again["imported"], &again["duplicates"]), (1, &json!(0), &json!(4)));
    assert_eq!(records.len(), 4);
    // What was imported is no foreign run.
    let (code, ours) = import(&world, &["runs"]);
    assert_eq!((code, ours["ours"].as_array().map(Vec::len)), (2, Some(4)));
    assert_eq!(world.finish(&["import", "nowhere"]).code, 2);
    let (code, none) = import(&world, &["mlgym", "--format", "atif"]);
    assert_eq!((code, &none["imported"]), (2, &json!(0)));
}

#[test]
fn imported_runs_are_inspected_and_nothing_else_is_done_with_them() {
    let world = World::new();
    whole(&world, 1);
    let (_, told) = import(&world, &["mlgym"]);
    let run = told["runs"][0]["run"].as_str().expect("an id");
    let sentence = format!(
        "run {run} was imported from mlgym: it can be shown, inspected, reported and exported, and nothing else"
    );
    for words in [
        &["run", "--resume", run][..],
        &["run", "--fork", &format!("{run}@1")],
        &["grade", run],
        &["replay", run],
        &["verify", run],
        &["pause", run],
        &["unpause", run],
        &["note", run, "hello"],
        &["limit", run, "--steps", "5"],
    ] {
        let finished = world.finish(words);
        assert_eq!(finished.code, 2, "{words:?} {finished:?}");
        assert!(finished.stderr.contains(&sentence), "{words:?} {}", finished.stderr);
    }
    let inspected = world.finish(&["inspect", run, "--output", "json"]);
    let report = inspected.object();
    let found: Vec<_> = report["violations"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| (&one["type"], &one["events"]))
        .collect();
    assert!(found.contains(&(&json!("protected_file_changed"), &json!([1, 2, 3]))), "{report}");
    let again = world.finish(&["inspect", run, "--output", "json"]);
    assert_eq!((again.code, again.object()), (11, report));
    assert!(again.stderr.contains("the stored report"), "{}", again.stderr);
}

/// An import that is ended in its midst leaves whole runs only, and the next one takes the rest.
fn ended_in_its_midst(with: rustix::process::Signal, codes: &[i32]) {
    const RUNS: usize = 300;
    let world = World::new();
    (0..RUNS).for_each(|number| drop(whole(&world, number)));
    let child = world.start(&["import", "mlgym", "--output", "json"]);
    eventually("a first run", || {
        (!world.runs().iter().all(|run| !run.join("imported.jsonl").exists())).then_some(())
    });
    signal(&child, with);
    let ended = wait(child);
    assert!(codes.contains(&ended.code), "{ended:?}");
    let is_day =
        |path: &PathBuf| path.parent().and_then(Path::file_name).is_some_and(|name| name.len() == 10);
    let first = world.runs().iter().filter(|run| is_day(run)).count();
    let (code, told) = import(&world, &["mlgym"]);
    assert_eq!(code, 0);
    assert_eq!((&told["imported"], &told["duplicates"]), (&json!(RUNS - first), &json!(first)));
    assert_eq!(records(&world).len(), RUNS);
    let left = fs::read_dir(world.path("runs")).expect("a folder").flatten();
    let left: Vec<_> =
        left.filter(|entry| entry.file_name().to_string_lossy().starts_with("researchgym-")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_killed_import_leaves_a_store_that_can_be_used() {
    ended_in_its_midst(rustix::process::Signal::KILL, &[-1, 137]);
}

#[test]
fn a_stopped_import_leaves_whole_runs() {
    ended_in_its_midst(rustix::process::Signal::INT, &[0, 130]);
}

/// The published archive, if it is here.
fn published() -> Option<PathBuf> {
    let data = std::env::var_os("RESEARCHGYM_TEST_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"), PathBuf::from);
    let archive = data.join("mlgym/mlgym_bench_v0.tar.zst");
    if !archive.is_file() {
        say(&format!("SKIPPED: the published runs of MLGym are not at {}", archive.display()));
        return None;
    }
    Some(archive)
}

#[test]
fn the_published_runs_of_mlgym_are_imported() {
    let Some(archive) = published() else { return };
    let archive = archive.display().to_string();
    let world = World::new();
    let (code, told) = import(&world, &[&archive]);
    let models = [
        "claude-35-sonnet-new",
        "claude-37-sonnet",
        "deepseek-r1",
        "gemini-15-pro",
        "gemini-20-flash-thinking",
        "gemini-20-pro",
        "gemini-25-pro",
        "gpt-o1",
        "gpt-o3-mini",
        "gpt4o2",
        "llama3-405b-tools",
        "llama4-17b-128",
        "llama4-17b-16",
    ];
    let tasks = [
        "3SATTime",
        "battleOfSexes",
        "blotto",
        "imageCaptioningCOCO",
        "imageClassificationCifar10",
        "imageClassificationFMnist",
        "languageModelingFineWeb",
        "naturalLanguageInferenceMNLI",
        "prisonersDilemma",
        "regressionKaggleHousePrice",
        "rlBreakoutMinAtar",
        "rlMetaMazeMisc",
        "rlMountainCarContinuous",
    ];
    let each = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), 52)).collect::<BTreeMap<_, _>>();
    assert_eq!((code, &told["imported"], &told["broken"]), (0, &json!(676), &json!([])), "{told}");
    assert_eq!((&told["models"], &told["tasks"]), (&json!(each(&models)), &json!(each(&tasks))));
    let mut steps: BTreeMap<String, usize> = BTreeMap::new();
    let mut cells: BTreeMap<(String, String), u64> = BTreeMap::new();
    for run in world.runs() {
        let text = fs::read_to_string(run.join("imported.jsonl")).expect("a run is whole");
        let record: Value = serde_json::from_str(text.lines().next().unwrap_or_default()).expect("JSON");
        let name = |value: &Value| value.as_str().expect("a name").to_owned();
        *steps.entry(name(&record["model"])).or_default() += text.lines().count() - 1;
        *cells.entry((name(&record["model"]), name(&record["task"]["id"]))).or_default() += 1;
        assert_eq!(
            record["submission"],
            json!(record["attempts"].as_array().map(Vec::len).filter(|count| *count > 0))
        );
    }
    steps.retain(|_, count| *count > 0);
    assert_eq!(cells.into_values().collect::<Vec<_>>(), vec![4; 169]);
    assert_eq!(steps.values().sum::<usize>(), 3990, "{steps:?}");
    let (code, again) = import(&world, &[&archive]);
    assert_eq!((code, &again["imported"], &again["duplicates"]), (0, &json!(0), &json!(676)));

    let cheated = told["runs"].as_array().expect("a list").iter().find(|run| {
        let source = run["source"].as_str().unwrap_or_default();
        source.contains("gemini-15-pro__3SATTime") && source.ends_with("_run_1")
    });
    let run = cheated.expect("it is there")["run"].as_str().expect("an id");
    let report = world.finish(&["inspect", run, "--output", "json"]).object();
    let found = report["violations"].as_array().expect("a list").iter();
    let changed: Vec<_> =
        found.filter(|one| one["type"] == "protected_file_changed").map(|one| &one["events"]).collect();
    assert_eq!(changed, [&json!([8, 10])]);
}
