//! Room on a disk, and how much of it is left to the machine.

use std::path::Path;

/// Free space that is left to the machine: so much, but not more than a twentieth of a small disk.
const FLOOR: u64 = 256 << 20;

/// The bytes of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Space {
    /// What we may still write.
    pub(crate) free: u64,
    /// All of it.
    pub(crate) total: u64,
    /// Files that can still be made; 0 where the file system does not limit them.
    pub(crate) files: u64,
}

impl Space {
    /// Of the disk that a folder is on, if it can be told.
    pub(crate) fn of(folder: &Path) -> Option<Space> {
        let status = rustix::fs::statvfs(folder).ok()?;
        let (free, total) = (status.f_bavail * status.f_frsize, status.f_blocks * status.f_frsize);
        Some(Space { free, total, files: status.f_favail })
    }

    /// What must stay free.
    pub(crate) fn floor(self) -> u64 {
        FLOOR.min(self.total / 20)
    }
}
