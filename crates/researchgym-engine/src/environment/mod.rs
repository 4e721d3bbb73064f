//! Python environments, made by `uv` from a task's locked requirements and kept under the hash of what they are made of.

mod cache;
mod error;

pub use cache::Environments;
pub use error::EnvironmentError;
