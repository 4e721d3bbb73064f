//! Foreign formats against their own programs: what these write is read by our readers, what we write is read by theirs.
//!
//! `RESEARCHGYM_LOGS_PYTHON` and `RESEARCHGYM_HARBOR_PYTHON` name Pythons with `peers/requirements-logs.txt` and
//! `peers/requirements-harbor.txt`; `.ci/test` installs them. Without them these tests are skipped.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use zip::ZipArchive;

use researchgym_core::import::{atif as atif_import, inspect as inspect_import, openevolve};
use researchgym_core::record::{Cause, Foreign};
use researchgym_core::score::Metrics;

use crate::inspect::{Head, LogWriter};
use crate::story::samples::{foreign, invalid, rich};
use crate::{Story, atif};

/// Runs a script of `peers` with the Python that a variable names, and reads what it prints last.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn ask(variable: &str, script: &str, mode: &str, path: &Path) -> Option<Value> {
    let Some(python) = std::env::var_os(variable).filter(|python| !python.is_empty()) else {
        eprintln!("SKIPPED: {variable} names no Python with the packages of others");
        return None;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../peers").join(script);
    let run =
        Command::new(python).arg(script).arg(mode).arg(path).output().expect("the Python can be started");
    let (told, complaint) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "{mode} {}: {complaint}", path.display());
    let last = told.trim_end().lines().next_back().unwrap_or_default();
    Some(serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {told}\n{complaint}")))
}

fn logs(mode: &str, path: &Path) -> Option<Value> {
    ask("RESEARCHGYM_LOGS_PYTHON", "inspect_logs.py", mode, path)
}

fn harbor(mode: &str, path: &Path) -> Option<Value> {
    ask("RESEARCHGYM_HARBOR_PYTHON", "harbor_trials.py", mode, path)
}

/// The runs of a log, of whichever form.
fn read_log(file: &Path) -> Vec<Foreign> {
    let bytes = std::fs::read(file).unwrap();
    let mut runs = Vec::new();
    if file.extension().is_some_and(|extension| extension == "json") {
        inspect_import::log(&bytes, &mut |run| runs.push(run.unwrap())).unwrap();
        return runs;
    }
    let mut archive = ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut member = |name: &str| {
        let mut bytes = Vec::new();
        archive.by_name(name).unwrap().read_to_end(&mut bytes).unwrap();
        bytes
    };
    let header = inspect_import::header(&member(inspect_import::HEADER)).unwrap();
    let names: Vec<String> = archive.file_names().map(|name| name.unwrap().into_owned()).collect();
    for name in names.iter().filter(|name| inspect_import::is_sample(name)) {
        let mut bytes = Vec::new();
        archive.by_name(name).unwrap().read_to_end(&mut bytes).unwrap();
        runs.push(inspect_import::sample(&header, &bytes).unwrap());
    }
    runs
}

/// Scores as Inspect's own reader has them, as metrics.
fn metrics(scores: &Value) -> Metrics {
    let mut metrics = Metrics::new();
    for (name, value) in scores.as_object().unwrap() {
        match value {
            Value::Object(parts) => {
                metrics.extend(parts.iter().map(|(name, part)| (name.clone(), part.as_f64().unwrap())));
            }
            Value::String(word) => {
                metrics.insert(name.clone(), f64::from(u8::from(word == "C")));
            }
            other => {
                metrics.insert(name.clone(), other.as_f64().unwrap());
            }
        }
    }
    metrics
}

