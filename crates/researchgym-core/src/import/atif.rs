//! Trajectories in Harbor's form (ATIF, its RFC 0001, versions 1.0 to 1.8), with what Harbor's trial says beside them.
//!
//! One trajectory is one run. The reward, the task's name, times and failures are not in it: they are in `result.json` of the
//! trial's folder, or in `verifier/reward.json` and `verifier/reward.txt`, of which the JSON counts if both are there. Steps of
//! sub-agents are told of in `left_out`; their tokens and money are in the totals.

use serde_json::Value;

use super::json::{Unreadable, count, metrics, micro_usd, parse, parse_without, text};
use super::steps::{Call, push, push_call, push_words};
use super::time::{Moment, normal};
use crate::failure::Boundary;
use crate::model::Usage;
use crate::record::{
    AttemptRecord, Category, Cause, EndingRecord, Foreign, ModelUse, RunRecord, StepRecord, TaskRecord,
};
use crate::score::{AttemptKind, Direction, Metrics, Primary};

/// The name of the format.
pub const PROGRAM: &str = "atif";
/// The key of a trajectory's `extra` under which this program says what ATIF has no place for.
pub const OURS: &str = "researchgym";

/// Bytes are no trajectory.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAtif {
    /// A file cannot be read.
    #[error("{file} {error}")]
    Unreadable {
        /// Which of the trial's files.
        file: &'static str,
        /// Why.
        #[source]
        error: Unreadable,
    },
    /// It is JSON of another kind.
    #[error("this is no ATIF trajectory: there is no {0}")]
    Other(&'static str),
}

/// The files of a trial.
#[derive(Clone, Copy, Debug, Default)]
pub struct Trial<'b> {
    /// `agent/trajectory.json`.
    pub trajectory: &'b [u8],
    /// `result.json`.
    pub result: Option<&'b [u8]>,
    /// `verifier/reward.json`.
    pub reward_json: Option<&'b [u8]>,
    /// `verifier/reward.txt`.
    pub reward_text: Option<&'b [u8]>,
}

/// Whether JSON is a trajectory, by its head.
pub fn is_trajectory(value: &Value) -> bool {
    text(value, "schema_version").is_some_and(|version| version.starts_with("ATIF-"))
}

/// Reads a trial. `name` is the task's where no file tells it.
///
/// # Errors
/// The trajectory cannot be read, or is none; or a file beside it cannot be read.
pub fn read(trial: Trial<'_>, name: &str) -> Result<Foreign, NotAtif> {
    const IDS: [&[&str]; 2] =
        [&["steps", "metrics", "prompt_token_ids"], &["steps", "metrics", "completion_token_ids"]];
    let unreadable = |file| move |error| NotAtif::Unreadable { file, error };
    let trajectory = parse_without(trial.trajectory, &IDS).map_err(unreadable("the trajectory"))?;
    if !is_trajectory(&trajectory) {
        return Err(NotAtif::Other("`schema_version` of ATIF"));
    }
    let Some(steps) = trajectory["steps"].as_array() else { return Err(NotAtif::Other("list of `steps`")) };
    let beside = |bytes: Option<&[u8]>, file| bytes.map(parse).transpose().map_err(unreadable(file));
    let result = beside(trial.result, "result.json")?.unwrap_or_default();
    let reward_json = beside(trial.reward_json, "reward.json")?;

    let ours = trajectory["extra"].get(OURS);
    let own_task = ours.and_then(|ours| serde_json::from_value::<TaskRecord>(ours.get("task")?.clone()).ok());
    let task = text(&result, "task_name").unwrap_or(name);
    let agent = text(&trajectory["agent"], "name").unwrap_or("unknown");
    let mut record = RunRecord::foreign(PROGRAM, own_task.unwrap_or_else(|| TaskRecord::named(task)), agent);
    record.model = text(&trajectory["agent"], "model_name").map(str::to_owned);
    record.seed = ours.and_then(|ours| count(ours.get("seed")?));
    let mut run = Foreign { record, steps: Vec::new() };
    steps.iter().for_each(|step| push_step(&mut run, step));
    times(&mut run.record, &trajectory, steps, &result);
    usage(&mut run.record, &trajectory["final_metrics"], &result);
    run.record.ending = ending(&run, &result, ours);
    match ours
        .and_then(|ours| serde_json::from_value::<Vec<AttemptRecord>>(ours.get("attempts")?.clone()).ok())
    {
        Some(attempts) => {
            run.record.submission = ours.and_then(|ours| count(ours.get("submission")?));
            run.record.attempts = attempts;
        }
        None => reward(&mut run, &result, reward_json.as_ref(), trial.reward_text),
    }
    let subagents = trajectory["subagent_trajectories"].as_array().map_or(0, Vec::len);
    if subagents > 0 {
        run.record.left_out.push(format!("the steps of {subagents} sub-agents"));
    }
    if let Some(next) = text(&trajectory, "continued_trajectory_ref") {
        run.record.left_out.push(format!("what follows in another file: {next}"));
    }
    Ok(run)
}

