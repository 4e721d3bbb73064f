//! Prepared
use super::DatasetError;
use researchgym_core::task::Dataset;
use std::path::{Path, PathBuf};
/// Prepared
#[derive(Clone, Debug)]
pub struct Prepared {
    pub(super) folder: PathBuf,
}
impl Prepared {
    /// a
    pub fn folder(&self) -> &Path {
        &self.folder
    }
    /// a
    pub fn visible(&self) -> PathBuf {
        self.folder.join("visible")
    }
    /// a
    pub fn hidden(&self) -> PathBuf {
        self.folder.join("hidden")
    }
    /// a
    pub fn exists(&self) -> bool {
        self.folder.is_dir()
    }
    /// a
    pub fn workplace(&self) -> Result<tempfile::TempDir, DatasetError> {
        Err(DatasetError::Missing(self.folder.clone()))
    }
    /// a
    pub fn publish(&self, workplace: tempfile::TempDir, dataset: &Dataset) -> Result<(), DatasetError> {
        let _ = (workplace, dataset);
        Err(DatasetError::Missing(self.folder.clone()))
    }
}
