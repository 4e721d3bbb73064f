//! The events that make a run a search. Together with the others they are the log; the tree is a fold over them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::reports::Unread;
use super::{NodeId, Plan};
use crate::action::Body;
use crate::digest::Digest;
use crate::failure::Failure;
use crate::gpu::Gpu;
use crate::score::Score;
use crate::spec::MicroUsd;

/// A policy was asked what to do next, and this is its answer. Appended before anything is done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Planned {
    /// How often it has been asked, this time included. 0: the baseline, for which no policy is asked.
    pub ask: u64,
    /// How many slots were free.
    pub free: u32,
    /// The number of the first plan's node; the others follow.
    pub first: NodeId,
    /// The plans.
    pub plans: Vec<Plan>,
    /// What the policy wants to be known, such as the begin of an epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Working time of the run so far, in milliseconds.
    pub working_ms: u64,
}

/// What making a candidate has cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spent {
    /// Model calls.
    pub calls: u32,
    /// Tokens of them.
    pub tokens: u64,
    /// Their cost.
    pub cost: MicroUsd,
}

/// One question brought the ideas of several candidates. Each of them answers for its share of what that has cost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IdeasHad {
    /// The node for which the question was asked; it and the others of the question have it in their tags.
    pub node: NodeId,
    /// The ideas, in the order of the candidates' positions. Candidates beyond the last have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ideas: Vec<Body>,
    /// Why there are none, or fewer than were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The model that was asked.
    pub model: String,
    /// Ideas that were refused because they say what an earlier one says. The candidates beyond the last idea were to have
    /// them, one each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<RefusedIdea>,
    /// What all of the question has cost.
    #[serde(default, skip_serializing_if = "is_free")]
    pub spent: Spent,
    /// Working time of the run so far, in milliseconds.
    pub working_ms: u64,
}

/// An idea that no code is asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RefusedIdea {
    /// The idea.
    pub idea: Body,
    /// Why, in at most 2,000 characters.
    pub reason: String,
    /// The candidate whose idea says the same, if there is one already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<NodeId>,
}

impl IdeasHad {
    /// What the candidate at a position answers for: an even share, of which the first ones have what cannot be divided.
    pub fn share(&self, position: u32, of: u32) -> Spent {
        let of = u64::from(of.max(1));
        let part = |whole: u64| whole / of + u64::from(u64::from(position) < whole % of);
        Spent {
            calls: part(u64::from(self.spent.calls)) as u32,
            tokens: part(self.spent.tokens),
            cost: MicroUsd(part(self.spent.cost.0)),
        }
    }
}

/// A candidate exists and has passed the gates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeBuilt {
    /// Which.
    pub node: NodeId,
    /// SHA-256 over the paths and contents of all editable files.
    pub artefact: Digest,
    /// Bytes of all editable files.
    pub size: u64,
    /// What differs from the base with what that has learned: path -> content, or null where the file is gone. The base is the first
    /// code parent, or the baseline.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub changes: BTreeMap<String, Option<Body>>,
    /// The idea in words, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idea: Option<Body>,
    /// The model that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Context parents that were in fact shown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shown: Vec<NodeId>,
    /// The vector of its changed files, if a model embedded them: a blob of 32-bit numbers, the lowest byte first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embedding: Option<Digest>,
    /// How often it was tried, this time included.
    pub attempts: u32,
    /// What that has cost.
    #[serde(default, skip_serializing_if = "is_free")]
    pub spent: Spent,
    /// Working time of the run so far, in milliseconds.
    pub working_ms: u64,
}

fn is_free(spent: &Spent) -> bool {
    *spent == Spent::default()
}

/// Why a plan never became an evaluated candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Gate {
    /// The model's answer held no usable change, however often it was told why.
    NotImplemented,
    /// Something outside the editable surface would have changed.
    Surface,
    /// The same candidate was made before.
    Duplicate,
    /// Nearly the same candidate was made before.
    NearDuplicate,
    /// A rule of the leakage lint.
    Leakage,
    /// The operator had nothing to work on.
    NothingToDo,
}

impl Gate {
    /// The name in tables and figures.
    pub fn name(self) -> &'static str {
        match self {
            Gate::NotImplemented => "not_implemented",
            Gate::Surface => "surface",
            Gate::Duplicate => "duplicate",
            Gate::NearDuplicate => "near_duplicate",
            Gate::Leakage => "leakage",
            Gate::NothingToDo => "nothing_to_do",
        }
    }
}

/// A plan came to nothing before any evaluation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeDropped {
    /// Which.
    pub node: NodeId,
    /// What refused it.
    pub gate: Gate,
    /// Why, in a sentence of at most 2,000 characters.
    pub reason: String,
    /// The earlier node that it repeats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<NodeId>,
    /// The idea in words, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idea: Option<Body>,
    /// Whether it is the idea that was refused, before there was code for it: it speaks against no later one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub idea_refused: bool,
    /// The model that was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// How often it was tried.
    pub attempts: u32,
    /// What that has cost.
    #[serde(default, skip_serializing_if = "is_free")]
    pub spent: Spent,
    /// Working time of the run so far, in milliseconds.
    pub working_ms: u64,
}

