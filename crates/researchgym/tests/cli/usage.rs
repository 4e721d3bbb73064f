//! What is typed wrongly is met with words, an object for scripts and exit code 2; nothing is started.

use std::path::Path;

use serde_json::json;

use crate::support::{Finished, World, exec, submit};

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
    let json = ["--output", "json"];
    let finished = world.finish(&world.scripted_words("tiny", &script, &[words.as_slice(), &json].concat()));
    assert_eq!(finished.code, 0, "{finished:?}");
    let plan = finished.object();
    assert_eq!(
        (&plan["schema"], &plan["dry_run"], &plan["spec"]["task"], &plan["spec"]["seed"]),
        (&json!(1), &json!(true), &json!("tiny"), &json!(5))
    );
    let limits = |budget: Option<u64>, working_ms, steps: Option<u64>| json!({ "working_ms": working_ms, "steps": steps, "budget_micro_usd": budget });
    assert_eq!(plan["spec"]["limits"], limits(None, 900_000, Some(7)));
    assert!(!world.path("runs").exists());
    let defaults =
        world.finish(&world.scripted_words("tiny", &script, &["--dry-run", "--output", "json"])).object();
    assert_eq!(defaults["spec"]["limits"], limits(Some(10_000_000), 1_800_000, None));
}

#[test]
fn a_plan_in_words_says_what_is_money() {
    let world = World::new();
    world.file(
        "m.jsonl",
        "{\"script\": 1, \"price\": {\"input\": \"0.25\", \"output\": 2}}\n{\"text\": \"Hm.\"}\n",
    );
    let words =
        ["run", "tiny", "basic-agent", "--model", "scripted/m.jsonl", "--no-submit", "--budget", "0.5"];
    let more = ["--tokens", "9000", "--seed", "5", "--repeat", "4", "--parallel", "2", "--dry-run"];
    let finished = world.finish(&[words.as_slice(), &more].concat());
    assert_eq!(finished.code, 0, "{finished:?}");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tasks/tiny");
    let expected = format!(
        "task         tiny (default)\nfolder       {}\nagent        basic-agent (until a limit)\n\
         model        scripted/m.jsonl\nprice        $0.25 prompt, $2.00 answer per million tokens (from the script)\n\
         time         30 min 0 s\nsteps        unlimited\nbudget       $0.50 for model calls\ntokens       9000\n\
         metric       score (higher is better)\nbaseline     score 1.0000\nvalidations  3\nseed         5 (given)\n\
         runtime      local: isolated\nexecutor     local: processes of this machine\n\
         network      gateway for the agent, none for the grader\nweb          none\n\
         runs         4, 2 at a time\nruns folder  {}\n",
        folder.display(),
        world.path("runs").display(),
    );
    assert_eq!(finished.stdout, expected);
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

#[test]
fn what_the_environment_names_is_not_asked_for_in_usage_lines() {
    let world = World::new();
    // The world's places are set by variables.
    for (words, expected) in [
        (vec!["pause"], "Usage: researchgym pause <RUN>\n"),
        (vec!["run"], "Usage: researchgym run <TASK> <AGENT>\n"),
        (vec!["task", "show"], "Usage: researchgym task show <TASK>\n"),
    ] {
        let mut command = world.command(&words);
        command.env("RG_IDEA_HINT", "true").env("RESEARCHGYM_AGENTS", "agents");
        let finished = Finished::of(command.output().expect("the binary starts"));
        assert_eq!(finished.code, 2);
        assert!(finished.stderr.contains(expected), "{words:?}: {}", finished.stderr);
    }
    let help = world.finish(&["run", "--help"]);
    assert!(help.stdout.contains("[env: RESEARCHGYM_TASKS]"), "{}", help.stdout);
}

#[test]
fn a_task_without_a_hint_is_named_with_those_that_have_one() {
    let world = World::new();
    let script = world.script(&[json!({ "text": "Nothing." })]);
    let model = format!("scripted/{script}");
    let tasks = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tasks");
    let tasks = tasks.canonicalize().expect("the tasks of this repository");
    let place = tasks.display().to_string();
    let plan = |task: &str| {
        let words = ["run", task, "basic-agent", "--model", &model, "--idea-hint", "--dry-run"];
        world.finish(&[&words, ["--tasks-dir", &place, "--output", "json"].as_slice()].concat())
    };
    for task in ["blotto", "house-price", "three-sat"] {
        let told = &plan(task).object()["spec"]["agent"]["idea_hint"];
        let text = std::fs::read_to_string(tasks.join(task).join("idea_hint.txt")).expect("a hint");
        assert_eq!(told, &json!({ "text": text.trim() }));
    }
    let refused = plan("battle-of-sexes");
    let file = tasks.join("battle-of-sexes/idea_hint.txt");
    let expected = json!({
        "message": "--idea-hint: task battle-of-sexes has no hint",
        "hint": format!(
            "leave --idea-hint out, or write the hint into {}; tasks with one: blotto, house-price, three-sat",
            file.display()
        ),
    });
    assert_eq!((refused.code, &refused.object()["error"]), (2, &expected));
}

#[test]
fn settings_are_read_by_runs_that_need_none_of_them() {
    let world = World::new();
    let script = world.script(&[submit()]);
    let run = world.scripted_words("tiny", &script, &["--dry-run"]);
    let check = ["task", "check", "tiny", "--runtime", "docker", "--image", "x"];
    for (text, expected) in [
        ("[docker", "researchgym.toml:1: "),
        ("[docker]\nimage = 3", "researchgym.toml:2: "),
        ("[providers.mine]\nkey_env = \"not a name\"", "researchgym.toml:2: `key_env`"),
    ] {
        world.file("researchgym.toml", text);
        let message = message(&world, &run);
        assert!(message.contains(expected), "{message}");
        let finished = world.finish(&check);
        assert!(finished.code == 2 && finished.stderr.contains(expected), "{finished:?}");
    }
    let docker = world.scripted_words("tiny", &script, &["--dry-run", "--runtime", "docker"]);
    world.file("researchgym.toml", "[dokcer]\n[docker]\nimagge = \"x\"\n");
    let shown = world.finish(&["config", "show"]);
    let warnings: Vec<&str> = shown.stderr.lines().filter(|line| line.starts_with("warning: ")).collect();
    assert_eq!(warnings.len(), 2, "{shown:?}");
    for words in [&run, &docker] {
        let finished = world.finish(words);
        assert_eq!(finished.code, 0, "{finished:?}");
        let told: Vec<&str> = finished.stderr.lines().filter(|line| line.starts_with("warning: ")).collect();
        assert_eq!(told, warnings);
    }
}

#[test]
fn a_provider_without_an_address_is_told_which_key_it_lacks() {
    let world = World::new();
    for text in ["[providers.new]", "[providers.new]\nlocal = true"] {
        world.file("researchgym.toml", text);
        let message = message(&world, &["run", "tiny", "basic-agent", "--model", "new/x"]);
        assert_eq!(message, "there is no address for the provider `new`: it has no `base_url`");
    }
}

#[test]
fn a_fork_is_not_told_to_fork() {
    let world = World::new();
    let run = world.scripted(&[exec("true"), submit()], &["--runtime", "host"]);
    let hint = |way: &str| {
        let place = format!("{}{}", run.run().display(), if way == "--fork" { "@1" } else { "" });
        let refused = world.finish(&["run", way, &place, "--network", "gateway"]);
        assert_eq!(refused.code, 2, "{refused:?}");
        refused.object()["error"]["hint"].as_str().expect("a hint").to_owned()
    };
    let alone = "leave --network out, or start a new run";
    assert_eq!(hint("--fork"), alone);
    assert_eq!(hint("--resume"), format!("{alone}; another model can go on with --fork"));
}
