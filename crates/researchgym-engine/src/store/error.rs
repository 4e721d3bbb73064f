//! What can go wrong with a run folder, in words that name the path and say what to do.

use std::io;
use std::path::{Path, PathBuf};

use researchgym_core::chain::{ChainError, EncodeError};
use researchgym_core::digest::Digest;
use researchgym_core::failure::{Boundary, Failure};
use researchgym_core::manifest::ManifestError;

use crate::scratch::without_path;

/// A run folder cannot be used as asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file system refused.
    #[error("cannot {action} `{}`: {source}", path.display())]
    Io {
        /// What was tried, such as `write`.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The answer.
        source: io::Error,
    },
    /// No such run.
    #[error("there is no run `{name}` below `{}`", runs.display())]
    NoRun {
        /// What was asked for.
        name: String,
        /// Where.
        runs: PathBuf,
    },
    /// The beginning of several ids.
    #[error("`{name}` may be any of the runs {}", candidates.join(", "))]
    Ambiguous {
        /// What was asked for.
        name: String,
        /// Ids that begin so: the first few.
        candidates: Vec<String>,
    },
    /// Not a folder.
    #[error("`{}` is not a run folder", path.display())]
    NotAFolder {
        /// The path.
        path: PathBuf,
    },
    /// Another process works on the run.
    #[error("the run `{}` is in use by {}", path.display(), match pid { Some(pid) => format!("process {pid}"), None => "another process".into() })]
    Locked {
        /// The run folder.
        path: PathBuf,
        /// Who, if it wrote its number.
        pid: Option<u32>,
    },
    /// There is no `events.jsonl`.
    #[error("`{}`: there is no event log here", path.display())]
    NoLog {
        /// Where it should be.
        path: PathBuf,
    },
    /// The run was imported: it has no event log.
    #[error(
        "run {id} was imported from {program}: it can be shown, inspected, reported and exported, and nothing else"
    )]
    Imported {
        /// Its id.
        id: String,
        /// Whose run it is.
        program: String,
    },
    /// A run of our own where an imported one was meant.
    #[error("`{}` is no imported run", path.display())]
    NotImported {
        /// The run folder.
        path: PathBuf,
    },
    /// A line of an imported run cannot be read.
    #[error("{}:{number}: {source}", path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        number: u64,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The log holds no whole event.
    #[error("`{}`: the event log is empty: the run never started", path.display())]
    EmptyLog {
        /// The log.
        path: PathBuf,
    },
    /// A line is not the one that was written.
    #[error("{}:{number}: {source}", path.display())]
    Line {
        /// The log.
        path: PathBuf,
        /// The line, from 1.
        number: u64,
        /// What is wrong with it.
        source: ChainError,
    },
    /// An event cannot be written; nothing was.
    #[error("cannot append to `{}`: {source}", path.display())]
    Encode {
        /// The log.
        path: PathBuf,
        /// Why.
        source: EncodeError,
    },
    /// An earlier write failed; the log takes no more events.
    #[error("`{}`: an earlier write to the event log failed, so nothing more is written to it", path.display())]
    Poisoned {
        /// The log.
        path: PathBuf,
    },
    /// A content in a pack is not the one that was put there.
    #[error("the content {digest} in `{}` was altered", path.display())]
    PackAltered {
        /// The pack.
        path: PathBuf,
        /// Its name.
        digest: Digest,
    },
    /// A blob that an event names is not there.
    #[error("the blob `{}` is missing", path.display())]
    BlobMissing {
        /// Where it should be.
        path: PathBuf,
    },
    /// A blob's content does not have the hash that is its name.
    #[error("the blob `{}` was altered: its content does not have the hash that is its name", path.display())]
    BlobAltered {
        /// The blob.
        path: PathBuf,
    },
    /// A body in an event is not base64.
    #[error("a body in the event log is not valid base64")]
    Base64(#[from] base64::DecodeError),
    /// A blob that a snapshot names is not a manifest.
    #[error("`{}`: {source}", path.display())]
    Manifest {
        /// The blob.
        path: PathBuf,
        /// Why.
        source: ManifestError,
    },
}

impl StoreError {
    /// For `map_err`: what was tried on which path.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
        let path = path.to_owned();
        move |source| StoreError::Io { action, path, source: without_path(source) }
    }

    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            StoreError::Io { source, .. } => return io_hint(source),
            StoreError::NoRun { .. } => "`researchgym list` shows the runs; `--runs-dir` names another place",
            StoreError::Ambiguous { .. } => "give more of the id",
            StoreError::NotAFolder { .. } => "give a run's id or the path of its folder",
            StoreError::Locked { .. } => "wait until it has ended, or stop it",
            StoreError::NoLog { .. } => {
                "a run folder holds `events.jsonl`: give a run's id or the path of its folder"
            }
            StoreError::Record { .. } => "delete the run's folder and import the run again",
            StoreError::EmptyLog { .. } => "start the run again; the folder may be deleted",
            StoreError::Line { source: ChainError::Newer { .. }, .. } => "update researchgym",
            StoreError::Line { .. }
            | StoreError::BlobMissing { .. }
            | StoreError::BlobAltered { .. }
            | StoreError::PackAltered { .. } => {
                "restore the run folder from a copy; `researchgym verify` lists all that is wrong with it"
            }
            StoreError::Poisoned { .. } => "mend what the first error named, then resume the run",
            StoreError::Imported { .. }
            | StoreError::NotImported { .. }
            | StoreError::Encode { .. }
            | StoreError::Base64(_)
            | StoreError::Manifest { .. } => return None,
        };
        Some(hint.to_owned())
    }
}

/// Without the path: the message names it.
fn io_hint(source: &io::Error) -> Option<String> {
    let hint = match source.kind() {
        io::ErrorKind::StorageFull => {
            "the disk is full: free space on it, then resume the run; what was written before is kept"
        }
        io::ErrorKind::QuotaExceeded => "the disk quota is used up: free space, then resume the run",
        io::ErrorKind::ReadOnlyFilesystem => {
            "it is on a read-only file system: give another place by `--runs-dir`, or mount it writable"
        }
        io::ErrorKind::PermissionDenied => {
            "this user may not do that there: change the owner or give another place by `--runs-dir`"
        }
        _ => return None,
    };
    Some(hint.to_owned())
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        Failure { boundary: Boundary::Store, message: error.to_string(), hint: error.hint() }
    }
}
