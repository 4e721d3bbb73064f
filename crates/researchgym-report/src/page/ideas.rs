//! The tables of ideas: what became of each, and what epochs came to.

use researchgym_core::record::epochs_of;

use super::model::{Entry, Table};
use crate::figure::number::{decimals, dollars, significant};
use crate::search::SearchTree;

/// The most ideas in lines; an export has all.
const MOST_IDEAS: usize = 500;
/// Characters of an idea and of a reason.
const TITLE: usize = 160;

/// Ideas in lines.
pub(super) fn ideas(tree: &SearchTree) -> Table {
    let left_out = tree.ideas.len().saturating_sub(MOST_IDEAS);
    let mut table = Table::new(
        format!("ideas-{}", tree.run_id),
        &["#Node", "#Epoch", "Kind", "Idea", "What became of it", "#Value", "#Attempts", "#Cost"],
    )
    .note(match left_out {
        0 => String::new(),
        count => format!("{count} more ideas are in `export --format trajectories`."),
    });
    for idea in tree.ideas.iter().take(MOST_IDEAS) {
        let late = if idea.late { "late" } else { "" };
        table.rows.push(vec![
            Entry::count(u64::from(idea.node)),
            Entry::maybe(idea.epoch, |epoch| Entry::count(u64::from(epoch))),
            Entry::words(&idea.kind),
            Entry::words(&cut(idea.title())),
            Entry::words(&cut(&idea.outcome())).more(late),
            Entry::maybe(idea.value, |value| Entry::number(value, significant(value, 5))),
            Entry::count(u64::from(idea.attempts)),
            Entry::number(idea.cost_usd, dollars(idea.cost_usd)),
        ]);
    }
    table
}

/// Epochs in lines.
pub(super) fn epochs(tree: &SearchTree) -> Table {
    let mut table = Table::new(
        format!("epochs-{}", tree.run_id),
        &[
            "#Epoch",
            "#Ideas",
            "#Exploit",
            "#Implemented",
            "#Measured",
            "#Better than the baseline",
            "#Best",
            "#Mean",
            "#Similarity",
            "#Late",
            "#Cost",
        ],
    )
    .note(
        "Behind the implemented: their share of the ideas of which it is known. Behind the mean: its standard error. \
         Similarity: what two ideas of the epoch have in common, on average, from 0 to 1.",
    );
    for epoch in epochs_of(&tree.ideas) {
        let share = epoch.completion_rate.map(|rate| format!("{} %", decimals(rate * 100.0, 0)));
        let error = epoch.standard_error.map(|error| format!("± {}", significant(error, 2)));
        let value = |value: f64| Entry::number(value, significant(value, 5));
        table.rows.push(vec![
            Entry::maybe(epoch.epoch, |epoch| Entry::count(u64::from(epoch))),
            Entry::count(epoch.ideas),
            Entry::count(epoch.exploit),
            Entry::count(epoch.implemented).more(share.unwrap_or_default()),
            Entry::count(epoch.measured),
            Entry::count(epoch.better_than_baseline),
            Entry::maybe(epoch.best, value),
            Entry::maybe(epoch.mean, |mean| value(mean).more(error.unwrap_or_default())),
            Entry::maybe(epoch.similarity, |similarity| Entry::number(similarity, decimals(similarity, 3))),
            Entry::count(epoch.late),
            Entry::number(epoch.cost_usd, dollars(epoch.cost_usd)),
        ]);
    }
    table
}

fn cut(text: &str) -> String {
    let mut cut: String = text.chars().take(TITLE).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    cut
}
