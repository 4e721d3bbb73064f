//! A streamed answer of Gemini, put together to what the whole answer would have been.

use serde_json::Value;

use super::super::fields::malformed;
use super::super::{Target, WireError};
use super::decode::{Answer, is_thought};
use crate::model::sse::SseEvent;
use crate::model::{Reply, Usage};

/// A streamed answer so far.
#[derive(Debug)]
pub struct Stream {
    target: Target,
    answer: Answer,
    parts: Vec<Value>,
    output_bytes: u64,
}

impl Stream {
    /// Awaits the first chunk.
    pub fn new(target: &Target) -> Stream {
        Stream { target: target.clone(), answer: Answer::default(), parts: Vec::new(), output_bytes: 0 }
    }

    /// Takes the next chunk.
    ///
    /// # Errors
    /// The chunk is an error, or not one of this wire.
    pub fn push(&mut self, sse: &SseEvent) -> Result<(), WireError> {
        if sse.data.trim().is_empty() || sse.data.trim() == "[DONE]" {
            return Ok(());
        }
        let chunk: Value = match serde_json::from_str(&sse.data) {
            Ok(chunk) => chunk,
            Err(error) => return malformed(format!("a chunk is not JSON: {error}")),
        };
        let Stream { answer, parts, output_bytes, .. } = self;
        answer.note(&chunk, |new| {
            *output_bytes += new.iter().map(bytes_of).sum::<u64>();
            join(parts, new);
        })
    }

    /// The usage as far as it is known.
    pub fn usage(&self) -> Option<Usage> {
        self.answer.usage
    }

    /// Bytes of text, thinking and arguments received so far.
    pub fn output_bytes(&self) -> u64 {
        self.output_bytes
    }

    /// Whether the answer has ended; a chunk with the usage may still follow.
    pub fn is_complete(&self) -> bool {
        self.answer.is_complete()
    }

    /// Gives the whole answer.
    ///
    /// # Errors
    /// The stream ended too early, or a part is not what it should be.
    pub fn finish(self) -> Result<Reply, WireError> {
        if !self.is_complete() {
            return Err(WireError::CutOff);
        }
        self.answer.reply(self.parts, &self.target)
    }
}

/// Adds a chunk's parts. A text goes on across two chunks if both ends are of the same kind and neither is signed: a
/// signature belongs to just the part that it came with.
fn join(parts: &mut Vec<Value>, new: &[Value]) {
    let mut new = new.iter();
    if let (Some(last), Some(first)) = (parts.last_mut(), new.as_slice().first())
        && let (Some((is_thought, _)), Some((goes_on, more))) = (plain_text(last), plain_text(first))
        && is_thought == goes_on
    {
        if let Some(Value::String(text)) = last.get_mut("text") {
            text.push_str(more);
        }
        new.next();
    }
    parts.extend(new.cloned());
}

/// Whether it is a thought, and its text, for a part that is nothing but text.
fn plain_text(part: &Value) -> Option<(bool, &str)> {
    let part = part.as_object()?;
    let is_plain = part.keys().all(|key| key == "text" || key == "thought");
    Some((is_thought(part), part.get("text")?.as_str()?)).filter(|_| is_plain)
}

fn bytes_of(part: &Value) -> u64 {
    let text = part.get("text").and_then(Value::as_str).map_or(0, str::len);
    let arguments = part.get("functionCall").and_then(|call| call.get("args"));
    (text + arguments.map_or(0, |arguments| arguments.to_string().len())) as u64
}
