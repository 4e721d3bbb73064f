//! Why a task cannot be used.
use researchgym_core::failure::{Boundary, Failure};
use std::path::PathBuf;
/// Why
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// x
    #[error("{0}")]
    Missing(PathBuf),
}
impl From<CatalogueError> for Failure {
    fn from(error: CatalogueError) -> Failure {
        Failure::new(Boundary::Task, error.to_string())
    }
}
