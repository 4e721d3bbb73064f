//! Answers, streams and errors as a server of the Messages API writes them.
//!
//! Usage is always told, since the clients demand it, and a time of creation never, since the form has no place for it.

use serde_json::{Value, json};

use super::super::calls::object_of;
use crate::model::sse::SseEvent;
use crate::model::{Part, Reply, Stop, Usage};

/// Writes a whole answer.
pub fn render_reply(reply: &Reply, model: &str, id: &str, _created: u64) -> Value {
    let mut message = envelope(model, id, usage(reply.usage.unwrap_or_default()));
    message["content"] = reply.turn.parts.iter().filter_map(block).collect();
    message["stop_reason"] = json!(stop_reason(reply));
    message
}

/// Writes the same as the events of a stream.
pub fn render_stream(
    reply: &Reply,
    model: &str,
    id: &str,
    _created: u64,
    _include_usage: bool,
) -> Vec<SseEvent> {
    let usage_at_end = reply.usage.unwrap_or_default();
    let usage_at_start = Usage { output: 0, reasoning: 0, ..usage_at_end };
    let mut events =
        vec![event(json!({"type": "message_start", "message": envelope(model, id, usage(usage_at_start))}))];
    for (index, block) in reply.turn.parts.iter().filter_map(block).enumerate() {
        let (start, delta) = cut(block);
        events.push(event(json!({"type": "content_block_start", "index": index, "content_block": start})));
        events.push(event(json!({"type": "content_block_delta", "index": index, "delta": delta})));
        events.push(event(json!({"type": "content_block_stop", "index": index})));
    }
    events.push(event(json!({
        "type": "message_delta",
        "delta": {"stop_reason": stop_reason(reply), "stop_sequence": null},
        "usage": usage(usage_at_end),
    })));
    events.push(event(json!({"type": "message_stop"})));
    events
}

/// Writes an error. Without a kind, the status tells it; a code has no place in this form.
pub fn render_error(status: u16, kind: &str, _code: Option<&str>, message: &str) -> Value {
    let kind = match (kind, status) {
        ("", 401) => "authentication_error",
        ("", 402) => "billing_error",
        ("", 403) => "permission_error",
        ("", 404) => "not_found_error",
        ("", 413) => "request_too_large",
        ("", 429) => "rate_limit_error",
        ("", 504) => "timeout_error",
        ("", 529) => "overloaded_error",
        ("", 400..500) => "invalid_request_error",
        ("", _) => "api_error",
        (kind, _) => kind,
    };
    json!({"type": "error", "error": {"type": kind, "message": message}})
}

fn event(data: Value) -> SseEvent {
    SseEvent::named(data["type"].as_str().unwrap_or_default(), data.to_string())
}

fn envelope(model: &str, id: &str, usage: Value) -> Value {
    json!({
        "id": id,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": null,
        "stop_sequence": null,
        "usage": usage,
    })
}

/// Thinking of other models has no signature. What has no form here is left out.
fn block(part: &Part) -> Option<Value> {
    match part {
        Part::Text { text } | Part::Refusal { text } => Some(json!({"type": "text", "text": text})),
        Part::Thinking { text } => Some(json!({"type": "thinking", "thinking": text, "signature": ""})),
        Part::Call { id, name, arguments } => {
            Some(json!({"type": "tool_use", "id": id, "name": name, "input": object_of(arguments)}))
        }
        Part::Other { .. } => None,
    }
}

/// A block as it starts, and the delta that makes it whole.
fn cut(mut block: Value) -> (Value, Value) {
    let delta = match block["type"].as_str() {
        Some("tool_use") => {
            let input = std::mem::replace(&mut block["input"], json!({}));
            json!({"type": "input_json_delta", "partial_json": input.to_string()})
        }
        Some("thinking") => {
            let thinking = std::mem::replace(&mut block["thinking"], json!(""));
            json!({"type": "thinking_delta", "thinking": thinking})
        }
        _ => {
            let text = std::mem::replace(&mut block["text"], json!(""));
            json!({"type": "text_delta", "text": text})
        }
    };
    (block, delta)
}

/// Clients know no other reasons than these.
fn stop_reason(reply: &Reply) -> &'static str {
    match &reply.stop {
        Stop::EndTurn => "end_turn",
        Stop::ToolCalls => "tool_use",
        Stop::MaxTokens => "max_tokens",
        Stop::StopSequence => "stop_sequence",
        Stop::Refusal => "refusal",
        Stop::ContextLength => "model_context_window_exceeded",
        Stop::Pause => "pause_turn",
        Stop::Other(_) if reply.turn.calls().next().is_some() => "tool_use",
        Stop::Other(_) => "end_turn",
    }
}

fn usage(usage: Usage) -> Value {
    let written = usage.cache_write_5m.saturating_add(usage.cache_write_1h);
    let mut value = json!({
        "input_tokens": usage.input.saturating_sub(usage.cache_read).saturating_sub(written),
        "cache_read_input_tokens": usage.cache_read,
        "cache_creation_input_tokens": written,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write_5m,
            "ephemeral_1h_input_tokens": usage.cache_write_1h,
        },
        "output_tokens": usage.output,
    });
    if usage.reasoning > 0 {
        value["output_tokens_details"] = json!({"thinking_tokens": usage.reasoning});
    }
    value
}
