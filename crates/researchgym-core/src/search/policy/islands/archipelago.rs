//! Who lives where: the projection of a tree on islands. A fold over its changes, the same live, replayed and resumed.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::Islands;
use super::shape::{References, Shapes};
use crate::search::tree::Fitness;
use crate::search::{Change, Node, NodeId, Stream, Tree};

/// A niche: a position on every axis of the grid.
pub(super) type Niche = Box<[u32]>;

/// Candidates by fitness, the worst first; of equals the later first.
type Ranking = BTreeSet<(Fitness, Reverse<NodeId>)>;

/// The islands of a search. Who draws them tells them the changes of the tree, one by one.
#[derive(Clone, Debug)]
pub struct Archipelago {
    constants: Islands,
    bins: u32,
    pub(super) islands: Vec<Island>,
    pub(super) living: HashMap<NodeId, Living>,
    population: Ranking,
    archive: Ranking,
    migrated: HashSet<NodeId>,
    /// The least and the greatest value along every axis so far.
    pub(super) ranges: Vec<Option<(f64, f64)>>,
    shapes: Shapes,
    references: References,
    /// The generation of the last migration.
    migration: u64,
}

/// One island.
#[derive(Clone, Debug, Default)]
pub(super) struct Island {
    members: Vec<NodeId>,
    places: HashMap<NodeId, Place>,
    ranking: Ranking,
    pub(super) cells: BTreeMap<Niche, NodeId>,
    pub(super) under_way: u32,
    planned: u64,
    pub(super) generation: u64,
}

#[derive(Clone, Debug)]
struct Place {
    /// Its position among the members.
    position: usize,
    niche: Niche,
}

/// What is known of a candidate that lives.
#[derive(Clone, Debug)]
pub(super) struct Living {
    pub(super) fitness: f64,
    /// Its values along the axes.
    pub(super) features: Vec<Option<f64>>,
}

impl Archipelago {
    /// Islands on which nothing lives yet.
    pub fn new(constants: &Islands) -> Archipelago {
        Archipelago {
            bins: constants.bins(),
            islands: vec![Island::default(); constants.num_islands.get() as usize],
            living: HashMap::new(),
            population: Ranking::new(),
            archive: Ranking::new(),
            migrated: HashSet::new(),
            ranges: vec![None; constants.feature_dimensions.len()],
            shapes: Shapes::default(),
            references: References::new(constants.diversity_reference_size),
            migration: 0,
            constants: constants.clone(),
        }
    }

    /// Is told what an event has changed, after the tree has taken it in.
    pub fn observe(&mut self, tree: &Tree, change: Change) {
        match change {
            Change::Planned(first, end) => {
                for island in (first..end).filter_map(|id| tree.get(id)?.tag.island) {
                    let island = self.numbered(island);
                    island.under_way += 1;
                    island.planned += 1;
                }
            }
            Change::Built(id) => {
                if let (true, Some(node)) = (self.needs_shapes(), tree.get(id)) {
                    self.shapes.built(node, node.base().and_then(|base| tree.get(base)));
                }
            }
            Change::Settled(id) => {
                let Some(node) = tree.get(id) else { return };
                if let Some(island) = node.tag.island {
                    let island = self.numbered(island);
                    island.under_way = island.under_way.saturating_sub(1);
                }
                if let Some(fitness) = tree.fitness(id).filter(|_| node.is_candidate()) {
                    self.born(node, fitness);
                }
            }
            Change::Remeasured(id) => {
                if let (Some(node), Some(fitness)) = (tree.get(id), tree.fitness(id)) {
                    self.remeasured(node, fitness);
                }
            }
        }
    }

    /// The constants that it was made with.
    pub fn constants(&self) -> &Islands {
        &self.constants
    }

