//! The lock that keeps two processes off one run. The kernel releases it when its owner dies, so none is ever stale.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::StoreError;
use crate::hold;

/// The file's name in the run's folder.
pub(crate) const LOCK: &str = "lock";

/// A run taken for this process; given back when dropped.
#[derive(Debug)]
pub struct RunLock {
    file: File,
}

impl RunLock {
    pub(super) fn take(root: &Path) -> Result<RunLock, StoreError> {
        let path = root.join(LOCK);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.open(&path).map_err(StoreError::io("open", &path))?;
        match patiently(&file) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                return Err(StoreError::Locked { path: root.to_owned(), pid: owner(&mut file) });
            }
            Err(errno) => return Err(StoreError::io("lock", &path)(errno.into())),
        }
        // The number is a courtesy to whoever comes second; on a full disk the lock holds without it.
        let _ = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(RunLock { file })
    }

    /// Looks without creating anything; a shared lock is asked for and given back at once.
    pub(super) fn is_held(root: &Path) -> bool {
        hold::is_held(&root.join(LOCK))
    }
}

impl Drop for RunLock {
    fn drop(&mut self) {
        // Closing alone would not do it while a child between fork and exec still holds the descriptor.
        let _ = flock(&self.file, FlockOperation::Unlock);
    }
}

/// Whoever only looks whether a run is held, as `list` and `doctor` do, holds it for some microseconds.
fn patiently(file: &File) -> rustix::io::Result<()> {
    let begun = Instant::now();
    loop {
        match flock(file, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) if begun.elapsed() < hold::GLANCE => {
                std::thread::sleep(Duration::from_millis(2));
            }
            other => return other,
        }
    }
}

fn owner(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
