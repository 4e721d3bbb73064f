//! Taking a snapshot of a tree that an agent wrote.
//!
//! What is read is what is recorded: a file that grows meanwhile is recorded with the bytes it had when it was opened,
//! one that shrinks with those that were left. Memory is bounded by the caps, open directories are one at a time.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, SystemTime};

use researchgym_core::digest::Digest;
use researchgym_core::manifest::{MAX_DEPTH, Manifest, ManifestEntry, is_inner_path};
use rustix::fs::{FileType, Stat};

use super::SnapshotError;
use super::beneath::{kind, open_file, open_folder, open_root, stat};
use super::error::Trouble;
use super::walk::{child_path, names, shown};
use crate::store::Blobs;

/// The most that a snapshot takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// Bytes of all files together.
    pub max_bytes: u64,
    /// Entries that are looked at: files, folders and whatever else there is.
    pub max_files: u64,
}

/// The longest path that is recorded: it must be possible to open it again from the root.
const MAX_PATH_BYTES: usize = 4000;

/// All paths together: what a million entries with ordinary names need.
const MAX_ALL_PATHS_BYTES: usize = 128 * 1024 * 1024;

/// Files up to this size are read whole before they are stored.
const SMALL_FILE_BYTES: u64 = 256 * 1024;

/// A file changed so recently could change again within one tick of its clock, unseen.
const RACY: Duration = Duration::from_millis(100);

/// Takes the snapshots of one run, always into the same blobs. It remembers what it hashed, so that a second snapshot
/// reads only files whose inode, size or times differ.
#[derive(Debug, Default)]
pub struct Snapshotter {
    known: HashMap<Identity, (Digest, u64)>,
}

/// A file's content as far as the kernel tells without reading it. A program can set `mtime` back, not `ctime`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, u64),
    changed: (i64, u64),
}

impl Identity {
    fn of(stat: &Stat) -> Identity {
        Identity {
            device: stat.st_dev,
            inode: stat.st_ino,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            modified: (stat.st_mtime, stat.st_mtime_nsec),
            changed: (stat.st_ctime, stat.st_ctime_nsec),
        }
    }

    fn is_settled(&self, now: SystemTime) -> bool {
        let (Ok(seconds), Ok(nanoseconds)) = (u64::try_from(self.changed.0), u32::try_from(self.changed.1))
        else {
            return false;
        };
        let changed = SystemTime::UNIX_EPOCH + Duration::new(seconds, nanoseconds);
        now.duration_since(changed).is_ok_and(|age| age > RACY)
    }
}

impl Snapshotter {
    /// For a run of which nothing was hashed yet.
    pub fn new() -> Snapshotter {
        Snapshotter::default()
    }

    /// Records a whole folder. What cannot be recorded is left out and noted in the manifest. The digest names the
    /// snapshot: it is the blob of the manifest.
    pub fn take(
        &mut self,
        root: &Path,
        caps: Caps,
        blobs: &Blobs,
    ) -> Result<(Digest, Manifest), SnapshotError> {
        let opened = open_root(root).map_err(SnapshotError::io("open", root))?;
        let mut taking = Taking::new(self, blobs, caps, Strictness::LeavesOut);
        taking.tree(&opened, Vec::new())?;
        let (manifest, seen) = (taking.manifest, taking.seen);
        self.known = seen;
        Ok((keep(&manifest, blobs)?, manifest))
    }

    /// Records declared artefacts, files or folders, and nothing else. Whatever cannot be recorded is an error that
    /// names it. Permissions become 0644 or 0755, so that the player can read what the agent wrote.
    pub fn take_paths(
        &mut self,
        root: &Path,
        paths: &[String],
        caps: Caps,
        blobs: &Blobs,
    ) -> Result<(Digest, Manifest), SnapshotError> {
        let opened = open_root(root).map_err(SnapshotError::io("open", root))?;
        let mut taking = Taking::new(self, blobs, caps, Strictness::Refuses);
        for path in paths {
            let inner = path.trim_end_matches('/');
            if !is_inner_path(inner) {
                return Err(SnapshotError::ArtefactPath { path: path.clone() });
            }
            taking.artefact(&opened, inner)?;
        }
        let (manifest, seen) = (taking.manifest, taking.seen);
        self.known.extend(seen);
        Ok((keep(&manifest, blobs)?, manifest))
    }
}

fn keep(manifest: &Manifest, blobs: &Blobs) -> Result<Digest, SnapshotError> {
    let bytes = serde_json::to_vec(manifest).map_err(|error| SnapshotError::Io {
        action: "write the manifest in",
        path: blobs.path(Digest::ZERO),
        source: error.into(),
    })?;
    Ok(blobs.put(&bytes)?)
}

/// What happens with an entry that cannot be recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Strictness {
    LeavesOut,
    Refuses,
}

