//! A sample of Inspect as a run.

use serde::Deserialize as _;
use serde_json::Value;

use super::super::json::{count, micro_usd, milliseconds, text};
use super::super::time::{Moment, normal};
use super::scores::Scores;
use super::steps::{Reading, attempt, list};
use super::{Header, OURS, PROGRAM};
use crate::model::Usage;
use crate::record::{Cause, EndingRecord, Foreign, ModelUse, RunRecord, TaskRecord};
use crate::score::{AttemptKind, Direction, Finding, Primary, Severity};
use crate::spec::MicroUsd;

/// Makes a run of a sample. What is not there stays unknown.
pub(super) fn run(header: &Header, sample: &Value) -> Foreign {
    let mut record = RunRecord::foreign(PROGRAM, task(header, sample), agent(header));
    record.model = header
        .eval
        .get("model")
        .and_then(Value::as_str)
        .filter(|model| !model.starts_with("none"))
        .map(str::to_owned);
    record.seed = count(&sample["epoch"]);
    record.tags = header
        .eval
        .get("tags")
        .map_or(&[][..], list)
        .iter()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect();
    record.started_at = text(sample, "started_at").and_then(normal);
    record.ending = ending(sample);
    // Logs that this program wrote say in its own words how a run ended, and which one it was.
    let ours = &sample["metadata"][OURS];
    if let Ok(told) = EndingRecord::deserialize(&ours["ending"]) {
        record.ending = told;
    }
    record.seed = ours["seed"].as_u64().or(record.seed);
    if let Some(invalidation) = sample.get("invalidation").filter(|value| value.is_object()) {
        let reason = text(invalidation, "reason").unwrap_or("no reason is given");
        record.integrity.push(Finding {
            kind: "invalidated".to_owned(),
            severity: Severity::Critical,
            events: Vec::new(),
            evidence: format!("the sample was invalidated in its log: {reason}"),
        });
    }
    let mut run = Foreign { record, steps: Vec::new() };
    let events = list(&sample["events"]);
    let reading = Reading::new(&mut run, sample);
    if events.iter().any(|event| matches!(event["event"].as_str(), Some("model" | "tool"))) {
        reading.events(events);
    } else {
        reading.messages(list(&sample["messages"]));
    }
    usage(&mut run.record, sample);
    final_score(header, &mut run, sample, events);
    run
}

/// One task of Inspect has many samples, which are problems of their own: the sample is the variant, unless it is the only one.
fn task(header: &Header, sample: &Value) -> TaskRecord {
    let name = header.eval.get("task").and_then(Value::as_str).unwrap_or_default();
    // Logs that this program wrote say what the task is in its own words.
    let ours = sample.get("metadata").and_then(|metadata| metadata.get(OURS)?.get("task"));
    if let Some(task) = ours.and_then(|task| serde_json::from_value(task.clone()).ok()) {
        return task;
    }
    let mut task = TaskRecord::named(name);
    let samples = header.eval.get("dataset").and_then(|dataset| count(&dataset["samples"]));
    if samples != Some(1) {
        task.variant = text(sample, "id").map_or_else(|| sample["id"].to_string(), str::to_owned);
    }
    task
}

fn agent(header: &Header) -> String {
    if let Some(solver) = header.eval.get("solver").and_then(Value::as_str) {
        return solver.to_owned();
    }
    let solvers: Vec<&str> =
        list(&header.plan["steps"]).iter().filter_map(|step| text(step, "solver")).collect();
    if solvers.is_empty() { PROGRAM.to_owned() } else { solvers.join("+") }
}

fn ending(sample: &Value) -> EndingRecord {
    let mut ending = EndingRecord { cause: Some(Cause::Unknown), told: None, boundary: None, failure: None };
    let limit = &sample["limit"];
    if let Some(error) = sample.get("error").filter(|error| !error.is_null()) {
        ending.cause = Some(Cause::Failed);
        ending.told = Some("error".to_owned());
        ending.failure = text(error, "message").or_else(|| error.as_str()).map(str::to_owned);
    } else if let Some(kind) = text(limit, "type") {
        ending.cause = Some(match kind {
            "context" => Cause::Context,
            "time" | "working" => Cause::TimeLimit,
            "message" | "turn" => Cause::StepLimit,
            "token" => Cause::TokenLimit,
            "cost" => Cause::Budget,
            "operator" => Cause::Cancelled,
            _ => Cause::Unknown,
        });
        ending.told = Some(match text(limit, "reason") {
            Some(reason) => format!("{kind} limit: {reason}"),
            None => format!("{kind} limit"),
        });
    } else if sample["scores"].is_object() || sample["score"].is_object() {
        // Inspect scores what is there when the agent has ended by itself.
        ending.cause = Some(Cause::Submitted);
    }
    ending
}

