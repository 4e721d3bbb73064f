//! Statistics of one sample: mean, median, quantiles, interquartile mean, spread.
//!
//! All take values in ascending order where order matters. What a sample is too small for is `None`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The smallest sample that an interval or a spread is told of.
pub const MIN_FOR_INTERVAL: usize = 3;
/// The smallest sample of which a quarter can be cut off at both ends.
pub const MIN_FOR_IQM: usize = 4;

/// A range that holds the share of resamples called confidence.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Interval {
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

/// A number with its interval, if the sample was large enough for one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Estimate {
    /// The number.
    pub value: f64,
    /// Its bootstrap interval.
    pub interval: Option<Interval>,
}

/// What a quantity that costs something came to, over the runs of which it is known.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spread {
    /// Runs of which it is known.
    pub runs: u64,
    /// Their sum.
    pub sum: f64,
    /// Their mean.
    pub mean: f64,
    /// Their median.
    pub median: f64,
    /// The smallest.
    pub low: f64,
    /// The largest.
    pub high: f64,
}

impl Spread {
    /// The spread of the values; `None` if there are none.
    pub fn of(values: impl Iterator<Item = f64>) -> Option<Spread> {
        let values = sorted(values);
        let (&low, &high) = (values.first()?, values.last()?);
        let sum = values.iter().sum::<f64>();
        Some(Spread {
            runs: values.len() as u64,
            sum,
            mean: sum / values.len() as f64,
            median: median(&values)?,
            low,
            high,
        })
    }
}

/// The finite values in ascending order.
pub fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.filter(|value| value.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    values
}

/// The arithmetic mean; `None` of nothing.
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The median of an ascending sample: the middle value, or the mean of the two in the middle.
pub fn median(sorted: &[f64]) -> Option<f64> {
    let upper = *sorted.get(sorted.len() / 2)?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = sorted[sorted.len() / 2 - 1];
    Some(lower + (upper - lower) / 2.0)
}

/// The quantile of an ascending sample, linear between neighbours: type 7 of Hyndman and Fan 1996, as NumPy's default.
pub fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let position = share.clamp(0.0, 1.0) * last as f64;
    let below = position.floor();
    let lower = sorted[below as usize];
    let upper = sorted[(below as usize + 1).min(last)];
    Some(lower + (upper - lower) * (position - below))
}

/// The interquartile mean of an ascending sample: the mean of what is left when the lowest and the highest quarter, each
/// rounded down to whole values, are cut off (Agarwal et al. 2021). `None` below four values, where nothing is cut.
pub fn interquartile_mean(sorted: &[f64]) -> Option<f64> {
    if sorted.len() < MIN_FOR_IQM {
        return None;
    }
    let cut = sorted.len() / 4;
    mean(&sorted[cut..sorted.len() - cut])
}

/// The sample's standard deviation, with n - 1; `None` below two values.
pub fn standard_deviation(values: &[f64]) -> Option<f64> {
    let center = mean(values).filter(|_| values.len() > 1)?;
    let squares: f64 = values.iter().map(|value| (value - center).powi(2)).sum();
    Some((squares / (values.len() - 1) as f64).sqrt())
}

/// Rounds as NumPy does: scaled by the power of ten, halves to even, scaled back.
pub fn rounded(value: f64, decimals: i32) -> f64 {
    let scale = 10_f64.powi(decimals);
    (value * scale).round_ties_even() / scale
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_have_middles() {
        assert_eq!(mean(&[]), None);
        assert_eq!(mean(&[1.0, 2.0, 6.0]), Some(3.0));
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[1.0, 2.0, 6.0]), Some(2.0));
        assert_eq!(median(&[1.0, 2.0, 6.0, 8.0]), Some(4.0));
        assert_eq!(quantile(&[1.0, 2.0, 3.0, 4.0], 0.25), Some(1.75));
        assert_eq!(quantile(&[5.0], 0.9), Some(5.0));
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn the_interquartile_mean_cuts_whole_values() {
        assert_eq!(interquartile_mean(&[1.0, 2.0, 3.0]), None);
        assert_eq!(interquartile_mean(&[0.0, 2.0, 4.0, 100.0]), Some(3.0));
        assert_eq!(interquartile_mean(&[0.0, 2.0, 4.0, 6.0, 100.0]), Some(4.0));
        assert_eq!(interquartile_mean(&[0.0, 0.0, 1.0, 2.0, 3.0, 4.0, 9.0, 9.0]), Some(2.5));
    }

    #[test]
    fn spreads_need_values() {
        assert_eq!(standard_deviation(&[3.0]), None);
        assert_eq!(standard_deviation(&[1.0, 3.0]), Some(2_f64.sqrt()));
        assert_eq!(Spread::of([f64::NAN].into_iter()), None);
        let expected = Spread { runs: 3, sum: 9.0, mean: 3.0, median: 2.0, low: 1.0, high: 6.0 };
        assert_eq!(Spread::of([6.0, 1.0, 2.0].into_iter()), Some(expected));
    }

    #[test]
    fn numbers_are_rounded_as_numpy_does() {
        assert_eq!(rounded(0.8855, 3), 0.886);
        assert_eq!(rounded(0.5, 0), 0.0);
        assert_eq!(rounded(-1.0005, 3), -1.0);
    }
}
