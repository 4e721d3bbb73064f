//! Half-written files in a run's folder, of whoever was killed while it wrote. Only the holder of the run's lock removes them.

use std::fs;
use std::path::{Path, PathBuf};

use super::StoreError;

/// What the names of half-written files begin with: blobs and derived files, and output on its way to a blob.
const PREFIXES: [&str; 2] = [".new-", ".output-"];

/// Whether a name is that of a half-written file.
pub(crate) fn is_unfinished(name: &str) -> bool {
    PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// All of them, in the folder itself and among the blobs.
pub(crate) fn unfinished(run: &Path) -> Vec<PathBuf> {
    let entries = [run.to_owned(), run.join("blobs")].map(fs::read_dir).into_iter().flatten().flatten();
    entries
        .flatten()
        .filter(|entry| entry.file_name().to_str().is_some_and(is_unfinished))
        .map(|entry| entry.path())
        .collect()
}

/// Removes them.
pub(crate) fn remove_unfinished(run: &Path) -> Result<(), StoreError> {
    for path in unfinished(run) {
        fs::remove_file(&path).map_err(StoreError::io("remove", &path))?;
    }
    Ok(())
}