/// One snapshot in the making.
struct Taking<'a> {
    known: &'a HashMap<Identity, (Digest, u64)>,
    blobs: &'a Blobs,
    caps: Caps,
    strictness: Strictness,
    manifest: Manifest,
    seen: HashMap<Identity, (Digest, u64)>,
    entries: u64,
    bytes: u64,
    path_bytes: usize,
    now: SystemTime,
    buffer: Vec<u8>,
}

impl<'a> Taking<'a> {
    fn new(snapshotter: &'a Snapshotter, blobs: &'a Blobs, caps: Caps, strictness: Strictness) -> Taking<'a> {
        Taking {
            known: &snapshotter.known,
            blobs,
            caps,
            strictness,
            manifest: Manifest::default(),
            seen: HashMap::new(),
            entries: 0,
            bytes: 0,
            path_bytes: 0,
            now: SystemTime::now(),
            buffer: Vec::new(),
        }
    }

    fn trouble(&mut self, path: &[u8], trouble: Trouble) -> Result<(), SnapshotError> {
        match self.strictness {
            Strictness::LeavesOut => {
                self.manifest.leave_out(|| format!("`{}` {trouble}", shown(path)));
                Ok(())
            }
            Strictness::Refuses => Err(SnapshotError::Artefact { path: shown(path), trouble }),
        }
    }

    fn artefact(&mut self, root: &OwnedFd, path: &str) -> Result<(), SnapshotError> {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        let found = open_folder(root, parent.as_bytes())
            .and_then(|folder| Ok((stat(&folder, name.as_bytes())?, folder)));
        let (stat, folder) = match found {
            Ok(found) => found,
            Err(error) => return self.trouble(path.as_bytes(), open_trouble(error)),
        };
        if kind(&stat) == FileType::Directory {
            return self.tree(root, path.as_bytes().to_vec());
        }
        self.entries += 1;
        self.entry(&folder, name.as_bytes(), path.as_bytes(), &stat).map(|_| ())
    }

    /// Records what is below one folder, folder by folder.
    fn tree(&mut self, root: &OwnedFd, top: Vec<u8>) -> Result<(), SnapshotError> {
        let mut folders = vec![top];
        while let Some(path) = folders.pop() {
            let room = self.caps.max_files.saturating_sub(self.entries);
            let listed = open_folder(root, &path).and_then(|folder| Ok((names(&folder, room)?, folder)));
            let ((names, all), folder) = match listed {
                Ok(listed) => listed,
                Err(error) => {
                    self.trouble(&path, open_trouble(error))?;
                    continue;
                }
            };
            let mut recorded = false;
            for name in names {
                let inner = child_path(&path, &name);
                self.entries += 1;
                self.path_bytes += inner.len();
                if self.path_bytes > MAX_ALL_PATHS_BYTES {
                    return self.trouble(&inner, Trouble::Entries { max_files: self.entries });
                }
                match stat(&folder, name.as_slice()) {
                    Ok(stat) if kind(&stat) == FileType::Directory => {
                        if self.is_too_deep(&inner) {
                            self.trouble(&inner, Trouble::Deep)?;
                        } else {
                            folders.push(inner);
                            recorded = true;
                        }
                    }
                    Ok(stat) => recorded |= self.entry(&folder, &name, &inner, &stat)?,
                    // It was there when the folder was listed: the agent is still working.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => self.trouble(&inner, open_trouble(error))?,
                }
            }
            if !all {
                return self.trouble(&path, Trouble::Entries { max_files: self.caps.max_files });
            }
            if !recorded && !path.is_empty() {
                match String::from_utf8(path) {
                    Ok(path) => {
                        self.manifest.empty_folders.insert(path);
                    }
                    Err(error) => self.trouble(error.as_bytes(), Trouble::Name)?,
                }
            }
        }
        Ok(())
    }

    fn is_too_deep(&self, path: &[u8]) -> bool {
        path.len() > MAX_PATH_BYTES || path.iter().filter(|byte| **byte == b'/').count() >= MAX_DEPTH
    }

    /// Records one entry that is not a folder. Tells whether it is recorded.
    fn entry(
        &mut self,
        folder: &OwnedFd,
        name: &[u8],
        path: &[u8],
        stat: &Stat,
    ) -> Result<bool, SnapshotError> {
        let recorded = match self.content(folder, name, path, stat) {
            Ok(recorded) => recorded,
            Err(Refusal::Trouble(trouble)) => {
                self.trouble(path, trouble)?;
                return Ok(false);
            }
            Err(Refusal::Failure(error)) => return Err(error),
        };
        let Some((path, entry)) = recorded else { return Ok(false) };
        self.bytes += entry.bytes;
        self.manifest.files.insert(path, entry);
        Ok(true)
    }

    fn content(
        &mut self,
        folder: &OwnedFd,
        name: &[u8],
        path: &[u8],
        stat: &Stat,
    ) -> Result<Option<(String, ManifestEntry)>, Refusal> {
        match kind(stat) {
            FileType::RegularFile => {}
            FileType::Symlink => return Err(Trouble::Link.into()),
            other => return Err(Trouble::Special(special_name(other)).into()),
        }
        let path = std::str::from_utf8(path).map_err(|_| Trouble::Name)?.to_owned();
        if self.is_too_deep(path.as_bytes()) {
            return Err(Trouble::Deep.into());
        }
        let identity = Identity::of(stat);
        let known = self.known.get(&identity).or_else(|| self.seen.get(&identity)).copied();
        let (sha256, bytes) = match known {
            Some((digest, bytes)) => {
                self.check_room(bytes)?;
                self.seen.insert(identity, (digest, bytes));
                (digest, bytes)
            }
            None => {
                self.check_room(identity.size)?;
                let file = match open_file(folder, name) {
                    Ok(file) => file,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => match self.strictness {
                        Strictness::LeavesOut => return Ok(None),
                        Strictness::Refuses => return Err(Trouble::Missing.into()),
                    },
                    Err(error) => return Err(open_trouble(error).into()),
                };
                self.read(file)?
            }
        };
        let mode = match self.strictness {
            Strictness::LeavesOut => stat.st_mode & 0o777,
            Strictness::Refuses if stat.st_mode & 0o111 != 0 => 0o755,
            Strictness::Refuses => 0o644,
        };
        Ok(Some((path, ManifestEntry { sha256, bytes, mode })))
    }

    fn check_room(&self, bytes: u64) -> Result<(), Trouble> {
        if bytes <= self.caps.max_bytes.saturating_sub(self.bytes) {
            return Ok(());
        }
        Err(Trouble::Bytes { bytes, max_bytes: self.caps.max_bytes })
    }

    /// Stores at most as many bytes as the file had when it was opened.
    fn read(&mut self, mut file: File) -> Result<(Digest, u64), Refusal> {
        let before = rustix::fs::fstat(&file).map_err(|errno| Trouble::Unreadable(errno.into()))?;
        if kind(&before) != FileType::RegularFile {
            return Err(Trouble::Special(special_name(kind(&before))).into());
        }
        let identity = Identity::of(&before);
        self.check_room(identity.size)?;
        let stored = if identity.size <= SMALL_FILE_BYTES {
            self.buffer.clear();
            (&mut file).take(identity.size).read_to_end(&mut self.buffer).map_err(Trouble::Unreadable)?;
            (self.blobs.put(&self.buffer)?, self.buffer.len() as u64)
        } else {
            self.stream(&mut file, identity.size)?
        };
        let after = rustix::fs::fstat(&file).map_err(|errno| Trouble::Unreadable(errno.into()))?;
        if Identity::of(&after) == identity && identity.is_settled(self.now) {
            self.seen.insert(identity, stored);
        }
        Ok(stored)
    }

    fn stream(&mut self, file: &mut File, size: u64) -> Result<(Digest, u64), Refusal> {
        let mut writer = self.blobs.writer()?;
        self.buffer.resize(SMALL_FILE_BYTES as usize, 0);
        while writer.bytes() < size {
            let room = usize::try_from(size - writer.bytes()).unwrap_or(usize::MAX).min(self.buffer.len());
            match file.read(&mut self.buffer[..room]) {
                Ok(0) => break,
                Ok(read) => writer.write_all(&self.buffer[..read]).map_err(|source| SnapshotError::Io {
                    action: "write a blob in",
                    path: self.blobs.folder().to_owned(),
                    source,
                })?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Trouble::Unreadable(error).into()),
            }
        }
        Ok(writer.finish()?)
    }
}

