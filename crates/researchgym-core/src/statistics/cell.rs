//! A contender on a task: what its runs came to.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::at_k::{AtK, best_at_k, listed, pass_at_k};
use super::corpus::{Corpus, Entry};
use super::options::Kind;
use super::prices::Priced;
use super::resample::Bootstrap;
use super::sample::{Estimate, Spread, interquartile_mean, mean, median, sorted, standard_deviation};
use super::tasks::Task;
use crate::score::Direction;

/// A contender on a task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cell {
    /// The contender.
    pub contender: String,
    /// The task's label.
    pub task: String,
    /// Runs that count.
    pub runs: u64,
    /// Of these, runs with findings against their scores.
    pub flagged: u64,
    /// The metric to beat.
    pub baseline: Option<f64>,
    /// Differences up to this are noise.
    pub noise_floor: f64,
    /// Of best attempts.
    pub best: CellScores,
    /// Of final submissions.
    pub submission: CellScores,
    /// Money a run, in micro-dollars.
    pub cost: Option<Spread>,
    /// Time a run, in milliseconds.
    pub time_ms: Option<Spread>,
    /// Steps a run.
    pub steps: Option<Spread>,
    /// Tokens a run, prompts and answers.
    pub tokens: Option<Spread>,
}

/// What the scores of one kind came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CellScores {
    /// Runs with such a score.
    pub scored: u64,
    /// The scores, in the order of runs.
    pub values: Vec<f64>,
    /// The best of all: Best Attempt@k or Best Submission@k with k = runs, over the runs that have a score (MLGym).
    pub at_k: Option<f64>,
    /// Their mean.
    pub mean: Option<Estimate>,
    /// Their median.
    pub median: Option<Estimate>,
    /// Their interquartile mean, from four scores.
    pub interquartile_mean: Option<Estimate>,
    /// Their standard deviation, with n - 1.
    pub standard_deviation: Option<f64>,
    /// The expected best of k scored runs (unbiased, without replacement).
    pub best_at: Vec<AtK>,
    /// Runs that beat the baseline by more than noise; `None` without a baseline.
    pub passed: Option<u64>,
    /// The chance that one of k runs beats the baseline by more than noise; runs without a score do not.
    pub pass_at: Vec<AtK>,
    /// By how much the best of all is better than the baseline.
    pub at_k_gain: Option<f64>,
    /// By how much the mean is better than the baseline.
    pub mean_gain: Option<f64>,
    /// Whether the gain of the mean is no larger than noise; `None` without a baseline.
    pub is_mean_gain_noise: Option<bool>,
}

/// All cells with runs, contender by contender.
pub(super) fn cells(corpus: &Corpus<'_>, priced: &Priced, bootstrap: &Bootstrap) -> Vec<Cell> {
    let mut cells = Vec::new();
    let mut start = 0;
    for (contender, name) in corpus.contenders.iter().enumerate() {
        for (place, task) in corpus.tasks.iter().enumerate() {
            let runs = corpus.cell(contender, place);
            let costs = &priced.costs[start..start + runs.len()];
            start += runs.len();
            if runs.is_empty() {
                continue;
            }
            let used = |number: fn(&Entry<'_>) -> Option<u64>| {
                Spread::of(runs.iter().filter_map(number).map(|n| n as f64))
            };
            cells.push(Cell {
                contender: name.clone(),
                task: task.label.clone(),
                runs: runs.len() as u64,
                flagged: runs.iter().filter(|run| run.record.is_flagged()).count() as u64,
                baseline: task.baseline,
                noise_floor: task.noise_floor,
                best: scores(task, runs, Kind::Best, bootstrap),
                submission: scores(task, runs, Kind::Submission, bootstrap),
                cost: Spread::of(costs.iter().flatten().map(|cost| cost.0 as f64)),
                time_ms: used(|run| run.time_ms()),
                steps: used(|run| run.record.actions.count()),
                tokens: used(|run| run.tokens()),
            });
        }
    }
    cells
}

/// The best of scores, in the direction's sense.
pub(super) fn best_of(direction: Direction, values: impl Iterator<Item = f64>) -> Option<f64> {
    values.reduce(|best, next| if direction.gain(next, best) > 0.0 { next } else { best })
}

fn scores(task: &Task, runs: &[Entry<'_>], kind: Kind, bootstrap: &Bootstrap) -> CellScores {
    let values: Vec<f64> = runs.iter().filter_map(|run| run.value(kind)).collect();
    let ascending = sorted(values.iter().copied());
    let [mean_interval, median_interval, iqm_interval] =
        bootstrap.of_sample(&ascending, [mean, median, interquartile_mean]);
    let estimate = |value: Option<f64>, interval| value.map(|value| Estimate { value, interval });
    let direction = task.primary.as_ref().map(|primary| primary.direction);
    let gain = |value: Option<f64>| Some(direction?.gain(value?, task.baseline?));
    let best_last = match direction {
        Some(Direction::Minimize) => ascending.iter().rev().copied().collect(),
        Some(Direction::Maximize) | None => ascending.clone(),
    };
    let is_pass = |run: &&Entry<'_>| {
        let gain = direction.zip(run.value(kind)).zip(run.baseline);
        gain.is_some_and(|((direction, value), baseline)| direction.gain(value, baseline) > task.noise_floor)
    };
    let passed = task.baseline.map(|_| runs.iter().filter(is_pass).count());
    let mean_gain = gain(mean(&ascending));
    CellScores {
        scored: values.len() as u64,
        at_k: best_last.last().copied(),
        mean: estimate(mean(&ascending), mean_interval),
        median: estimate(median(&ascending), median_interval),
        interquartile_mean: estimate(interquartile_mean(&ascending), iqm_interval),
        standard_deviation: standard_deviation(&ascending),
        best_at: listed(best_last.len(), |k| best_at_k(&best_last, k)),
        passed: passed.map(|passed| passed as u64),
        pass_at: passed
            .map_or_else(Vec::new, |passed| listed(runs.len(), |k| pass_at_k(runs.len(), passed, k))),
        at_k_gain: gain(best_last.last().copied()),
        mean_gain,
        is_mean_gain_noise: mean_gain.map(|gain| gain.abs() <= task.noise_floor),
        values,
    }
}
