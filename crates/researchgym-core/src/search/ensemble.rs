//! Which model is asked: by weights, or by what each has achieved.
//!
//! The bandit is the asymmetric upper confidence bound of ShinkaEvolve (arXiv 2509.19349; `shinka/llm/prioritization.py`,
//! class `AsymmetricUCB`, as of August 2026), with that project's constants. A model's candidate brings
//! `r = max(fitness - max(fitness of its parent, fitness of the baseline), 0)`, in which failures are 0: a model is judged
//! by its good candidates alone. Sums are of `exp(r) - 1`, kept as logarithms, so that one large step counts for more than
//! many small ones, and fade with each candidate that is settled.
//!
//! Ours: models that were never asked come first by their weights and not evenly, and so it is where several are equal; a
//! candidate that the machine failed counts for nothing. Limits: a later measurement of a candidate changes nothing, and a
//! model that is asked and has not answered yet is not known here.

use std::collections::BTreeMap;

use super::{Change, Node, NodeId, Selection, Status, Stream, Tree};

/// Weight of the confidence bound beside the mean.
pub const EXPLORATION: f64 = 1.0;
/// How often another model is asked than the one with the highest bound.
pub const EPSILON: f64 = 0.2;
/// What is left of sums and counts of rewards after each settled candidate.
pub const DECAY: f64 = 0.95;
/// Weight of cheapness beside the bound.
pub const COST_WEIGHT: f64 = 0.5;
/// How far below its mean a model's cost is believed to be, as a part of the range of all costs.
pub const COST_EXPLORATION: f64 = 0.1;

/// The lowest cost that is told from another, in dollars.
const LOWEST_COST: f64 = 1e-7;

/// What is known about one model.
#[derive(Clone, Debug, PartialEq)]
struct Arm {
    /// Candidates that it made or failed to make.
    candidates: u64,
    /// Logarithm of the faded sum of rewards.
    sum: f64,
    /// The faded count of rewards.
    count: f64,
    /// Dollars for all its candidates.
    cost: f64,
    /// Candidates whose cost is known.
    costs: u64,
}

impl Default for Arm {
    fn default() -> Arm {
        Arm { candidates: 0, sum: f64::NEG_INFINITY, count: 0.0, cost: 0.0, costs: 0 }
    }
}

impl Arm {
    /// Logarithm of the mean reward.
    fn mean(&self) -> f64 {
        self.sum - self.count.max(1e-7).ln()
    }
}

/// The models of a search: a projection of its tree.
#[derive(Clone, Debug, PartialEq)]
pub struct Ensemble {
    selection: Selection,
    arms: BTreeMap<String, Arm>,
    /// Logarithm of the highest reward, fading.
    highest: f64,
    cheapest: f64,
    dearest: f64,
}

impl Ensemble {
    /// The models at the begin of a search.
    pub fn new(selection: Selection) -> Ensemble {
        let (highest, cheapest, dearest) = (f64::NEG_INFINITY, f64::INFINITY, f64::NEG_INFINITY);
        Ensemble { selection, arms: BTreeMap::new(), highest, cheapest, dearest }
    }

    /// Is told what an event has changed, after the tree has taken it in.
    pub fn observe(&mut self, tree: &Tree, change: Change) {
        match (self.selection, change) {
            (Selection::Weights, _) | (_, Change::Planned(..) | Change::Remeasured(_)) => {}
            (Selection::Bandit, Change::Built(id)) => self.made(tree, id),
            (Selection::Bandit, Change::Settled(id)) => self.settled(tree, id),
        }
    }

    /// The position of the model to ask next, of these with their weights; `None` if no weight is above 0.
    pub fn choose(&self, models: &[(&str, f64)], random: &mut Stream) -> Option<usize> {
        let weights: Vec<f64> = models.iter().map(|(_, weight)| *weight).collect();
        match self.selection {
            Selection::Weights => random.weighted(&weights),
            Selection::Bandit => random.weighted(&self.probabilities(models)),
        }
    }

    /// How likely the bandit is to ask each of these models next.
    pub fn probabilities(&self, models: &[(&str, f64)]) -> Vec<f64> {
        let none = Arm::default();
        let arms: Vec<&Arm> = models.iter().map(|(name, _)| self.arms.get(*name).unwrap_or(&none)).collect();
        let usable = |at: &usize| models[*at].1 > 0.0;
        let all: Vec<usize> = (0..models.len()).filter(usable).collect();
        let fresh: Vec<usize> = all.iter().copied().filter(|at| arms[*at].candidates == 0).collect();
        let mut probabilities = vec![0.0; models.len()];
        let mut share = |positions: &[usize], mass: f64| {
            let total: f64 = positions.iter().map(|at| models[*at].1).sum();
            for at in positions {
                probabilities[*at] = mass * models[*at].1 / total;
            }
        };
        if !fresh.is_empty() {
            share(&fresh, 1.0);
            return probabilities;
        }
        let scores = self.scores(&all.iter().map(|at| arms[*at]).collect::<Vec<_>>());
        let highest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let (mut winners, mut others) = (Vec::new(), Vec::new());
        for (at, score) in all.iter().zip(&scores) {
            if *score >= highest { winners.push(*at) } else { others.push(*at) }
        }
        let epsilon = if others.is_empty() { 0.0 } else { EPSILON };
        share(&winners, 1.0 - epsilon);
        share(&others, epsilon);
        probabilities
    }

