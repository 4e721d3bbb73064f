//! What the tests of this wire share.

mod client;
mod properties;
mod server;

use serde_json::Value;

use super::super::{Target, WireError};
use super::Stream;
use crate::model::sse::SseEvent;
use crate::model::{Part, Reply};

fn target() -> Target {
    Target { name: "google/gemini-3-pro".into(), model: "gemini-3-pro".into() }
}

fn text(text: &str) -> Part {
    Part::Text { text: text.into() }
}

fn call(id: &str, name: &str, arguments: &str) -> Part {
    Part::Call { id: id.into(), name: name.into(), arguments: arguments.into() }
}

fn data(chunk: &Value) -> SseEvent {
    SseEvent::data(chunk.to_string())
}

fn stream(events: &[SseEvent]) -> Result<Reply, WireError> {
    let mut stream = Stream::new(&target());
    for event in events {
        stream.push(event)?;
    }
    stream.finish()
}
