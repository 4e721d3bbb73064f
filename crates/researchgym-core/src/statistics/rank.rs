//! Ranks of contenders on each task and over all: as MLGym publishes them, and with ties averaged.
//!
//! MLGym appends contenders without a score in an arbitrary order, so its points depend on chance. Here the published form
//! appends them in the order of contenders, the baseline first, and the principled form gives all of them the mean of the last
//! ranks. What MLGym calls Plackett-Luce is the mean rank and adds nothing to the points.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::across::{Table, row_name};
use super::corpus::Corpus;
use super::intervals::Intervals;
use super::options::Kind;
use super::published::TaskScores;
use super::sample::Interval;
use crate::score::Direction;

/// Ranks by one kind of score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ranks {
    /// By task.
    pub tasks: Vec<TaskRanks>,
    /// Over all tasks, the most points first: the published form, baseline included.
    pub borda: Vec<BordaRow>,
    /// Over the tasks that a contender has runs on, the smallest mean rank first: ties averaged, without the baseline.
    pub mean: Vec<MeanRankRow>,
}

/// The order on one task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TaskRanks {
    /// The task's label.
    pub task: String,
    /// Who has a score, the best first, the baseline included; of equals the baseline, then the order of contenders.
    pub scored: Vec<String>,
    /// Who has none, in the order of contenders: no order is meant.
    pub unscored: Vec<String>,
    /// Ranks with ties averaged and those without a score tied last, in the order of contenders; `None` without runs.
    pub ranks: Vec<Option<f64>>,
}

/// Points in the published form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BordaRow {
    /// The contender, or `baseline`.
    pub contender: String,
    /// The sum over tasks of how many come behind.
    pub points: u64,
    /// The mean place, from 1.
    pub mean_place: f64,
}

/// The mean rank in the principled form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MeanRankRow {
    /// The contender.
    pub contender: String,
    /// Tasks that count: those with runs of it.
    pub tasks: u64,
    /// The mean rank, from 1; `None` without tasks.
    pub mean_rank: Option<f64>,
    /// Its interval, of runs resampled within each cell.
    pub interval: Option<Interval>,
}

/// The ranks by one kind of score.
pub(super) fn ranks(corpus: &Corpus<'_>, table: &Table, kind: Kind, intervals: &Intervals) -> Ranks {
    let rows = corpus.contenders.len();
    let mut tasks = Vec::new();
    let mut points = vec![0_u64; rows + 1];
    let mut sums = vec![0.0; rows];
    let mut counts = vec![0_u64; rows];
    for (place, scores) in table.scores.iter().enumerate() {
        let Some(scores) = scores else { continue };
        let has_runs: Vec<bool> = (0..rows).map(|row| !corpus.cell(row, place).is_empty()).collect();
        let (scored, unscored) = published_order(scores, kind);
        for (index, &row) in scored.iter().chain(&unscored).enumerate() {
            points[row] += (rows - index) as u64;
        }
        let averaged = averaged(scores, kind, &has_runs);
        for (row, rank) in averaged.iter().enumerate() {
            sums[row] += rank.unwrap_or(0.0);
            counts[row] += u64::from(rank.is_some());
        }
        let names = |rows: &[usize]| rows.iter().map(|&row| row_name(corpus, row)).collect();
        tasks.push(TaskRanks {
            task: corpus.tasks[place].label.clone(),
            scored: names(&scored),
            unscored: names(&unscored),
            ranks: averaged,
        });
    }
    let most = (rows + 1) as f64;
    let mut borda: Vec<BordaRow> = (0..=rows)
        .map(|row| BordaRow {
            contender: row_name(corpus, row),
            points: points[row],
            mean_place: if tasks.is_empty() { 0.0 } else { most - points[row] as f64 / tasks.len() as f64 },
        })
        .collect();
    borda.sort_by_key(|row| std::cmp::Reverse(row.points));
    let mut mean: Vec<MeanRankRow> = (0..rows)
        .map(|row| MeanRankRow {
            contender: row_name(corpus, row),
            tasks: counts[row],
            mean_rank: (counts[row] > 0).then(|| sums[row] / counts[row] as f64),
            interval: intervals.ranks[kind as usize].get(row).copied().flatten(),
        })
        .collect();
    mean.sort_by(|one, other| {
        let rank = |row: &MeanRankRow| row.mean_rank.unwrap_or(f64::INFINITY);
        rank(one).total_cmp(&rank(other))
    });
    Ranks { tasks, borda, mean }
}

