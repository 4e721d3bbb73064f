//! The size of a working folder that no file system bounds: watched while commands run.
//!
//! The whole tree is only counted when the disk has filled by enough to matter (or after a while), and not more often than
//! counting is worth. A fast writer overshoots; the floor on the disk's free space keeps the machine alive.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags};

use crate::disk::Space;

/// How often the disk is asked while a command runs.
const INTERVAL: Duration = Duration::from_millis(250);
/// How often the tree is counted at least.
const UNCONDITIONAL: Duration = Duration::from_secs(60);
/// Growth below this is not worth a count.
const GRAIN: u64 = 4 << 20;
/// What a file counts at least: an empty one takes an inode, of which a disk has as few as of these.
const LEAST: u64 = 4 << 10;
/// A folder at a path longer than this stays open, so that what is in it has a short one.
const FAR: usize = 2000;

pub(super) struct Watch {
    folder: PathBuf,
    limit: u64,
    last: Mutex<Last>,
}

#[derive(Clone, Copy)]
struct Last {
    counted: Instant,
    took: Duration,
    used: u64,
    free: u64,
    files: u64,
}

impl Watch {
    pub(super) fn new(folder: &Path, limit: u64) -> Watch {
        let used = count(folder);
        let space = Space::of(folder);
        let free = space.map_or(u64::MAX, |space| space.free);
        let files = space.map_or(0, |space| space.files);
        let last = Last { counted: Instant::now(), took: Duration::ZERO, used, free, files };
        Watch { folder: folder.to_owned(), limit, last: Mutex::new(last) }
    }

    /// Returns when the folder has become too large since this was called, with a sentence about it.
    pub(super) async fn overflow(&self) -> String {
        // A folder that is too large already may still be worked in, but not grow: its files can be deleted then.
        let allowed = self.limit.max(self.last().used.saturating_add(GRAIN));
        loop {
            tokio::time::sleep(INTERVAL).await;
            if !self.is_suspicious() {
                continue;
            }
            let before = self.last();
            let folder = self.folder.clone();
            let started = Instant::now();
            // A count that panics is a count that was not made.
            let Ok(used) = tokio::task::spawn_blocking(move || count(&folder)).await else { continue };
            let space = Space::of(&self.folder);
            let free = space.map_or(u64::MAX, |space| space.free);
            let files = space.map_or(0, |space| space.files);
            let last = Last { counted: Instant::now(), took: started.elapsed(), used, free, files };
            *self.last.lock().unwrap_or_else(PoisonError::into_inner) = last;
            if used > allowed {
                return format!(
                    "the workspace is larger than {} MiB: what ran was killed, delete files before going on",
                    self.limit >> 20
                );
            }
            let floor = space.map_or(0, Space::floor);
            if free < floor && used > before.used + GRAIN {
                return "the disk of this machine is almost full: what ran was killed".to_owned();
            }
        }
    }

    fn last(&self) -> Last {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_suspicious(&self) -> bool {
        let last = self.last();
        let since = last.counted.elapsed();
        if since < last.took * 20 {
            return false;
        }
        let space = Space::of(&self.folder);
        let bytes = last.free.saturating_sub(space.map_or(u64::MAX, |space| space.free));
        let files = last.files.saturating_sub(space.map_or(u64::MAX, |space| space.files));
        let grown = bytes.max(files.saturating_mul(LEAST));
        let room = self.limit.saturating_sub(last.used);
        grown > GRAIN && grown > room / 4 || since > UNCONDITIONAL
    }
}

/// Bytes that the tree takes on disk, where no file takes less than [`LEAST`]. Follows no link; what cannot be looked at is
/// left out.
fn count(folder: &Path) -> u64 {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    let Ok(root) = rustix::fs::open(folder, flags, Mode::empty()) else { return 0 };
    let mut total = 0;
    let mut linked = HashSet::new();
    // Folders, each by its path from one above it that is open: no depth hides files from the count.
    let mut pending = vec![(Rc::new(root), PathBuf::from("."))];
    while let Some((above, path)) = pending.pop() {
        let opened = rustix::fs::openat2(&*above, &path, flags, Mode::empty(), resolve);
        let Ok(opened) = opened.map(Rc::new) else { continue };
        let Ok(entries) = Dir::read_from(&*opened) else { continue };
        let is_far = path.as_os_str().len() > FAR;
        let (above, path) = if is_far { (Rc::clone(&opened), PathBuf::from(".")) } else { (above, path) };
        for entry in entries.flatten() {
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let Ok(status) = rustix::fs::statat(&*opened, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
            if FileType::from_raw_mode(status.st_mode) == FileType::Directory {
                use std::os::unix::ffi::OsStrExt as _;
                pending.push((Rc::clone(&above), path.join(std::ffi::OsStr::from_bytes(name.to_bytes()))));
            } else if status.st_nlink > 1 && !linked.insert(status.st_ino) {
                continue;
            }
            total += (status.st_blocks as u64 * 512).max(LEAST);
        }
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_deeper_than_a_path_can_say_is_counted() {
        let folder = tempfile::tempdir().unwrap();
        let name = "d".repeat(200);
        let mut inner = rustix::fs::open(folder.path(), OFlags::PATH, Mode::empty()).unwrap();
        for _ in 0..50 {
            rustix::fs::mkdirat(&inner, &name, Mode::from_raw_mode(0o755)).unwrap();
            inner = rustix::fs::openat(&inner, &name, OFlags::PATH, Mode::empty()).unwrap();
        }
        let flags = OFlags::WRONLY | OFlags::CREATE;
        let file = rustix::fs::openat(&inner, "big", flags, Mode::from_raw_mode(0o644)).unwrap();
        std::io::Write::write_all(&mut std::fs::File::from(file), &vec![1; 1 << 20]).unwrap();
        assert!(count(folder.path()) >= 1 << 20);
        crate::snapshot::clear_folder(folder.path()).unwrap();
    }

    #[test]
    fn empty_files_are_not_free() {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..300 {
            std::fs::write(folder.path().join(number.to_string()), "").unwrap();
        }
        assert!((300 * LEAST..310 * LEAST).contains(&count(folder.path())));
    }

    #[test]
    fn links_count_once_and_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("a"), vec![1; 1 << 20]).unwrap();
        std::fs::hard_link(path("a"), path("b")).unwrap();
        std::os::unix::fs::symlink("/usr", path("c")).unwrap();
        let used = count(folder.path());
        assert!(((1 << 20)..(1 << 20) + (64 << 10)).contains(&used), "{used}");
    }
}
