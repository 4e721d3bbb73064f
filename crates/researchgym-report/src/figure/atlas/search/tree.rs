//! The tree of one search. A large one is thinned: what led to the best candidates stays.

use std::collections::BTreeMap;

use researchgym_core::record::NodeRecord;
use researchgym_core::score::Direction;
use researchgym_core::search::{NodeId, Operator};

use super::super::super::branches::{self, Chart, Mark, Node};
use super::super::super::csv::{Csv, Value};
use super::super::super::{Figure, number};
use super::super::{Drawn, slug};
use super::{Run, Searches};
use crate::search::{SearchTree, contender, task};

/// A tree with more nodes is thinned to so many.
const MOST_NODES: usize = 500;

pub(super) fn figures(searches: &Searches<'_>, trees: &[SearchTree]) -> Vec<Drawn> {
    let of = |tree: &SearchTree| {
        let run = searches.runs().find(|run| run.record.run_id == tree.run_id)?;
        Some(Ok(figure(run, tree)))
    };
    trees.iter().filter_map(of).collect()
}

fn figure(run: &Run<'_>, tree: &SearchTree) -> Figure {
    let direction = run.record.task.primary.as_ref().map_or(Direction::Maximize, |primary| primary.direction);
    let ranks = ranks(&tree.nodes, direction);
    let kept = kept(&tree.nodes, &ranks);
    let position: BTreeMap<NodeId, usize> =
        kept.iter().enumerate().map(|(at, node)| (node.node, at)).collect();
    let nodes = kept.iter().map(|node| Node {
        base: node.parents.first().and_then(|base| position.get(base)).copied(),
        mark: mark(node, &ranks),
        tip: tip(node),
    });
    let best = run.search.best.as_ref();
    let chart = Chart {
        nodes: nodes.collect(),
        best: best.and_then(|best| position.get(&best.node)).copied(),
        best_label: best.map_or_else(String::new, |best| {
            format!("node {}: {}", best.node, number::significant(best.value, 5))
        }),
    };
    let candidates = tree.nodes.iter().filter(|node| node.operator != Operator::Replicate).count();
    let thinned = match candidates - kept.len() {
        0 => String::new(),
        left_out => format!(
            " Of {candidates} nodes the {} are shown that are best or led to these; {left_out} are left out.",
            kept.len()
        ),
    };
    let name = contender(run.record, run.search);
    let title = format!("The tree of run {} ({name} on {})", tree.run_id, task(run.record));
    let caption = format!(
        "Every candidate below the first one that it derives from; other parents of a crossover are not drawn, nor are replicates.{thinned}"
    );
    Figure::new(
        &format!("search-tree-{}", slug(&tree.run_id)),
        &title,
        &caption,
        branches::draw(&chart),
        csv(tree),
    )
}

/// The share of measured candidates that each measured candidate is at least as good as: 0 for the worst, 1 for the best.
fn ranks(nodes: &[NodeRecord], direction: Direction) -> BTreeMap<NodeId, f64> {
    let mut measured: Vec<(f64, NodeId)> = nodes
        .iter()
        .filter(|node| node.status == "measured" && node.operator != Operator::Replicate)
        .filter_map(|node| Some((direction.gain(node.value?, 0.0), node.node)))
        .collect();
    measured.sort_by(|one, other| one.0.total_cmp(&other.0));
    let last = measured.len().saturating_sub(1).max(1) as f64;
    // Equals share the rank of the last of them.
    let above =
        |value: f64| measured.partition_point(|one| one.0.total_cmp(&value).is_le()).saturating_sub(1);
    measured.iter().map(|(value, node)| (*node, above(*value) as f64 / last)).collect()
}

/// The nodes that are drawn, in the order of their numbers.
fn kept<'a>(nodes: &'a [NodeRecord], ranks: &BTreeMap<NodeId, f64>) -> Vec<&'a NodeRecord> {
    let candidates: Vec<&NodeRecord> =
        nodes.iter().filter(|node| node.operator != Operator::Replicate).collect();
    if candidates.len() <= MOST_NODES {
        return candidates;
    }
    let by_id: BTreeMap<NodeId, &NodeRecord> = candidates.iter().map(|node| (node.node, *node)).collect();
    let mut best_first = candidates.clone();
    best_first.sort_by(|one, other| {
        let rank = |node: &NodeRecord| ranks.get(&node.node).copied().unwrap_or(-1.0);
        rank(other).total_cmp(&rank(one)).then(one.node.cmp(&other.node))
    });
    let mut kept: BTreeMap<NodeId, &NodeRecord> = BTreeMap::new();
    for node in best_first {
        let mut way = Vec::new();
        let mut next = Some(node);
        while let Some(node) = next.filter(|node| !kept.contains_key(&node.node)) {
            way.push(node);
            next = node.parents.first().and_then(|base| by_id.get(base)).copied();
        }
        // What does not fit with its whole way is not drawn; a shorter one may still.
        if kept.len() + way.len() <= MOST_NODES {
            kept.extend(way.into_iter().map(|node| (node.node, node)));
        }
    }
    kept.into_values().collect()
}

fn mark(node: &NodeRecord, ranks: &BTreeMap<NodeId, f64>) -> Mark {
    match node.status.as_str() {
        "measured" => Mark::Measured(ranks.get(&node.node).copied().unwrap_or(0.0)),
        "failed" => Mark::Failed,
        "dropped" => Mark::Dropped,
        "lost" | "quarantined" => Mark::Unusable,
        _ => Mark::Open,
    }
}

fn tip(node: &NodeRecord) -> String {
    let what = match (&node.failure, node.value) {
        (Some(failure), _) => failure.replace('_', " "),
        (None, Some(value)) => number::significant(value, 6),
        (None, None) => node.status.clone(),
    };
    format!("node {}, {}: {what}", node.node, node.operator)
}

fn csv(tree: &SearchTree) -> String {
    let mut csv = Csv::new(&["node", "base", "operator", "status", "failure", "value", "n"]);
    for node in &tree.nodes {
        csv.line([
            Value::Count(u64::from(node.node)),
            Value::Number(node.parents.first().map(|base| f64::from(*base))),
            Value::Text(node.operator.name()),
            Value::Text(&node.status),
            Value::Text(node.failure.as_deref().unwrap_or_default()),
            Value::Number(node.value),
            Value::Count(node.n),
        ]);
    }
    csv.text()
}
