//! `islands`: populations side by side, each with a grid of niches in which the best one lives (MAP-Elites), and
//! migrants between neighbours. OpenEvolve (`75bc298`, 0.2.x) with the parents of ShinkaEvolve as a choice.
//!
//! Differences from OpenEvolve, none of which changes what is searched for: candidates are compared by the primary metric;
//! a migrant is the same node on one more island and not a copy, and a node migrates once; the baseline lives on
//! every island from the start; of those under way the next candidate goes to the island that has the fewest;
//! complexity is bytes rather than characters. How diversity is known is said in `shape.rs`.

mod archipelago;
mod shape;
mod view;

use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::archipelago::Archipelago;
pub use self::view::{CellView, FeatureView, IslandView, IslandsView};
use super::{Answer, Policy, View};
use crate::search::{Change, NodeId, Operator, Plan, Role, Stream, Tag, Tree};

/// Its constants, under OpenEvolve's names. Published means the defaults of its configuration classes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Islands {
    /// Islands, in a ring. Published: 5; ShinkaEvolve has 2.
    pub num_islands: NonZeroU32,
    /// Candidates that live on all islands together; beyond that the worst one goes. Published: 1000.
    pub population_size: NonZeroU32,
    /// The best candidates, kept apart as parents. Published: 100; ShinkaEvolve has 40.
    pub archive_size: NonZeroU32,
    /// What the axes of the grid are: `complexity` (size), `diversity` (distance to other candidates), `score`, or any
    /// metric. A candidate without the metric is put into the middle. Published: complexity and diversity.
    pub feature_dimensions: Vec<String>,
    /// Niches along an axis; more where the archive would not fit into the grid. Published: 10.
    pub feature_bins: NonZeroU32,
    /// Candidates that diversity is measured against. Published: 20.
    pub diversity_reference_size: usize,
    /// How parents are chosen.
    pub parents: Parents,
    /// Share of parents that are drawn from the island, each alike. `openevolve` only. Published: 0.2.
    pub exploration_ratio: f64,
    /// Share of parents that are drawn from the archive, at most what `exploration_ratio` leaves; the rest is drawn from
    /// the island by fitness. `openevolve` only. Published: 0.7.
    pub exploitation_ratio: f64,
    /// How steeply the weight of a parent rises with its fitness. `shinka` only. Published by ShinkaEvolve: 10.
    pub selection_pressure: f64,
    /// The island's best that are shown beside the parent. Published: 3.
    pub num_top_programs: usize,
    /// Candidates of other niches that are shown beside them. Published: 2.
    pub num_diverse_programs: usize,
    /// After so many candidates of an island some migrate. Published: 50.
    pub migration_interval: NonZeroU32,
    /// The share of an island that migrates, at least one. Published: 0.1.
    pub migration_rate: f64,
}

impl Default for Islands {
    fn default() -> Islands {
        let count = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        Islands {
            num_islands: count(5),
            population_size: count(1000),
            archive_size: count(100),
            feature_dimensions: vec!["complexity".to_owned(), "diversity".to_owned()],
            feature_bins: count(10),
            diversity_reference_size: 20,
            parents: Parents::Openevolve,
            exploration_ratio: 0.2,
            exploitation_ratio: 0.7,
            selection_pressure: 10.0,
            num_top_programs: 3,
            num_diverse_programs: 2,
            migration_interval: count(50),
            migration_rate: 0.1,
        }
    }
}

/// How parents are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Parents {
    /// At random, from the archive, or by fitness, in fixed shares.
    Openevolve,
    /// By a sigmoid of the distance to the island's median in median absolute deviations, divided by one more than the
    /// number of children (ShinkaEvolve 2025).
    Shinka,
}

/// The least weight of a parent that is drawn by fitness. As published; there of the raw fitness, which would make all
/// parents equal where less is better, here of the fitness between the island's worst, 0, and its best, 1.
const LEAST_WEIGHT: f64 = 0.001;

impl Islands {
    pub(super) fn begin(&self) -> impl Policy + 'static {
        Evolution { archipelago: Archipelago::new(self) }
    }

    /// Niches along an axis: enough for the archive to fit into the grid.
    pub fn bins(&self) -> u32 {
        let dimensions = self.feature_dimensions.len().max(1) as f64;
        let least = (f64::from(self.archive_size.get()).powf(1.0 / dimensions) - 1e-9).ceil();
        self.feature_bins.get().max(least as u32)
    }
}

struct Evolution {
    archipelago: Archipelago,
}

impl Policy for Evolution {
    fn observe(&mut self, tree: &Tree, change: Change) {
        self.archipelago.observe(tree, change);
    }

