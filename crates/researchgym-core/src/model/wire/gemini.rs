//! The wire of Gemini's `generateContent` and `streamGenerateContent?alt=sse`.
//!
//! Facts are from the API's reference and the official clients' types as of November 2026. The model and whether the
//! answer is a stream are in the address, not in the body. What the wire cannot say is left out: whether several tools
//! may be called at once, and prompt caching, which needs no asking. Of several candidates only the first is read.

mod decode;
mod encode;
mod parse;
mod render;
mod schema;
mod stream;
#[cfg(test)]
mod tests;

pub use self::decode::{decode, usage_of};
pub use self::encode::encode;
pub use self::parse::parse_request;
pub use self::render::{render_error, render_reply, render_stream};
pub use self::stream::Stream;
