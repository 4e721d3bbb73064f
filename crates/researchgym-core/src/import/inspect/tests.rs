//! Logs as Inspect writes them, and older ones.

use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::model::Usage;
use crate::record::{
    ActionsRecord, AttemptRecord, Category, Cause, EndingRecord, ModelUse, RunRecord, StepRecord, TaskRecord,
    UsageRecord,
};
use crate::score::{AttemptKind, Direction, Metrics, Primary};
use crate::spec::MicroUsd;

fn header_json() -> Value {
    json!({
        "version": 2, "status": "success",
        "eval": {
            "task": "demo", "created": "2026-11-25T16:15:31+00:00", "model": "mockllm/model", "tags": ["t"],
            "dataset": { "samples": 2 }, "config": {}, "model_args": { "secret": 1 },
        },
        "plan": { "steps": [{ "solver": "react" }] },
        "results": { "scores": [{ "name": "match", "scorer": "match" }, { "name": "loss", "scorer": "both" }] },
    })
}

fn model_event(span: &str, content: &Value, calls: &Value) -> Value {
    json!({
        "event": "model", "model": "mockllm/model", "span_id": span, "timestamp": "2026-11-25T16:15:33+00:00",
        "input": ["much"], "output": { "choices": [{ "message": { "content": content, "tool_calls": calls } }] },
    })
}

fn sample_json() -> Value {
    let call = |id: &str, function: &str, arguments: Value| json!({ "id": id, "function": function, "arguments": arguments });
    let spent = json!({
        "input_tokens": 30, "output_tokens": 15, "total_tokens": 54, "input_tokens_cache_read": 9, "total_cost": 0.003,
    });
    json!({
        "id": "one", "epoch": 2, "input": "Say C", "target": "C",
        "messages": [{ "role": "tool", "tool_call_id": "c2", "content": [{ "type": "text", "text": "seen" }] }],
        "scores": {
            "match": { "value": "C", "answer": "C" },
            "both": { "value": { "loss": 0.25, "note": "fine" }, "explanation": "why" },
        },
        "events": [
            { "event": "span_begin", "id": "agent", "type": "agent" },
            model_event("agent", &json!("I train"), &json!([call("c1", "bash", json!({ "cmd": "python3 train.py" })), call("c2", "read_file", json!({ "path": "a" }))])),
            { "event": "model", "pending": true, "model": "mockllm/model" },
            { "event": "tool", "id": "c1", "function": "bash", "arguments": { "cmd": "python3 train.py" }, "result": "attachment://k",
              "timestamp": "2026-11-25T16:15:33+00:00", "completed": "2026-11-25T16:15:35.5+00:00", "error": { "type": "timeout", "message": "too slow" } },
            { "event": "score", "intermediate": true, "scorer": "both", "score": { "value": { "loss": 0.5 } }, "working_start": 1.5 },
            { "event": "score", "intermediate": true, "scorer": "match", "score": { "value": null }, "working_start": 1.6 },
            model_event("agent", &json!([{ "type": "reasoning", "reasoning": "hm" }, { "type": "text", "text": "C" }]), &json!([])),
            { "event": "span_begin", "id": "s", "type": "scorers" },
            { "event": "span_begin", "id": "s1", "parent_id": "s", "type": "scorer" },
            model_event("s1", &json!("I judge"), &json!([])),
            { "event": "score", "scorer": "match", "span_id": "s1", "score": { "value": "C" }, "working_start": 2.5 },
            { "event": "info", "data": 1 },
        ],
        "attachments": { "k": "a long text" },
        "model_usage": { "mockllm/model": spent },
        "started_at": "2026-11-25T16:15:32.548738+00:00", "completed_at": "2026-11-25T16:15:36+00:00",
        "total_time": 3.5, "working_time": 3.0,
    })
}

fn metrics(pairs: &[(&str, f64)]) -> Metrics {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
}

fn attempt(
    number: u64,
    kind: AttemptKind,
    pairs: &[(&str, f64)],
    after_steps: u64,
    after_ms: u64,
) -> AttemptRecord {
    AttemptRecord {
        number,
        kind: Some(kind),
        split: None,
        metrics: metrics(pairs),
        invalid: None,
        after_steps: Some(after_steps),
        after_ms: Some(after_ms),
        after_cost: None,
        artefact: None,
    }
}

