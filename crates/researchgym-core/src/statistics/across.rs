//! Contenders across tasks: performance profiles and the areas under them, as published and on the comparable scale, with
//! bootstrap intervals over runs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::against_baseline;
use super::cell::best_of;
use super::corpus::Corpus;
use super::intervals::Intervals;
use super::options::Kind;
use super::published::{self, Areas, Ratios, TaskScores};
use super::sample::Interval;

/// The name under which the tasks' baselines are compared.
pub const BASELINE: &str = "baseline";

/// Profiles on one scale.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Profiles {
    /// Logarithms of the ratios at which profiles are given, ascending: from 0 (the best) as published, from -1 (ten times
    /// better than the baseline) to 1 on the comparable scale.
    pub tau: Vec<f64>,
    /// Profiles of best attempts: contenders in order, last the baseline.
    pub best: Vec<ProfileRow>,
    /// Profiles of final submissions.
    pub submission: Vec<ProfileRow>,
    /// Labels of the tasks that count.
    pub tasks: Vec<String>,
    /// Tasks that do not, and why, a sentence each.
    pub left_out: Vec<String>,
}

/// A contender's profile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProfileRow {
    /// The contender, or `baseline`.
    pub contender: String,
    /// Whether this is the baseline.
    pub is_baseline: bool,
    /// The share of tasks at each point of `tau`.
    pub share: Vec<f64>,
    /// The area under the profile; `None` if no task counts.
    pub area: Option<f64>,
    /// Its interval, of runs resampled within each cell.
    pub interval: Option<Interval>,
    /// Where each task stands, in the order of `tasks`; on the comparable scale only those on which the contender has runs.
    pub tasks: Vec<TaskPlace>,
}

/// A contender's place on a task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TaskPlace {
    /// The task's label.
    pub task: String,
    /// The best score over all runs, if there is one.
    pub score: Option<f64>,
    /// The logarithm of the ratio that counts: to the best as published, to the baseline on the comparable scale, where less
    /// is better on both.
    pub tau: f64,
    /// Whether the score is feasible; on the comparable scale, whether there is one.
    pub is_feasible: bool,
}

/// The scores over all runs by task, and what follows of them.
pub(super) struct Table {
    /// Of each task of the corpus; `None` without a metric that decides.
    pub scores: Vec<Option<TaskScores>>,
    /// The published ratios of each, by [`Kind`].
    pub ratios: Vec<[Option<Ratios>; 2]>,
    /// The published areas.
    pub areas: Areas,
}

impl Table {
    pub(super) fn of(corpus: &Corpus<'_>) -> Table {
        let best = |direction, contender, task, kind: Kind| {
            best_of(direction, corpus.cell(contender, task).iter().filter_map(|run| run.value(kind)))
        };
        let scores = corpus.tasks.iter().enumerate().map(|(place, task)| {
            let direction = task.primary.as_ref()?.direction;
            let contenders = Kind::ALL.map(|kind| {
                (0..corpus.contenders.len()).map(|row| best(direction, row, place, kind)).collect()
            });
            Some(TaskScores { direction, baseline: task.baseline, contenders })
        });
        Table::from_scores(scores.collect(), corpus.contenders.len())
    }

    pub(super) fn from_scores(scores: Vec<Option<TaskScores>>, contenders: usize) -> Table {
        let ratios: Vec<[Option<Ratios>; 2]> = scores.iter().map(both_ratios).collect();
        let areas = Areas::of(&ratios, contenders + 1);
        Table { scores, ratios, areas }
    }
}

/// The published ratios of a task, of both kinds.
pub(super) fn both_ratios(scores: &Option<TaskScores>) -> [Option<Ratios>; 2] {
    Kind::ALL.map(|kind| scores.as_ref().and_then(|scores| scores.ratios(kind)))
}

/// The comparable place of a contender on a task; `None` without a baseline or without runs. A contender without a score has
/// the worst.
pub(super) fn comparable(scores: &TaskScores, row: usize, kind: Kind, has_runs: bool) -> Option<f64> {
    let baseline = scores.baseline?;
    if row == scores.contenders[0].len() {
        return Some(0.0);
    }
    let place = |score| against_baseline::place(scores.direction, score, baseline);
    has_runs.then(|| scores.contenders[kind as usize][row].map_or(-against_baseline::LIMIT, place))
}

