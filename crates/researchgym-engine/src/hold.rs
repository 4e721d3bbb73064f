//! Holding a file or folder: a lock that the kernel gives back when its holder dies, so that none is ever stale.
//!
//! Everything that would outlive a killed process is held so, and what nobody holds belongs to nobody. Unlike numbers of
//! processes, it holds across process-id and time namespaces.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, Mode, OFlags, flock};
use rustix::io::Errno;

/// How long a lock may be held before it counts as taken.
pub(crate) const GLANCE: Duration = Duration::from_millis(100);

/// Takes what is at the path until the file is dropped. An error if another holds it, or if it was replaced meanwhile.
pub(crate) fn take(path: &Path) -> io::Result<File> {
    let file = open(path)?;
    flock(&file, FlockOperation::NonBlockingLockExclusive)?;
    let (held, there) = (file.metadata()?, path.symlink_metadata()?);
    match (held.dev(), held.ino()) == (there.dev(), there.ino()) {
        true => Ok(file),
        false => Err(io::ErrorKind::NotFound.into()),
    }
}

/// Takes what this process has just made. Somebody may be looking whether it is held, as `doctor` does: that takes some
/// microseconds and is waited for.
pub(crate) fn take_own(path: &Path) -> io::Result<File> {
    let begun = Instant::now();
    loop {
        match take(path) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && begun.elapsed() < GLANCE => {
                std::thread::sleep(Duration::from_millis(1));
            }
            other => return other,
        }
    }
}

/// Whether somebody holds it at this moment. Asks for a shared lock and gives it back at once.
pub(crate) fn is_held(path: &Path) -> bool {
    let Ok(file) = open(path) else { return false };
    flock(&file, FlockOperation::NonBlockingLockShared) == Err(Errno::WOULDBLOCK)
}

/// Opens a regular file of a folder that may be a stranger's: follows no link, and waits for no FIFO.
pub(crate) fn open_file(path: &Path) -> io::Result<File> {
    let file = open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file")),
    }
}

/// Never follows a link, and waits for no FIFO.
fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::open(path, flags, Mode::empty())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_held_by_one() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(!is_held(folder.path()));
        let held = take(folder.path()).expect("it is free");
        assert!(is_held(folder.path()) && take(folder.path()).is_err());
        drop(held);
        assert!(!is_held(folder.path()) && !is_held(&folder.path().join("absent")));
    }
}
