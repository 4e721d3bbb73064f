//! Language models without any network: what is asked and answered, how providers write it down, what it costs.

pub mod bound;
pub mod conversation;
pub mod embedding;
pub mod failure;
pub mod keys;
pub mod message;
pub mod price;
pub mod redact;
pub mod reply;
pub mod request;
pub mod retry;
pub mod sse;
pub mod wire;

pub use self::bound::{escaped_bytes, input_tokens_bound, message_bound, settings_bound};
pub use self::conversation::{Conversation, Transcript};
pub use self::failure::{FailureKind, ModelFailure};
pub use self::message::{Input, Message, Part, Raw, ToolResult, Turn};
pub use self::price::{ModelFacts, Price};
pub use self::reply::{Reply, Stop, Tokens, Usage};
pub use self::request::{Reasoning, Request, RequestSettings, ResponseFormat, Tool, ToolChoice};
pub use self::retry::RetryPolicy;
pub use self::wire::{Target, Wire, WireError};