#[test]
fn what_inspect_writes_is_read_as_inspect_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    let Some(facts) = logs("write", folder.path()) else { return };
    for (name, log) in facts["logs"].as_object().unwrap() {
        let runs = read_log(Path::new(log["file"].as_str().unwrap()));
        let by_sample: BTreeMap<(String, u64), &Foreign> = runs
            .iter()
            .map(|run| ((run.record.task.variant.clone(), run.record.seed.unwrap()), run))
            .collect();
        let samples = log["runs"].as_array().unwrap();
        assert_eq!((by_sample.len(), runs.len()), (samples.len(), samples.len()), "{name}");
        for sample in samples {
            let id = sample["id"].as_str().unwrap().to_owned();
            let run = by_sample[&(id, sample["epoch"].as_u64().unwrap())];
            let record = &run.record;
            assert_eq!((record.task.id.as_str(), record.model.as_deref()), ("demo", Some("mockllm/model")));
            let scored = record.submitted().map(|attempt| attempt.metrics.clone()).unwrap_or_default();
            assert_eq!(scored, metrics(&sample["scores"]), "{name}");
            let tools: Vec<Value> = run
                .steps
                .iter()
                .filter(|step| !step.tool.is_empty())
                .map(|step| json!([step.tool, step.is_refused]))
                .collect();
            let told = sample["tools"].as_array().unwrap().iter().map(|tool| json!([tool[0], tool[2]]));
            assert_eq!(tools, told.collect::<Vec<_>>(), "{name}");
            if let Some(used) = sample["usage"].get("mockllm/model") {
                let ours = record.usage.models["mockllm/model"];
                let count = |key: &str| used[key].as_u64().unwrap();
                assert_eq!(
                    ours.usage.input,
                    count("input_tokens") + count("input_tokens_cache_read"),
                    "{name}"
                );
                assert_eq!(ours.usage.output, count("output_tokens"), "{name}");
                let cost = used["total_cost"].as_f64().unwrap();
                assert!((record.usage.cost.unwrap().as_usd() - cost).abs() < 1e-6, "{name}");
                let calls = sample["events"].as_array().unwrap().iter().filter(|event| *event == "model");
                assert_eq!(ours.calls, calls.count() as u64, "{name}");
            }
            let cause = match (sample["limit"].as_str(), sample["error"].as_str()) {
                (Some("message"), _) => Cause::StepLimit,
                (None, Some(error)) => {
                    assert_eq!(record.ending.failure.as_deref(), Some(error), "{name}");
                    Cause::Failed
                }
                (None, None) => Cause::Submitted,
                other => panic!("{name}: {other:?}"),
            };
            assert_eq!(record.ending.cause, Some(cause), "{name}");
        }
    }

    let checkpoint = PathBuf::from(facts["checkpoint"]["folder"].as_str().unwrap());
    let mut reader = openevolve::Checkpoint::default();
    reader.metadata(&std::fs::read(checkpoint.join("metadata.json")).unwrap()).unwrap();
    for entry in std::fs::read_dir(checkpoint.join("programs")).unwrap() {
        reader.program(&std::fs::read(entry.unwrap().path()).unwrap()).unwrap();
    }
    let run = reader.finish("t");
    assert_eq!(json!(run.record.submitted().unwrap().metrics), facts["checkpoint"]["best"]);
    let attempts: Vec<f64> =
        run.record.attempts.iter().map(|attempt| attempt.metrics["combined_score"]).collect();
    assert_eq!((attempts, run.record.left_out), (vec![0.25, 0.75, 0.5], Vec::new()));
}

