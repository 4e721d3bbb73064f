//! A whole answer of the Messages API.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::super::calls::{arguments_of, settle_ids, wrapped};
use super::super::fields::{are_counts, array, count, malformed, object, text};
use super::super::{Target, Wire, WireError};
use crate::model::{Part, Raw, Reply, Stop, Turn, Usage};

/// Reads a whole answer.
///
/// # Errors
/// The body is an error, or not an answer of this wire.
pub fn decode(body: &Value, target: &Target) -> Result<Reply, WireError> {
    let message = object(body, "the answer")?;
    if let Some(error) = message.get("error").filter(|error| !error.is_null()) {
        return Err(provider_error(error));
    }
    let content = array(message.get("content"), "`content`")?.to_vec();
    let envelope = Envelope { usage: usage_of(body), ..Envelope::default() };
    reply(content, &BTreeMap::new(), envelope.with(message), target)
}

/// Finds the usage in a whole answer or in one event of a stream. Of a stream, `message_start` knows the input and each
/// `message_delta` the output so far: the largest of each field is right. One that does not tell the output is none.
pub fn usage_of(value: &Value) -> Option<Usage> {
    let found = value.get("usage").or_else(|| value.get("message")?.get("usage"))?;
    found.as_object().filter(|found| tells_output(found)).and_then(usage)
}

/// Whether a usage says how many tokens of output there were.
fn tells_output(usage: &Map<String, Value>) -> bool {
    usage.get("output_tokens").is_some_and(|output| !output.is_null())
}

/// What surrounds the content of an answer.
#[derive(Default)]
pub(super) struct Envelope {
    pub(super) id: Option<String>,
    pub(super) model: Option<String>,
    pub(super) stop_reason: Option<String>,
    pub(super) usage: Option<Usage>,
}

impl Envelope {
    /// Takes over what this message or delta says.
    pub(super) fn with(mut self, message: &Map<String, Value>) -> Envelope {
        let fields =
            [("id", &mut self.id), ("model", &mut self.model), ("stop_reason", &mut self.stop_reason)];
        for (key, field) in fields {
            if let Some(Value::String(value)) = message.get(key) {
                *field = Some(value.clone());
            }
        }
        self
    }
}

/// Makes a reply of an answer's content. `written` holds the arguments of calls, by block, as the model wrote them.
pub(super) fn reply(
    content: Vec<Value>,
    written: &BTreeMap<usize, String>,
    envelope: Envelope,
    target: &Target,
) -> Result<Reply, WireError> {
    let mut parts = Vec::with_capacity(content.len());
    for (index, block) in content.iter().enumerate() {
        parts.push(part(block, index, written.get(&index))?);
    }
    let items = Value::Array(content);
    settle_ids(&mut parts, || format!("{:?}{items}", envelope.id));
    let turn = Turn { parts, raw: Some(Raw { wire: Wire::Messages, model: target.name.clone(), items }) };
    let stop = stop(envelope.stop_reason.as_deref(), &turn);
    Ok(Reply { turn, stop, usage: envelope.usage, id: envelope.id, model: envelope.model, tokens: None })
}

fn part(block: &Value, index: usize, written: Option<&String>) -> Result<Part, WireError> {
    let what = format!("block {index} of `content`");
    let kind = text(block.get("type"), &format!("`type` of {what}"))?;
    Ok(match kind {
        "text" => Part::Text { text: text(block.get("text"), &format!("`text` of {what}"))?.to_owned() },
        "thinking" => {
            Part::Thinking { text: block["thinking"].as_str().map(str::to_owned).unwrap_or_default() }
        }
        "redacted_thinking" => Part::Thinking { text: String::new() },
        "tool_use" => Part::Call {
            id: block["id"].as_str().map(str::to_owned).unwrap_or_default(),
            name: text(block.get("name"), &format!("`name` of {what}"))?.to_owned(),
            arguments: match written {
                Some(written) if block.get("input").and_then(wrapped).is_none() => written.clone(),
                Some(_) | None => arguments_of(block.get("input")),
            },
        },
        other => Part::Other { kind: other.to_owned() },
    })
}

/// Some servers of this wire give no reason.
fn stop(reason: Option<&str>, turn: &Turn) -> Stop {
    match reason {
        Some("end_turn") => Stop::EndTurn,
        Some("tool_use") => Stop::ToolCalls,
        Some("max_tokens") => Stop::MaxTokens,
        Some("stop_sequence") => Stop::StopSequence,
        Some("refusal") => Stop::Refusal,
        Some("pause_turn") => Stop::Pause,
        Some("model_context_window_exceeded") => Stop::ContextLength,
        Some(other) => Stop::Other(other.to_owned()),
        None if turn.calls().next().is_some() => Stop::ToolCalls,
        None => Stop::EndTurn,
    }
}

/// The API counts cached input apart from the rest. Nothing if it holds what is no count, or none.
pub(super) fn usage(usage: &Map<String, Value>) -> Option<Usage> {
    const COUNTS: [&str; 4] =
        ["input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"];
    let told = COUNTS.map(|key| usage.get(key));
    let written = usage.get("cache_creation").and_then(Value::as_object).into_iter().flat_map(Map::values);
    if !are_counts(told.into_iter().chain(written.map(Some))) || told.iter().all(Option::is_none) {
        return None;
    }
    let split = |key: &str| count(usage.get("cache_creation").and_then(|split| split.get(key)));
    let cache_read = count(usage.get("cache_read_input_tokens"));
    let cache_write_1h = split("ephemeral_1h_input_tokens");
    let of_no_stated_life = count(usage.get("cache_creation_input_tokens")).saturating_sub(cache_write_1h);
    let cache_write_5m = split("ephemeral_5m_input_tokens").max(of_no_stated_life);
    let uncached = count(usage.get("input_tokens"));
    let thinking = usage.get("output_tokens_details").and_then(|details| details.get("thinking_tokens"));
    Some(Usage {
        input: [cache_read, cache_write_1h, cache_write_5m].into_iter().fold(uncached, u64::saturating_add),
        cache_read,
        cache_write_5m,
        cache_write_1h,
        output: count(usage.get("output_tokens")),
        reasoning: count(thinking),
    })
}

pub(super) fn provider_error(error: &Value) -> WireError {
    let field = |key: &str| error.get(key).and_then(Value::as_str).map(str::to_owned);
    WireError::Provider {
        kind: field("type").unwrap_or_default(),
        message: field("message").unwrap_or_else(|| error.to_string()),
    }
}

/// Reads the JSON of an event; `None` for one that says nothing.
pub(super) fn event(data: &str) -> Result<Option<Value>, WireError> {
    if data.trim().is_empty() || data.trim() == "[DONE]" {
        return Ok(None);
    }
    match serde_json::from_str(data) {
        Ok(value @ Value::Object(_)) => Ok(Some(value)),
        Ok(_) => malformed("an event is not an object"),
        Err(error) => malformed(format!("an event is not JSON: {error}")),
    }
}