fn expected() -> Foreign {
    let model = Some("mockllm/model".to_owned());
    let time = Some("2026-11-25T16:15:33.000Z".to_owned());
    let task = TaskRecord {
        variant: "one".to_owned(),
        primary: Some(Primary { name: "match".to_owned(), direction: Direction::Maximize }),
        ..TaskRecord::named("demo")
    };
    let usage = Usage { input: 39, cache_read: 9, output: 15, ..Usage::default() };
    let record = RunRecord {
        model: model.clone(),
        seed: Some(2),
        tags: vec!["t".to_owned()],
        started_at: Some("2026-11-25T16:15:32.548Z".to_owned()),
        ending: EndingRecord { cause: Some(Cause::Submitted), told: None, boundary: None, failure: None },
        attempts: vec![
            attempt(1, AttemptKind::Validate, &[("loss", 0.5)], 2, 1500),
            attempt(2, AttemptKind::Submit, &[("loss", 0.25), ("match", 1.0)], 3, 2500),
        ],
        submission: Some(2),
        usage: UsageRecord {
            working_ms: Some(3000),
            wall_ms: Some(3500),
            cost: Some(MicroUsd(3000)),
            models: BTreeMap::from([("mockllm/model".to_owned(), ModelUse { calls: 3, usage })]),
        },
        actions: ActionsRecord {
            steps: "vpk".to_owned(),
            took_ms: BTreeMap::from([(Category::Python, 2500)]),
            ..ActionsRecord::default()
        },
        left_out: vec![
            "events of other kinds were left out: info".to_owned(),
            "scores that are no numbers: note".to_owned(),
            "Inspect does not say which way a score is better: more was taken as better".to_owned(),
        ],
        ..RunRecord::foreign(PROGRAM, task, "react")
    };
    let steps = vec![
        StepRecord {
            observation: "seen".to_owned(),
            time: time.clone(),
            model: model.clone(),
            ..StepRecord::new(1, Category::View, "read_file", r#"{"path":"a"}"#)
        },
        StepRecord {
            thought: Some("I train".to_owned()),
            observation: "a long text\ntoo slow".to_owned(),
            took_ms: Some(2500),
            is_refused: true,
            time: time.clone(),
            model: model.clone(),
            ..StepRecord::new(2, Category::Python, "bash", "python3 train.py")
        },
        StepRecord {
            thought: Some("hm\nC".to_owned()),
            time,
            model,
            ..StepRecord::new(3, Category::Talk, "", "")
        },
    ];
    Foreign { record, steps }
}

fn all(bytes: &[u8]) -> (Vec<Result<Foreign, NotInspect>>, Result<(), NotInspect>) {
    let mut runs = Vec::new();
    let end = log(bytes, &mut |run| runs.push(run));
    (runs, end)
}

#[test]
fn a_sample_is_a_run() {
    let header = header(header_json().to_string().as_bytes()).unwrap();
    assert_eq!(header.status(), Some("success"));
    assert_eq!(sample(&header, sample_json().to_string().as_bytes()), Ok(expected()));
}

#[test]
fn a_log_in_one_piece_hands_samples_over_one_by_one() {
    let mut log = header_json();
    log["samples"] = json!([sample_json(), sample_json()]);
    let text = log.to_string();
    assert_eq!(all(text.as_bytes()), (vec![Ok(expected()), Ok(expected())], Ok(())));

    // Keys stand in another order.
    let swapped = format!(r#"{{"samples":{},{}"#, log["samples"], &header_json().to_string()[1..]);
    assert_eq!(all(swapped.as_bytes()), (vec![Ok(expected()), Ok(expected())], Ok(())));
}

#[test]
fn samples_before_the_damage_are_handed_over() {
    let mut log = header_json();
    log["samples"] = json!([sample_json(), sample_json()]);
    let text = log.to_string();
    let cut = &text[..text.rfind(r#""id":"one""#).unwrap() + 5];
    // The keys of this text are sorted: `eval` stands before `samples`.
    let (runs, end) = all(cut.as_bytes());
    assert_eq!(runs, [Ok(expected())]);
    assert_eq!(end.unwrap_err().to_string(), format!("the log breaks off at line 1, column {}", cut.len()));
}

#[test]
fn endings_have_causes() {
    let header = header(header_json().to_string().as_bytes()).unwrap();
    let ending = |key: &str, value: Value| {
        let mut sample = json!({ "id": 1, "epoch": 1 });
        sample[key] = value;
        let run = run(&header, &sample).unwrap();
        let ending = run.record.ending;
        (ending.cause.unwrap(), ending.told.unwrap_or_default(), ending.failure.unwrap_or_default())
    };
    let cases = [
        ("limit", json!({ "type": "message", "limit": 6 }), (Cause::StepLimit, "message limit", "")),
        ("limit", json!({ "type": "token", "limit": 6 }), (Cause::TokenLimit, "token limit", "")),
        (
            "limit",
            json!({ "type": "cost", "limit": 1, "reason": "dear" }),
            (Cause::Budget, "cost limit: dear", ""),
        ),
        ("limit", json!({ "type": "working", "limit": 6 }), (Cause::TimeLimit, "working limit", "")),
        ("limit", json!({ "type": "custom", "limit": 6 }), (Cause::Unknown, "custom limit", "")),
        ("error", json!({ "message": "it broke", "traceback": "" }), (Cause::Failed, "error", "it broke")),
        ("scores", json!({}), (Cause::Submitted, "", "")),
        ("store", json!({}), (Cause::Unknown, "", "")),
    ];
    for (key, value, (cause, told, failure)) in cases {
        assert_eq!(ending(key, value.clone()), (cause, told.to_owned(), failure.to_owned()), "{key} {value}");
    }
}

#[test]
fn logs_without_events_and_of_old_form_are_read_from_messages() {
    let header =
        json!({ "eval": { "task": "demo", "solver": "plain", "model": "m", "dataset": { "samples": 1 } } });
    let header = super::header(header.to_string().as_bytes()).unwrap();
    let sample = json!({
        "id": 7, "epoch": 1, "score": { "value": NAN, "explanation": "no answer" },
        "messages": [
            { "role": "user", "content": "go" },
            { "role": "assistant", "content": "", "model": "m", "tool_calls": [{ "id": "a", "function": "bash", "arguments": { "cmd": "ls" } }] },
            { "role": "tool", "tool_call_id": "a", "content": "x" },
            { "role": "assistant", "content": "done", "model": "m" },
        ],
    });
    let text = sample.to_string().replace(&format!("\"{NAN}\""), "NaN");
    let run = super::sample(&header, text.as_bytes()).unwrap();
    assert_eq!(run.record.task, TaskRecord::named("demo"));
    assert_eq!((run.record.agent.as_str(), run.record.actions.steps.as_str()), ("plain", "bk"));
    assert_eq!(run.record.usage.models["m"].calls, 2);
    let attempt = run.record.attempts.last().unwrap();
    assert_eq!((attempt.invalid.as_deref(), attempt.metrics.len()), (Some("no answer"), 0));
    assert_eq!(run.record.left_out, ["scores that are no numbers: score"]);
    assert_eq!(run.steps[0].observation, "x");
}

const NAN: &str = "(not a number)";

#[test]
fn what_is_no_log_is_told() {
    let told = |text: &str| all(text.as_bytes()).1.unwrap_err().to_string();
    assert_eq!(told("{}"), "this is no log of Inspect: there is no `eval`");
    assert_eq!(told(r#"{"eval": {}, "samples": [1]}"#), "this is no log of Inspect: there is no `eval.task`");
    let told_list = told("[1]");
    assert!(told_list.starts_with("the log cannot be read at line 1, column"), "{told_list}");
    let (runs, end) = all(br#"{"eval": {"task": "t"}, "samples": [5, {"id": 1}]}"#);
    assert_eq!(runs[0], Err(NotInspect::Other("sample `id`")));
    assert!(runs[1].is_ok() && end.is_ok());
    assert!(is_sample("samples/one_epoch_1.json") && !is_sample("samples/one_epoch_1/sample.json"));
    assert!(is_piece("samples/one_epoch_1/sample.json") && !is_piece("header.json"));
}

#[test]
fn our_own_words_about_a_task_are_taken() {
    let header = header(header_json().to_string().as_bytes()).unwrap();
    let task = TaskRecord { noise_floor: 0.5, ..TaskRecord::named("blotto") };
    let sample = json!({ "id": "blotto", "epoch": 1, "metadata": { "researchgym": { "task": task } } });
    assert_eq!(run(&header, &sample).unwrap().record.task, task);
}
