//! From values to places on an axis, and the ticks of an axis.

use super::number;

/// What lies beyond is not drawn: differences of such numbers are not finite.
const LARGEST: f64 = 1e300;

/// How values lie along an axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Scale {
    /// The ends in values; for a logarithmic axis, in powers of ten.
    low: f64,
    high: f64,
    is_log: bool,
}

/// A tick: its value, and its label if it has one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tick {
    pub(crate) value: f64,
    pub(crate) label: String,
}

impl Scale {
    /// A scale with even steps that holds all these values, with some air.
    pub(crate) fn linear(values: impl IntoIterator<Item = f64>, air: f64) -> Scale {
        let (low, high) = ends(values.into_iter()).unwrap_or((0.0, 1.0));
        let span = high - low;
        if span <= 1e-12 * high.abs().max(low.abs()) {
            let around = if low == 0.0 { 1.0 } else { low.abs() * 0.1 };
            return Scale { low: low - around, high: high + around, is_log: false };
        }
        Scale { low: low - span * air, high: high + span * air, is_log: false }
    }

    /// A scale with even steps between these values.
    pub(crate) fn between(low: f64, high: f64) -> Scale {
        Scale { low, high: if high > low { high } else { low + 1.0 }, is_log: false }
    }

    /// A scale of powers of ten between these exponents.
    pub(crate) fn powers(low: f64, high: f64) -> Scale {
        Scale { low, high: if high > low { high } else { low + 1.0 }, is_log: true }
    }

    /// A scale of powers that holds all positive values.
    pub(crate) fn log(values: impl IntoIterator<Item = f64>) -> Scale {
        let positive = values.into_iter().filter(|value| *value > 0.0).map(f64::log10);
        let (low, high) = ends(positive).unwrap_or((0.0, 1.0));
        let air = ((high - low) * 0.06).max(0.12);
        Scale { low: low - air, high: high + air, is_log: true }
    }

    /// Where a value lies: 0 at the lower end, 1 at the higher; beyond these if it lies outside.
    pub(crate) fn share(&self, value: f64) -> f64 {
        let value = if self.is_log { value.max(f64::MIN_POSITIVE).log10() } else { value };
        (value - self.low) / (self.high - self.low)
    }

    pub(crate) fn holds(&self, value: f64) -> bool {
        (-1e-9..=1.0 + 1e-9).contains(&self.share(value))
    }

    /// About so many ticks at round values.
    pub(crate) fn ticks(&self, about: usize) -> Vec<Tick> {
        if self.is_log { self.log_ticks(about) } else { self.linear_ticks(about) }
    }

    fn linear_ticks(&self, about: usize) -> Vec<Tick> {
        let rough = (self.high - self.low) / about.max(1) as f64;
        let unit = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 2.5, 5.0, 10.0]
            .map(|times| times * unit)
            .into_iter()
            .find(|step| *step >= rough * 0.999);
        let step = step.unwrap_or(10.0 * unit);
        let (first, last) = ((self.low / step - 1e-9).ceil(), (self.high / step + 1e-9).floor());
        if !(step.is_finite() && step > 0.0) || last - first > 100.0 {
            return Vec::new();
        }
        let value = |number: i64| number as f64 * step;
        (first as i64..=last as i64)
            .map(|number| Tick { value: value(number), label: number::tick(value(number), step) })
            .collect()
    }

    fn log_ticks(&self, about: usize) -> Vec<Tick> {
        let (first, last) = (self.low.ceil() as i32, self.high.floor() as i32);
        let decades = (last - first + 1).max(0) as usize;
        if decades < 3 {
            let mut ticks = self.fine_log_ticks(&[1.0, 2.0, 5.0]);
            if ticks.len() > about + 2 {
                ticks = self.fine_log_ticks(&[1.0, 3.0]);
            }
            if ticks.len() < 4 {
                ticks = self.fine_log_ticks(&[1.0, 1.5, 2.0, 3.0, 5.0, 7.0]);
            }
            return if ticks.len() < 2 {
                self.fine_log_ticks(&[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0])
            } else {
                ticks
            };
        }
        let every = decades.div_ceil(about.max(1)).max(1);
        let powers = (first..=last).filter(|exponent| ((exponent - first) as usize).is_multiple_of(every));
        powers.map(|exponent| Tick { value: 10f64.powi(exponent), label: number::power(exponent) }).collect()
    }

    fn fine_log_ticks(&self, times: &[f64]) -> Vec<Tick> {
        let exponents = (self.low.floor() as i32 - 1)..=(self.high.ceil() as i32);
        let values =
            exponents.flat_map(|exponent| times.iter().map(move |times| times * 10f64.powi(exponent)));
        let held = values.filter(|value| self.holds(*value));
        held.map(|value| Tick {
            value,
            label: number::significant(value, if value.log10().fract() == 0.0 { 1 } else { 2 }),
        })
        .map(|tick| Tick { label: trimmed(&tick.label), ..tick })
        .collect()
    }
}

