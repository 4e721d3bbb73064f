//! Why a dataset cannot be had.

use std::path::PathBuf;

use researchgym_core::digest::Digest;
use researchgym_core::failure::{Boundary, Failure};

/// Why a dataset cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// It is not on this machine, and nobody asked to download it.
    #[error("dataset `{dataset}` of task `{task}` is not on this machine")]
    NotHere {
        /// The task.
        task: String,
        /// The dataset.
        dataset: String,
    },
    /// The user's file has the right name and another content.
    #[error("{} has the SHA-256 {found}, but dataset `{dataset}` has {expected}", path.display())]
    OtherContent {
        /// The user's file.
        path: PathBuf,
        /// The dataset.
        dataset: String,
        /// What the file has.
        found: Digest,
        /// What the task says.
        expected: Digest,
    },
    /// The HTTP client cannot be made.
    #[error("cannot set up downloads: {}", chain(.0))]
    Client(reqwest::Error),
    /// The server cannot be reached.
    #[error("cannot fetch {url}: {}", chain(.source))]
    Request {
        /// The address.
        url: String,
        /// Why.
        source: reqwest::Error,
    },
    /// The server refuses.
    #[error("cannot fetch {url}: the server answers {status}")]
    Status {
        /// The address.
        url: String,
        /// The HTTP status.
        status: reqwest::StatusCode,
    },
    /// The connection ended too early, and trying again brought nothing more.
    #[error("{url} broke off after {done} of {total} bytes")]
    Cut {
        /// The address.
        url: String,
        /// What is here and kept.
        done: u64,
        /// What should be here.
        total: u64,
    },
    /// The server offers something of another size.
    #[error("{url} has {found} bytes or more, but dataset `{dataset}` has {expected}")]
    Size {
        /// The address.
        url: String,
        /// The dataset.
        dataset: String,
        /// What the server offers.
        found: u64,
        /// What the task says.
        expected: u64,
    },
    /// The server offers something of another content.
    #[error("{url} has the SHA-256 {found}, but dataset `{dataset}` has {expected}")]
    Hash {
        /// The address.
        url: String,
        /// The dataset.
        dataset: String,
        /// What came.
        found: Digest,
        /// What the task says.
        expected: Digest,
    },
    /// The `prepare` command ended well and did not write what the task says.
    #[error("the prepare command of dataset `{dataset}` wrote no regular file `{file}`")]
    NotMade {
        /// The dataset.
        dataset: String,
        /// The file, as the task names it.
        file: String,
    },
    /// A file of the cache or of the user cannot be read or written.
    #[error("cannot use {}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// The error with its causes: the outermost says only that something went wrong with the address.
fn chain(error: &reqwest::Error) -> String {
    let mut text = String::new();
    let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(error);
    while let Some(inner) = cause {
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    if text.is_empty() { error.to_string() } else { text }
}

impl DatasetError {
    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        match self {
            DatasetError::NotHere { task, .. } => Some(format!(
                "`researchgym task fetch {task}` downloads it; `--data-dir FOLDER` takes files that you have"
            )),
            DatasetError::OtherContent { .. } => {
                Some("remove it from the folder to have it downloaded, or get the right version".to_owned())
            }
            DatasetError::Client(_) => Some("`apt install ca-certificates` may help".to_owned()),
            DatasetError::Request { .. } | DatasetError::Status { .. } => {
                Some("`--data-dir FOLDER` takes a file that you have got in another way".to_owned())
            }
            DatasetError::Cut { .. } => Some("run it again: it goes on where it stopped".to_owned()),
            DatasetError::Size { .. } | DatasetError::Hash { .. } => Some(
                "the address now offers something else; `--data-dir FOLDER` takes the right file".to_owned(),
            ),
            DatasetError::NotMade { .. } | DatasetError::File { .. } => None,
        }
    }
}

impl From<DatasetError> for Failure {
    fn from(error: DatasetError) -> Failure {
        let boundary = match error {
            // The cache cannot be filled; nothing is wrong with the task.
            DatasetError::File { .. }
            | DatasetError::Client(_)
            | DatasetError::Request { .. }
            | DatasetError::Cut { .. } => Boundary::Store,
            DatasetError::Status { status, .. } if status.is_server_error() => Boundary::Store,
            DatasetError::NotHere { .. }
            | DatasetError::OtherContent { .. }
            | DatasetError::Status { .. }
            | DatasetError::Size { .. }
            | DatasetError::Hash { .. }
            | DatasetError::NotMade { .. } => Boundary::Task,
        };
        Failure { boundary, message: error.to_string(), hint: error.hint() }
    }
}
