//! A contender in a line, as leaderboards show it, and which contenders no other beats in both score and cost.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::across::{ProfileRow, Profiles};
use super::against_baseline;
use super::corpus::Corpus;
use super::options::Kind;
use super::prices::Priced;
use super::resample::{Bootstrap, mean_of_means, pooled_interquartile_mean};
use super::sample::{Estimate, Spread};

/// A contender in a line. Its place among the standings is its place in every list of contenders.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Standing {
    /// The contender.
    pub contender: String,
    /// Its agents' names; of searches with their policies.
    pub agents: Vec<String>,
    /// Its models' names.
    pub models: Vec<String>,
    /// Runs that count.
    pub runs: u64,
    /// Of these, runs with a best attempt.
    pub scored: u64,
    /// Of these, runs with findings against their scores.
    pub flagged: u64,
    /// Tasks that it has runs on.
    pub tasks: u64,
    /// Of these, tasks with a baseline.
    pub tasks_with_baseline: u64,
    /// Of these, tasks whose baseline the best final submission beats by more than noise.
    pub tasks_improved: u64,
    /// By best attempts.
    pub best: Scores,
    /// By final submissions.
    pub submission: Scores,
    /// Money a run, in micro-dollars.
    pub cost: Option<Spread>,
    /// Time a run, in milliseconds.
    pub time_ms: Option<Spread>,
    /// Steps a run.
    pub steps: Option<Spread>,
    /// Tokens a run, prompts and answers.
    pub tokens: Option<Spread>,
}

/// A contender's scores across tasks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scores {
    /// The mean over tasks of the mean over runs of the place beside the baseline (the comparable scale: 0 is the baseline, 1
    /// ten times better, -1 ten times worse or no score).
    pub average: Option<Estimate>,
    /// The interquartile mean of the same over all runs of all tasks.
    pub interquartile_mean: Option<Estimate>,
    /// The published area under the performance profile.
    pub published_area: Option<Estimate>,
    /// The area under the profile on the comparable scale.
    pub comparable_area: Option<Estimate>,
}

/// Score against what it cost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Front {
    /// By the mean cost of a run.
    pub money: Vec<FrontPoint>,
    /// By the mean time of a run.
    pub time: Vec<FrontPoint>,
}

/// A contender in a plane of score and cost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FrontPoint {
    /// The contender.
    pub contender: String,
    /// What a run costs on average: micro-dollars, or milliseconds.
    pub cost: f64,
    /// Runs of which that is known.
    pub runs: u64,
    /// The published area by best attempts.
    pub published_area: Option<f64>,
    /// The area on the comparable scale by best attempts.
    pub comparable_area: Option<f64>,
    /// Whether no other has at least this published area for at most this cost, and one of them truly.
    pub is_on_published_front: bool,
    /// The same by the comparable area.
    pub is_on_comparable_front: bool,
}

/// The standings of all contenders in order.
pub(super) fn standings(
    corpus: &Corpus<'_>,
    priced: &Priced,
    published: &Profiles,
    comparable: &Profiles,
    bootstrap: &Bootstrap,
) -> Vec<Standing> {
    let row = |row: usize| {
        let runs = || corpus.entries.iter().enumerate().filter(move |(_, run)| run.contender == row);
        let tasks: BTreeSet<usize> = runs().map(|(_, run)| run.task).collect();
        let names = |name: fn(&crate::record::RunRecord) -> Option<String>| -> Vec<String> {
            let names: BTreeSet<String> = runs().filter_map(|(_, run)| name(run.record)).collect();
            names.into_iter().collect()
        };
        let improved = |task: &&usize| {
            let values = corpus.cell(row, **task).iter().filter_map(|run| run.value(Kind::Submission));
            let task = &corpus.tasks[**task];
            let Some((primary, baseline)) = task.primary.as_ref().zip(task.baseline) else { return false };
            let mut gains = values.map(|value| primary.direction.gain(value, baseline));
            gains.any(|gain| gain > task.noise_floor)
        };
        let scores = |kind: Kind| {
            let strata = strata(corpus, row, kind);
            let area = |profiles: &Profiles| {
                let rows = match kind {
                    Kind::Best => &profiles.best,
                    Kind::Submission => &profiles.submission,
                };
                let ProfileRow { area, interval, .. } = rows.get(row)?;
                area.map(|value| Estimate { value, interval: *interval })
            };
            let [average, middle] = bootstrap.of_strata(&strata);
            let estimate = |value: Option<f64>, interval| value.map(|value| Estimate { value, interval });
            Scores {
                average: estimate(mean_of_means(&strata), average),
                interquartile_mean: estimate(pooled_interquartile_mean(&strata), middle),
                published_area: area(published),
                comparable_area: area(comparable),
            }
        };
        let used = |number: fn(&super::corpus::Entry<'_>) -> Option<u64>| {
            Spread::of(runs().filter_map(|(_, run)| number(run)).map(|number| number as f64))
        };
        Standing {
            contender: corpus.contenders[row].clone(),
            agents: names(|record| Some(record.agent_with_policy())),
            models: names(|record| record.model.clone()),
            runs: runs().count() as u64,
            scored: runs().filter(|(_, run)| run.value(Kind::Best).is_some()).count() as u64,
            flagged: runs().filter(|(_, run)| run.record.is_flagged()).count() as u64,
            tasks: tasks.len() as u64,
            tasks_with_baseline: tasks.iter().filter(|task| corpus.tasks[**task].baseline.is_some()).count()
                as u64,
            tasks_improved: tasks.iter().filter(improved).count() as u64,
            best: scores(Kind::Best),
            submission: scores(Kind::Submission),
            cost: Spread::of(runs().filter_map(|(index, _)| priced.costs[index]).map(|cost| cost.0 as f64)),
            time_ms: used(|run| run.time_ms()),
            steps: used(|run| run.record.actions.count()),
            tokens: used(|run| run.tokens()),
        }
    };
    (0..corpus.contenders.len()).map(row).collect()
}

