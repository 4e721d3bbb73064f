//! Which files of a tree may be changed.

use super::Tree;
use super::error::{EditError, listed, shown_path};
use crate::manifest::is_inner_path;

/// What may be changed: files and folders by their relative paths. Protection wins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surface {
    /// Files, and folders with all below them. Empty: everything.
    pub editable: Vec<String>,
    /// What stays as it is, within the editable too.
    pub protected: Vec<String>,
}

impl Surface {
    /// The files that a reply may mean: those of the tree that may be changed, and then the listed files that are not
    /// there yet.
    pub fn files<'a>(&'a self, tree: &'a Tree) -> Vec<&'a str> {
        let mut files: Vec<&str> = tree.keys().map(String::as_str).filter(|path| self.covers(path)).collect();
        for entry in &self.editable {
            let is_there = tree.contains_key(entry) || tree.keys().any(|path| covers(entry, path));
            let name = entry.rsplit('/').next().unwrap_or(entry);
            if !is_there && is_inner_path(entry) && name.contains('.') && self.covers(entry) {
                files.push(entry);
            }
        }
        files
    }

    /// Whether a path may be written, changed or deleted.
    pub fn covers(&self, path: &str) -> bool {
        !self.protects(path) && self.lists(path)
    }

    /// Whether a path may be written, changed or deleted, with the reason.
    ///
    /// # Errors
    /// It is outside the editable, or protected.
    pub fn check(&self, path: &str) -> Result<(), EditError> {
        let told = || (shown_path(path), self.listing());
        if self.protects(path) {
            let (path, editable) = told();
            return Err(EditError::Protected { path, editable });
        }
        if !self.lists(path) {
            let (path, editable) = told();
            return Err(EditError::NotEditable { path, editable });
        }
        Ok(())
    }

    fn protects(&self, path: &str) -> bool {
        self.protected.iter().any(|entry| covers(entry, path))
    }

    fn lists(&self, path: &str) -> bool {
        self.editable.is_empty() || self.editable.iter().any(|entry| covers(entry, path))
    }

    /// What may be changed, for a message.
    pub(super) fn listing(&self) -> String {
        if self.editable.is_empty() {
            return "everything that is not protected".into();
        }
        listed(self.editable.iter().map(String::as_str))
    }
}

/// Whether an entry is the path or a folder above it.
fn covers(entry: &str, path: &str) -> bool {
    let mut entry = entry;
    while let Some(rest) = entry.strip_prefix("./") {
        entry = rest;
    }
    let entry = entry.trim_end_matches('/');
    let is_above = || path.strip_prefix(entry).is_some_and(|rest| rest.starts_with('/'));
    matches!(entry, "" | ".") || path == entry || is_above()
}

/// A path without `.` and empty parts.
///
/// # Errors
/// It does not stay inside the tree, or names a folder.
pub(super) fn normalised(path: &str) -> Result<String, EditError> {
    let bad = |problem| EditError::BadPath { path: shown_path(path), problem };
    let drive = path.as_bytes();
    if path.starts_with('/')
        || path.starts_with('\\')
        || (drive.len() > 2 && drive[1] == b':' && drive[2] == b'\\')
    {
        return Err(bad("the path must be relative to the root of the tree"));
    }
    if path.contains('\0') {
        return Err(bad("a path has no NUL"));
    }
    if path.split('/').any(|part| part == "..") {
        return Err(bad("the path must stay inside the tree, without `..`"));
    }
    if path.len() > 1024 || path.split('/').any(|part| part.len() > 255) {
        return Err(bad("the path is too long"));
    }
    if path.ends_with('/') {
        return Err(bad("it is a folder; name a file"));
    }
    let parts: Vec<&str> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    let path = parts.join("/");
    if !is_inner_path(&path) {
        return Err(bad("it names no file of the tree"));
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protection_wins_over_the_editable() {
        let surface = Surface {
            editable: vec!["src".into(), "./solve.py".into(), "lib/".into()],
            protected: vec!["src/frozen".into()],
        };
        let check = |path: &str, expected: Result<(), &str>| {
            assert_eq!(
                surface.check(path).map_err(|error| error.to_string()),
                expected.map_err(str::to_owned),
                "{path}"
            );
            assert_eq!(surface.covers(path), expected.is_ok(), "{path}");
        };
        check("solve.py", Ok(()));
        check("src/a/b.py", Ok(()));
        check("lib/a", Ok(()));
        check("srcs/a", Err("`srcs/a` may not be changed; editable: src, ./solve.py, lib/"));
        check(
            "src/frozen/a",
            Err("`src/frozen/a` is protected and may not be changed; editable: src, ./solve.py, lib/"),
        );
    }

    #[test]
    fn files_are_those_of_the_tree_and_the_listed_ones_to_come() {
        let tree = Tree::from([("a.py".to_owned(), vec![]), ("b/c.py".to_owned(), vec![])]);
        let files = |editable: &[&str], protected: &[&str]| -> Vec<String> {
            let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
            let surface = Surface { editable: owned(editable), protected: owned(protected) };
            surface.files(&tree).into_iter().map(str::to_owned).collect()
        };
        assert_eq!(files(&[], &[]), ["a.py", "b/c.py"]);
        assert_eq!(files(&[], &["b"]), ["a.py"]);
        assert_eq!(files(&["b", "new.py", "folder"], &[]), ["b/c.py", "new.py"]);
    }

    #[test]
    fn paths_are_normalised_or_refused() {
        let check = |path: &str, expected: Result<&str, &str>| {
            assert_eq!(
                normalised(path).map_err(|error| error.to_string()),
                expected.map(str::to_owned).map_err(str::to_owned),
                "{path}"
            );
        };
        check("./a//b/./c.py", Ok("a/b/c.py"));
        check("/etc/x", Err("`/etc/x` cannot be edited: the path must be relative to the root of the tree"));
        check("C:\\x", Err("`C:\\x` cannot be edited: the path must be relative to the root of the tree"));
        check(
            "a/../../b",
            Err("`a/../../b` cannot be edited: the path must stay inside the tree, without `..`"),
        );
        check("a\0b", Err("`a\\u{0}b` cannot be edited: a path has no NUL"));
        check("a/", Err("`a/` cannot be edited: it is a folder; name a file"));
        check("", Err("`` cannot be edited: it names no file of the tree"));
    }
}