/// An evaluation is about to start. Appended before anything is run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EvaluationBegan {
    /// Its number, from 1.
    pub evaluation: u64,
    /// Of which node.
    pub node: NodeId,
    /// Which stage; `full` is the last.
    pub stage: String,
}

/// One value that a trial's program printed or wrote for TensorBoard.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MetricPoint {
    /// The metric.
    pub name: String,
    /// The program's own count, such as the training step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<i64>,
    /// A finite number.
    pub value: f64,
    /// Milliseconds since the program began, when it was seen; or earlier, if a TensorBoard file says so.
    pub at_ms: u64,
}

/// The newest values that the program of an evaluation under way has told: of each metric at most one. At most one such
/// event every few seconds and evaluation; all values stand in [`Evaluated::reported`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrialReported {
    /// The evaluation's number.
    pub evaluation: u64,
    /// Of which node.
    pub node: NodeId,
    /// The values.
    pub points: Vec<MetricPoint>,
}

/// An evaluation is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Evaluated {
    /// Its number.
    pub evaluation: u64,
    /// What came of it.
    pub outcome: EvaluationOutcome,
    /// What the candidate's program wrote, shortened: feedback for who improves it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feedback: Option<Body>,
    /// Manifest of the artefacts that were graded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outputs: Option<Digest>,
    /// What it wrote and children inherit.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub learned: BTreeMap<String, Body>,
    /// All that its program has told of itself, as JSON lines of [`MetricPoint`], capped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reported: Option<Body>,
    /// What its program told and is not among them.
    #[serde(default, skip_serializing_if = "Unread::is_nothing")]
    pub unread: Unread,
    /// Wall time in milliseconds, without the time in a queue.
    pub wall_ms: u64,
    /// Time in a cluster's queue in milliseconds: of no run's working time.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub queued_ms: u64,
    /// Processor time of the candidate's program in milliseconds.
    pub cpu_ms: u64,
    /// The GPUs of this machine that the candidate's program had. Those that a cluster gives are not known by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gpus: Vec<Gpu>,
    /// Working time of the run so far, in milliseconds.
    pub working_ms: u64,
}

fn is_zero(value: &u64) -> bool {
    *value == 0
}

/// What came of an evaluation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum EvaluationOutcome {
    /// It was graded.
    Graded {
        /// The verdict.
        score: Score,
    },
    /// A stage without grading went well.
    Passed,
    /// It failed by the candidate's fault.
    Failed {
        /// How.
        kind: EvaluationFailure,
        /// What was seen, in at most 2,000 characters.
        reason: String,
    },
    /// The machine failed, not the candidate: it may be evaluated again.
    Broke {
        /// How.
        failure: Failure,
    },
    /// The search ended before the evaluation did, or its program died: the node waits for another.
    Stopped,
}

/// How a candidate fails in an evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EvaluationFailure {
    /// A syntax error, or a module that does not exist.
    Build,
    /// Its program ended with a status other than 0.
    Crash,
    /// It took too long.
    TimeOut,
    /// It met the memory limit.
    OutOfMemory,
    /// Its program made no artefacts, or such as cannot be taken.
    NoArtefact,
    /// The grader refused what it made.
    Invalid,
    /// It changed files that it must not change.
    SuspectedCheat,
}

impl EvaluationFailure {
    /// The name in tables and figures.
    pub fn name(self) -> &'static str {
        match self {
            EvaluationFailure::Build => "build",
            EvaluationFailure::Crash => "crash",
            EvaluationFailure::TimeOut => "time_out",
            EvaluationFailure::OutOfMemory => "out_of_memory",
            EvaluationFailure::NoArtefact => "no_artefact",
            EvaluationFailure::Invalid => "invalid",
            EvaluationFailure::SuspectedCheat => "suspected_cheat",
        }
    }
}

/// A reason as the log keeps it: at most 2,000 characters, head and tail.
pub fn bounded(text: &str) -> String {
    const MOST: usize = 2_000;
    const SIDE: usize = 980;
    if text.chars().count() <= MOST {
        return text.to_owned();
    }
    let head: String = text.chars().take(SIDE).collect();
    let count = text.chars().count();
    let tail: String = text.chars().skip(count - SIDE).collect();
    format!("{head} [..] {tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_of_a_question_answer_for_all_of_what_it_cost() {
        let spent = Spent { calls: 2, tokens: 1001, cost: MicroUsd(7) };
        let had = IdeasHad {
            node: 1,
            ideas: Vec::new(),
            reason: None,
            refused: Vec::new(),
            model: "m".into(),
            spent,
            working_ms: 0,
        };
        let shares = (0..3)
            .map(|position| had.share(position, 3))
            .map(|share| (share.calls, share.tokens, share.cost.0));
        assert_eq!(shares.collect::<Vec<_>>(), [(1, 334, 3), (1, 334, 2), (0, 333, 2)]);
        assert_eq!(had.share(0, 1), spent);
    }
}