/// A label without zeros that say nothing.
fn trimmed(label: &str) -> String {
    if label.contains('.') && !label.contains('×') {
        return label.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    label.to_owned()
}

fn ends(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.filter(|value| value.abs() <= LARGEST).fold(None, |ends, value| match ends {
        None => Some((value, value)),
        Some((low, high)) => Some((low.min(value), high.max(value))),
    })
}

/// The range that most values lie in: those more than this many middle-half widths outside the middle half are left out, unless
/// they are few powers away. With one value of -3e13 among tens, the tens are what a reader wants to compare.
pub(crate) fn usual(values: &[f64]) -> Option<(f64, f64)> {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|value| value.abs() <= LARGEST).collect();
    sorted.sort_by(f64::total_cmp);
    let (first, last) = (*sorted.first()?, *sorted.last()?);
    if sorted.len() < 4 {
        return usual_of_few(&sorted);
    }
    let at = |share: f64| sorted[((sorted.len() - 1) as f64 * share).round() as usize];
    let (lower, middle, upper) = (at(0.25), at(0.5), at(0.75));
    let spread = (upper - lower).max(middle.abs() * 0.02).max(f64::MIN_POSITIVE);
    let is_near = |value: f64| value >= lower - 8.0 * spread && value <= upper + 8.0 * spread;
    let near: Vec<f64> = sorted.iter().copied().filter(|value| is_near(*value)).collect();
    match (near.first(), near.last()) {
        (Some(low), Some(high)) => Some((*low, *high)),
        _ => Some((first, last)),
    }
}

/// With two or three values nothing is usual: only what is a thousand times as large as the smallest is left out.
fn usual_of_few(sorted: &[f64]) -> Option<(f64, f64)> {
    let smallest =
        sorted.iter().map(|value| value.abs()).filter(|size| *size > 0.0).fold(f64::INFINITY, f64::min);
    let near = sorted.iter().copied().filter(|value| value.abs() <= 1000.0 * smallest.max(f64::MIN_POSITIVE));
    ends(near).or_else(|| ends(sorted.iter().copied()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(scale: Scale, about: usize) -> Vec<String> {
        scale.ticks(about).into_iter().map(|tick| tick.label).collect()
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(labels(Scale::between(0.0, 1.0), 5), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels(Scale::between(-3.0, 47.0), 5), ["0", "10", "20", "30", "40"]);
        assert_eq!(labels(Scale::log([0.1, 100.0]), 5), ["0.1", "1", "10", "100"]);
        assert_eq!(labels(Scale::log([1.0, 3.0]), 5), ["1", "1.5", "2", "3"]);
        assert_eq!(labels(Scale::log([1e-9, 1e9]), 5), ["10⁻¹⁰", "10⁻⁵", "1", "10⁵", "10¹⁰"]);
    }

    #[test]
    fn scales_hold_what_they_were_made_for() {
        for values in [vec![5.0], vec![0.0, 0.0], vec![-3e13, 33.0], vec![], vec![f64::NAN, 1.0]] {
            let scale = Scale::linear(values.clone(), 0.05);
            assert!(
                values.iter().filter(|value| value.is_finite()).all(|value| scale.holds(*value)),
                "{values:?}"
            );
            assert!(!scale.ticks(5).is_empty(), "{values:?}");
        }
    }

    #[test]
    fn what_lies_far_off_does_not_set_the_range() {
        assert_eq!(usual(&[33.0, 9.0, 61.0, -3e13, 71.0, -2e13, 74.0, 36.0, 69.0]), Some((9.0, 74.0)));
        assert_eq!(usual(&[33.0, -3e13]), Some((33.0, 33.0)));
        assert_eq!(usual(&[1.0, 2.0, 3.0, 4.0, 5.0]), Some((1.0, 5.0)));
        assert_eq!(usual(&[f64::NAN]), None);
        assert_eq!(usual(&[0.0, 0.0, 0.0]), Some((0.0, 0.0)));
    }
}
