//! Files of a tree that an agent wrote which have another name somewhere.

use std::path::Path;

use super::SnapshotError;
use super::beneath::{open_folder, open_root, stat};
use super::walk::shown;

/// Those of the given files, relative to `root`, that have more than one name. What is gone meanwhile has none.
///
/// # Errors
/// The folder itself cannot be opened.
pub fn hard_linked<'a>(
    root: &Path,
    files: impl Iterator<Item = &'a String>,
) -> Result<Vec<String>, SnapshotError> {
    let opened = open_root(root).map_err(SnapshotError::io("open", root))?;
    let is_linked = |path: &&'a String| {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        let found = open_folder(&opened, parent.as_bytes()).and_then(|folder| stat(&folder, name));
        found.is_ok_and(|stat| stat.st_nlink > 1)
    };
    Ok(files.filter(is_linked).map(|path| shown(path.as_bytes())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_with_another_name_are_told() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("in")).unwrap();
        for name in ["one", "two", "in/three"] {
            std::fs::write(folder.path().join(name), name).unwrap();
        }
        std::fs::hard_link(folder.path().join("two"), folder.path().join("in/other")).unwrap();
        let files = ["one", "two", "in/three", "in/other", "gone"].map(str::to_owned);
        assert_eq!(hard_linked(folder.path(), files.iter()).unwrap(), ["two", "in/other"]);
    }
}
