//! What the tests of this wire share.

mod client;
mod properties;
mod server;

use serde_json::{Value, json};

use super::super::{Target, WireError};
use super::Stream;
use crate::model::Reply;
use crate::model::sse::SseEvent;

fn target() -> Target {
    Target { name: "anthropic/claude-x".into(), model: "claude-x".into() }
}

fn named(data: Value) -> SseEvent {
    SseEvent::named(data["type"].as_str().unwrap(), data.to_string())
}

fn delta(index: u64, delta: Value) -> Value {
    json!({"type": "content_block_delta", "index": index, "delta": delta})
}

fn start(index: u64, block: Value) -> Value {
    json!({"type": "content_block_start", "index": index, "content_block": block})
}

fn stream(events: &[SseEvent]) -> Result<Reply, WireError> {
    let mut stream = Stream::new(&target());
    for event in events {
        stream.push(event)?;
    }
    stream.finish()
}
