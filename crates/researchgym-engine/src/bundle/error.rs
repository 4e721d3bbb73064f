//! What can be wrong with a bundle, or with making one.

use std::io;
use std::path::{Path, PathBuf};

use researchgym_core::failure::{Boundary, Failure};

use crate::store::StoreError;

/// A bundle cannot be made or read.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
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
    /// The run folder cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A run that is worked on is no whole.
    #[error("the run `{}` is being worked on", path.display())]
    Running {
        /// The run folder.
        path: PathBuf,
    },
    /// A file of the run was written to meanwhile.
    #[error("`{path}` changed while it was read")]
    Changed {
        /// Which.
        path: String,
    },
    /// A file has a name that a bundle cannot hold.
    #[error("a bundle cannot hold the file `{path}`: {reason}")]
    Name {
        /// Which.
        path: String,
        /// Why.
        reason: &'static str,
    },
    /// It is no bundle, or a broken or hostile one.
    #[error("it is not a bundle that can be used: {0}")]
    Form(String),
    /// Its contents are not what its manifest says.
    #[error("it is not whole: {}", problems.join("; "))]
    Differs {
        /// All that differs.
        problems: Vec<String>,
    },
    /// Another run has its id.
    #[error("there is another run of this id: `{}`", path.display())]
    Taken {
        /// Where.
        path: PathBuf,
    },
    /// There is not enough room for what it holds.
    #[error("it unpacks to {bytes} bytes, and `{}` has room for {free}", path.display())]
    Room {
        /// What it unpacks to.
        bytes: u64,
        /// What is free.
        free: u64,
        /// Where.
        path: PathBuf,
    },
    /// Whoever asked for it has stopped it.
    #[error("stopped")]
    Stopped,
}

impl BundleError {
    /// For `map_err`: what was tried on which path.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> BundleError {
        let path = path.to_owned();
        move |source| BundleError::Io { action, path, source: crate::scratch::without_path(source) }
    }

    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            BundleError::Store(error) => return error.hint(),
            BundleError::Running { .. } => "wait until it has ended, or stop it",
            BundleError::Changed { .. } => "see that nobody writes to the run, and try again",
            BundleError::Taken { .. } => {
                "look at it with `researchgym show`; give another place by `--runs-dir`, or remove that run first"
            }
            BundleError::Differs { .. } => "fetch the bundle again, or have it made again",
            BundleError::Room { .. } => "free space, or give another place",
            BundleError::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                "free space on the disk"
            }
            BundleError::Io { .. }
            | BundleError::Name { .. }
            | BundleError::Form(_)
            | BundleError::Stopped => return None,
        };
        Some(hint.to_owned())
    }

    /// Whether the bundle itself is at fault, and not this machine or a run on it.
    pub fn is_of_the_bundle(&self) -> bool {
        matches!(self, BundleError::Form(_) | BundleError::Differs { .. })
    }
}

impl From<BundleError> for Failure {
    fn from(error: BundleError) -> Failure {
        Failure { boundary: Boundary::Store, message: error.to_string(), hint: error.hint() }
    }
}
