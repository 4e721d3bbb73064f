//! `logs/transcript.json`: the whole conversation with the model in the order in which it was had, also what a hand-off or
//! pruning took out of the model's sight. For agents without a model: their actions and observations.

use researchgym_core::action::Body;
use researchgym_core::event::{AskedRequest, CallOutcome, Caller, Event, Line};
use researchgym_core::model::{Input, Message, Part, Reply, ToolResult, Turn};
use serde_json::{Value, json};

use crate::store::Blobs;

/// The entries so far, taken from the log line by line.
#[derive(Default)]
pub(super) struct Transcript {
    messages: Vec<Value>,
    /// The newest question: its call, the messages that it kept, and where its own begin.
    asked: Option<(u64, u64, usize)>,
    actions: Vec<Value>,
}

impl Transcript {
    pub(super) fn take(&mut self, line: &Line, blobs: &Blobs) {
        let time = &line.time;
        match &line.event {
            Event::Acted { action_id, origin, action } => {
                let entry =
                    json!({ "time": time, "action_id": action_id, "origin": origin, "action": action });
                self.actions.push(entry);
            }
            Event::Observed { action_id, observation, .. } => {
                self.actions
                    .push(json!({ "time": time, "action_id": action_id, "observation": observation }));
            }
            Event::ModelAsked(asked) if asked.caller == Caller::Agent => {
                let AskedRequest::Conversation { conversation, kept, added, .. } = &asked.request else {
                    return;
                };
                // A question that is asked once more from the same place was not had twice.
                if let Some((call, same, at)) = self.asked
                    && asked.retry_of == Some(call)
                    && *kept == same
                {
                    self.messages.truncate(at);
                }
                self.asked = Some((asked.call, *kept, self.messages.len()));
                for body in added {
                    let place = json!({ "time": time, "call": asked.call, "conversation": conversation, "kept": kept });
                    match read::<Message>(body, blobs) {
                        Some(message) => self.messages.extend(shown(&message, &place)),
                        None => self.messages.push(json!({ "role": "unreadable", "place": place })),
                    }
                }
            }
            Event::ModelCalled(called) => {
                let CallOutcome::Answered { response, .. } = &called.outcome else { return };
                // Answers to programs inside are in the providers' own forms; they stay in the log.
                if let Some(reply) = read::<Reply>(response, blobs) {
                    let place = json!({ "time": time, "call": called.call });
                    let mut entry = turn(&reply.turn);
                    if let Some(model) = &reply.model {
                        entry["model"] = json!(model);
                    }
                    self.messages.extend(placed(entry, &place));
                }
            }
            _ => {}
        }
    }

    pub(super) fn entries(self) -> Vec<Value> {
        if self.messages.is_empty() { self.actions } else { self.messages }
    }
}

fn read<T: serde::de::DeserializeOwned>(body: &Body, blobs: &Blobs) -> Option<T> {
    serde_json::from_slice(&blobs.resolve(body).ok()?).ok()
}

fn placed(mut entry: Value, place: &Value) -> Option<Value> {
    entry.as_object_mut()?.insert("place".to_owned(), place.clone());
    Some(entry)
}

/// A message as one entry; the results of several calls as one each.
fn shown(message: &Message, place: &Value) -> Vec<Value> {
    let entries = match message {
        Message::System { text } => vec![json!({ "role": "system", "content": text })],
        Message::User { content } => vec![json!({ "role": "user", "content": inputs(content) })],
        Message::Assistant(said) => vec![turn(said)],
        Message::Tool { results } => results.iter().map(result).collect(),
    };
    entries.into_iter().filter_map(|entry| placed(entry, place)).collect()
}

fn result(result: &ToolResult) -> Value {
    let mut entry = json!({
        "role": "tool",
        "tool_call_id": result.call_id,
        "function": result.name,
        "content": inputs(&result.content),
    });
    if result.is_error {
        entry["error"] = json!({ "type": "tool", "message": inputs(&result.content) });
    }
    entry
}

fn inputs(content: &[Input]) -> Value {
    if let [Input::Text { text }] = content {
        return json!(text);
    }
    content
        .iter()
        .map(|input| match input {
            Input::Text { text } => json!({ "type": "text", "text": text }),
            Input::Image { media_type, data } => {
                json!({ "type": "image", "media_type": media_type, "base64_bytes": data.len() })
            }
            Input::ImageUrl { url } => json!({ "type": "image", "url": url }),
        })
        .collect()
}

fn turn(turn: &Turn) -> Value {
    let mut content = Vec::new();
    let mut calls = Vec::new();
    for part in &turn.parts {
        match part {
            Part::Text { text } => content.push(json!({ "type": "text", "text": text })),
            Part::Thinking { text } => content.push(json!({ "type": "reasoning", "reasoning": text })),
            Part::Refusal { text } => content.push(json!({ "type": "refusal", "refusal": text })),
            Part::Other { kind } => content.push(json!({ "type": "other", "kind": kind })),
            Part::Call { id, name, arguments } => {
                let parsed = serde_json::from_str::<Value>(arguments).unwrap_or_else(|_| json!(arguments));
                calls.push(json!({ "id": id, "type": "function", "function": name, "arguments": parsed }));
            }
        }
    }
    let mut entry = json!({ "role": "assistant", "content": content });
    if !calls.is_empty() {
        entry["tool_calls"] = Value::Array(calls);
    }
    entry
}
