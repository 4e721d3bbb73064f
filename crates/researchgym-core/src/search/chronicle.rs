//! What a search had reached when, and what became of its candidates: a fold beside the tree, the same while it works and
//! afterwards. Every event costs a few additions, however large the tree is.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Change, Node, NodeId, Operator, Status, Tree};
use crate::event::Event;
use crate::spec::MicroUsd;
use crate::state::RunState;

/// A moment at which a search had another best candidate, or knew another value of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Moment {
    /// The best candidate from here on.
    pub node: NodeId,
    /// How it was made.
    pub operator: Operator,
    /// The mean of its measurements by the primary metric.
    pub value: f64,
    /// How many measurements that are.
    pub n: u64,
    /// Candidates settled before and with it; neither the baseline nor replicates count.
    pub candidates: u64,
    /// Nodes evaluated before and with it, the baseline and replicates included; all stages of one count once.
    pub evaluations: u64,
    /// Working time of the run so far, in milliseconds.
    pub working_ms: u64,
    /// Money spent so far, in micro-dollars.
    pub cost: MicroUsd,
}

/// The course of a search so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Chronicle {
    moments: Vec<Moment>,
    candidates: u64,
    evaluations: u64,
    settled: BTreeMap<&'static str, u64>,
    failures: BTreeMap<&'static str, u64>,
}

impl Chronicle {
    /// The course of a search that has come to here unseen: without the moments before this one.
    pub fn taken_up(state: &RunState) -> Chronicle {
        let Some(tree) = &state.search else { return Chronicle::default() };
        let mut chronicle = Chronicle::of_nodes(tree.nodes().iter());
        chronicle.look(tree, state);
        chronicle
    }

    /// What became of some nodes, without any moments.
    pub fn of_nodes<'a>(nodes: impl Iterator<Item = &'a Node>) -> Chronicle {
        let mut chronicle = Chronicle::default();
        nodes.filter(|node| node.status.is_settled()).for_each(|node| chronicle.settle(node));
        chronicle
    }

    /// Takes in an event of a run that `state` has taken in just before. Tells whether there is another best candidate.
    pub fn observe(&mut self, event: &Event, state: &RunState) -> bool {
        let Some(tree) = &state.search else { return false };
        match event {
            Event::NodeDropped(_) | Event::Evaluated(_) => {}
            _ => return false,
        }
        for change in tree.changed() {
            if let Change::Settled(id) = change
                && let Some(node) = tree.get(*id)
            {
                self.settle(node);
            }
        }
        self.look(tree, state)
    }

    fn settle(&mut self, node: &Node) {
        self.candidates += u64::from(is_counted(node));
        self.evaluations += u64::from(match node.status {
            Status::Failed { .. }
            | Status::Screened { .. }
            | Status::Measured
            | Status::Quarantined { .. } => true,
            Status::Proposed | Status::Built | Status::Dropped { .. } | Status::Lost => false,
        });
        *self.settled.entry(node.status.name()).or_default() += 1;
        if let Some(kind) = failure_of(&node.status) {
            *self.failures.entry(kind).or_default() += 1;
        }
    }

    /// Notes the best candidate if it is another one, or has another value.
    fn look(&mut self, tree: &Tree, state: &RunState) -> bool {
        let Some(node) = tree.best().and_then(|best| tree.get(best)) else { return false };
        let Some(aggregate) = node.aggregate() else { return false };
        let before = self.moments.last();
        let is_other = before.is_none_or(|moment| moment.node != node.id);
        if is_other || before.is_some_and(|moment| moment.value != aggregate.mean) {
            self.moments.push(Moment {
                node: node.id,
                operator: node.operator,
                value: aggregate.mean,
                n: aggregate.n as u64,
                candidates: self.candidates,
                evaluations: self.evaluations,
                working_ms: state.working_ms,
                cost: state.ledger.spent(),
            });
        }
        is_other
    }

    /// The best candidates one after the other.
    pub fn moments(&self) -> &[Moment] {
        &self.moments
    }

    /// Candidates settled so far; neither the baseline nor replicates count.
    pub fn candidates(&self) -> u64 {
        self.candidates
    }

    /// Nodes evaluated so far, the baseline and replicates included; all stages of one count once, and none that the
    /// machine broke off.
    pub fn evaluations(&self) -> u64 {
        self.evaluations
    }

    /// How many nodes came to each end, by the end's name.
    pub fn settled(&self) -> &BTreeMap<&'static str, u64> {
        &self.settled
    }

    /// How many nodes failed, by the kind of failure: gates, failures in evaluations, `lost` and `quarantined`.
    pub fn failures(&self) -> &BTreeMap<&'static str, u64> {
        &self.failures
    }
}

/// Whether a node is a candidate that the search made.
pub(super) fn is_counted(node: &Node) -> bool {
    node.is_candidate() && node.operator != Operator::Baseline
}

/// The kind of failure of a node that came to nothing.
pub fn failure_of(status: &Status) -> Option<&'static str> {
    match status {
        Status::Dropped { gate, .. } => Some(gate.name()),
        Status::Failed { kind, .. } => Some(kind.name()),
        Status::Lost | Status::Quarantined { .. } => Some(status.name()),
        Status::Proposed | Status::Built | Status::Screened { .. } | Status::Measured => None,
    }
}
