//! What is typed wrongly is met with words, an object for scripts and exit code 2; nothing is started.

use serde_json::{Value, json};

use crate::support::{World, exec, submit};

/// The message that a wrong command line is met with, which is also the whole object on standard output.
fn message(world: &World, words: &[&str]) -> String {
    let finished = world.finish(words);
    assert_eq!(finished.code, 2, "{finished:?}");
    let object = finished.object();
    assert_eq!(object.as_object().expect("an object").keys().collect::<Vec<_>>(), ["error", "schema"]);
    assert_eq!(object["schema"], 1);
    assert!(world.runs().is_empty(), "nothing is started");
    let message = object["error"]["message"].as_str().expect("a message").to_owned();
    assert!(finished.stderr.contains(&message), "{finished:?}");
    message
}

#[test]
fn wrong_words_are_named() {
    let world = World::new();
    let script = world.script(&[submit()]);
    let check = |words: &[&str], expected: &str| {
        let message = message(&world, words);
        assert!(message.contains(expected), "{message}");
    };
    check(&["run", "tiny"], "not provided:\n  <AGENT>");
    check(&["run", "tiny", "tuner", "--runtime", "podman"], "[possible values: local, docker, host]");
    check(&["run", "tiny", "scripted", "--no-such-flag"], "--no-such-flag");
    check(&["run", "no-such-task", "tuner"], "no-such-task");
    check(&["run", "tiny", "no-such-agent"], "no-such-agent");
    check(&["run", "tiny", "scripted"], "--script");
    check(&["run", "tiny", "scripted", "--script", "missing.jsonl"], "missing.jsonl");
    check(&["run", "tiny", "tuner", "--script", &script], "--script");
    check(&["run", "tiny", "tuner", "--variant", "no-such-variant"], "no-such-variant");
    check(&["run", "tiny", "tuner", "--trials", "99"], "--trials 99");
    check(&["run", "tiny", "tuner", "--hours", "soon"], "--hours soon");
    check(&["run", "tiny", "tuner", "--hours", "-1"], "--hours -1: must be a number above 0");
    check(&["run", "tiny", "tuner", "--seed", "-1"], "write a whole number from 0");
    check(&["run", "tiny", "tuner", "--steps", "1.5"], "--steps 1.5");
    check(&["run", "tiny", "tuner", "--budget", "nan"], "--budget nan");
    check(&["run", "tiny", "human", "--repeat", "2"], "--repeat");
    check(&["run", "tiny", "replay"], "--from");
    check(&["run", "--resume", "12345678"], "12345678");
    check(&["run", "tiny", "tuner", "--data-dir", "no-such-folder"], "--data-dir");
    check(&["show", "12345678", "--output", "json"], "12345678");
}

#[test]
fn what_was_meant_is_suggested() {
    let world = World::new();
    std::fs::create_dir(world.path("agents")).expect("a folder");
    world.file("agents/random-search.toml", "");
    for (words, expected) in [
        (["run", "tiny", "tunr"], "did you mean `tuner`?"),
        (["run", "tiny", "random-serch"], "did you mean `random-search`?"),
        (["run", "tniy", "tuner"], "did you mean `tiny`?"),
        (["run", "--repaet", "2"], "a similar argument exists: '--repeat'"),
    ] {
        let finished = world.finish(&words);
        assert_eq!(finished.code, 2, "{finished:?}");
        let hint = finished.object()["error"]["hint"].as_str().unwrap_or_default().to_owned();
        assert!(hint.starts_with(expected), "{hint}");
    }
}

#[test]
fn places_that_are_none_are_named() {
    let world = World::new();
    let file = world.file("file", "");
    let list = world.finish(&["list", "--runs-dir", &file]);
    assert!(list.code == 2 && list.stderr.contains(&file), "{list:?}");
    let empty = world.finish(&["list"]);
    let runs = world.path("runs").display().to_string();
    assert!(empty.code == 0 && empty.stderr.contains(&runs), "{empty:?}");
    let tasks = world.finish(&["task", "list", "--tasks-dir", &runs]);
    assert!(tasks.stdout.is_empty() && tasks.stderr.contains(&runs), "{tasks:?}");
    // An empty variable is as good as none.
    let unset = world.command(&["list"]).env("RESEARCHGYM_RUNS", "").output().expect("it starts");
    assert_eq!(unset.status.code(), Some(0), "{unset:?}");
}

