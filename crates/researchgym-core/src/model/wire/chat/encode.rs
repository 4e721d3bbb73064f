//! A request as the body of `POST /v1/chat/completions`.

use serde_json::{Map, Value, json};

use crate::model::wire::format;
use crate::model::wire::openai::{Object, is_openai, picture_url, settle_ids, takes_top_k};
use crate::model::{
    Input, Message, Part, Request, RequestSettings, Target, Tool, ToolChoice, ToolResult, Turn, Wire,
};

/// Encodes a request.
pub fn encode(request: &Request, target: &Target, stream: bool) -> Value {
    let settings = &request.settings;
    let mut body = Map::new();
    body.insert("model".to_owned(), target.model.as_str().into());
    body.insert("messages".to_owned(), messages(&request.messages, target).into());
    put_tools(&mut body, settings);
    put_sampling(&mut body, settings, target);
    if stream {
        body.insert("stream".to_owned(), true.into());
        body.insert("stream_options".to_owned(), json!({ "include_usage": true }));
    }
    body.extend(settings.extra.clone());
    body.into()
}

fn put_tools(body: &mut Object, settings: &RequestSettings) {
    if settings.tools.is_empty() {
        return;
    }
    body.insert("tools".to_owned(), settings.tools.iter().map(tool).collect());
    let choice = match &settings.tool_choice {
        ToolChoice::Auto => None,
        ToolChoice::None => Some(json!("none")),
        ToolChoice::Required => Some(json!("required")),
        ToolChoice::Named(name) => Some(json!({ "type": "function", "function": { "name": name } })),
    };
    if let Some(choice) = choice {
        body.insert("tool_choice".to_owned(), choice);
    }
    if let Some(parallel) = settings.parallel_tool_calls {
        body.insert("parallel_tool_calls".to_owned(), parallel.into());
    }
}

fn tool(tool: &Tool) -> Value {
    let Tool { name, description, parameters } = tool;
    json!({
        "type": "function",
        "function": { "name": name, "description": description, "parameters": parameters },
    })
}

fn put_sampling(body: &mut Object, settings: &RequestSettings, target: &Target) {
    let mut put = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            body.insert(key.to_owned(), value);
        }
    };
    let cap = if is_openai(target) { "max_completion_tokens" } else { "max_tokens" };
    put(cap, settings.max_output_tokens.map(Value::from));
    put("temperature", settings.temperature.map(Value::from));
    put("top_p", settings.top_p.map(Value::from));
    put("top_k", settings.top_k.filter(|_| takes_top_k(target)).map(Value::from));
    put("frequency_penalty", settings.frequency_penalty.map(Value::from));
    put("presence_penalty", settings.presence_penalty.map(Value::from));
    put("stop", (!settings.stop.is_empty()).then(|| settings.stop.clone().into()));
    put("seed", settings.seed.map(Value::from));
    let effort = settings.reasoning.as_ref().and_then(|reasoning| reasoning.effort.as_deref());
    put("reasoning_effort", effort.map(Value::from));
    put("response_format", settings.response_format.as_ref().map(format::nested));
    put("logprobs", settings.logprobs.map(|_| true.into()));
    put("top_logprobs", settings.logprobs.filter(|&count| count > 0).map(Value::from));
}

fn messages(messages: &[Message], target: &Target) -> Vec<Value> {
    let mut list = Vec::with_capacity(messages.len());
    for message in messages {
        match message {
            Message::System { text } => list.push(json!({ "role": "system", "content": text })),
            Message::User { content } => list.push(json!({ "role": "user", "content": inputs(content) })),
            Message::Assistant(turn) => list.push(assistant(turn, target)),
            Message::Tool { results } => {
                list.extend(results.iter().map(tool_message));
                list.extend(pictures_of(results));
            }
        }
    }
    list
}

fn inputs(content: &[Input]) -> Value {
    match content {
        [] => "".into(),
        [Input::Text { text }] => text.as_str().into(),
        several => several.iter().map(input).collect(),
    }
}

fn input(input: &Input) -> Value {
    match (input, picture_url(input)) {
        (Input::Text { text }, _) => json!({ "type": "text", "text": text }),
        (Input::Image { .. } | Input::ImageUrl { .. }, url) => {
            json!({ "type": "image_url", "image_url": { "url": url } })
        }
    }
}

fn assistant(turn: &Turn, target: &Target) -> Value {
    match turn.raw_for(Wire::Chat, target) {
        Some(raw) => replayed(raw, turn),
        None => rendered(turn, target),
    }
}

fn replayed(raw: &Value, turn: &Turn) -> Value {
    let mut message = raw.clone();
    if let Some(calls) = message.get_mut("tool_calls").and_then(Value::as_array_mut) {
        let functions = calls.iter_mut().filter_map(Value::as_object_mut);
        let functions = functions.filter(|call| call.contains_key("function"));
        settle_ids(functions, "id", turn);
    }
    message
}

fn rendered(turn: &Turn, target: &Target) -> Value {
    let mut texts = Vec::new();
    let mut refusals = Vec::new();
    for part in &turn.parts {
        match part {
            Part::Text { text } => texts.push(text.as_str()),
            Part::Refusal { text } if is_openai(target) => refusals.push(text.as_str()),
            Part::Refusal { text } => texts.push(text.as_str()),
            Part::Thinking { .. } | Part::Call { .. } | Part::Other { .. } => {}
        }
    }
    let calls: Vec<Value> = turn.calls().map(|(id, name, arguments)| call(id, name, arguments)).collect();
    let mut message = Map::new();
    message.insert("role".to_owned(), "assistant".into());
    let content = match (texts.is_empty(), calls.is_empty() && refusals.is_empty()) {
        (true, false) => Value::Null,
        (true, true) | (false, _) => texts.join("\n").into(),
    };
    message.insert("content".to_owned(), content);
    if !refusals.is_empty() {
        message.insert("refusal".to_owned(), refusals.join("\n").into());
    }
    if !calls.is_empty() {
        message.insert("tool_calls".to_owned(), calls.into());
    }
    message.into()
}

pub(super) fn call(id: &str, name: &str, arguments: &str) -> Value {
    json!({ "id": id, "type": "function", "function": { "name": name, "arguments": arguments } })
}

fn tool_message(result: &ToolResult) -> Value {
    let texts: Vec<&str> = result.content.iter().filter_map(text_of).collect();
    let has_pictures = texts.len() < result.content.len();
    let content = match texts.as_slice() {
        [] if has_pictures => "The result is a picture; it follows.".to_owned(),
        texts => texts.join("\n"),
    };
    json!({ "role": "tool", "tool_call_id": result.call_id, "content": content })
}

/// Tool messages carry text alone, so the pictures come after the last of them.
fn pictures_of(results: &[ToolResult]) -> Option<Value> {
    let mut content = Vec::new();
    for result in results {
        let pictures: Vec<Value> =
            result.content.iter().filter(|piece| text_of(piece).is_none()).map(input).collect();
        if !pictures.is_empty() {
            let text = format!("From the result of `{}` ({}):", result.name, result.call_id);
            content.push(json!({ "type": "text", "text": text }));
            content.extend(pictures);
        }
    }
    (!content.is_empty()).then(|| json!({ "role": "user", "content": content }))
}

fn text_of(input: &Input) -> Option<&str> {
    match input {
        Input::Text { text } => Some(text),
        Input::Image { .. } | Input::ImageUrl { .. } => None,
    }
}
