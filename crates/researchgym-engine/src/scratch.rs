//! Scratch folders below the cache: what lives as long as one grading or one check.

use std::path::Path;

/// Makes a folder that is removed when dropped.
///
/// # Errors
/// `parent` cannot be made or written.
pub fn folder(parent: &Path) -> Result<tempfile::TempDir, std::io::Error> {
    std::fs::create_dir_all(parent)?;
    tempfile::Builder::new().prefix("grading-").tempdir_in(parent)
}
