//! The tee: reads along what a provider sends, whole or as a stream, and tells at the end what was said and used.

use bytes::Bytes;
use researchgym_core::model::sse::Splitter;
use researchgym_core::model::wire::WireStream;
use researchgym_core::model::{Reply, Target, Usage, Wire, WireError};
use serde_json::Value;

/// A provider's answer on its way.
pub(super) struct Meter {
    wire: Wire,
    target: Target,
    bytes: Vec<u8>,
    stream: Option<Stream>,
}

struct Stream {
    splitter: Splitter,
    events: WireStream,
    error: Option<WireError>,
}

/// What an answer was.
pub(super) struct Reading {
    /// All bytes, as they came.
    pub(super) bytes: Bytes,
    /// What the provider says that was used.
    pub(super) usage: Option<Usage>,
    /// Bytes of output in it.
    pub(super) output_bytes: u64,
    /// The answer, if it is whole and understood.
    pub(super) reply: Result<Reply, WireError>,
}

impl Meter {
    /// For an answer that comes in one piece.
    pub(super) fn plain(wire: Wire, target: &Target) -> Meter {
        Meter { wire, target: target.clone(), bytes: Vec::new(), stream: None }
    }

    /// For an answer that comes as events.
    pub(super) fn events(wire: Wire, target: &Target) -> Meter {
        let events = WireStream::new(wire, target);
        let stream = Stream { splitter: Splitter::default(), events, error: None };
        Meter { stream: Some(stream), ..Meter::plain(wire, target) }
    }

    /// Takes bytes as they come.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        let Some(Stream { splitter, events, error }) = &mut self.stream else { return };
        let mut first = None;
        let split = splitter.push(bytes, |event| {
            if let Err(found) = events.push(&event) {
                first.get_or_insert(found);
            }
        });
        if let Err(too_long) = split {
            first.get_or_insert(WireError::Malformed(too_long.to_string()));
        }
        if error.is_none() {
            *error = first;
        }
    }

    /// Whether the answer has come to its end, though more bytes may follow.
    pub(super) fn is_complete(&self) -> bool {
        self.stream.as_ref().is_some_and(|stream| stream.error.is_none() && stream.events.is_complete())
    }

    /// How many bytes have come.
    pub(super) fn length(&self) -> usize {
        self.bytes.len()
    }

    /// What is known of the usage so far, and bytes of output.
    pub(super) fn so_far(&self) -> (Option<Usage>, u64) {
        self.stream.as_ref().map_or((None, 0), |stream| (stream.events.usage(), stream.events.output_bytes()))
    }

    /// Says what the answer was.
    pub(super) fn conclude(self) -> Reading {
        let (usage, output_bytes) = self.so_far();
        match self.stream {
            Some(stream) => {
                let reply = stream.error.map_or_else(|| stream.events.finish(), Err);
                let usage = reply.as_ref().map_or(usage, Reply::reported_usage);
                Reading { bytes: self.bytes.into(), usage, output_bytes, reply }
            }
            None => {
                let (usage, reply) = match serde_json::from_slice::<Value>(&self.bytes) {
                    Ok(value) => (self.wire.usage_of(&value), self.wire.decode(&value, &self.target)),
                    Err(error) => {
                        (None, Err(WireError::Malformed(format!("the answer is not JSON: {error}"))))
                    }
                };
                let usage = reply.as_ref().map_or(usage, Reply::reported_usage);
                let output_bytes = self.bytes.len() as u64;
                Reading { bytes: self.bytes.into(), usage, output_bytes, reply }
            }
        }
    }
}
