//! What an action led to, bounded so that it can be shown and kept.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::score::Score;

/// Bytes shown of each end of a long output: together within [`crate::action::INLINE_BODY_BYTES`]. The whole is a blob,
/// for whoever wants to see more of it.
pub const SHOWN_HEAD_BYTES: usize = 2000;
/// See [`SHOWN_HEAD_BYTES`].
pub const SHOWN_TAIL_BYTES: usize = 2000;

/// One output stream of a command, or one file's content.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Captured {
    /// What is shown: everything, or the head, a line that says how much is left out, and the tail.
    pub text: String,
    /// Length of the whole in bytes, kept or not.
    pub bytes: u64,
    /// The whole (up to `bytes - dropped`), if `text` is not all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blob: Option<Digest>,
    /// Bytes beyond the cap on what is kept of one command.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dropped: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Captured {
    /// Shows a head and a tail of one content of `bytes` bytes; invalid UTF-8 is replaced.
    pub fn shown(head: &[u8], tail: &[u8], bytes: u64) -> String {
        let left_out = bytes.saturating_sub((head.len() + tail.len()) as u64);
        let mut text = String::from_utf8_lossy(head).into_owned();
        if left_out > 0 {
            text.push_str(&format!("\n[... {left_out} bytes left out ...]\n"));
        }
        text.push_str(&String::from_utf8_lossy(tail));
        text
    }
}

/// How a command came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExecEnding {
    /// It finished; the shell goes on.
    Exited,
    /// Its time was over; all it started was killed.
    TimedOut,
    /// The shell itself ended (`exit`, `exec`, a signal).
    ShellEnded,
    /// The run ended while it was working.
    Stopped,
}

/// A limit of the sandbox that a command has met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReachedLimit {
    /// A process was killed for memory.
    Memory,
    /// A process could not be started.
    Processes,
    /// The workspace outgrew its size, or the machine's disk was almost full: what ran was killed.
    Workspace,
}

/// One result of a search, bounded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebResult {
    /// The page's title.
    pub title: String,
    /// Its address.
    pub url: String,
    /// Some of its text.
    pub snippet: String,
}

/// The answer to an action.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Observation {
    /// A command ended.
    Exec {
        /// The status as bash reports it (128 + n for signal n); null if the time was over.
        exit_code: Option<i32>,
        /// How it ended.
        ending: ExecEnding,
        /// Whether the next command meets a new shell, without the variables of this one.
        new_shell: bool,
        /// Standard output.
        stdout: Captured,
        /// Standard error.
        stderr: Captured,
        /// Limits of the sandbox that were met meanwhile; what background jobs met since the last command too.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        limits: Vec<ReachedLimit>,
    },
    /// A file was written.
    Wrote {
        /// Its size.
        bytes: u64,
    },
    /// A file was read.
    Read {
        /// Its content.
        content: Captured,
    },
    /// The web was searched.
    Found {
        /// What the task lets through, best first.
        results: Vec<WebResult>,
    },
    /// A page of the web was read.
    Fetched {
        /// The status of the answer.
        status: u16,
        /// Where it came from in the end.
        url: String,
        /// The page as text.
        content: Captured,
    },
    /// What was said is on record.
    Said,
    /// The artefacts were graded, or could not be.
    Graded {
        /// The attempt's number, counted from 1 over validations and submissions.
        attempt: u64,
        /// The score as the agent may see it.
        score: Score,
    },
    /// The action was not done.
    Refused {
        /// Why, and what to do.
        reason: String,
    },
    /// The run is over.
    Ended,
}

impl Observation {
    /// Bytes of its outputs that are blobs.
    pub fn kept_bytes(&self) -> u64 {
        let kept = |output: &Captured| match output.blob {
            Some(_) => output.bytes.saturating_sub(output.dropped),
            None => 0,
        };
        match self {
            Observation::Exec { stdout, stderr, .. } => kept(stdout).saturating_add(kept(stderr)),
            Observation::Read { content } | Observation::Fetched { content, .. } => kept(content),
            Observation::Wrote { .. }
            | Observation::Found { .. }
            | Observation::Said
            | Observation::Graded { .. }
            | Observation::Refused { .. }
            | Observation::Ended => 0,
        }
    }
}
