//! The functions of the four forms, by form.

use serde_json::Value;

use super::{Parsed, Target, Wire, WireError, chat, gemini, messages, responses};
use crate::model::reply::{Reply, Usage};
use crate::model::request::Request;
use crate::model::sse::SseEvent;

/// A stream of answers that is read, in one of the forms.
#[derive(Debug)]
pub enum WireStream {
    /// See [`chat::Stream`].
    Chat(chat::Stream),
    /// See [`responses::Stream`].
    Responses(responses::Stream),
    /// See [`messages::Stream`].
    Messages(messages::Stream),
    /// See [`gemini::Stream`].
    Gemini(gemini::Stream),
}

/// How an answer is shown to a client.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    /// The model's name as the client has it.
    pub model: &'a str,
    /// The answer's id.
    pub id: &'a str,
    /// Seconds since 1970.
    pub created: u64,
}

impl Wire {
    /// Writes a request down.
    pub fn encode(self, request: &Request, target: &Target, stream: bool) -> Value {
        match self {
            Wire::Chat => chat::encode(request, target, stream),
            Wire::Responses => responses::encode(request, target, stream),
            Wire::Messages => messages::encode(request, target, stream),
            Wire::Gemini => gemini::encode(request, target, stream),
        }
    }

    /// Reads an answer that came in one piece.
    ///
    /// # Errors
    /// It is no answer in this form, or an error of the provider.
    pub fn decode(self, body: &Value, target: &Target) -> Result<Reply, WireError> {
        match self {
            Wire::Chat => chat::decode(body, target),
            Wire::Responses => responses::decode(body, target),
            Wire::Messages => messages::decode(body, target),
            Wire::Gemini => gemini::decode(body, target),
        }
    }

    /// Finds the usage in an answer or in an event of a stream.
    pub fn usage_of(self, value: &Value) -> Option<Usage> {
        match self {
            Wire::Chat => chat::usage_of(value),
            Wire::Responses => responses::usage_of(value),
            Wire::Messages => messages::usage_of(value),
            Wire::Gemini => gemini::usage_of(value),
        }
    }

    /// Reads a client's request. Gemini's form has model and stream in the path; the others do not look at them.
    ///
    /// # Errors
    /// It is no request in this form, or asks for what has no form here.
    pub fn parse_request(self, body: &Value, model: &str, stream: bool) -> Result<Parsed, WireError> {
        match self {
            Wire::Chat => chat::parse_request(body),
            Wire::Responses => responses::parse_request(body),
            Wire::Messages => messages::parse_request(body),
            Wire::Gemini => gemini::parse_request(body, model, stream),
        }
    }

    /// Writes an answer for a client.
    pub fn render_reply(self, reply: &Reply, shown: Shown<'_>) -> Value {
        let Shown { model, id, created } = shown;
        match self {
            Wire::Chat => chat::render_reply(reply, model, id, created),
            Wire::Responses => responses::render_reply(reply, model, id, created),
            Wire::Messages => messages::render_reply(reply, model, id, created),
            Wire::Gemini => gemini::render_reply(reply, model, id, created),
        }
    }

    /// Writes an answer for a client as the events of a stream.
    pub fn render_stream(self, reply: &Reply, shown: Shown<'_>, include_usage: bool) -> Vec<SseEvent> {
        let Shown { model, id, created } = shown;
        match self {
            Wire::Chat => chat::render_stream(reply, model, id, created, include_usage),
            Wire::Responses => responses::render_stream(reply, model, id, created, include_usage),
            Wire::Messages => messages::render_stream(reply, model, id, created, include_usage),
            Wire::Gemini => gemini::render_stream(reply, model, id, created, include_usage),
        }
    }

    /// Writes an error for a client; an empty kind is the usual one of the status.
    pub fn render_error(self, status: u16, kind: &str, code: Option<&str>, message: &str) -> Value {
        match self {
            Wire::Chat => chat::render_error(status, kind, code, message),
            Wire::Responses => responses::render_error(status, kind, code, message),
            Wire::Messages => messages::render_error(status, kind, code, message),
            Wire::Gemini => gemini::render_error(status, kind, code, message),
        }
    }
}

impl WireStream {
    /// Begins to read a stream.
    pub fn new(wire: Wire, target: &Target) -> WireStream {
        match wire {
            Wire::Chat => WireStream::Chat(chat::Stream::new(target)),
            Wire::Responses => WireStream::Responses(responses::Stream::new(target)),
            Wire::Messages => WireStream::Messages(messages::Stream::new(target)),
            Wire::Gemini => WireStream::Gemini(gemini::Stream::new(target)),
        }
    }

    /// Takes one event.
    ///
    /// # Errors
    /// It is no event of this form, or an error of the provider.
    pub fn push(&mut self, event: &SseEvent) -> Result<(), WireError> {
        match self {
            WireStream::Chat(stream) => stream.push(event),
            WireStream::Responses(stream) => stream.push(event),
            WireStream::Messages(stream) => stream.push(event),
            WireStream::Gemini(stream) => stream.push(event),
        }
    }

    /// What is known of the usage so far.
    pub fn usage(&self) -> Option<Usage> {
        match self {
            WireStream::Chat(stream) => stream.usage(),
            WireStream::Responses(stream) => stream.usage(),
            WireStream::Messages(stream) => stream.usage(),
            WireStream::Gemini(stream) => stream.usage(),
        }
    }

    /// Bytes of text, thinking and arguments so far.
    pub fn output_bytes(&self) -> u64 {
        match self {
            WireStream::Chat(stream) => stream.output_bytes(),
            WireStream::Responses(stream) => stream.output_bytes(),
            WireStream::Messages(stream) => stream.output_bytes(),
            WireStream::Gemini(stream) => stream.output_bytes(),
        }
    }

    /// Whether the answer is whole.
    pub fn is_complete(&self) -> bool {
        match self {
            WireStream::Chat(stream) => stream.is_complete(),
            WireStream::Responses(stream) => stream.is_complete(),
            WireStream::Messages(stream) => stream.is_complete(),
            WireStream::Gemini(stream) => stream.is_complete(),
        }
    }

    /// Gives the answer.
    ///
    /// # Errors
    /// It is not whole.
    pub fn finish(self) -> Result<Reply, WireError> {
        match self {
            WireStream::Chat(stream) => stream.finish(),
            WireStream::Responses(stream) => stream.finish(),
            WireStream::Messages(stream) => stream.finish(),
            WireStream::Gemini(stream) => stream.finish(),
        }
    }
}
