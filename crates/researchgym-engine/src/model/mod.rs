//! Language models as they are reached: who serves them, with which key, and the one HTTP client.

mod client;
mod endpoint;

pub use self::client::{Answer, Client, Timing};
pub use self::endpoint::{Auth, Backend, Endpoint, Secret};
