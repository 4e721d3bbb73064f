//! Resampling with replacement: percentile and stratified bootstrap intervals.
//!
//! Draws come from ChaCha8 with a given seed and stream, so an interval depends on the seed and on the sorted sample alone,
//! not on the order of runs or on what else is computed.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use super::sample::{Interval, MIN_FOR_INTERVAL, interquartile_mean, mean, quantile, sorted};

/// How intervals are drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bootstrap {
    /// How many resamples.
    pub resamples: u32,
    /// The seed.
    pub seed: u64,
    /// The share of resamples that an interval holds.
    pub confidence: f64,
}

/// A statistic of an ascending sample; `None` if it is too small.
pub type Statistic = fn(&[f64]) -> Option<f64>;

/// A source of draws.
pub struct Draws(ChaCha8Rng);

impl Draws {
    /// The draws of a seed; streams of one seed are independent of each other.
    pub fn new(seed: u64, stream: u64) -> Draws {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(stream);
        Draws(random)
    }

    /// A number below `bound`, by a product and a shift: for samples of fewer than 2^24 values its bias is below 2^-8 of
    /// a draw in 2^32.
    pub fn below(&mut self, bound: usize) -> usize {
        ((u64::from(self.0.next_u32()) * bound as u64) >> 32) as usize
    }

    /// 32 throws of a coin.
    pub fn coins(&mut self) -> u32 {
        self.0.next_u32()
    }
}

impl Bootstrap {
    /// The percentile interval of what resamples came to (Efron 1979): the quantiles that leave half of what is not held
    /// at each side.
    pub fn interval(&self, outcomes: Vec<f64>) -> Option<Interval> {
        let outcomes = sorted(outcomes.into_iter());
        let tail = (1.0 - self.confidence) / 2.0;
        Some(Interval { low: quantile(&outcomes, tail)?, high: quantile(&outcomes, 1.0 - tail)? })
    }

    /// The intervals of several statistics of one sample, drawn together. A statistic is given each resample in ascending
    /// order. `None` below three values.
    pub fn of_sample<const N: usize>(
        &self,
        values: &[f64],
        statistics: [Statistic; N],
    ) -> [Option<Interval>; N] {
        let values = sorted(values.iter().copied());
        if values.len() < MIN_FOR_INTERVAL || self.resamples == 0 {
            return [None; N];
        }
        let mut draws = Draws::new(self.seed, 0);
        let mut outcomes = statistics.map(|_| Vec::with_capacity(self.resamples as usize));
        let mut times = vec![0_u32; values.len()];
        let mut drawn = Vec::with_capacity(values.len());
        for _ in 0..self.resamples {
            times.fill(0);
            for _ in 0..values.len() {
                times[draws.below(values.len())] += 1;
            }
            drawn.clear();
            for (&value, &count) in values.iter().zip(&times) {
                drawn.extend(std::iter::repeat_n(value, count as usize));
            }
            for (outcome, statistic) in outcomes.iter_mut().zip(&statistics) {
                outcome.extend(statistic(&drawn));
            }
        }
        outcomes.map(|outcome| self.interval(outcome))
    }

    /// The intervals of two statistics of several samples, each resampled within itself (stratified; Agarwal et al. 2021):
    /// of [`mean_of_means`] and of [`pooled_interquartile_mean`]. `None` if no sample has two values: then nothing varies.
    pub fn of_strata(&self, strata: &[Vec<f64>]) -> [Option<Interval>; 2] {
        if self.resamples == 0 || strata.iter().all(|stratum| stratum.len() < 2) {
            return [None; 2];
        }
        let strata: Vec<Vec<f64>> = strata.iter().map(|stratum| sorted(stratum.iter().copied())).collect();
        // Where each value of each sample is among all in ascending order, so that resamples need no sorting.
        let mut pooled: Vec<(f64, usize)> = Vec::new();
        for stratum in &strata {
            let start = pooled.len();
            pooled.extend(stratum.iter().enumerate().map(|(index, &value)| (value, start + index)));
        }
        pooled.sort_by(|one, other| one.0.total_cmp(&other.0));
        let mut places = vec![0; pooled.len()];
        for (place, &(_, index)) in pooled.iter().enumerate() {
            places[index] = place;
        }
        let mut draws = Draws::new(self.seed, 1);
        let mut outcomes = [Vec::new(), Vec::new()];
        let mut times = vec![0_u32; pooled.len()];
        let mut drawn = Vec::with_capacity(pooled.len());
        let filled = strata.iter().filter(|stratum| !stratum.is_empty()).count() as f64;
        for _ in 0..self.resamples {
            times.fill(0);
            let (mut means, mut start) = (0.0, 0);
            for stratum in strata.iter().filter(|stratum| !stratum.is_empty()) {
                let mut sum = 0.0;
                for _ in 0..stratum.len() {
                    let index = draws.below(stratum.len());
                    sum += stratum[index];
                    times[places[start + index]] += 1;
                }
                means += sum / stratum.len() as f64;
                start += stratum.len();
            }
            drawn.clear();
            for (&(value, _), &count) in pooled.iter().zip(&times) {
                drawn.extend(std::iter::repeat_n(value, count as usize));
            }
            outcomes[0].push(means / filled);
            outcomes[1].extend(interquartile_mean(&drawn));
        }
        outcomes.map(|outcome| self.interval(outcome))
    }
}

