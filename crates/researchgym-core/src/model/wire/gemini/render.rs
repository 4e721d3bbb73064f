//! Answers, streams and errors as a server of Gemini writes them. The form has no place for a time of creation.

use serde_json::{Value, json};

use super::super::calls::object_of;
use crate::model::sse::SseEvent;
use crate::model::{Part, Reply, Stop, Usage};

/// Writes a whole answer.
pub fn render_reply(reply: &Reply, model: &str, id: &str, _created: u64) -> Value {
    let parts: Vec<Value> = reply.turn.parts.iter().filter_map(part).collect();
    let mut body = chunk(parts, model, id);
    finish(&mut body, reply, true);
    body
}

/// Writes the same as the chunks of a stream.
pub fn render_stream(
    reply: &Reply,
    model: &str,
    id: &str,
    _created: u64,
    include_usage: bool,
) -> Vec<SseEvent> {
    let mut runs: Vec<Vec<Value>> = Vec::new();
    for part in reply.turn.parts.iter().filter_map(part) {
        let kind = |part: &Value| (part.get("text").is_some(), part.get("thought").is_some());
        match runs.last_mut().filter(|run| run.last().is_some_and(|last| kind(last) == kind(&part))) {
            // Clients join texts of one kind across chunks: what is to stay apart goes into the same one.
            Some(run) => run.push(part),
            None => runs.push(vec![part]),
        }
    }
    let last = runs.pop().unwrap_or_default();
    let mut chunks: Vec<Value> = runs.into_iter().map(|run| chunk(run, model, id)).collect();
    let mut last = chunk(last, model, id);
    finish(&mut last, reply, include_usage);
    chunks.push(last);
    chunks.into_iter().map(|chunk| SseEvent::data(chunk.to_string())).collect()
}

/// Writes an error. A kind that is none of this provider's gives way to the one that the status tells.
pub fn render_error(status: u16, kind: &str, code: Option<&str>, message: &str) -> Value {
    let kind = match status {
        _ if is_enum_word(kind) => kind,
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        402 | 412 => "FAILED_PRECONDITION",
        409 => "ABORTED",
        429 => "RESOURCE_EXHAUSTED",
        499 => "CANCELLED",
        503 | 529 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        400..500 => "INVALID_ARGUMENT",
        _ => "INTERNAL",
    };
    let mut error = json!({"code": status, "message": message, "status": kind});
    if let Some(code) = code {
        error["details"] = json!([{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": code}]);
    }
    json!({"error": error})
}

fn chunk(parts: Vec<Value>, model: &str, id: &str) -> Value {
    json!({
        "candidates": [{"content": {"role": "model", "parts": parts}, "index": 0}],
        "modelVersion": model,
        "responseId": id,
    })
}

fn finish(body: &mut Value, reply: &Reply, include_usage: bool) {
    body["candidates"][0]["finishReason"] = json!(finish_reason(&reply.stop));
    if let Some(usage) = reply.usage.filter(|_| include_usage) {
        body["usageMetadata"] = usage_metadata(usage);
    }
}

/// What has no form here is left out.
fn part(part: &Part) -> Option<Value> {
    match part {
        Part::Text { text } | Part::Refusal { text } => Some(json!({"text": text})),
        Part::Thinking { text } => Some(json!({"text": text, "thought": true})),
        Part::Call { id, name, arguments } => {
            Some(json!({"functionCall": {"id": id, "name": name, "args": object_of(arguments)}}))
        }
        Part::Other { .. } => None,
    }
}

fn finish_reason(stop: &Stop) -> &str {
    match stop {
        Stop::EndTurn | Stop::ToolCalls | Stop::StopSequence => "STOP",
        Stop::MaxTokens | Stop::ContextLength => "MAX_TOKENS",
        Stop::Refusal => "SAFETY",
        Stop::Other(word) if is_enum_word(word) => word,
        Stop::Pause | Stop::Other(_) => "OTHER",
    }
}

fn is_enum_word(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|character| character.is_ascii_uppercase() || character == '_')
}

fn usage_metadata(usage: Usage) -> Value {
    let mut value = json!({
        "promptTokenCount": usage.input,
        "candidatesTokenCount": usage.output.saturating_sub(usage.reasoning),
        "totalTokenCount": usage.total(),
    });
    if usage.cache_read > 0 {
        value["cachedContentTokenCount"] = json!(usage.cache_read);
    }
    if usage.reasoning > 0 {
        value["thoughtsTokenCount"] = json!(usage.reasoning);
    }
    value
}
