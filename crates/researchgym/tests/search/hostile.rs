//! What every evaluator is held to: candidates that misbehave, evaluated in sandboxes of their own, from a warm Python, by the
//! fake cluster and, where there is one, by Slurm. Each fails in its own way, none harms the next one, and nothing is left.

use std::path::Path;

use serde_json::{Value, json};

use crate::climb::{fates, model, tasks};
use crate::jobs::bench::Bench;
use crate::support::{Finished, World, can_isolate, events, of_type, say};

/// An answer that puts other text in the place of the program's last two lines.
pub(crate) fn ending(text: &str) -> Value {
    json!({ "text": format!(
        "File: solve.py\n<<<<<<< SEARCH\nwith open(\"answer.json\", \"w\", encoding=\"utf-8\") as file:\n    \
         json.dump({{\"answer\": value(*numbers)}}, file)\n=======\n{text}\n>>>>>>> REPLACE\n"
    ) })
}

fn says(answer: &str) -> String {
    format!("open('answer.json', 'w').write('{answer}')")
}

/// Looks as if it had ended when it has written its answer, for longer than a grading takes, and then does something else.
fn seems_to_end(answer: &str, then: &str) -> Value {
    let says = says(&format!("{{\\\"answer\\\": {answer}}}"));
    ending(&format!("import os, time\n{says}\nos.close(1)\nos.close(2)\ntime.sleep(0.5)\n{then}"))
}

/// A copy of the task whose evaluations are warm.
pub(crate) fn warm_copy(world: &World) -> String {
    let folder = world.path("tasks/climb");
    copy(&Path::new(&tasks()).join("climb"), &folder);
    let file = folder.join("task.toml");
    let text = std::fs::read_to_string(&file).expect("a task");
    let text = text.replace("\"/usr/bin/python3\", \"solve.py\"", "\"python3\", \"solve.py\"");
    let text = text.replace("\"/usr/bin/python3\", \"grade.py\"", "\"python3\", \"grade.py\"");
    let warm = "[search.warm]\npreload = [\"json\"]\ngrader = true\n\n[search.genome]";
    std::fs::write(&file, text.replace("[search.genome]", warm)).expect("a file");
    world.path("tasks").display().to_string()
}

pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder").flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).expect("a copy");
        }
    }
}

/// Where candidates are evaluated.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Evaluator {
    /// Each in a sandbox of its own.
    Cold,
    /// Forked from a Python that waits.
    Warm,
    /// By jobs that are processes of this machine.
    FakeCluster,
    /// By jobs of a real cluster.
    Slurm,
}

/// Each candidate as the model writes it, with what is to become of it.
fn candidates() -> Vec<(Value, &'static str)> {
    let daemon = "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        \
                  time.sleep(600)\n    os._exit(0)\n";
    vec![
        (ending("pass"), "no_artefact"),
        (ending(&says("{\\\"answer\\\": NaN}")), "invalid"),
        (ending("while True:\n    pass"), "time_out"),
        (ending(&format!("{daemon}{}", says("{\\\"answer\\\": 4}"))), "4"),
        (ending("import no_such_package"), "build"),
        (ending("raise SystemExit(3)"), "crash"),
        (
            ending("block = 'x' * 1000000\nfor _ in range(3000):\n    print(block)\nraise SystemExit(4)"),
            "crash",
        ),
        (ending("hoard = bytearray(3 << 30)\nhoard[::4096] = b'x' * len(hoard[::4096])"), "out_of_memory"),
        (
            ending("open('/tmp/left', 'w').write('x')\nopen('left', 'w').write('x')\nraise SystemExit(1)"),
            "crash",
        ),
        (
            ending(&format!(
                "import os\nassert not os.path.exists('/tmp/left') and not os.path.exists('left')\n{}",
                says("{\\\"answer\\\": 5}")
            )),
            "5",
        ),
        (seems_to_end("9", &says("{\\\"answer\\\": 3}")), "3"),
        (seems_to_end("9", "os.remove('answer.json')"), "no_artefact"),
        (seems_to_end("9", "os._exit(3)"), "crash"),
        (seems_to_end("9", "while True:\n    pass"), "time_out"),
        (seems_to_end("4.5", ""), "4.5"),
        (json!({"text": "```python solve.py\n\n```\n"}), "not_implemented"),
        (ending("print(open('/grader/grade.py').read())"), "leakage"),
    ]
}

