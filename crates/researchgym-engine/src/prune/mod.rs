//! Removing runs from a store: which, how much that frees, and how, so that a kill leaves nothing that looks like a run.
//!
//! Nothing outside the runs folder is touched and no link is followed. A run is taken by its lock, renamed aside within the
//! runs folder, and then removed; what a killed removal left is finished by the next. What runs share, as forks share blobs, is
//! freed when the last of them goes.

mod plan;
mod remove;
mod size;

use std::path::PathBuf;
use std::time::SystemTime;

pub use self::plan::{Criteria, Plan, plan};
pub use self::remove::{RemoveError, Unfinished, finish, remove, unfinished};
pub use self::size::{Size, Total};
use crate::store::RunFolder;

/// What the names of folders begin with that are being removed, below the runs folder.
pub(crate) const REMOVING: &str = ".removing-";

/// A run that may be removed.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Where it is.
    pub folder: RunFolder,
    /// When its log was written to last: that of a run of ours, or what an import wrote.
    pub written: SystemTime,
    /// What it takes on the disk.
    pub size: Size,
}

/// Looks at a run's folder; nothing if it or the folder of its day is a link.
pub fn look(folder: &RunFolder) -> Option<Candidate> {
    let logs: [PathBuf; 2] = [folder.events(), folder.imported()];
    let day = folder.root().parent()?;
    day.symlink_metadata().ok().filter(|found| found.is_dir())?;
    let root = folder.root().symlink_metadata().ok().filter(|found| found.is_dir())?;
    let log = logs.iter().find_map(|log| log.symlink_metadata().ok()).unwrap_or(root);
    let written = log.modified().ok()?;
    Some(Candidate { folder: folder.clone(), written, size: Size::of(folder.root()) })
}
