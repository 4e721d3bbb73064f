//! What runs did and how they ended: endings, failed and incomplete runs, actions, edits, time.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::corpus::{Corpus, Entry};
use super::exit::{self, Exits};
use super::options::Kind;
use crate::record::{Category, Cause};

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
    let counts: Vec<Vec<(Category, u64)>> =
        corpus.entries.iter().map(|run| by_category(&run.record.actions.steps)).collect();
    Behaviour {
        endings: tally(corpus, |run| [(run.record.ending.cause.unwrap_or(Cause::Unknown), 1)]),
        outcomes: table(corpus, outcomes),
        exits: exit::exits(corpus),
        actions: tally(corpus, |run| counts[run.index].clone()),
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

/// The place of each letter's category, one of bytes that are no letter beyond them.
fn places() -> [usize; 256] {
    let mut places = [Category::ALL.len(); 256];
    for (place, category) in Category::ALL.into_iter().enumerate() {
        if let Ok(letter) = u8::try_from(category.letter()) {
            places[usize::from(letter)] = place;
        }
    }
    places
}

/// The same as [`crate::record::ActionsRecord::by_category`], fast enough for millions of steps.
fn by_category(steps: &str) -> Vec<(Category, u64)> {
    let places = places();
    let mut counts = [0_u64; Category::ALL.len() + 1];
    steps.bytes().for_each(|letter| counts[places[usize::from(letter)]] += 1);
    Category::ALL.into_iter().zip(counts).filter(|(_, count)| *count > 0).collect()
}

fn by_step(corpus: &Corpus<'_>) -> Vec<StepActions> {
    let places = places();
    let mut steps: Vec<[u64; Category::ALL.len() + 1]> = Vec::new();
    for run in &corpus.entries {
        for (index, letter) in run.record.actions.steps.bytes().enumerate() {
            if index == steps.len() {
                steps.push([0; Category::ALL.len() + 1]);
            }
            steps[index][places[usize::from(letter)]] += 1;
        }
    }
    let actions = |counts: [u64; Category::ALL.len() + 1]| {
        Category::ALL.into_iter().zip(counts).filter(|(_, count)| *count > 0).collect()
    };
    (1..).zip(steps).map(|(step, counts)| StepActions { step, actions: actions(counts) }).collect()
}
