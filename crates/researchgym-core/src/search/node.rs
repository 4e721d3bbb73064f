//! A node: one candidate with all that is known about it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Operator;
use super::event::{EvaluationFailure, Gate, Spent};
use crate::action::Body;
use crate::digest::Digest;
use crate::score::Metrics;

/// A node's number: 0 is the baseline, others are counted as they are planned.
pub type NodeId = u32;

/// A policy's marks on a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Tag {
    /// `islands`: where it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub island: Option<u32>,
    /// `epochs`: in which.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u32>,
    /// `stages`: in which, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<u32>,
    /// What the policy had in mind, such as `explore` or `exploit`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// `epochs`: the question that its idea is one answer to; absent where every candidate has a question of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call: Option<IdeaCall>,
    /// `mcts`: a failure of it ends its line, because no operator of the run mends failures.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unmendable: bool,
}

/// A candidate's place among those whose ideas one question asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IdeaCall {
    /// Which question of the epoch, from 0. They are asked one after the other, and each shows the ideas of those before.
    pub number: u32,
    /// Which of its ideas, from 0.
    pub position: u32,
    /// How many ideas are asked for.
    pub ideas: u32,
}

impl Tag {
    /// Whether there are no marks.
    pub fn is_empty(&self) -> bool {
        *self == Tag::default()
    }
}

/// Where a node stands.
#[derive(Clone, Debug, PartialEq)]
pub enum Status {
    /// Planned; its candidate is being made.
    Proposed,
    /// Its candidate exists and waits for, or is in, an evaluation.
    Built,
    /// A gate refused its candidate, or none could be made: never evaluated.
    Dropped {
        /// Which.
        gate: Gate,
        /// Why.
        reason: String,
    },
    /// Its evaluation failed, by its own fault.
    Failed {
        /// How.
        kind: EvaluationFailure,
        /// What was seen.
        reason: String,
    },
    /// The machine failed while it was evaluated, again and again: nothing is known about it.
    Lost,
    /// It left an earlier stage of its evaluation below the value to go on.
    Screened {
        /// The stage.
        stage: String,
        /// Its value there, if it was graded.
        value: Option<f64>,
    },
    /// It has a score.
    Measured,
    /// It has a score that must not be used: the grader found something critical.
    Quarantined {
        /// What.
        reason: String,
    },
}

impl Status {
    /// Whether nothing more is to come of it.
    pub fn is_settled(&self) -> bool {
        !matches!(self, Status::Proposed | Status::Built)
    }

    /// The name in tables and figures.
    pub fn name(&self) -> &'static str {
        match self {
            Status::Proposed => "proposed",
            Status::Built => "built",
            Status::Dropped { .. } => "dropped",
            Status::Failed { .. } => "failed",
            Status::Lost => "lost",
            Status::Screened { .. } => "screened",
            Status::Measured => "measured",
            Status::Quarantined { .. } => "quarantined",
        }
    }
}

/// One full measurement of a candidate.
#[derive(Clone, Debug, PartialEq)]
pub struct Measurement {
    /// The evaluation's number.
    pub evaluation: u64,
    /// All metrics.
    pub metrics: Metrics,
    /// The primary metric's value.
    pub value: f64,
}

/// What several measurements come to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Aggregate {
    /// Their mean.
    pub mean: f64,
    /// How many.
    pub n: usize,
    /// Standard error of the mean; `None` for one measurement.
    pub standard_error: Option<f64>,
}

impl Aggregate {
    /// The aggregate of values; `None` of none.
    pub fn of(values: impl Iterator<Item = f64>) -> Option<Aggregate> {
        let values: Vec<f64> = values.collect();
        let n = values.len();
        if n == 0 {
            return None;
        }
        let mean = values.iter().sum::<f64>() / n as f64;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let standard_error = (n > 1).then(|| (squares / (n - 1) as f64 / n as f64).sqrt());
        Some(Aggregate { mean, n, standard_error })
    }
}

/// One candidate.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Its number.
    pub id: NodeId,
    /// How it was made.
    pub operator: Operator,
    /// Code parents: what it derives from, the base first.
    pub parents: Vec<NodeId>,
    /// Context parents: what was shown to who made it.
    pub shown: Vec<NodeId>,
    /// Nodes that derive from it.
    pub children: Vec<NodeId>,
    /// The policy's marks.
    pub tag: Tag,
    /// The policy's word to who makes it.
    pub hint: Option<String>,
    /// Where it stands.
    pub status: Status,
    /// Hash of the whole candidate.
    pub artefact: Option<Digest>,
    /// What differs from the base: path -> new content, or nothing where the file is gone.
    pub changes: BTreeMap<String, Option<Body>>,
    /// What an evaluation wrote and children inherit.
    pub learned: BTreeMap<String, Body>,
    /// The idea behind it, in words.
    pub idea: Option<Body>,
    /// The model that made it.
    pub model: Option<String>,
    /// Bytes of the editable files.
    pub size: u64,
    /// Stages of its evaluation that it has gone through.
    pub stages: u32,
    /// How often the machine failed while it was evaluated.
    pub broke: u32,
    /// Full measurements, its own and its replicates'.
    pub measurements: Vec<Measurement>,
    /// What the last evaluation said about it, for who improves it.
    pub feedback: Option<Body>,
    /// Attempts at making it.
    pub attempts: u32,
    /// What making it has cost.
    pub spent: Spent,
    /// Milliseconds of wall time in evaluations.
    pub evaluation_ms: u64,
    /// Working time of the run when it was planned.
    pub planned_ms: u64,
    /// Working time of the run when it was settled.
    pub settled_ms: u64,
}

impl Node {
    /// What its measurements come to; `None` if it has none.
    pub fn aggregate(&self) -> Option<Aggregate> {
        Aggregate::of(self.measurements.iter().map(|measurement| measurement.value))
    }

    /// Whether it is a candidate of its own; a replicate is not.
    pub fn is_candidate(&self) -> bool {
        self.operator != Operator::Replicate
    }

    /// Whether it failed in a way that a debugging operator could mend.
    pub fn is_buggy(&self) -> bool {
        matches!(self.status, Status::Failed { .. })
    }

    /// The base that its content derives from.
    pub fn base(&self) -> Option<NodeId> {
        self.parents.first().copied()
    }
}
