//! The answer as a stream of events.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::decode::{decode, usage_of};
use crate::model::sse::SseEvent;
use crate::model::wire::openai::{Fields, error_in, error_of, malformed};
use crate::model::{Reply, Target, Usage, WireError};

/// A stream being received. The last event holds the whole answer; where its output is empty, the finished items do.
#[derive(Debug)]
pub struct Stream {
    target: Target,
    /// The response as it was begun.
    begun: Option<Value>,
    /// The response as it ended.
    ended: Option<Value>,
    items: BTreeMap<u64, Value>,
    usage: Option<Usage>,
    /// What the last event tells; an earlier one knows only what was used so far.
    usage_at_end: Option<Usage>,
    bytes: u64,
}

impl Stream {
    /// Begins a stream of this target.
    pub fn new(target: &Target) -> Stream {
        let target = target.clone();
        let (usage, usage_at_end) = (None, None);
        Stream { target, begun: None, ended: None, items: BTreeMap::new(), usage, usage_at_end, bytes: 0 }
    }

    /// Takes one event.
    ///
    /// # Errors
    /// It is no event of this wire, or it reports an error. A response that failed is told by [`Stream::finish`].
    pub fn push(&mut self, event: &SseEvent) -> Result<(), WireError> {
        let data = event.data.trim();
        if data.is_empty() || data == "[DONE]" {
            return Ok(());
        }
        let value: Value = serde_json::from_str(data)
            .map_err(|error| malformed(format!("an event of the stream is no JSON: {error}")))?;
        let fields = Fields::of(&value, "an event of the stream")?;
        let kind = fields.text("type")?.unwrap_or(&event.event);
        self.usage = usage_of(&value).or(self.usage);
        match kind {
            "error" => return Err(error_in(fields.object).unwrap_or_else(|| error_of(fields.object))),
            "response.created" | "response.in_progress" | "response.queued" => {
                self.begun = fields.get("response").cloned().or(self.begun.take());
            }
            "response.completed" | "response.incomplete" | "response.failed" | "response.done" => {
                let mut response = fields.needed_fields("response")?.object.clone();
                if let (false, Some((_, status))) = (response.contains_key("status"), kind.split_once('.')) {
                    let status = if status == "done" { "completed" } else { status };
                    response.insert("status".to_owned(), status.into());
                }
                self.ended = Some(response.into());
                self.usage_at_end = usage_of(&value);
            }
            "response.output_item.done" => {
                let item = fields.needed_fields("item")?.object.clone();
                let next = self.items.last_key_value().map_or(0, |(last, _)| last.saturating_add(1));
                self.items.insert(fields.whole("output_index")?.unwrap_or(next), item.into());
            }
            _ if kind.starts_with("response.") && kind.ends_with(".delta") => {
                let delta = fields.get("delta").and_then(Value::as_str).unwrap_or_default();
                self.bytes = self.bytes.saturating_add(delta.len() as u64);
            }
            // Servers that know only chat's form of an error, or new kinds of events.
            _ => {
                if let Some(error) = error_in(fields.object) {
                    return Err(error);
                }
            }
        }
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
        self.ended.is_some()
    }

    /// Gives the answer.
    ///
    /// # Errors
    /// The stream broke off, the response failed, or what the stream held is no answer.
    pub fn finish(self) -> Result<Reply, WireError> {
        let Some(ended) = self.ended else { return Err(WireError::CutOff) };
        let mut response: Map<String, Value> = match self.begun {
            Some(Value::Object(begun)) => begun,
            _ => Map::new(),
        };
        if let Value::Object(ended) = ended {
            response.extend(ended);
        }
        let has_output = response.get("output").is_some_and(|output| match output {
            Value::Array(items) => !items.is_empty(),
            Value::Null => false,
            _ => true,
        });
        if !has_output {
            let items: Vec<Value> = self.items.into_values().collect();
            response.insert("output".to_owned(), items.into());
        }
        Ok(Reply { usage: self.usage_at_end, ..decode(&response.into(), &self.target)? })
    }
}
