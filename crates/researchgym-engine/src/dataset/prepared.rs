//! What a `prepare` command made of a download: `<home>/datasets/prepared/<digest>/{visible,hidden}/`.
//!
//! The command itself runs in a sandbox, by the caller. Its name depends on the download, the command and the grader's
//! files, so that a changed script prepares anew.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use researchgym_core::digest::Digest;
use researchgym_core::task::Dataset;
use rustix::fs::{Mode, OFlags};

use super::DatasetError;
use crate::scratch::{self, Scratch};

/// What the names of unfinished folders begin with.
pub(crate) const UNFINISHED: &str = ".preparing-";

/// The prepared files of one dataset, whether they are there yet or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    parent: PathBuf,
    folder: PathBuf,
}

impl Prepared {
    pub(super) fn new(parent: &Path, dataset: &Dataset, grader_digest: Digest) -> Prepared {
        let list = |texts: &[String]| {
            let parts: Vec<&[u8]> = texts.iter().map(String::as_bytes).collect();
            Digest::of_parts(&parts)
        };
        let lists = [list(&dataset.prepare), list(&dataset.visible), list(&dataset.hidden)];
        let digest = Digest::of_parts(&[
            dataset.sha256.as_bytes(),
            dataset.file.as_bytes(),
            grader_digest.as_bytes(),
            lists[0].as_bytes(),
            lists[1].as_bytes(),
            lists[2].as_bytes(),
        ]);
        Prepared { parent: parent.to_owned(), folder: parent.join(digest.to_string()) }
    }

    /// Whether a command was run already. If so, the files are complete and the download is not needed.
    pub fn exists(&self) -> bool {
        self.folder.is_dir()
    }

    /// The folder of both.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The files that the agent sees.
    pub fn visible(&self) -> PathBuf {
        self.folder.join("visible")
    }

    /// The files that only the grader sees.
    pub fn hidden(&self) -> PathBuf {
        self.folder.join("hidden")
    }

    /// An empty folder for the command to write to; removed when dropped.
    pub fn workplace(&self) -> Result<Scratch, DatasetError> {
        fs::create_dir_all(&self.parent).map_err(unusable(&self.parent))?;
        scratch::named(&self.parent, UNFINISHED, 0o700).map_err(unusable(&self.parent))
    }

    /// Takes the files that the task lists out of the workplace and puts them in place, all at once.
    ///
    /// Nothing may run in the workplace any more. Links and special files are refused, further files are dropped.
    /// Of two processes that publish the same, the first wins and both succeed.
    pub fn publish(&self, workplace: Scratch, dataset: &Dataset) -> Result<(), DatasetError> {
        let ready = self.workplace()?;
        for (part, files) in [("visible", &dataset.visible), ("hidden", &dataset.hidden)] {
            let target = ready.path().join(part);
            fs::create_dir(&target).map_err(unusable(&target))?;
            readable_by_sandboxes(&target)?;
            for file in files {
                take(workplace.path(), file, &target).map_err(|_| DatasetError::NotMade {
                    dataset: dataset.name.clone(),
                    file: file.clone(),
                })??;
            }
        }
        readable_by_sandboxes(ready.path())?;
        match fs::rename(ready.path(), &self.folder) {
            Err(_) if self.exists() => {}
            renamed => {
                renamed.map_err(unusable(&self.folder))?;
                // Its folder has another name now: there is nothing left to remove.
                let _ = ready.keep();
            }
        }
        Ok(())
    }
}

/// Copies one file. The outer error says that the source is not a regular file that is reached without links.
fn take(workplace: &Path, relative: &str, target: &Path) -> io::Result<Result<(), DatasetError>> {
    let mut folder = workplace.to_owned();
    let (parents, _) = relative.rsplit_once('/').unwrap_or(("", relative));
    for name in parents.split('/').filter(|name| !name.is_empty()) {
        folder.push(name);
        if !fs::symlink_metadata(&folder)?.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
    }
    // Without NONBLOCK, opening a FIFO would wait for a writer.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let mut source = File::from(rustix::fs::open(workplace.join(relative), flags, Mode::empty())?);
    if !source.metadata()?.is_file() {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok(copy(&mut source, relative, target))
}

fn copy(source: &mut File, relative: &str, target: &Path) -> Result<(), DatasetError> {
    let path = target.join(relative);
    let mut folder = target.to_owned();
    let (parents, _) = relative.rsplit_once('/').unwrap_or(("", relative));
    for name in parents.split('/').filter(|name| !name.is_empty()) {
        folder.push(name);
        fs::create_dir_all(&folder).map_err(unusable(&folder))?;
        readable_by_sandboxes(&folder)?;
    }
    let mut file = File::create_new(&path).map_err(unusable(&path))?;
    io::copy(source, &mut file).map_err(unusable(&path))?;
    file.set_permissions(Permissions::from_mode(0o644)).map_err(unusable(&path))?;
    file.sync_all().map_err(unusable(&path))
}

/// Sandboxes run as other users than ours.
fn readable_by_sandboxes(folder: &Path) -> Result<(), DatasetError> {
    fs::set_permissions(folder, Permissions::from_mode(0o755)).map_err(unusable(folder))
}

fn unusable(path: &Path) -> impl FnOnce(io::Error) -> DatasetError {
    let path = path.to_owned();
    move |source| DatasetError::File { path, source: scratch::without_path(source) }
}