/// A step of the trajectory: words, or calls with their results.
fn push_step(run: &mut Foreign, step: &Value) {
    if step["is_copied_context"] == true || step["source"] != "agent" {
        return;
    }
    let words = content(&step["message"]);
    let reasoning = text(step, "reasoning_content");
    let mut thought = match (reasoning, words.trim().is_empty()) {
        (Some(reasoning), true) => Some(reasoning.to_owned()),
        (Some(reasoning), false) => Some(format!("{reasoning}\n{words}")),
        (None, true) => None,
        (None, false) => Some(words),
    };
    let time = text(step, "timestamp").and_then(normal);
    let model = text(step, "model_name").map(str::to_owned).or_else(|| run.record.model.clone());
    model_used(run, step, model.as_deref());
    let results = step["observation"]["results"].as_array().map_or(&[][..], Vec::as_slice);
    let calls = step["tool_calls"].as_array().map_or(&[][..], Vec::as_slice);
    for call in calls {
        let id = text(call, "tool_call_id").unwrap_or_default();
        let is_alone = calls.len() == 1;
        // Where there is one call, a result that names none can only be its own.
        let seen = results.iter().filter(|result| match text(result, "source_call_id") {
            Some(source) => source == id,
            None => is_alone,
        });
        let seen: Vec<String> = seen.map(|result| content(&result["content"])).collect();
        let call = Call {
            function: text(call, "function_name").unwrap_or_default().to_owned(),
            arguments: call["arguments"].clone(),
            thought: thought.take(),
            observation: seen.join("\n"),
            is_refused: call["extra"]["is_refused"] == true,
            took_ms: count(&call["extra"]["took_ms"]),
            time: time.clone(),
            model: model.clone(),
        };
        push_call(run, call);
    }
    if !calls.is_empty() {
        return;
    }
    let seen: Vec<String> = results.iter().map(|result| content(&result["content"])).collect();
    if !seen.is_empty() {
        // An action in words alone, as agents without tools have it.
        let mut record = StepRecord::new(0, Category::Other, "", "").seen(&seen.join("\n"));
        (record.thought, record.time, record.model) = (thought, time, model);
        push(run, record);
    } else if let Some(words) = thought {
        push_words(run, &words, time, model);
    }
}

fn model_used(run: &mut Foreign, step: &Value, model: Option<&str>) {
    let calls = step.get("llm_call_count").and_then(count);
    let metrics = &step["metrics"];
    if calls == Some(0) || (calls.is_none() && !metrics.is_object()) {
        return;
    }
    let Some(model) = model else { return };
    let tokens = |key: &str| metrics.get(key).and_then(count).unwrap_or_default();
    let used = run.record.usage.models.entry(model.to_owned()).or_default();
    used.calls = used.calls.saturating_add(calls.unwrap_or(1));
    let usage = &mut used.usage;
    usage.input = usage.input.saturating_add(tokens("prompt_tokens"));
    usage.cache_read = usage.cache_read.saturating_add(tokens("cached_tokens"));
    usage.output = usage.output.saturating_add(tokens("completion_tokens"));
}

fn times(record: &mut RunRecord, trajectory: &Value, steps: &[Value], result: &Value) {
    let moments: Vec<Moment> =
        steps.iter().filter_map(|step| Moment::read(text(step, "timestamp")?)).collect();
    let phase = |phase: &Value| {
        let (start, end) = (text(phase, "started_at")?, text(phase, "finished_at")?);
        Some((Moment::read(start)?, Moment::read(end)?))
    };
    let agent = phase(&result["agent_execution"]);
    let whole = phase(result);
    let start = whole.or(agent).map(|(start, _)| start).or_else(|| moments.first().copied());
    record.started_at = start.map(|start| start.to_string());
    let ours = &trajectory["final_metrics"]["extra"];
    let told = |key: &str| ours.get(key).and_then(count).filter(|_| trajectory["extra"].get(OURS).is_some());
    record.usage.wall_ms = told("wall_ms").or_else(|| whole.and_then(|(start, end)| end.since(start)));
    record.usage.working_ms = told("working_ms").or_else(|| match agent {
        Some((start, end)) => end.since(start),
        None => moments.last().zip(moments.first()).and_then(|(last, first)| last.since(*first)),
    });
}

