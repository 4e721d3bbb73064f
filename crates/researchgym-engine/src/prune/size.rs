//! What folders take on the disk. A file with several names counts once.

use std::collections::{BTreeMap, HashMap};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// What one folder takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Bytes of what has no name elsewhere.
    own: u64,
    /// Files with names elsewhere: by device and inode, their bytes, the names in this folder, all names.
    shared: BTreeMap<(u64, u64), (u64, u64, u64)>,
}

impl Size {
    /// What a folder takes. Links are not followed; what cannot be read is taken for nothing.
    pub fn of(root: &Path) -> Size {
        let mut size = Size::default();
        let mut folders = vec![root.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
                // Of the entry itself, not of what a link names.
                let Ok(found) = entry.metadata() else { continue };
                if found.is_dir() {
                    folders.push(entry.path());
                }
                size.add(
                    (found.dev(), found.ino()),
                    found.blocks() * 512,
                    if found.is_dir() { 1 } else { found.nlink() },
                );
            }
        }
        size.settle();
        size
    }

    fn add(&mut self, file: (u64, u64), bytes: u64, names: u64) {
        match names {
            0 | 1 => self.own += bytes,
            names => self.shared.entry(file).or_insert((bytes, 0, names)).1 += 1,
        }
    }

    /// A file all of whose names are here is shared with nobody.
    fn settle(&mut self) {
        let Size { own, shared } = self;
        shared.retain(|_, (bytes, here, all)| {
            let is_whole = here == all;
            *own += if is_whole { *bytes } else { 0 };
            !is_whole
        });
    }

    /// All of it, with what is shared.
    pub fn bytes(&self) -> u64 {
        self.own + self.shared.values().map(|(bytes, ..)| bytes).sum::<u64>()
    }
}

/// What several folders take together.
#[derive(Clone, Debug, Default)]
pub struct Total {
    bytes: u64,
    names: HashMap<(u64, u64), u64>,
}

impl Total {
    /// What all of them take.
    pub fn taken<'a>(sizes: impl Iterator<Item = &'a Size>) -> u64 {
        let mut total = Total::default();
        for size in sizes {
            total.bytes += size.own;
            for (file, (bytes, ..)) in &size.shared {
                if total.names.insert(*file, 1).is_none() {
                    total.bytes += bytes;
                }
            }
        }
        total.bytes
    }

    /// Adds a folder that is to go, and gives what this frees: a file goes with its last name.
    pub fn free(&mut self, size: &Size) -> u64 {
        let mut freed = size.own;
        for (file, (bytes, here, all)) in &size.shared {
            let gone = self.names.entry(*file).or_default();
            *gone += here;
            freed += if gone == all { *bytes } else { 0 };
        }
        self.bytes += freed;
        freed
    }

    /// What all that is to go frees.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_share_is_freed_with_the_last_of_them() {
        let parent = tempfile::tempdir().expect("a folder");
        let [one, other] = ["one", "other"].map(|name| parent.path().join(name));
        for folder in [&one, &other] {
            std::fs::create_dir_all(folder.join("blobs")).expect("a folder");
        }
        std::fs::write(one.join("blobs/shared"), vec![1; 100_000]).expect("a file");
        std::fs::hard_link(one.join("blobs/shared"), other.join("blobs/shared")).expect("a link");
        std::fs::write(one.join("own"), vec![2; 50_000]).expect("a file");
        std::os::unix::fs::symlink("/usr", one.join("link")).expect("a link");
        let sizes = [&one, &other].map(|folder| Size::of(folder));
        let taken = Total::taken(sizes.iter());
        assert!((150_000..260_000).contains(&taken), "{taken}");
        assert!(sizes[1].bytes() >= 100_000);
        let mut total = Total::default();
        let first = total.free(&sizes[0]);
        assert!((50_000..100_000).contains(&first), "{first}");
        let second = total.free(&sizes[1]);
        assert_eq!((first + second, total.bytes()), (taken, taken));
    }
}
