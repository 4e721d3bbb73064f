//! The hands.

pub mod snapshot;
pub mod store;
