//! The tables of a page.

use researchgym_core::score::{Direction, Severity};
use researchgym_core::statistics::across::ProfileRow;
use researchgym_core::statistics::cell::Cell;
use researchgym_core::statistics::published::Areas;
use researchgym_core::statistics::sample::{Estimate, Interval, Spread};
use researchgym_core::statistics::standing::Standing;
use researchgym_core::statistics::tasks::Task;
use researchgym_core::statistics::{Analysis, GroupBy};

use super::model::{Entry, Table};
use crate::figure::number;
use crate::figure::number::{decimals, dollars, duration, percent, signed_decimals, significant};

/// How many runs a page lists; all of them are in the report's JSON.
pub(super) const MAX_RUNS: usize = 2000;

fn between(interval: Option<Interval>, show: impl Fn(f64) -> String) -> String {
    interval.map_or_else(String::new, |interval| format!("[{}, {}]", show(interval.low), show(interval.high)))
}

fn estimate(estimate: Option<Estimate>, show: impl Fn(f64) -> String) -> Entry {
    Entry::maybe(estimate, |estimate| {
        Entry::number(estimate.value, show(estimate.value)).more(between(estimate.interval, &show))
    })
}

fn money(spread: Option<Spread>) -> Entry {
    Entry::maybe(spread, |spread| {
        Entry::number(spread.mean, dollars(spread.mean / 1e6))
            .more(format!("{} in all", dollars(spread.sum / 1e6)))
    })
}

fn time(spread: Option<Spread>) -> Entry {
    Entry::maybe(spread, |spread| Entry::number(spread.mean, duration(spread.mean / 1e3)))
}

/// Contenders from the best average to the worst; those without one come last.
pub(super) fn ranked(analysis: &Analysis) -> Vec<&Standing> {
    let mut standings: Vec<&Standing> = analysis.contenders.iter().collect();
    let average =
        |standing: &Standing| standing.submission.average.map_or(f64::NEG_INFINITY, |average| average.value);
    standings.sort_by(|one, other| average(other).total_cmp(&average(one)));
    standings
}

/// The columns of the seed's leaderboard, with intervals.
pub(super) fn leaderboard(analysis: &Analysis) -> Table {
    let is_by_variant = analysis.settings.group_by == GroupBy::Variant;
    let mut table = Table::new(
        "leaderboard-table",
        &[
            "#",
            if is_by_variant { "Variant, agent" } else { "Agent" },
            "Model",
            "#Average score",
            "#Tasks improved",
            "#AUP",
            "#Runs",
            "#Runtime",
            "#Cost",
        ],
    );
    for (place, standing) in ranked(analysis).into_iter().enumerate() {
        let models = standing.models.join(", ");
        table.rows.push(vec![
            Entry::words(&(place + 1).to_string()),
            Entry::words(&match is_by_variant {
                true => format!("{}: {}", standing.contender, standing.agents.join(", ")),
                false => standing.agents.join(", "),
            }),
            Entry::words(if models.is_empty() { "–" } else { &models }),
            estimate(standing.submission.average, |value| signed_decimals(value, 3)),
            Entry::number(
                standing.tasks_improved as f64,
                format!("{} of {}", standing.tasks_improved, standing.tasks_with_baseline),
            ),
            Entry::maybe(standing.submission.published_area, |area| {
                Entry::number(area.value, decimals(Areas::shown(area.value), 3))
            }),
            Entry::count(standing.runs).more(match standing.runs - standing.scored {
                0 => String::new(),
                failed => format!("{failed} failed"),
            }),
            time(standing.time_ms),
            money(standing.cost),
        ]);
    }
    table
}

