//! The wire of Anthropic's Messages API (`POST /v1/messages`).
//!
//! Facts are from the API's reference and the official clients' types as of November 2026. What the wire cannot say is
//! left out: a request has no seed and no log-probabilities. Tools that the provider runs itself are not offered by
//! [`encode`] and refused by [`parse_request`]; their blocks in an answer are kept in its raw items.

mod decode;
mod encode;
mod parse;
mod render;
mod stream;
#[cfg(test)]
mod tests;

pub use self::decode::{decode, usage_of};
pub use self::encode::encode;
pub use self::parse::parse_request;
pub use self::render::{render_error, render_reply, render_stream};
pub use self::stream::Stream;
