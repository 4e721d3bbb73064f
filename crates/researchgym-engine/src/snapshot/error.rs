//! What can go wrong with a snapshot, and whose fault it is.

use std::io;
use std::path::{Path, PathBuf};

use researchgym_core::failure::{Boundary, Failure};
use researchgym_core::manifest::{MAX_DEPTH, ManifestError};
use researchgym_core::score::{Finding, Severity};

use crate::store::StoreError;

/// A snapshot was not taken, or not checked out.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// A declared artefact cannot be submitted as it is: the agent's to mend.
    #[error("`{path}` {trouble}")]
    Artefact {
        /// Relative to the workspace, with escapes.
        path: String,
        /// Why.
        trouble: Trouble,
    },
    /// The task declares an artefact that is not a path inside the workspace.
    #[error("the artefact `{path}` is not a path inside the workspace")]
    ArtefactPath {
        /// As declared.
        path: String,
    },
    /// A trusted folder holds something that is not copied.
    #[error("`{}` is not a regular file or folder", path.display())]
    Source {
        /// The entry.
        path: PathBuf,
    },
    /// A folder that should be made clean is not.
    #[error("`{}` is not empty", path.display())]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// The file system refused.
    #[error("cannot {action} `{}`: {source}", path.display())]
    Io {
        /// What was tried, such as `read`.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The answer.
        source: io::Error,
    },
    /// The manifest is not one to check out.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The blobs cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why an entry is not recorded.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// Nothing there.
    #[error("does not exist")]
    Missing,
    /// A symbolic link, or a path through one.
    #[error("is a symbolic link or lies behind one: only regular files are taken")]
    Link,
    /// A FIFO, socket or device.
    #[error("is a {0}: only regular files are taken")]
    Special(&'static str),
    /// It could not be opened or read.
    #[error("cannot be read: {0}")]
    Unreadable(io::Error),
    /// Its name is not UTF-8.
    #[error("has a name that is not UTF-8")]
    Name,
    /// Too many folders deep, or its path too long.
    #[error("lies more than {MAX_DEPTH} folders or 4000 bytes deep")]
    Deep,
    /// More bytes than what is left of the cap.
    #[error("has {bytes} bytes; all files together may have {max_bytes}")]
    Bytes {
        /// Its size.
        bytes: u64,
        /// The cap.
        max_bytes: u64,
    },
    /// More entries than the cap.
    #[error("and what follows is more than the {max_files} entries that are taken")]
    Entries {
        /// The cap.
        max_files: u64,
    },
}

impl SnapshotError {
    /// For `map_err`: what was tried on which path.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SnapshotError {
        let path = path.to_owned();
        move |source| SnapshotError::Io { action, path, source }
    }

    /// What the agent is told, if it is the agent's to mend.
    pub fn agent_reason(&self) -> Option<String> {
        match self {
            SnapshotError::Artefact { .. } => Some(self.to_string()),
            SnapshotError::ArtefactPath { .. }
            | SnapshotError::Source { .. }
            | SnapshotError::NotEmpty { .. }
            | SnapshotError::Io { .. }
            | SnapshotError::Manifest(_)
            | SnapshotError::Store(_) => None,
        }
    }

    /// What an artefact that is not taken says about the attempt: nothing if it is missing or cannot be read.
    pub fn finding(&self) -> Option<Finding> {
        let SnapshotError::Artefact { trouble, .. } = self else { return None };
        let (kind, severity) = match trouble {
            Trouble::Link => ("symlink_in_artefact", Severity::Warning),
            Trouble::Special(_) => ("special_file_in_artefact", Severity::Warning),
            Trouble::Bytes { .. } | Trouble::Entries { .. } | Trouble::Deep => {
                ("oversized_artefact", Severity::Info)
            }
            Trouble::Missing | Trouble::Unreadable(_) | Trouble::Name => return None,
        };
        Some(Finding { kind: kind.into(), severity, events: Vec::new(), evidence: self.to_string() })
    }
}

impl From<SnapshotError> for Failure {
    fn from(error: SnapshotError) -> Failure {
        let boundary = match &error {
            SnapshotError::Artefact { .. } => Boundary::Agent,
            SnapshotError::ArtefactPath { .. } | SnapshotError::Source { .. } => Boundary::Task,
            SnapshotError::NotEmpty { .. } | SnapshotError::Manifest(_) => Boundary::Store,
            SnapshotError::Io { action, path, source } => {
                // The same advice as for the store's own files.
                let source = match source.raw_os_error() {
                    Some(code) => io::Error::from_raw_os_error(code),
                    None => io::Error::new(source.kind(), source.to_string()),
                };
                return StoreError::Io { action, path: path.clone(), source }.into();
            }
            SnapshotError::Store(_) => match error {
                SnapshotError::Store(store) => return store.into(),
                _ => Boundary::Store,
            },
        };
        Failure::new(boundary, error.to_string())
    }
}
