//! What providers answer and what programs inside ask, in all four wires.

use researchgym_core::model::message::{Input, Message};
use researchgym_core::model::sse::{Splitter, SseEvent};
use researchgym_core::model::wire::{Shown, WireStream};
use researchgym_core::model::{Reply, Target, Wire, WireError, input_tokens_bound};
use serde_json::Value;

use crate::choice;

const WIRES: [Wire; 4] = [Wire::Chat, Wire::Responses, Wire::Messages, Wire::Gemini];
const SHOWN: Shown<'static> = Shown { model: "m", id: "id", created: 1 };

fn target() -> Target {
    Target { name: "openai/m".to_owned(), model: "m".to_owned() }
}

fn wire(choice: u8) -> Wire {
    WIRES[usize::from(choice % 4)]
}

/// A byte for the wire, one for the cut, and a stream of events: what is understood does not depend on the cut.
pub fn provider_stream(data: &[u8]) -> bool {
    let (first, rest) = choice(data);
    let (cut, bytes) = choice(rest);
    let whole = stream(wire(first), bytes.chunks(bytes.len().max(1)));
    let parts = stream(wire(first), bytes.chunks(usize::from(cut).max(1)));
    assert_eq!(format!("{parts:?}"), format!("{whole:?}"));
    whole.inspect(rendered).is_ok()
}

fn stream<'d>(wire: Wire, chunks: impl Iterator<Item = &'d [u8]>) -> Result<Reply, WireError> {
    let (mut splitter, mut stream) = (Splitter::default(), WireStream::new(wire, &target()));
    for chunk in chunks {
        let mut events: Vec<SseEvent> = Vec::new();
        if splitter.push(chunk, |event| events.push(event)).is_err() {
            return Err(WireError::Malformed("too long".to_owned()));
        }
        for event in events {
            stream.push(&event)?;
            let _ = (stream.usage(), stream.output_bytes(), stream.is_complete());
        }
    }
    stream.finish()
}

/// A byte for the wire, and an answer's body.
pub fn provider_answer(data: &[u8]) -> bool {
    let (first, body) = choice(data);
    let Ok(body) = serde_json::from_slice::<Value>(body) else { return false };
    let _ = wire(first).usage_of(&body);
    wire(first).decode(&body, &target()).inspect(rendered).is_ok()
}

/// Any answer can be shown to clients of any wire.
fn rendered(reply: &Reply) {
    for wire in WIRES {
        let _ = wire.render_reply(reply, SHOWN);
        let _ = wire.render_stream(reply, SHOWN, true);
    }
}

/// A byte for the wire, and a request's body: what is understood can be sent to any provider, and its bound counts at
/// least its text.
pub fn client_request(data: &[u8]) -> bool {
    let (first, body) = choice(data);
    let Ok(body) = serde_json::from_slice::<Value>(body) else { return false };
    let Ok(parsed) = wire(first).parse_request(&body, "m", first >= 128) else { return false };
    let text: u64 = parsed.request.messages.iter().map(text_bytes).sum();
    for wire in WIRES {
        let sent = wire.encode(&parsed.request, &target(), parsed.stream);
        let bound = input_tokens_bound(&sent);
        assert!(bound >= text, "{wire:?}: at most {bound} tokens for {text} bytes");
    }
    true
}

/// Bytes of text that reach the model. No token is shorter than a byte.
fn text_bytes(message: &Message) -> u64 {
    match message {
        Message::System { text } => text.len() as u64,
        Message::User { content } => content.iter().map(input_bytes).sum(),
        Message::Assistant(_) | Message::Tool { .. } => 0,
    }
}

fn input_bytes(input: &Input) -> u64 {
    match input {
        Input::Text { text } => text.len() as u64,
        _ => 0,
    }
}
