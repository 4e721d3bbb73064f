//! `export`: tables and conversations, whole or not at all.

use std::path::Path;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::stored::{foreign, keep, keep_long};
use crate::support::{World, can_isolate, eventually, name, signal, wait};

/// A store with three imported runs.
fn store() -> World {
    let world = World::new();
    for (id, task, score) in
        [("aaaaaaaa", "one", Some(2.0)), ("bbbbbbbb", "two", Some(0.5)), ("cccccccc", "two", None)]
    {
        keep(&world.path("runs"), &foreign(id, task, score));
    }
    world
}

fn entries(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| name(&entry.path())).collect();
    names.sort();
    names
}

#[test]
fn tables_hold_all_runs_and_say_how_much() {
    let world = store();
    let exported = world.finish(&["export", "--format", "csv", "-o", "out", "--output", "json"]);
    assert_eq!(exported.code, 0, "{exported:?}");
    let out = world.path("out");
    let file = |table: &str, rows: u64| {
        let path = out.join(format!("{table}.csv"));
        json!({ "path": path, "rows": rows, "bytes": path.metadata().expect("a file").len() })
    };
    let expected = json!({
        "schema": 1, "out": out, "format": "csv", "runs": 3,
        "files": [file("runs", 3), file("steps", 6), file("scores", 3), file("calls", 0), file("nodes", 0), file("trial_metrics", 0)],
        "left_out": [], "problems": [],
    });
    assert_eq!(exported.object(), expected);
    let scores = std::fs::read_to_string(out.join("scores.csv")).expect("a table");
    let rows = [
        "run_id,attempt,kind,split,is_submission,invalid,metric,value,is_primary,direction,baseline,gain,after_steps,after_ms,\
         after_cost_micro_usd,artefact",
        "aaaaaaaa,1,submit,test,true,,accuracy,2.0,true,maximize,1.0,1.0,2,,,",
        "bbbbbbbb,1,submit,test,true,,accuracy,0.5,true,maximize,1.0,-0.5,2,,,",
        "cccccccc,1,submit,test,true,nothing there,,,,,,,2,,,",
        "",
    ];
    assert_eq!(scores, rows.join("\r\n"));
    for (format, magic) in [("parquet", "PAR1"), ("arrow", "ARROW1")] {
        let exported = world.finish(&["export", "--format", format, "-o", format]);
        assert_eq!(exported.code, 0, "{exported:?}");
        let bytes = std::fs::read(world.path(format).join(format!("steps.{format}"))).expect("a table");
        assert!(bytes.starts_with(magic.as_bytes()), "{format}");
    }
    assert_eq!(entries(&world.path(".")), ["arrow", "out", "parquet", "runs"]);
}

