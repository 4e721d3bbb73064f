//! What a record keeps of a search, from its log to the last number.

use researchgym_core::action::Body;
use researchgym_core::digest::Digest;
use researchgym_core::event::Line;
use researchgym_core::record::{NodeRecord, Recorder};
use serde_json::{Value, json};

const TASK: &str = r#"
schema = 1
id = "guess"
title = "Guess"
domain = "testing"
description = "description.md"
metrics = [{ name = "error", direction = "minimize", primary = true }]
workspace = { starter = "starter" }
submission = { artefacts = ["guess.txt"] }
grader = { files = "grader", command = ["true"], validate_on = "validation" }
"#;

fn started() -> Value {
    let task = researchgym_core::task::parse(TASK, "task.toml").expect("a task");
    let search = json!({
        "policy": { "name": "hill-climb" }, "operators": { "improve": 1.0, "tune": 1.0 }, "parallel": 2,
        "measurements": 1, "novelty": {}, "form": "search-replace", "repairs": 1, "context_tokens": 1000,
        "inheritance": "code", "model_weight": 1.0, "selection": "weights",
    });
    let digest = Digest::of(b"");
    json!({
        "type": "run_started", "schema": 1, "run_id": "12345678", "version": "0",
        "spec": {
            "schema": 1, "task": "guess", "task_dir": "/tasks/guess", "variant": "default",
            "agent": serde_json::to_value(researchgym_core::spec::AgentSpec::Search(
                serde_json::from_value(search).expect("a search"),
            )).expect("JSON"),
            "model": null, "seed": 7, "seed_given": true, "runtime": "local",
            "limits": { "working_ms": null, "steps": null, "budget_micro_usd": null },
        },
        "task": task, "digests": { "task": digest, "agent": digest },
        "grading_secret": researchgym_core::keys::GradingSecret::from_seed(7),
    })
}

fn planned(ask: u64, first: u32, plans: Value) -> Value {
    json!({ "type": "planned", "ask": ask, "free": 2, "first": first, "plans": plans, "working_ms": 10 * ask })
}

fn built(node: u32, more: Value) -> Value {
    let mut event = json!({
        "type": "node_built", "node": node, "artefact": Digest::of(&node.to_le_bytes()), "size": 100 + node,
        "attempts": 1, "working_ms": 100 * u64::from(node),
    });
    let more = more.as_object().cloned().unwrap_or_default();
    event.as_object_mut().expect("an object").extend(more);
    event
}

fn began(evaluation: u64, node: u32) -> Value {
    json!({ "type": "evaluation_began", "evaluation": evaluation, "node": node, "stage": "full" })
}

fn evaluated(evaluation: u64, outcome: Value) -> Value {
    json!({
        "type": "evaluated", "evaluation": evaluation, "outcome": outcome, "wall_ms": 20, "cpu_ms": 15,
        "working_ms": 1000 * evaluation,
    })
}

fn graded(value: f64) -> Value {
    json!({ "type": "graded", "score": { "metrics": { "error": value }, "invalid": null } })
}

/// A search in which everything happens once.
fn log() -> Vec<Line> {
    let events = [
        started(),
        planned(0, 0, json!([{ "operator": "baseline" }])),
        built(0, json!({})),
        began(1, 0),
        evaluated(1, graded(5.0)),
        planned(
            1,
            1,
            json!([
                { "operator": "improve", "parents": [0], "shown": [0], "tag": { "island": 1, "kind": "explore" } },
                { "operator": "tune", "parents": [0] },
            ]),
        ),
        built(
            1,
            json!({
                "idea": { "text": "try less" }, "model": "p/m", "shown": [0], "attempts": 2,
                "changes": { "a.py": { "text": "x = 1\n" }, "b.py": null },
                "spent": { "calls": 2, "tokens": 500, "cost": 3000 },
            }),
        ),
        json!({
            "type": "node_dropped", "node": 2, "gate": "duplicate", "reason": "the same as node 0", "of": 0,
            "attempts": 4, "working_ms": 150,
        }),
        began(2, 1),
        evaluated(2, graded(3.0)),
        planned(
            2,
            3,
            json!([{ "operator": "tune", "parents": [1] }, { "operator": "replicate", "parents": [1] }]),
        ),
        built(3, json!({})),
        built(4, json!({})),
        began(3, 3),
        began(4, 4),
        evaluated(4, graded(4.0)),
        evaluated(3, json!({ "type": "failed", "kind": "time_out", "reason": "after 2 s" })),
        planned(
            3,
            5,
            json!([{ "operator": "improve", "parents": [3] }, { "operator": "tune", "parents": [1] }]),
        ),
        built(5, json!({})),
        began(5, 5),
        evaluated(5, graded(4.5)),
    ];
    let line = |(seq, event): (usize, Value)| Line {
        seq: seq as u64,
        prev: Digest::ZERO,
        time: "2026-11-25T10:00:00.000Z".to_owned(),
        event: serde_json::from_value(event.clone()).unwrap_or_else(|error| panic!("{error}: {event}")),
    };
    events.into_iter().enumerate().map(line).collect()
}

