//! The grid of the policy `islands` as it stood at the end: the best of each niche along two of its axes, over all islands.

use std::collections::BTreeMap;

use researchgym_core::score::Direction;
use researchgym_core::search::NodeId;
use researchgym_core::search::policy::islands::{FeatureView, IslandsView};

use super::super::super::cells::{self, Cell, Chart};
use super::super::super::csv::{Csv, Value};
use super::super::super::{Figure, number};
use super::super::{Drawn, metric, slug};
use super::{Run, Searches};
use crate::search::{SearchTree, contender, task};

/// Columns and rows at most; of more niches several are one.
const MOST: u32 = 20;

pub(super) fn figures(searches: &Searches<'_>, trees: &[SearchTree]) -> Vec<Drawn> {
    let of = |tree: &SearchTree| {
        let run = searches.runs().find(|run| run.record.run_id == tree.run_id)?;
        figure(run, tree, tree.islands.as_ref()?).map(Ok)
    };
    trees.iter().filter_map(of).collect()
}

/// Who holds one place of the grid.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Held {
    node: NodeId,
    value: f64,
    /// On how many islands somebody lives there.
    islands: u64,
}

/// The places that are taken, by column and row.
type Grid = BTreeMap<(u32, u32), Held>;

/// An axis of the drawing.
#[derive(Clone, Debug, PartialEq)]
struct Side {
    bins: u32,
    /// Niches of the policy that are one place here.
    joined: u32,
}

impl Side {
    fn of(axis: Option<&FeatureView>) -> Side {
        let bins = axis.map_or(1, |axis| axis.bins.max(1));
        let joined = bins.div_ceil(MOST);
        Side { bins: bins.div_ceil(joined), joined }
    }

    fn place(&self, bins: &[u32], axis: usize) -> u32 {
        bins.get(axis).copied().unwrap_or(0) / self.joined
    }
}

/// The best of each place; over further axes too.
fn grid(view: &IslandsView, sides: &[Side; 2], direction: Direction) -> Grid {
    let mut grid = Grid::new();
    for island in &view.islands {
        let mut here: Grid = Grid::new();
        for cell in &island.cells {
            let place = (sides[0].place(&cell.bins, 0), sides[1].place(&cell.bins, 1));
            let value = match direction {
                Direction::Maximize => cell.fitness,
                Direction::Minimize => -cell.fitness,
            };
            let held = Held { node: cell.node, value, islands: 1 };
            let kept = here.entry(place).or_insert(held);
            if direction.gain(value, kept.value) > 0.0 {
                *kept = held;
            }
        }
        for (place, held) in here {
            let Some(kept) = grid.get_mut(&place) else {
                grid.insert(place, held);
                continue;
            };
            let islands = kept.islands + 1;
            if direction.gain(held.value, kept.value) > 0.0 {
                *kept = held;
            }
            kept.islands = islands;
        }
    }
    grid
}

fn figure(run: &Run<'_>, tree: &SearchTree, view: &IslandsView) -> Option<Figure> {
    let direction = run.record.task.primary.as_ref().map_or(Direction::Maximize, |primary| primary.direction);
    let sides = [Side::of(view.features.first()), Side::of(view.features.get(1))];
    let grid = grid(view, &sides, direction);
    let gains: Vec<f64> = grid.values().map(|held| direction.gain(held.value, 0.0)).collect();
    let low = gains.iter().copied().reduce(f64::min)?;
    let high = gains.iter().copied().reduce(f64::max)?;
    let shade = |held: &Held| {
        let span = high - low;
        if span > 0.0 { 0.05 + 0.95 * (direction.gain(held.value, 0.0) - low) / span } else { 1.0 }
    };
    let name = |axis: usize| view.features.get(axis).map_or("all", |axis| axis.name.as_str());
    let cell = |column: u32, row: u32| match grid.get(&(column, row)) {
        None => Cell::default(),
        Some(held) => Cell {
            share: Some(shade(held)),
            text: number::significant(held.value, 4),
            tip: format!(
                "{} {column}, {} {row}: node {}, taken on {} islands",
                name(0),
                name(1),
                held.node,
                held.islands
            ),
        },
    };
    let mut csv = Csv::new(&[name(0), name(1), "node", "islands", "best"]);
    for ((column, row), held) in &grid {
        csv.line([
            Value::Count(u64::from(*column)),
            Value::Count(u64::from(*row)),
            Value::Count(u64::from(held.node)),
            Value::Count(held.islands),
            Value::Number(Some(held.value)),
        ]);
    }
    let chart = Chart {
        rows: (0..sides[1].bins).rev().map(|row| format!("{} {row}", name(1))).collect(),
        columns: (0..sides[0].bins).map(|column| format!("{} {column}", name(0))).collect(),
        cells: (0..sides[1].bins)
            .rev()
            .map(|row| (0..sides[0].bins).map(|column| cell(column, row)).collect())
            .collect(),
        part: 0,
    };
    let ends = view.features.iter().take(2).filter_map(|axis| {
        let (low, high) = (number::significant(axis.low?, 4), number::significant(axis.high?, 4));
        Some(format!("{} was {low} to {high}", axis.name))
    });
    let ends: Vec<String> = ends.collect();
    let contender = contender(run.record, run.search);
    Some(Figure::new(
        &format!("search-niches-{}", slug(&tree.run_id)),
        &format!("The niches of run {} ({contender} on {})", tree.run_id, task(run.record)),
        &format!(
            "Who lived at the end: of each niche the best of all islands, {}. The darker, the better; a blank niche is empty. Its place along an axis is \
             that between the least and the greatest value known when it came; in the end {}.",
            metric(run.record.task.primary.as_ref()),
            if ends.is_empty() { "none was known".to_owned() } else { ends.join(", ") }
        ),
        cells::draw(&chart),
        csv.text(),
    ))
}

#[cfg(test)]
mod tests {
    use researchgym_core::search::policy::islands::{CellView, IslandView};

    use super::*;

    fn island(cells: &[(u32, u32, NodeId, f64)]) -> IslandView {
        let cell = |(column, row, node, fitness): &(u32, u32, NodeId, f64)| CellView {
            bins: vec![*column, *row, 3],
            node: *node,
            fitness: *fitness,
            features: Vec::new(),
        };
        let cells = cells.iter().map(cell).collect();
        IslandView { generation: 1, under_way: 0, members: Vec::new(), cells }
    }

    fn feature(bins: u32) -> FeatureView {
        FeatureView { name: "size".into(), bins, low: None, high: None }
    }

    #[test]
    fn a_place_holds_the_best_of_all_islands() {
        let view = IslandsView {
            features: vec![feature(50), feature(10)],
            islands: vec![
                island(&[(0, 1, 5, -2.0), (2, 1, 6, -1.0), (49, 9, 7, -4.0)]),
                island(&[(1, 1, 8, -3.0)]),
            ],
            archive: Vec::new(),
            population: 4,
        };
        // Fifty niches are seventeen places of three.
        let sides = [Side::of(view.features.first()), Side::of(view.features.get(1))];
        assert_eq!(sides, [Side { bins: 17, joined: 3 }, Side { bins: 10, joined: 1 }]);
        let held = |node, value, islands| Held { node, value, islands };
        let expected = [((0, 1), held(6, 1.0, 2)), ((16, 9), held(7, 4.0, 1))];
        assert_eq!(grid(&view, &sides, Direction::Minimize), expected.into());
        assert_eq!(Side::of(None), Side { bins: 1, joined: 1 });
    }
}
