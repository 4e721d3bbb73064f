//! What `[[datasets]]` must mean: names and files of their own, addresses that can be fetched.

use std::collections::BTreeSet;

use super::{Checker, KeyPath};

impl Checker<'_> {
    pub(super) fn datasets(&mut self) {
        let mut names = BTreeSet::new();
        let mut files = BTreeSet::new();
        for (index, dataset) in self.task.datasets.iter().enumerate() {
            let path = KeyPath::of("datasets").index(index);
            if !names.insert(&dataset.name) {
                let message = format!("{:?} names an earlier dataset too", dataset.name);
                self.report(&path.key("name"), message, "give each its own name");
            }
            self.path(&dataset.file, &path.key("file"));
            if dataset.file.contains('/') {
                self.report(&path.key("file"), "is in a folder", "write the file name alone");
            }
            if !(dataset.url.starts_with("https://") || dataset.url.starts_with("http://")) {
                self.report(
                    &path.key("url"),
                    format!("is {:?}", dataset.url),
                    "write an https or http address",
                );
            }
            self.above_zero(dataset.bytes, &path.key("bytes"));
            self.command(&dataset.prepare, &path.key("prepare"));
            if dataset.visible.is_empty() && dataset.hidden.is_empty() {
                self.report(&path, "makes no file", "name what `prepare` writes in `visible` and `hidden`");
            }
            for (section, listed) in [("visible", &dataset.visible), ("hidden", &dataset.hidden)] {
                self.paths(listed, &path.key(section));
                for (index, file) in listed.iter().enumerate() {
                    if !files.insert(file) {
                        let key = path.key(section).index(index);
                        self.report(
                            &key,
                            format!("`{file}` is listed before"),
                            "list each file of `/data` once",
                        );
                    }
                }
            }
        }
    }
}
