//! Language models as they are reached: who serves them, with which key, and the one HTTP client.

mod client;
mod door;
mod endpoint;

pub use self::client::{Answer, Client, Timing};
pub use self::door::{Attempted, Door};
pub use self::endpoint::{Auth, Backend, Endpoint, Secret};
