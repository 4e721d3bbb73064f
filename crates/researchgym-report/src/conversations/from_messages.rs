//! Messages as they were.

use researchgym_core::model::{Input, Message, Part, Tool, ToolResult, Turn};
use serde_json::{Map, Value, json};

use super::{LeftOut, Made};

pub(super) fn made(messages: &[Message], tools: &[Tool]) -> Made {
    let mut made = Made { tools: tools.iter().map(tool).collect(), ..Made::default() };
    for message in messages {
        match message {
            Message::System { text } => made.messages.push(json!({ "role": "system", "content": text })),
            Message::User { content } => {
                let text = text_of(content, &mut made.left_out);
                made.messages.push(json!({ "role": "user", "content": text }));
            }
            Message::Assistant(turn) => {
                let message = assistant(turn, &mut made.left_out);
                made.messages.extend(message);
            }
            Message::Tool { results } => {
                for result in results {
                    let message = answer(result, &mut made.left_out);
                    made.messages.push(message);
                }
            }
        }
    }
    made
}

/// A tool as chat completions declare it.
pub(super) fn tool(tool: &Tool) -> Value {
    let Tool { name, description, parameters } = tool;
    json!({
        "type": "function",
        "function": { "name": name, "description": description, "parameters": parameters },
    })
}

/// A call in an assistant's message.
pub(super) fn call(id: &str, name: &str, arguments: &str) -> Value {
    json!({ "id": id, "type": "function", "function": { "name": name, "arguments": arguments } })
}

/// A turn; nothing if it holds neither words nor calls.
fn assistant(turn: &Turn, left_out: &mut LeftOut) -> Option<Value> {
    let (mut texts, mut calls) = (Vec::new(), Vec::new());
    for part in &turn.parts {
        match part {
            Part::Text { text } | Part::Refusal { text } => texts.push(text.as_str()),
            Part::Call { id, name, arguments } => calls.push(call(id, name, arguments)),
            Part::Thinking { .. } => left_out.thoughts += 1,
            Part::Other { .. } => left_out.others += 1,
        }
    }
    if texts.is_empty() && calls.is_empty() {
        return None;
    }
    let content = if texts.is_empty() { Value::Null } else { texts.join("\n").into() };
    let mut message =
        Map::from_iter([("role".to_owned(), "assistant".into()), ("content".to_owned(), content)]);
    if !calls.is_empty() {
        message.insert("tool_calls".to_owned(), calls.into());
    }
    Some(Value::Object(message))
}

fn answer(result: &ToolResult, left_out: &mut LeftOut) -> Value {
    json!({
        "role": "tool", "tool_call_id": result.call_id, "content": text_of(&result.content, left_out),
    })
}

fn text_of(content: &[Input], left_out: &mut LeftOut) -> String {
    let mut texts = Vec::new();
    for input in content {
        match input {
            Input::Text { text } => texts.push(text.as_str()),
            Input::Image { .. } | Input::ImageUrl { .. } => left_out.pictures += 1,
        }
    }
    texts.join("\n")
}
