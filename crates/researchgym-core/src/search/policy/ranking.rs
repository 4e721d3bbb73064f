//! Some measured candidates in the order of their fitness: [`Tree::ranked`](crate::search::Tree::ranked) of a part of
//! the tree.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::search::NodeId;
use crate::search::tree::Fitness;

/// Numbers by their fitness, the best first; of equals the earlier first.
#[derive(Clone, Debug, Default)]
pub(super) struct Ranking {
    order: BTreeSet<(Fitness, Reverse<NodeId>)>,
    fitness: BTreeMap<NodeId, Fitness>,
}

impl Ranking {
    /// Gives a number its place, or takes it out if it has no fitness.
    pub(super) fn set(&mut self, id: NodeId, fitness: Option<f64>) {
        if let Some(old) = self.fitness.remove(&id) {
            self.order.remove(&(old, Reverse(id)));
        }
        if let Some(new) = fitness.map(Fitness) {
            self.fitness.insert(id, new);
            self.order.insert((new, Reverse(id)));
        }
    }

    /// All, the best first.
    pub(super) fn iter(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.order.iter().rev().map(|(_, Reverse(id))| *id)
    }

    /// The best.
    pub(super) fn best(&self) -> Option<NodeId> {
        self.iter().next()
    }

    /// The fitness of the best.
    pub(super) fn highest(&self) -> Option<f64> {
        self.order.last().map(|(fitness, _)| fitness.0)
    }
}
