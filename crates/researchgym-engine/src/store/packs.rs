//! Packs: files in a run's `blobs/` that hold many small contents, one after the other.
//!
//! A search keeps a prompt, a change and a manifest for every candidate. A file for each costs more than making the
//! candidate: its name in the folder, and a wait for the disk of its own. So who writes for a search appends them to
//! `pack-1`, the next who does to `pack-2`, and so on. A record is the length of the content (four bytes, the least
//! significant first), its SHA-256, and the content; there is no index, and readers hop from record to record.
//!
//! A pack has one writer, who begins a new one, and is never written to again afterwards. What a power cut or a full disk
//! has left at the end of one is no record, and nobody looks behind it: events name only what was on the disk before them.

use std::collections::{BTreeSet, HashMap};
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use researchgym_core::digest::Digest;

use super::StoreError;
use super::folder::sync_folder;
use crate::hold;

/// Larger contents have a file of their own.
pub(super) const PACKED_BYTES: usize = 64 << 10;

const NAME: &str = "pack-";
/// Of a record: length and hash.
const HEAD: usize = 4 + 32;

/// Whether a file among the blobs is a pack.
pub(crate) fn is_pack(name: &str) -> bool {
    let number = name.strip_prefix(NAME);
    number.is_some_and(|number| {
        !number.starts_with('0') && number.len() < 10 && number.bytes().all(|byte| byte.is_ascii_digit())
    }) && name.len() > NAME.len()
}

/// Reads a pack and compares each content with its name. What is no whole record at its end is nobody's.
///
/// # Errors
/// A content was altered, or the pack cannot be read.
pub(crate) fn check_pack(path: &Path) -> Result<(), StoreError> {
    let file = hold::open_file(path).map_err(StoreError::io("open", path))?;
    let end = file.metadata().map_err(StoreError::io("read", path))?.len();
    let mut at = 0;
    while let Some((digest, length)) = record(&file, at, end).map_err(StoreError::io("read", path))? {
        let mut content = vec![0; length as usize];
        file.read_exact_at(&mut content, at + HEAD as u64).map_err(StoreError::io("read", path))?;
        if Digest::of(&content) != digest {
            return Err(StoreError::PackAltered { path: path.to_owned(), digest });
        }
        at += HEAD as u64 + u64::from(length);
    }
    Ok(())
}

/// Name and length of the record that begins there; nothing if none does, or the rest of it is not there.
fn record(file: &File, at: u64, end: u64) -> io::Result<Option<(Digest, u32)>> {
    if at + HEAD as u64 > end {
        return Ok(None);
    }
    let mut head = [0; HEAD];
    file.read_exact_at(&mut head, at)?;
    let (length, hash) = head.split_at(4);
    let length = u32::from_le_bytes(length.try_into().unwrap_or_default());
    let digest = Digest::from_bytes(hash.try_into().unwrap_or_default());
    // Zeros are what a power cut may have left.
    let is_whole = at + HEAD as u64 + u64::from(length) <= end && digest != Digest::ZERO;
    Ok(is_whole.then_some((digest, length)))
}

/// The packs of a run.
#[derive(Debug, Default)]
pub(super) struct Packs {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    places: HashMap<Digest, Place>,
    /// In the order of their numbers, without a gap: as many as were there when it was last looked.
    packs: Vec<Pack>,
    /// The number of the pack that is written to.
    own: Option<usize>,
    /// Those with bytes that the disk may not have.
    behind: BTreeSet<usize>,
    /// Names of packs may not be on the disk.
    is_new: bool,
    /// Room for what is written.
    record: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    pack: usize,
    offset: u64,
    length: u32,
}

#[derive(Debug)]
struct Pack {
    file: Arc<File>,
    /// Up to where its records are known.
    read: u64,
}

impl Packs {
    /// Appends a content that is in no pack yet, as far as is known.
    pub(super) fn put(&self, folder: &Path, digest: Digest, bytes: &[u8]) -> Result<(), StoreError> {
        let mut known = self.known();
        if known.has(digest, bytes) {
            return Ok(());
        }
        let own = match known.own {
            Some(own) => own,
            None => known.begin(folder)?,
        };
        let length = u32::try_from(bytes.len())
            .map_err(|_| StoreError::io("write", &path(folder, own))(io::ErrorKind::InvalidInput.into()))?;
        let mut record = std::mem::take(&mut known.record);
        record.clear();
        for part in [&length.to_le_bytes(), digest.as_bytes().as_slice(), bytes] {
            record.extend_from_slice(part);
        }
        let pack = &mut known.packs[own];
        let offset = pack.read;
        let appended = (&*pack.file).write_all(&record);
        if let Err(error) = appended {
            // What it left of this record ends the pack: whatever comes begins another.
            let _ = pack.file.set_len(offset);
            known.own = None;
            return Err(StoreError::io("write", &path(folder, own))(error));
        }
        pack.read += record.len() as u64;
        known.record = record;
        known.places.insert(digest, Place { pack: own, offset: offset + HEAD as u64, length });
        known.behind.insert(own);
        Ok(())
    }

