//! One run as a sample.

use serde_json::{Map, Value, json};

use researchgym_core::import::inspect::OURS;
use researchgym_core::import::time::Moment;
use researchgym_core::model::Usage;
use researchgym_core::record::{AttemptRecord, Cause, RunRecord};
use researchgym_core::spec::MicroUsd;

use super::events::{Transcript, about, name_of};
use crate::dialogue::entries;
use crate::story::Story;

/// The id of a run's sample: its task and variant. It becomes part of a member's name.
pub(super) fn id(record: &RunRecord) -> String {
    let id = match record.task.variant.as_str() {
        "default" => record.task.id.clone(),
        variant => format!("{}.{variant}", record.task.id),
    };
    id.replace(['/', '\\'], "-")
}

/// The sample's JSON.
pub(super) fn write(story: &Story, id: &str, epoch: u64, created: &str) -> Vec<u8> {
    let record = &story.record;
    let mut transcript = Transcript::of(story, entries(story), created);
    let limit = limit(story);
    let event = limit
        .as_ref()
        .filter(|limit| limit["type"] != "context")
        .map(|limit| json!({ "type": limit["type"], "message": limit["reason"], "limit": limit["limit"] }));
    let error = error(record);
    transcript.end(event, error.as_ref());
    let Transcript { messages, events, output, .. } = transcript;
    let mut sample = common(record, id, epoch);
    sample.insert("metadata".to_owned(), json!({ OURS: ours(record) }));
    sample.insert("events_data".to_owned(), json!({ "messages": messages, "calls": [] }));
    sample.insert("messages".to_owned(), json!(messages));
    sample.insert("events".to_owned(), json!(events));
    sample.insert("output".to_owned(), output.unwrap_or_else(|| json!({})));
    sample.insert("store".to_owned(), json!({}));
    sample.insert("attachments".to_owned(), json!({}));
    if let Some(limit) = limit {
        sample.insert("limit".to_owned(), limit);
    }
    if let Some(error) = error {
        sample.insert("error".to_owned(), error);
    }
    with_scores(record, &Value::Object(sample))
}

/// What sample and summary have in common.
pub(super) fn common(record: &RunRecord, id: &str, epoch: u64) -> Map<String, Value> {
    let models = record.usage.models.iter();
    // Money is known for the run as a whole: it is the one model's, if there is one.
    let cost = record.usage.cost.filter(|_| record.usage.models.len() == 1);
    let models: Map<String, Value> =
        models.map(|(name, used)| (name.clone(), usage(&used.usage, cost))).collect();
    let mut sample = Map::new();
    sample.insert("id".to_owned(), json!(id));
    sample.insert("epoch".to_owned(), json!(epoch));
    sample.insert("input".to_owned(), json!(format!("Task: {}", record.task.id)));
    sample.insert("target".to_owned(), json!(""));
    sample.insert("model_usage".to_owned(), Value::Object(models));
    sample.insert("uuid".to_owned(), json!(record.run_id));
    if let Some(started) = &record.started_at {
        sample.insert("started_at".to_owned(), json!(started));
        let end = Moment::read(started)
            .zip(record.usage.wall_ms)
            .map(|(start, wall)| start.later(wall).to_string());
        sample.extend(end.map(|end| ("completed_at".to_owned(), json!(end))));
    }
    let seconds = |milliseconds: Option<u64>| milliseconds.map(|time| json!(time as f64 / 1000.0));
    sample.extend(seconds(record.usage.wall_ms).map(|time| ("total_time".to_owned(), time)));
    sample.extend(seconds(record.usage.working_ms).map(|time| ("working_time".to_owned(), time)));
    sample
}

