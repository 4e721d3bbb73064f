//! Why a Python environment cannot be had.

use std::path::PathBuf;

use researchgym_core::failure::{Boundary, Failure};

/// Why a Python environment cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum EnvironmentError {
    /// `uv` is not installed.
    #[error("cannot start `{}`, which makes Python environments: {source}", program.display())]
    NoUv {
        /// What was tried.
        program: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The interpreter is not there or does not work.
    #[error("cannot use the Python interpreter {}: {reason}", python.display())]
    NoPython {
        /// Which.
        python: PathBuf,
        /// Why.
        reason: String,
    },
    /// `uv` failed.
    #[error("`{command}` failed for {}:\n{output}", requirements.display())]
    Failed {
        /// Program and first argument.
        command: String,
        /// The lock file.
        requirements: PathBuf,
        /// The last lines that it wrote.
        output: String,
    },
    /// It was not made yet, and nobody may make it here.
    #[error("the Python environment of {} is not at {}", requirements.display(), target.display())]
    NotHere {
        /// The lock file.
        requirements: PathBuf,
        /// Where it would be.
        target: PathBuf,
    },
    /// A file cannot be read or written.
    #[error("cannot use {}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl EnvironmentError {
    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        match self {
            EnvironmentError::NoUv { .. } => {
                Some("install uv: `pip install uv`, `pipx install uv`, or see https://docs.astral.sh/uv".to_owned())
            }
            EnvironmentError::NoPython { .. } => Some("`apt install python3`".to_owned()),
            EnvironmentError::Failed { .. } => Some(
                "the file must pin all packages with hashes, as `uv pip compile --generate-hashes` writes it, and \
                 each must have a wheel for this machine"
                    .to_owned(),
            ),
            EnvironmentError::NotHere { .. } => Some(
                "jobs make no environments: it is made where the run is started, for a Python of the same version at the \
                 same path, in a cache folder that nodes see (`home` of [slurm])"
                    .to_owned(),
            ),
            EnvironmentError::File { .. } => None,
        }
    }
}

impl From<EnvironmentError> for Failure {
    fn from(error: EnvironmentError) -> Failure {
        let boundary = match error {
            EnvironmentError::File { .. } => Boundary::Store,
            EnvironmentError::NoUv { .. }
            | EnvironmentError::NoPython { .. }
            | EnvironmentError::NotHere { .. }
            | EnvironmentError::Failed { .. } => Boundary::Task,
        };
        Failure { boundary, message: error.to_string(), hint: error.hint() }
    }
}