/// The places of a contender's runs beside the baselines, by task; a run without a score has the worst.
fn strata(corpus: &Corpus<'_>, row: usize, kind: Kind) -> Vec<Vec<f64>> {
    let tasks = corpus.tasks.iter().enumerate().filter_map(|(place, task)| {
        let (primary, baseline) = task.primary.as_ref().zip(task.baseline)?;
        let place_of = |value| against_baseline::place(primary.direction, value, baseline);
        let runs = corpus.cell(row, place).iter();
        let places: Vec<f64> =
            runs.map(|run| run.value(kind).map_or(-against_baseline::LIMIT, place_of)).collect();
        (!places.is_empty()).then_some(places)
    });
    tasks.collect()
}

/// Who is on the front of score and cost.
pub(super) fn front(standings: &[Standing]) -> Front {
    let points = |cost: fn(&Standing) -> Option<Spread>| {
        let mut points: Vec<FrontPoint> = standings
            .iter()
            .filter_map(|standing| {
                let spread = cost(standing)?;
                Some(FrontPoint {
                    contender: standing.contender.clone(),
                    cost: spread.mean,
                    runs: spread.runs,
                    published_area: standing.best.published_area.map(|area| area.value),
                    comparable_area: standing.best.comparable_area.map(|area| area.value),
                    is_on_published_front: false,
                    is_on_comparable_front: false,
                })
            })
            .collect();
        let published: Vec<bool> = on_front(&points, |point| point.published_area);
        let comparable: Vec<bool> = on_front(&points, |point| point.comparable_area);
        for ((point, published), comparable) in points.iter_mut().zip(published).zip(comparable) {
            (point.is_on_published_front, point.is_on_comparable_front) = (published, comparable);
        }
        points
    };
    Front { money: points(|standing| standing.cost), time: points(|standing| standing.time_ms) }
}

/// Which points no other dominates.
fn on_front(points: &[FrontPoint], score: fn(&FrontPoint) -> Option<f64>) -> Vec<bool> {
    let is_dominated = |point: &FrontPoint, value: f64| {
        points.iter().any(|other| {
            let Some(other_value) = score(other) else { return false };
            other_value >= value
                && other.cost <= point.cost
                && (other_value > value || other.cost < point.cost)
        })
    };
    points.iter().map(|point| score(point).is_some_and(|value| !is_dominated(point, value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_front_holds_who_is_not_dominated() {
        let point = |cost: f64, area: Option<f64>| FrontPoint {
            contender: String::new(),
            cost,
            runs: 1,
            published_area: area,
            comparable_area: None,
            is_on_published_front: false,
            is_on_comparable_front: false,
        };
        let points = [
            point(1.0, Some(1.0)),
            point(2.0, Some(1.5)),
            point(2.0, Some(1.4)),
            point(3.0, Some(1.5)),
            point(0.5, None),
        ];
        assert_eq!(on_front(&points, |point| point.published_area), [true, true, false, false, false]);
        assert_eq!(on_front(&points, |point| point.comparable_area), [false; 5]);
    }
}
