//! Contenders in pairs: on each task by their runs, and across tasks by the chance that one is better.
//!
//! Scores of different tasks have no common unit, so what is averaged across tasks is the probability of improvement. A run
//! without a score is worse than any with one, and equal to another without.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::compare::{holm, probability_of_improvement, rank_sum_p, signed_rank_p};
use super::corpus::Corpus;
use super::options::Kind;
use super::resample::{Bootstrap, Draws};
use super::sample::{Interval, mean};
use crate::score::Direction;

/// The most runs that are drawn for the intervals of all pairs; with more, fewer resamples are drawn, but at least 200.
const MAX_DRAWS: usize = 40_000_000;
const MIN_RESAMPLES: u32 = 200;

/// The most contenders of which all pairs are compared.
pub const MAX_CONTENDERS: usize = 40;

/// All pairs by one kind of score.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pairs {
    /// How many resamples the intervals are of: fewer than elsewhere where very many runs are compared.
    pub resamples: u32,
    /// Across tasks.
    pub across: Vec<Pair>,
    /// Task by task.
    pub tasks: Vec<TaskPair>,
}

/// Two contenders across the tasks that both have runs on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pair {
    /// The one.
    pub one: String,
    /// The other.
    pub other: String,
    /// Tasks that both have runs on.
    pub tasks: u64,
    /// The mean over tasks of the chance that a run of the one is better than a run of the other.
    pub improvement: f64,
    /// Its interval, of runs resampled within each cell.
    pub interval: Option<Interval>,
    /// Two-sided p of Wilcoxon's signed-rank test that chances are even, over tasks; `None` below three tasks.
    pub p: Option<f64>,
    /// The same, corrected by Holm for all pairs.
    pub corrected_p: Option<f64>,
}

/// Two contenders on one task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TaskPair {
    /// The task's label.
    pub task: String,
    /// The one.
    pub one: String,
    /// The other.
    pub other: String,
    /// The chance that a run of the one is better than a run of the other.
    pub improvement: f64,
    /// By how much the mean score of the one is better; `None` if one has no score.
    pub gain: Option<f64>,
    /// Differences up to this are noise.
    pub noise_floor: f64,
    /// Whether the gain is no larger than noise.
    pub is_noise: Option<bool>,
    /// Two-sided p of the Mann-Whitney test; `None` with fewer than two runs of one.
    pub p: Option<f64>,
    /// The same, corrected by Holm for all pairs and tasks.
    pub corrected_p: Option<f64>,
}

/// All pairs by one kind of score; none with too many contenders.
pub(super) fn pairs(corpus: &Corpus<'_>, kind: Kind, bootstrap: &Bootstrap) -> Pairs {
    let rows = corpus.contenders.len();
    if rows > MAX_CONTENDERS {
        return Pairs::default();
    }
    let cells = Cells::of(corpus, kind);
    // Each run is drawn once for each pair that its contender is in.
    let draws = corpus.entries.len() * rows.saturating_sub(1);
    let affordable = u32::try_from(MAX_DRAWS / draws.max(1)).unwrap_or(u32::MAX);
    let resamples = bootstrap.resamples.min(affordable.max(MIN_RESAMPLES));
    let bootstrap = &Bootstrap { resamples, ..*bootstrap };
    let mut pairs = Pairs { resamples, ..Pairs::default() };
    for one in 0..rows {
        for other in one + 1..rows {
            let shared = cells.shared(one, other);
            let mut chances = Vec::with_capacity(shared.len());
            for &task in &shared {
                let (ours, theirs) = (&cells.values[one][task], &cells.values[other][task]);
                let Some(improvement) = probability_of_improvement(ours, theirs) else { continue };
                chances.push(improvement);
                let scored = |values: &[f64]| {
                    mean(&values.iter().copied().filter(|v| v.is_finite()).collect::<Vec<f64>>())
                };
                // Values are larger where they are better.
                let gain = scored(ours).zip(scored(theirs)).map(|(ours, theirs)| ours - theirs);
                let noise_floor = corpus.tasks[task].noise_floor;
                pairs.tasks.push(TaskPair {
                    task: corpus.tasks[task].label.clone(),
                    one: corpus.contenders[one].clone(),
                    other: corpus.contenders[other].clone(),
                    improvement,
                    gain,
                    noise_floor,
                    is_noise: gain.map(|gain| gain.abs() <= noise_floor),
                    p: rank_sum_p(ours, theirs),
                    corrected_p: None,
                });
            }
            let Some(improvement) = mean(&chances) else { continue };
            let differences: Vec<f64> = chances.iter().map(|chance| chance - 0.5).collect();
            pairs.across.push(Pair {
                one: corpus.contenders[one].clone(),
                other: corpus.contenders[other].clone(),
                tasks: shared.len() as u64,
                improvement,
                interval: cells.interval(one, other, &shared, bootstrap),
                p: signed_rank_p(&differences),
                corrected_p: None,
            });
        }
    }
    let corrected = holm(&pairs.across.iter().map(|pair| pair.p).collect::<Vec<Option<f64>>>());
    pairs.across.iter_mut().zip(corrected).for_each(|(pair, p)| pair.corrected_p = p);
    let corrected = holm(&pairs.tasks.iter().map(|pair| pair.p).collect::<Vec<Option<f64>>>());
    pairs.tasks.iter_mut().zip(corrected).for_each(|(pair, p)| pair.corrected_p = p);
    pairs
}

