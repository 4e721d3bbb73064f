//! The events of a run. The log of them is the run; everything else is derived.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::action::{Action, Body, Origin};
use crate::digest::Digest;
use crate::failure::Failure;
use crate::gpu::Gpu;
use crate::isolation::Isolation;
use crate::keys::GradingSecret;
use crate::ledger::Hold;
use crate::model::{ModelFailure, Stop, Usage, Wire};
use crate::network::NetworkRequested;
use crate::observation::Observation;
use crate::score::{AttemptKind, Score, Split};
use crate::search::event::{
    Evaluated, EvaluationBegan, IdeasHad, NodeBuilt, NodeDropped, Planned, TrialReported,
};
use crate::spec::{Limits, MicroUsd, RunSpec};
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
        /// The GPUs that were granted for this segment.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        gpus: Vec<Gpu>,
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
    /// A search: the policy's next plans.
    Planned(Box<Planned>),
    /// A search: one question brought the ideas of several candidates.
    IdeasHad(Box<IdeasHad>),
    /// A search: a candidate exists.
    NodeBuilt(Box<NodeBuilt>),
    /// A search: a plan came to nothing.
    NodeDropped(Box<NodeDropped>),
    /// A search: an evaluation is about to start.
    EvaluationBegan(EvaluationBegan),
    /// A search: what the program of an evaluation under way has measured of itself.
    TrialReported(Box<TrialReported>),
    /// A search: an evaluation is over.
    Evaluated(Box<Evaluated>),
    /// A program in a sandbox asked the proxy for something.
    NetworkRequested(Box<NetworkRequested>),
    /// A model is about to be asked: what the call can cost is set aside. Appended before anything is sent.
    ModelAsked(Box<ModelAsked>),
    /// An attempt failed without being billed; the same call is tried again after a wait.
    ModelRetried {
        /// Which call.
        call: u64,
        /// Why.
        failure: ModelFailure,
        /// How long is waited, in milliseconds. Not working time for the agent that waits.
        wait_ms: u64,
    },
    /// A call is over and paid for.
    ModelCalled(Box<ModelCalled>),
    /// A call was under way when the program died: it is booked at its full hold and may be sent once more.
    ModelLost {
        /// Which call.
        call: u64,
    },
    /// The user says something to the agent, which is told before its next question to a model.
    UserNoted {
        /// The user's words.
        text: Body,
    },
    /// The user stopped the clock and everything in the sandbox.
    Paused,
    /// It goes on.
    Unpaused {
        /// How long it stood still, in milliseconds: not working time.
        paused_ms: u64,
    },
    /// The user changed the totals of a run that works.
    LimitsChanged {
        /// The new totals.
        limits: Limits,
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

/// See [`Event::ModelAsked`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelAsked {
    /// The call's number, from 1.
    pub call: u64,
    /// Who asks.
    pub caller: Caller,
    /// `provider/model` that is asked.
    pub model: String,
    /// The form in which the provider is spoken to.
    pub wire: Wire,
    /// What is asked.
    pub request: AskedRequest,
    /// The cap on output that the hold rests on.
    pub max_output_tokens: u64,
    /// What is set aside.
    pub hold: Hold,
    /// The call that this one repeats, because its answer was lost or broke off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_of: Option<u64>,
}

/// Who asks a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Caller {
    /// The agent that drives the session.
    Agent,
    /// A program, through the gateway. In a run this is one step.
    Gateway {
        /// The form in which it asks.
        dialect: Wire,
        /// The model that it names; another may be served under that name.
        named: String,
    },
}

/// What a model is asked, as the log keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum AskedRequest {
    /// One more question of a conversation, as what it adds. Messages are JSON ([`crate::model::Message`]).
    Conversation {
        /// The conversation's number in this run.
        conversation: u64,
        /// How many messages of the conversation so far, its answers included, are kept.
        kept: u64,
        /// The messages that follow them.
        added: Vec<Body>,
        /// Tools and sampling parameters ([`crate::model::RequestSettings`]); absent if they are those of the last question
        /// of this conversation.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        settings: Option<Body>,
        /// The user's newest note that the conversation holds: the number of its event. Absent if it holds none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        told: Option<u64>,
    },
    /// A program's request as it came.
    Bytes {
        /// Its body.
        body: Body,
    },
    /// Texts of which vectors are wanted.
    Embedding {
        /// The texts.
        texts: Vec<Body>,
    },
}

/// See [`Event::ModelCalled`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelCalled {
    /// The call.
    pub call: u64,
    /// What came of it.
    pub outcome: CallOutcome,
    /// What it cost.
    pub cost: MicroUsd,
    /// Tokens booked.
    pub usage: Usage,
    /// Whether the provider reported the tokens; if not, they are bounds.
    pub usage_reported: bool,
    /// How often it was sent.
    pub attempts: u32,
    /// Milliseconds waited between attempts; not working time of an agent that waited.
    pub waited_ms: u64,
    /// Milliseconds from sending the last attempt to its end.
    pub latency_ms: u64,
    /// Milliseconds from sending the last attempt to the first byte of its answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_byte_ms: Option<u64>,
    /// Working time of the run so far, in milliseconds.
    pub working_ms: u64,
}

/// What came of a call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum CallOutcome {
    /// The model answered.
    Answered {
        /// For the agent: the reply ([`crate::model::Reply`]) with the provider's items in it. For the gateway: the
        /// provider's bytes.
        response: Body,
        /// Why it ended there.
        stop: Stop,
    },
    /// The model gave a vector for each text.
    Embedded {
        /// Blobs of 32-bit numbers, the lowest byte first, in the order of the texts.
        vectors: Vec<Digest>,
        /// How many numbers each has.
        dimensions: u32,
    },
    /// It did not.
    Failed {
        /// Why.
        failure: ModelFailure,
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
    /// The money was spent, or what is left is less than the next call can cost.
    Budget,
    /// The tokens were used up.
    TokenLimit,
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
            Ending::TokenLimit => "token_limit",
            Ending::Cancelled => "cancelled",
            Ending::Failed => "failed",
        }
    }

    /// What resuming a run that ended like this means.
    pub fn resumption(self) -> Resumption {
        match self {
            Ending::Submitted | Ending::GaveUp => Resumption::Nothing,
            Ending::TimeLimit | Ending::StepLimit | Ending::Budget | Ending::TokenLimit => {
                Resumption::NeedsRaisedLimit
            }
            Ending::Cancelled | Ending::Failed => Resumption::GoesOn,
        }
    }

    /// Whether the artefact in place is graded once at this ending.
    pub fn is_graded(self) -> bool {
        match self {
            Ending::GaveUp | Ending::TimeLimit | Ending::StepLimit | Ending::Budget | Ending::TokenLimit => {
                true
            }
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
