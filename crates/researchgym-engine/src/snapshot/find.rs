//! Finding a few files by their names in a tree that somebody hostile writes at this moment.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{Dir, FileType};

use super::beneath::{kind, open_folder, stat};
use super::walk::child_path;

/// How far a search goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// Names that are looked at.
    pub(crate) names: usize,
    /// Folders above a file.
    pub(crate) depth: usize,
    /// Files that are found.
    pub(crate) files: usize,
}

/// Regular files whose names are wanted, by their paths: what is near the root first, then by name. No link is followed, and a
/// folder that cannot be read has nothing in it.
///
/// # Errors
/// The root cannot be listed.
pub(crate) fn find_files(
    root: &OwnedFd,
    is_wanted: impl Fn(&[u8]) -> bool,
    bounds: Bounds,
) -> io::Result<Vec<Vec<u8>>> {
    let mut found = Vec::new();
    let mut left = bounds.names;
    let mut folders = VecDeque::from([(Vec::new(), 0)]);
    while let Some((path, depth)) = folders.pop_front() {
        let listed = open_folder(root, &path).and_then(|folder| list(&folder, &mut left, &is_wanted));
        let listed = match listed {
            Err(error) if path.is_empty() => return Err(error),
            listed => listed.unwrap_or_default(),
        };
        for (name, kind) in listed {
            let inner = child_path(&path, &name);
            if kind == FileType::Directory && depth < bounds.depth {
                folders.push_back((inner, depth + 1));
            } else if kind == FileType::RegularFile && found.len() < bounds.files {
                found.push(inner);
            }
        }
        if left == 0 || found.len() == bounds.files {
            break;
        }
    }
    Ok(found)
}

/// Folders and wanted files in a folder, sorted.
fn list(
    folder: &OwnedFd,
    left: &mut usize,
    is_wanted: &impl Fn(&[u8]) -> bool,
) -> io::Result<Vec<(Vec<u8>, FileType)>> {
    let mut listed = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if matches!(name, b"." | b"..") {
            continue;
        }
        if *left == 0 {
            break;
        }
        *left -= 1;
        let kind = match entry.file_type() {
            FileType::Unknown => stat(folder, name).map_or(FileType::Unknown, |stat| kind(&stat)),
            kind => kind,
        };
        if kind == FileType::Directory || (kind == FileType::RegularFile && is_wanted(name)) {
            listed.push((name.to_vec(), kind));
        }
    }
    listed.sort_unstable_by(|one, other| one.0.cmp(&other.0));
    Ok(listed)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::snapshot::beneath::open_root;

    #[test]
    fn files_are_found_by_name_and_no_link_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("x1"), "").unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(path("b/c/d")).unwrap();
        for name in ["x2", "y", "b/x3", "b/c/x4", "b/c/d/x5"] {
            std::fs::write(path(name), "").unwrap();
        }
        symlink(outside.path(), path("a")).unwrap();
        symlink(outside.path().join("x1"), path("x0")).unwrap();
        std::fs::create_dir(path("x6")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, path("x7"), FileType::Fifo, 0o600.into(), 0).unwrap();
        let root = open_root(folder.path()).unwrap();
        let found = |names, depth, files| {
            let found = find_files(&root, |name| name.starts_with(b"x"), Bounds { names, depth, files });
            found.unwrap().into_iter().map(|path| String::from_utf8(path).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(found(100, 9, 9), ["x2", "b/x3", "b/c/x4", "b/c/d/x5"]);
        assert_eq!(found(100, 1, 9), ["x2", "b/x3"]);
        assert_eq!(found(100, 9, 2), ["x2", "b/x3"]);
        assert_eq!(found(0, 9, 9), [] as [&str; 0]);
    }
}
