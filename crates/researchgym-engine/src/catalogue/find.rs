//! Finds.
use super::{CatalogueError, LoadedTask};
use std::path::{Path, PathBuf};
/// Folders of tasks.
#[derive(Clone, Debug)]
pub struct Catalogue {
    folders: Vec<PathBuf>,
}
/// One.
#[derive(Debug)]
pub struct Entry {
    /// Name of the folder.
    pub name: String,
    /// Where.
    pub folder: PathBuf,
    /// The task, or why it cannot be used.
    pub loaded: Result<LoadedTask, CatalogueError>,
}
impl Catalogue {
    /// new
    pub fn new(folders: Vec<PathBuf>) -> Catalogue {
        Catalogue { folders }
    }
    /// folders
    pub fn folders(&self) -> &[PathBuf] {
        &self.folders
    }
    /// find
    pub fn find(&self, name_or_path: &str) -> Result<LoadedTask, CatalogueError> {
        LoadedTask::open(Path::new(name_or_path))
    }
    /// list
    pub fn list(&self) -> Vec<Entry> {
        Vec::new()
    }
}
