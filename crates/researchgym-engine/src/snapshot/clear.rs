//! Emptying a folder that an agent filled, however deep it is.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Mode, chmodat, renameat, unlinkat};

use super::SnapshotError;
use super::beneath::{kind, open_folder, open_root, stat};
use super::walk::names;

/// How many names are listed at a time: a folder may hold millions.
const BATCH: u64 = 10_000;

/// Removes everything in `path` and keeps the folder itself. Nobody may work in it any more. Links are removed, not
/// followed; depth costs neither stack nor descriptors, because inner folders are first moved up to the top.
pub fn clear_folder(path: &Path) -> Result<(), SnapshotError> {
    let root = open_root(path).map_err(SnapshotError::io("open", path))?;
    let mut moved: u64 = 0;
    loop {
        let (names, all) = names(&root, BATCH).map_err(SnapshotError::io("read", path))?;
        for name in &names {
            remove(&root, name, &mut moved).map_err(SnapshotError::io("clear", path))?;
        }
        if all && names.is_empty() {
            return Ok(());
        }
    }
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
