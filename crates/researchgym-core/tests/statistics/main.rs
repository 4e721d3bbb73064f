//! Analyses as a whole: what does not depend on what, what a reader is told, and the example of the reference.

mod example;
mod properties;
mod trouble;

use std::collections::BTreeMap;

use researchgym_core::record::{AttemptRecord, Cause, RunRecord, TaskRecord};
use researchgym_core::score::{Direction, Metrics, Primary};
use researchgym_core::spec::MicroUsd;
use researchgym_core::statistics::{Analysis, Options};

/// A task with a metric `score` and a baseline.
fn task(id: &str, direction: Direction, baseline: Option<f64>) -> TaskRecord {
    TaskRecord {
        primary: Some(Primary { name: "score".to_owned(), direction }),
        baseline: baseline.map(metrics),
        ..TaskRecord::named(id)
    }
}

fn metrics(score: f64) -> Metrics {
    BTreeMap::from([("score".to_owned(), score)])
}

/// A run of `agent` that was graded these scores, of which the last is its submission.
fn run(agent: &str, task: &TaskRecord, seed: u64, scores: &[f64]) -> RunRecord {
    let mut record = RunRecord::foreign("test", task.clone(), agent);
    record.run_id = format!("{agent}-{}-{seed}", task.id);
    record.seed = Some(seed);
    record.ending.cause = Some(Cause::Submitted);
    let attempt = |(index, score): (usize, &f64)| AttemptRecord {
        number: index as u64 + 1,
        kind: None,
        split: None,
        metrics: metrics(*score),
        invalid: None,
        after_steps: Some(10 * (index as u64 + 1)),
        after_ms: Some(1_000 * (index as u64 + 1)),
        after_cost: Some(MicroUsd(100 * (index as u64 + 1))),
        artefact: None,
    };
    record.attempts = scores.iter().enumerate().map(attempt).collect();
    record.submission = record.attempts.last().map(|attempt| attempt.number);
    record.usage.cost = Some(MicroUsd(100 * scores.len() as u64));
    record.usage.working_ms = Some(1_000 * scores.len() as u64);
    record
}

/// Without resampling.
fn quick(records: &[RunRecord]) -> Analysis {
    Analysis::of(records, &Options { resamples: 0, ..Options::default() })
}
