//! The four forms in which providers are spoken to. Each is a file of pure functions in both directions: as a client
//! (encode a request, decode an answer or its stream) and as a server (parse a request, render an answer or its stream).

mod calls;
pub mod chat;
mod dispatch;
mod fields;
mod format;
pub mod gemini;
mod lost;
pub mod messages;
mod openai;
pub mod responses;
#[cfg(test)]
mod strategies;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::request::Request;

pub use self::dispatch::{Shown, WireStream};

/// A form of request and answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Wire {
    /// OpenAI chat completions, also spoken by most other servers.
    Chat,
    /// OpenAI responses.
    Responses,
    /// Anthropic messages.
    Messages,
    /// Gemini generateContent.
    Gemini,
}

impl Wire {
    /// The name used in settings and messages.
    pub fn name(self) -> &'static str {
        match self {
            Wire::Chat => "chat",
            Wire::Responses => "responses",
            Wire::Messages => "messages",
            Wire::Gemini => "gemini",
        }
    }
}

/// Who is asked, as far as it shapes the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// `provider/model`.
    pub name: String,
    /// The model's name as the provider knows it.
    pub model: String,
}

/// A client's request, understood.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    /// The model that is asked for, as the client named it.
    pub model: String,
    /// Whether the answer is to be a stream.
    pub stream: bool,
    /// Whether the stream is to tell the usage.
    pub include_usage: bool,
    /// What is asked.
    pub request: Request,
}

/// Bytes of a provider or a client are not what the wire says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// A key is missing or has the wrong type, or the bytes are no JSON.
    #[error("{0}")]
    Malformed(String),
    /// The stream ended before the answer did.
    #[error("the stream broke off before its end")]
    CutOff,
    /// The provider reported an error within a stream.
    #[error("the provider reported: {message}")]
    Provider {
        /// The provider's kind, such as `overloaded_error`; may be empty.
        kind: String,
        /// Its words.
        message: String,
    },
}
