//! Repeated measurements of one thing.

use std::time::Duration;

/// Durations of one thing, in the order in which they were taken.
#[derive(Clone, Debug, Default)]
pub(crate) struct Samples(Vec<Duration>);

impl Samples {
    pub(crate) fn push(&mut self, duration: Duration) {
        self.0.push(duration);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// A part of them, in order.
    pub(crate) fn part(&self, range: std::ops::Range<usize>) -> Samples {
        Samples(self.0.get(range).unwrap_or_default().to_vec())
    }

    pub(crate) fn mean(&self) -> Duration {
        self.0.iter().sum::<Duration>() / u32::try_from(self.0.len().max(1)).unwrap_or(u32::MAX)
    }

    /// The smallest sample that is not below the given share of all.
    pub(crate) fn quantile(&self, share: f64) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let rank = (share * sorted.len() as f64).ceil() as usize;
        sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    }

    pub(crate) fn minimum(&self) -> Duration {
        self.0.iter().min().copied().unwrap_or_default()
    }

    pub(crate) fn median(&self) -> Duration {
        self.quantile(0.5)
    }
}

impl Extend<Duration> for Samples {
    fn extend<T: IntoIterator<Item = Duration>>(&mut self, durations: T) {
        self.0.extend(durations);
    }
}

impl IntoIterator for Samples {
    type Item = Duration;
    type IntoIter = std::vec::IntoIter<Duration>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl FromIterator<Duration> for Samples {
    fn from_iter<T: IntoIterator<Item = Duration>>(durations: T) -> Samples {
        Samples(durations.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_samples() {
        let samples: Samples = [5, 1, 4, 2, 3].map(Duration::from_millis).into_iter().collect();
        let millis = |duration: Duration| duration.as_millis();
        assert_eq!(millis(samples.median()), 3);
        assert_eq!(millis(samples.quantile(0.99)), 5);
        assert_eq!(millis(samples.minimum()), 1);
        assert_eq!(millis(samples.mean()), 3);
        assert_eq!(millis(samples.part(1..3).mean()), 2);
        assert_eq!(Samples::default().median(), Duration::ZERO);
    }
}
