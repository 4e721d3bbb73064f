//! Listing folders: bounded in hostile trees, sorted, without recursion.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use researchgym_core::manifest::MAX_DEPTH;
use rustix::fs::Dir;

use super::SnapshotError;

/// The longest path shown in a message, in characters.
const SHOWN_CHARACTERS: usize = 200;

/// At most `room` names in a folder, sorted, and whether those are all.
pub(super) fn names(folder: &OwnedFd, room: u64) -> io::Result<(Vec<Vec<u8>>, bool)> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if matches!(name, b"." | b"..") {
            continue;
        }
        if names.len() as u64 >= room {
            names.sort_unstable();
            return Ok((names, false));
        }
        names.push(name.to_vec());
    }
    names.sort_unstable();
    Ok((names, true))
}

/// The path of an entry; that of the root is empty.
pub(super) fn child_path(folder: &[u8], name: &[u8]) -> Vec<u8> {
    let mut path = Vec::with_capacity(folder.len() + 1 + name.len());
    path.extend_from_slice(folder);
    if !folder.is_empty() {
        path.push(b'/');
    }
    path.extend_from_slice(name);
    path
}

/// A hostile path as it may stand in a message: control characters and bytes that are not UTF-8 escaped, the middle
/// cut out of a long one.
pub(super) fn shown(path: &[u8]) -> String {
    let escaped: String = match std::str::from_utf8(path) {
        Ok("") => ".".to_owned(),
        Ok(text) => text
            .chars()
            .flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] })
            .collect(),
        Err(_) => path.escape_ascii().to_string(),
    };
    let count = escaped.chars().count();
    if count <= SHOWN_CHARACTERS {
        return escaped;
    }
    let half = SHOWN_CHARACTERS / 2;
    let head: String = escaped.chars().take(half).collect();
    let tail: String = escaped.chars().skip(count - half).collect();
    format!("{head}...{tail}")
}

/// One entry of a trusted folder.
pub(super) struct SourceEntry {
    /// Relative to the folder.
    pub(super) path: PathBuf,
    /// Without following a link.
    pub(super) metadata: std::fs::Metadata,
}

/// All entries of a trusted folder, parents before children, sorted by path.
pub(super) fn source_entries(root: &Path) -> Result<Vec<SourceEntry>, SnapshotError> {
    let mut entries = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let full = root.join(&folder);
        for entry in std::fs::read_dir(&full).map_err(SnapshotError::io("read", &full))? {
            let entry = entry.map_err(SnapshotError::io("read", &full))?;
            let path = folder.join(entry.file_name());
            let metadata = entry.metadata().map_err(SnapshotError::io("read", &entry.path()))?;
            if metadata.is_dir() && path.components().count() < MAX_DEPTH {
                folders.push(path.clone());
            }
            entries.push(SourceEntry { path, metadata });
        }
    }
    entries.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    Ok(entries)
}
