//! Trajectories in Harbor's form (ATIF 1.8, its RFC 0001), one for each run.
//!
//! Readers refuse unknown keys, so what ATIF has no place for stands under `extra.researchgym`: task, ending, attempts. Pictures are
//! named and not written: ATIF knows them only as files.

use serde_json::{Map, Value, json};

use researchgym_core::import::atif::OURS;
use researchgym_core::model::Usage;

use crate::dialogue::{Deed, Entry, Said, Told, Words, entries, text_of};
use crate::story::{Call, Story};

/// The version that is written.
pub const SCHEMA: &str = "ATIF-v1.8";

/// The trajectory of a run, as JSON.
pub fn trajectory(story: &Story) -> Vec<u8> {
    let record = &story.record;
    let mut steps = Vec::new();
    let mut lost = Vec::new();
    for entry in entries(story) {
        match entry {
            Entry::System(text) => steps.push(json!({ "source": "system", "message": text })),
            Entry::User(Told::Pieces(pieces)) => steps.push(json!({ "source": "user", "message": text_of(pieces) })),
            Entry::User(Told::Words(words)) => steps.push(json!({ "source": "user", "message": words })),
            Entry::Agent(said) => steps.push(turn(&said)),
            Entry::Lost(call) => lost.push(without_nulls(json!({
                "model": call.model, "timestamp": call.time, "failure": call.failure, "metrics": metrics(call),
                "before_step": steps.len() + 1,
            }))),
            // They are in `extra`, with all that is known of them.
            Entry::Attempt(_) => {}
        }
    }
    if steps.is_empty() {
        steps.push(json!({ "source": "user", "message": format!("Task: {}", record.task.id) }));
    }
    for (index, step) in steps.iter_mut().enumerate() {
        step["step_id"] = json!(index + 1);
    }
    let tools = story.tools.iter().map(|tool| {
        json!({
            "type": "function",
            "function": { "name": tool.name, "description": tool.description, "parameters": tool.parameters },
        })
    });
    let tools: Vec<Value> = tools.collect();
    let agent = without_nulls(json!({
        "name": record.agent,
        "version": story.version.as_deref().unwrap_or("unknown"),
        "model_name": record.model,
        "tool_definitions": (!tools.is_empty()).then_some(tools),
    }));
    let ours = without_nulls(json!({
        "run_id": record.run_id, "origin": record.origin, "task": record.task, "seed": record.seed,
        "tags": record.tags, "ending": record.ending, "attempts": record.attempts,
        "submission": record.submission, "integrity": record.integrity, "verdict": record.verdict,
        "left_out": record.left_out, "lost_calls": lost,
    }));
    let trajectory = json!({
        "schema_version": SCHEMA,
        "session_id": record.run_id,
        "trajectory_id": record.run_id,
        "agent": agent,
        "final_metrics": totals(story, steps.len()),
        "steps": steps,
        "extra": { OURS: ours },
    });
    trajectory.to_string().into_bytes()
}

fn turn(said: &Said<'_>) -> Value {
    let (mut words, mut thinking) = (Vec::new(), Vec::new());
    for piece in &said.words {
        match piece {
            Words::Text(text) | Words::Refusal(text) => words.push((*text).to_owned()),
            Words::Thinking(text) => thinking.push(*text),
            Words::Other(kind) => words.push(format!("[{kind}]")),
        }
    }
    let calls: Vec<Value> = said.deeds.iter().map(call).collect();
    let results: Vec<Value> = said.deeds.iter().map(result).collect();
    let first = said.deeds.iter().find_map(|deed| deed.step?.time.clone());
    without_nulls(json!({
        "source": "agent",
        "timestamp": said.asked.and_then(|asked| asked.time.clone()).or(first),
        "model_name": said.model,
        "message": words.join("\n"),
        "reasoning_content": (!thinking.is_empty()).then(|| thinking.join("\n")),
        "tool_calls": (!calls.is_empty()).then_some(calls),
        "observation": (!results.is_empty()).then(|| json!({ "results": results })),
        "metrics": said.asked.and_then(metrics),
        "llm_call_count": said.asked.map(|_| 1),
    }))
}

fn call(deed: &Deed<'_>) -> Value {
    let step = deed.step;
    let extra = without_nulls(json!({
        "took_ms": step.and_then(|step| step.took_ms),
        "exit_code": step.and_then(|step| step.exit_code),
        "is_refused": deed.is_error.then_some(true),
        "is_unreadable": deed.is_unreadable.then_some(true),
    }));
    without_nulls(json!({
        "tool_call_id": deed.id,
        "function_name": deed.function,
        "arguments": deed.arguments,
        "extra": extra.as_object().is_some_and(|extra| !extra.is_empty()).then_some(extra.clone()),
    }))
}

fn result(deed: &Deed<'_>) -> Value {
    json!({ "source_call_id": deed.id, "content": deed.seen.text() })
}

fn metrics(call: &Call) -> Option<Value> {
    let usage = call.usage?;
    Some(without_nulls(json!({
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "cached_tokens": usage.cache_read,
        "cost_usd": call.cost.map(|cost| cost.as_usd()),
        "extra": (usage.reasoning > 0).then(|| json!({ "reasoning_tokens": usage.reasoning })),
    })))
}

fn totals(story: &Story, steps: usize) -> Value {
    let record = &story.record;
    let sum = |of: fn(&Usage) -> u64| {
        (!record.usage.models.is_empty())
            .then(|| record.usage.models.values().map(|used| of(&used.usage)).sum::<u64>())
    };
    without_nulls(json!({
        "total_prompt_tokens": sum(|usage| usage.input),
        "total_completion_tokens": sum(|usage| usage.output),
        "total_cached_tokens": sum(|usage| usage.cache_read),
        "total_cost_usd": record.usage.cost.map(|cost| cost.as_usd()),
        "total_steps": steps,
        "extra": {
            "working_ms": record.usage.working_ms, "wall_ms": record.usage.wall_ms, "models": record.usage.models,
        },
    }))
}

/// An object without the keys that say nothing.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(object) => {
            Value::Object(object.into_iter().filter(|(_, value)| !value.is_null()).collect::<Map<_, _>>())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests;
