//! OpenAI responses, without any state on the server: every request carries the whole conversation.
//!
//! Limits: no tools but functions, no files, no sound. Stop texts, a seed, a budget of thinking tokens and a request to
//! cache have no key here and are left out; thinking is sent back only to the model that wrote it, within its raw items.

mod decode;
mod encode;
mod namespace;
mod parse;
mod render;
mod stream;
#[cfg(test)]
mod tests;

pub use self::decode::{decode, usage_of};
pub use self::encode::encode;
pub use self::namespace::{Namespaces, namespaces};
pub use self::parse::parse_request;
pub use self::render::{render_reply, render_stream};
pub use self::stream::Stream;
pub use super::openai::render_error;
