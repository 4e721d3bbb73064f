//! What runs did and how they ended: endings, failed and incomplete runs, actions, edits, time, findings.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::corpus::{Corpus, Entry};
use super::exit::{self, Exits};
use super::options::Kind;
use crate::record::{Category, Cause};
use crate::score::Severity;

/// What runs did and how they ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Behaviour {
    /// Runs by how they ended.
    pub endings: Tally<Cause>,
    /// Failed and incomplete runs.
    pub outcomes: Table<Outcomes>,
    /// Exit categories of MLGym's runs; `None` if there are none.
    pub exits: Option<Exits>,
    /// Steps by category.
    pub actions: Tally<Category>,
    /// Runs of which steps are known one by one.
    pub runs_with_steps: u64,
    /// Steps by category at each number of a step, from 1.
    pub actions_by_step: Vec<StepActions>,
    /// Edits, and those refused.
    pub edits: Table<Edits>,
    /// Milliseconds by category, as far as sources tell.
    pub time_ms: Tally<Category>,
}

/// Counts over all, by contender and by task; rows in the order of contenders and of tasks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tally<K: Ord> {
    /// Over all runs.
    pub all: BTreeMap<K, u64>,
    /// By contender.
    pub by_contender: Vec<Named<BTreeMap<K, u64>>>,
    /// By task.
    pub by_task: Vec<Named<BTreeMap<K, u64>>>,
}

/// Something over all runs, by contender and by task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Table<T> {
    /// Over all runs.
    pub all: T,
    /// By contender.
    pub by_contender: Vec<Named<T>>,
    /// By task.
    pub by_task: Vec<Named<T>>,
}

/// A row of a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Named<T> {
    /// The contender or the task's label.
    pub name: String,
    /// What is told of it.
    pub row: T,
}

/// Failed and incomplete runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Outcomes {
    /// Runs.
    pub runs: u64,
    /// Runs without any score.
    pub failed: u64,
    /// Runs with a score that neither submitted nor used up their steps: MLGym's first definition. Runs whose ending is not
    /// known are not among them.
    pub incomplete: u64,
    /// Runs that neither submitted nor used up their steps with a final submission, with or without a score: MLGym's second
    /// definition.
    pub incomplete_or_failed: u64,
    /// Runs whose ending is not known.
    pub unknown: u64,
}

/// Edits, and those refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Edits {
    /// Edits tried.
    pub tried: u64,
    /// Of these, refused.
    pub rejected: u64,
}

/// Steps by category at one number of a step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StepActions {
    /// The step, from 1.
    pub step: u64,
    /// Runs by what they did at it.
    pub actions: BTreeMap<Category, u64>,
}

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

/// Computes something of all runs, by contender and by task.
pub(super) fn table<'a, T>(corpus: &'a Corpus<'_>, of: impl Fn(&[&'a Entry<'a>]) -> T) -> Table<T> {
    let named = |name: &String, entries: &[&'a Entry<'a>]| Named { name: name.clone(), row: of(entries) };
    let all: Vec<&Entry<'_>> = corpus.entries.iter().collect();
    let mut by_contender: Vec<Vec<&Entry<'_>>> = vec![Vec::new(); corpus.contenders.len()];
    let mut by_task: Vec<Vec<&Entry<'_>>> = vec![Vec::new(); corpus.tasks.len()];
    for entry in &corpus.entries {
        by_contender[entry.contender].push(entry);
        by_task[entry.task].push(entry);
    }
    Table {
        all: of(&all),
        by_contender: corpus
            .contenders
            .iter()
            .zip(&by_contender)
            .map(|(name, runs)| named(name, runs))
            .collect(),
        by_task: corpus.tasks.iter().zip(&by_task).map(|(task, runs)| named(&task.label, runs)).collect(),
    }
}

/// Counts of all runs, by contender and by task.
pub(super) fn tally<K: Ord, I: IntoIterator<Item = (K, u64)>>(
    corpus: &Corpus<'_>,
    of: impl Fn(&Entry<'_>) -> I,
) -> Tally<K> {
    let counted = |entries: &[&Entry<'_>]| {
        let mut counts = BTreeMap::new();
        for (key, count) in entries.iter().flat_map(|entry| of(entry)) {
            *counts.entry(key).or_default() += count;
        }
        counts
    };
    let Table { all, by_contender, by_task } = table(corpus, counted);
    Tally { all, by_contender, by_task }
}

/// What runs did and how they ended.
pub(super) fn behaviour(corpus: &Corpus<'_>) -> Behaviour {
    Behaviour {
        endings: tally(corpus, |run| [(run.record.ending.cause.unwrap_or(Cause::Unknown), 1)]),
        outcomes: table(corpus, outcomes),
        exits: exit::exits(corpus),
        actions: tally(corpus, |run| run.record.actions.by_category()),
        runs_with_steps: corpus.entries.iter().filter(|run| !run.record.actions.steps.is_empty()).count()
            as u64,
        actions_by_step: by_step(corpus),
        edits: table(corpus, |runs| Edits {
            tried: runs.iter().map(|run| run.record.actions.edits).sum(),
            rejected: runs.iter().map(|run| run.record.actions.edits_rejected).sum(),
        }),
        time_ms: tally(corpus, |run| run.record.actions.took_ms.clone()),
    }
}

fn outcomes(runs: &[&Entry<'_>]) -> Outcomes {
    let mut outcomes = Outcomes { runs: runs.len() as u64, ..Outcomes::default() };
    for run in runs {
        let has_score = run.value(Kind::Best).is_some();
        let ending = exit::completion(run.record);
        outcomes.failed += u64::from(!has_score);
        outcomes.unknown += u64::from(ending.is_none());
        if let Some(ending) = ending {
            outcomes.incomplete += u64::from(has_score && !ending.is_complete);
            outcomes.incomplete_or_failed += u64::from(!ending.is_complete_with_submission);
        }
    }
    outcomes
}

fn by_step(corpus: &Corpus<'_>) -> Vec<StepActions> {
    let mut steps: Vec<BTreeMap<Category, u64>> = Vec::new();
    for run in &corpus.entries {
        for (index, category) in run.record.actions.categories().enumerate() {
            if index == steps.len() {
                steps.push(BTreeMap::new());
            }
            *steps[index].entry(category).or_default() += 1;
        }
    }
    (1..).zip(steps).map(|(step, actions)| StepActions { step, actions }).collect()
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
    let mut rows: BTreeMap<(std::cmp::Reverse<Severity>, String), (u64, u64)> = BTreeMap::new();
    for run in &corpus.entries {
        let mut seen: BTreeMap<(std::cmp::Reverse<Severity>, String), u64> = BTreeMap::new();
        for finding in &run.record.integrity {
            *seen.entry((std::cmp::Reverse(finding.severity), finding.kind.clone())).or_default() += 1;
        }
        for (key, count) in seen {
            let row = rows.entry(key).or_default();
            *row = (row.0 + 1, row.1 + count);
        }
    }
    let row = |((severity, kind), (runs, findings))| {
        let std::cmp::Reverse(severity) = severity;
        FindingRow { kind, severity, runs, findings }
    };
    Integrity {
        flagged: flagged.collect(),
        findings: rows.into_iter().map(row).collect(),
        flagged_runs: table(corpus, |runs| runs.iter().filter(|run| run.record.is_flagged()).count() as u64),
    }
}
