//! GPUs as runs see them, on a machine whose `nvidia-smi` is a shell script that lists two.
//!
//! In the `host` runtime, which needs no device nodes.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{
    Finished, World, answer, can_isolate, events, eventually, exec, of_type, signal, submit, wait,
};

const TWO: &str = "\
0, GPU-aaaa1111, NVIDIA A100-SXM4-40GB, 40960, 550.54.15, 00000000:07:00.0, Disabled
1, GPU-bbbb2222, NVIDIA A100-SXM4-40GB, 40960, 550.54.15, 00000000:0F:00.0, Disabled
";

/// A world with an `nvidia-smi`.
struct Machine {
    world: World,
}

impl Machine {
    fn saying(script: &str) -> Machine {
        use std::os::unix::fs::PermissionsExt as _;
        let world = World::new();
        std::fs::create_dir(world.path("bin")).expect("a folder");
        let program = world.file("bin/nvidia-smi", &format!("#!/bin/sh\n{script}\n"));
        std::fs::set_permissions(program, std::fs::Permissions::from_mode(0o755)).expect("it is ours");
        Machine { world }
    }

    fn of_two() -> Machine {
        let machine = Machine::saying("case $1 in --query-gpu=*) cat \"${0%/*}/devices\" ;; esac");
        machine.world.file("bin/devices", TWO);
        machine
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = self.world.command(words);
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = [self.world.path("bin")].into_iter().chain(std::env::split_paths(&path));
        command
            .env("PATH", std::env::join_paths(folders).expect("no colon in them"))
            .env("RESEARCHGYM_GPU_LOCKS", self.world.path("locks"));
        command
    }

    fn finish(&self, words: &[&str]) -> Finished {
        Finished::of(self.command(words).output().expect("the binary starts"))
    }

    /// A run that says which devices it has, and then works until it is let go on.
    fn start(&self, more: &[&str]) -> (Child, PathBuf) {
        let before = self.world.runs();
        let script = self.world.script(&[
            exec("echo $CUDA_VISIBLE_DEVICES; [ -p go ] || mkfifo go; read word < go; rm go"),
            answer(5),
            submit(),
        ]);
        let words = self.world.scripted_words("tiny", &script, &[]);
        let words = [&words[..], &["--runtime", "host"], more].concat();
        let child = self
            .command(&words)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let run = eventually("the run has its devices", || {
            let run = self.world.runs().into_iter().find(|run| !before.contains(run))?;
            is_waiting(&run).then_some(run)
        });
        (child, run)
    }

    fn holders(&self) -> Vec<Value> {
        let machine: Value =
            serde_json::from_str(&self.finish(&["doctor", "--output", "json"]).stdout).expect("JSON");
        let devices = machine["gpus"]["devices"].as_array().expect("a list");
        devices.iter().map(|device| device["holder"]["run"].clone()).collect()
    }
}

fn workspace(run: &Path) -> PathBuf {
    run.join("workspace/input")
}

fn is_waiting(run: &Path) -> bool {
    workspace(run).join("go").exists()
}

fn let_go(run: &Path) {
    std::fs::write(workspace(run).join("go"), "on\n").expect("somebody reads it");
}

/// The indices of the devices that each segment of a run had.
fn granted(run: &Path) -> Vec<Vec<u64>> {
    let indices = |event: &Value| {
        let gpus = event["gpus"].as_array().cloned().unwrap_or_default();
        gpus.iter().map(|gpu| gpu["index"].as_u64().expect("a number")).collect()
    };
    of_type(&events(run), "workspace_ready").into_iter().map(indices).collect()
}

fn id(run: &Path) -> Value {
    json!(run.file_name().expect("a name").to_string_lossy())
}

#[test]
fn runs_at_the_same_time_have_different_devices() {
    if !can_isolate() {
        return;
    }
    let machine = Machine::of_two();
    let (first, first_run) = machine.start(&["--gpus"]);
    let (second, second_run) = machine.start(&["--gpus", "1"]);
    assert_eq!((granted(&first_run), granted(&second_run)), (vec![vec![0]], vec![vec![1]]));
    assert_eq!(machine.holders(), [id(&first_run), id(&second_run)]);

    let script = machine.world.script(&[submit()]);
    let words = machine.world.scripted_words("tiny", &script, &["--runtime", "host", "--gpus", "1,"]);
    let third = machine.finish(&words);
    let said = format!(
        "1 GPU(s) are asked for and 0 are free: GPU 1 is held by run {} (process {})",
        second_run.file_name().unwrap().display(),
        second.id()
    );
    assert_eq!((third.code, &third.object()["error"]["message"]), (3, &json!(said)));
    assert_eq!(machine.world.runs().len(), 2, "a run that is refused leaves no folder");

    // Nothing of ours can act any more, and the device is free all the same.
    signal(&first, Signal::KILL);
    wait(first);
    assert_eq!(machine.holders(), [Value::Null, id(&second_run)]);
    let_go(&second_run);
    let second = wait(second);
    assert_eq!(second.outcome(), (0, json!("submitted"), json!(5.0)), "{second:?}");
    assert_eq!(machine.holders(), [Value::Null, Value::Null]);
    assert_eq!(second.printed()[0], "GPU-bbbb2222\n");
    let object = second.object();
    let device =
        json!({ "index": 1, "uuid": "GPU-bbbb2222", "name": "NVIDIA A100-SXM4-40GB", "memory_mib": 40960 });
    assert_eq!(object["gpus"], json!([device]));
    assert!(object["isolation"]["missing"].as_array().unwrap().contains(&json!("gpu_devices")));

    // What was killed goes on with whatever is free then.
    let (third, _) = machine.start(&["--gpus"]);
    let path = first_run.display().to_string();
    let log = std::fs::metadata(first_run.join("events.jsonl")).unwrap().len();
    let mut resumed = machine.command(&["run", "--resume", &path]);
    let resumed = resumed.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    eventually("the killed run goes on", || {
        let now = std::fs::metadata(first_run.join("events.jsonl")).ok()?.len();
        (now > log && granted(&first_run).len() == 2).then_some(())
    });
    let_go(&first_run);
    let resumed = wait(resumed);
    assert_eq!(resumed.outcome(), (0, json!("submitted"), json!(5.0)), "{resumed:?}");
    assert_eq!(granted(&first_run), [[0], [1]]);
    signal(&third, Signal::KILL);
    wait(third);
    machine.world.wait_until_nothing_is_left();
}

