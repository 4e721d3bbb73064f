//! Searches in a report: who they are compared as, and which of them are shown node by node.

use std::collections::BTreeMap;

use researchgym_core::record::{IdeaRecord, NodeRecord, RunRecord, SearchRecord};
use researchgym_core::statistics::{Analysis, Flagged};

/// How many trees a report shows at most.
const MOST_TREES: usize = 6;

/// A search node by node.
#[derive(Clone, Debug, PartialEq)]
pub struct SearchTree {
    /// The run's id.
    pub run_id: String,
    /// Its nodes, in the order of their numbers.
    pub nodes: Vec<NodeRecord>,
    /// Its ideas, if it has epochs.
    pub ideas: Vec<IdeaRecord>,
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

/// Who a search is compared as: its policy, the preset that it was started by, and its model.
pub(crate) fn contender(record: &RunRecord, search: &SearchRecord) -> String {
    let name = match record.agent.as_str() {
        "search" => search.policy.clone(),
        preset if preset == search.policy => preset.to_owned(),
        preset => format!("{preset} ({})", search.policy),
    };
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
