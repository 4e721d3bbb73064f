//! Finds tasks by name or path in an ordered list of folders.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use researchgym_core::nearest::nearest;

use super::{CatalogueError, LoadedTask};

/// The folders in which tasks are looked up, first match first. The caller decides which they are.
#[derive(Clone, Debug)]
pub struct Catalogue {
    folders: Vec<PathBuf>,
}

/// A task as a list shows it: a broken one does not hide the others.
#[derive(Debug)]
pub struct Entry {
    /// The name of its folder.
    pub name: String,
    /// Its folder.
    pub folder: PathBuf,
    /// The task, or why it cannot be used.
    pub loaded: Result<LoadedTask, CatalogueError>,
}

impl Catalogue {
    /// A catalogue of the folders, in the order in which they are searched. They need not exist.
    pub fn new(folders: Vec<PathBuf>) -> Catalogue {
        Catalogue { folders }
    }

    /// The folders in the order in which they are searched.
    pub fn folders(&self) -> &[PathBuf] {
        &self.folders
    }

    /// Loads the task of that name, or the one whose folder or `task.toml` the path names.
    pub fn find(&self, name_or_path: &str) -> Result<LoadedTask, CatalogueError> {
        let path = Path::new(name_or_path);
        if path.file_name().is_some_and(|name| name == "task.toml") && path.is_file() {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            return LoadedTask::open(
                &folder
                    .unwrap_or(Path::new("."))
                    .canonicalize()
                    .map_err(|source| CatalogueError::Read { path: path.to_owned(), source })?,
            );
        }
        if name_or_path.contains('/') || name_or_path == "." || name_or_path == ".." {
            return LoadedTask::open(path);
        }
        let places: Vec<PathBuf> = self.folders.iter().map(|folder| folder.join(name_or_path)).collect();
        let here = path.to_owned();
        let existing: Vec<&PathBuf> =
            places.iter().chain([&here]).filter(|place| !name_or_path.is_empty() && place.is_dir()).collect();
        if let Some(folder) = existing.iter().find(|folder| folder.join("task.toml").is_file()) {
            return LoadedTask::open(folder);
        }
        if let Some(folder) = existing.iter().find(|folder| **folder != &here) {
            return Err(CatalogueError::NoTaskFile((*folder).clone()));
        }
        let names = self.names();
        Err(CatalogueError::Unknown {
            name: name_or_path.to_owned(),
            near: nearest(name_or_path, names.keys().map(String::as_str)).map(str::to_owned),
            searched: self.folders.clone(),
        })
    }

    /// Loads all tasks, sorted by name; of two with one name the one that is found first.
    pub fn list(&self) -> Vec<Entry> {
        self.names()
            .into_iter()
            .map(|(name, folder)| Entry { name, loaded: LoadedTask::open(&folder), folder })
            .collect()
    }

    fn names(&self) -> BTreeMap<String, PathBuf> {
        let mut names = BTreeMap::new();
        for folder in &self.folders {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                if entry.path().join("task.toml").is_file() {
                    names.entry(entry.file_name().to_string_lossy().into_owned()).or_insert(entry.path());
                }
            }
        }
        names
    }
}
