//! Scores against money, time and steps: what a run had reached when so much was spent.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::against_baseline;
use super::corpus::{Corpus, Entry};
use super::prices::Priced;
use super::sample::mean;
use crate::spec::MicroUsd;

/// Points of an averaged curve.
const POINTS: usize = 50;

/// Best-so-far curves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Curves {
    /// Of runs with a score, in the order of runs.
    pub runs: Vec<Curve>,
    /// Averages of contenders over all runs on tasks with a baseline.
    pub contenders: Vec<Average>,
}

/// What one run reached.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Curve {
    /// The run.
    pub run_id: String,
    /// Whose it is.
    pub contender: String,
    /// The task's label.
    pub task: String,
    /// The first score and each that was better than all before it.
    pub points: Vec<CurvePoint>,
    /// Where the run ended; the curve is level from its last point to here.
    pub end: Spent,
}

/// A score that was better than all before it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CurvePoint {
    /// The attempt's number.
    pub attempt: u64,
    /// Its value.
    pub value: f64,
    /// What had been spent before it.
    pub after: Spent,
}

/// What was spent up to a point, as far as it is known. Money is as it was recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spent {
    /// Steps.
    pub steps: Option<u64>,
    /// Milliseconds.
    pub ms: Option<u64>,
    /// Micro-dollars.
    pub cost: Option<MicroUsd>,
}

/// What an average is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Axis {
    /// Micro-dollars.
    Money,
    /// Milliseconds.
    Time,
    /// Steps.
    Steps,
}

/// A contender's average curve: what a run had reached on average when so much was spent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Average {
    /// The contender.
    pub contender: String,
    /// What is spent.
    pub axis: Axis,
    /// Runs that count: all on tasks with a baseline, but those with an attempt whose time is not known on this axis.
    pub runs: u64,
    /// Runs that do not, for that reason.
    pub left_out: u64,
    /// Amounts spent, ascending, up to the most of any run of the contender.
    pub spent: Vec<f64>,
    /// The mean place beside the baseline (comparable scale) of the best score so far; -1 before the first.
    pub place: Vec<f64>,
}

/// The curves of runs and of contenders.
pub(super) fn curves(corpus: &Corpus<'_>, priced: &Priced) -> Curves {
    let all: Vec<Option<Curve>> = corpus
        .entries
        .iter()
        .enumerate()
        .map(|(index, run)| curve(corpus, run, priced.costs[index]))
        .collect();
    let mut contenders = Vec::new();
    for row in 0..corpus.contenders.len() {
        for axis in [Axis::Money, Axis::Time, Axis::Steps] {
            contenders.extend(average(corpus, &all, row, axis));
        }
    }
    Curves { runs: all.into_iter().flatten().collect(), contenders }
}

fn curve(corpus: &Corpus<'_>, run: &Entry<'_>, cost: Option<MicroUsd>) -> Option<Curve> {
    let task = &corpus.tasks[run.task];
    let primary = task.primary.as_ref()?;
    let mut points: Vec<CurvePoint> = Vec::new();
    for attempt in &run.record.attempts {
        let Some(value) = attempt.value(primary).filter(|value| value.is_finite()) else { continue };
        if points.last().is_none_or(|best| primary.direction.gain(value, best.value) > 0.0) {
            let after = Spent { steps: attempt.after_steps, ms: attempt.after_ms, cost: attempt.after_cost };
            points.push(CurvePoint { attempt: attempt.number, value, after });
        }
    }
    if points.is_empty() {
        return None;
    }
    Some(Curve {
        run_id: run.record.run_id.clone(),
        contender: corpus.contenders[run.contender].clone(),
        task: task.label.clone(),
        points,
        end: Spent {
            steps: run.record.actions.count(),
            ms: run.time_ms(),
            cost: run.record.usage.cost.or(cost),
        },
    })
}

impl Axis {
    fn of(self, spent: &Spent) -> Option<f64> {
        match self {
            Axis::Money => spent.cost.map(|cost| cost.0 as f64),
            Axis::Time => spent.ms.map(|ms| ms as f64),
            Axis::Steps => spent.steps.map(|steps| steps as f64),
        }
    }
}

/// The average of a contender; `None` if no attempt is known to lie anywhere on the axis.
fn average(corpus: &Corpus<'_>, curves: &[Option<Curve>], row: usize, axis: Axis) -> Option<Average> {
    // Of each run: where its place rose, and to what.
    let mut steps: Vec<Vec<(f64, f64)>> = Vec::new();
    let (mut left_out, mut furthest) = (0, 0.0_f64);
    for (run, curve) in corpus.entries.iter().zip(curves) {
        let task = &corpus.tasks[run.task];
        let Some((primary, baseline)) =
            task.primary.as_ref().zip(task.baseline).filter(|_| run.contender == row)
        else {
            continue;
        };
        let Some(curve) = curve else {
            steps.push(Vec::new());
            continue;
        };
        let place = |point: &CurvePoint| {
            Some((axis.of(&point.after)?, against_baseline::place(primary.direction, point.value, baseline)))
        };
        match curve.points.iter().map(place).collect::<Option<Vec<(f64, f64)>>>() {
            Some(rises) => {
                let end = axis.of(&curve.end).or_else(|| rises.last().map(|rise| rise.0));
                furthest = furthest.max(end.unwrap_or(0.0));
                steps.push(rises);
            }
            None => left_out += 1,
        }
    }
    if furthest <= 0.0 {
        return None;
    }
    let spent: Vec<f64> = (0..POINTS).map(|index| furthest * index as f64 / (POINTS - 1) as f64).collect();
    let reached = |spent: f64| {
        let places = steps.iter().map(|rises| {
            let last = rises.iter().rev().find(|(at, _)| *at <= spent);
            last.map_or(-against_baseline::LIMIT, |(_, place)| *place)
        });
        mean(&places.collect::<Vec<f64>>()).unwrap_or(-against_baseline::LIMIT)
    };
    let place = spent.iter().map(|&spent| reached(spent)).collect();
    Some(Average {
        contender: corpus.contenders[row].clone(),
        axis,
        runs: steps.len() as u64,
        left_out,
        spent,
        place,
    })
}
