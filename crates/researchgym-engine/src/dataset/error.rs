//! Why.
use researchgym_core::failure::{Boundary, Failure};
use std::path::PathBuf;
/// Why
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// x
    #[error("{0}")]
    Missing(PathBuf),
}
impl From<DatasetError> for Failure {
    fn from(error: DatasetError) -> Failure {
        Failure::new(Boundary::Task, error.to_string())
    }
}