/// Values by contender and task, ascending, larger where better, with minus infinity for runs without a score.
struct Cells {
    values: Vec<Vec<Vec<f64>>>,
}

impl Cells {
    fn of(corpus: &Corpus<'_>, kind: Kind) -> Cells {
        let cell = |contender: usize, task: usize| {
            let Some(primary) = &corpus.tasks[task].primary else { return Vec::new() };
            let oriented = |value: Option<f64>| match (value, primary.direction) {
                (None, _) => f64::NEG_INFINITY,
                (Some(value), Direction::Maximize) => value,
                (Some(value), Direction::Minimize) => -value,
            };
            let mut values: Vec<f64> =
                corpus.cell(contender, task).iter().map(|run| oriented(run.value(kind))).collect();
            values.sort_by(f64::total_cmp);
            values
        };
        let tasks = corpus.tasks.len();
        let row = |contender| (0..tasks).map(|task| cell(contender, task)).collect();
        Cells { values: (0..corpus.contenders.len()).map(row).collect() }
    }

    fn shared(&self, one: usize, other: usize) -> Vec<usize> {
        let tasks = self.values[one].iter().zip(&self.values[other]).enumerate();
        tasks
            .filter(|(_, (ours, theirs))| !ours.is_empty() && !theirs.is_empty())
            .map(|(task, _)| task)
            .collect()
    }

    fn interval(
        &self,
        one: usize,
        other: usize,
        shared: &[usize],
        bootstrap: &Bootstrap,
    ) -> Option<Interval> {
        let size = |row: usize, task: usize| self.values[row][task].len();
        if bootstrap.resamples == 0 || shared.iter().all(|&task| size(one, task) < 2 && size(other, task) < 2)
        {
            return None;
        }
        // What a run wins against each run of the other, so that a resample sums looked-up halves.
        let wins: Vec<Vec<u8>> = shared.iter().map(|&task| self.wins(one, other, task)).collect();
        let mut draws = Draws::new(bootstrap.seed, 4);
        let mut times = Vec::new();
        let outcomes = (0..bootstrap.resamples).map(|_| {
            let mut sum = 0.0;
            for (&task, wins) in shared.iter().zip(&wins) {
                let (n, m) = (size(one, task), size(other, task));
                times.clear();
                times.resize(m, 0_u32);
                (0..m).for_each(|_| times[draws.below(m)] += 1);
                let mut halves = 0_u32;
                for _ in 0..n {
                    let row = draws.below(n) * m;
                    let won = wins[row..row + m].iter().zip(&times);
                    halves += won.map(|(&halves, &times)| u32::from(halves) * times).sum::<u32>();
                }
                sum += f64::from(halves) / (2 * n * m) as f64;
            }
            sum / shared.len() as f64
        });
        bootstrap.interval(outcomes.collect())
    }

    /// Halves that each run of the one wins against each of the other.
    fn wins(&self, one: usize, other: usize, task: usize) -> Vec<u8> {
        let theirs = &self.values[other][task];
        let half = |ours: f64| {
            theirs.iter().map(move |&theirs| u8::from(ours > theirs) * 2 + u8::from(ours == theirs))
        };
        self.values[one][task].iter().flat_map(|&ours| half(ours)).collect()
    }
}
