//! Islands against the size of candidates: where good ones were found. Only of searches whose policy marks islands.

use std::collections::BTreeMap;

use researchgym_core::record::NodeRecord;
use researchgym_core::score::Direction;
use researchgym_core::search::Operator;

use super::super::super::cells::{self, Cell};
use super::super::super::csv::{Csv, Value};
use super::super::super::{Figure, number};
use super::super::{Drawn, metric, slug};
use super::{Run, Searches};
use crate::search::{SearchTree, contender, task};

/// Columns of the grid.
const BINS: u64 = 10;

pub(super) fn figures(searches: &Searches<'_>, trees: &[SearchTree]) -> Vec<Drawn> {
    let of = |tree: &SearchTree| {
        let run = searches.runs().find(|run| run.record.run_id == tree.run_id)?;
        figure(run, tree).map(Ok)
    };
    trees.iter().filter_map(of).collect()
}

/// What is known of one cell.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Found {
    best: f64,
    candidates: u64,
}

fn figure(run: &Run<'_>, tree: &SearchTree) -> Option<Figure> {
    let direction = run.record.task.primary.as_ref().map_or(Direction::Maximize, |primary| primary.direction);
    let measured = |node: &&NodeRecord| node.status == "measured" && node.operator != Operator::Replicate;
    let placed: Vec<(u32, u64, f64)> = tree
        .nodes
        .iter()
        .filter(measured)
        .filter_map(|node| Some((node.tag.island?, node.size, node.value?)))
        .collect();
    let (least, most) = (placed.iter().map(|one| one.1).min()?, placed.iter().map(|one| one.1).max()?);
    let bins = BINS.min(most - least + 1);
    let bin = |size: u64| ((size - least) as u128 * u128::from(bins) / u128::from(most - least + 1)) as u64;
    let mut found: BTreeMap<(u32, u64), Found> = BTreeMap::new();
    for (island, size, value) in &placed {
        let cell = found.entry((*island, bin(*size))).or_insert(Found { best: *value, candidates: 0 });
        cell.candidates += 1;
        if direction.gain(*value, cell.best) > 0.0 {
            cell.best = *value;
        }
    }
    let islands: Vec<u32> = {
        let mut islands: Vec<u32> = placed.iter().map(|one| one.0).collect();
        islands.sort_unstable();
        islands.dedup();
        islands
    };
    // The least and the most bytes of each column.
    let edges: Vec<(u64, u64)> = (0..bins)
        .map(|column| {
            let edge = |column: u64| {
                least + (u128::from(column) * u128::from(most - least + 1)).div_ceil(u128::from(bins)) as u64
            };
            (edge(column), edge(column + 1) - 1)
        })
        .collect();
    let columns: Vec<String> = edges
        .iter()
        .map(|(from, to)| if from == to { from.to_string() } else { format!("{from}–{to}") })
        .collect();
    let mut csv = Csv::new(&["island", "least_bytes", "most_bytes", "candidates", "best"]);
    for ((island, column), cell) in &found {
        let (from, to) = edges[*column as usize];
        csv.line([
            Value::Count(u64::from(*island)),
            Value::Count(from),
            Value::Count(to),
            Value::Count(cell.candidates),
            Value::Number(Some(cell.best)),
        ]);
    }
    let gains: Vec<f64> = found.values().map(|cell| direction.gain(cell.best, 0.0)).collect();
    let low = gains.iter().copied().fold(f64::INFINITY, f64::min);
    let high = gains.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let shade = |cell: &Found| {
        let span = high - low;
        if span > 0.0 { 0.05 + 0.95 * (direction.gain(cell.best, 0.0) - low) / span } else { 1.0 }
    };
    let cell = |island: u32, column: u64| match found.get(&(island, column)) {
        None => Cell::default(),
        Some(cell) => Cell {
            share: Some(shade(cell)),
            text: number::significant(cell.best, 4),
            tip: format!(
                "island {island}, {} bytes: {} candidates",
                columns[column as usize], cell.candidates
            ),
        },
    };
    let chart = cells::Chart {
        rows: islands.iter().map(|island| format!("island {island}")).collect(),
        cells: islands.iter().map(|island| (0..bins).map(|column| cell(*island, column)).collect()).collect(),
        columns: columns.clone(),
        part: 0,
    };
    let name = contender(run.record, run.search);
    Some(Figure::new(
        &format!("search-islands-{}", slug(&tree.run_id)),
        &format!("The islands of run {} ({name} on {})", tree.run_id, task(run.record)),
        &format!(
            "The best candidate that was made on each island, by the bytes of its editable files: {}. The darker, the better; a blank cell has no candidate.",
            metric(run.record.task.primary.as_ref())
        ),
        cells::draw(&chart),
        csv.text(),
    ))
}
