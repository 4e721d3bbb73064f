//! Whose fault a failure is, as exit codes say it: 2 is the user's, 3 is the machine's. And what people are told.

use serde_json::{Value, json};

use crate::support::{Finished, World, can_isolate, events, eventually, of_type, say, signal, submit, wait};

fn error(finished: &Finished) -> String {
    finished.object()["error"]["message"].as_str().expect("a message").to_owned()
}

/// A copy of the fixture task with more in its `task.toml`; its name.
fn task(world: &World, name: &str, more: &str) -> String {
    let from = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tasks/tiny");
    let to = world.path("own-tasks").join(name);
    std::fs::create_dir_all(to.parent().expect("a parent")).expect("a folder");
    let copied = std::process::Command::new("cp").arg("-r").arg(&from).arg(&to).status().expect("cp");
    assert!(copied.success());
    let file = to.join("task.toml");
    let text =
        std::fs::read_to_string(&file).expect("a task").replace("id = \"tiny\"", &format!("id = \"{name}\""));
    std::fs::write(&file, format!("{text}\n{more}")).expect("a file");
    to.display().to_string()
}

#[test]
fn a_runs_folder_that_is_none_is_the_users_mistake() {
    let world = World::new();
    let file = world.file("file", "");
    let script = world.script(&[submit()]);
    for runs in [file.clone(), format!("{file}/below")] {
        let finished = world.finish(&world.scripted_words("tiny", &script, &["--runs-dir", &runs]));
        assert_eq!((finished.code, error(&finished)), (2, format!("the runs folder {runs} is not a folder")));
    }
}

#[test]
fn data_that_cannot_be_fetched_are_not_the_tasks_fault() {
    let world = World::new();
    // Nobody listens at port 1.
    let dataset = format!(
        "[[datasets]]\nname = \"d\"\nfile = \"d.bin\"\nurl = \"http://127.0.0.1:1/d.bin\"\nsha256 = \"{}\"\n\
         bytes = 1\nlicense = \"none\"\nprepare = [\"true\"]\nhidden = [\"x\"]\n",
        "0".repeat(64)
    );
    let folder = task(&world, "far", &dataset);
    let finished = world.finish(&["task", "fetch", &folder]);
    assert_eq!(finished.code, 3, "{finished:?}");
    assert!(finished.stderr.contains("cannot fetch http://127.0.0.1:1/d.bin"), "{finished:?}");
}

#[test]
fn a_check_of_no_task_is_a_mistake_and_one_of_a_wrong_task_a_finding() {
    let world = World::new();
    let unknown = world.finish(&["task", "check", "nosuch"]);
    assert!(unknown.code == 2 && unknown.stderr.contains("there is no task `nosuch`"), "{unknown:?}");
    let wrong = task(&world, "wrong", "[nonsense]\n");
    let finished = world.finish(&["task", "check", &wrong]);
    assert!(finished.code == 1 && finished.stdout.contains("FAIL"), "{finished:?}");
}

#[test]
fn gpus_without_nvidia_smi_are_the_machines_lack() {
    let world = World::new();
    let script = world.script(&[submit()]);
    let mut command = world.command(&world.scripted_words("tiny", &script, &["--gpus"]));
    let finished = Finished::of(command.env("PATH", world.path("bin")).output().expect("the binary starts"));
    assert_eq!(finished.code, 3, "{finished:?}");
    assert!(error(&finished).contains("nvidia-smi"), "{finished:?}");
    assert!(world.runs().is_empty());
}

#[test]
fn a_task_says_what_its_runs_may_use() {
    let world = World::new();
    let finished = world.finish(&["task", "show", "tiny"]);
    assert_eq!(finished.code, 0, "{finished:?}");
    let rows: Vec<&str> = finished.stdout.lines().filter_map(|line| line.split_whitespace().next()).collect();
    for row in ["network", "resources", "GPUs", "container", "hints"] {
        assert!(rows.contains(&row), "{row}: {finished:?}");
    }
    assert!(finished.stdout.contains("the model gateway in a run with a model, else none; grader: none"));
}

