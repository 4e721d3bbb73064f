//! The islands of a moment, for figures and the live view.

use schemars::JsonSchema;
use serde::Serialize;

use super::Archipelago;
use crate::search::NodeId;

/// The islands of a moment.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct IslandsView {
    /// The axes of the grids.
    pub features: Vec<FeatureView>,
    /// The islands in their ring.
    pub islands: Vec<IslandView>,
    /// The archive, the best first.
    pub archive: Vec<NodeId>,
    /// How many candidates live, those included that lost their niche and have not been displaced yet.
    pub population: usize,
}

/// One axis of the grids.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct FeatureView {
    /// `complexity`, `diversity`, `score` or a metric.
    pub name: String,
    /// Niches along it.
    pub bins: u32,
    /// The least value so far.
    pub low: Option<f64>,
    /// The greatest value so far.
    pub high: Option<f64>,
}

/// One island.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct IslandView {
    /// How many candidates were born here.
    pub generation: u64,
    /// How many are being made or evaluated.
    pub under_way: u32,
    /// Who lives here, the best first.
    pub members: Vec<NodeId>,
    /// The niches that are taken, in the order of their positions.
    pub cells: Vec<CellView>,
}

/// A niche that is taken.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct CellView {
    /// Its position along every axis, from 0.
    pub bins: Vec<u32>,
    /// Who has it.
    pub node: NodeId,
    /// How good that is; more is better.
    pub fitness: f64,
    /// Its values along the axes, where they are known.
    pub features: Vec<Option<f64>>,
}

impl Archipelago {
    /// The islands as they are now.
    pub fn view(&self) -> IslandsView {
        let named = self.constants().feature_dimensions.iter().zip(&self.ranges);
        let features = named.map(|(name, range)| FeatureView {
            name: name.clone(),
            bins: self.constants().bins(),
            low: range.map(|(low, _)| low),
            high: range.map(|(_, high)| high),
        });
        IslandsView {
            features: features.collect(),
            islands: (0..self.islands.len()).map(|island| self.island(island)).collect(),
            archive: self.archive().collect(),
            population: self.population(),
        }
    }

    fn island(&self, number: usize) -> IslandView {
        let island = &self.islands[number];
        let cells = island.cells.iter().map(|(niche, node)| CellView {
            bins: niche.to_vec(),
            node: *node,
            fitness: self.fitness(*node),
            features: self.living.get(node).map(|living| living.features.clone()).unwrap_or_default(),
        });
        IslandView {
            generation: island.generation,
            under_way: island.under_way,
            members: self.ranked(number).collect(),
            cells: cells.collect(),
        }
    }
}
