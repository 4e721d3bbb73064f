//! The ideas of a search with what became of them, from its log.

use std::collections::{BTreeMap, HashMap};

use researchgym_core::action::Body;
use researchgym_core::edit::unified;
use researchgym_core::event::{Event, Line};
use researchgym_core::record::{IdeaRecord, IdeaStatus, NodeRecord, kind_of};
use researchgym_core::search::{NodeId, Operator, Tree};
use researchgym_core::state::RunState;

use super::{Candidates, RecordError};
use crate::store::{Blobs, RunFolder, read_log};

/// Lines around a change in a diff, as git has them.
const CONTEXT: usize = 3;
/// The most characters of what a program printed.
const LOG: usize = 20_000;

/// The ideas of a run, in the order in which they were planned; none of a run that is no search.
///
/// # Errors
/// There is no log, it cannot be read, or it is not what was written.
pub fn ideas_of(folder: &RunFolder) -> Result<Vec<IdeaRecord>, RecordError> {
    if folder.is_imported() {
        return Ok(Vec::new());
    }
    let lines = read_log(folder)?.lines;
    let state =
        RunState::fold(&lines).map_err(|source| RecordError::State { path: folder.events(), source })?;
    let Some(tree) = &state.search else { return Ok(Vec::new()) };
    let blobs = folder.blobs();
    // Without its workspace a run has no candidates yet.
    let mut candidates = Candidates::of(&lines, &state.started.task, tree, blobs.clone()).ok();
    let executions = executions(&lines, tree);
    let resolve = |body: &Body| text(&blobs, body).map(String::into_bytes);
    let mut numbers: BTreeMap<Option<u32>, u32> = BTreeMap::new();
    let mut ideas = Vec::new();
    for node in tree.nodes() {
        if matches!(node.operator, Operator::Baseline | Operator::Replicate) {
            continue;
        }
        let number = numbers.entry(node.tag.epoch).or_default();
        let idea_id = *number;
        *number += 1;
        let row = NodeRecord::of(&state, node, &resolve);
        let had = tree.ideas_of(&node.tag);
        let shared = had.and_then(|had| had.ideas.get(node.tag.call?.position as usize));
        let idea = node.idea.as_ref().or(shared).and_then(|idea| text(&blobs, idea));
        let diff = node.artefact.and_then(|_| {
            let candidates = candidates.as_mut()?;
            let base = candidates.base_of(node.id).ok()?;
            Some(unified(&base, &candidates.tree_of(node.id).ok()?, CONTEXT))
        });
        let status = IdeaStatus::of(&node.status);
        let execution = executions.of.get(&node.id).cloned().unwrap_or_default();
        let fitness = |id: NodeId| tree.fitness(id);
        let better = fitness(node.id).map(|own| fitness(0).is_none_or(|baseline| own > baseline));
        let first = node.measurements.first();
        ideas.push(IdeaRecord {
            run_id: state.started.run_id.to_string(),
            task: state.started.task.id.clone(),
            epoch: node.tag.epoch,
            idea_id,
            node: node.id,
            idea,
            kind: kind_of(node),
            shown: node.shown.clone(),
            code_parent: node.base().unwrap_or(0),
            diff,
            attempts: node.attempts,
            status,
            implemented: status.is_implemented(),
            failure: row.failure,
            reason: row.reason,
            stage: execution.stage,
            metric: tree.primary().name.clone(),
            direction: tree.primary().direction,
            value: row.value,
            n: row.n,
            standard_error: row.standard_error,
            metrics: first.map(|measurement| measurement.metrics.clone()).unwrap_or_default(),
            better_than_baseline: better,
            late: executions.late.contains(&node.id),
            cost_usd: node.spent.cost.as_usd(),
            tokens: node.spent.tokens,
            calls: u64::from(node.spent.calls),
            idea_model: had.map(|had| had.model.clone()).or_else(|| node.model.clone()),
            code_model: node.model.clone().filter(|_| node.attempts > 0),
            wall_ms: execution.wall_ms,
            queue_ms: execution.queue_ms,
            cpu_ms: execution.cpu_ms,
            planned_ms: node.planned_ms,
            settled_ms: row.settled_ms,
            log: node.feedback.as_ref().and_then(|log| text(&blobs, log)).map(|log| shortened(&log)),
        });
    }
    Ok(ideas)
}

/// What evaluations of a node came to.
#[derive(Clone, Debug, Default)]
struct Execution {
    stage: Option<String>,
    wall_ms: u64,
    queue_ms: u64,
    cpu_ms: u64,
}

/// What only the order of events tells.
#[derive(Debug, Default)]
struct Executions {
    of: HashMap<NodeId, Execution>,
    /// Nodes that were settled after the next epoch had begun.
    late: Vec<NodeId>,
}

fn executions(lines: &[Line], tree: &Tree) -> Executions {
    let mut executions = Executions::default();
    let mut under_way: HashMap<u64, NodeId> = HashMap::new();
    let mut newest = None;
    let mut told_at: BTreeMap<NodeId, Option<u32>> = BTreeMap::new();
    for line in lines {
        match &line.event {
            Event::Planned(planned) => {
                newest = newest.max(planned.plans.iter().filter_map(|plan| plan.tag.epoch).max());
            }
            Event::NodeDropped(dropped) => {
                told_at.insert(dropped.node, newest);
            }
            Event::EvaluationBegan(began) => {
                under_way.insert(began.evaluation, began.node);
                executions.of.entry(began.node).or_default().stage = Some(began.stage.clone());
            }
            Event::Evaluated(evaluated) => {
                let Some(node) = under_way.remove(&evaluated.evaluation) else { continue };
                let execution = executions.of.entry(node).or_default();
                execution.wall_ms = execution.wall_ms.saturating_add(evaluated.wall_ms);
                execution.queue_ms = execution.queue_ms.saturating_add(evaluated.queued_ms);
                execution.cpu_ms = execution.cpu_ms.saturating_add(evaluated.cpu_ms);
                told_at.insert(node, newest);
            }
            _ => {}
        }
    }
    let is_late = |(id, newest): &(NodeId, Option<u32>)| {
        let node = tree.get(*id).filter(|node| node.status.is_settled());
        node.and_then(|node| node.tag.epoch).is_some_and(|epoch| Some(epoch) < *newest)
    };
    executions.late = told_at.into_iter().filter(is_late).map(|(id, _)| id).collect();
    executions
}

fn text(blobs: &Blobs, body: &Body) -> Option<String> {
    Some(String::from_utf8_lossy(&blobs.resolve(body).ok()?).into_owned())
}

/// Head and tail of a long text.
fn shortened(text: &str) -> String {
    let count = text.chars().count();
    if count <= LOG {
        return text.to_owned();
    }
    let head: String = text.chars().take(LOG / 2).collect();
    let tail: String = text.chars().skip(count - LOG / 2).collect();
    format!("{head}\n[... {} characters left out ...]\n{tail}", count - LOG / 2 * 2)
}