/// Says which device it has, and crashes if another program has the same one at that moment.
const CANDIDATE: &str = r#"
import json, os
mine = os.path.join(HELD, os.environ["CUDA_VISIBLE_DEVICES"])
os.mkdir(mine)
print(json.dumps({"device": 1 if mine.endswith("bbbb2222") else 0}), flush=True)
sum(number * number for number in range(200000))
with open("numbers.json", encoding="utf-8") as file:
    numbers = json.load(file)
with open("answer.json", "w", encoding="utf-8") as file:
    json.dump({"answer": max(0.0, 9.0 - abs(numbers[0] - 3.0) - abs(numbers[1] - 5.0))}, file)
os.rmdir(mine)
"#;

#[test]
fn each_candidate_of_a_search_has_a_device_of_its_own_while_it_works() {
    if !can_isolate() {
        return;
    }
    let machine = Machine::of_two();
    let world = &machine.world;
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tasks/climb");
    copy_tree(&fixture, &world.path("climb"));
    std::fs::create_dir(world.path("held")).expect("a folder");
    // Candidates are another user's programs where we are root.
    let open_to_all = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(world.path("held"), open_to_all).expect("it is ours");
    let held = format!("HELD = {:?}\n", world.path("held").display().to_string());
    world.file("climb/starter/solve.py", &format!("{held}{CANDIDATE}"));
    let search = ["run", "./climb", "search", "--policy", "best-of-n", "--operators", "tune", "--seed", "1"];
    let more = ["--steps", "9", "--slots", "4", "--gpus", "1", "--runtime", "host"];
    let finished = machine.finish(&[&search[..], &more].concat());
    assert_eq!(finished.object()["search"]["measured"], json!(9), "{finished:?}");
    let run = finished.run();
    let log = events(&run);
    let told = of_type(&log, "evaluated");
    let devices: Vec<&str> = told.iter().filter_map(|event| event["reported"]["text"].as_str()).collect();
    assert_eq!(devices.len(), 10, "{told:?}");
    assert!(devices.iter().all(|line| line.contains(r#""name":"device","value":"#)), "{devices:?}");
    assert_eq!(granted(&run), [Vec::<u64>::new()], "the run itself has none");
    let of_each: Vec<usize> = told.iter().map(|event| event["gpus"].as_array().map_or(0, Vec::len)).collect();
    assert_eq!(of_each, [1; 20], "in both of its stages");
    let result = finished.object();
    let mut names: Vec<&str> = result["gpus"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|gpu| gpu["uuid"].as_str())
        .map(|uuid| &uuid[..8])
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["GPU-aaaa", "GPU-bbbb"], "both were had");
    assert_eq!(machine.holders(), [Value::Null, Value::Null]);
    let refused = machine.finish(&[&search[..], &["--gpus", "3", "--runtime", "host"]].concat());
    assert_eq!(refused.code, 2, "{refused:?}");
}

/// Copies a folder with all in it.
pub(crate) fn copy_tree(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder").flatten() {
        let target = to.join(entry.file_name());
        match entry.file_type().expect("a kind").is_dir() {
            true => copy_tree(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).expect("a copy")),
        }
    }
}

