//! An answer as OpenAI's server writes it, whole or as a stream.

use serde_json::{Value, json};

use crate::model::sse::SseEvent;
use crate::model::wire::openai::Object;
use crate::model::{Part, Reply, Stop, Usage};

/// Renders a whole answer.
pub fn render_reply(reply: &Reply, model: &str, id: &str, created: u64) -> Value {
    let status = Status::of(reply);
    let mut response = response(model, id, created, &status);
    response["output"] = items(reply, id, &status).into();
    response["usage"] = reply.usage.map(usage_value).into();
    response
}

/// Renders an answer as a stream, up to its `response.completed` or `response.incomplete`.
pub fn render_stream(
    reply: &Reply,
    model: &str,
    id: &str,
    created: u64,
    include_usage: bool,
) -> Vec<SseEvent> {
    let mut events = Events::default();
    let begun = response(model, id, created, &Status { name: "in_progress", reason: None });
    events.push("response.created", json!({ "response": begun }));
    events.push("response.in_progress", json!({ "response": begun }));
    let mut whole = render_reply(reply, model, id, created);
    if !include_usage {
        whole["usage"] = Value::Null;
    }
    let items = whole["output"].as_array().map(Vec::as_slice).unwrap_or_default();
    for (index, item) in items.iter().enumerate() {
        events.push_item(item, index);
    }
    let end = if whole["status"] == "incomplete" { "response.incomplete" } else { "response.completed" };
    events.push(end, json!({ "response": whole }));
    events.list
}

struct Status {
    name: &'static str,
    reason: Option<&'static str>,
}

impl Status {
    fn of(reply: &Reply) -> Status {
        let has_refusal = reply.turn.parts.iter().any(|part| matches!(part, Part::Refusal { .. }));
        let reason = match reply.stop {
            Stop::EndTurn | Stop::ToolCalls | Stop::StopSequence | Stop::Pause | Stop::Other(_) => None,
            Stop::MaxTokens | Stop::ContextLength => Some("max_output_tokens"),
            // In the model's own words it is an ordinary end.
            Stop::Refusal if has_refusal => None,
            Stop::Refusal => Some("content_filter"),
        };
        Status { name: if reason.is_some() { "incomplete" } else { "completed" }, reason }
    }
}

fn response(model: &str, id: &str, created: u64, status: &Status) -> Value {
    json!({
        "id": id,
        "object": "response",
        "created_at": created,
        "status": status.name,
        "background": false,
        "error": null,
        "incomplete_details": status.reason.map(|reason| json!({ "reason": reason })),
        "instructions": null,
        "max_output_tokens": null,
        "metadata": {},
        "model": model,
        "output": [],
        "parallel_tool_calls": true,
        "previous_response_id": null,
        "reasoning": { "effort": null, "summary": null },
        "store": false,
        "temperature": null,
        "text": { "format": { "type": "text" } },
        "tool_choice": "auto",
        "tools": [],
        "top_p": null,
        "truncation": "disabled",
        "usage": null,
        "user": null,
    })
}

fn items(reply: &Reply, id: &str, status: &Status) -> Vec<Value> {
    let stem = id.strip_prefix("resp_").unwrap_or(id);
    let mut logprobs = reply.tokens.as_ref().map(|tokens| logprobs_of(&tokens.logprobs)).unwrap_or_default();
    let mut items: Vec<Value> = Vec::new();
    for part in &reply.turn.parts {
        let id = |kind: &str| format!("{kind}_{stem}_{}", items.len());
        let message = |piece: Value| {
            json!({
                "id": id("msg"),
                "type": "message",
                "status": "completed",
                "role": "assistant",
                "content": [piece],
            })
        };
        let item = match part {
            Part::Text { text } => message(json!({
                "type": "output_text",
                "text": text,
                "annotations": [],
                // All of the answer's stand at its first text.
                "logprobs": std::mem::take(&mut logprobs),
            })),
            Part::Refusal { text } => message(json!({ "type": "refusal", "refusal": text })),
            Part::Thinking { text } => {
                let summary = match text.as_str() {
                    "" => json!([]),
                    text => json!([{ "type": "summary_text", "text": text }]),
                };
                json!({ "id": id("rs"), "type": "reasoning", "summary": summary })
            }
            Part::Call { id: call_id, name, arguments } => json!({
                "id": id("fc"),
                "type": "function_call",
                "status": "completed",
                "call_id": call_id,
                "name": name,
                "arguments": arguments,
            }),
            Part::Other { .. } => continue,
        };
        items.push(item);
    }
    if let (Some(last), "incomplete") = (items.last_mut(), status.name)
        && last.get("status").is_some()
    {
        last["status"] = "incomplete".into();
    }
    items
}

