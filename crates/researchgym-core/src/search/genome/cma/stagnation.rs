//! When a run of the CMA-ES is at its end and another begins: Hansen 2016, arXiv 1604.00772, appendix B.3.

use super::distribution::Distribution;

/// Differences of the objective below this are none: TolFun.
const LEAST_DIFFERENCE: f64 = 1e-12;
/// The same of the numbers, in parts of the first step size: TolX.
const LEAST_STEP: f64 = 1e-12;
/// The worst condition of the covariance: ConditionCov.
const WORST_CONDITION: f64 = 1e14;
/// The most generations that are looked back on.
const MOST_HISTORY: usize = 20_000;

/// The best and the median fitness of each generation of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct History {
    generations: Vec<(f64, f64)>,
}

impl History {
    /// Takes a generation in, whose fitness is given the best first; the failed ones are missing.
    pub(super) fn push(&mut self, ranked: &[f64]) {
        if let (Some(best), Some(median)) = (ranked.first(), ranked.get(ranked.len() / 2)) {
            self.generations.push((*best, *median));
        }
    }

    /// Whether nothing more is to be expected of a run; `ranked` is the fitness of its last generation.
    pub(super) fn is_over(&self, distribution: &Distribution, first_sigma: f64, ranked: &[f64]) -> bool {
        let n = distribution.mean.len();
        let short = LEAST_STEP * first_sigma;
        let is_small =
            || distribution.path_length() < short && (0..n).all(|at| distribution.deviation(at) < short);
        let is_without_effect = || {
            (0..n).any(|at| {
                let mean = distribution.mean[at];
                mean == mean + 0.2 * distribution.deviation(at)
            })
        };
        let condition = distribution.condition();
        self.is_flat(n, distribution.population(), ranked)
            || is_small()
            || is_without_effect()
            || !condition.is_finite()
            || condition > WORST_CONDITION
            || (self.generations.len().is_multiple_of(10) && self.is_stagnating(n, distribution.population()))
    }

    /// TolFun: the best of the last generations, and all of the newest, are the same.
    fn is_flat(&self, n: usize, population: usize, ranked: &[f64]) -> bool {
        let span = 10 + (30 * n).div_ceil(population);
        if self.generations.len() < span || ranked.len() < population {
            return false;
        }
        let recent = self.generations[self.generations.len() - span..].iter().map(|(best, _)| *best);
        let (low, high) = recent
            .chain(ranked.iter().copied())
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        high - low < LEAST_DIFFERENCE
    }

    /// Neither the best nor the medians of the last third or so are better than those of the first.
    fn is_stagnating(&self, n: usize, population: usize) -> bool {
        let least = 120 + 30 * n / population;
        let span = (self.generations.len() / 5).clamp(least, MOST_HISTORY.max(least));
        if self.generations.len() < span {
            return false;
        }
        let recent = &self.generations[self.generations.len() - span..];
        let part = (span * 3 / 10).max(1);
        let (early, late) = (&recent[..part], &recent[span - part..]);
        let is_better = |of: fn(&(f64, f64)) -> f64| median(late, of) > median(early, of);
        !is_better(|generation| generation.0) && !is_better(|generation| generation.1)
    }
}

fn median(generations: &[(f64, f64)], of: fn(&(f64, f64)) -> f64) -> f64 {
    let mut values: Vec<f64> = generations.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