fn resolved(body: &Body) -> Option<Vec<u8>> {
    match body {
        Body::Text(text) => Some(text.clone().into_bytes()),
        _ => None,
    }
}

fn recorded() -> Recorder {
    let lines = log();
    let mut recorder = Recorder::start(&lines[0]).expect("a start");
    for line in &lines[1..] {
        recorder.apply(line, &resolved).unwrap_or_else(|error| panic!("{error}: {line:?}"));
    }
    recorder
}

#[test]
fn a_record_tells_what_the_search_did() {
    let moment = |node: u32, operator: &str, value: f64, [n, candidates, evaluations]: [u64; 3]| {
        json!({
            "node": node, "operator": operator, "value": value, "n": n, "candidates": candidates,
            "evaluations": evaluations, "working_ms": 1000 * evaluations.max(if n == 2 { 4 } else { 0 }), "cost": 0,
        })
    };
    let used = |operator: &str, [tried, built, measured, better, records]: [u64; 5]| {
        json!({
            "operator": operator, "tried": tried, "built": built, "measured": measured, "better": better,
            "records": records,
        })
    };
    let record = recorded().record(Digest::ZERO, true);
    let expected = json!({
        "policy": "hill-climb",
        "candidates": 4,
        "evaluations": 5,
        "statuses": { "measured": 4, "dropped": 1, "failed": 1, "proposed": 1 },
        "failures": { "duplicate": 1, "time_out": 1 },
        "best": { "node": 1, "value": 3.5, "n": 2, "standard_error": 0.5 },
        "baseline": 5.0,
        "moments": [
            moment(0, "baseline", 5.0, [1, 0, 1]),
            moment(1, "improve", 3.0, [1, 2, 2]),
            // Measured again it is worse than it seemed.
            moment(1, "improve", 3.5, [2, 2, 3]),
        ],
        "operators": [
            used("improve", [2, 2, 2, 2, 1]),
            used("tune", [3, 1, 0, 0, 0]),
            used("replicate", [1, 1, 1, 0, 0]),
        ],
        "spent": { "calls": 2, "tokens": 500, "cost": 3000 },
        "evaluation_ms": 100,
    });
    assert_eq!(serde_json::to_value(&record.search).expect("JSON"), expected);
    assert_eq!(serde_json::from_value(serde_json::to_value(&record).expect("JSON")).ok(), Some(record));
}

#[test]
fn nodes_are_rows() {
    let recorder = recorded();
    let tree = recorder.state().search.as_ref().expect("a tree");
    let rows: Vec<Value> = tree.nodes()[1..4]
        .iter()
        .map(|node| serde_json::to_value(NodeRecord::of(recorder.state(), node, &resolved)).expect("JSON"))
        .collect();
    let nothing = json!({ "calls": 0, "tokens": 0, "cost": 0 });
    let expected = json!([
        {
            "node": 1, "operator": "improve", "parents": [0], "shown": [0],
            "tag": { "island": 1, "kind": "explore" }, "status": "measured", "value": 3.5, "n": 2,
            "standard_error": 0.5, "attempts": 2, "spent": { "calls": 2, "tokens": 500, "cost": 3000 },
            "evaluation_ms": 20, "planned_ms": 10, "settled_ms": 2000, "idea": "try less", "model": "p/m",
            "artefact": Digest::of(&1u32.to_le_bytes()), "size": 101,
        },
        {
            "node": 2, "operator": "tune", "parents": [0], "status": "dropped", "failure": "duplicate",
            "reason": "the same as node 0", "n": 0, "attempts": 4, "spent": nothing, "evaluation_ms": 0,
            "planned_ms": 10, "settled_ms": 150, "size": 0,
        },
        {
            "node": 3, "operator": "tune", "parents": [1], "status": "failed", "failure": "time_out",
            "reason": "after 2 s", "n": 0, "attempts": 1, "spent": nothing, "evaluation_ms": 20, "planned_ms": 20,
            "settled_ms": 3000, "artefact": Digest::of(&3u32.to_le_bytes()), "size": 103,
        },
    ]);
    assert_eq!(Value::from(rows), expected);
}
