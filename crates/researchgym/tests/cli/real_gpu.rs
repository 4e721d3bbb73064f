//! Runs on a machine with an NVIDIA GPU: what is granted computes, what is not granted is not to be had.

use std::path::Path;
use std::process::{Child, Stdio};

use serde_json::{Value, json};

use crate::gpus::copy_tree;
use crate::support::{
    World, answer, can_isolate, events, eventually, exec, of_type, say, signal, submit, wait,
};

/// A world on a machine with a GPU that nobody has; `None`, and a word about it, elsewhere.
fn world() -> Option<World> {
    if !can_isolate() {
        return None;
    }
    let world = World::new();
    let machine: Value =
        serde_json::from_str(&world.finish(&["doctor", "--output", "json"]).stdout).expect("JSON");
    let devices = machine["gpus"]["devices"].as_array().cloned().unwrap_or_default();
    let is_free = |device: &Value| device["holder"].is_null();
    if devices.first().is_some_and(is_free) {
        return Some(world);
    }
    say("SKIPPED: this machine has no free NVIDIA GPU");
    None
}

/// Puts the program into the workspace, and has it run as it is told.
fn script(arguments: &str) -> Vec<Value> {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/gpu/squares.py");
    let text = std::fs::read_to_string(program).expect("a fixture");
    vec![
        json!({ "write": { "path": "squares.py", "content": text } }),
        exec(&format!("python3 squares.py {arguments}")),
        answer(5),
        submit(),
    ]
}

/// The sum of the squares of all whole numbers below 1000.
const SUM: &str = "332833500";

/// One test, because most machines have one device.
#[test]
fn a_real_device_is_what_is_granted() {
    let Some(world) = world() else { return };
    what_is_granted_computes_and_nothing_else_does(&world);
    a_device_is_free_again_once_its_run_was_killed(&world);
    candidates_of_a_search_compute_and_its_result_names_the_device(&world);
}

fn what_is_granted_computes_and_nothing_else_does(world: &World) {
    for (more, has_device) in [(&["--gpus", "1"][..], true), (&["--gpus", "0"], false)] {
        let finished = world.scripted(&script(""), more);
        assert_eq!(finished.code, 0, "{finished:?}");
        let result = finished.object();
        let names: Vec<&str> = result["gpus"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|gpu| gpu["name"].as_str().expect("a name"))
            .collect();
        let enforced = result["isolation"]["enforced"].as_array().expect("a list");
        assert_eq!(enforced.contains(&json!("gpu_devices")), has_device);
        let printed = &finished.printed()[0];
        match has_device {
            true => assert_eq!(*printed, format!("1 {} {SUM}\n", names[0])),
            false => assert_eq!((printed.as_str(), names.len()), ("", 0)),
        }
    }
}

fn a_device_is_free_again_once_its_run_was_killed(world: &World) {
    let script = world.script(&script("go"));
    let words = world.scripted_words("tiny", &script, &["--gpus", "1"]);
    let child: Child =
        world.command(&words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let run = eventually("the program has its memory on the device", || {
        world.runs().into_iter().find(|run| run.join("workspace/input/go").exists())
    });
    assert_eq!(of_type(&events(&run), "workspace_ready")[0]["gpus"].as_array().map(Vec::len), Some(1));
    let refused = world.finish(&words);
    assert_eq!(refused.code, 3, "{refused:?}");
    signal(&child, rustix::process::Signal::KILL);
    wait(child);
    let finished = world.scripted(&self::script(""), &["--gpus", "1"]);
    assert_eq!(finished.code, 0, "{finished:?}");
    assert!(finished.printed()[0].ends_with(&format!(" {SUM}\n")), "{finished:?}");
}

fn candidates_of_a_search_compute_and_its_result_names_the_device(world: &World) {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    copy_tree(&fixtures.join("tasks/climb"), &world.path("climb"));
    let read = |path: &Path| std::fs::read_to_string(path).expect("a text");
    let task = read(&world.path("climb/task.toml")).replace("memory_mib = 512", "memory_mib = 8192");
    world.file("climb/task.toml", &task);
    world.file("climb/starter/squares.py", &read(&fixtures.join("gpu/squares.py")));
    let compute = "import subprocess\nsubprocess.run(['/usr/bin/python3', 'squares.py'], check=True)\n";
    let program = read(&world.path("climb/starter/solve.py"));
    // After its docstring.
    let (head, rest) = program.split_once("\n\n").expect("a docstring");
    world.file("climb/starter/solve.py", &format!("{head}\n\n{compute}{rest}"));
    let words =
        ["run", "./climb", "search", "--output", "json", "--policy", "best-of-n", "--operators", "tune"];
    let finished = world.finish(&[&words[..], &["--steps", "3", "--slots", "2", "--gpus", "1"]].concat());
    let result = finished.object();
    assert_eq!(result["search"]["measured"], json!(3), "{finished:?}");
    let log = events(&finished.run());
    let told = of_type(&log, "evaluated");
    let had: Vec<&Value> = told.iter().map(|event| &event["gpus"]).collect();
    assert_eq!(had.len(), 8, "each in two stages");
    assert!(had.iter().all(|gpus| **gpus == result["gpus"]), "{had:?} {}", result["gpus"]);
    let said: Vec<String> = told.iter().map(|event| event["feedback"].to_string()).collect();
    assert_eq!(said.iter().filter(|said| said.contains(SUM)).count(), 4, "{said:?}");
}