fn usage(record: &mut RunRecord, sample: &Value) {
    let usage = &mut record.usage;
    usage.wall_ms = milliseconds(&sample["total_time"]).or_else(|| {
        let (start, end) = (text(sample, "started_at")?, text(sample, "completed_at")?);
        Moment::read(end)?.since(Moment::read(start)?)
    });
    usage.working_ms = milliseconds(&sample["working_time"]);
    for (model, used) in sample["model_usage"].as_object().into_iter().flatten() {
        let tokens = |key: &str| used.get(key).and_then(count).unwrap_or_default();
        let (read, written) = (tokens("input_tokens_cache_read"), tokens("input_tokens_cache_write"));
        let calls = usage.models.get(model).map_or(0, |known| known.calls);
        let tokens = Usage {
            // Inspect counts what came from a cache or went to one apart from the rest.
            input: tokens("input_tokens").saturating_add(read).saturating_add(written),
            cache_read: read,
            cache_write_5m: written,
            cache_write_1h: 0,
            output: tokens("output_tokens"),
            reasoning: tokens("reasoning_tokens"),
        };
        usage.models.insert(model.clone(), ModelUse { calls, usage: tokens });
        if let Some(cost) = used.get("total_cost").and_then(micro_usd) {
            let before = usage.cost.unwrap_or_default();
            usage.cost = Some(MicroUsd(before.0.saturating_add(cost.0)));
        }
    }
}

/// The scores at the end, as the attempt that counts.
fn final_score(header: &Header, run: &mut Foreign, sample: &Value, events: &[Value]) {
    let old = sample.get("score").filter(|score| score.is_object()).map(|score| ("score", score));
    let scores: Vec<(&str, &Value)> = match sample["scores"].as_object() {
        Some(scores) => scores.iter().map(|(name, score)| (name.as_str(), score)).collect(),
        None => old.into_iter().collect(),
    };
    let at_end = events.iter().filter(|event| event["event"] == "score" && event["intermediate"] != true);
    let last = at_end.clone().next_back();
    let scores = if scores.is_empty() {
        at_end.map(|event| (text(event, "scorer").unwrap_or("score"), &event["score"])).collect()
    } else {
        scores
    };
    if scores.is_empty() {
        run.record.left_out.extend(not_scored(run));
        return;
    }
    // Logs that we wrote tell when the last attempt came; in others it is the end.
    let told_steps = scores.first().and_then(|(_, score)| score["metadata"]["after_steps"].as_u64());
    let scores = Scores::read(&scores);
    if !scores.unscored.is_empty() {
        let names = scores.unscored.join(", ");
        run.record.left_out.push(format!("scores that are no numbers: {names}"));
    }
    let is_known = run.record.task.primary.is_some();
    if !is_known {
        run.record.task.primary = primary(header, &scores);
    }
    if !is_known && !scores.metrics.is_empty() && !scores.are_words {
        let doubt = "Inspect does not say which way a score is better: more was taken as better";
        run.record.left_out.push(doubt.to_owned());
    }
    let number = run.record.attempts.len() as u64 + 1;
    let after_ms =
        last.and_then(|event| milliseconds(&event["working_start"])).or(run.record.usage.working_ms);
    let after_steps = told_steps.or(Some(run.steps.len() as u64));
    run.record.attempts.push(attempt(number, AttemptKind::Submit, scores, after_steps, after_ms));
    run.record.submission = Some(number);
}

fn not_scored(run: &Foreign) -> Option<String> {
    run.record.attempts.is_empty().then(|| "the sample has no score".to_owned())
}

/// The score that the log names first.
fn primary(header: &Header, scores: &Scores) -> Option<Primary> {
    let results = &header.results;
    let declared = header.eval.get("scorers").map_or(&[][..], list);
    let first =
        list(&results["scores"]).iter().flat_map(|score| [text(score, "name"), text(score, "scorer")]);
    let names =
        [text(&results["headline"], "score"), text(&results["headline"], "scorer")].into_iter().chain(first);
    let names = names.chain(declared.iter().map(|scorer| text(scorer, "name"))).flatten();
    let mut known = names.filter(|name| scores.metrics.contains_key(*name));
    let name = known.next().or_else(|| scores.metrics.keys().next().map(String::as_str))?;
    Some(Primary { name: name.to_owned(), direction: Direction::Maximize })
}
