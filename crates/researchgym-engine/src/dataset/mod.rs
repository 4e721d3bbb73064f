//! Datasets: fetched once, checked, kept under the hash of their content, and prepared once per grader.

mod cache;
mod download;
mod error;
mod prepared;
mod resolve;

#[cfg(test)]
mod tests;

pub use cache::{DatasetCache, Fetching};
pub use error::DatasetError;
pub use prepared::Prepared;
pub(crate) use prepared::UNFINISHED;
pub(crate) use resolve::{SystemNames, lookup};