    /// Under way and planned so far, per island.
    pub(super) fn busy(&self) -> impl Iterator<Item = (u32, u64)> + '_ {
        self.islands.iter().map(|island| (island.under_way, island.planned))
    }

    /// Who lives on an island.
    pub(super) fn members(&self, island: usize) -> &[NodeId] {
        &self.islands[island].members
    }

    /// Who lives on an island, the best first.
    pub(super) fn ranked(&self, island: usize) -> impl Iterator<Item = NodeId> + '_ {
        self.islands[island].ranking.iter().rev().map(|(_, Reverse(id))| *id)
    }

    /// The best of every niche of an island.
    pub(super) fn occupants(&self, island: usize) -> impl Iterator<Item = NodeId> + '_ {
        self.islands[island].cells.values().copied()
    }

    /// The archive, the best first.
    pub(super) fn archive(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.archive.iter().rev().map(|(_, Reverse(id))| *id)
    }

    /// How many live, those included that lost their niche and have not been displaced yet.
    pub(super) fn population(&self) -> usize {
        self.population.len()
    }

    /// How good one that lives is.
    pub(super) fn fitness(&self, id: NodeId) -> f64 {
        self.living.get(&id).map_or(f64::NEG_INFINITY, |living| living.fitness)
    }

    /// One of the archive, of this island if there is one.
    pub(super) fn archived(&self, random: &mut Stream, island: Option<usize>) -> Option<NodeId> {
        let places = island.map(|island| &self.islands[island].places);
        let is_near = |id: &NodeId| places.is_some_and(|places| places.contains_key(id));
        let mut chosen: Vec<NodeId> = self.archive().filter(is_near).collect();
        if chosen.is_empty() {
            chosen = self.archive().collect();
        }
        random.pick(&chosen).copied()
    }

    fn needs_shapes(&self) -> bool {
        self.constants.feature_dimensions.iter().any(|name| name == "diversity")
    }

    fn numbered(&mut self, number: u32) -> &mut Island {
        let number = number as usize % self.islands.len();
        &mut self.islands[number]
    }

    /// The baseline lives everywhere from the start and has no need to migrate; others live where they were planned.
    fn born(&mut self, node: &Node, fitness: f64) {
        self.revive(node, fitness);
        if node.id == 0 {
            self.migrated.insert(0);
            (0..self.islands.len()).for_each(|island| self.settle(0, island));
        } else {
            let home = self.home(node);
            self.settle(node.id, home);
            self.islands[home].generation += 1;
        }
        self.displace(node.id);
        self.migrate();
    }

    /// One that was displaced, or lost its niche, may have a place again.
    fn remeasured(&mut self, node: &Node, fitness: f64) {
        let mut homes: Vec<usize> = (0..self.islands.len())
            .filter(|island| self.islands[*island].places.contains_key(&node.id))
            .collect();
        if homes.is_empty() {
            homes.push(self.home(node));
        }
        self.forget(node.id);
        self.revive(node, fitness);
        homes.into_iter().for_each(|island| self.settle(node.id, island));
        self.displace(node.id);
    }

    fn home(&self, node: &Node) -> usize {
        node.tag.island.unwrap_or(node.id) as usize % self.islands.len()
    }

    fn revive(&mut self, node: &Node, fitness: f64) {
        let features = self.features(node, fitness);
        for (range, value) in self.ranges.iter_mut().zip(&features) {
            let Some(value) = *value else { continue };
            let (low, high) = range.unwrap_or((value, value));
            *range = Some((low.min(value), high.max(value)));
        }
        if self.needs_shapes() {
            self.references.offer(self.shapes.of(node));
        }
        self.living.insert(node.id, Living { fitness, features });
        let rank = (Fitness(fitness), Reverse(node.id));
        self.population.insert(rank);
        self.archive.insert(rank);
        if self.archive.len() > self.constants.archive_size.get() as usize {
            self.archive.pop_first();
        }
    }

    /// A metric of that name goes before what can be known without one.
    fn features(&self, node: &Node, fitness: f64) -> Vec<Option<f64>> {
        let feature = |name: &String| {
            let values: Vec<f64> = node
                .measurements
                .iter()
                .filter_map(|measurement| measurement.metrics.get(name).copied())
                .collect();
            match name.as_str() {
                _ if !values.is_empty() => Some(values.iter().sum::<f64>() / values.len() as f64),
                "complexity" => Some(node.size as f64),
                "diversity" => Some(self.references.diversity(&self.shapes.of(node))),
                "score" => Some(fitness),
                _ => None,
            }
        };
        self.constants.feature_dimensions.iter().map(feature).collect()
    }

    /// The niche by the ranges as they are now; who has a niche keeps it when they grow.
    fn niche(&self, id: NodeId) -> Niche {
        let features = self.living.get(&id).into_iter().flat_map(|living| &living.features);
        let position = |(value, range): (&Option<f64>, &Option<(f64, f64)>)| {
            let scaled = match (value, range) {
                (Some(value), Some((low, high))) if high > low => (value - low) / (high - low),
                _ => 0.5,
            };
            ((scaled * f64::from(self.bins)) as u32).min(self.bins - 1)
        };
        features.zip(&self.ranges).map(position).collect()
    }

    /// Lives on an island from now on; whose niche it conquers leaves.
    fn settle(&mut self, id: NodeId, island: usize) {
        let (niche, fitness) = (self.niche(id), self.fitness(id));
        let occupant = self.islands[island].cells.get(&niche).copied();
        let wins = occupant.is_none_or(|occupant| fitness > self.fitness(occupant));
        let land = &mut self.islands[island];
        land.places.insert(id, Place { position: land.members.len(), niche: niche.clone() });
        land.members.push(id);
        land.ranking.insert((Fitness(fitness), Reverse(id)));
        if wins {
            land.cells.insert(niche, id);
            if let Some(loser) = occupant {
                self.leave(loser, island);
                let anywhere = self.islands.iter().any(|island| island.places.contains_key(&loser));
                if !anywhere {
                    self.archive.remove(&(Fitness(self.fitness(loser)), Reverse(loser)));
                }
            }
        }
    }

    /// Lives on an island no more; the best other one of its niche takes that.
    fn leave(&mut self, id: NodeId, island: usize) {
        let fitness = self.fitness(id);
        let land = &mut self.islands[island];
        let Some(place) = land.places.remove(&id) else { return };
        land.members.swap_remove(place.position);
        if let Some(moved) = land.members.get(place.position).and_then(|moved| land.places.get_mut(moved)) {
            moved.position = place.position;
        }
        land.ranking.remove(&(Fitness(fitness), Reverse(id)));
        if land.cells.get(&place.niche) == Some(&id) {
            land.cells.remove(&place.niche);
            let ranked = land.ranking.iter().rev().map(|(_, Reverse(other))| *other);
            let heir = ranked.into_iter().find(|other| land.places[other].niche == place.niche);
            land.cells.extend(heir.map(|heir| (place.niche, heir)));
        }
    }

    /// Lives no more.
    fn forget(&mut self, id: NodeId) {
        (0..self.islands.len()).for_each(|island| self.leave(id, island));
        let rank = (Fitness(self.fitness(id)), Reverse(id));
        self.archive.remove(&rank);
        self.population.remove(&rank);
        self.living.remove(&id);
    }

    /// The worst goes until there is room, but neither the best nor, while there are others, the newest.
    fn displace(&mut self, newest: NodeId) {
        while self.population.len() > self.constants.population_size.get() as usize {
            let best = self.population.last().map(|(_, Reverse(id))| *id);
            let mut worst = self.population.iter().map(|(_, Reverse(id))| *id).filter(|id| Some(*id) != best);
            let first = worst.next();
            let victim = if first == Some(newest) { worst.next().or(first) } else { first };
            let Some(victim) = victim else { return };
            self.forget(victim);
        }
    }

    /// Of every island the best that have not migrated yet settle on both neighbours too.
    fn migrate(&mut self) {
        let generation = self.islands.iter().map(|island| island.generation).max().unwrap_or(0);
        let due = generation - self.migration >= u64::from(self.constants.migration_interval.get());
        if !due || self.islands.len() < 2 {
            return;
        }
        self.migration = generation;
        let mut migrants: Vec<(NodeId, usize)> = Vec::new();
        for island in 0..self.islands.len() {
            let share = self.islands[island].members.len() as f64 * self.constants.migration_rate;
            let ranked = self.ranked(island).filter(|id| !self.migrated.contains(id));
            migrants.extend(ranked.take((share as usize).max(1)).map(|id| (id, island)));
        }
        let count = self.islands.len();
        for (id, from) in migrants {
            self.migrated.insert(id);
            for to in BTreeSet::from([(from + 1) % count, (from + count - 1) % count]) {
                if self.living.contains_key(&id) && !self.islands[to].places.contains_key(&id) {
                    self.settle(id, to);
                }
            }
        }
    }
}