/// The profiles as MLGym computes them.
pub(super) fn as_published(corpus: &Corpus<'_>, table: &Table, intervals: &Intervals) -> Profiles {
    let counted: Vec<usize> =
        (0..corpus.tasks.len()).filter(|&task| table.ratios[task].iter().all(Option::is_some)).collect();
    let tau = published::grid(table.areas.tau_max);
    let rows = |kind: Kind| {
        let row = |row: usize| {
            let tasks: Vec<TaskPlace> = counted
                .iter()
                .filter_map(|&task| {
                    let ratios = table.ratios[task][kind as usize].as_ref()?;
                    Some(TaskPlace {
                        task: corpus.tasks[task].label.clone(),
                        score: score(table, task, row, kind),
                        tau: ratios.logarithms[row],
                        is_feasible: ratios.is_feasible[row],
                    })
                })
                .collect();
            let logarithms: Vec<f64> = tasks.iter().map(|place| place.tau).collect();
            ProfileRow {
                contender: row_name(corpus, row),
                is_baseline: row == corpus.contenders.len(),
                share: if tasks.is_empty() { Vec::new() } else { published::profile(&logarithms, &tau) },
                area: table.areas.areas[kind as usize][row],
                interval: intervals.published[kind as usize].get(row).copied().flatten(),
                tasks,
            }
        };
        (0..=corpus.contenders.len()).map(row).collect()
    };
    let reason = |task: usize| match &table.scores[task] {
        None => "no run tells which metric decides",
        Some(_) => "no score has a ratio: none is feasible, or the best is 0",
    };
    Profiles {
        best: rows(Kind::Best),
        submission: rows(Kind::Submission),
        tau,
        tasks: counted.iter().map(|&task| corpus.tasks[task].label.clone()).collect(),
        left_out: left_out(corpus, |task| (!counted.contains(&task)).then(|| reason(task))),
    }
}

/// The profiles on the comparable scale.
pub(super) fn against_baselines(corpus: &Corpus<'_>, table: &Table, intervals: &Intervals) -> Profiles {
    let tau = against_baseline::grid();
    let has_baseline =
        |task: usize| table.scores[task].as_ref().is_some_and(|scores| scores.baseline.is_some());
    let counted: Vec<usize> = (0..corpus.tasks.len()).filter(|&task| has_baseline(task)).collect();
    let rows = |kind: Kind| {
        let row = |row: usize| {
            let tasks: Vec<TaskPlace> = counted
                .iter()
                .filter_map(|&task| {
                    let scores = table.scores[task].as_ref()?;
                    let has_runs = row == corpus.contenders.len() || !corpus.cell(row, task).is_empty();
                    let score = score(table, task, row, kind);
                    Some(TaskPlace {
                        task: corpus.tasks[task].label.clone(),
                        score,
                        tau: 0.0 - comparable(scores, row, kind, has_runs)?,
                        is_feasible: score.is_some(),
                    })
                })
                .collect();
            let places: Vec<f64> = tasks.iter().map(|place| -place.tau).collect();
            ProfileRow {
                contender: row_name(corpus, row),
                is_baseline: row == corpus.contenders.len(),
                share: if tasks.is_empty() { Vec::new() } else { against_baseline::profile(&places, &tau) },
                area: against_baseline::area(&places),
                interval: intervals.comparable[kind as usize].get(row).copied().flatten(),
                tasks,
            }
        };
        (0..=corpus.contenders.len()).map(row).collect()
    };
    Profiles {
        best: rows(Kind::Best),
        submission: rows(Kind::Submission),
        tasks: counted.iter().map(|&task| corpus.tasks[task].label.clone()).collect(),
        left_out: left_out(corpus, |task| (!has_baseline(task)).then_some("no run has a baseline")),
        tau,
    }
}

fn score(table: &Table, task: usize, row: usize, kind: Kind) -> Option<f64> {
    let scores = table.scores[task].as_ref()?;
    scores.contenders[kind as usize].get(row).copied().unwrap_or(scores.baseline)
}

pub(super) fn row_name(corpus: &Corpus<'_>, row: usize) -> String {
    corpus.contenders.get(row).cloned().unwrap_or_else(|| BASELINE.to_owned())
}

fn left_out(corpus: &Corpus<'_>, reason: impl Fn(usize) -> Option<&'static str>) -> Vec<String> {
    let tasks = corpus.tasks.iter().enumerate();
    tasks
        .filter_map(|(place, task)| Some(format!("{} does not count: {}", task.label, reason(place)?)))
        .collect()
}