#[test]
fn runs_are_named_filtered_and_chosen_by_score() {
    let world = store();
    let ids = |more: &[&str]| -> Vec<String> {
        let words = [&["export", "--format", "csv", "-o", "out", "--force"], more].concat();
        let exported = world.finish(&words);
        assert_eq!(exported.code, 0, "{words:?}: {exported:?}");
        let text = std::fs::read_to_string(world.path("out/runs.csv")).expect("a table");
        text.lines().skip(1).map(|line| line.split(',').next().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(ids(&["bb", "aaaaaaaa", "bbbb"]), ["bbbbbbbb", "aaaaaaaa"]);
    assert_eq!(ids(&["--task", "two"]), ["bbbbbbbb", "cccccccc"]);
    assert_eq!(ids(&["--improved"]), ["aaaaaaaa"]);
    assert_eq!(ids(&["--min-score", "0.5"]), ["aaaaaaaa", "bbbbbbbb"]);
    assert_eq!(ids(&["--unflagged", "--task", "t*", "cc"]), ["cccccccc"]);
    let told =
        world.finish(&["export", "--improved", "--format", "sft", "-o", "x", "--output", "json"]).object();
    let reasons: Vec<&str> =
        told["left_out"].as_array().into_iter().flatten().filter_map(|one| one["reason"].as_str()).collect();
    let expected = [
        "it is not better than the baseline by more than the noise floor: by -0.5",
        "it has no valid final submission with a primary metric",
    ];
    assert_eq!(reasons, expected);
}

#[test]
fn what_cannot_be_done_is_told_and_nothing_is_written() {
    let world = store();
    world.file("file", "kept");
    std::fs::create_dir(world.path("full")).expect("a folder");
    std::fs::write(world.path("full/x"), "kept").expect("a file");
    for (words, expected) in [
        (vec!["--format", "csv", "-o", "full"], "there is something already"),
        (vec!["--format", "csv", "-o", "file", "--force"], "there is a file"),
        (vec!["--format", "sft", "-o", "file"], "there is something already"),
        (vec!["--format", "sft", "-o", "full", "--force"], "this is a folder"),
        (vec!["--format", "sft", "-o", "no/such/file"], "there is no folder"),
        (vec!["--format", "parquet", "-o", "no/such/folder"], "there is no folder"),
        (vec!["--format", "xlsx", "-o", "out"], "invalid value 'xlsx'"),
        (vec!["-o", "out"], "--format"),
        (vec!["--format", "csv"], "--to <PATH>"),
        (vec!["--format", "csv", "--bundle", "aa", "-o", "out"], "cannot be used with"),
        (vec!["--bundle", "aa", "--task", "one", "-o", "out"], "cannot be used with"),
        (vec!["--format", "csv", "-o", "out", "dddd"], "there is no run `dddd`"),
        (vec!["--format", "csv", "-o", "out", "--task", "nosuch"], "there is nothing to export"),
        (vec!["--format", "csv", "-o", "out", "--min-score", "nan"], "write a number"),
        (vec!["--format", "csv", "-o", "out", "--runs-dir", "/nosuch"], "/nosuch"),
        (vec!["--bundle", "aa", "-o", "file"], "there is something already"),
    ] {
        let refused = world.finish(&[&["export"], words.as_slice()].concat());
        assert_eq!(refused.code, 2, "{words:?}: {refused:?}");
        assert!(refused.stderr.contains(expected), "{words:?}: {}", refused.stderr);
    }
    assert_eq!(entries(&world.path(".")), ["file", "full", "runs"]);
    assert_eq!(std::fs::read_to_string(world.path("file")).ok().as_deref(), Some("kept"));
    assert_eq!(entries(&world.path("full")), ["x"]);
    let forced = world.finish(&["export", "--format", "sft", "-o", "file", "--force"]);
    assert_eq!(forced.code, 0, "{forced:?}");
    assert_eq!(std::fs::read_to_string(world.path("file")).expect("a file").lines().count(), 3);
}

#[test]
fn a_run_that_breaks_off_is_told_and_the_others_are_there() {
    let world = store();
    let path = world.path("runs/2026-11-01/bbbbbbbb/imported.jsonl");
    let text = std::fs::read_to_string(&path).expect("a record");
    std::fs::write(&path, text.replace("\"number\":2", "\"number\":x")).expect("a record");
    std::fs::create_dir_all(world.path("runs/2026-11-01/dddddddd")).expect("a folder");
    let exported = world.finish(&["export", "--format", "csv", "-o", "out", "--output", "json"]);
    let object = exported.object();
    let problem = |at: usize| object["problems"][at]["run"].as_str().unwrap_or_default().to_owned();
    assert_eq!(exported.code, 1, "{exported:?}");
    assert!(problem(0).ends_with("dddddddd") && problem(1).ends_with("bbbbbbbb"), "{object}");
    assert_eq!(object["left_out"], json!([]));
    assert_eq!(object["files"][1]["rows"], 5);
}

#[test]
fn steps_of_others_become_conversations() {
    let world = World::new();
    keep(&world.path("runs"), &foreign("aaaaaaaa", "one", Some(2.0)));
    let exported = world.finish(&["export", "--format", "sft", "-o", "sft.jsonl"]);
    assert_eq!(exported.code, 0, "{exported:?}");
    let text = std::fs::read_to_string(world.path("sft.jsonl")).expect("a file");
    let [line] = text.lines().collect::<Vec<_>>().try_into().expect("a line a run");
    let line: Value = serde_json::from_str(line).expect("JSON");
    let roles: Vec<&Value> =
        line["messages"].as_array().into_iter().flatten().map(|message| &message["role"]).collect();
    assert_eq!(roles, ["user", "assistant", "tool", "assistant", "tool"]);
    let metadata =
        ["run_id", "task", "score", "baseline", "gain", "made_from"].map(|key| line["metadata"][key].clone());
    assert_eq!(json!(metadata), json!(["aaaaaaaa", "one", 2.0, 1.0, 1.0, "steps"]));
}

#[test]
fn a_conversation_of_ours_is_what_was_said() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let lines = [
        json!({ "script": 1, "price": { "input": 1, "output": 2 } }),
        json!({ "text": "I look.", "calls": [{ "name": "bash", "arguments": { "cmd": "echo seen" } }], "usage": { "input": 11, "output": 5 } }),
        json!({ "text": "I submit.", "calls": [{ "name": "submit", "arguments": {} }] }),
    ];
    world.file("model.jsonl", &lines.map(|line| format!("{line}\n")).concat());
    let run = world.finish(&["run", "tiny", "basic-agent", "--model", "scripted/model.jsonl", "--seed", "1"]);
    assert_eq!(run.code, 0, "{run:?}");
    let exported = world.finish(&["export", "--format", "sft", "-o", "sft.jsonl"]);
    assert_eq!(exported.code, 0, "{exported:?}");
    let line: Value =
        serde_json::from_str(&std::fs::read_to_string(world.path("sft.jsonl")).expect("a file"))
            .expect("one line");
    assert_eq!(line["metadata"]["made_from"], "messages");
    let messages = line["messages"].as_array().expect("messages");
    let said: Vec<&Value> = messages.iter().filter(|message| message["role"] == "assistant").collect();
    assert_eq!([&said[0]["content"], &said[1]["content"]], ["I look.", "I submit."]);
    let call = &said[0]["tool_calls"][0];
    assert_eq!(
        (&call["function"]["name"], &call["function"]["arguments"]),
        (&json!("bash"), &json!("{\"cmd\":\"echo seen\"}"))
    );
    let result = messages.iter().find(|message| message["tool_call_id"] == call["id"]).expect("a result");
    assert!(result["content"].as_str().is_some_and(|text| text.contains("seen")), "{result}");
    let tools: Vec<&str> = line["tools"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|tool| tool["function"]["name"].as_str())
        .collect();
    assert!(tools.contains(&"bash") && tools.contains(&"submit"), "{tools:?}");
    let tables = world.finish(&["export", "--format", "csv", "-o", "out", "--output", "json"]).object();
    assert_eq!(tables["files"][3]["rows"], 2, "a row a call: {tables}");
    let calls = std::fs::read_to_string(world.path("out/calls.csv")).expect("a table");
    let first: Vec<&str> = calls.lines().nth(1).expect("a call").split(',').collect();
    assert_eq!((first[1], first[2], first[8], first[12], first[14]), ("1", "1", "11", "5", "21"), "{calls}");
}

/// Starts an export that takes a while and waits until it writes.
fn begun(world: &World) -> std::process::Child {
    keep_long(&world.path("runs"), "aaaaaaaa", 300_000);
    let child = world.start(&["export", "--format", "parquet", "-o", "out"]);
    eventually("it writes", || {
        entries(&world.path(".")).iter().any(|name| name.starts_with(".researchgym-export-")).then_some(())
    });
    child
}

#[test]
fn who_stops_an_export_finds_nothing_half() {
    let world = World::new();
    let child = begun(&world);
    signal(&child, Signal::INT);
    let stopped = wait(child);
    assert_eq!(stopped.code, 130, "{stopped:?}");
    assert_eq!(entries(&world.path(".")), ["runs"]);
}

#[test]
fn a_killed_export_leaves_nothing_in_its_place() {
    let world = World::new();
    let child = begun(&world);
    signal(&child, Signal::KILL);
    wait(child);
    assert!(!world.path("out").exists());
    std::fs::remove_dir_all(world.path("runs/2026-11-01/aaaaaaaa")).expect("a folder");
    keep(&world.path("runs"), &foreign("bbbbbbbb", "one", Some(2.0)));
    let again = world.finish(&["export", "--format", "parquet", "-o", "out"]);
    assert_eq!(again.code, 0, "{again:?}");
    assert_eq!(
        entries(&world.path("out")),
        [
            "calls.parquet",
            "nodes.parquet",
            "runs.parquet",
            "scores.parquet",
            "steps.parquet",
            "trial_metrics.parquet"
        ]
    );
}

#[test]
fn forms_of_others_hold_scores_and_steps_and_are_read_back() {
    let world = store();
    for (format, files, runs) in [("inspect", 2, 3), ("atif", 3, 3)] {
        let exported = world.finish(&["export", "--format", format, "-o", format, "--output", "json"]);
        assert_eq!(exported.code, 0, "{exported:?}");
        let object = exported.object();
        assert_eq!((&object["runs"], &object["problems"]), (&json!(runs), &json!([])));
        assert_eq!(entries(&world.path(format)).len(), files);
        let again = format!("{format}-again");
        let imported = world.finish(&["import", format, "--runs-dir", &again, "--output", "json"]);
        assert_eq!(imported.code, 0, "{imported:?}");
        let listed = world.finish(&["list", "--runs-dir", &again, "--output", "json"]).object();
        let mut read: Vec<(String, Value, Value)> = listed["imported"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|run| {
                let task = run["task"]["id"].as_str().unwrap_or_default().to_owned();
                (task, run["attempts"][0]["metrics"]["accuracy"].clone(), run["actions"]["steps"].clone())
            })
            .collect();
        read.sort_by_key(|(task, value, _)| (task.clone(), value.to_string()));
        let steps: Vec<&Value> = read.iter().map(|(_, _, steps)| steps).collect();
        assert_eq!(steps.len(), 3, "{listed}");
        assert!(steps.iter().all(|steps| steps.as_str().is_some_and(|steps| steps.len() == 2)), "{listed}");
        let values: Vec<&Value> = read.iter().map(|(_, value, _)| value).collect();
        assert!(values.contains(&&json!(2.0)) && values.contains(&&json!(0.5)), "{listed}");
    }
    let refused = world.finish(&["export", "--format", "inspect", "-o", "inspect"]);
    assert!(refused.code == 2 && refused.stderr.contains("there is something already"), "{refused:?}");
}
