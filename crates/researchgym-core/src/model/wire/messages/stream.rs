//! A streamed answer of the Messages API, put together to what the whole answer would have been.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::super::calls::object_of;
use super::super::fields::{malformed, object, text, whole};
use super::super::{Target, WireError};
use super::decode::{Envelope, event, provider_error, reply, usage};
use crate::model::sse::SseEvent;
use crate::model::{Reply, Usage};

/// A streamed answer so far.
#[derive(Debug)]
pub struct Stream {
    target: Target,
    message: Map<String, Value>,
    usage: Option<Map<String, Value>>,
    /// Whether an event after the first has told the output: the first one knows but its first token.
    tells_output: bool,
    blocks: BTreeMap<u64, Block>,
    output_bytes: u64,
    is_complete: bool,
}

#[derive(Debug)]
struct Block {
    value: Map<String, Value>,
    /// A call's arguments so far, if any came apart from the block.
    arguments: String,
}

impl Stream {
    /// Awaits the first event.
    pub fn new(target: &Target) -> Stream {
        Stream {
            target: target.clone(),
            message: Map::new(),
            usage: None,
            tells_output: false,
            blocks: BTreeMap::new(),
            output_bytes: 0,
            is_complete: false,
        }
    }

    /// Takes the next event. Kinds of events that are not known are skipped.
    ///
    /// # Errors
    /// The event is an error, or not one of this wire.
    pub fn push(&mut self, sse: &SseEvent) -> Result<(), WireError> {
        let Some(event) = event(&sse.data)? else { return Ok(()) };
        let kind = event.get("type").and_then(Value::as_str).unwrap_or(&sse.event);
        match kind {
            "message_start" => {
                let message = object(&event["message"], "`message` of message_start")?;
                self.note(message);
            }
            "content_block_start" => self.start(&event)?,
            "content_block_delta" => self.delta(&event)?,
            "message_delta" => {
                self.note(object(&event["delta"], "`delta` of message_delta")?);
                self.note_usage(event.get("usage"));
                // Zero or nonsense leaves what the first event knew.
                let output = event.get("usage").and_then(|usage| usage.get("output_tokens"));
                self.tells_output |= output.and_then(whole).is_some_and(|output| output > 0);
            }
            "message_stop" => self.is_complete = true,
            "error" => return Err(provider_error(event.get("error").unwrap_or(&event))),
            _ => {}
        }
        Ok(())
    }

    /// The usage as far as it is known: the input from the start on, the output only near the end.
    pub fn usage(&self) -> Option<Usage> {
        self.usage.as_ref().and_then(usage)
    }

    /// Bytes of text, thinking and arguments received so far.
    pub fn output_bytes(&self) -> u64 {
        self.output_bytes
    }

    /// Whether the answer has ended.
    pub fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// Gives the whole answer.
    ///
    /// # Errors
    /// The stream ended too early, or a block is not what it should be.
    pub fn finish(self) -> Result<Reply, WireError> {
        if !self.is_complete {
            return Err(WireError::CutOff);
        }
        let usage = self.usage().filter(|_| self.tells_output);
        let envelope = Envelope { usage, ..Envelope::default() }.with(&self.message);
        let mut content = Vec::with_capacity(self.blocks.len());
        let mut written = BTreeMap::new();
        for (index, mut block) in self.blocks.into_values().enumerate() {
            let is_call =
                block.value.get("type").and_then(Value::as_str).is_some_and(|it| it.ends_with("tool_use"));
            if !block.arguments.trim().is_empty() {
                block.value.insert("input".into(), object_of(&block.arguments));
                written.insert(index, block.arguments);
            } else if is_call && !block.value.contains_key("input") {
                block.value.insert("input".into(), Value::Object(Map::new()));
            }
            content.push(Value::Object(block.value));
        }
        reply(content, &written, envelope, &self.target)
    }

    fn note(&mut self, message: &Map<String, Value>) {
        for key in ["id", "model", "stop_reason"] {
            if let Some(value @ Value::String(_)) = message.get(key) {
                self.message.insert(key.into(), value.clone());
            }
        }
        self.note_usage(message.get("usage"));
    }

    fn note_usage(&mut self, usage: Option<&Value>) {
        if let Some(Value::Object(usage)) = usage {
            keep_largest(self.usage.get_or_insert_default(), usage);
        }
    }

    fn start(&mut self, event: &Value) -> Result<(), WireError> {
        let value = object(&event["content_block"], "`content_block` of content_block_start")?.clone();
        for key in ["text", "thinking"] {
            self.output_bytes += value.get(key).and_then(Value::as_str).map_or(0, str::len) as u64;
        }
        if self.blocks.insert(index(event)?, Block { value, arguments: String::new() }).is_some() {
            return malformed(format!("block {} starts twice", event["index"]));
        }
        Ok(())
    }

    fn delta(&mut self, event: &Value) -> Result<(), WireError> {
        let Some(block) = self.blocks.get_mut(&index(event)?) else {
            return malformed(format!("a delta for block {}, which has not started", event["index"]));
        };
        let delta = object(&event["delta"], "`delta` of content_block_delta")?;
        match text(delta.get("type"), "`type` of a delta")? {
            "input_json_delta" => {
                let piece = text(delta.get("partial_json"), "`partial_json`")?;
                self.output_bytes += piece.len() as u64;
                block.arguments.push_str(piece);
            }
            "signature_delta" => {
                block.value.insert("signature".into(), text(delta.get("signature"), "`signature`")?.into());
            }
            "citations_delta" => {
                let citation = delta.get("citation").cloned().unwrap_or_default();
                match block.value.get_mut("citations") {
                    Some(Value::Array(citations)) => citations.push(citation),
                    Some(_) | None => {
                        block.value.insert("citations".into(), Value::Array(vec![citation]));
                    }
                }
            }
            // `text_delta`, `thinking_delta` and those to come: what they hold is added to the key of the same name.
            _ => {
                for (key, piece) in delta.iter().filter(|(key, _)| *key != "type") {
                    match (block.value.get_mut(key), piece) {
                        (Some(Value::String(so_far)), Value::String(piece)) => so_far.push_str(piece),
                        (_, piece) => {
                            block.value.insert(key.clone(), piece.clone());
                        }
                    }
                    self.output_bytes += piece.as_str().map_or(0, str::len) as u64;
                }
            }
        }
        Ok(())
    }
}

fn index(event: &Value) -> Result<u64, WireError> {
    event["index"].as_u64().map_or_else(|| malformed("`index` of an event is missing or no number"), Ok)
}

/// Counts only grow; some servers report zero for what another event has told.
fn keep_largest(kept: &mut Map<String, Value>, new: &Map<String, Value>) {
    for (key, value) in new {
        match (kept.get_mut(key), value) {
            (Some(Value::Object(kept)), Value::Object(new)) => keep_largest(kept, new),
            (Some(old), new) if new.is_null() || old.as_u64() > new.as_u64() => {}
            (_, new) => {
                kept.insert(key.clone(), new.clone());
            }
        }
    }
}
