//! What an agent may do: the closed set of actions of a session.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// The largest body that stands in an event itself; longer ones are blobs named by their hash.
pub const INLINE_BODY_BYTES: usize = 4096;

/// A text or file content, in the log or beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// UTF-8 text of at most [`INLINE_BODY_BYTES`].
    Text(String),
    /// Bytes that are not UTF-8, in standard base64.
    Base64(String),
    /// Content of more than [`INLINE_BODY_BYTES`], kept in the run's `blobs/`.
    Blob {
        /// Its SHA-256, which is also its file name.
        sha256: Digest,
        /// Its length in bytes.
        bytes: u64,
    },
}

impl Body {
    /// How many bytes it takes where it is kept.
    pub fn kept_bytes(&self) -> u64 {
        match self {
            Body::Text(text) | Body::Base64(text) => text.len() as u64,
            Body::Blob { bytes, .. } => *bytes,
        }
    }
}

/// One action of an agent. Each is one step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// Runs shell text in the run's one persistent bash.
    Exec {
        /// The text, handed to bash as it is.
        command: Body,
        /// Seconds after which everything that the command started is killed; the task's default if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        timeout_s: Option<f64>,
    },
    /// Writes a file, making its parent folders.
    Write {
        /// Relative to the workspace; may not leave it.
        path: String,
        /// The whole content.
        content: Body,
        /// Permission bits such as 0o755; 0o644 if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mode: Option<u32>,
    },
    /// Reads a regular file.
    Read {
        /// Relative to the workspace; may not leave it.
        path: String,
    },
    /// Searches the web, by this program and not from the sandbox.
    Search {
        /// What for.
        query: String,
        /// How many results at most.
        results: u32,
    },
    /// Reads a page of the web as text, by this program and not from the sandbox.
    Fetch {
        /// Its whole address.
        url: String,
    },
    /// Says something for the record.
    Say {
        /// The text.
        text: Body,
    },
    /// Scores the current artefacts without ending the run.
    Validate,
    /// Scores the current artefacts and ends the run.
    Submit,
    /// Ends the run; what is there is graded once if it exists.
    GiveUp {
        /// Why.
        reason: String,
    },
}

impl Action {
    /// The action's name in tables and progress lines.
    pub fn name(&self) -> &'static str {
        match self {
            Action::Exec { .. } => "exec",
            Action::Write { .. } => "write",
            Action::Read { .. } => "read",
            Action::Search { .. } => "search",
            Action::Fetch { .. } => "fetch",
            Action::Say { .. } => "say",
            Action::Validate => "validate",
            Action::Submit => "submit",
            Action::GiveUp { .. } => "give_up",
        }
    }
}

/// Who asked for an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The agent that drives the session. Its actions are the run's steps.
    Agent,
    /// A program inside the sandbox, through the session socket (`researchgym validate`). Not a step.
    Sandbox,
}