#[test]
fn what_we_write_is_read_by_inspect() {
    let folder = tempfile::tempdir().unwrap();
    let head = Head {
        id: "log1".to_owned(),
        created: "2026-11-25T16:00:00.000Z".to_owned(),
        version: "0.1.0".to_owned(),
    };
    let mut better = rich();
    better.record.run_id = "r3".to_owned();
    better.record.attempts[1].metrics.insert("score".to_owned(), 1.0);
    let mut log = LogWriter::new(Cursor::new(Vec::new()), head.clone());
    [rich(), invalid(), better].iter().for_each(|story| log.add(story).unwrap());
    let file = folder.path().join("ours.eval");
    std::fs::write(&file, log.finish().unwrap().into_inner()).unwrap();
    let Some(facts) = logs("read", &file) else { return };
    let told = json!({
        "status": facts["status"], "task": facts["task"], "model": facts["model"], "means": facts["means"],
        "listed": facts["listed"], "summaries": facts["summaries"], "reductions": facts["reductions"],
    });
    let expected = json!({
        "status": "success", "task": "blotto", "model": "p/m", "means": { "score": 0.875, "loss": 1.0 }, "listed": 1,
        "summaries": [
            ["blotto", 1, true, null, null], ["blotto", 2, true, null, null], ["blotto", 3, true, null, null],
        ],
        "reductions": [["score", [0.875]], ["loss", [1.0]]],
    });
    assert_eq!(told, expected);
    let expected = json!({
        "id": "blotto", "epoch": 1, "scores": { "score": 0.75, "loss": 1.0 },
        "messages": [
            { "role": "system", "text": "You do research.", "calls": [] },
            { "role": "user", "text": "Win at Blotto.", "calls": [] },
            { "role": "assistant", "text": "I look", "calls": [["bash", { "command": "ls" }]] },
            { "role": "tool", "text": "strategy.py", "calls": [] },
            { "role": "assistant", "text": "", "calls": [["edit", { "unreadable": "not json" }], ["submit", {}]] },
            { "role": "tool", "text": "no", "calls": [] },
            { "role": "tool", "text": "submitted", "calls": [] },
        ],
        "events": ["model", "tool", "score", "score", "model", "model", "tool", "tool", "score", "score"],
        "tools": [
            ["bash", { "command": "ls" }, false], ["edit", { "unreadable": "not json" }, true], ["submit", {}, false],
        ],
        "intermediate": [2.0, 0.5],
        "inputs": [2, 4, 4],
        "usage": { "p/m": {
            "input_tokens": 260, "output_tokens": 60, "total_tokens": 360, "input_tokens_cache_read": 40,
            "input_tokens_cache_write": 0, "reasoning_tokens": 0, "total_cost": 0.02,
        } },
        "limit": null, "error": null, "seconds": 12.5,
    });
    assert_eq!(facts["runs"][0], expected);
    assert_eq!(facts["runs"][1]["scores"], json!({ "score": "NaN" }));

    let mut log = LogWriter::new(Cursor::new(Vec::new()), head);
    log.add(&foreign()).unwrap();
    std::fs::write(&file, log.finish().unwrap().into_inner()).unwrap();
    let run = logs("read", &file).unwrap()["runs"][0].clone();
    let told = json!([run["id"], run["limit"], run["error"], run["intermediate"], run["tools"]]);
    let tools = json!([
        ["bash", { "cmd": "python train.py" }, false], ["edit", { "action": "edit 1:2\nx\nend_of_edit" }, true],
    ]);
    assert_eq!(told, json!(["imageClassification-cifar.small", "cost", null, [0.5], tools]));
}

#[test]
fn harbor_accepts_what_we_write() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("trajectory.json");
    let empty = Story::of(invalid().record, Vec::new());
    for story in [rich(), invalid(), foreign(), empty] {
        std::fs::write(&file, atif::trajectory(&story)).unwrap();
        let Some(errors) = harbor("validate", &file) else { return };
        assert_eq!(errors, json!([]));
    }
}

#[test]
fn what_harbor_writes_is_read() {
    let folder = tempfile::tempdir().unwrap();
    if harbor("write", folder.path()).is_none() {
        return;
    }
    let trajectory = std::fs::read(folder.path().join("agent/trajectory.json")).unwrap();
    let reward = std::fs::read(folder.path().join("verifier/reward.json")).unwrap();
    let trial = atif_import::Trial {
        trajectory: &trajectory,
        reward_json: Some(&reward),
        ..atif_import::Trial::default()
    };
    let run = atif_import::read(trial, "fix-it").unwrap();
    let record = &run.record;
    assert_eq!((record.agent.as_str(), record.model.as_deref()), ("terminus-2", Some("p/m")));
    assert_eq!((record.submission_value(), record.usage.working_ms), (Some(0.5), Some(10_000)));
    let step = &run.steps[0];
    assert_eq!((step.tool.as_str(), step.action.as_str(), step.observation.as_str()), ("bash", "ls", "x"));
    let used = record.usage.models["p/m"];
    assert_eq!((used.calls, used.usage.input, used.usage.cache_read, used.usage.output), (1, 100, 40, 10));
}