#[test]
fn a_new_tasks_file_names_what_explains_it() {
    let world = World::new();
    let made = world.finish(&["task", "new", "mine", "--dir", &world.path("tasks").display().to_string()]);
    assert_eq!(made.code, 0, "{made:?}");
    let file = std::fs::read_to_string(world.path("tasks/mine/task.toml")).expect("a file");
    for text in [&file, &made.stderr] {
        assert!(text.contains("schema task"), "{text}");
    }
    assert_eq!(world.finish(&["schema", "task"]).code, 0);
}

#[test]
fn tunnels_of_a_run_that_isolates_nothing_are_refused_in_words() {
    let world = World::new();
    let mut command = world.command(&["connect", "example.org", "22"]);
    let finished =
        Finished::of(command.env("RESEARCHGYM_SANDBOX", "/x").output().expect("the binary starts"));
    assert_eq!(finished.code, 1, "{finished:?}");
    assert!(finished.stderr.contains("the runtime `host` isolates nothing and has no proxy"), "{finished:?}");
}

#[test]
fn whoever_replays_a_run_that_is_at_work_is_told_to_wait() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let script = world.script(&[json!({ "sleep_ms": 1_000_000 })]);
    let child = world.start(&world.scripted_words("tiny", &script, &[]));
    let run = world.wait_for_log("it is at work", |log| log.contains("workspace_ready"));
    let path = run.display().to_string();
    let replayed = eventually("the run can be replayed", || {
        let replayed = world.finish(&["replay", &path]);
        (replayed.code == 0).then_some(replayed)
    });
    assert!(replayed.stderr.contains("It is at work; wait for it"), "{replayed:?}");
    assert!(!replayed.stderr.contains("--resume"), "{replayed:?}");
    assert_eq!(replayed.object()["state"], "running");
    assert_eq!(world.finish(&["pause", &path]).code, 0);
    let shown = world.finish(&["show", &path, "--output", "json"]);
    assert_eq!(shown.object()["state"], "paused");
    let shown = world.finish(&["show", &path]);
    assert!(shown.stdout.contains("paused"), "{shown:?}");
    let replayed = world.finish(&["replay", &path]);
    assert!(replayed.stderr.contains("It is paused. Go on with it:"), "{replayed:?}");
    signal(&child, rustix::process::Signal::INT);
    let finished = wait(child);
    assert_eq!(finished.code, 130, "{finished:?}");
    assert_eq!(of_type(&events(&run), "run_ended").len(), 1);
}

/// Runs words at a terminal of their own, which shows standard output and standard error both; none if there is no `script`.
fn at_a_terminal(world: &World, words: &str) -> Option<String> {
    let binary = env!("CARGO_BIN_EXE_researchgym");
    let mut command = std::process::Command::new("script");
    let variables = world.command(&[]);
    command.env_clear().envs(variables.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.args(["-q", "-e", "-c", &format!("{binary} {words}"), "/dev/null"]);
    let output = command.current_dir(world.path("")).stdin(std::process::Stdio::null()).output();
    match output {
        Ok(output) => Some(String::from_utf8_lossy(&output.stdout).into_owned()),
        Err(_) => {
            say("SKIPPED: there is no `script` (package bsdutils) to make a terminal with");
            None
        }
    }
}

#[test]
fn a_person_at_a_terminal_reads_the_summary_and_no_object() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let script = world.script(&[crate::support::answer(3), submit()]);
    let words = world.scripted_words("tiny", &script, &[]).join(" ");
    let Some(shown) = at_a_terminal(&world, &words) else { return };
    assert!(shown.contains("Look closer: "), "{shown}");
    assert!(!shown.contains("{\"schema\""), "{shown}");
    let Some(shown) = at_a_terminal(&world, &format!("{words} --output json")) else { return };
    let last = shown.lines().last().unwrap_or_default();
    let object: Value = serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {shown}"));
    assert_eq!(object["ending"], "submitted");
}
