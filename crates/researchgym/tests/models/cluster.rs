//! Runs that a Slurm cluster carries out, held against the real binary: alone, in suites, with a model whose key stays here,
//! through a kill of who handed them over, a requeue, a cancellation and a node on which nothing can be prepared.
//!
//! Only where `RESEARCHGYM_TEST_SLURM` says that there is a cluster to test with (`.ci/slurm-cluster` starts one).

use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use researchgym_core::keys::repeat_seed;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::conversations::{bash, check_books, submits};
use crate::faults::{KEY, introduce, provider};
use crate::support::{Finished, World, can_isolate, events, eventually, of_type, say, wait};

/// A world with a cluster; `None`, said aloud, where there is none.
fn world() -> Option<World> {
    let has = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if !has("RESEARCHGYM_TEST_SLURM") || !has("SLURM_CONF") {
        say("skipped: no Slurm cluster to test with (RESEARCHGYM_TEST_SLURM is not set)");
        return None;
    }
    if !can_isolate() {
        return None;
    }
    let world = World::new();
    settings(&world, "");
    Some(world)
}

fn settings(world: &World, more: &str) {
    world.file("researchgym.toml", &format!("[slurm]\npoll_s = 1\n{more}"));
}

fn command(world: &World, words: &[&str]) -> Command {
    let mut command = world.command(words);
    command.env("SLURM_CONF", std::env::var_os("SLURM_CONF").unwrap_or_default()).env("FAKE_KEY", KEY);
    command
}

fn finish(world: &World, words: &[&str]) -> Finished {
    Finished::of(command(world, words).output().expect("the binary starts"))
}

fn start(world: &World, words: &[&str]) -> Child {
    let mut command = command(world, words);
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    command.spawn().expect("the binary starts")
}

fn words<'a>(script: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["run", "tiny", "scripted", "--script", script, "--seed", "3", "--executor", "slurm"], more].concat()
}

fn answer() -> Value {
    json!({"write": {"path": "answer.json", "content": "{\"answer\": 5}"}})
}

/// A script that waits for a file of the test's before it submits.
fn waiting(world: &World) -> String {
    let wait = json!({"exec": "touch begun; while [ ! -e go ]; do sleep 0.1; done"});
    world.script(&[answer(), wait, json!({"submit": {}})])
}

/// The one run's folder, once its agent waits.
fn begun(world: &World) -> PathBuf {
    eventually("the agent begins", || {
        let run = world.runs().into_iter().next()?;
        run.join("workspace/input/begun").exists().then_some(run)
    })
}

fn go(run: &Path) {
    std::fs::write(run.join("workspace/input/go"), "").expect("the workspace can be written");
}

/// What cannot differ between a run here and one there.
fn essence(object: &Value) -> Value {
    let of = |name: &str| object[name].clone();
    json!([of("state"), of("ending"), of("score"), of("steps"), of("error"), of("isolation")["level"]])
}

