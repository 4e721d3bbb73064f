//! Why.
use researchgym_core::failure::{Boundary, Failure};
use std::path::PathBuf;
/// Why
#[derive(Debug, thiserror::Error)]
pub enum EnvironmentError {
    /// x
    #[error("{0}")]
    Missing(PathBuf),
}
impl From<EnvironmentError> for Failure {
    fn from(error: EnvironmentError) -> Failure {
        Failure::new(Boundary::Task, error.to_string())
    }
}
