//! Emptying a folder that an agent filled, however deep it is.

use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, chmodat, renameat, unlinkat};

use super::SnapshotError;
use super::beneath::{kind, open_folder, open_root, stat};
use super::walk::names;

/// How many names are listed at a time: a folder may hold millions.
const BATCH: u64 = 10_000;

/// Removes everything in `path` and keeps the folder itself. Nobody may work in it any more. Links are removed, not
/// followed; depth costs neither stack nor descriptors, because inner folders are first moved up to the top.
pub fn clear_folder(path: &Path) -> Result<(), SnapshotError> {
    clear_folder_but(path, &[])
}

/// As [`clear_folder`], but keeps `kept` (plain relative paths) and the folders above them: mount points of a sandbox.
pub(crate) fn clear_folder_but(path: &Path, kept: &[PathBuf]) -> Result<(), SnapshotError> {
    let root = open_root(path).map_err(SnapshotError::io("open", path))?;
    let failed = |error| SnapshotError::io("clear", path)(error);
    let mut moved: u64 = 0;
    loop {
        let (mut names, all) = names(&root, BATCH).map_err(SnapshotError::io("read", path))?;
        names.retain(|name| !kept.iter().any(|kept| kept.as_os_str().as_bytes() == name));
        let mut removed = 0;
        for name in &names {
            let below: Vec<PathBuf> = kept.iter().filter_map(|kept| below(kept, name)).collect();
            let is_kept = !below.is_empty()
                && kind(&stat(&root, name.as_slice()).map_err(failed)?) == FileType::Directory;
            if is_kept {
                chmodat(&root, name.as_slice(), Mode::from_raw_mode(0o755), AtFlags::empty())
                    .map_err(|errno| failed(errno.into()))?;
                clear_folder_but(&path.join(OsStr::from_bytes(name)), &below)?;
            } else {
                remove(&root, name, &mut moved).map_err(failed)?;
                removed += 1;
            }
        }
        if all && removed == 0 {
            return Ok(());
        }
    }
}

/// The rest of a path that begins with a folder of that name.
fn below(path: &Path, name: &[u8]) -> Option<PathBuf> {
    Some(path.strip_prefix(OsStr::from_bytes(name)).ok()?.to_path_buf())
}

/// Removes one entry of the root. The folders in it become entries of the root.
fn remove(root: &OwnedFd, name: &[u8], moved: &mut u64) -> io::Result<()> {
    if kind(&stat(root, name)?) != FileType::Directory {
        return Ok(unlinkat(root, name, AtFlags::empty())?);
    }
    let folder = open_unlocked(root, name)?;
    loop {
        let (inner, all) = names(&folder, BATCH)?;
        for inner in &inner {
            if kind(&stat(&folder, inner.as_slice())?) != FileType::Directory {
                unlinkat(&folder, inner.as_slice(), AtFlags::empty())?;
                continue;
            }
            // A folder that may not be written cannot be moved by its owner.
            open_unlocked(&folder, inner)?;
            move_up(&folder, inner, root, moved)?;
        }
        if all {
            return Ok(unlinkat(root, name, AtFlags::REMOVEDIR)?);
        }
    }
}

fn open_unlocked(folder: &OwnedFd, name: &[u8]) -> io::Result<OwnedFd> {
    if stat(folder, name)?.st_mode & 0o700 != 0o700 {
        chmodat(folder, name, Mode::from_raw_mode(0o700), AtFlags::empty())?;
    }
    open_folder(folder, name)
}

fn move_up(folder: &OwnedFd, name: &[u8], root: &OwnedFd, moved: &mut u64) -> io::Result<()> {
    loop {
        *moved += 1;
        let target = format!(".cleared-{moved}");
        // Renaming replaces an empty folder of that name, which is as good; anything else is in the way.
        match renameat(folder, name, root, &target) {
            Ok(()) => return Ok(()),
            Err(rustix::io::Errno::EXIST | rustix::io::Errno::NOTEMPTY | rustix::io::Errno::NOTDIR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn mount_points_stay_and_nothing_else_does() {
        let folder = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("precious"), "").unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(path("data/deep/er")).unwrap();
        std::fs::create_dir_all(path("other/deep")).unwrap();
        for name in ["data/points.csv", "data/added", "target.py", "solve.py", "other/deep/file"] {
            std::fs::write(path(name), name).unwrap();
        }
        symlink(outside.path(), path("data/link")).unwrap();
        symlink(outside.path(), path("gone")).unwrap();
        std::fs::set_permissions(path("data"), std::fs::Permissions::from_mode(0o000)).unwrap();
        let kept = ["data/points.csv", "target.py", "gone/below"].map(PathBuf::from);
        clear_folder_but(folder.path(), &kept).unwrap();
        let mut left: Vec<PathBuf> = Vec::new();
        for folder in [folder.path().to_path_buf(), path("data")] {
            left.extend(std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()));
        }
        left.sort_unstable();
        assert_eq!(left, [path("data"), path("data/points.csv"), path("target.py")]);
        assert!(outside.path().join("precious").exists());
        clear_folder(folder.path()).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
