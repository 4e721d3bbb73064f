//! A request as the body of `POST /v1/responses`.

use serde_json::{Map, Value, json};

use crate::model::wire::format;
use crate::model::wire::openai::{Object, picture_url, settle_ids};
use crate::model::{
    Input, Message, Part, Request, RequestSettings, Target, Tool, ToolChoice, ToolResult, Turn, Wire,
};

/// Encodes a request.
pub fn encode(request: &Request, target: &Target, stream: bool) -> Value {
    let settings = &request.settings;
    let mut body = Map::new();
    body.insert("model".to_owned(), target.model.as_str().into());
    let messages = match request.messages.as_slice() {
        [Message::System { text }, rest @ ..] => {
            body.insert("instructions".to_owned(), text.as_str().into());
            rest
        }
        all => all,
    };
    body.insert("input".to_owned(), input(messages, target).into());
    body.insert("store".to_owned(), false.into());
    body.insert("include".to_owned(), include(settings, target));
    put_tools(&mut body, settings);
    put_sampling(&mut body, settings);
    if stream {
        body.insert("stream".to_owned(), true.into());
    }
    body.extend(settings.extra.clone());
    body.into()
}

fn include(settings: &RequestSettings, target: &Target) -> Value {
    let mut include = Vec::new();
    if settings.reasoning.is_some() || may_think(&target.model) {
        include.push("reasoning.encrypted_content");
    }
    if settings.logprobs.is_some() {
        include.push("message.output_text.logprobs");
    }
    include.into()
}

/// OpenAI's models from before reasoning refuse to be asked for encrypted thinking ("Encrypted content is not supported
/// with this model", pydantic-ai issue 2865).
fn may_think(model: &str) -> bool {
    !["gpt-3.5", "gpt-4", "chatgpt-"].iter().any(|family| model.starts_with(family))
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
        ToolChoice::Named(name) => Some(json!({ "type": "function", "name": name })),
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
    // Absent, `strict` would be true for schemas that allow it, and optional arguments would become required.
    json!({
        "type": "function",
        "name": name,
        "description": description,
        "parameters": parameters,
        "strict": false,
    })
}

fn put_sampling(body: &mut Object, settings: &RequestSettings) {
    let mut put = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            body.insert(key.to_owned(), value);
        }
    };
    put("max_output_tokens", settings.max_output_tokens.map(Value::from));
    put("temperature", settings.temperature.map(Value::from));
    put("top_p", settings.top_p.map(Value::from));
    put("top_logprobs", settings.logprobs.map(Value::from));
    let reasoning = settings.reasoning.as_ref().map(|reasoning| match &reasoning.effort {
        Some(effort) => json!({ "effort": effort, "summary": "auto" }),
        None => json!({ "summary": "auto" }),
    });
    put("reasoning", reasoning);
    let format = settings.response_format.as_ref().map(format::flat);
    put("text", format.map(|format| json!({ "format": format })));
}

fn input(messages: &[Message], target: &Target) -> Vec<Value> {
    let mut items = Vec::new();
    for message in messages {
        match message {
            Message::System { text } => {
                items.push(json!({ "type": "message", "role": "developer", "content": text }));
            }
            Message::User { content } => {
                let content = pieces(content);
                items.push(json!({ "type": "message", "role": "user", "content": content }));
            }
            Message::Assistant(turn) => match turn.raw_for(Wire::Responses, target) {
                Some(raw) => items.extend(replayed(raw, turn)),
                None => items.extend(turn.parts.iter().filter_map(rendered)),
            },
            Message::Tool { results } => items.extend(results.iter().map(result)),
        }
    }
    items
}

fn pieces(content: &[Input]) -> Vec<Value> {
    let pieces = content.iter().map(|input| match (input, picture_url(input)) {
        (Input::Text { text }, _) => json!({ "type": "input_text", "text": text }),
        (Input::Image { .. } | Input::ImageUrl { .. }, url) => {
            json!({ "type": "input_image", "image_url": url, "detail": "auto" })
        }
    });
    pieces.collect()
}

fn replayed(raw: &Value, turn: &Turn) -> Vec<Value> {
    let mut items = raw.as_array().cloned().unwrap_or_default();
    let calls = items.iter_mut().filter_map(Value::as_object_mut);
    let calls = calls.filter(|item| item.get("type").and_then(Value::as_str) == Some("function_call"));
    settle_ids(calls, "call_id", turn);
    items
}

fn rendered(part: &Part) -> Option<Value> {
    let message = |piece: Value| json!({ "type": "message", "role": "assistant", "content": [piece] });
    match part {
        Part::Text { text } => Some(message(json!({ "type": "output_text", "text": text }))),
        Part::Refusal { text } => Some(message(json!({ "type": "refusal", "refusal": text }))),
        Part::Call { id, name, arguments } => Some(json!({
            "type": "function_call",
            "call_id": id,
            "name": name,
            "arguments": arguments,
        })),
        Part::Thinking { .. } | Part::Other { .. } => None,
    }
}

fn result(result: &ToolResult) -> Value {
    let output: Value = match result.content.as_slice() {
        [] => "".into(),
        [Input::Text { text }] => text.as_str().into(),
        several => pieces(several).into(),
    };
    json!({ "type": "function_call_output", "call_id": result.call_id, "output": output })
}
