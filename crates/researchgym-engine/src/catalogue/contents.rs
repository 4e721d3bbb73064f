//! The digest of a folder of a task.
//!
//! For folders of our own and of task authors. Trees that an agent wrote are the snapshot's business.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use researchgym_core::digest::Digest;
use sha2::{Digest as _, Sha256};

use super::CatalogueError;

/// What Python and Git leave in a folder says nothing about the task.
const LEFT_OUT: [&str; 2] = ["__pycache__", ".git"];

/// Hashes names, contents and executability of all files below the folder; links count as their text.
pub(crate) fn folder_digest(folder: &Path) -> Result<Digest, CatalogueError> {
    let mut entries: Vec<(PathBuf, Digest)> = Vec::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(path) = waiting.pop() {
        visit(&path, folder, &mut waiting, &mut entries)
            .map_err(|source| CatalogueError::Read { path: path.clone(), source })?;
    }
    entries.sort();
    let parts: Vec<&[u8]> = entries
        .iter()
        .flat_map(|(path, digest)| [path.as_os_str().as_bytes(), digest.as_bytes().as_slice()])
        .collect();
    Ok(Digest::of_parts(&parts))
}

fn visit(
    path: &Path,
    folder: &Path,
    waiting: &mut Vec<PathBuf>,
    entries: &mut Vec<(PathBuf, Digest)>,
) -> io::Result<()> {
    let metadata = if path == folder { fs::metadata(path)? } else { fs::symlink_metadata(path)? };
    let relative = path.strip_prefix(folder).unwrap_or(path).to_owned();
    if metadata.is_dir() {
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            if !LEFT_OUT.iter().any(|name| entry.file_name() == *name) {
                waiting.push(entry.path());
            }
        }
    } else if metadata.is_symlink() {
        let target = fs::read_link(path)?;
        entries.push((relative, Digest::of_parts(&[b"link", target.as_os_str().as_bytes()])));
    } else if metadata.is_file() {
        let executable = metadata.permissions().mode() & 0o111 != 0;
        let kind: &[u8] = if executable { b"program" } else { b"file" };
        entries.push((relative, Digest::of_parts(&[kind, file_digest(path)?.as_bytes()])));
    } else {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "neither a file, a folder nor a link"));
    }
    Ok(())
}

/// Hashes a file without holding it in memory.
pub(crate) fn file_digest(path: &Path) -> io::Result<Digest> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(Digest::from_bytes(hasher.finalize().into())),
            length => hasher.update(&buffer[..length]),
        }
    }
}