impl Evaluator {
    /// Lets a search try candidates; its events and final score.
    fn tries(self, answers: &[Value]) -> (World, Vec<Value>, Option<f64>) {
        if self == Evaluator::FakeCluster {
            let bench = Bench::scripted(answers);
            let runtime = tokio::runtime::Runtime::new().expect("a runtime");
            let result = runtime.block_on(bench.run(bench.cluster(1)));
            let run = bench.world.runs().into_iter().next().expect("a run");
            let score = serde_json::to_value(&result).expect("JSON")["score"]["score"].as_f64();
            return (bench.world, events(&run), score);
        }
        let world = World::new();
        let model = model(&world, answers);
        let folder = if self == Evaluator::Warm { warm_copy(&world) } else { tasks() };
        let steps = answers.len().to_string();
        let common =
            ["run", "climb", "search", "--output", "json", "--tasks-dir", &folder, "--model", &model];
        let policy = ["--policy", "best-of-n", "--operators", "draft", "--slots", "1", "--steps", &steps];
        let gates = ["--similarity", "1", "--repairs", "0", "--resamples", "0"];
        let place: &[&str] = if self == Evaluator::Slurm { &["--executor", "slurm"] } else { &[] };
        let mut command = world.command(&[&common[..], &policy, &gates, place].concat());
        if let (Evaluator::Slurm, Some(file)) = (self, std::env::var_os(SLURM)) {
            command.env(SLURM, file);
        }
        let finished = Finished::of(command.output().expect("the binary starts"));
        assert_eq!(finished.code, 0, "{self:?}: {}", finished.stderr);
        let (events, score) = (finished.events(), finished.object()["score"]["score"].as_f64());
        (world, events, score)
    }
}

/// The variable that says where a Slurm cluster is described.
const SLURM: &str = "SLURM_CONF";

fn every_candidate_fails_in_its_own_way_and_harms_no_other(evaluator: Evaluator) {
    if !can_isolate() {
        return;
    }
    let candidates = candidates();
    let answers: Vec<Value> = candidates.iter().map(|(answer, _)| answer.clone()).collect();
    let (world, events, score) = evaluator.tries(&answers);
    let found: Vec<String> = fates(&events).into_iter().skip(1).map(|(_, fate)| fate).collect();
    let expected: Vec<&str> = candidates.iter().map(|(_, fate)| *fate).collect();
    // Memory that is not there is an exception where no control group counts it.
    let found: Vec<&str> = found.iter().map(String::as_str).collect();
    let told =
        |fates: &[&str]| fates.iter().map(|fate| fate.replace("out_of_memory", "crash")).collect::<Vec<_>>();
    assert_eq!(told(&found), told(&expected), "{evaluator:?}");
    assert_eq!(score, Some(5.0), "{evaluator:?}");
    // A gigabyte of output leaves a few kilobytes.
    let longest = of_type(&events, "evaluated").iter().map(|event| event.to_string().len()).max();
    assert!(longest.is_some_and(|longest| longest < 20_000), "{longest:?}");
    world.wait_until_nothing_is_left();
}

#[test]
fn every_candidate_fails_in_its_own_way_in_a_sandbox_of_its_own() {
    every_candidate_fails_in_its_own_way_and_harms_no_other(Evaluator::Cold);
}

#[test]
fn every_candidate_fails_in_its_own_way_from_a_warm_python() {
    every_candidate_fails_in_its_own_way_and_harms_no_other(Evaluator::Warm);
}

#[test]
fn every_candidate_fails_in_its_own_way_by_jobs_of_a_fake_cluster() {
    every_candidate_fails_in_its_own_way_and_harms_no_other(Evaluator::FakeCluster);
}

#[test]
fn every_candidate_fails_in_its_own_way_by_jobs_of_slurm() {
    if std::env::var_os(SLURM).is_none() {
        say("SKIPPED: SLURM_CONF names no Slurm cluster");
        return;
    }
    every_candidate_fails_in_its_own_way_and_harms_no_other(Evaluator::Slurm);
}
