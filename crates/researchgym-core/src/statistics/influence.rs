//! How much the published areas hang on a single run or a single task.
//!
//! Through the best score of a task and the end of the grid, one run can move every contender's area.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::across::{Table, both_ratios};
use super::cell::best_of;
use super::corpus::Corpus;
use super::options::Kind;
use super::published::{Areas, Ratios};

/// The most runs that are listed.
pub const MAX_LISTED: usize = 100;

/// How much the published areas hang on a run or a task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Influence {
    /// Runs without which an area would be another, the largest change first; at most 100.
    pub runs: Vec<RunInfluence>,
    /// Further such runs that are not listed.
    pub further_runs: u64,
    /// Each task left out, in order.
    pub tasks: Vec<TaskInfluence>,
    /// All flagged runs left out together; `None` if there are none.
    pub flagged: Option<AreaChanges>,
}

/// The areas without a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunInfluence {
    /// The run.
    pub run_id: String,
    /// Whose it is.
    pub contender: String,
    /// The task's label.
    pub task: String,
    /// Whether something speaks against its score.
    pub is_flagged: bool,
    /// What changes without it.
    pub without: AreaChanges,
}

/// The areas without a task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TaskInfluence {
    /// The task's label.
    pub task: String,
    /// What changes without it.
    pub without: AreaChanges,
}

/// Published areas without something, minus those with it, of the contenders in order and last the baseline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AreaChanges {
    /// The end of the grid without it.
    pub tau_max: f64,
    /// Changes by best attempts.
    pub best: Vec<Option<f64>>,
    /// Changes by final submissions.
    pub submission: Vec<Option<f64>>,
    /// The largest change of any, its sign left out.
    pub largest: f64,
}

impl AreaChanges {
    fn of(with: &Areas, without: &Areas) -> AreaChanges {
        let change = |kind: Kind| {
            let pairs = without.areas[kind as usize].iter().zip(&with.areas[kind as usize]);
            pairs.map(|(without, with)| Some((*without)? - (*with)?)).collect::<Vec<Option<f64>>>()
        };
        let (best, submission) = (change(Kind::Best), change(Kind::Submission));
        let largest = best.iter().chain(&submission).flatten().map(|change| change.abs()).fold(0.0, f64::max);
        AreaChanges { tau_max: without.tau_max, best, submission, largest }
    }
}

/// The influence of single runs and tasks.
pub(super) fn influence(corpus: &Corpus<'_>, table: &Table) -> Influence {
    let rows = corpus.contenders.len() + 1;
    let mut ratios = table.ratios.clone();
    let mut runs = Vec::new();
    for contender in 0..corpus.contenders.len() {
        for task in 0..corpus.tasks.len() {
            let Some(scores) = &table.scores[task] else { continue };
            let cell = corpus.cell(contender, task);
            for (left_out, run) in cell.iter().enumerate() {
                let rest =
                    || cell.iter().enumerate().filter(|(index, _)| *index != left_out).map(|(_, run)| run);
                let best =
                    Kind::ALL.map(|kind| best_of(scores.direction, rest().filter_map(|run| run.value(kind))));
                if Kind::ALL
                    .iter()
                    .all(|kind| best[*kind as usize] == scores.contenders[*kind as usize][contender])
                {
                    continue;
                }
                let mut without = scores.clone();
                for (kind, best) in best.into_iter().enumerate() {
                    without.contenders[kind][contender] = best;
                }
                let kept = std::mem::replace(&mut ratios[task], both_ratios(&Some(without)));
                let changes = AreaChanges::of(&table.areas, &Areas::of(&ratios, rows));
                ratios[task] = kept;
                if changes.largest > 0.0 {
                    runs.push(RunInfluence {
                        run_id: run.record.run_id.clone(),
                        contender: corpus.contenders[contender].clone(),
                        task: corpus.tasks[task].label.clone(),
                        is_flagged: run.record.is_flagged(),
                        without: changes,
                    });
                }
            }
        }
    }
    runs.sort_by(|one, other| other.without.largest.total_cmp(&one.without.largest));
    let further_runs = runs.len().saturating_sub(MAX_LISTED) as u64;
    runs.truncate(MAX_LISTED);
    Influence { runs, further_runs, tasks: tasks(corpus, table), flagged: flagged(corpus, table) }
}

fn tasks(corpus: &Corpus<'_>, table: &Table) -> Vec<TaskInfluence> {
    let rows = corpus.contenders.len() + 1;
    let counted = (0..corpus.tasks.len()).filter(|&task| table.ratios[task].iter().any(Option::is_some));
    counted
        .map(|left_out| {
            let ratios = table.ratios.iter().enumerate().filter(|(task, _)| *task != left_out);
            let ratios: Vec<[Option<Ratios>; 2]> = ratios.map(|(_, ratios)| ratios.clone()).collect();
            let without = AreaChanges::of(&table.areas, &Areas::of(&ratios, rows));
            TaskInfluence { task: corpus.tasks[left_out].label.clone(), without }
        })
        .collect()
}

fn flagged(corpus: &Corpus<'_>, table: &Table) -> Option<AreaChanges> {
    if !corpus.entries.iter().any(|run| run.record.is_flagged()) {
        return None;
    }
    let scores = table.scores.iter().enumerate().map(|(task, scores)| {
        let mut scores = scores.clone()?;
        for contender in 0..corpus.contenders.len() {
            let rest = || corpus.cell(contender, task).iter().filter(|run| !run.record.is_flagged());
            for kind in Kind::ALL {
                scores.contenders[kind as usize][contender] =
                    best_of(scores.direction, rest().filter_map(|run| run.value(kind)));
            }
        }
        Some(scores)
    });
    let without = Table::from_scores(scores.collect(), corpus.contenders.len());
    Some(AreaChanges::of(&table.areas, &without.areas))
}
