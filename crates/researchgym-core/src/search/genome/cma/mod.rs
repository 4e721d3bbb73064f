//! `cma-es`: numbers by the covariance matrix adaptation evolution strategy, as a projection of the tree.
//!
//! Candidates of this operator, in the order in which they were planned, make generations. A generation is learned
//! from as soon as all of it are settled, in whatever order that happens; until then further candidates are drawn
//! from the distribution as it is. Candidates that failed, were screened or quarantined count as worse than all
//! measured ones; those that no gate let through, or that the machine lost, are no part of a generation. A run that
//! is at its end is followed by another with twice the population from another place (IPOP: Auger and Hansen 2005);
//! candidates that were planned before do not count in it.

mod distribution;
mod stagnation;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use super::coordinate::mirrored;
use super::{Genome, Space};
use crate::search::{Change, NodeId, Operator, Status, Stream, Tree};
use distribution::Distribution;
use stagnation::History;

/// Whole numbers and choices keep moving: their deviation is at least this part of one value's width.
const LEAST_GRAIN: f64 = 0.3;
/// The most doublings of the population.
const MOST_DOUBLINGS: u32 = 9;

/// What can be set.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The first step size, in parts of a number's range.
    pub sigma: f64,
    /// The first population; `None`: `4 + floor(3 ln n)`.
    pub population: Option<usize>,
    /// Above so many numbers only the diagonal of the covariance is learned.
    pub most_full: usize,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { sigma: 0.3, population: None, most_full: 100 }
    }
}

/// A candidate that waits for its turn in a generation.
#[derive(Clone, Debug, PartialEq)]
struct Waiting {
    node: NodeId,
    /// The run in which it was planned.
    run: u32,
    outcome: Option<Outcome>,
}

#[derive(Clone, Debug, PartialEq)]
enum Outcome {
    /// It is no part of a generation.
    Ignored,
    /// Where it stands, and its fitness if it has one.
    Point(Vec<f64>, Option<f64>),
}

/// The state of the strategy.
#[derive(Clone, Debug, PartialEq)]
pub struct CmaEs {
    space: Space,
    settings: Settings,
    seed: u64,
    /// How the numbers are arranged; known with the first candidate.
    arrangement: Option<Genome>,
    distribution: Option<Distribution>,
    history: History,
    runs: u32,
    waiting: VecDeque<Waiting>,
    generation: Vec<(Vec<f64>, Option<f64>)>,
}

impl CmaEs {
    /// Of a search that has not begun.
    pub fn new(space: Space, settings: Settings, seed: u64) -> CmaEs {
        CmaEs {
            space,
            settings,
            seed,
            arrangement: None,
            distribution: None,
            history: History::default(),
            runs: 0,
            waiting: VecDeque::new(),
            generation: Vec::new(),
        }
    }

    /// Takes a change of the tree in. `read` gives the numbers of a candidate, if they can be read: of the base of
    /// the first one, where the strategy begins, and of each settled one of this operator.
    pub fn observe(&mut self, tree: &Tree, change: Change, read: &mut dyn FnMut(NodeId) -> Option<Genome>) {
        match change {
            Change::Planned(first, end) => {
                for node in (first..end).filter_map(|id| tree.get(id)) {
                    if node.operator == Operator::CmaEs {
                        self.begin(node.base().and_then(&mut *read));
                        self.waiting.push_back(Waiting { node: node.id, run: self.runs, outcome: None });
                    }
                }
            }
            Change::Settled(id) => self.settled(tree, id, read),
            Change::Built(_) | Change::Remeasured(_) => {}
        }
    }

    /// A candidate from the distribution as it is; `None` if the base of the first one had no numbers that could be
    /// read.
    pub fn sample(&self, random: &mut Stream) -> Option<Genome> {
        let (arrangement, distribution) = (self.arrangement.as_ref()?, self.distribution.as_ref()?);
        let steps = distribution.step(random);
        let place = |(at, step): (usize, &f64)| {
            let least = LEAST_GRAIN * self.space.coordinate(at).grain();
            let deviation = distribution.deviation(at);
            let factor = if deviation < least && deviation > 0.0 { least / deviation } else { 1.0 };
            mirrored(distribution.mean[at] + factor * step)
        };
        let units: Vec<f64> = steps.iter().enumerate().map(place).collect();
        Some(self.space.genome_at(arrangement, &units))
    }

