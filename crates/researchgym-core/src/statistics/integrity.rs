//! Findings against scores: which runs are flagged, and what was found how often.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::behaviour::{Table, table};
use super::corpus::Corpus;
use super::options::Kind;
use crate::score::Severity;

/// Findings against scores.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Integrity {
    /// Runs with something that makes their score unusable.
    pub flagged: Vec<FlaggedRun>,
    /// By kind of finding, the worst first.
    pub findings: Vec<FindingRow>,
    /// Runs that are flagged, by contender and by task.
    pub flagged_runs: Table<u64>,
}

/// A run with something that makes its score unusable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FlaggedRun {
    /// The run.
    pub run_id: String,
    /// Whose it is.
    pub contender: String,
    /// The task's label.
    pub task: String,
    /// Its best attempt's value.
    pub best: Option<f64>,
    /// What was found, each in a sentence.
    pub evidence: Vec<String>,
}

/// How often something was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FindingRow {
    /// Its short name.
    pub kind: String,
    /// How bad it is.
    pub severity: Severity,
    /// Runs with it.
    pub runs: u64,
    /// How often it was found in them.
    pub findings: u64,
}

/// Findings against scores.
pub(super) fn integrity(corpus: &Corpus<'_>) -> Integrity {
    let flagged = corpus.entries.iter().filter(|run| run.record.is_flagged()).map(|run| {
        let mut evidence: Vec<String> =
            run.record.integrity.iter().map(|finding| finding.evidence.clone()).collect();
        if let Some(verdict) = run.record.verdict {
            evidence.push(format!("the inspection's verdict is {}", verdict.name()));
        }
        FlaggedRun {
            run_id: run.record.run_id.clone(),
            contender: corpus.contenders[run.contender].clone(),
            task: corpus.tasks[run.task].label.clone(),
            best: run.value(Kind::Best),
            evidence,
        }
    });
    let mut rows: BTreeMap<(Reverse<Severity>, String), (u64, u64)> = BTreeMap::new();
    for run in &corpus.entries {
        let mut seen: BTreeMap<(Reverse<Severity>, String), u64> = BTreeMap::new();
        for finding in &run.record.integrity {
            *seen.entry((Reverse(finding.severity), finding.kind.clone())).or_default() += 1;
        }
        for (key, count) in seen {
            let row = rows.entry(key).or_default();
            *row = (row.0 + 1, row.1 + count);
        }
    }
    let row = |((severity, kind), (runs, findings))| {
        let Reverse(severity) = severity;
        FindingRow { kind, severity, runs, findings }
    };
    Integrity {
        flagged: flagged.collect(),
        findings: rows.into_iter().map(row).collect(),
        flagged_runs: table(corpus, |runs| runs.iter().filter(|run| run.record.is_flagged()).count() as u64),
    }
}
