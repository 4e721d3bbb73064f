//! Folders that live as long as one grading, one check, one gateway.
//!
//! A folder is held by its owner and removed when dropped. What a killed process left is removed by its sweeper, else by
//! the next process, else by `doctor --clean`: the kernel has given its lock back, so that a folder in use is never taken
//! for a leftover.

use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use crate::hold;
use crate::snapshot::clear_folder;

/// A folder younger than this may be one whose owner is about to lock it.
const YOUNG: Duration = Duration::from_secs(60);
/// How often a folder is made anew if somebody takes it for a leftover between its making and its locking.
const ATTEMPTS: usize = 3;

/// What the names of all folders begin with that are made below the scratch folder of a home: whatever else lies there is
/// not ours.
pub(crate) const PREFIX: &str = "researchgym-";
/// What the names of folders for one grading, one check, one proxy begin with.
const FOLDER_PREFIX: &str = "researchgym-scratch-";

/// A folder of this process's own.
#[derive(Debug)]
pub struct Scratch {
    folder: TempDir,
    _lock: File,
}

impl Scratch {
    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Leaves it where it is, held by nobody.
    pub(crate) fn keep(self) -> PathBuf {
        self.folder.keep()
    }
}

/// Makes a folder for our eyes only that is removed when dropped.
///
/// # Errors
/// `parent` cannot be made or written.
pub fn folder(parent: &Path) -> io::Result<Scratch> {
    named(parent, FOLDER_PREFIX, 0o700)
}

/// Makes a folder with that mode (but for the mask), whose name begins with `prefix`, that is removed when dropped.
///
/// # Errors
/// `parent` cannot be made or written.
pub(crate) fn named(parent: &Path, prefix: &str, mode: u32) -> io::Result<Scratch> {
    std::fs::create_dir_all(parent)?;
    let mut attempts = 0;
    loop {
        attempts += 1;
        let folder = tempfile::Builder::new()
            .prefix(prefix)
            .permissions(Permissions::from_mode(mode))
            .tempdir_in(parent)
            .map_err(without_path)?;
        match hold::take_own(folder.path()) {
            Ok(lock) => return Ok(Scratch { folder, _lock: lock }),
            Err(error) if attempts == ATTEMPTS => return Err(error),
            Err(_) => {}
        }
    }
}

/// What happened, without the path that errors of temporary files end with: whoever reports one names the path already.
pub(crate) fn without_path(error: io::Error) -> io::Error {
    let text = error.to_string();
    match text.rsplit_once(" at path \"") {
        Some((what, _)) => io::Error::new(error.kind(), what.to_owned()),
        None => error,
    }
}

/// Removes what killed processes of ours left below `parent`. What cannot be removed is left to the next time.
pub(crate) fn clear_leftovers(parent: &Path) {
    clear_older_than(parent, YOUNG);
}

fn clear_older_than(parent: &Path, age: Duration) {
    let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
    let is_ours = |path: &PathBuf| {
        path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(PREFIX))
    };
    let folders: Vec<PathBuf> =
        entries.map(|entry| entry.path()).filter(is_ours).filter(|path| is_older(path, age)).collect();
    for path in folders.iter().filter(|path| !hold::is_held(path)) {
        let _ = remove_unheld(path);
    }
}

/// Removes a folder with all in it, unless somebody holds it. Follows no link.
pub(crate) fn remove_unheld(path: &Path) -> io::Result<()> {
    let _lock = hold::take_own(path)?;
    clear_folder(path).map_err(io::Error::other)?;
    std::fs::remove_dir(path)
}

fn is_older(path: &Path, age: Duration) -> bool {
    let metadata = path.symlink_metadata();
    let modified = metadata.and_then(|metadata| metadata.modified()).ok();
    modified.and_then(|modified| modified.elapsed().ok()).is_some_and(|elapsed| elapsed >= age)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_temporary_files_are_told_without_their_path() {
        let error = tempfile::tempdir_in("/nowhere-at-all").expect_err("no such folder");
        assert!(error.to_string().contains("/nowhere-at-all"), "{error}");
        let plain = without_path(error);
        assert_eq!(plain.kind(), io::ErrorKind::NotFound);
        assert_eq!(plain.to_string(), "No such file or directory (os error 2)");
        let other = io::Error::from_raw_os_error(28);
        assert_eq!(without_path(other).raw_os_error(), Some(28), "others stay as they are");
    }

    #[test]
    fn leftovers_are_removed_and_folders_in_use_are_not() {
        let parent = tempfile::tempdir().expect("a folder");
        let used = folder(parent.path()).expect("a folder");
        let gateway = named(parent.path(), "researchgym-gateway-", 0o711).expect("a folder");
        let left = parent.path().join("researchgym-scratch-left");
        let foreign = parent.path().join("thesis");
        std::fs::create_dir(&foreign).expect("a folder");
        std::fs::create_dir_all(left.join("deep")).expect("a folder");
        std::fs::write(left.join("deep/file"), "x").expect("a file");
        clear_leftovers(parent.path());
        assert!(left.is_dir(), "it may be one that is about to be locked");
        clear_older_than(parent.path(), Duration::ZERO);
        assert_eq!((left.exists(), used.path().is_dir(), gateway.path().is_dir()), (false, true, true));
        assert!(foreign.is_dir(), "what is not ours stays");
        let path = used.path().to_owned();
        drop(used);
        assert!(!path.exists());
    }
}
