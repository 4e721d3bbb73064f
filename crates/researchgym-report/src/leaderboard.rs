//! The leaderboard as rows: one contender each, in the columns of ResearchGym's published one, with intervals.

use std::cmp::Ordering;

use researchgym_core::statistics::{Analysis, GroupBy};

use researchgym_core::statistics::sample::Estimate;
use researchgym_core::statistics::standing::Standing;

use crate::page::escaped;

/// What a leaderboard is sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// The average score, the best first; contenders without one last.
    Score,
    /// The share of tasks improved, the most first.
    Improved,
    /// The area under the published performance profile, the largest first.
    Area,
    /// The mean runtime, the shortest first.
    Runtime,
    /// The mean cost, the cheapest first.
    Cost,
    /// The name.
    Name,
}

/// A line of the leaderboard.
#[derive(Clone, Debug, PartialEq)]
pub struct Row<'a> {
    /// The place, from 1; equal scores share it. `None` without a score, or if the rows are sorted by something else.
    pub place: Option<u64>,
    /// The contender's standing.
    pub standing: &'a Standing,
}

const HEADINGS: [&str; 9] =
    ["", "agent", "model", "average score", "tasks improved", "AUP", "runtime", "cost", "runs"];

/// The headings and the lines' texts. Where neither agent nor model names a contender, its own name stands before them.
pub fn table(analysis: &Analysis, rows: &[Row<'_>]) -> Vec<Vec<String>> {
    let mut table = vec![HEADINGS.map(str::to_owned).to_vec()];
    table.extend(rows.iter().map(|row| row.cells().to_vec()));
    if analysis.settings.group_by == GroupBy::Variant {
        let names = rows.iter().map(|row| row.standing.contender.clone());
        let names = std::iter::once("variant".to_owned()).chain(names);
        table.iter_mut().zip(names).for_each(|(cells, name)| cells.insert(1, name));
    }
    table
}

/// The contenders in order.
pub fn rows(analysis: &Analysis, sort: Sort) -> Vec<Row<'_>> {
    let mut standings: Vec<&Standing> = analysis.contenders.iter().collect();
    let value = |estimate: &Option<Estimate>| estimate.as_ref().map(|estimate| estimate.value);
    let score = |standing: &Standing| value(&standing.submission.average);
    let share = |standing: &Standing| {
        (standing.tasks_with_baseline > 0)
            .then(|| standing.tasks_improved as f64 / standing.tasks_with_baseline as f64)
    };
    standings.sort_by(|one, other| {
        let by = |key: &dyn Fn(&Standing) -> Option<f64>| descending(key(one), key(other));
        let order = match sort {
            Sort::Score => by(&score),
            Sort::Improved => by(&share).then(by(&score)),
            Sort::Area => by(&|standing| value(&standing.submission.published_area)),
            Sort::Runtime => by(&|standing| standing.time_ms.as_ref().map(|spread| -spread.mean)),
            Sort::Cost => by(&|standing| standing.cost.as_ref().map(|spread| -spread.mean)),
            Sort::Name => Ordering::Equal,
        };
        order.then_with(|| one.contender.cmp(&other.contender))
    });
    let place = |standing: &Standing| {
        let own = score(standing).filter(|_| sort == Sort::Score)?;
        let better = analysis.contenders.iter().filter_map(score).filter(|other| *other > own).count();
        Some(better as u64 + 1)
    };
    standings.into_iter().map(|standing| Row { place: place(standing), standing }).collect()
}

/// The larger first, nothing last.
fn descending(one: Option<f64>, other: Option<f64>) -> Ordering {
    match (one, other) {
        (Some(one), Some(other)) => other.total_cmp(&one),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => Ordering::Equal,
    }
}

