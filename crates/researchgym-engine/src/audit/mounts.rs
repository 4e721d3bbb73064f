//! Mounts below folders of ours. Sandboxes mount in namespaces of their own that end with them, so there should be none.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use super::locks::Locks;
use super::{Holder, Kind, Places, Remains, Way, folders};
use crate::store::{LOCK, RunFolder};

pub(super) fn look(places: &Places, mountinfo: &str, locks: &Locks) -> Vec<Remains> {
    let mounts: Vec<PathBuf> = mountinfo.lines().filter_map(mount_point).collect();
    let is_near = |mount: &&PathBuf| {
        let near = places.temporary.iter().chain([&places.home, &places.runs]);
        near.into_iter().any(|place| mount.starts_with(place) && *mount != place)
    };
    let mounts: Vec<&PathBuf> = mounts.iter().filter(is_near).collect();
    if mounts.is_empty() {
        return Vec::new();
    }
    let held = folders::all(places).into_iter().map(|folder| (folder.clone(), folder));
    let runs = RunFolder::list(&places.runs).map(|run| (run.root().to_owned(), run.root().join(LOCK)));
    let owners: Vec<(PathBuf, PathBuf)> = held.chain(runs).collect();
    let of = |mount: &&&PathBuf| {
        let (_, lock) = owners.iter().find(|(folder, _)| mount.starts_with(folder))?;
        Some(one(mount, lock, locks))
    };
    mounts.iter().filter_map(|mount| of(&mount)).collect()
}

fn one(mount: &Path, lock: &Path, locks: &Locks) -> Remains {
    let what = mount.display().to_string();
    match locks.holder(lock) {
        Holder::Live { pid } => Remains::live(Kind::Mount, what, pid),
        Holder::User | Holder::Nobody => Remains::left_with(
            Kind::Mount,
            what,
            Way::Mount { mount: mount.to_owned(), lock: lock.to_owned() },
        ),
    }
}

/// The fifth field of a line, in which blanks and backslashes are octal.
fn mount_point(line: &str) -> Option<PathBuf> {
    let field = line.split(' ').nth(4)?.as_bytes();
    let mut path = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, after)) = rest.split_first() {
        let code = (*first == b'\\').then(|| std::str::from_utf8(after.get(..3)?).ok()).flatten();
        match code.and_then(|code| u8::from_str_radix(code, 8).ok()) {
            Some(byte) => {
                path.push(byte);
                rest = &after[3..];
            }
            None => {
                path.push(*first);
                rest = after;
            }
        }
    }
    Some(PathBuf::from(OsString::from_vec(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_in_paths_are_octal() {
        let of = |field: &str| mount_point(&format!("31 25 0:27 / {field} rw - tmpfs none rw"));
        assert_eq!(of("/a\\040b\\134c"), Some("/a b\\c".into()));
        assert_eq!(of("/a\\9"), Some("/a\\9".into()));
        assert_eq!(mount_point("31 25"), None);
    }
}
