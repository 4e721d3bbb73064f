//! Language models as they are reached: who serves them, with which key, and the one HTTP client.

mod attempt;
pub mod cassette;
mod client;
mod door;
mod embedding;
mod endpoint;
pub mod fake_provider;
mod invariants;
mod keys;
pub mod registry;
pub(crate) mod relayed;
pub mod scripted;
pub mod settings;

pub use self::attempt::{Attempted, Question, ask, next_step};
pub(crate) use self::client::is_loopback;
pub use self::client::{Answer, Client, NoAnswer, Timing};
pub use self::door::Door;
pub use self::embedding::{EmbeddingAttempted, embed};
pub use self::endpoint::{Auth, Backend, Endpoint, Scripted, Secret};
pub use self::keys::{FoundKey, Origin, Variables, keep_private};
pub use self::registry::{ModelError, Registry, read_prices};
