//! Searches in a report: who they are compared as, and which of them are shown node by node.

use std::collections::BTreeMap;

use researchgym_core::record::{IdeaRecord, NodeRecord, RunRecord, SearchRecord, TrialRecord};
use researchgym_core::score::Direction;
use researchgym_core::search::policy::islands::IslandsView;
use researchgym_core::search::{FULL, NodeId, Operator};
use researchgym_core::statistics::{Analysis, Flagged};

/// How many trees a report shows at most.
const MOST_TREES: usize = 6;
/// Of how many of the best candidates of a search the trials' metrics are drawn.
const BEST_TRIALS: usize = 4;
/// How many values of a metric are drawn.
const MOST_VALUES: usize = 400;

/// A search node by node.
#[derive(Clone, Debug, PartialEq)]
pub struct SearchTree {
    /// The run's id.
    pub run_id: String,
    /// Its nodes, in the order of their numbers.
    pub nodes: Vec<NodeRecord>,
    /// Its ideas, if it has epochs.
    pub ideas: Vec<IdeaRecord>,
    /// The islands at its end, if its policy has some.
    pub islands: Option<IslandsView>,
    /// The nodes whose trials' metrics are drawn: the best first.
    curved: Vec<NodeId>,
    /// These by their places in that list, thinned.
    pub(crate) trials: BTreeMap<usize, TrialRecord>,
}

impl SearchTree {
    /// The tree of a run, without its trials, ideas and islands.
    pub fn of(record: &RunRecord, nodes: Vec<NodeRecord>) -> SearchTree {
        let direction = record.task.primary.as_ref().map_or(Direction::Maximize, |primary| primary.direction);
        let is_candidate = |node: &&NodeRecord| {
            node.status == "measured" && node.node != 0 && node.operator != Operator::Replicate
        };
        let mut ranked: Vec<(f64, NodeId)> = nodes
            .iter()
            .filter(is_candidate)
            .filter_map(|node| Some((direction.gain(node.value?, 0.0), node.node)))
            .collect();
        ranked.sort_by(|one, other| other.0.total_cmp(&one.0));
        let best = ranked.iter().take(BEST_TRIALS);
        let middle = ranked.get(ranked.len() / 2).filter(|_| ranked.len() / 2 >= BEST_TRIALS);
        let curved = best.chain(middle).map(|(_, node)| *node).chain([0]).collect();
        SearchTree {
            run_id: record.run_id.clone(),
            nodes,
            ideas: Vec::new(),
            islands: None,
            curved,
            trials: BTreeMap::new(),
        }
    }

    /// Whether the metrics of a node's trial are drawn.
    pub fn draws_trial(&self, node: NodeId) -> bool {
        self.curved.contains(&node)
    }

    /// Takes in what a trial told, if it is drawn: the last full evaluation of a node.
    pub fn take(&mut self, trial: &TrialRecord) {
        let place = self.curved.iter().position(|node| *node == trial.node);
        if let Some(place) = place.filter(|_| trial.stage == FULL) {
            self.trials.insert(place, trial.thinned(MOST_VALUES));
        }
    }
}

/// The runs whose nodes a report shows: of each policy on each task the best, and of these the first few. Whoever makes a
/// report hands their nodes in.
pub fn pictured(records: &[RunRecord]) -> Vec<&RunRecord> {
    let mut best: BTreeMap<(String, String), &RunRecord> = BTreeMap::new();
    for (record, search) in searches(records) {
        let place = best.entry((task(record), contender(record, search))).or_insert(record);
        if is_better(record, place) {
            *place = record;
        }
    }
    best.into_values().take(MOST_TREES).collect()
}

fn is_better(one: &RunRecord, other: &RunRecord) -> bool {
    let value = |record: &RunRecord| record.search.as_ref()?.best.as_ref().map(|best| best.value);
    match (value(one), value(other), &one.task.primary) {
        (Some(one), Some(other), Some(primary)) => primary.direction.gain(one, other) > 0.0,
        (Some(_), None, _) => true,
        _ => false,
    }
}

/// The searches among some runs.
fn searches(records: &[RunRecord]) -> impl Iterator<Item = (&RunRecord, &SearchRecord)> {
    records.iter().filter_map(|record| Some((record, record.search.as_deref()?)))
}

/// The searches that an analysis takes in.
pub(crate) fn shown<'a>(
    records: &'a [RunRecord],
    analysis: &Analysis,
) -> impl Iterator<Item = (&'a RunRecord, &'a SearchRecord)> {
    let is_left_out = analysis.settings.flagged == Flagged::LeftOut;
    searches(records).filter(move |(record, _)| !(is_left_out && record.is_flagged()))
}

/// Who a search is compared as: its policy, the preset that it was started by, whether it goes on with another's tree, and
/// its model.
pub(crate) fn contender(record: &RunRecord, search: &SearchRecord) -> String {
    let name = match record.agent.as_str() {
        "search" => search.policy.clone(),
        preset if preset == search.policy => preset.to_owned(),
        preset => format!("{preset} ({})", search.policy),
    };
    let name = if record.forked_from.is_some() { format!("{name}, forked") } else { name };
    match &record.model {
        Some(model) => format!("{name} / {model}"),
        None => name,
    }
}

/// What a search works on.
pub(crate) fn task(record: &RunRecord) -> String {
    match record.task.variant.as_str() {
        "default" => record.task.id.clone(),
        variant => format!("{} ({variant})", record.task.id),
    }
}