#[cfg(test)]
impl Archipelago {
    /// Asserts what holds at any time.
    pub(super) fn check(&self, tree: &Tree) {
        assert!(self.population.len() <= self.constants.population_size.get() as usize);
        assert!(self.archive.len() <= self.constants.archive_size.get() as usize);
        assert!(self.archive.is_subset(&self.population));
        let population: Ranking =
            self.living.iter().map(|(id, living)| (Fitness(living.fitness), Reverse(*id))).collect();
        assert_eq!(population, self.population);
        for (number, island) in self.islands.iter().enumerate() {
            let ranking: Ranking =
                island.members.iter().map(|id| (Fitness(self.fitness(*id)), Reverse(*id))).collect();
            assert_eq!(ranking, island.ranking);
            assert!(ranking.is_subset(&self.population));
            let mut best: BTreeMap<&Niche, f64> = BTreeMap::new();
            for (id, place) in &island.places {
                assert_eq!(island.members[place.position], *id);
                assert_eq!(tree.fitness(*id), Some(self.fitness(*id)));
                let best = best.entry(&place.niche).or_insert(f64::NEG_INFINITY);
                *best = best.max(self.fitness(*id));
                let count = self.islands.len();
                let home = self.home(&tree.nodes()[*id as usize]);
                let near = [home, (home + 1) % count, (home + count - 1) % count].contains(&number);
                assert!(
                    *id == 0 || number == home || near && self.migrated.contains(id),
                    "it migrated twice"
                );
            }
            let taken: BTreeMap<&Niche, f64> =
                island.cells.iter().map(|(niche, id)| (niche, self.fitness(*id))).collect();
            assert_eq!(taken, best, "niches hold their best");
        }
    }
}
