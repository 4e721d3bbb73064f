//! Copying and hashing folders that belong to a task or an agent's declaration: trusted sources.

use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use researchgym_core::digest::Digest;
use rustix::fs::AtFlags;
use rustix::io::Errno;

use super::SnapshotError;
use super::beneath::{create_file, settle};
use super::check_out::Tree;
use super::walk::source_entries;
use crate::store::hash_reader;

/// Copies a trusted folder over `target`, which is made if it is not there: a starter into a workspace, a solution
/// over a starter. Files become 0644 or, if executable, 0755; what is there under the same name is replaced.
/// A link or special file in the source is an error.
pub fn copy_in(source: &Path, target: &Path, owner: Option<(u32, u32)>) -> Result<(), SnapshotError> {
    let mut tree = Tree::open(target, owner)?;
    for entry in source_entries(source)? {
        let from = source.join(&entry.path);
        let Some(path) = entry.path.to_str() else { return Err(SnapshotError::Source { path: from }) };
        if entry.metadata.is_dir() {
            tree.folder(path)?;
            continue;
        }
        if !entry.metadata.is_file() {
            return Err(SnapshotError::Source { path: from });
        }
        let to = target.join(path);
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        let folder = tree.folder(parent)?;
        match rustix::fs::unlinkat(&folder, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(SnapshotError::io("replace", &to)(errno.into())),
        }
        let mut input = File::open(&from).map_err(SnapshotError::io("open", &from))?;
        let mut output = create_file(&folder, name.as_bytes()).map_err(SnapshotError::io("create", &to))?;
        io::copy(&mut input, &mut output).map_err(SnapshotError::io("write", &to))?;
        let mode = if is_executable(&entry.metadata) { 0o755 } else { 0o644 };
        settle(&output, mode, owner).map_err(SnapshotError::io("set the owner of", &to))?;
    }
    Ok(())
}

/// A hash over names, contents and executable bits of all files in a folder: a task's digest. Links count by where
/// they point, empty folders not at all.
pub fn hash_folder(path: &Path) -> Result<Digest, SnapshotError> {
    let mut parts: Vec<Vec<u8>> = vec![b"researchgym folder 1".to_vec()];
    for entry in source_entries(path)? {
        let full = path.join(&entry.path);
        let (kind, digest): (&[u8], Digest) = if entry.metadata.is_dir() {
            continue;
        } else if entry.metadata.is_symlink() {
            let to = std::fs::read_link(&full).map_err(SnapshotError::io("read", &full))?;
            (b"link", Digest::of(to.as_os_str().as_bytes()))
        } else if entry.metadata.is_file() {
            let mut file = File::open(&full).map_err(SnapshotError::io("open", &full))?;
            let (digest, _) = hash_reader(&mut file).map_err(SnapshotError::io("read", &full))?;
            (if is_executable(&entry.metadata) { b"executable" } else { b"file" }, digest)
        } else {
            return Err(SnapshotError::Source { path: full });
        };
        parts.push(entry.path.as_os_str().as_bytes().to_vec());
        parts.push(kind.to_vec());
        parts.push(digest.as_bytes().to_vec());
    }
    let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
    Ok(Digest::of_parts(&parts))
}

fn is_executable(metadata: &std::fs::Metadata) -> bool {
    metadata.permissions().mode() & 0o111 != 0
}