/// Rows with a score, the best first, and rows without one; the baseline is the last row, and the first of equals.
fn published_order(scores: &TaskScores, kind: Kind) -> (Vec<usize>, Vec<usize>) {
    let of_contenders = &scores.contenders[kind as usize];
    let value = |row: usize| of_contenders.get(row).copied().unwrap_or(scores.baseline);
    let rows = std::iter::once(of_contenders.len()).chain(0..of_contenders.len());
    let (mut scored, unscored): (Vec<usize>, Vec<usize>) = rows.partition(|&row| value(row).is_some());
    scored.sort_by(|&one, &other| {
        let (one, other) = (value(one).unwrap_or_default(), value(other).unwrap_or_default());
        match scores.direction {
            Direction::Minimize => one.total_cmp(&other),
            Direction::Maximize => other.total_cmp(&one),
        }
    });
    (scored, unscored)
}

/// Ranks of the contenders with runs: ties averaged, those without a score tied last.
fn averaged(scores: &TaskScores, kind: Kind, has_runs: &[bool]) -> Vec<Option<f64>> {
    // Less is better from here on.
    let value = |row: usize| match (scores.contenders[kind as usize][row], scores.direction) {
        (None, _) => f64::INFINITY,
        (Some(score), Direction::Minimize) => score,
        (Some(score), Direction::Maximize) => -score,
    };
    let rows: Vec<usize> = (0..has_runs.len()).filter(|&row| has_runs[row]).collect();
    let values: Vec<f64> = rows.iter().map(|&row| value(row)).collect();
    let mut ranks = vec![None; has_runs.len()];
    for (&row, doubled) in rows.iter().zip(super::compare::doubled_ranks(&values)) {
        ranks[row] = Some(doubled as f64 / 2.0);
    }
    ranks
}

/// The mean rank of each contender over the tasks that it has runs on.
pub(super) fn mean_ranks(
    scores: &[Option<TaskScores>],
    kind: Kind,
    has_runs: &[Vec<bool>],
) -> Vec<Option<f64>> {
    let rows = has_runs.first().map_or(0, Vec::len);
    let (mut sums, mut counts) = (vec![0.0; rows], vec![0_u32; rows]);
    for (scores, has_runs) in scores.iter().zip(has_runs) {
        let Some(scores) = scores else { continue };
        for (row, rank) in averaged(scores, kind, has_runs).into_iter().enumerate() {
            sums[row] += rank.unwrap_or(0.0);
            counts[row] += u32::from(rank.is_some());
        }
    }
    sums.iter().zip(&counts).map(|(sum, &count)| (count > 0).then(|| sum / f64::from(count))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_share_their_ranks() {
        let values = vec![Some(2.0), None, Some(3.0), Some(2.0), None, None];
        let scores = TaskScores {
            direction: Direction::Maximize,
            baseline: Some(2.0),
            contenders: [values.clone(), values],
        };
        let has_runs = [true, true, true, true, true, false];
        let expected = [Some(2.5), Some(4.5), Some(1.0), Some(2.5), Some(4.5), None];
        assert_eq!(averaged(&scores, Kind::Best, &has_runs), expected);
        assert_eq!(published_order(&scores, Kind::Best), (vec![2, 6, 0, 3], vec![1, 4, 5]));
    }
}
