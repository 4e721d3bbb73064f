//! Who holds a lock. That one is held is asked of the lock itself; the number of its holder is a courtesy.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::{Holder, Kind, Remains, Way};
use crate::hold;

/// Whole-file locks of processes that can be seen, as `/proc/locks` lists them.
pub(super) struct Locks {
    holders: HashMap<(u64, u64), u32>,
}

impl Locks {
    pub(super) fn read(table: &str) -> Locks {
        Locks { holders: table.lines().filter_map(entry).collect() }
    }

    /// Who holds the file or folder.
    pub(super) fn holder(&self, path: &Path) -> Holder {
        match hold::is_held(path) {
            true => Holder::Live { pid: self.pid(path) },
            false => Holder::Nobody,
        }
    }

    /// The thing at a path that is locked as long as it is used.
    pub(super) fn remains(&self, kind: Kind, path: &Path, way: Way) -> Remains {
        let what = path.display().to_string();
        match self.holder(path) {
            Holder::Live { pid } => Remains::live(kind, what, pid),
            Holder::User | Holder::Nobody => Remains::left_with(kind, what, way),
        }
    }

    fn pid(&self, path: &Path) -> Option<u32> {
        let metadata = path.symlink_metadata().ok()?;
        self.holders.get(&(metadata.dev(), metadata.ino())).copied()
    }
}

/// `1: FLOCK  ADVISORY  WRITE 6563 fe:00:10159126 0 EOF`; waiting ones have `->` in the second place.
fn entry(line: &str) -> Option<((u64, u64), u32)> {
    let mut fields = line.split_ascii_whitespace().skip(1);
    if fields.next()? != "FLOCK" {
        return None;
    }
    let (pid, file) = (fields.nth(2)?.parse().ok()?, fields.next()?);
    let mut parts = file.split(':');
    let mut hexadecimal = || u32::from_str_radix(parts.next()?, 16).ok();
    let device = rustix::fs::makedev(hexadecimal()?, hexadecimal()?);
    Some(((device, parts.next()?.parse().ok()?), pid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_are_read_from_the_table() {
        let table = "\
1: POSIX  ADVISORY  WRITE 7 fe:00:11 0 EOF
2: FLOCK  ADVISORY  WRITE 6563 fe:01:10159126 0 EOF
2: -> FLOCK  ADVISORY  WRITE 8 fe:01:10159126 0 EOF
nonsense";
        let expected = HashMap::from([((rustix::fs::makedev(0xfe, 1), 10_159_126), 6563)]);
        assert_eq!(Locks::read(table).holders, expected);
    }

    #[test]
    fn our_own_lock_is_ours() {
        let folder = tempfile::tempdir().expect("a folder");
        let held = hold::take(folder.path()).expect("it is free");
        let table = std::fs::read_to_string("/proc/locks").expect("Linux has it");
        let holder = Locks::read(&table).holder(folder.path());
        // On a file system of several devices the number is not found.
        assert!(matches!(holder, Holder::Live { pid } if pid.is_none_or(|pid| pid == std::process::id())));
        drop(held);
        assert_eq!(Locks::read(&table).holder(folder.path()), Holder::Nobody);
    }
}
