//! OpenAI chat completions, as its own servers and the many others that speak it write them.
//!
//! Limits: one choice; no sound, no files, no tools but functions. A budget of thinking tokens and a request to cache
//! have no key here and are left out; thinking is sent back only to the model that wrote it, within its raw message.

mod decode;
mod encode;
mod merge;
mod parse;
mod render;
mod stream;
#[cfg(test)]
mod tests;

pub use self::decode::{decode, usage_of};
pub use self::encode::encode;
pub use self::parse::parse_request;
pub use self::render::{render_reply, render_stream};
pub use self::stream::Stream;
pub use super::openai::render_error;
