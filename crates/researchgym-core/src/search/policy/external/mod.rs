//! `external`: a policy that is a program of the user's own. It is told the nodes and asked for plans over lines of JSON,
//! as `docs/reference/policy-protocol.md` says. Here are the messages and their checks; the program is run by
//! `researchgym-engine`.

mod answer;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::answer::{AnswerError, MOST_LINE_BYTES, read_answer};
use crate::score::{Metrics, Primary};
use crate::search::{Change, Node, NodeId, Operator, Repertoire, SearchSpec, Status, Stream, Tag, Tree};
use crate::task::Task;

/// The version of the protocol.
pub const PROTOCOL: u32 = 1;

/// A policy that is a program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct External {
    /// Program and arguments.
    pub command: Vec<String>,
}

/// A line that the program is sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Message {
    /// The search begins, or goes on.
    Begin(Begin),
    /// A node as it stands now.
    Node(NodeMessage),
    /// Slots are free: what shall be done with them? An answer must follow.
    Ask {
        /// How often it has been asked, this time included.
        ask: u64,
        /// How many plans can start at once.
        free: usize,
    },
}

/// The first line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Begin {
    /// The version of the protocol: 1.
    pub protocol: u32,
    /// The task's id.
    pub task: String,
    /// What is measured, and which way is better.
    pub metric: Primary,
    /// The operators that may be asked for, with the weights that the user gave them.
    pub operators: Repertoire,
    /// For the program's own randomness; below 2^53.
    pub seed: u64,
    /// How many candidates are made and evaluated at once.
    pub parallel: u32,
    /// How many candidates the search may make in all, if that is limited.
    pub candidates: Option<u64>,
}

/// A node as it stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NodeMessage {
    /// Its number; 0 is the baseline.
    pub id: NodeId,
    /// How it was made.
    pub operator: Operator,
    /// What it derives from, the base first.
    pub parents: Vec<NodeId>,
    /// What was shown to who made it.
    pub shown: Vec<NodeId>,
    /// `proposed`, `built`, `dropped`, `failed`, `lost`, `screened`, `measured` or `quarantined`.
    pub status: String,
    /// The primary metric's mean over its measurements, if it is measured.
    pub value: Option<f64>,
    /// How many measurements it has.
    pub n: usize,
    /// The standard error of the mean, from two measurements on.
    pub standard_error: Option<f64>,
    /// The metrics' means over its measurements.
    pub metrics: Metrics,
    /// Bytes of its editable files.
    pub size: u64,
    /// The gate that dropped it, or the kind of its failure.
    pub failure: Option<String>,
    /// Why it has no value, in words.
    pub reason: Option<String>,
    /// The marks of its plan.
    pub tag: Tag,
}

impl Message {
    /// The first line of a search. The seed is drawn from the run's, of which it tells nothing.
    pub fn begin(task: &Task, spec: &SearchSpec, seed: u64, candidates: Option<u64>) -> Message {
        Message::Begin(Begin {
            protocol: PROTOCOL,
            task: task.id.clone(),
            metric: task.primary(),
            operators: spec.operators.clone(),
            seed: Stream::new(seed, "external policy", 0).bits() >> 11,
            parallel: spec.parallel,
            candidates,
        })
    }

    /// What a change of the tree has to tell.
    pub fn changed(tree: &Tree, change: Change) -> Vec<Message> {
        let (first, end) = match change {
            Change::Planned(first, end) => (first, end),
            Change::Built(id) | Change::Settled(id) | Change::Remeasured(id) => (id, id + 1),
        };
        (first..end).filter_map(|id| tree.get(id)).map(|node| Message::Node(NodeMessage::of(node))).collect()
    }

    /// All nodes as they stand, for a program that is started in the middle of a search.
    pub fn standing(tree: &Tree) -> impl Iterator<Item = Message> + '_ {
        tree.nodes().iter().map(|node| Message::Node(NodeMessage::of(node)))
    }

    /// The next question.
    pub fn ask(tree: &Tree, free: usize) -> Message {
        Message::Ask { ask: tree.asks() + 1, free }
    }

    /// The message as a line, with its end.
    pub fn line(&self) -> String {
        let json = serde_json::to_string(self).expect("numbers, texts and maps with text keys are JSON");
        json + "\n"
    }
}

impl NodeMessage {
    fn of(node: &Node) -> NodeMessage {
        let is_measured = node.status == Status::Measured;
        let aggregate = node.aggregate().filter(|_| is_measured);
        let (failure, reason) = match &node.status {
            Status::Dropped { gate, reason } => (Some(gate.name()), Some(reason.clone())),
            Status::Failed { kind, reason } => (Some(kind.name()), Some(reason.clone())),
            Status::Quarantined { reason } => (None, Some(reason.clone())),
            Status::Screened { stage, value } => {
                let value = value.map_or("no value".to_owned(), |value| value.to_string());
                (None, Some(format!("{value} in the stage {stage}")))
            }
            Status::Proposed | Status::Built | Status::Lost | Status::Measured => (None, None),
        };
        NodeMessage {
            id: node.id,
            operator: node.operator,
            parents: node.parents.clone(),
            shown: node.shown.clone(),
            status: node.status.name().to_owned(),
            value: aggregate.map(|aggregate| aggregate.mean),
            n: aggregate.map_or(0, |aggregate| aggregate.n),
            standard_error: aggregate.and_then(|aggregate| aggregate.standard_error),
            metrics: if is_measured { means(node) } else { Metrics::new() },
            size: node.size,
            failure: failure.map(str::to_owned),
            reason,
            tag: node.tag.clone(),
        }
    }
}

fn means(node: &Node) -> Metrics {
    let mut values: BTreeMap<&String, (f64, f64)> = BTreeMap::new();
    for (name, value) in node.measurements.iter().flat_map(|measurement| &measurement.metrics) {
        let (sum, count) = values.entry(name).or_default();
        *sum += value;
        *count += 1.0;
    }
    values.into_iter().map(|(name, (sum, count))| (name.clone(), sum / count)).collect()
}

#[cfg(test)]
mod tests;
