//! What is known about candidates, in a line each: how they were made, what they changed, what became of them.

use std::mem::{Discriminant, discriminant};
use std::sync::Arc;

use super::Asked;
use super::code::summary;
use super::room::{fenced, number, one_line, shortened};
use super::template::{IDEAS, part};
use crate::search::{Node, NodeId, Operator, Status, Tree};

/// How many characters of an idea or a reason go into a line.
const LINE: usize = 300;
/// How many bytes of what a failed candidate wrote are shown.
const ERROR_BYTES: u64 = 600;
/// How many nodes are looked through for failures.
const LOOKED_AT: usize = 300;

/// A list's entries: each in its forms, the longest first.
pub(super) type Entries = Vec<(NodeId, Vec<String>)>;

/// The name of a candidate in a heading.
pub(super) fn name(id: NodeId) -> String {
    if id == 0 { "the baseline".to_owned() } else { format!("candidate {id}") }
}

/// What a candidate has, with n and standard error.
pub(super) fn value(node: &Node) -> Option<String> {
    let aggregate = node.aggregate()?;
    let mean = number(aggregate.mean);
    Some(match aggregate.standard_error {
        Some(error) => format!("{mean} (mean of {}, standard error {})", aggregate.n, number(error)),
        None => mean,
    })
}

/// What became of a candidate.
pub(super) fn outcome(tree: &Tree, node: &Node) -> String {
    match &node.status {
        Status::Proposed => "is being made".to_owned(),
        Status::Built => "is being evaluated".to_owned(),
        Status::Dropped { gate, reason } => {
            format!("refused ({}): {}", gate.name().replace('_', " "), one_line(reason, LINE))
        }
        Status::Failed { kind, reason } => {
            format!("failed ({}): {}", kind.name().replace('_', " "), one_line(reason, LINE))
        }
        Status::Lost => "the machine failed; nothing is known about it".to_owned(),
        Status::Screened { stage, value } => {
            let value = value.map(|value| format!(" with {}", number(value))).unwrap_or_default();
            format!("not good enough at the stage {}{value}", one_line(stage, 60))
        }
        Status::Measured => measured(tree, node),
        Status::Quarantined { .. } => "its score does not count: it was not reached fairly".to_owned(),
    }
}

fn measured(tree: &Tree, node: &Node) -> String {
    let value = value(node).unwrap_or_default();
    let fitness = |id| tree.fitness(id);
    let compared = node.base().and_then(|base| Some((fitness(node.id)?, fitness(base)?)));
    let Some((own, before)) = compared else { return value };
    let gain = own - before;
    if gain > 0.0 {
        format!("{value}, better than before by {}", number(gain))
    } else if gain < 0.0 {
        format!("{value}, worse than before by {}", number(-gain))
    } else {
        format!("{value}, as before")
    }
}

/// What a candidate is about: its idea, else what it changed.
pub(super) fn about(asked: &Asked<'_>, node: &Node) -> Arc<str> {
    match node.status.is_settled() {
        true => asked.memory.about(node.id, || in_words(asked, node)),
        false => in_words(asked, node).into(),
    }
}

fn in_words(asked: &Asked<'_>, node: &Node) -> String {
    if node.operator == Operator::Baseline {
        return "the program that the search began with".to_owned();
    }
    if let Some(idea) = node.idea.as_ref().and_then(|idea| (asked.body)(idea)) {
        return one_line(&idea, LINE);
    }
    let base = node.base().and_then(|base| (asked.files)(base));
    match (base, node.artefact.and_then(|_| (asked.files)(node.id))) {
        (Some(before), Some(after)) => summary(&before, &after),
        _ => "no description".to_owned(),
    }
}

/// What a candidate's outcome depends on: status and number of measurements, its own and those of its base.
pub(super) type Stamp = [Option<(Discriminant<Status>, usize)>; 2];

fn line(asked: &Asked<'_>, node: &Node) -> String {
    let of = |node: &Node| (discriminant(&node.status), node.measurements.len());
    let base = node.base().and_then(|base| asked.tree.get(base));
    match node.status.is_settled() {
        true => asked.memory.line(node.id, [Some(of(node)), base.map(of)], || told(asked, node)).to_string(),
        false => told(asked, node),
    }
}

fn told(asked: &Asked<'_>, node: &Node) -> String {
    let operator = node.operator.name();
    let about = about(asked, node);
    let about = about.trim_end_matches('.');
    format!("- {} ({operator}): {about}. Outcome: {}", name(node.id), outcome(asked.tree, node))
}

/// The base and what it came from, newest first, up to the baseline.
pub(super) fn lineage(asked: &Asked<'_>, base: &Node) -> Entries {
    let tree = asked.tree;
    let before = |node: &&Node| node.base().and_then(|base| tree.get(base));
    let chain = std::iter::successors(Some(base), before).filter(|node| node.id != 0);
    chain.take(asked.reach.lineage).map(|node| (node.id, vec![line(asked, node)])).collect()
}

/// Other candidates made from the base, newest first.
pub(super) fn siblings(asked: &Asked<'_>, base: &Node) -> Entries {
    let children = base.children.iter().rev().filter_map(|id| asked.tree.get(*id));
    let known = children.filter(|node| {
        let is_told = node.idea.is_some() || node.artefact.is_some();
        node.id != asked.node && node.is_candidate() && is_told
    });
    known.take(asked.reach.siblings).map(|node| (node.id, vec![line(asked, node)])).collect()
}

/// The newest candidates that failed, of the same island if there are islands, with what they wrote.
pub(super) fn failures(asked: &Asked<'_>, base: &Node) -> Entries {
    let nodes = asked.tree.nodes().iter().rev().take(LOOKED_AT);
    let failed = nodes.filter(|node| {
        node.is_buggy()
            && ![asked.node, base.id].contains(&node.id)
            && node.base() != Some(base.id)
            && node.tag.island == asked.plan.tag.island
    });
    let entries = failed.take(asked.reach.failures).map(|node| {
        let short = line(asked, node);
        let wrote = node.feedback.as_ref().and_then(|feedback| (asked.body)(feedback));
        let excerpt = wrote.and_then(|text| shortened(&text, ERROR_BYTES, |text| text.len() as u64));
        let long = excerpt.map(|text| format!("{short}\n{}", fenced("text", &text)));
        (node.id, long.into_iter().chain([short]).collect())
    });
    entries.collect()
}

/// What an idea brought, in a pool of ideas.
pub(super) fn brought(node: &Node) -> String {
    match (&node.status, value(node)) {
        (Status::Measured, Some(value)) => value,
        (Status::Failed { .. } | Status::Dropped { .. }, _) => part(&IDEAS, "failed").to_owned(),
        (Status::Proposed | Status::Built | Status::Lost, _) => "not known yet".to_owned(),
        (Status::Screened { .. }, _) => "not good enough for a full evaluation".to_owned(),
        (Status::Measured | Status::Quarantined { .. }, _) => "no score that counts".to_owned(),
    }
}
