//! The events of a run. The log of them is the run; everything else is derived.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::action::{Action, Origin};
use crate::digest::Digest;
use crate::failure::Failure;
use crate::isolation::Isolation;
use crate::keys::GradingSecret;
use crate::observation::Observation;
use crate::score::{AttemptKind, Score, Split};
use crate::spec::{Limits, RunSpec};
use crate::task::Task;

/// One line of `events.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// Position in the log, from 0.
    pub seq: u64,
    /// SHA-256 of the previous line's bytes without its newline; zeros for the first.
    pub prev: Digest,
    /// Wall clock in UTC, RFC 3339 with milliseconds.
    pub time: String,
    /// What happened.
    pub event: Event,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// Always first: all that `plan.json` and `metadata.json` show.
    RunStarted(Box<RunStarted>),
    /// The sandbox is up and the starter is in it. Once per segment.
    WorkspaceReady {
        /// What is kept apart.
        isolation: Isolation,
        /// The workspace as the agent finds it.
        snapshot: Digest,
        /// Protected files and their hashes, relative to the workspace.
        protected: BTreeMap<String, Digest>,
    },
    /// An agent acts. Appended before the action has any effect.
    Acted {
        /// The action's number, from 1; `Observed` and `Interrupted` name it.
        action_id: u64,
        /// Who asked.
        origin: Origin,
        /// What.
        action: Action,
    },
    /// The action is done.
    Observed {
        /// Which.
        action_id: u64,
        /// Its outcome.
        observation: Observation,
        /// Wall time of the action in milliseconds.
        took_ms: u64,
        /// Working time of the run so far, in milliseconds.
        working_ms: u64,
    },
    /// An action was in flight when the program died. Its effect is unknown.
    Interrupted {
        /// Which.
        action_id: u64,
    },
    /// An attempt was graded.
    Scored {
        /// Its number, from 1.
        attempt: u64,
        /// Why.
        kind: AttemptKind,
        /// On what.
        split: Split,
        /// The verdict.
        score: Score,
        /// Manifest of the artefacts that were graded.
        submission: Digest,
        /// Wall time of the grading in milliseconds; not working time.
        grading_ms: u64,
    },
    /// The workspace was recorded.
    SnapshotTaken {
        /// Its manifest.
        snapshot: Digest,
        /// Regular files in it.
        files: u64,
        /// Their bytes.
        bytes: u64,
        /// What the caps left out, if anything.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        left_out: Option<String>,
    },
    /// A run whose program died goes on.
    RunResumed,
    /// A truncated run goes on with raised totals: a new segment.
    RunExtended {
        /// The new totals.
        limits: Limits,
    },
    /// Something the reader of the run should know that is neither a failure nor a finding.
    Noted {
        /// In a sentence.
        text: String,
    },
    /// Exactly one per segment.
    RunEnded {
        /// How.
        ending: Ending,
        /// The failure, if that was it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        failure: Option<Failure>,
        /// Working time of the run so far, in milliseconds.
        working_ms: u64,
        /// Wall time of this segment, in milliseconds.
        segment_wall_ms: u64,
    },
}

/// See [`Event::RunStarted`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunStarted {
    /// Version of the log's format.
    pub schema: u32,
    /// The run's id: the name of its folder.
    pub run_id: String,
    /// The program's version.
    pub version: String,
    /// What was asked for.
    pub spec: RunSpec,
    /// The task as it was, with the variant applied.
    pub task: Box<Task>,
    /// Hashes of what the run rests on.
    pub digests: Digests,
    /// From which all grading streams are drawn. Never enters a sandbox.
    pub grading_secret: GradingSecret,
}

/// Hashes of what a run rests on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Digests {
    /// The task's folder: names and contents of all its files.
    pub task: Digest,
    /// The agent's specification and files.
    pub agent: Digest,
}

/// How a segment ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// The agent submitted.
    Submitted,
    /// The agent stopped without submitting.
    GaveUp,
    /// The working time was over.
    TimeLimit,
    /// The steps were used up.
    StepLimit,
    /// The money was spent.
    Budget,
    /// The user stopped it.
    Cancelled,
    /// Something broke: see the failure.
    Failed,
}

impl Ending {
    /// The name used in results and messages.
    pub fn name(self) -> &'static str {
        match self {
            Ending::Submitted => "submitted",
            Ending::GaveUp => "gave_up",
            Ending::TimeLimit => "time_limit",
            Ending::StepLimit => "step_limit",
            Ending::Budget => "budget",
            Ending::Cancelled => "cancelled",
            Ending::Failed => "failed",
        }
    }

    /// What resuming a run that ended like this means.
    pub fn resumption(self) -> Resumption {
        match self {
            Ending::Submitted | Ending::GaveUp => Resumption::Nothing,
            Ending::TimeLimit | Ending::StepLimit | Ending::Budget => Resumption::NeedsRaisedLimit,
            Ending::Cancelled | Ending::Failed => Resumption::GoesOn,
        }
    }

    /// Whether the artefact in place is graded once at this ending.
    pub fn is_graded(self) -> bool {
        match self {
            Ending::GaveUp | Ending::TimeLimit | Ending::StepLimit | Ending::Budget => true,
            Ending::Submitted | Ending::Cancelled | Ending::Failed => false,
        }
    }
}

/// What resuming an ended run means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resumption {
    /// It is over: the stored result stands.
    Nothing,
    /// It was cut off: it goes on under a raised total.
    NeedsRaisedLimit,
    /// It was stopped or broke: it goes on as it is.
    GoesOn,
}
