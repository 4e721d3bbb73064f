//! Why a program could not be run from a warm Python.

use researchgym_core::failure::{Boundary, Failure};

use crate::sandbox::SandboxError;
use crate::snapshot::SnapshotError;

/// A failure of a warm Python. A program's own failures are outcomes, not errors.
#[derive(Debug, thiserror::Error)]
pub enum WarmError {
    /// The command is not one that can be forked; nothing was run.
    #[error("it cannot be forked from a warm Python: {what}")]
    NotWarm {
        /// Why.
        what: String,
    },
    /// Everything would be killed, and that would be the user's other processes.
    #[error("evaluations from a warm Python need a runtime that isolates, not `host`")]
    NotIsolated,
    /// The support library cannot be written to the cache.
    #[error("the support library cannot be written: {0}")]
    Library(#[source] std::io::Error),
    /// A module of `preload` cannot be imported.
    #[error("a module of `search.warm.preload` cannot be imported: {reason}")]
    Preload {
        /// The module and Python's words.
        reason: String,
    },
    /// It ended before it could answer, or said what it must not say.
    #[error("the warm Python broke off: {reason}")]
    Broken {
        /// What is known.
        reason: String,
    },
    /// The forked process could not be confined, so that no program ran.
    #[error("a forked process could not be confined: {reason}")]
    Confinement {
        /// Python's words.
        reason: String,
    },
    /// The sandbox failed.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The working folder cannot be emptied.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The working folder cannot be made accessible.
    #[error("the working folder of a warm Python: {0}")]
    Folder(#[source] std::io::Error),
    /// A system call failed.
    #[error("{doing}: {source}")]
    System {
        /// What was being done.
        doing: &'static str,
        /// The kernel's words.
        #[source]
        source: std::io::Error,
    },
}

impl From<WarmError> for Failure {
    fn from(error: WarmError) -> Failure {
        match error {
            WarmError::Sandbox(error) => error.into(),
            WarmError::Snapshot(error) => error.into(),
            WarmError::Preload { .. } => Failure::new(Boundary::Task, error.to_string())
                .hinted("add the package to the task's environment, or take the module out of `preload`"),
            WarmError::NotWarm { .. } => Failure::new(Boundary::Task, error.to_string()),
            WarmError::NotIsolated
            | WarmError::Library(_)
            | WarmError::Broken { .. }
            | WarmError::Confinement { .. }
            | WarmError::Folder(_)
            | WarmError::System { .. } => Failure::new(Boundary::Sandbox, error.to_string()),
        }
    }
}