impl Row<'_> {
    fn cells(&self) -> [String; 9] {
        let standing = self.standing;
        let nothing = || "-".to_owned();
        let improved = match standing.tasks_with_baseline {
            0 => nothing(),
            all => format!("{} of {all}", standing.tasks_improved),
        };
        [
            self.place.map_or_else(String::new, |place| place.to_string()),
            standing.agents.join(", "),
            if standing.models.is_empty() { nothing() } else { standing.models.join(", ") },
            estimate(&standing.submission.average),
            improved,
            // A resample moves the scale of all areas at once: an interval would tell of the scale.
            standing
                .submission
                .published_area
                .as_ref()
                .map_or_else(nothing, |area| format!("{:.3}", area.value)),
            standing.time_ms.as_ref().map_or_else(nothing, |spread| runtime(spread.mean)),
            standing.cost.as_ref().map_or_else(nothing, |spread| format!("${:.2}", spread.mean / 1e6)),
            match standing.flagged {
                0 => standing.runs.to_string(),
                flagged => format!("{} ({flagged} flagged)", standing.runs),
            },
        ]
    }
}

/// A value with its interval.
fn estimate(estimate: &Option<Estimate>) -> String {
    // Nothing is less than nothing: no sign before zeros.
    let clean = |value: f64| if value.abs() < 5e-4 { 0.0 } else { value };
    let estimate = estimate.as_ref().map(|estimate| Estimate { value: clean(estimate.value), ..*estimate });
    match estimate {
        None => "-".to_owned(),
        Some(Estimate { value, interval: None }) => format!("{value:.3}"),
        Some(Estimate { value, interval: Some(interval) }) => {
            format!("{value:.3} [{:.3}, {:.3}]", interval.low, interval.high)
        }
    }
}

fn runtime(ms: f64) -> String {
    let seconds = ms / 1e3;
    match seconds {
        _ if seconds < 60.0 => format!("{seconds:.1} s"),
        _ if seconds < 3600.0 => format!("{:.1} min", seconds / 60.0),
        _ => format!("{:.1} h", seconds / 3600.0),
    }
}

