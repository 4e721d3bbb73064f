//! Python environments, made by `uv` from a task's locked requirements and kept under the hash of what they are made of.

mod build;
mod cache;
mod error;
mod foreign;

#[cfg(test)]
mod tests;

pub(crate) use build::DESCRIBE;
pub use cache::{Environments, Finish};
pub use error::EnvironmentError;