fn slurm(program: &str, words: &[&str]) -> String {
    let output = Command::new(program).args(words).output().expect("Slurm is installed");
    assert!(output.status.success(), "{program} {words:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The cluster's number of a run's job.
fn job(run: &Path) -> String {
    let text = std::fs::read_to_string(run.join("jobs/run/submitted.json")).expect("it was handed over");
    let submitted: Value = serde_json::from_str(&text).expect("JSON");
    submitted["id"].as_str().expect("a number").to_owned()
}

fn kinds(run: &Path) -> Vec<String> {
    events(run).iter().map(|event| event["type"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn a_run_there_is_a_run_here() {
    let Some(world) = world() else { return };
    let script = world.script(&[answer(), json!({"validate": {}}), json!({"submit": {}})]);
    let there = finish(&world, &words(&script, &[]));
    assert_eq!(there.code, 0, "{there:?}");
    assert!(there.stderr.contains("  queued (job ") && there.stderr.contains("  running on "), "{there:?}");
    let run = there.run();
    let here = world.finish(&["run", "tiny", "scripted", "--script", &script, "--seed", "3"]);
    assert_eq!(essence(&there.object()), essence(&here.object()));
    assert_eq!(kinds(&run), kinds(&here.run()));
    assert_eq!(events(&run)[0]["spec"]["executor"], json!({"name": "slurm", "poll_s": 1}));
    let again = finish(&world, &["run", "--resume", &run.display().to_string()]);
    assert_eq!((again.code, again.object()), (0, there.object()));
}

#[test]
fn a_suite_is_one_group_of_which_so_many_work_at_once() {
    let Some(world) = world() else { return };
    let script = world.script(&[answer(), json!({"exec": "sleep 2"}), json!({"submit": {}})]);
    let finished = finish(&world, &words(&script, &["--repeat", "3", "--parallel", "2"]));
    assert_eq!(finished.code, 0, "{finished:?}");
    let results = finished.object();
    let results = results.as_array().expect("an array");
    let seeds: Vec<&Value> = results.iter().map(|result| &result["seed"]).collect();
    assert_eq!(results.iter().map(|result| &result["score"]["score"]).collect::<Vec<_>>(), [&json!(5.0); 3]);
    assert_eq!(seeds, [0, 1, 2].map(|index| json!(repeat_seed(3, index))).iter().collect::<Vec<_>>());
    // At every beginning of a run, no more than one other was between its beginning and its end.
    let mut spans: Vec<(String, String)> = world.runs().iter().map(|run| span(run)).collect();
    spans.sort();
    let at_once = |(begin, _): &(String, String)| {
        spans.iter().filter(|(other, end)| other <= begin && begin < end).count()
    };
    assert_eq!(spans.iter().map(at_once).max(), Some(2), "{spans:?}");
}

/// When a run's sandbox was ready and when the run ended.
fn span(run: &Path) -> (String, String) {
    let log = std::fs::read_to_string(run.join("events.jsonl")).expect("a log");
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect("a line")).collect();
    let time = |kind: &str| {
        let line = lines.iter().find(|line| line["event"]["type"] == kind).expect("there is one");
        line["time"].as_str().expect("a time").to_owned()
    };
    (time("workspace_ready"), time("run_ended"))
}

#[test]
fn who_was_killed_finds_the_job_again_and_nothing_is_done_twice() {
    let Some(world) = world() else { return };
    let script = waiting(&world);
    let child = start(&world, &words(&script, &[]));
    let run = begun(&world);
    kill_process(Pid::from_child(&child), Signal::KILL).expect("it runs");
    wait(child);
    let path = run.display().to_string();
    let raised = finish(&world, &["run", "--resume", &path, "--hours", "3"]);
    assert_eq!(raised.code, 2, "the job has its order: {raised:?}");
    let follower = start(&world, &["run", "--resume", &path]);
    go(&run);
    let finished = Finished::of(follower.wait_with_output().expect("it ends"));
    assert_eq!((finished.code, &finished.object()["ending"]), (0, &json!("submitted")), "{finished:?}");
    let kinds = kinds(&run);
    let count = |kind: &str| kinds.iter().filter(|other| *other == kind).count();
    assert_eq!((count("run_resumed"), count("acted"), count("run_ended")), (0, 3, 1), "{kinds:?}");
}

/// Kills the daemon of the test cluster's first node; its jobs go on.
fn kill_node_daemon(cluster: &Path) {
    let read =
        |name: &str| std::fs::read_to_string(cluster.join(name)).expect("a cluster of .ci/slurm-cluster");
    let nodes = read("nodes");
    let pid = read(&format!("{}.pid", nodes.lines().next().expect("a node")));
    let pid = pid.trim().parse().ok().and_then(Pid::from_raw).expect("a number");
    kill_process(pid, Signal::KILL).expect("it runs");
}

fn start_again(cluster: &Path) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.ci/slurm-cluster");
    let output = Command::new("bash").arg(script).arg("again").arg(cluster).output().expect("bash");
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn several_runs_outlive_who_asked_for_them_and_the_daemon_of_their_node() {
    let Some(world) = world() else { return };
    let cluster = PathBuf::from(std::env::var_os("RESEARCHGYM_TEST_SLURM").expect("there is one"));
    let script = waiting(&world);
    let child = start(&world, &words(&script, &["--repeat", "3"]));
    let runs = eventually("all three at work", || {
        let runs = world.runs();
        let is_begun = |run: &PathBuf| run.join("workspace/input/begun").exists();
        (runs.len() == 3 && runs.iter().all(is_begun)).then_some(runs)
    });
    kill_process(Pid::from_child(&child), Signal::KILL).expect("it runs");
    wait(child);
    kill_node_daemon(&cluster);
    runs.iter().for_each(|run| go(run));
    let paths: Vec<String> = runs.iter().map(|run| run.display().to_string()).collect();
    let resumed = paths.iter().flat_map(|path| ["--resume", path.as_str()]);
    let follower = start(&world, &["run"].into_iter().chain(resumed).collect::<Vec<_>>());
    start_again(&cluster);
    let finished = Finished::of(follower.wait_with_output().expect("it ends"));
    let results = finished.object();
    let endings: Vec<&Value> = results.as_array().expect("three").iter().map(|run| &run["ending"]).collect();
    assert_eq!((finished.code, endings), (0, vec![&json!("submitted"); 3]), "{finished:?}");
    for run in &runs {
        let kinds = kinds(run);
        let count = |kind: &str| kinds.iter().filter(|other| *other == kind).count();
        assert_eq!((count("run_resumed"), count("acted"), count("run_ended")), (0, 3, 1), "{kinds:?}");
    }
    let numbers: Vec<String> = runs.iter().map(|run| job(run)).collect();
    eventually("no job to be left", || {
        let queue = slurm("squeue", &["--noheader", "--array", "--format=%F_%K"]);
        (!queue.lines().any(|line| numbers.iter().any(|number| number == line.trim()))).then_some(())
    });
}

#[test]
fn a_job_that_is_requeued_goes_on_with_its_run() {
    let Some(world) = world() else { return };
    let script = waiting(&world);
    let child = start(&world, &words(&script, &[]));
    let run = begun(&world);
    let id = job(&run);
    slurm("scontrol", &["requeue", &id]);
    eventually("the job waits again", || {
        slurm("squeue", &["--noheader", "--format=%T", "--jobs", &id]).contains("PENDING").then_some(())
    });
    slurm("scontrol", &["update", &format!("JobId={id}"), "StartTime=now"]);
    go(&run);
    let finished = Finished::of(child.wait_with_output().expect("it ends"));
    assert_eq!((finished.code, &finished.object()["ending"]), (0, &json!("submitted")), "{finished:?}");
    let kinds = kinds(&run);
    assert_eq!(kinds.iter().filter(|kind| *kind == "run_resumed").count(), 1, "{kinds:?}");
    assert!(run.join("jobs/run/started.1").exists());
}

#[test]
fn a_first_ctrl_c_ends_the_run_on_its_node_with_a_result() {
    let Some(world) = world() else { return };
    let script = waiting(&world);
    let child = start(&world, &words(&script, &[]));
    let run = begun(&world);
    kill_process(Pid::from_child(&child), Signal::INT).expect("it runs");
    let finished = Finished::of(child.wait_with_output().expect("it ends"));
    assert_eq!((finished.code, &finished.object()["ending"]), (130, &json!("cancelled")), "{finished:?}");
    assert_eq!(kinds(&run).last().map(String::as_str), Some("run_ended"));
    // It goes on with another job.
    go(&run);
    let resumed = finish(&world, &["run", "--resume", &run.display().to_string()]);
    assert_eq!((resumed.code, &resumed.object()["ending"]), (0, &json!("submitted")), "{resumed:?}");
    assert!(run.join("jobs/run-2/result.json").exists());
}

#[test]
fn what_a_node_cannot_prepare_is_no_fault_of_the_agent() {
    let Some(world) = world() else { return };
    settings(&world, "home = \"/proc/nowhere\"\n");
    let script = world.script(&[answer(), json!({"submit": {}})]);
    // What a project's file says of the nodes' places counts with consent alone.
    let refused = finish(&world, &words(&script, &[]));
    assert_eq!((refused.code, refused.stderr.contains("`home` of [slurm]")), (2, true), "{refused:?}");
    let failed = finish(&world, &words(&script, &["--trust-project-settings"]));
    let object = failed.object();
    assert_eq!(
        (failed.code, &object["boundary"], &object["steps"]),
        (3, &json!("store"), &json!(0)),
        "{failed:?}"
    );
    settings(&world, "");
    let resumed = finish(&world, &["run", "--resume", &failed.run().display().to_string()]);
    assert_eq!((resumed.code, &resumed.object()["ending"]), (0, &json!("submitted")), "{resumed:?}");
}

/// All files below a folder, with what they hold.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let below = entries.flat_map(|entry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => files(&entry.path()),
        Ok(kind) if kind.is_file() => {
            vec![(entry.path(), std::fs::read(entry.path()).unwrap_or_default())]
        }
        _ => Vec::new(),
    });
    below.collect()
}

#[test]
fn a_model_is_asked_through_the_relay_and_its_key_stays_here() {
    let Some(world) = world() else { return };
    let commands =
        ["touch begun; while [ ! -e go ]; do sleep 0.1; done", "echo '{\"answer\": 5}' > answer.json"];
    let answers: Vec<Value> = commands.iter().map(|command| bash(command)).chain([submits()]).collect();
    let provider = provider(&answers, &[]);
    introduce(&world, &provider, ("messages", "v1"));
    let known = std::fs::read_to_string(world.path("researchgym.toml")).expect("settings");
    settings(&world, &format!("\n{known}"));
    let words = ["run", "tiny", "basic-agent", "--model", "fake/m", "--seed", "1", "--executor", "slurm"];
    let child = start(&world, &words);
    let run = begun(&world);
    // What the job on the node has of the key, while it works: nothing.
    let started: Value =
        serde_json::from_slice(&std::fs::read(run.join("jobs/run/started.0")).expect("it began"))
            .expect("JSON");
    let process = PathBuf::from(format!("/proc/{}", started["pid"]));
    for file in ["environ", "cmdline"] {
        let text = std::fs::read(process.join(file)).expect("the job's process is on this machine");
        assert!(!String::from_utf8_lossy(&text).contains(KEY), "{file}");
    }
    // Who handed the run over goes away, and comes back: calls wait.
    kill_process(Pid::from_child(&child), Signal::KILL).expect("it runs");
    wait(child);
    go(&run);
    let finished = finish(&world, &["run", "--resume", &run.display().to_string()]);
    assert_eq!((finished.code, &finished.object()["ending"]), (0, &json!("submitted")), "{finished:?}");
    assert_eq!((provider.violations(), provider.bill().billed), (Vec::new(), 3));
    check_books(&run, &finished.object()["cost_usd"]);
    assert_eq!(of_type(&events(&run), "model_called").len() as u64, 3 + unsent(&run), "each call is booked");
    for (path, bytes) in files(&world.path("")) {
        let holds = bytes.windows(KEY.len()).any(|window| window == KEY.as_bytes());
        assert!(!holds, "{} holds the key", path.display());
    }
}

/// Calls that found nobody.
fn unsent(run: &Path) -> u64 {
    let all = events(run);
    let called = of_type(&all, "model_called").into_iter();
    called.filter(|event| event["outcome"]["failure"]["kind"] == "unreachable").count() as u64
}