/// Why an entry is not recorded: it, or us.
enum Refusal {
    Trouble(Trouble),
    Failure(SnapshotError),
}

impl From<Trouble> for Refusal {
    fn from(trouble: Trouble) -> Refusal {
        Refusal::Trouble(trouble)
    }
}

impl<E: Into<SnapshotError>> From<E> for Refusal {
    fn from(error: E) -> Refusal {
        Refusal::Failure(error.into())
    }
}

fn open_trouble(error: io::Error) -> Trouble {
    match error.raw_os_error() {
        Some(code) if code == rustix::io::Errno::NOENT.raw_os_error() => Trouble::Missing,
        Some(code) if code == rustix::io::Errno::LOOP.raw_os_error() => Trouble::Link,
        Some(code) if code == rustix::io::Errno::NOTDIR.raw_os_error() => Trouble::Missing,
        Some(_) | None => Trouble::Unreadable(error),
    }
}

fn special_name(kind: FileType) -> &'static str {
    match kind {
        FileType::Fifo => "FIFO",
        FileType::Socket => "socket",
        FileType::CharacterDevice | FileType::BlockDevice => "device",
        FileType::Directory => "folder",
        FileType::Symlink => "symbolic link",
        FileType::RegularFile | FileType::Unknown => "special file",
    }
}