    /// Bound and cheapness of each; all of them have candidates.
    fn scores(&self, arms: &[&Arm]) -> Vec<f64> {
        let total: u64 = arms.iter().map(|arm| arm.candidates).sum();
        let logarithm = 2.0 * (total.max(2) as f64).ln();
        let scale = if self.highest.is_finite() { self.highest } else { 0.0 };
        let bound = |arm: &&Arm| {
            (arm.mean() - scale).exp() + EXPLORATION * (logarithm / arm.candidates as f64).sqrt()
        };
        let bounds = arms.iter().map(bound);
        match self.cheapness(arms, logarithm) {
            Some(cheapness) => bounds
                .zip(cheapness)
                .map(|(bound, cheap)| (1.0 - COST_WEIGHT) * bound + COST_WEIGHT * cheap)
                .collect(),
            None => bounds.collect(),
        }
    }

    /// How cheap each is, the cheapest 1; `None` if no cost is known.
    fn cheapness(&self, arms: &[&Arm], logarithm: f64) -> Option<Vec<f64>> {
        if self.dearest < self.cheapest {
            return None;
        }
        let range = self.dearest - self.cheapest;
        let inverse = |arm: &&Arm| {
            let count = arm.costs.max(1) as f64;
            let doubt = COST_EXPLORATION * range * (logarithm / count).sqrt();
            1.0 / (arm.cost / count - doubt).max(LOWEST_COST)
        };
        let inverses: Vec<f64> = arms.iter().map(inverse).collect();
        let highest = inverses.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
        Some(inverses.iter().map(|inverse| inverse / highest).collect())
    }

    /// A candidate was made, or could not be: it counts, and its cost is known.
    fn made(&mut self, tree: &Tree, id: NodeId) {
        let Some((node, arm)) = self.arm(tree, id) else { return };
        let cost = node.spent.cost.as_usd();
        arm.candidates += 1;
        arm.cost += cost;
        arm.costs += 1;
        self.cheapest = self.cheapest.min(cost);
        self.dearest = self.dearest.max(cost);
    }

    fn settled(&mut self, tree: &Tree, id: NodeId) {
        let Some((node, arm)) = self.arm(tree, id) else { return };
        match node.status {
            Status::Lost => {
                arm.candidates = arm.candidates.saturating_sub(1);
                return;
            }
            Status::Dropped { .. } => self.made(tree, id),
            Status::Proposed
            | Status::Built
            | Status::Failed { .. }
            | Status::Screened { .. }
            | Status::Measured
            | Status::Quarantined { .. } => {}
        }
        let reward = gain(tree, node).map_or(f64::NEG_INFINITY, log_exp_minus_one);
        let Some((_, arm)) = self.arm(tree, id) else { return };
        arm.sum = log_add(arm.sum, reward);
        arm.count += 1.0;
        self.highest = self.highest.max(reward);
        self.fade();
    }

    /// The model that a candidate is by; replicates are nobody's.
    fn arm<'t>(&mut self, tree: &'t Tree, id: NodeId) -> Option<(&'t Node, &mut Arm)> {
        let node = tree.get(id).filter(|node| node.is_candidate())?;
        let model = node.model.as_ref()?;
        if !self.arms.contains_key(model) {
            self.arms.insert(model.clone(), Arm::default());
        }
        Some((node, self.arms.get_mut(model)?))
    }

    fn fade(&mut self) {
        for arm in self.arms.values_mut() {
            arm.sum = faded(arm.sum);
            arm.count *= DECAY;
        }
        if self.highest.is_finite() {
            let best = self.arms.values().map(Arm::mean).fold(f64::NEG_INFINITY, f64::max);
            self.highest = faded(self.highest).max(best);
        }
    }
}

/// By how much a candidate is better than its parent and the baseline, at least 0; `None` if it has no score that counts.
fn gain(tree: &Tree, node: &Node) -> Option<f64> {
    let own = tree.fitness(node.id)?;
    let parent = node.base().and_then(|base| tree.fitness(base));
    let known = parent.into_iter().chain(tree.fitness(0)).reduce(f64::max);
    let reference = known.or_else(|| tree.range().map(|(lowest, _)| lowest))?;
    Some((own - reference).max(0.0))
}

/// `ln(exp(x) - 1)`.
fn log_exp_minus_one(x: f64) -> f64 {
    if x > 50.0 { x } else { x.exp_m1().ln() }
}

/// `ln(exp(a) + exp(b))`.
fn log_add(a: f64, b: f64) -> f64 {
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    if high == f64::NEG_INFINITY { high } else { high + (low - high).exp().ln_1p() }
}

/// `ln(d * s / (1 + (1 - d) * s))` for a sum `s` given by its logarithm: large sums fade faster than small ones.
fn faded(logarithm: f64) -> f64 {
    let rest = 1.0 - DECAY;
    let divisor = if logarithm > 0.0 {
        logarithm + (rest + (-logarithm).exp()).ln()
    } else {
        (rest * logarithm.exp()).ln_1p()
    };
    logarithm + DECAY.ln() - divisor
}

#[cfg(test)]
mod tests;
