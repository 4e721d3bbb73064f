//! What a gateway may keep on the disk. A call's body has up to 64 MiB: where calls cost nothing and neither steps nor
//! tokens are limited, nothing else would keep a program from filling the machine's disk.

use std::path::PathBuf;

use super::teller::Refused;
use crate::disk::Space;

/// The most bytes that a run keeps of its model calls; a program gets no further call then.
pub(crate) const MOST_KEPT: u64 = 8 << 30;

/// Where a gateway keeps bodies, and how many bytes.
#[derive(Debug)]
pub(crate) struct Room {
    folder: PathBuf,
    most: u64,
}

impl Room {
    /// Of a run, in its folder.
    pub(crate) fn of_run(folder: PathBuf) -> Room {
        Room { folder, most: MOST_KEPT }
    }

    /// As much as the disk of this folder has.
    pub(crate) fn on_disk(folder: PathBuf) -> Room {
        Room { folder, most: u64::MAX }
    }

    /// Whether a body of so many bytes may be kept beside those that are.
    pub(crate) fn check(&self, kept: u64, more: usize) -> Result<(), Refused> {
        let more = more as u64;
        if kept.saturating_add(more) > self.most {
            return Err(Refused::Full { most: self.most });
        }
        match Space::of(&self.folder) {
            Some(space) if space.free < space.floor().saturating_add(more) => {
                Err(Refused::Disk { free: space.free, folder: self.folder.clone() })
            }
            // Where the disk cannot be asked, writing will tell.
            Some(_) | None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_kept_while_there_is_room() {
        let folder = tempfile::tempdir().unwrap();
        let room = Room { folder: folder.path().to_owned(), most: 1000 };
        let full = Err(Refused::Full { most: 1000 });
        for (kept, more, expected) in [(0, 1000, Ok(())), (1, 1000, full.clone()), (u64::MAX, 1, full)] {
            assert_eq!(room.check(kept, more), expected);
        }
        // More than any disk has.
        let disk = Room::on_disk(folder.path().to_owned()).check(0, usize::MAX - 1);
        assert!(matches!(disk, Err(Refused::Disk { .. })), "{disk:?}");
    }
}
