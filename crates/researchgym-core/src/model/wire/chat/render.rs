//! An answer as OpenAI's server writes it, whole or as a stream.

use serde_json::{Map, Value, json};

use super::encode::call;
use crate::model::sse::SseEvent;
use crate::model::wire::openai::Object;
use crate::model::{Part, Reply, Stop, Turn, Usage};

/// Renders a whole answer.
pub fn render_reply(reply: &Reply, model: &str, id: &str, created: u64) -> Value {
    let view = View::of(&reply.turn);
    let mut message = Map::new();
    message.insert("role".to_owned(), "assistant".into());
    message.insert("content".to_owned(), view.text.clone().into());
    message.insert("refusal".to_owned(), view.refusal.clone().into());
    if let Some(thinking) = &view.thinking {
        message.insert("reasoning_content".to_owned(), thinking.as_str().into());
    }
    if !view.calls.is_empty() {
        message.insert("tool_calls".to_owned(), view.calls.clone().into());
    }
    let mut choice = end_of_choice(reply);
    choice.insert("message".to_owned(), message.into());
    let mut answer = Map::new();
    answer.insert("id".to_owned(), id.into());
    answer.insert("object".to_owned(), "chat.completion".into());
    answer.insert("created".to_owned(), created.into());
    answer.insert("model".to_owned(), model.into());
    answer.insert("choices".to_owned(), json!([choice]));
    if let Some(usage) = reply.usage {
        answer.insert("usage".to_owned(), usage_value(usage));
    }
    put_prompt_ids(&mut answer, reply);
    answer.into()
}

/// Renders an answer as a stream, up to its `[DONE]`.
pub fn render_stream(
    reply: &Reply,
    model: &str,
    id: &str,
    created: u64,
    include_usage: bool,
) -> Vec<SseEvent> {
    let chunk = |choices: Value| {
        let mut chunk = Map::new();
        chunk.insert("id".to_owned(), id.into());
        chunk.insert("object".to_owned(), "chat.completion.chunk".into());
        chunk.insert("created".to_owned(), created.into());
        chunk.insert("model".to_owned(), model.into());
        chunk.insert("choices".to_owned(), choices);
        if include_usage {
            chunk.insert("usage".to_owned(), Value::Null);
        }
        chunk
    };
    let delta = |delta: Value| {
        chunk(json!([{ "index": 0, "delta": delta, "logprobs": null, "finish_reason": null }]))
    };
    let view = View::of(&reply.turn);
    let head = view.text.as_ref().map(|_| "");
    let mut chunks = vec![delta(json!({ "role": "assistant", "content": head, "refusal": null }))];
    put_prompt_ids(&mut chunks[0], reply);
    let texts = [("reasoning_content", &view.thinking), ("content", &view.text), ("refusal", &view.refusal)];
    for (key, text) in texts {
        chunks.extend(text.as_ref().map(|text| delta(json!({ key: text }))));
    }
    for (index, (id, name, arguments)) in reply.turn.calls().enumerate() {
        let mut first = call(id, name, "");
        first["index"] = index.into();
        chunks.push(delta(json!({ "tool_calls": [first] })));
        let rest = json!({ "index": index, "function": { "arguments": arguments } });
        chunks.push(delta(json!({ "tool_calls": [rest] })));
    }
    let mut end = end_of_choice(reply);
    end.insert("delta".to_owned(), json!({}));
    chunks.push(chunk(json!([end])));
    if let (true, Some(usage)) = (include_usage, reply.usage) {
        let mut last = chunk(json!([]));
        last.insert("usage".to_owned(), usage_value(usage));
        chunks.push(last);
    }
    let mut events: Vec<SseEvent> =
        chunks.into_iter().map(|chunk| SseEvent::data(Value::Object(chunk).to_string())).collect();
    events.push(SseEvent::data("[DONE]"));
    events
}

/// A turn in the shape of a message: one text of each kind, then calls.
struct View {
    thinking: Option<String>,
    text: Option<String>,
    refusal: Option<String>,
    calls: Vec<Value>,
}

impl View {
    fn of(turn: &Turn) -> View {
        let (mut thinking, mut text, mut refusal) = (None, None, None);
        let join = |slot: &mut Option<String>, text: &str| match slot {
            Some(open) => {
                open.push('\n');
                open.push_str(text);
            }
            None => *slot = Some(text.to_owned()),
        };
        for part in &turn.parts {
            match part {
                // Often empty beside a signature that has no place here.
                Part::Thinking { text } if text.is_empty() => {}
                Part::Thinking { text } => join(&mut thinking, text),
                Part::Text { text: said } => join(&mut text, said),
                Part::Refusal { text } => join(&mut refusal, text),
                Part::Call { .. } | Part::Other { .. } => {}
            }
        }
        let calls = turn.calls().map(|(id, name, arguments)| call(id, name, arguments)).collect();
        View { thinking, text, refusal, calls }
    }
}

/// What a choice says once the message is whole.
fn end_of_choice(reply: &Reply) -> Object {
    let mut choice = Map::new();
    choice.insert("index".to_owned(), 0.into());
    choice.insert("finish_reason".to_owned(), finish_reason(reply).into());
    let tokens = reply.tokens.as_ref();
    let logprobs: Vec<&Value> = tokens
        .map(|tokens| tokens.logprobs.iter().filter(|entry| is_logprob(entry)).collect())
        .unwrap_or_default();
    let logprobs = match logprobs.is_empty() {
        true => Value::Null,
        false => json!({ "content": logprobs, "refusal": null }),
    };
    choice.insert("logprobs".to_owned(), logprobs);
    if let Some(ids) = tokens.and_then(|tokens| tokens.ids.as_ref()) {
        choice.insert("token_ids".to_owned(), ids.clone().into());
    }
    choice
}

fn finish_reason(reply: &Reply) -> &'static str {
    let has_refusal = reply.turn.parts.iter().any(|part| matches!(part, Part::Refusal { .. }));
    match reply.stop {
        Stop::EndTurn | Stop::StopSequence | Stop::Pause | Stop::Other(_) => "stop",
        Stop::ToolCalls => "tool_calls",
        Stop::MaxTokens | Stop::ContextLength => "length",
        // In the model's own words it is an ordinary end.
        Stop::Refusal if has_refusal => "stop",
        Stop::Refusal => "content_filter",
    }
}

/// Log-probabilities of Gemini's wire have another form and are left out.
fn is_logprob(entry: &Value) -> bool {
    entry.get("token").is_some_and(Value::is_string) && entry.get("logprob").is_some_and(Value::is_number)
}

fn put_prompt_ids(answer: &mut Object, reply: &Reply) {
    if let Some(ids) = reply.tokens.as_ref().and_then(|tokens| tokens.prompt_ids.as_ref()) {
        answer.insert("prompt_token_ids".to_owned(), ids.clone().into());
    }
}

fn usage_value(usage: Usage) -> Value {
    json!({
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.total(),
        "prompt_tokens_details": {
            "cached_tokens": usage.cache_read,
            "cache_write_tokens": usage.cache_write_5m.saturating_add(usage.cache_write_1h),
        },
        "completion_tokens_details": { "reasoning_tokens": usage.reasoning },
    })
}