/// The log-probabilities that have the form of OpenAI's; those of Gemini are left out.
fn logprobs_of(entries: &[Value]) -> Vec<Value> {
    let is_ours = |entry: &&Value| {
        entry.get("token").is_some_and(Value::is_string) && entry.get("logprob").is_some_and(Value::is_number)
    };
    entries.iter().filter(is_ours).cloned().collect()
}

fn usage_value(usage: Usage) -> Value {
    json!({
        "input_tokens": usage.input,
        "input_tokens_details": {
            "cached_tokens": usage.cache_read,
            "cache_write_tokens": usage.cache_write_5m.saturating_add(usage.cache_write_1h),
        },
        "output_tokens": usage.output,
        "output_tokens_details": { "reasoning_tokens": usage.reasoning },
        "total_tokens": usage.total(),
    })
}

/// The events so far, numbered.
#[derive(Default)]
struct Events {
    list: Vec<SseEvent>,
}

impl Events {
    fn push(&mut self, kind: &str, mut event: Value) {
        event["type"] = kind.into();
        event["sequence_number"] = self.list.len().into();
        self.list.push(SseEvent::named(kind, event.to_string()));
    }

    fn push_item(&mut self, item: &Value, index: usize) {
        let mut begun = item.clone();
        if item.get("status").is_some() {
            begun["status"] = "in_progress".into();
        }
        for (key, empty) in [("content", json!([])), ("summary", json!([])), ("arguments", json!(""))] {
            if item.get(key).is_some() {
                begun[key] = empty;
            }
        }
        self.push("response.output_item.added", json!({ "output_index": index, "item": begun }));
        let mut place = Object::new();
        place.insert("item_id".to_owned(), item["id"].clone());
        place.insert("output_index".to_owned(), index.into());
        let pieces = |key: &str| item[key].as_array().map(Vec::as_slice).unwrap_or_default();
        for (piece_index, piece) in pieces("content").iter().enumerate() {
            place.insert("content_index".to_owned(), piece_index.into());
            self.push_content(&place, piece);
        }
        for (piece_index, piece) in pieces("summary").iter().enumerate() {
            place.insert("summary_index".to_owned(), piece_index.into());
            let text = &piece["text"];
            let empty = json!({ "type": "summary_text", "text": "" });
            self.push("response.reasoning_summary_part.added", at(&place, json!({ "part": empty })));
            self.push("response.reasoning_summary_text.delta", at(&place, json!({ "delta": text })));
            self.push("response.reasoning_summary_text.done", at(&place, json!({ "text": text })));
            self.push("response.reasoning_summary_part.done", at(&place, json!({ "part": piece })));
        }
        if let Some(arguments) = item.get("arguments") {
            self.push("response.function_call_arguments.delta", at(&place, json!({ "delta": arguments })));
            let done = json!({ "arguments": arguments, "name": item["name"] });
            self.push("response.function_call_arguments.done", at(&place, done));
        }
        self.push("response.output_item.done", json!({ "output_index": index, "item": item }));
    }

    fn push_content(&mut self, place: &Object, piece: &Value) {
        let mut empty = piece.clone();
        for (key, nothing) in [("text", json!("")), ("refusal", json!("")), ("logprobs", json!([]))] {
            if piece.get(key).is_some() {
                empty[key] = nothing;
            }
        }
        self.push("response.content_part.added", at(place, json!({ "part": empty })));
        match piece.get("refusal") {
            Some(refusal) => {
                self.push("response.refusal.delta", at(place, json!({ "delta": refusal })));
                self.push("response.refusal.done", at(place, json!({ "refusal": refusal })));
            }
            None => {
                let (text, logprobs) = (&piece["text"], &piece["logprobs"]);
                let delta = json!({ "delta": text, "logprobs": logprobs });
                self.push("response.output_text.delta", at(place, delta));
                let done = json!({ "text": text, "logprobs": logprobs });
                self.push("response.output_text.done", at(place, done));
            }
        }
        self.push("response.content_part.done", at(place, json!({ "part": piece })));
    }
}

/// An event about a place of the output.
fn at(place: &Object, mut event: Value) -> Value {
    if let Value::Object(event) = &mut event {
        event.extend(place.clone());
    }
    event
}
