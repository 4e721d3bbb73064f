//! Python environments, made by `uv` from a task's locked requirements and kept under the hash of what they are made of.

mod build;
mod cache;
mod error;

#[cfg(test)]
mod tests;

pub use cache::Environments;
pub(crate) use cache::UNFINISHED;
pub use error::EnvironmentError;