/// The mean of the means of the samples that have values.
pub fn mean_of_means(strata: &[Vec<f64>]) -> Option<f64> {
    let means: Vec<f64> = strata.iter().filter_map(|stratum| mean(stratum)).collect();
    mean(&means)
}

/// The interquartile mean over the values of all samples together.
pub fn pooled_interquartile_mean(strata: &[Vec<f64>]) -> Option<f64> {
    interquartile_mean(&sorted(strata.iter().flatten().copied()))
}

#[cfg(test)]
mod tests {
    use super::super::sample::median;
    use super::*;
    use proptest::prelude::*;

    const BOOTSTRAP: Bootstrap = Bootstrap { resamples: 500, seed: 7, confidence: 0.95 };

    #[test]
    fn small_samples_have_no_interval() {
        assert_eq!(BOOTSTRAP.of_sample(&[1.0, 2.0], [mean]), [None]);
        assert_eq!(Bootstrap { resamples: 0, ..BOOTSTRAP }.of_sample(&[1.0, 2.0, 3.0], [mean]), [None]);
        assert_eq!(BOOTSTRAP.of_strata(&[vec![1.0], vec![4.0]]), [None; 2]);
    }

    #[test]
    fn intervals_narrow_around_the_truth() {
        let values: Vec<f64> = (0..200).map(|index| f64::from(index % 10)).collect();
        let [Some(interval)] = BOOTSTRAP.of_sample(&values, [mean]) else { panic!("200 values are enough") };
        // The standard error is 2.87 / sqrt(200) = 0.203.
        assert!((interval.low - (4.5 - 0.4)).abs() < 0.08, "{interval:?}");
        assert!((interval.high - (4.5 + 0.4)).abs() < 0.08, "{interval:?}");
        // Within strata of equal values nothing varies, however much they differ from each other.
        let strata = [vec![1.0; 5], vec![3.0; 5], Vec::new()];
        let exactly = |value| Some(Interval { low: value, high: value });
        assert_eq!(BOOTSTRAP.of_strata(&strata), [exactly(2.0), exactly(2.0)]);
        let [Some(interval), Some(pooled)] = BOOTSTRAP.of_strata(&[values.clone(), values]) else {
            panic!("they vary")
        };
        assert!((interval.high - interval.low - 0.56).abs() < 0.1, "{interval:?}");
        assert!(pooled.low < 4.5 && pooled.high > 4.5, "{pooled:?}");
    }

    proptest! {
        #[test]
        fn intervals_depend_on_seed_and_sample_alone(
            mut values in prop::collection::vec(-1e6_f64..1e6, 3..20), seed: u64,
        ) {
            let bootstrap = Bootstrap { seed, resamples: 50, ..BOOTSTRAP };
            let first = bootstrap.of_sample(&values, [mean, median]);
            values.reverse();
            prop_assert_eq!(bootstrap.of_sample(&values, [mean, median]), first);
            let [Some(interval), _] = first else { panic!("three values are enough") };
            let (low, high) = (values.iter().copied().fold(f64::MAX, f64::min), values.iter().copied().fold(f64::MIN, f64::max));
            prop_assert!(interval.low >= low - 1e-6 && interval.high <= high + 1e-6 && interval.low <= interval.high);
        }
    }
}