/// One task's contenders.
pub(super) fn task(analysis: &Analysis, number: usize, task: &Task, name: &dyn Fn(&str) -> String) -> Table {
    let mut table = Table::new(
        format!("task-{number}"),
        &[
            "Contender",
            "#Scored",
            "#Mean submission",
            "#Median",
            "#Best submission",
            "#Best attempt",
            "#Gain of mean",
            "#Beat baseline",
            "#Cost",
        ],
    );
    let mut cells: Vec<&Cell> = analysis.cells.iter().filter(|cell| cell.task == task.label).collect();
    let worth = |cell: &Cell| {
        let mean = cell.submission.mean.map(|mean| mean.value)?;
        Some(match task.primary.as_ref().map(|primary| primary.direction) {
            Some(Direction::Minimize) => -mean,
            Some(Direction::Maximize) | None => mean,
        })
    };
    cells.sort_by(|one, other| {
        worth(other).unwrap_or(f64::NEG_INFINITY).total_cmp(&worth(one).unwrap_or(f64::NEG_INFINITY))
    });
    let known = |cell: &&Cell| [cell.submission.mean.map(|mean| mean.value), cell.best.at_k];
    let values: Vec<f64> = cells.iter().flat_map(known).flatten().chain(task.baseline).collect();
    let places = number::places(&values);
    for cell in cells {
        let scores = &cell.submission;
        let value = |value: f64| Entry::number(value, decimals(value, places));
        let is_noise = scores.is_mean_gain_noise == Some(true);
        let flagged = if cell.flagged > 0 { format!("{} flagged", cell.flagged) } else { String::new() };
        table.rows.push(vec![
            Entry::words(&name(&cell.contender)).more(flagged),
            Entry::number(scores.scored as f64, format!("{} of {}", scores.scored, cell.runs)),
            estimate(scores.mean, |value| decimals(value, places)),
            Entry::maybe(scores.median, |median| value(median.value)),
            Entry::maybe(scores.at_k, value),
            Entry::maybe(cell.best.at_k, value),
            Entry::maybe(scores.mean_gain, |gain| {
                Entry::number(gain, signed_decimals(gain, places)).more(if is_noise { "noise" } else { "" })
            }),
            Entry::maybe(scores.passed, |passed| {
                Entry::number(passed as f64, format!("{passed} of {}", cell.runs))
            }),
            Entry::maybe(cell.cost, |cost| Entry::number(cost.mean, dollars(cost.mean / 1e6))),
        ]);
    }
    table
}

/// All tasks in brief.
pub(super) fn tasks(analysis: &Analysis) -> Table {
    let mut table = Table::new("tasks-table", &["Task", "Metric", "#Baseline", "#Noise", "#Runs", "#Scored"]);
    for task in &analysis.tasks {
        table.rows.push(vec![
            Entry::words(&task.label),
            Entry::words(&crate::figure::metric(task.primary.as_ref())),
            Entry::maybe(task.baseline, |baseline| Entry::number(baseline, significant(baseline, 4))),
            if task.noise_floor > 0.0 {
                Entry::number(task.noise_floor, format!("±{}", significant(task.noise_floor, 2)))
            } else {
                Entry::words("–")
            },
            Entry::count(task.runs),
            Entry::count(task.scored),
        ]);
    }
    table
}

/// Averages and areas with all runs and without the flagged ones.
pub(super) fn with_and_without(kept: &Analysis, left_out: &Analysis, name: &dyn Fn(&str) -> String) -> Table {
    let mut table = Table::new(
        "with-and-without",
        &[
            "Contender",
            "#Runs",
            "#Flagged",
            "#Average score",
            "#… without flagged",
            "#AUP, best attempts",
            "#… without flagged",
            "#Tasks improved",
            "#… without flagged",
        ],
    );
    let area = |rows: &[ProfileRow], contender: &str| {
        rows.iter().find(|row| row.contender == contender).and_then(|row| row.area)
    };
    let shown_area =
        |area: Option<f64>| Entry::maybe(area, |area| Entry::number(area, decimals(Areas::shown(area), 3)));
    for standing in ranked(kept) {
        let contender = standing.contender.as_str();
        let without = left_out.contenders.iter().find(|other| other.contender == contender);
        table.rows.push(vec![
            Entry::words(&name(contender)),
            Entry::count(standing.runs),
            Entry::count(standing.flagged),
            estimate(standing.submission.average, |value| signed_decimals(value, 3)),
            estimate(without.and_then(|without| without.submission.average), |value| {
                signed_decimals(value, 3)
            }),
            shown_area(area(&kept.published.best, contender)),
            shown_area(area(&left_out.published.best, contender)),
            Entry::count(standing.tasks_improved),
            Entry::maybe(without, |without| Entry::count(without.tasks_improved)),
        ]);
    }
    table
}

