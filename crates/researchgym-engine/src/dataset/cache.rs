//! The downloads, each under the hash of its content: `<home>/datasets/<sha256>`.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use researchgym_core::digest::Digest;
use researchgym_core::task::Dataset;
use rustix::fs::{FlockOperation, flock};

use super::download::download;
use super::{DatasetError, Prepared};
use crate::catalogue::file_digest;
use crate::progress::{Listener, Progress};

/// Folders deeper than this below a `--data-dir` are not searched.
const DEPTH: usize = 4;

/// The datasets of a user, shared by all runs and processes.
#[derive(Clone, Debug)]
pub struct DatasetCache {
    folder: PathBuf,
}

/// Where a dataset may come from, besides the cache.
#[derive(Clone, Copy)]
pub struct Fetching<'a> {
    /// Files that the user already has; looked at first.
    pub data_dir: Option<&'a Path>,
    /// Whether to download what is nowhere on this machine.
    pub download: bool,
    /// Who is told about it.
    pub listener: Listener<'a>,
}

impl DatasetCache {
    /// The cache in the user's `RESEARCHGYM_HOME`. Nothing is made before something is kept.
    pub fn new(home: &Path) -> DatasetCache {
        DatasetCache { folder: home.join("datasets") }
    }

    /// The dataset's download: a file whose name is arbitrary and whose content was checked just now.
    ///
    /// A file of the user's own folder is used where it lies, not copied.
    pub async fn ensure(
        &self,
        task: &str,
        dataset: &Dataset,
        fetching: Fetching<'_>,
    ) -> Result<PathBuf, DatasetError> {
        if let Some(data_dir) = fetching.data_dir {
            let (folder, wanted) = (data_dir.to_owned(), dataset.clone());
            if let Some(path) = blocking(move || own_file(&folder, &wanted)).await? {
                return Ok(path);
            }
        }
        let kept = self.folder.join(dataset.sha256.to_string());
        if has_digest(&kept, dataset.bytes, dataset.sha256).await? {
            return Ok(kept);
        }
        if !fetching.download {
            return Err(DatasetError::NotHere { task: task.to_owned(), dataset: dataset.name.clone() });
        }
        (fetching.listener)(Progress::Stage(&format!("fetching {}", dataset.file)));
        let lock = self.lock(dataset.sha256).await?;
        if !has_digest(&kept, dataset.bytes, dataset.sha256).await? {
            let part = self.folder.join(format!("{}.part", dataset.sha256));
            download(dataset, &part, fetching.listener).await?;
            let unusable = |source| DatasetError::File { path: kept.clone(), source };
            // Sandboxes run as other users than ours, whatever our umask is.
            fs::set_permissions(&part, Permissions::from_mode(0o644)).map_err(unusable)?;
            fs::rename(&part, &kept).map_err(unusable)?;
        }
        drop(lock);
        Ok(kept)
    }

    /// What a task's `prepare` command makes of the download, with the grader's files as they are.
    pub fn prepared(&self, dataset: &Dataset, grader_digest: Digest) -> Prepared {
        Prepared::new(&self.folder.join("prepared"), dataset, grader_digest)
    }

    /// Waits until no other process downloads the same; the kernel releases the lock of a process that dies.
    async fn lock(&self, digest: Digest) -> Result<File, DatasetError> {
        let folder = self.folder.clone();
        let path = folder.join(format!("{digest}.lock"));
        blocking(move || {
            let unusable = |source| DatasetError::File { path: path.clone(), source };
            fs::create_dir_all(&folder).map_err(unusable)?;
            let file = File::create(&path).map_err(unusable)?;
            flock(&file, FlockOperation::LockExclusive).map_err(|error| unusable(error.into()))?;
            Ok(file)
        })
        .await
    }
}

/// The user's own copy: a file of the right content, whatever its name. One of the right name must have it.
fn own_file(data_dir: &Path, dataset: &Dataset) -> Result<Option<PathBuf>, DatasetError> {
    let mut named = None;
    for path in files_below(data_dir, DEPTH)? {
        let unusable = |source| DatasetError::File { path: path.clone(), source };
        // Only a file of the right size can have the right hash: the others need not be read.
        let size_fits = fs::metadata(&path).map_err(unusable)?.len() == dataset.bytes;
        if size_fits && file_digest(&path).map_err(unusable)? == dataset.sha256 {
            return Ok(Some(path));
        }
        if path.file_name().is_some_and(|name| name == dataset.file.as_str()) {
            named = Some(path);
        }
    }
    let Some(path) = named else { return Ok(None) };
    let found = file_digest(&path).map_err(|source| DatasetError::File { path: path.clone(), source })?;
    Err(DatasetError::OtherContent { path, dataset: dataset.name.clone(), found, expected: dataset.sha256 })
}

fn files_below(folder: &Path, depth: usize) -> Result<Vec<PathBuf>, DatasetError> {
    let unusable = |source| DatasetError::File { path: folder.to_owned(), source };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(unusable)? {
        let path = entry.map_err(unusable)?.path();
        if path.is_file() {
            files.push(path);
        } else if path.is_dir() && depth > 1 {
            files.extend(files_below(&path, depth - 1)?);
        }
    }
    files.sort();
    Ok(files)
}

async fn has_digest(path: &Path, bytes: u64, digest: Digest) -> Result<bool, DatasetError> {
    let path = path.to_owned();
    blocking(move || match fs::metadata(&path) {
        Ok(metadata) if metadata.is_file() && metadata.len() == bytes => {
            let found = file_digest(&path).map_err(|source| DatasetError::File { path, source })?;
            Ok(found == digest)
        }
        _ => Ok(false),
    })
    .await
}

/// Runs file work off the threads that serve sandboxes.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, DatasetError> + Send + 'static,
) -> Result<T, DatasetError> {
    tokio::task::spawn_blocking(work).await.expect("the work does not panic and is not cancelled")
}