/// As a Markdown table.
pub fn markdown(analysis: &Analysis, rows: &[Row<'_>]) -> String {
    let table = table(analysis, rows);
    let line = |cells: &[String]| {
        let cells: Vec<String> = cells.iter().map(|text| escaped(text)).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let words = table.first().map_or(0, Vec::len) - (HEADINGS.len() - 3);
    let rules = (0..).map(|column| if (1..words).contains(&column) { "---" } else { "---:" });
    let rules: Vec<&str> = rules.take(words + HEADINGS.len() - 3).collect();
    let mut lines = table.iter().map(|cells| line(cells));
    let head = lines.next().unwrap_or_default();
    format!("{head}| {} |\n{}", rules.join(" | "), lines.collect::<String>())
}

/// As CSV, with numbers as they are: money in US dollars a run, time in seconds a run.
pub fn csv(rows: &[Row<'_>]) -> String {
    let mut text =
        "place,contender,agents,models,average_score,average_score_low,average_score_high,tasks_improved,\
                    tasks_with_baseline,aup,mean_seconds,mean_cost_usd,runs,scored,flagged\n"
            .to_owned();
    for Row { place, standing } in rows {
        let number = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
        let three = |estimate: &Option<Estimate>| {
            let interval = estimate.as_ref().and_then(|estimate| estimate.interval.as_ref());
            [
                number(estimate.as_ref().map(|estimate| estimate.value)),
                number(interval.map(|interval| interval.low)),
                number(interval.map(|interval| interval.high)),
            ]
        };
        let mut cells = vec![
            place.map_or_else(String::new, |place| place.to_string()),
            quoted(&standing.contender),
            quoted(&standing.agents.join("; ")),
            quoted(&standing.models.join("; ")),
        ];
        cells.extend(three(&standing.submission.average));
        cells.extend([standing.tasks_improved, standing.tasks_with_baseline].map(|count| count.to_string()));
        cells.push(number(standing.submission.published_area.as_ref().map(|area| area.value)));
        cells.push(number(standing.time_ms.as_ref().map(|spread| spread.mean / 1e3)));
        cells.push(number(standing.cost.as_ref().map(|spread| spread.mean / 1e6)));
        cells.extend([standing.runs, standing.scored, standing.flagged].map(|count| count.to_string()));
        text.push_str(&cells.join(","));
        text.push('\n');
    }
    text
}

/// A field of a CSV file (RFC 4180). A name that a spreadsheet would take for a formula is kept from being one.
fn quoted(text: &str) -> String {
    let guard = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    match text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{guard}{}\"", text.replace('"', "\"\"")),
        false => format!("{guard}{text}"),
    }
}

#[cfg(test)]
mod tests {
    use researchgym_core::record::{AttemptRecord, Cause, RunRecord, TaskRecord};
    use researchgym_core::score::{Direction, Primary};
    use researchgym_core::spec::MicroUsd;
    use researchgym_core::statistics::Options;

    use super::*;

    fn run(agent: &str, model: &str, value: Option<f64>, cost: u64) -> RunRecord {
        let mut task = TaskRecord::named("t");
        task.primary = Some(Primary { name: "score".to_owned(), direction: Direction::Maximize });
        task.baseline = Some([("score".to_owned(), 1.0)].into());
        let mut run = RunRecord::foreign("mlgym", task, agent);
        run.run_id = format!("{agent}{cost}");
        run.model = Some(model.to_owned());
        run.ending.cause = Some(Cause::Submitted);
        run.usage.cost = Some(MicroUsd(cost));
        run.usage.working_ms = Some(90_000);
        if let Some(value) = value {
            run.submission = Some(1);
            run.attempts.push(AttemptRecord {
                number: 1,
                kind: None,
                split: None,
                metrics: [("score".to_owned(), value)].into(),
                invalid: None,
                after_steps: None,
                after_ms: None,
                after_cost: None,
                artefact: None,
            });
        }
        run
    }

    fn analysis() -> Analysis {
        let runs = [
            run("a", "m|1", Some(2.0), 3_000_000),
            run("b", "m2", Some(10.0), 1_000_000),
            run("=c", "m3", None, 2_000_000),
        ];
        Analysis::of(&runs, &Options { resamples: 0, ..Options::default() })
    }

    #[test]
    fn rows_are_sorted_and_placed() {
        let analysis = analysis();
        let order = |sort: Sort| -> Vec<(Option<u64>, String)> {
            rows(&analysis, sort).iter().map(|row| (row.place, row.standing.agents.join(""))).collect()
        };
        let placed = order(Sort::Score);
        assert_eq!(placed[..2], [(Some(1), "b".to_owned()), (Some(2), "a".to_owned())]);
        let names = |sort| order(sort).into_iter().map(|(_, name)| name).collect::<Vec<_>>();
        assert_eq!(names(Sort::Cost), ["b", "=c", "a"]);
        assert_eq!(names(Sort::Name), ["=c", "a", "b"]);
        assert_eq!(names(Sort::Improved)[2], "=c");
        assert_eq!(order(Sort::Name)[0].0, None);
    }

    #[test]
    fn texts_cannot_break_their_table() {
        let analysis = analysis();
        let rows = rows(&analysis, Sort::Name);
        let markdown = markdown(&analysis, &rows);
        assert_eq!(markdown.lines().count(), 5);
        assert!(markdown.contains("m\\|1"), "{markdown}");
        let csv = csv(&rows);
        assert_eq!(csv.lines().nth(1).unwrap().split(',').nth(1), Some("'=c / m3"));
        assert!(csv.lines().all(|line| line.split(',').count() == 15), "{csv}");
        assert_eq!(rows[1].cells()[4..8], ["1 of 1", &rows[1].cells()[5], "1.5 min", "$3.00"]);
    }
}