/// An object with the scores that count before the rest. What could not be scored has the number that is none, which Inspect
/// writes as a bare word and `serde_json` does not.
pub(super) fn with_scores(record: &RunRecord, object: &Value) -> Vec<u8> {
    let rest = object.to_string();
    let Some(attempt) = submission(record) else { return rest.into_bytes() };
    let quoted = |text: &str| Value::from(text).to_string();
    let about = about(attempt);
    let mut scores = Vec::new();
    for (name, value) in ordered(record, attempt) {
        scores.push(format!("{}:{{\"value\":{},\"metadata\":{about}}}", quoted(name), Value::from(value)));
    }
    if scores.is_empty() {
        let name = quoted(name_of(record.task.primary.as_ref()));
        let why = quoted(attempt.invalid.as_deref().unwrap_or("there is no score"));
        scores.push(format!("{name}:{{\"value\":NaN,\"explanation\":{why},\"metadata\":{about}}}"));
    }
    format!("{{\"scores\":{{{}}},{}", scores.join(","), &rest[1..]).into_bytes()
}

/// The attempt that counts.
pub(super) fn submission(record: &RunRecord) -> Option<&AttemptRecord> {
    record.attempts.iter().find(|attempt| Some(attempt.number) == record.submission)
}

/// The metrics, the one that decides first.
fn ordered<'a>(record: &'a RunRecord, attempt: &'a AttemptRecord) -> Vec<(&'a str, f64)> {
    let mut metrics: Vec<(&str, f64)> =
        attempt.metrics.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    let primary = record.task.primary.as_ref().map(|primary| primary.name.as_str());
    metrics.sort_by_key(|(name, _)| Some(*name) != primary);
    metrics
}

/// Tokens in Inspect's way, which counts what came from a cache or went to one apart from the rest of the prompt.
pub(super) fn usage(usage: &Usage, cost: Option<MicroUsd>) -> Value {
    let written = usage.cache_write_5m.saturating_add(usage.cache_write_1h);
    let mut value = json!({
        "input_tokens": usage.input.saturating_sub(usage.cache_read).saturating_sub(written),
        "input_tokens_cache_read": usage.cache_read,
        "input_tokens_cache_write": written,
        "output_tokens": usage.output,
        "reasoning_tokens": usage.reasoning,
        "total_tokens": usage.total(),
    });
    if let Some(cost) = cost {
        value["total_cost"] = json!(cost.as_usd());
    }
    value
}

/// What Inspect has no place for.
fn ours(record: &RunRecord) -> Value {
    json!({
        "run_id": record.run_id, "origin": record.origin, "task": record.task, "agent": record.agent,
        "seed": record.seed, "ending": record.ending, "submission": record.submission, "usage": record.usage,
        "integrity": record.integrity, "verdict": record.verdict, "left_out": record.left_out,
    })
}

/// The limit that ended it. If it is not known, what was used stands for it.
pub(super) fn limit(story: &Story) -> Option<Value> {
    let record = &story.record;
    let usage = &record.usage;
    let (kind, used, unit) = match record.ending.cause? {
        Cause::TimeLimit => ("working", usage.working_ms, 1000.0),
        Cause::StepLimit => ("turn", record.actions.count(), 1.0),
        Cause::Budget => ("cost", usage.cost.map(|cost| cost.0), 1e6),
        Cause::TokenLimit => ("token", Some(usage.models.values().map(|used| used.usage.total()).sum()), 1.0),
        Cause::Context => ("context", None, 1.0),
        Cause::Cancelled => ("operator", None, 1.0),
        Cause::Format | Cause::Evaluation => ("custom", None, 1.0),
        Cause::Submitted | Cause::GaveUp | Cause::Provider | Cause::Failed | Cause::Unknown => return None,
    };
    let limit = story.limit.or(used).unwrap_or_default() as f64 / unit;
    let cause = record.ending.cause.map_or("", Cause::name);
    let reason = record.ending.failure.as_deref().or(record.ending.told.as_deref()).unwrap_or(cause);
    Some(json!({ "type": kind, "limit": limit, "reason": reason }))
}

/// The failure, if it failed.
pub(super) fn error(record: &RunRecord) -> Option<Value> {
    let is_failed = matches!(record.ending.cause, Some(Cause::Failed | Cause::Provider));
    let message = record.ending.failure.as_deref().or(record.ending.told.as_deref()).unwrap_or("it failed");
    is_failed.then(|| json!({ "message": message, "traceback": message, "traceback_ansi": message }))
}
