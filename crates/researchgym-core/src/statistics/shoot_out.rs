//! Shoot-outs: searches on one task that differ in their policies and seeds alone, compared.
//!
//! Knows nothing of how they were run. A search without a value is worse than any with one. What few seeds cannot tell is said in
//! [`ShootOut::notes`]: no order of medians is a finding by itself.

mod notes;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::notes::notes;
use super::compare::{holm, probability_of_improvement, rank_sum_p};
use super::resample::Bootstrap;
use super::sample::{Estimate, median, sorted};
use crate::record::{Cause, RunRecord};
use crate::score::{Direction, Primary};
use crate::search::Repertoire;
use crate::spec::MicroUsd;

/// The version of shoot-outs that this program writes.
pub const SHOOT_OUT_SCHEMA: u32 = 1;

/// Searches compared by their policies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ShootOut {
    /// Version of this object: 1.
    pub schema: u32,
    /// What all searches have in common.
    pub setting: Setting,
    /// How intervals were drawn.
    pub resampling: Resampling,
    /// The policies, the best median first.
    pub policies: Vec<Contender>,
    /// All pairs of policies.
    pub pairs: Vec<Pair>,
    /// What a reader must know, in sentences.
    pub notes: Vec<String>,
    /// The searches, by policy in the order that was asked for, and seed.
    pub searches: Vec<Searched>,
}

/// What all searches of a shoot-out have in common.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    /// The task's id.
    pub task: String,
    /// Its variant.
    pub variant: String,
    /// The metric that decides.
    pub primary: Primary,
    /// Differences up to this are noise of the grader.
    pub noise_floor: f64,
    /// The value of the baseline, if it was measured: the median of what the searches measured.
    pub baseline: Option<f64>,
    /// How candidates are made, with weights.
    pub operators: Repertoire,
    /// `provider/model`, if one was asked.
    pub model: Option<String>,
    /// Candidates of a search at most.
    pub candidates: Option<u64>,
    /// Working time of a search at most, in milliseconds.
    pub working_ms: Option<u64>,
    /// Money of a search at most, in micro-dollars.
    pub budget: Option<MicroUsd>,
    /// Candidates made and evaluated at once.
    pub slots: u32,
    /// The value that counts as solved.
    pub target: Option<f64>,
    /// The word by which the runs are found again.
    pub tag: String,
    /// How many searches were asked for.
    pub asked: u64,
}

/// How intervals are drawn, and what counts as a finding.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Resampling {
    /// How many resamples over the seeds.
    pub resamples: u32,
    /// The seed of the draws.
    pub seed: u64,
    /// The share of resamples that an interval holds; pairs are told apart at what is left of 1.
    pub confidence: f64,
}

/// All searches of a policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Contender {
    /// The policy, with the constants that were set.
    pub policy: String,
    /// Searches that count.
    pub searches: u64,
    /// Of these, those that found something better than what they measured of the baseline; absent if none did.
    pub above_baseline: Option<u64>,
    /// The median of the best values; absent if half of the searches have none.
    pub best: Option<Estimate>,
    /// Evaluations until the target, if there is one.
    pub to_target: Option<ToTarget>,
    /// The median of the evaluations.
    pub evaluations: Option<f64>,
    /// What became of all candidates: `measured`, `screened`, or the gate or failure that stopped them.
    pub fates: BTreeMap<String, u64>,
    /// The median number of different candidates.
    pub distinct: Option<f64>,
    /// The median over the searches of the mean similarity of two candidates, from 0 to 1.
    pub similarity: Option<f64>,
    /// The median of the wall time in milliseconds.
    pub wall_ms: Option<f64>,
    /// The median of the processor time of the candidates' programs, in milliseconds.
    pub program_cpu_ms: Option<f64>,
    /// What all searches together have cost, in micro-dollars.
    pub cost: MicroUsd,
    /// Tokens of all searches together.
    pub tokens: u64,
}

/// How soon the target was reached.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ToTarget {
    /// The median of the evaluations until then, searches that never reached it being beyond all others; absent if it is one
    /// of these.
    pub median: Option<f64>,
    /// How many searches reached it.
    pub reached: u64,
}

/// Two policies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pair {
    /// The one with the better median.
    pub one: String,
    /// The other.
    pub other: String,
    /// The chance that a search of the one is better than a search of the other, ties counted half.
    pub improvement: f64,
    /// Two-sided p of the Mann-Whitney test; absent with fewer than two searches of one.
    pub p: Option<f64>,
    /// The same, corrected by Holm for all pairs.
    pub corrected_p: Option<f64>,
    /// Whether the one is better: by the corrected p, and by more than the grader's noise.
    pub is_apart: bool,
}

