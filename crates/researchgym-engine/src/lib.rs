//! The hands.

pub mod catalogue;
pub mod dataset;
pub mod environment;
pub mod progress;
pub mod snapshot;
pub mod store;
