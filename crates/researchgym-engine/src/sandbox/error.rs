//! Why a sandbox could not be had or was lost. Always infrastructure, never the agent's fault.

use std::path::PathBuf;

use researchgym_core::failure::{Boundary, Failure};

use super::docker::EngineError;

/// A failure of a sandbox.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The machine does not offer isolation.
    #[error("commands cannot be isolated on this machine: {missing}")]
    NoIsolation {
        /// What is missing.
        missing: String,
    },
    /// A part of the specification makes no sense.
    #[error("sandbox `{name}`: {what}")]
    Specification {
        /// The sandbox's name.
        name: String,
        /// What is wrong.
        what: String,
    },
    /// A file or folder of the host stood in the way.
    #[error("{doing} `{path}`")]
    Path {
        /// What was being done.
        doing: &'static str,
        /// With what.
        path: PathBuf,
        /// The kernel's words.
        #[source]
        source: std::io::Error,
    },
    /// A system call failed.
    #[error("{doing}")]
    System {
        /// What was being done.
        doing: &'static str,
        /// The kernel's words.
        #[source]
        source: std::io::Error,
    },
    /// The sandbox did not come up.
    #[error("sandbox `{name}` did not start: {reason}")]
    Start {
        /// The sandbox's name.
        name: String,
        /// What it said.
        reason: String,
    },
    /// The unprivileged user of a sandbox cannot reach the working folder (`--runtime host` as root).
    #[error("the working folder `{path}` cannot be reached by the unprivileged user {uid}")]
    Unreachable {
        /// The folder.
        path: PathBuf,
        /// The user.
        uid: u32,
    },
    /// The container engine, or its absence.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The guest is gone.
    #[error("sandbox `{name}` ended unexpectedly{reason}")]
    Died {
        /// The sandbox's name.
        name: String,
        /// What is known, with a colon before it, or nothing.
        reason: String,
    },
    /// The guest said what it must not say.
    #[error("the guest of sandbox `{name}` broke the protocol: {what}")]
    Protocol {
        /// The sandbox's name.
        name: String,
        /// What it said.
        what: String,
    },
}

impl SandboxError {
    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            SandboxError::NoIsolation { .. } => "run `researchgym doctor` to see what to install",
            SandboxError::Unreachable { .. } => {
                "started as root, commands run as an unprivileged user: choose a runs folder whose parent folders that user may enter, such as one below /var/tmp, or start as an ordinary user"
            }
            SandboxError::Engine(error) => return error.hint(),
            SandboxError::Specification { .. }
            | SandboxError::Path { .. }
            | SandboxError::System { .. }
            | SandboxError::Start { .. }
            | SandboxError::Died { .. }
            | SandboxError::Protocol { .. } => return None,
        };
        Some(hint.to_owned())
    }
}

impl From<SandboxError> for Failure {
    fn from(error: SandboxError) -> Failure {
        let mut message = error.to_string();
        if let Some(source) =
            std::error::Error::source(&error).filter(|_| !matches!(error, SandboxError::Engine(_)))
        {
            message.push_str(&format!(": {source}"));
        }
        let boundary = match &error {
            SandboxError::Engine(engine) => engine.boundary(),
            _ => Boundary::Sandbox,
        };
        Failure { boundary, message, hint: error.hint() }
    }
}
