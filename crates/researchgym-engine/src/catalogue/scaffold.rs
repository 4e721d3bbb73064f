//! New.
use super::CatalogueError;
use std::path::{Path, PathBuf};
/// new
pub fn scaffold(name: &str, folder: &Path) -> Result<PathBuf, CatalogueError> {
    Err(CatalogueError::Missing(folder.join(name)))
}
