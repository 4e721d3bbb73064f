//! The answer as a stream of chunks.

use serde_json::{Map, Value, json};

use super::decode::{decode, usage_of};
use super::merge::{Calls, append, merge};
use crate::model::sse::SseEvent;
use crate::model::wire::openai::{Fields, Object, error_in, error_of, malformed};
use crate::model::{Reply, Target, Usage, WireError};

/// A stream being received. It is put together to what a whole answer would have been, and decoded as that.
#[derive(Debug)]
pub struct Stream {
    target: Target,
    /// The answer's keys beside `choices`, and the choice's beside `message`.
    answer: Object,
    choice: Object,
    message: Object,
    calls: Calls,
    usage: Option<Usage>,
    /// Whether nothing has come after the usage; some servers tell in each chunk what was used so far.
    is_usage_last: bool,
    is_begun: bool,
    is_done: bool,
    bytes: u64,
}

impl Stream {
    /// Begins a stream of this target.
    pub fn new(target: &Target) -> Stream {
        Stream {
            target: target.clone(),
            answer: Map::new(),
            choice: Map::new(),
            message: Map::new(),
            calls: Calls::default(),
            usage: None,
            is_usage_last: false,
            is_begun: false,
            is_done: false,
            bytes: 0,
        }
    }

    /// Takes one event.
    ///
    /// # Errors
    /// It is no chunk, or it reports an error.
    pub fn push(&mut self, event: &SseEvent) -> Result<(), WireError> {
        let data = event.data.trim();
        if data == "[DONE]" {
            self.is_done = true;
            return Ok(());
        }
        if data.is_empty() {
            return Ok(());
        }
        let chunk: Value = serde_json::from_str(data)
            .map_err(|error| malformed(format!("an event of the stream is no JSON: {error}")))?;
        let fields = Fields::of(&chunk, "a chunk")?;
        if let Some(error) = error_in(fields.object) {
            return Err(error);
        }
        if event.event == "error" {
            return Err(error_of(fields.object));
        }
        let before = (self.bytes, self.choice.contains_key("finish_reason"));
        let usage = usage_of(&chunk);
        if let Some(usage) = usage {
            self.usage = Some(usage);
            // Kept in its place, so that decoding finds it again.
            for key in ["usage", "x_groq"] {
                if let Some(value) = fields.get(key) {
                    self.answer.insert(key.to_owned(), value.clone());
                }
            }
        }
        for key in ["id", "model", "created", "prompt_token_ids"] {
            if let (None, Some(value)) = (self.answer.get(key), fields.get(key)) {
                self.answer.insert(key.to_owned(), value.clone());
            }
        }
        for choice in fields.list("choices")?.unwrap_or_default() {
            let choice = Fields::of(choice, "a chunk's choice")?;
            if choice.whole("index")?.unwrap_or(0) == 0 {
                self.push_choice(&choice)?;
            }
        }
        let has_grown = (self.bytes, self.choice.contains_key("finish_reason")) != before;
        self.is_usage_last = usage.is_some() || (self.is_usage_last && !has_grown);
        Ok(())
    }

    fn push_choice(&mut self, choice: &Fields<'_>) -> Result<(), WireError> {
        if let Some(error) = error_in(choice.object) {
            return Err(error);
        }
        self.is_begun = true;
        for (key, value) in choice.object {
            match key.as_str() {
                "delta" | "index" => {}
                "logprobs" | "token_ids" => {
                    append(self.choice.entry(key.clone()).or_insert(Value::Null), value);
                }
                _ if value.is_null() => {}
                _ => {
                    self.choice.insert(key.clone(), value.clone());
                }
            }
        }
        let Some(delta) = choice.fields("delta")? else { return Ok(()) };
        let mut rest = delta.object.clone();
        rest.remove("tool_calls");
        merge(&mut self.message, &rest);
        for call in delta.list("tool_calls")?.unwrap_or_default() {
            self.calls.push(Fields::of(call, "a chunk's tool call")?.object);
        }
        self.bytes = self.bytes.saturating_add(bytes_of(delta.object));
        Ok(())
    }

    /// What is known of the usage so far.
    pub fn usage(&self) -> Option<Usage> {
        self.usage
    }

    /// Bytes of text, thinking and arguments so far: what a stream that broke off can be charged by.
    pub fn output_bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether the answer is whole.
    pub fn is_complete(&self) -> bool {
        self.is_done || (self.choice.contains_key("finish_reason") && self.usage.is_some())
    }

    /// Gives the answer.
    ///
    /// # Errors
    /// The stream broke off, or what it held is no answer.
    pub fn finish(self) -> Result<Reply, WireError> {
        if !self.is_complete() {
            return Err(WireError::CutOff);
        }
        if !self.is_begun {
            return Err(malformed("the stream held no choice"));
        }
        let usage = self.usage.filter(|_| self.is_usage_last);
        let Stream { target, mut answer, mut choice, mut message, calls, .. } = self;
        message.entry("role").or_insert_with(|| "assistant".into());
        message.entry("content").or_insert(Value::Null);
        let calls = calls.into_values();
        if !calls.is_empty() {
            message.insert("tool_calls".to_owned(), calls.into());
        }
        choice.insert("message".to_owned(), message.into());
        answer.insert("choices".to_owned(), json!([choice]));
        Ok(Reply { usage, ..decode(&answer.into(), &target)? })
    }
}

fn bytes_of(delta: &Object) -> u64 {
    // Thinking comes under one of these names, or under several at once.
    let thinking = ["reasoning_content", "reasoning", "reasoning_details"];
    let thinking = thinking.iter().filter_map(|key| delta.get(*key)).map(text_bytes).max().unwrap_or(0);
    let others = ["content", "refusal", "function_call"];
    let others: u64 = others.iter().filter_map(|key| delta.get(*key)).map(text_bytes).sum();
    let calls = delta.get("tool_calls").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let calls: u64 = calls.iter().filter_map(|call| call.get("function")).map(text_bytes).sum();
    thinking.saturating_add(others).saturating_add(calls)
}

/// The bytes of all texts in a value that are not mere labels.
fn text_bytes(value: &Value) -> u64 {
    match value {
        Value::String(text) => text.len() as u64,
        Value::Array(values) => values.iter().map(text_bytes).sum(),
        Value::Object(object) => {
            let texts = object.iter().filter(|(key, _)| !["type", "id", "format"].contains(&key.as_str()));
            texts.map(|(_, value)| text_bytes(value)).sum()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}
