//! Checking out a snapshot into a clean folder.

use std::collections::HashSet;
use std::io::{self, Read, Write as _};
use std::os::fd::OwnedFd;
use std::path::Path;

use researchgym_core::digest::Digest;
use researchgym_core::manifest::{Manifest, ManifestEntry};
use rustix::fs::Mode;
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};

use super::SnapshotError;
use super::beneath::{Owner, create_file, open_folder, open_root, settle};
use crate::store::Blobs;

/// Puts a snapshot's files into `target`, which must be absent or empty. Every content is checked against its hash
/// while it is written; nothing is written outside `target` whatever the manifest says. With `owner`, all of it
/// belongs to that user and group; that takes root.
pub fn check_out(
    manifest: &Manifest,
    blobs: &Blobs,
    target: &Path,
    owner: Option<(u32, u32)>,
) -> Result<(), SnapshotError> {
    manifest.check_paths()?;
    let mut tree = Tree::open(target, owner)?;
    let listed = std::fs::read_dir(target).map_err(SnapshotError::io("read", target))?;
    if listed.count() > 0 {
        return Err(SnapshotError::NotEmpty { path: target.to_owned() });
    }
    for (path, entry) in &manifest.files {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        let folder = tree.folder(parent)?;
        let file = create_file(&folder, name.as_bytes());
        write_entry(file, entry, blobs, owner, &target.join(path))?;
    }
    for path in &manifest.empty_folders {
        tree.folder(path)?;
    }
    Ok(())
}

/// How much of a blob is read at a time.
const MOST_AT_ONCE: usize = 128 << 10;

fn write_entry(
    file: io::Result<std::fs::File>,
    entry: &ManifestEntry,
    blobs: &Blobs,
    owner: Owner,
    path: &Path,
) -> Result<(), SnapshotError> {
    let mut file = file.map_err(SnapshotError::io("create", path))?;
    let mut blob = blobs.open(entry.sha256)?.take(entry.bytes.saturating_add(1));
    let mut hasher = Sha256::new();
    let mut buffer = vec![
        0;
        usize::try_from(entry.bytes.saturating_add(1))
            .map_or(MOST_AT_ONCE, |bytes| bytes.min(MOST_AT_ONCE))
    ];
    loop {
        match blob.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => {
                hasher.update(&buffer[..read]);
                file.write_all(&buffer[..read]).map_err(SnapshotError::io("write", path))?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(SnapshotError::io("read", &blobs.path(entry.sha256))(error)),
        }
    }
    if Digest::from_bytes(hasher.finalize().into()) != entry.sha256 {
        return Err(blobs.altered(entry.sha256).into());
    }
    settle(&file, entry.mode, owner).map_err(SnapshotError::io("set the owner of", path))
}

/// A folder in which folders are made as they are needed. Links in it are never followed.
pub(super) struct Tree<'a> {
    root: OwnedFd,
    path: &'a Path,
    owner: Owner,
    /// The folders that were made.
    made: HashSet<String>,
}

impl<'a> Tree<'a> {
    /// Makes `path` if it is not there; its parent must be.
    pub(super) fn open(path: &'a Path, owner: Owner) -> Result<Tree<'a>, SnapshotError> {
        match std::fs::create_dir(path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(SnapshotError::io("create", path)(error)),
        }
        let root = open_root(path).map_err(SnapshotError::io("open", path))?;
        settle(&root, 0o755, owner).map_err(SnapshotError::io("set the owner of", path))?;
        Ok(Tree { root, path, owner, made: HashSet::new() })
    }

    /// The folder at an inner path, made with its parents.
    pub(super) fn folder(&mut self, path: &str) -> Result<OwnedFd, SnapshotError> {
        if !path.is_empty() && !self.made.contains(path) {
            let ends = path.match_indices('/').map(|(end, _)| end).chain([path.len()]);
            for end in ends {
                self.make(&path[..end])?;
            }
        }
        open_folder(&self.root, path.as_bytes()).map_err(SnapshotError::io("open", &self.path.join(path)))
    }

    fn make(&mut self, path: &str) -> Result<(), SnapshotError> {
        if self.made.contains(path) {
            return Ok(());
        }
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        let full = self.path.join(path);
        let parent =
            open_folder(&self.root, parent.as_bytes()).map_err(SnapshotError::io("create", &full))?;
        match rustix::fs::mkdirat(&parent, name, Mode::from_raw_mode(0o755)) {
            Ok(()) => {
                let made = open_folder(&parent, name.as_bytes()).map_err(SnapshotError::io("open", &full))?;
                settle(&made, 0o755, self.owner).map_err(SnapshotError::io("set the owner of", &full))?;
            }
            Err(Errno::EXIST) => {}
            Err(errno) => return Err(SnapshotError::io("create", &full)(errno.into())),
        }
        self.made.insert(path.to_owned());
        Ok(())
    }
}