    fn ask(&self, view: &View<'_>, random: &mut Stream) -> Answer {
        let mut busy: Vec<(u32, u64)> = self.archipelago.busy().collect();
        let mut plans = Vec::new();
        while plans.len() < view.free {
            // The fewest under way; of equals the fewest so far; of those the first.
            let Some(island) = (0..busy.len()).min_by_key(|island| busy[*island]) else { break };
            let Some(plan) = self.plan(view, random, island) else { break };
            busy[island].0 += 1;
            busy[island].1 += 1;
            plans.push(plan);
        }
        Answer { is_over: plans.is_empty() && view.tree.unsettled() == 0, plans, note: None }
    }
}

impl Evolution {
    fn plan(&self, view: &View<'_>, random: &mut Stream, island: usize) -> Option<Plan> {
        let tag = Tag { island: Some(island as u32), ..Tag::default() };
        let parent = self.parent(view.tree, random, island);
        let shown = parent.map(|parent| self.inspirations(random, island, parent)).unwrap_or_default();
        let roles: &[Role] = if shown.is_empty() { &[Role::Improve] } else { &[Role::Improve, Role::Cross] };
        let improvement = parent.and_then(|parent| {
            let (role, operator) = view.operators.pick_any(roles, random)?;
            Some((role, operator, parent))
        });
        let (operator, parents) = match improvement {
            Some((Role::Cross, operator, parent)) => (operator, vec![parent, *random.pick(&shown)?]),
            Some((_, operator, parent)) => (operator, vec![parent]),
            None => (self.start(view, random)?, vec![0]),
        };
        Some(Plan { shown, tag, ..Plan::new(operator, parents) })
    }

    /// What begins a line where nothing can be improved: a draft, or an improvement of a baseline that failed.
    fn start(&self, view: &View<'_>, random: &mut Stream) -> Option<Operator> {
        view.operators.pick(Role::Draft, random).or_else(|| view.operators.pick(Role::Improve, random))
    }

    /// A parent for a candidate of this island; `None` if nothing lives.
    fn parent(&self, tree: &Tree, random: &mut Stream, island: usize) -> Option<NodeId> {
        let members = self.archipelago.members(island);
        let constants = self.archipelago.constants();
        if members.is_empty() {
            return self.archipelago.archived(random, None);
        }
        match constants.parents {
            Parents::Openevolve => {
                let draw = random.unit();
                if draw < constants.exploration_ratio {
                    random.pick(members).copied()
                } else if draw < constants.exploration_ratio + constants.exploitation_ratio {
                    self.archipelago.archived(random, Some(island)).or_else(|| random.pick(members).copied())
                } else {
                    self.weighted(random, members, fitness_weights)
                }
            }
            Parents::Shinka => self.weighted(random, members, |fitness| {
                let weights = sigmoid_weights(fitness, constants.selection_pressure);
                let children = members.iter().map(|id| tree.get(*id).map_or(0, |node| node.children.len()));
                weights.into_iter().zip(children).map(|(weight, count)| weight / (1 + count) as f64).collect()
            }),
        }
    }

    fn weighted(
        &self,
        random: &mut Stream,
        members: &[NodeId],
        weights: impl FnOnce(&[f64]) -> Vec<f64>,
    ) -> Option<NodeId> {
        let fitness: Vec<f64> = members.iter().map(|id| self.archipelago.fitness(*id)).collect();
        random.weighted(&weights(&fitness)).map(|position| members[position])
    }

    /// The best of the island, then some that live in other niches.
    fn inspirations(&self, random: &mut Stream, island: usize, parent: NodeId) -> Vec<NodeId> {
        let constants = self.archipelago.constants();
        let best = self.archipelago.ranked(island).filter(|id| *id != parent);
        let mut shown: Vec<NodeId> = best.take(constants.num_top_programs).collect();
        let elsewhere: Vec<NodeId> =
            self.archipelago.occupants(island).filter(|id| *id != parent && !shown.contains(id)).collect();
        shown.extend(random.sample(&elsewhere, constants.num_diverse_programs));
        shown
    }
}

fn fitness_weights(fitness: &[f64]) -> Vec<f64> {
    let low = fitness.iter().copied().fold(f64::INFINITY, f64::min);
    let high = fitness.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let scaled = |fitness: &f64| if high > low { (fitness - low) / (high - low) } else { 1.0 };
    fitness.iter().map(|fitness| scaled(fitness).max(LEAST_WEIGHT)).collect()
}

/// Where all are alike but for a few, the deviation is 0; it is then taken for so small that those few decide.
fn sigmoid_weights(fitness: &[f64], pressure: f64) -> Vec<f64> {
    let middle = median(fitness.to_vec());
    let deviation = median(fitness.iter().map(|fitness| (fitness - middle).abs()).collect()).max(1e-12);
    let sigmoid = |fitness: &f64| 1.0 / (1.0 + (-pressure * (fitness - middle) / deviation).exp());
    fitness.iter().map(sigmoid).collect()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match (values.len() / 2, values.len() % 2) {
        (0, 0) => 0.0,
        (half, 0) => f64::midpoint(values[half - 1], values[half]),
        (half, _) => values[half],
    }
}

#[cfg(test)]
mod tests;
