//! What a sandbox answers.

use std::time::Duration;

use researchgym_core::observation::{ExecEnding, ReachedLimit};

/// How a command or process ended. Its output is in the `Capture` that the caller gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecOutcome {
    /// As bash reports it (128 + n for signal n); `None` if the time was over.
    pub exit_code: Option<i32>,
    /// How it ended.
    pub ending: ExecEnding,
    /// Whether the next command meets a new shell.
    pub new_shell: bool,
    /// What else happened, in sentences without a full stop, such as `the memory limit was reached: 1 process was killed`.
    pub notes: Vec<String>,
    /// The limits that were met.
    pub limits: Vec<ReachedLimit>,
}

/// What a sandbox has used, once everything in it is gone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// CPU time of all its processes.
    pub cpu: Duration,
    /// Most memory used at any time, page cache included; `None` where nothing measures it.
    pub peak_memory_bytes: Option<u64>,
    /// Processes killed for memory.
    pub out_of_memory: u64,
    /// Forks refused by the limit on processes.
    pub pids_refused: u64,
}

impl Usage {
    /// The larger of each figure: what was measured later may have been lost.
    pub(super) fn at_least(self, other: &Usage) -> Usage {
        Usage {
            cpu: self.cpu.max(other.cpu),
            peak_memory_bytes: self.peak_memory_bytes.max(other.peak_memory_bytes),
            out_of_memory: self.out_of_memory.max(other.out_of_memory),
            pids_refused: self.pids_refused.max(other.pids_refused),
        }
    }
}

/// One line from a program inside to the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRequest {
    /// For [`super::Sandbox::answer`].
    pub id: u64,
    /// At most 64 KiB, without its newline. UTF-8, but not checked to be JSON.
    pub line: String,
}

/// Why a file was not read or written. The text is for the agent.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, thiserror::Error)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FileRefusal {
    /// The path, or a link in it, leads out of the workspace.
    #[error("`{path}` is outside of the workspace")]
    Outside {
        /// As given.
        path: String,
    },
    /// Nothing is there.
    #[error("`{path}` does not exist")]
    NotFound {
        /// As given.
        path: String,
    },
    /// Something is there, but no regular file.
    #[error("`{path}` is not a regular file")]
    NotRegular {
        /// As given.
        path: String,
    },
    /// The agent has no right to it.
    #[error("`{path}`: permission denied")]
    Denied {
        /// As given.
        path: String,
    },
    /// It would not fit into the workspace.
    #[error("`{path}` is too large: {bytes} bytes, the limit is {limit}")]
    TooLarge {
        /// As given.
        path: String,
        /// Its size.
        bytes: u64,
        /// The most that is allowed.
        limit: u64,
    },
    /// The disk, or the space allowed, is full.
    #[error("`{path}`: no space left")]
    NoSpace {
        /// As given.
        path: String,
    },
    /// Anything else that the kernel said.
    #[error("`{path}`: {reason}")]
    Other {
        /// As given.
        path: String,
        /// The kernel's words.
        reason: String,
    },
}