    /// A content, unchecked; nothing if it is in no pack.
    pub(super) fn get(&self, folder: &Path, digest: Digest) -> Result<Option<Vec<u8>>, StoreError> {
        let (place, file) = {
            let mut known = self.known();
            if !known.places.contains_key(&digest) {
                known.look(folder)?;
            }
            let Some(place) = known.places.get(&digest).copied() else { return Ok(None) };
            (place, known.packs[place.pack].file.clone())
        };
        let mut bytes = vec![0; place.length as usize];
        file.read_exact_at(&mut bytes, place.offset)
            .map_err(StoreError::io("read", &path(folder, place.pack)))?;
        Ok(Some(bytes))
    }

    /// Where a content is that was found in a pack.
    pub(super) fn path_of(&self, folder: &Path, digest: Digest) -> Option<PathBuf> {
        self.known().places.get(&digest).map(|place| path(folder, place.pack))
    }

    /// Waits until the disk has all that was put.
    pub(super) fn sync(&self, folder: &Path) -> Result<(), StoreError> {
        let (behind, is_new) = {
            let mut known = self.known();
            let behind: Vec<(usize, Arc<File>)> =
                known.behind.iter().map(|number| (*number, known.packs[*number].file.clone())).collect();
            known.behind.clear();
            (behind, std::mem::take(&mut known.is_new))
        };
        let each = behind.iter().try_for_each(|(number, file)| {
            file.sync_data().map_err(StoreError::io("sync", &path(folder, *number)))
        });
        let synced = each.and_then(|()| if is_new { sync_folder(folder) } else { Ok(()) });
        if synced.is_err() {
            let mut known = self.known();
            known.behind.extend(behind.iter().map(|(number, _)| *number));
            known.is_new |= is_new;
        }
        synced
    }

    /// Whether the disk may not have all of it.
    pub(super) fn is_behind(&self) -> bool {
        !self.known().behind.is_empty()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Whether this content is there. One that another has put may not have reached the disk whole.
    fn has(&self, digest: Digest, bytes: &[u8]) -> bool {
        let Some(place) = self.places.get(&digest) else { return false };
        let is_whole = || {
            let mut there = vec![0; place.length as usize];
            let read = self.packs[place.pack].file.read_exact_at(&mut there, place.offset);
            read.is_ok() && there == bytes
        };
        Some(place.pack) == self.own || is_whole()
    }

    /// Begins the pack after those that are there.
    fn begin(&mut self, folder: &Path) -> Result<usize, StoreError> {
        loop {
            self.look(folder)?;
            let own = self.packs.len();
            let path = path(folder, own);
            let made = OpenOptions::new().read(true).append(true).create_new(true).mode(0o600).open(&path);
            match made {
                Ok(file) => {
                    self.packs.push(Pack { file: Arc::new(file), read: 0 });
                    (self.own, self.is_new) = (Some(own), true);
                    return Ok(own);
                }
                // Somebody has given this run another's packs meanwhile.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_file() => {}
                Err(error) => return Err(StoreError::io("create", &path)(error)),
            }
        }
    }

    /// Finds the records that have come since it was last looked.
    fn look(&mut self, folder: &Path) -> Result<(), StoreError> {
        loop {
            let path = path(folder, self.packs.len());
            match hold::open_file(&path) {
                Ok(file) => self.packs.push(Pack { file: Arc::new(file), read: 0 }),
                Err(error) if error.kind() == io::ErrorKind::NotFound => break,
                Err(error) => return Err(StoreError::io("open", &path)(error)),
            }
        }
        let own = self.own;
        for number in (0..self.packs.len()).filter(|number| Some(*number) != own) {
            self.read_on(number).map_err(StoreError::io("read", &path(folder, number)))?;
        }
        Ok(())
    }

    fn read_on(&mut self, number: usize) -> io::Result<()> {
        let pack = &mut self.packs[number];
        let end = pack.file.metadata()?.len();
        while let Some((digest, length)) = record(&pack.file, pack.read, end)? {
            let place = Place { pack: number, offset: pack.read + HEAD as u64, length };
            // A later one was put because the earlier one was damaged.
            self.places.insert(digest, place);
            pack.read += HEAD as u64 + u64::from(length);
        }
        Ok(())
    }
}

/// The path of the pack at that place in the order.
fn path(folder: &Path, index: usize) -> PathBuf {
    folder.join(format!("{NAME}{}", index + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_packs() {
        for name in ["pack-1", "pack-10", "pack-999999999"] {
            assert!(is_pack(name), "{name}");
        }
        for name in
            ["pack-", "pack-0", "pack-01", "pack-1x", "pack-1/2", "pack--1", "Pack-1", "pack-9999999999"]
        {
            assert!(!is_pack(name), "{name}");
        }
    }
}