/// Totals count over sums of steps, which need not be complete.
fn usage(record: &mut RunRecord, totals: &Value, result: &Value) {
    let context = &result["agent_result"];
    for (model, used) in context["model_usage"].as_object().into_iter().flatten() {
        let tokens = |key: &str| used.get(key).and_then(count).unwrap_or_default();
        let calls = record.usage.models.get(model).map_or(0, |known| known.calls);
        let usage = Usage {
            input: tokens("n_input_tokens"),
            cache_read: tokens("n_cache_tokens"),
            output: tokens("n_output_tokens"),
            ..Usage::default()
        };
        record.usage.models.insert(model.clone(), ModelUse { calls, usage });
    }
    let total = |key: &str, other: &str| {
        totals.get(key).and_then(count).or_else(|| context.get(other).and_then(count))
    };
    if let (Some(input), Some(output)) =
        (total("total_prompt_tokens", "n_input_tokens"), total("total_completion_tokens", "n_output_tokens"))
    {
        // Of several models nothing tells whose the difference is.
        let name = record.model.clone().unwrap_or_else(|| "unknown".to_owned());
        if record.usage.models.keys().all(|model| *model == name) {
            let used = record.usage.models.entry(name).or_default();
            used.usage.input = input;
            used.usage.output = output;
            used.usage.cache_read =
                total("total_cached_tokens", "n_cache_tokens").unwrap_or(used.usage.cache_read);
        }
    }
    let cost = totals.get("total_cost_usd").and_then(micro_usd);
    record.usage.cost = cost.or_else(|| context.get("cost_usd").and_then(micro_usd));
}

fn ending(run: &Foreign, result: &Value, ours: Option<&Value>) -> EndingRecord {
    if let Some(ending) = ours.and_then(|ours| serde_json::from_value(ours.get("ending")?.clone()).ok()) {
        return ending;
    }
    let mut ending = EndingRecord { cause: Some(Cause::Unknown), told: None, boundary: None, failure: None };
    let exception = &result["exception_info"];
    if let Some(kind) = text(exception, "exception_type") {
        let (cause, boundary) = match kind {
            "AgentTimeoutError" => (Cause::TimeLimit, None),
            "CancelledError" | "KeyboardInterrupt" => (Cause::Cancelled, None),
            _ if kind.starts_with("Verifier") || kind.starts_with("Reward") => {
                (Cause::Evaluation, Some(Boundary::Grader))
            }
            _ if kind.starts_with("Environment") || kind.starts_with("Sandbox") => {
                (Cause::Failed, Some(Boundary::Sandbox))
            }
            _ if kind.contains("ContextLength") || kind.contains("ContextWindow") => (Cause::Context, None),
            _ => (Cause::Failed, None),
        };
        (ending.cause, ending.boundary, ending.told) = (Some(cause), boundary, Some(kind.to_owned()));
        ending.failure = text(exception, "exception_message").map(str::to_owned);
    } else if run.steps.last().is_some_and(|step| step.category == Category::Submit)
        || result["verifier_result"].is_object()
    {
        ending.cause = Some(Cause::Submitted);
    }
    ending
}

/// The rewards as the one attempt.
fn reward(run: &mut Foreign, result: &Value, json: Option<&Value>, words: Option<&[u8]>) {
    let rewards = &result["verifier_result"]["rewards"];
    let (found, others) = if rewards.is_object() {
        metrics(rewards)
    } else if let Some(json) = json.filter(|json| json.is_object()) {
        metrics(json)
    } else if let Some(words) = words {
        let text = String::from_utf8_lossy(words);
        match text.trim().parse::<f64>().ok().filter(|reward| reward.is_finite()) {
            Some(reward) => (Metrics::from([("reward".to_owned(), reward)]), Vec::new()),
            None => (Metrics::new(), vec!["reward".to_owned()]),
        }
    } else {
        run.record.left_out.push("no reward stands beside the trajectory".to_owned());
        return;
    };
    if !others.is_empty() {
        run.record.left_out.push(format!("rewards that are no numbers: {}", others.join(", ")));
    }
    let name =
        if found.contains_key("reward") { Some("reward") } else { found.keys().next().map(String::as_str) };
    run.record.task.primary =
        name.map(|name| Primary { name: name.to_owned(), direction: Direction::Maximize });
    run.record.attempts.push(AttemptRecord {
        number: 1,
        kind: Some(AttemptKind::Submit),
        split: None,
        invalid: found.is_empty().then(|| "there is no reward that is a number".to_owned()),
        metrics: found,
        after_steps: Some(run.steps.len() as u64),
        after_ms: run.record.usage.working_ms,
        after_cost: run.record.usage.cost,
        artefact: None,
    });
    run.record.submission = Some(1);
}

/// The text of a message or result; other parts are named.
fn content(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            let texts = parts.iter().filter_map(|part| match text(part, "type") {
                Some("text") => text(part, "text").map(str::to_owned),
                Some(other) => Some(format!("[{other}]")),
                None => None,
            });
            texts.collect::<Vec<_>>().join("\n")
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests;