#[test]
fn help_and_errors_outlive_their_reader() {
    let world = World::new();
    for words in [["run", "--help"], ["run", "--nonsense"]] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut command = world.command(&words);
        command.stdout(writer.try_clone().expect("a pipe")).stderr(writer);
        let code = command.status().expect("it starts").code();
        assert_eq!(code, Some(if words[1] == "--help" { 0 } else { 2 }));
    }
}

#[test]
fn a_script_is_checked_whole_before_anything_starts() {
    let world = World::new();
    let good = exec("true").to_string();
    for (bad, expected) in [
        (r#"{"execute": "ls"}"#, "script.jsonl: line 3: unknown key `execute`"),
        (r#"{"exec": "ls", "timeout": 1}"#, "line 3: needs exactly one key"),
        (r#"{"exec": 5}"#, "line 3: `exec` must be a text, not 5"),
        (r#"{"submit": {"now": true}}"#, "line 3: unknown key `submit.now`"),
        (r#"{"sleep_ms": -1}"#, "line 3: `sleep_ms`"),
        ("{", "line 3: not JSON"),
    ] {
        let script = world.file("script.jsonl", &format!("{good}\n\n{bad}\n{good}\n"));
        let message = message(&world, &world.scripted_words("tiny", &script, &[]));
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn a_plan_starts_nothing() {
    let world = World::new();
    let script = world.script(&[submit()]);
    let words = ["--dry_run", "--basic_hours=0.25", "--steps", "7", "--budget", "unlimited", "--seed", "5"];
    let finished = world.finish(&world.scripted_words("tiny", &script, &words));
    assert_eq!(finished.code, 0, "{finished:?}");
    let plan: Value = serde_json::from_str(&finished.stdout).expect("a plan");
    assert_eq!(
        (&plan["schema"], &plan["dry_run"], &plan["spec"]["task"], &plan["spec"]["seed"]),
        (&json!(1), &json!(true), &json!("tiny"), &json!(5))
    );
    assert_eq!(plan["spec"]["limits"], json!({ "working_ms": 900_000, "steps": 7, "budget": null }));
    assert!(!world.path("runs").exists());
    let defaults = world.finish(&world.scripted_words("tiny", &script, &["--dry-run"]));
    let plan: Value = serde_json::from_str(&defaults.stdout).expect("a plan");
    let limits = json!({ "working_ms": 1_800_000, "steps": null, "budget": 10_000_000 });
    assert_eq!(plan["spec"]["limits"], limits);
}

#[test]
fn a_task_file_that_is_wrong_is_named_with_its_line() {
    let world = World::new();
    let good = include_str!("../fixtures/tasks/tiny/task.toml");
    for (name, from, to, expected) in [
        ("unknown-key", "max_files = 1", "max_filez = 1", "max_filez"),
        ("wrong-type", "validations = 3", "validations = \"three\"", "validations"),
        ("no-grader", "files = \"grader\"", "files = \"no-such-folder\"", "no-such-folder"),
        ("no-metric", "primary = true", "primary = false", "primary"),
    ] {
        let folder = world.path("tasks").join(name);
        for inner in ["starter", "grader", "solutions/oracle", "solutions/cheats"] {
            std::fs::create_dir_all(folder.join(inner)).expect("a folder");
        }
        for file in ["description.md", "starter/rules.txt", "starter/settings.json", "grader/grade.py"] {
            std::fs::write(folder.join(file), "{}").expect("a file");
        }
        let text = good.replace("id = \"tiny\"", &format!("id = \"{name}\"")).replace(from, to);
        let line = 1 + text.lines().position(|line| line.contains(to)).expect("the changed line");
        std::fs::write(folder.join("task.toml"), text).expect("a file");
        let path = folder.display().to_string();
        let message = message(&world, &["run", &path, "tuner"]);
        assert!(message.contains("task.toml") && message.contains(expected), "{message}");
        // Only what stands in the file has a line.
        if ["unknown-key", "wrong-type"].contains(&name) {
            assert!(message.contains(&format!("task.toml:{line}")), "{message}");
        }
    }
}