/// Kinds of findings.
pub(super) fn findings(analysis: &Analysis) -> Table {
    let mut table = Table::new("findings", &["Finding", "Severity", "#Runs", "#Findings"]);
    for row in &analysis.integrity.findings {
        let severity = match row.severity {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        };
        table.rows.push(vec![
            Entry::words(&row.kind),
            Entry::words(severity),
            Entry::count(row.runs),
            Entry::count(row.findings),
        ]);
    }
    table
}

/// Runs that are flagged.
pub(super) fn flagged(analysis: &Analysis, name: &dyn Fn(&str) -> String) -> Table {
    let mut table =
        Table::new("flagged-runs", &["Run", "Contender", "Task", "#Best attempt", "What was found"]);
    for run in &analysis.integrity.flagged {
        table.rows.push(vec![
            Entry::words(&run.run_id),
            Entry::words(&name(&run.contender)),
            Entry::words(&run.task),
            Entry::maybe(run.best, |best| Entry::number(best, significant(best, 4))),
            Entry::words(&run.evidence.join("; ")),
        ]);
    }
    table
}

/// Runs without which an area would be another.
pub(super) fn influence(analysis: &Analysis, name: &dyn Fn(&str) -> String) -> Table {
    let mut table =
        Table::new("influence-runs", &["Run", "Contender", "Task", "Flagged", "#Largest change of any AUP"]);
    for run in analysis.influence.runs.iter().take(20) {
        table.rows.push(vec![
            Entry::words(&run.run_id),
            Entry::words(&name(&run.contender)),
            Entry::words(&run.task),
            Entry::words(if run.is_flagged { "yes" } else { "no" }),
            Entry::number(run.without.largest, decimals(run.without.largest, 3)),
        ]);
    }
    table
}

/// Runs that do not count.
pub(super) fn left_out(analysis: &Analysis) -> Table {
    let mut table = Table::new("left-out", &["Run", "Contender", "Task", "Why it was left out"]);
    for run in &analysis.left_out {
        table.rows.push(vec![
            Entry::words(&run.run_id),
            Entry::words(&run.contender),
            Entry::words(&run.task),
            Entry::words(run.reason.words()),
        ]);
    }
    table
}

/// Runs in lines.
pub(super) fn runs(analysis: &Analysis, name: &dyn Fn(&str) -> String) -> Table {
    let mut table = Table::new(
        "runs-table",
        &[
            "Run",
            "Contender",
            "Task",
            "Ending",
            "#Submission",
            "#Best attempt",
            "#Steps",
            "#Runtime",
            "#Cost",
            "Improved",
        ],
    );
    if analysis.runs.len() > MAX_RUNS {
        table = table
            .note(format!("The first {MAX_RUNS} of {} runs; all are in report.json.", analysis.runs.len()));
    }
    let value = |value: f64| Entry::number(value, significant(value, 4));
    for run in analysis.runs.iter().take(MAX_RUNS) {
        table.rows.push(vec![
            Entry::words(&run.run_id).more(if run.is_flagged { "flagged" } else { "" }),
            Entry::words(&name(&run.contender)),
            Entry::words(&run.task),
            Entry::words(run.ending.map_or("–", |cause| cause.name())),
            Entry::maybe(run.submission, value),
            Entry::maybe(run.best, value),
            Entry::maybe(run.steps, Entry::count),
            Entry::maybe(run.time_ms, |ms| Entry::number(ms as f64, duration(ms as f64 / 1e3))),
            Entry::maybe(run.cost, |cost| Entry::number(cost.0 as f64, dollars(cost.0 as f64 / 1e6))),
            Entry::words(match run.is_improved {
                Some(true) => "yes",
                Some(false) => "no",
                None => "–",
            }),
        ]);
    }
    table
}

/// How sure an interval is, in words.
pub(super) fn confidence(analysis: &Analysis) -> String {
    percent(analysis.settings.confidence)
}