    /// How often it has begun anew.
    pub fn restarts(&self) -> u32 {
        self.runs
    }

    /// How it stands, in a phrase; `None` before the first candidate.
    pub fn description(&self) -> Option<String> {
        let distribution = self.distribution.as_ref()?;
        let (run, generation) = (self.runs + 1, distribution.generation + 1);
        Some(format!(
            "generation {generation} of run {run}, population {}, step size {:.2e}",
            distribution.population(),
            distribution.sigma
        ))
    }

    fn begin(&mut self, base: Option<Genome>) {
        if let (None, Some(base)) = (&self.arrangement, base) {
            let mean = self.space.units(&base);
            self.arrangement = Some(base);
            self.distribution = Some(self.started(mean));
        }
    }

    fn started(&self, mean: Vec<f64>) -> Distribution {
        let n = mean.len();
        let usual = 4 + (3.0 * (n as f64).ln()).floor() as usize;
        let population = self.settings.population.unwrap_or(usual).max(4) << self.runs.min(MOST_DOUBLINGS);
        Distribution::new(mean, self.settings.sigma, population, n > self.settings.most_full)
    }

    fn settled(&mut self, tree: &Tree, id: NodeId, read: &mut dyn FnMut(NodeId) -> Option<Genome>) {
        let Ok(at) = self.waiting.binary_search_by_key(&id, |waiting| waiting.node) else { return };
        let Some(node) = tree.get(id) else { return };
        let fitness = match node.status {
            Status::Proposed | Status::Built => return,
            Status::Dropped { .. } | Status::Lost => None,
            Status::Failed { .. } | Status::Screened { .. } | Status::Quarantined { .. } => Some(None),
            Status::Measured => Some(tree.fitness(id)),
        };
        let numbers = self.arrangement.as_ref().map_or(0, |known| known.values().len());
        let point = fitness.and_then(|fitness| {
            let genome = read(id).filter(|genome| genome.values().len() == numbers)?;
            Some(Outcome::Point(self.space.units(&genome), fitness))
        });
        self.waiting[at].outcome = Some(point.unwrap_or(Outcome::Ignored));
        while self.waiting.front().is_some_and(|first| first.outcome.is_some()) {
            let Some(Waiting { run, outcome: Some(Outcome::Point(point, fitness)), .. }) =
                self.waiting.pop_front()
            else {
                continue;
            };
            if run == self.runs {
                self.generation.push((point, fitness));
                self.learn();
            }
        }
    }

    /// Learns from a generation that is complete.
    fn learn(&mut self) {
        let Some(distribution) = self.distribution.as_mut() else { return };
        if self.generation.len() < distribution.population() {
            return;
        }
        let mut generation = std::mem::take(&mut self.generation);
        let turned = |fitness: Option<f64>| fitness.unwrap_or(f64::NEG_INFINITY);
        generation.sort_by(|one, other| turned(other.1).total_cmp(&turned(one.1)));
        let ranked: Vec<f64> = generation.iter().filter_map(|(_, fitness)| *fitness).collect();
        if ranked.is_empty() {
            // Nothing to rank: nearer to where it began something did work.
            distribution.sigma *= 0.5;
        } else {
            let points: Vec<Vec<f64>> = generation.into_iter().map(|(point, _)| point).collect();
            distribution.update(&points);
            // The scale has a width of 1: longer steps are only mirrored more often.
            distribution.sigma = distribution.sigma.min(1.0);
            distribution.mean.iter_mut().for_each(|mean| *mean = mean.clamp(0.0, 1.0));
        }
        self.history.push(&ranked);
        if self.history.is_over(distribution, self.settings.sigma, &ranked) {
            let n = distribution.mean.len();
            self.runs += 1;
            let mut random = Stream::new(self.seed, "cma-es restart", u64::from(self.runs));
            self.distribution = Some(self.started((0..n).map(|_| random.unit()).collect()));
            self.history = History::default();
        }
    }
}
