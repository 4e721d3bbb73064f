//! What a page tells besides its numbers: what was compared, how, and from where.

use std::collections::{BTreeMap, BTreeSet};

use researchgym_core::record::{Origin, RunRecord};
use researchgym_core::statistics::{Analysis, Flagged};

use super::PageFacts;
use super::model::Note;
use super::tables::confidence;
use crate::figure::number::decimals;

fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{} {}", decimals(count as f64, 0), if count == 1 { one } else { many })
}

/// What was compared, in a sentence.
pub(super) fn lead(analysis: &Analysis, facts: &PageFacts) -> String {
    format!(
        "{} of {} on {}. Made at {} with ResearchGym {}.",
        counted(analysis.runs.len(), "run", "runs"),
        counted(analysis.contenders.len(), "contender", "contenders"),
        counted(analysis.tasks.len(), "task", "tasks"),
        facts.made_at,
        facts.version
    )
}

/// What was left out, by reason; the runs themselves stand in a table.
pub(super) fn left_out(analysis: &Analysis) -> String {
    if analysis.left_out.is_empty() {
        return format!(
            "All of the {} that were given count.",
            counted(analysis.given as usize, "run", "runs")
        );
    }
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for run in &analysis.left_out {
        *reasons.entry(run.reason.words()).or_default() += 1;
    }
    let reasons: Vec<String> =
        reasons.iter().map(|(words, count)| format!("{}: {words}", decimals(*count as f64, 0))).collect();
    format!(
        "Of {}, {} do not count. {}.",
        counted(analysis.given as usize, "run", "runs"),
        analysis.left_out.len(),
        reasons.join("; ")
    )
}

/// What imports could not take over, each sentence once, the most frequent first.
pub(super) fn not_taken_over(records: &[RunRecord]) -> Vec<String> {
    const MOST: usize = 30;
    let mut sentences: BTreeMap<&str, usize> = BTreeMap::new();
    for sentence in records.iter().flat_map(|record| &record.left_out) {
        *sentences.entry(sentence).or_default() += 1;
    }
    let mut sentences: Vec<(&str, usize)> = sentences.into_iter().collect();
    sentences.sort_by(|one, other| other.1.cmp(&one.1).then(one.0.cmp(other.0)));
    let rest = sentences.len().saturating_sub(MOST);
    let mut lines: Vec<String> = sentences
        .into_iter()
        .take(MOST)
        .map(|(sentence, count)| format!("{sentence} ({})", counted(count, "run", "runs")))
        .collect();
    if rest > 0 {
        lines.push(format!(
            "and {}, which the records tell",
            counted(rest, "further sentence", "further sentences")
        ));
    }
    lines
}

/// How numbers were made.
pub(super) fn methods(analysis: &Analysis) -> Vec<Note> {
    let settings = &analysis.settings;
    let flagged = match settings.flagged {
        Flagged::Kept => {
            "Flagged runs count like all others; the page on integrity tells what changes without them."
        }
        Flagged::LeftOut => "Flagged runs are left out of everything.",
    };
    let intervals = if settings.resamples == 0 {
        "None were computed.".to_owned()
    } else {
        format!(
            "Percentile bootstrap (Efron 1979) at {}: {} resamples, seed {} (ChaCha8). Runs are drawn anew within each cell of contender and task \
             (stratified, after Agarwal et al. 2021). They tell how results would vary with other runs on these tasks, not with other tasks.",
            confidence(analysis),
            decimals(f64::from(settings.resamples), 0),
            settings.seed
        )
    };
    let prices = match (&settings.prices_date, settings.is_priced) {
        (Some(date), true) => format!("Computed from tokens and a table of prices of {date}."),
        (None, true) => "Computed from tokens and a table of prices.".to_owned(),
        (_, false) => {
            "As it was recorded by whoever ran the runs; such costs are not always comparable between models."
                .to_owned()
        }
    };
    vec![
        Note::new(
            "Average score",
            "Each final submission's place beside the task's baseline on a logarithmic scale: 0 is the baseline, 1 ten times better, −1 ten times worse or no \
             score. Averaged over a contender's runs on a task, then over tasks with a baseline.",
        ),
        Note::new(
            "Tasks improved",
            "Tasks whose best final submission beats the baseline by more than the task's noise, of the tasks with a baseline.",
        ),
        Note::new(
            "AUP",
            "The area under a performance profile as MLGym computes it (Nathani et al. 2025; Dolan and Moré 2002): ratios to the best of all, infeasible \
             below 0 or below the baseline, a logarithmic grid of 500 points, a left Riemann sum. It hangs on who is compared.",
        ),
        Note::new("Intervals", intervals),
        Note::new(
            "Comparisons",
            "Probability of improvement: the mean over tasks of the chance that a run of one is better than a run of the other. p by Wilcoxon's signed-rank test \
             over tasks, corrected by Holm for all pairs.",
        ),
        Note::new(
            "Noise",
            "Differences from the baseline up to a task's noise floor are called noise and do not count as improvements.",
        ),
        Note::new("Flagged runs", flagged),
        Note::new("Money", prices),
        Note::new("Time", "Working time, or wall time where that alone is known; the mean of a run."),
    ]
}

/// Where the numbers come from.
pub(super) fn provenance(analysis: &Analysis, records: &[RunRecord], facts: &PageFacts) -> Vec<Note> {
    let mut sources: BTreeMap<String, usize> = BTreeMap::new();
    for record in records {
        let source = match &record.origin {
            Origin::Researchgym { .. } => "ResearchGym".to_owned(),
            Origin::Foreign { program, .. } => format!("imported from {program}"),
        };
        *sources.entry(source).or_default() += 1;
    }
    let sources: Vec<String> = sources
        .iter()
        .map(|(source, count)| format!("{}: {source}", counted(*count, "run", "runs")))
        .collect();
    let days: BTreeSet<&str> =
        records.iter().filter_map(|record| record.started_at.as_deref()?.get(..10)).collect();
    let when = match (days.first(), days.last()) {
        (Some(first), Some(last)) if first == last => format!("on {first}"),
        (Some(first), Some(last)) => format!("between {first} and {last}"),
        _ => "at times that are not known".to_owned(),
    };
    vec![
        Note::new("Made", format!("at {} with ResearchGym {}", facts.made_at, facts.version)),
        Note::new(
            "Runs",
            format!(
                "{}, started {when}",
                if sources.is_empty() { "none".to_owned() } else { sources.join("; ") }
            ),
        ),
        Note::new("Grouped by", grouped(analysis)),
        Note::new(
            "Files",
            "report.json holds everything on this page with all digits; figures/ holds each figure as SVG and PDF, and its data as CSV. A run's id names its \
             folder in the store, whose record tells the source and its hash.",
        ),
    ]
}

fn grouped(analysis: &Analysis) -> &'static str {
    use researchgym_core::statistics::GroupBy;
    match analysis.settings.group_by {
        GroupBy::AgentModel => "agent and model",
        GroupBy::Model => "model",
        GroupBy::Agent => "agent",
        GroupBy::Variant => "variant of the task",
    }
}
