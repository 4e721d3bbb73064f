//! Records of runs, ours and imported ones, for people.

use std::path::Path;

use researchgym_core::record::{Origin, RunRecord};
use researchgym_core::result::Progress;
use researchgym_engine::records::{Kept, Library};
use researchgym_engine::store::RunFolder;

use super::Printer;
use super::runs::{HEADINGS, named};
use super::words::{counted, duration, first_line, metrics, money, number, table};

impl Printer {
    /// `list`
    pub(crate) fn list(&self, library: &Library, runs: &Path, is_whole: bool) {
        if library.runs.is_empty() && library.broken.is_empty() {
            let runs = runs.display();
            self.talk(&match is_whole {
                true => format!("There are no such runs in {runs}. Make one: researchgym run blotto tuner"),
                false => format!("No run in {runs} passes these filters."),
            });
        }
        if let Some(last) = library.runs.last() {
            for line in records(&library.runs) {
                self.data(&line);
            }
            let place = last.folder.root().display().to_string();
            self.talk(&format!("\nLook closer: researchgym show {}", named(&last.record.run_id, &place)));
        }
        for broken in &library.broken {
            self.warn(&broken.error);
        }
    }

    /// `show` of an imported run.
    pub(crate) fn imported_run(&self, folder: &RunFolder, record: &RunRecord) {
        for line in table(&summary(folder, record)) {
            self.data(&line);
        }
        if !record.attempts.is_empty() {
            self.data("");
            let mut rows = vec![["attempt", "score"].map(str::to_owned).to_vec()];
            for attempt in &record.attempts {
                let score = match &attempt.invalid {
                    None => metrics(&attempt.metrics),
                    Some(reason) => format!("not valid: {}", first_line(reason, 90)),
                };
                let is_last = record.submission == Some(attempt.number);
                let mark = if is_last { "  the submission" } else { "" };
                rows.push(vec![attempt.number.to_string(), format!("{score}{mark}")]);
            }
            for line in table(&rows) {
                self.data(&line);
            }
        }
        for finding in &record.integrity {
            self.data(&format!("\nfinding: {} ({:?}): {}", finding.kind, finding.severity, finding.evidence));
        }
        for left_out in &record.left_out {
            self.data(&format!("\nleft out: {left_out}"));
        }
        let run = named(&record.run_id, &folder.root().display().to_string()).into_owned();
        self.talk(&format!("\nLook for what speaks against its scores: researchgym inspect {run}"));
    }
}

fn summary(folder: &RunFolder, record: &RunRecord) -> Vec<Vec<String>> {
    let of = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), number);
    let mut rows = vec![
        vec!["run".to_owned(), folder.root().display().to_string()],
        vec!["task".to_owned(), record.task.id.clone()],
        vec!["agent".to_owned(), record.contender()],
    ];
    if let Origin::Foreign { program, source, .. } = &record.origin {
        rows.push(vec!["imported".to_owned(), format!("from {program}: {source}")]);
    }
    let steps = record.actions.count().map(|steps| format!(" after {}", counted(steps, "step")));
    let cause = record.ending.cause.map_or("unknown", |cause| cause.name());
    let told = record.ending.told.as_ref().map(|told| format!(" ({})", first_line(told, 90)));
    rows.push(vec![
        "ending".to_owned(),
        format!("{cause}{}{}", steps.unwrap_or_default(), told.unwrap_or_default()),
    ]);
    let name = record.task.primary.as_ref().map_or("score", |primary| primary.name.as_str());
    rows.push(vec![name.to_owned(), of(record.submission_value())]);
    rows.push(vec!["best attempt".to_owned(), of(record.best_value())]);
    rows.push(vec!["baseline".to_owned(), of(record.baseline_value())]);
    if let Some(cost) = record.usage.cost {
        rows.push(vec!["cost".to_owned(), format!("{} as recorded", money(cost.as_usd()))]);
    }
    if let Some(time) = record.usage.working_ms {
        rows.push(vec!["time".to_owned(), duration(time as f64 / 1e3)]);
    }
    if let Some(verdict) = record.verdict {
        rows.push(vec!["inspection".to_owned(), verdict.name().to_owned()]);
    }
    if !record.tags.is_empty() {
        rows.push(vec!["tags".to_owned(), record.tags.join(", ")]);
    }
    rows
}

/// The runs of a store, a line each.
fn records(runs: &[Kept]) -> Vec<String> {
    let mut rows = vec![HEADINGS.map(str::to_owned).to_vec()];
    for kept in runs {
        let record = &kept.record;
        let value = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), number);
        let state = match (record.state, record.ending.cause) {
            (Progress::Ended, Some(cause)) => cause.name().replace(' ', "_"),
            (Progress::Queued, _) => "queued".to_owned(),
            (Progress::Running, _) => "running".to_owned(),
            (Progress::Paused, _) => "paused".to_owned(),
            (Progress::NotStarted, _) => "not started".to_owned(),
            (Progress::Interrupted | Progress::Ended, _) => "interrupted".to_owned(),
        };
        let model = record.model.as_ref().map(|model| format!(" ({model})")).unwrap_or_default();
        let seconds = record.usage.working_ms.map(|time| duration(time as f64 / 1e3));
        let cost = record.usage.cost.map(|cost| money(cost.as_usd()).trim_end_matches(" USD").to_owned());
        rows.push(vec![
            record.run_id.clone(),
            record.task.id.clone(),
            format!("{}{model}", record.agent),
            state,
            value(record.submission_value()),
            value(record.best_value()),
            value(record.baseline_value()),
            record.actions.count().map_or_else(|| "-".to_owned(), |steps| steps.to_string()),
            seconds.unwrap_or_else(|| "-".to_owned()),
            cost.unwrap_or_else(|| "-".to_owned()),
        ]);
    }
    table(&rows)
}
