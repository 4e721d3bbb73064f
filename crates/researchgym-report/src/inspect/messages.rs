//! Messages in Inspect's form.

use serde_json::{Value, json};

use researchgym_core::model::Input;

use crate::dialogue::{Deed, Said, Seen, Told, Words};

/// A message with its number.
pub(super) fn system(number: usize, text: &str) -> Value {
    json!({ "id": id(number), "role": "system", "content": text })
}

/// What the agent was told.
pub(super) fn user(number: usize, told: &Told<'_>) -> Value {
    let content = match told {
        Told::Pieces(pieces) => content(pieces),
        Told::Words(words) => json!(words),
    };
    json!({ "id": id(number), "role": "user", "content": content, "source": "input" })
}

/// What the agent said, and the calls that it made.
pub(super) fn assistant(number: usize, said: &Said<'_>) -> Value {
    let content = match said.words.as_slice() {
        [] => json!(""),
        [Words::Text(text)] => json!(text),
        words => Value::Array(words.iter().map(part).collect()),
    };
    let mut message =
        json!({ "id": id(number), "role": "assistant", "content": content, "source": "generate" });
    if !said.deeds.is_empty() {
        message["tool_calls"] = Value::Array(said.deeds.iter().map(call).collect());
    }
    if let Some(model) = said.model {
        message["model"] = json!(model);
    }
    message
}

/// What came of a call.
pub(super) fn tool(number: usize, deed: &Deed<'_>) -> Value {
    let mut message = json!({
        "id": id(number), "role": "tool", "content": result(deed), "tool_call_id": deed.id, "function": deed.function,
    });
    if let Some(error) = error(deed) {
        message["error"] = error;
    }
    message
}

/// The result of a call, as content.
pub(super) fn result(deed: &Deed<'_>) -> Value {
    match &deed.seen {
        Seen::Pieces(pieces) => content(pieces),
        Seen::Text(text) => json!(text),
        Seen::Nothing => json!(""),
    }
}

/// The error of a call that failed. Its words are its result, which is not repeated.
pub(super) fn error(deed: &Deed<'_>) -> Option<Value> {
    let message = if deed.is_unreadable { "the arguments were not readable" } else { "the call failed" };
    let kind = if deed.is_unreadable { "parsing" } else { "unknown" };
    deed.is_error.then(|| json!({ "type": kind, "message": message }))
}

fn call(deed: &Deed<'_>) -> Value {
    let mut call =
        json!({ "id": deed.id, "function": deed.function, "arguments": deed.arguments, "type": "function" });
    if deed.is_unreadable {
        call["parse_error"] = json!("the arguments are no object of JSON");
    }
    call
}

fn part(words: &Words<'_>) -> Value {
    match words {
        Words::Text(text) => json!({ "type": "text", "text": text }),
        Words::Thinking(text) => json!({ "type": "reasoning", "reasoning": text }),
        Words::Refusal(text) => json!({ "type": "text", "text": text, "refusal": true }),
        Words::Other(kind) => json!({ "type": "data", "data": { "kind": kind } }),
    }
}

fn content(pieces: &[Input]) -> Value {
    match pieces {
        [] => json!(""),
        [Input::Text { text }] => json!(text),
        pieces => {
            let parts = pieces.iter().map(|piece| match piece {
                Input::Text { text } => json!({ "type": "text", "text": text }),
                Input::Image { media_type, data } => {
                    json!({ "type": "image", "image": format!("data:{media_type};base64,{data}") })
                }
                Input::ImageUrl { url } => json!({ "type": "image", "image": url }),
            });
            parts.collect()
        }
    }
}

fn id(number: usize) -> String {
    format!("message-{number}")
}