/// One search of a shoot-out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Searched {
    /// Its run.
    pub run_id: String,
    /// The policy, with the constants that were set.
    pub policy: String,
    /// Its seed.
    pub seed: u64,
    /// How it ended.
    pub ending: Option<Cause>,
    /// The value of the baseline, as this search measured it.
    pub baseline: Option<f64>,
    /// The best value.
    pub best: Option<f64>,
    /// Evaluations, that of the baseline included.
    pub evaluations: u64,
    /// Evaluations until the target, if it was reached.
    pub to_target: Option<u64>,
    /// The best value whenever it changed.
    pub course: Vec<Reached>,
    /// What became of its candidates.
    pub fates: BTreeMap<String, u64>,
    /// How much its candidates differ.
    pub diversity: Diversity,
    /// What it has cost, in micro-dollars.
    pub cost: MicroUsd,
    /// Tokens of its model calls.
    pub tokens: u64,
    /// Wall time in milliseconds.
    pub wall_ms: u64,
    /// Processor time of its candidates' programs, in milliseconds.
    pub program_cpu_ms: u64,
}

/// What a search had reached when.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reached {
    /// Evaluations until then.
    pub evaluations: u64,
    /// The best value from there on.
    pub value: f64,
}

/// How much the candidates of a search differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Diversity {
    /// Candidates with contents of their own.
    pub distinct: u64,
    /// The mean similarity of two of a sample, from 0 to 1: Jaccard of token shingles. Absent below two candidates.
    pub similarity: Option<f64>,
}

/// What the log of a search knows beside its record.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Measured {
    /// How much its candidates differ.
    pub diversity: Diversity,
    /// Processor time of its candidates' programs, in milliseconds.
    pub program_cpu_ms: u64,
}

impl Searched {
    /// A search by its record; `None` if it is none.
    pub fn of(record: &RunRecord, policy: &str, measured: Measured) -> Option<Searched> {
        let search = record.search.as_deref()?;
        let mut fates = search.failures.clone();
        for (status, count) in &search.statuses {
            match status.as_str() {
                // The baseline is no candidate.
                "measured" => drop(
                    fates.insert(status.clone(), search.operators.iter().map(|used| used.measured).sum()),
                ),
                // By their kinds in `failures`.
                "failed" | "dropped" | "lost" | "quarantined" => {}
                other => drop(fates.insert(other.to_owned(), *count)),
            }
        }
        let course = search
            .moments
            .iter()
            .map(|moment| Reached { evaluations: moment.evaluations, value: moment.value });
        let course: Vec<Reached> = course.collect();
        Some(Searched {
            run_id: record.run_id.clone(),
            policy: policy.to_owned(),
            seed: record.seed.unwrap_or_default(),
            ending: record.ending.cause,
            baseline: search.baseline,
            best: course.last().map(|reached| reached.value),
            evaluations: search.evaluations,
            to_target: None,
            course,
            fates,
            diversity: measured.diversity,
            cost: record.usage.cost.unwrap_or_default(),
            tokens: search.spent.tokens,
            wall_ms: record.usage.wall_ms.unwrap_or_default(),
            program_cpu_ms: measured.program_cpu_ms,
        })
    }
}

impl ShootOut {
    /// Compares searches. `policies` are those that were asked for, in order; those without a search are left out.
    pub fn of(
        setting: Setting,
        resampling: Resampling,
        policies: &[String],
        mut searches: Vec<Searched>,
    ) -> ShootOut {
        let place = |policy: &str| policies.iter().position(|known| known == policy);
        searches.sort_by_key(|search| (place(&search.policy), search.seed));
        let direction = setting.primary.direction;
        for search in &mut searches {
            let reached =
                |value: f64| setting.target.is_some_and(|target| direction.gain(value, target) >= 0.0);
            let first = search.course.iter().find(|moment| reached(moment.value));
            search.to_target = first.map(|moment| moment.evaluations);
        }
        let mut contenders: Vec<(Contender, Vec<f64>)> = policies
            .iter()
            .filter_map(|policy| {
                let own: Vec<&Searched> = searches.iter().filter(|search| search.policy == *policy).collect();
                (!own.is_empty()).then(|| contender(policy, &own, &setting, resampling))
            })
            .collect();
        contenders.sort_by(|one, other| middle(&other.1).total_cmp(&middle(&one.1)));
        let pairs = pairs(&contenders, &setting, resampling);
        let policies: Vec<Contender> = contenders.into_iter().map(|(contender, _)| contender).collect();
        let notes = notes(&setting, resampling, &policies, &pairs, &searches);
        ShootOut { schema: SHOOT_OUT_SCHEMA, setting, resampling, policies, pairs, notes, searches }
    }

    /// The searches of a policy.
    pub fn searches_of(&self, policy: &str) -> impl Iterator<Item = &Searched> {
        self.searches.iter().filter(move |search| search.policy == policy)
    }
}

impl Resampling {
    /// The median of these values, and its interval if none of them is infinite and they are enough.
    pub fn median(&self, values: &[f64]) -> Option<Estimate> {
        let value = Some(middle(values)).filter(|value| value.is_finite())?;
        let Resampling { resamples, seed, confidence } = *self;
        let interval = match values.iter().all(|value| value.is_finite()) {
            true => Bootstrap { resamples, seed, confidence }.of_sample(values, [median])[0],
            false => None,
        };
        Some(Estimate { value, interval })
    }
}

/// The share of cases in which the whole range of a sample holds the true median: 1 - 2 / 2^n.
pub fn coverage_of_range(values: u64) -> f64 {
    (1.0 - 2.0_f64.powf(1.0 - values as f64)).max(0.0)
}