#[test]
fn what_the_machine_does_not_have_is_refused_before_a_run_is_made() {
    let machine = Machine::of_two();
    let script = machine.world.script(&[submit()]);
    let check = |more: &[&str], code: i32, message: &str| {
        let words = machine.world.scripted_words("tiny", &script, more);
        let finished = machine.finish(&words);
        let object = finished.object();
        assert_eq!((finished.code, &object["error"]["message"]), (code, &json!(message)), "{finished:?}");
        assert!(!object["error"]["hint"].is_null(), "{finished:?}");
    };
    check(&["--gpus", "3"], 2, "3 GPU(s) are asked for at once, and 2 are offered");
    check(
        &["--gpus", "--repeat", "9", "--parallel", "3"],
        2,
        "3 GPU(s) are asked for at once, and 2 are offered",
    );
    let there = "GPU 0 (GPU-aaaa1111, NVIDIA A100-SXM4-40GB), GPU 1 (GPU-bbbb2222, NVIDIA A100-SXM4-40GB)";
    check(&["--gpus", "GPU-cccc"], 2, &format!("no GPU `GPU-cccc` is offered; there are: {there}"));
    assert_eq!(machine.world.runs(), Vec::<PathBuf>::new());

    let broken =
        Machine::saying("echo 'Failed to initialize NVML: Driver/library version mismatch'; exit 18");
    let words = broken.world.scripted_words("tiny", &script, &["--gpus"]);
    let finished = broken.finish(&words);
    let program = broken.world.path("bin/nvidia-smi").display().to_string();
    let said = format!(
        "`{program}` failed (exit status: 18): Failed to initialize NVML: Driver/library version mismatch"
    );
    assert_eq!((finished.code, &finished.object()["error"]["message"]), (3, &json!(said)));
    let object: Value = serde_json::from_str(&broken.finish(&["doctor", "--output", "json"]).stdout).unwrap();
    assert_eq!(object["gpus"]["problem"], json!(said));
}

/// What `doctor` says of GPUs.
fn shown(finished: &Finished) -> Vec<&str> {
    let from = finished.stdout.lines().skip_while(|line| !line.starts_with("GPUs"));
    from.take_while(|line| !line.is_empty()).collect()
}

#[test]
fn the_doctor_shows_every_device() {
    let machine = Machine::of_two();
    let mut command = machine.command(&["doctor"]);
    let found = Finished::of(command.env("CUDA_VISIBLE_DEVICES", "1").output().unwrap());
    let expected = [
        "GPUs: 2, driver 550.54.15",
        "  0  NVIDIA A100-SXM4-40GB  40960 MiB  GPU-aaaa1111  not offered: CUDA_VISIBLE_DEVICES leaves it out",
        "  1  NVIDIA A100-SXM4-40GB  40960 MiB  GPU-bbbb2222  free",
    ];
    assert_eq!(shown(&found), expected);

    let empty = machine.world.path("empty");
    let doctor =
        |words: &[&str]| Finished::of(machine.world.command(words).env("PATH", &empty).output().unwrap());
    assert_eq!(shown(&doctor(&["doctor"])), ["GPUs: none"]);
    let object: Value = serde_json::from_str(&doctor(&["doctor", "--output", "json"]).stdout).unwrap();
    let nothing = json!({ "driver": null, "devices": [], "problem": null, "hint": null });
    assert_eq!(object["gpus"], nothing);
}

#[test]
fn a_run_without_devices_says_nothing_of_them() {
    if !can_isolate() {
        return;
    }
    let machine = Machine::of_two();
    let script = machine.world.script(&[exec("env; ls /dev"), answer(5), submit()]);
    for more in [&[][..], &["--gpus", "0"]] {
        let words = machine.world.scripted_words("tiny", &script, more);
        let finished = machine.finish(&words);
        assert_eq!(finished.code, 0, "{finished:?}");
        let log = std::fs::read_to_string(finished.run().join("events.jsonl")).unwrap();
        let told = [log, finished.stdout, finished.stderr].concat().to_lowercase();
        for word in ["gpus", "gpu_", "nvidia", "cuda"] {
            assert!(!told.contains(word), "{word}: {told}");
        }
    }
    assert!(!machine.world.path("locks").exists());
}

#[test]
fn what_is_asked_for_is_in_the_plan() {
    let machine = Machine::of_two();
    let folder = machine.world.path("tasks/tiny");
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tasks/tiny");
    std::fs::create_dir(machine.world.path("tasks")).unwrap();
    let copied = Command::new("cp").arg("-r").arg(fixture).arg(&folder).status().unwrap();
    assert!(copied.success());
    let text = std::fs::read_to_string(folder.join("task.toml")).unwrap();
    assert!(text.contains("[resources]\n"), "{text}");
    std::fs::write(folder.join("task.toml"), text.replace("[resources]\n", "[resources]\ngpus = 2\n"))
        .unwrap();
    let script = machine.world.script(&[submit()]);
    let check = |more: &[&str], expected: Value| {
        let task = folder.display().to_string();
        let words = machine.world.scripted_words(&task, &script, more);
        let printed = machine.finish(&[&words[..], &["--dry-run", "--output", "json"]].concat()).stdout;
        let plan: Value = serde_json::from_str(&printed).unwrap();
        assert_eq!(plan["spec"]["gpus"], expected, "{more:?}");
    };
    check(&[], json!({ "count": 2 }));
    check(&["--gpus"], json!({ "count": 1 }));
    check(&["--gpus=all"], json!("all"));
    check(&["--gpus", "device=0"], json!({ "devices": ["0"] }));
    check(&["--gpus", "0"], Value::Null);
}
