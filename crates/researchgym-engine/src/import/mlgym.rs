//! MLGym's `.traj` files: found below a folder, and read.
//!
//! The files are somebody else's: they are bounded, links are not followed while looking for them, and nothing in them is
//! run.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use researchgym_core::digest::Digest;
use researchgym_core::import::mlgym;
use researchgym_core::inspect::Trajectory;

/// The longest file that is read. The longest published one has 4 MB.
pub const MAX_BYTES: u64 = 256 << 20;
/// How deep below a folder files are looked for.
const MAX_DEPTH: usize = 6;
/// The most files that are taken from one folder.
const MAX_FILES: usize = 100_000;

/// A trajectory with where it is from.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported {
    /// The task's id in MLGym.
    pub task: String,
    /// The hash of the file.
    pub digest: Digest,
    /// It.
    pub trajectory: Trajectory,
}

/// A file cannot be read as a trajectory.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file system refused.
    #[error("cannot read `{}`: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The answer.
        source: std::io::Error,
    },
    /// More than [`MAX_BYTES`].
    #[error("`{}` has more than {MAX_BYTES} bytes", path.display())]
    Long {
        /// The file.
        path: PathBuf,
    },
    /// Something else.
    #[error("`{}`: {source}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: mlgym::NotMlgym,
    },
}

/// Reads a file. The task is the file's name without `.traj`.
///
/// # Errors
/// It cannot be read, is too long, or is something else.
pub fn read(path: &Path) -> Result<Imported, ImportError> {
    let failed = |source| ImportError::Io { path: path.to_owned(), source };
    let file = std::fs::File::open(path).map_err(failed)?;
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(failed(std::io::Error::other("it is no regular file")));
    }
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(ImportError::Long { path: path.to_owned() });
    }
    let task = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let trajectory = mlgym::parse(&bytes, &task)
        .map_err(|source| ImportError::Format { path: path.to_owned(), source })?;
    Ok(Imported { task, digest: Digest::of(&bytes), trajectory })
}

/// The `.traj` files below a folder, by name.
pub fn trajectories(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![(folder.to_owned(), 0)];
    while let Some((folder, depth)) = open.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let Ok(kind) = entry.file_type() else { continue };
            let path = entry.path();
            if kind.is_dir() && depth < MAX_DEPTH {
                open.push((path, depth + 1));
            } else if kind.is_file()
                && path.extension().is_some_and(|extension| extension == "traj")
                && found.len() < MAX_FILES
            {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}