/// How many seeds are needed at least before two of so many policies can be told apart at this level: with fewer, not even searches
/// that are all better are enough after the correction for all pairs. The smallest p of n against n is 2 / C(2n, n).
pub fn seeds_needed(policies: u64, level: f64) -> u64 {
    let pairs = (policies * policies.saturating_sub(1) / 2).max(1) as f64;
    let mut smallest = 1.0;
    let mut seeds = 1;
    while smallest * pairs > level && seeds < 100 {
        // C(2n + 2, n + 1) is C(2n, n) (2n + 1) 2 / (n + 1).
        let n = seeds as f64;
        smallest *= (n + 1.0) / (2.0 * (2.0 * n + 1.0));
        seeds += 1;
    }
    seeds
}

/// The middle of values that may be infinite; of none minus infinity.
fn middle(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let upper = values.get(values.len() / 2).copied().unwrap_or(f64::NEG_INFINITY);
    match values.len() {
        even if even > 0 && even % 2 == 0 => {
            let lower = values[even / 2 - 1];
            if lower == upper { upper } else { lower + (upper - lower) / 2.0 }
        }
        _ => upper,
    }
}

/// A policy, and the best values of its searches: larger where better, minus infinity where there is none.
fn contender(
    policy: &str,
    own: &[&Searched],
    setting: &Setting,
    resampling: Resampling,
) -> (Contender, Vec<f64>) {
    let direction = setting.primary.direction;
    let turned = |value: f64| direction.gain(value, 0.0);
    let worth: Vec<f64> = own.iter().map(|search| search.best.map_or(f64::NEG_INFINITY, turned)).collect();
    let typical =
        |of: &dyn Fn(&Searched) -> Option<f64>| median(&sorted(own.iter().filter_map(|search| of(search))));
    let mut fates: BTreeMap<String, u64> = BTreeMap::new();
    for (fate, count) in own.iter().flat_map(|search| &search.fates) {
        *fates.entry(fate.clone()).or_default() += count;
    }
    // Each with its own: a program that measures itself by chance has another value in each search.
    let mut gains = own
        .iter()
        .filter_map(|search| {
            search.baseline.map(|baseline| search.best.map(|best| direction.gain(best, baseline)))
        })
        .peekable();
    let contender = Contender {
        policy: policy.to_owned(),
        searches: own.len() as u64,
        above_baseline: gains
            .peek()
            .is_some()
            .then(|| gains.filter(|gain| gain.is_some_and(|gain| gain > 0.0)).count() as u64),
        best: resampling.median(&worth).map(|estimate| restored(estimate, direction)),
        to_target: setting.target.map(|_| to_target(own)),
        evaluations: typical(&|search| Some(search.evaluations as f64)),
        fates,
        distinct: typical(&|search| Some(search.diversity.distinct as f64)),
        similarity: typical(&|search| search.diversity.similarity),
        wall_ms: typical(&|search| Some(search.wall_ms as f64)),
        program_cpu_ms: typical(&|search| Some(search.program_cpu_ms as f64)),
        cost: MicroUsd(own.iter().map(|search| search.cost.0).sum()),
        tokens: own.iter().map(|search| search.tokens).sum(),
    };
    (contender, worth)
}

/// An estimate of values that were turned so that larger is better, turned back.
fn restored(estimate: Estimate, direction: Direction) -> Estimate {
    match direction {
        Direction::Maximize => estimate,
        Direction::Minimize => Estimate {
            value: -estimate.value,
            interval: estimate
                .interval
                .map(|interval| super::sample::Interval { low: -interval.high, high: -interval.low }),
        },
    }
}

fn to_target(own: &[&Searched]) -> ToTarget {
    let counts: Vec<f64> =
        own.iter().map(|search| search.to_target.map_or(f64::INFINITY, |count| count as f64)).collect();
    let reached = counts.iter().filter(|count| count.is_finite()).count() as u64;
    ToTarget { median: Some(middle(&counts)).filter(|middle| middle.is_finite()), reached }
}

fn pairs(contenders: &[(Contender, Vec<f64>)], setting: &Setting, resampling: Resampling) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for (place, (one, ours)) in contenders.iter().enumerate() {
        for (other, theirs) in contenders.iter().skip(place + 1) {
            let Some(improvement) = probability_of_improvement(ours, theirs) else { continue };
            pairs.push(Pair {
                one: one.policy.clone(),
                other: other.policy.clone(),
                improvement,
                p: rank_sum_p(ours, theirs),
                corrected_p: None,
                is_apart: middle(ours) - middle(theirs) > setting.noise_floor,
            });
        }
    }
    let corrected = holm(&pairs.iter().map(|pair| pair.p).collect::<Vec<Option<f64>>>());
    let level = 1.0 - resampling.confidence;
    for (pair, p) in pairs.iter_mut().zip(corrected) {
        pair.corrected_p = p;
        // The level is a difference of doubles.
        pair.is_apart &= p.is_some_and(|p| p <= level + 1e-12);
    }
    pairs
}

#[cfg(test)]
mod tests;
