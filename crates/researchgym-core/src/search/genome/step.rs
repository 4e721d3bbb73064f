//! How far `tune` steps from each candidate: a projection of the tree.
//!
//! The 1/5 success rule (Rechenberg 1973) in the form of Hansen, Arnold and Auger 2015, "Evolution Strategies",
//! section 2: `sigma <- sigma * exp((success - 1/5) / d)` with `d = sqrt(n + 1)`. Each candidate has a step size of
//! its own. It begins with that of its base; each tuned child that is settled changes that of the base, and a child
//! that is better takes the longer step along. A candidate that failed counts as no success; one that a gate dropped,
//! or that the machine lost, does not count.

use crate::search::{Change, NodeId, Operator, Status, Tree};

/// The step size of the baseline, in parts of a number's range.
const FIRST: f64 = 0.1;
/// The shortest.
const SHORTEST: f64 = 1e-9;
/// The longest.
const LONGEST: f64 = 0.5;
/// The part of successes at which the step size stays.
const TARGET: f64 = 0.2;

/// The step size of each node.
#[derive(Clone, Debug, PartialEq)]
pub struct StepSizes {
    sigmas: Vec<f64>,
    damping: f64,
}

impl StepSizes {
    /// Of a search that has not begun, for genomes of so many numbers.
    pub fn new(numbers: usize) -> StepSizes {
        StepSizes { sigmas: Vec::new(), damping: (numbers as f64 + 1.0).sqrt() }
    }

    /// The step size for children of a node.
    pub fn of(&self, node: NodeId) -> f64 {
        self.sigmas.get(node as usize).copied().unwrap_or(FIRST)
    }

    /// Takes a change of the tree in.
    pub fn observe(&mut self, tree: &Tree, change: Change) {
        match change {
            Change::Planned(first, end) => {
                for id in first..end {
                    let base = tree.get(id).and_then(|node| node.base());
                    let sigma = base.map_or(FIRST, |base| self.of(base));
                    self.sigmas.resize(id as usize, FIRST);
                    self.sigmas.push(sigma);
                }
            }
            Change::Settled(id) => self.settled(tree, id),
            Change::Built(_) | Change::Remeasured(_) => {}
        }
    }

    fn settled(&mut self, tree: &Tree, id: NodeId) {
        let Some(node) = tree.get(id).filter(|node| node.operator == Operator::Tune) else { return };
        let Some(base) = node.base() else { return };
        let is_success = match node.status {
            Status::Proposed | Status::Built | Status::Dropped { .. } | Status::Lost => return,
            Status::Failed { .. } | Status::Screened { .. } | Status::Quarantined { .. } => false,
            Status::Measured => tree.fitness(id) > tree.fitness(base),
        };
        let success = if is_success { 1.0 } else { 0.0 };
        let factor = ((success - TARGET) / self.damping).exp();
        let Some(sigma) = self.sigmas.get_mut(base as usize) else { return };
        *sigma = (*sigma * factor).clamp(SHORTEST, LONGEST);
        let sigma = *sigma;
        if let (true, Some(own)) = (is_success, self.sigmas.get_mut(id as usize)) {
            *own = sigma;
        }
    }
}
