//! `logs/transcript.json` of `claude-code`: messages whose blocks stand there as Python prints them.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;

use super::repr::{self, Object};
use super::{Reader, push_call, push_words};
use crate::import::steps::Call;
use crate::import::time::{Moment, normal};

#[derive(Debug, Deserialize)]
struct Message {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    timestamp: Option<String>,
    #[serde(default)]
    content: Value,
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    subtype: Option<String>,
    #[serde(default)]
    is_error: Option<bool>,
    #[serde(default)]
    result: Option<String>,
}

/// What came of a call.
struct Outcome {
    text: String,
    is_error: bool,
}

impl Reader<'_> {
    /// Takes the blocks as steps, and gives how it ended if it failed.
    pub(super) fn claude(&mut self) -> Option<String> {
        let messages: Vec<Message> = self.json("logs/transcript.json").unwrap_or_default();
        let first = messages.iter().find_map(|message| Moment::read(message.timestamp.as_deref()?));
        if let Some(first) = first {
            self.begun(first);
        }
        let mut outcomes: HashMap<String, Outcome> = HashMap::new();
        let mut unread: u64 = 0;
        let mut read: Vec<(&Message, Vec<Object>)> = Vec::new();
        for message in &messages {
            let mut blocks = Vec::new();
            for block in blocks_of(&message.content) {
                match repr::object(block) {
                    Some(block) if block.name == "ToolResultBlock" => {
                        let outcome = Outcome {
                            text: words(block.get("content")),
                            is_error: block.get("is_error") == Some(&Value::Bool(true)),
                        };
                        outcomes.insert(block.text("tool_use_id").unwrap_or_default().to_owned(), outcome);
                    }
                    Some(block) => blocks.push(block),
                    // Prompts and results are plain text.
                    None if message.kind == "AssistantMessage" && looks_like_block(block) => unread += 1,
                    None if message.kind == "AssistantMessage" => blocks.push(Object::said(block)),
                    None => {}
                }
            }
            if message.kind == "AssistantMessage" {
                read.push((message, blocks));
            }
        }
        for (message, blocks) in read {
            let time = message.timestamp.as_deref().and_then(normal);
            if let Some(model) = &message.model {
                self.run.record.model.get_or_insert_with(|| model.clone());
            }
            let mut thoughts: Vec<&str> = Vec::new();
            for block in &blocks {
                match block.name.as_str() {
                    "ToolUseBlock" => {
                        let outcome = block.text("id").and_then(|id| outcomes.remove(id));
                        let thought =
                            (!thoughts.is_empty()).then(|| std::mem::take(&mut thoughts).join("\n\n"));
                        let call = Call {
                            function: block.text("name").unwrap_or_default().to_owned(),
                            arguments: block.get("input").cloned().unwrap_or_default(),
                            thought,
                            is_refused: outcome.as_ref().is_some_and(|outcome| outcome.is_error),
                            observation: outcome.map(|outcome| outcome.text).unwrap_or_default(),
                            time: time.clone(),
                            model: message.model.clone(),
                            ..Call::default()
                        };
                        push_call(&mut self.run, call);
                    }
                    "TextBlock" => thoughts.extend(block.text("text")),
                    "ThinkingBlock" => thoughts.extend(block.text("thinking")),
                    _ => unread += 1,
                }
            }
            if !thoughts.is_empty() {
                push_words(&mut self.run, &thoughts.join("\n\n"), time, message.model.clone());
            }
        }
        if unread > 0 {
            self.leave_out(format!("logs/transcript.json: {unread} blocks cannot be read"));
        }
        let last = messages.iter().rev().find(|message| message.kind == "ResultMessage")?;
        if last.is_error == Some(true) {
            self.run.record.ending.failure = last.result.clone().or_else(|| last.subtype.clone());
        }
        None
    }
}

/// The blocks of a message: a list of texts, or one text.
fn blocks_of(content: &Value) -> impl Iterator<Item = &str> {
    let list = content.as_array().map_or(std::slice::from_ref(content), Vec::as_slice);
    list.iter().filter_map(Value::as_str)
}

fn looks_like_block(text: &str) -> bool {
    text.split_once('(').is_some_and(|(name, _)| name.ends_with("Block"))
}

/// The text of a result: a text, or a list of parts.
fn words(content: Option<&Value>) -> String {
    match content {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => {
            let texts = parts.iter().filter_map(|part| part.get("text")?.as_str());
            texts.collect::<Vec<_>>().join("\n")
        }
        _ => String::new(),
    }
}
