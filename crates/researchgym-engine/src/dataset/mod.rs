//! Datasets: fetched once, checked, kept under the hash of their content, and prepared once per grader.

mod cache;
mod error;
mod prepared;

pub use cache::{DatasetCache, Fetching};
pub use error::DatasetError;
pub use prepared::Prepared;
