//! The numbers to beat: what was published, and what the baseline's own program scores with this grader.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::score::{Metrics, Primary};

/// Numbers to beat, both of them. `published` is shown beside every score; `measured` if nothing was published or what was
/// published is worse by more than the noise floor.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// As published.
    #[serde(default)]
    pub published: Metrics,
    /// Where: paper, section, table.
    #[serde(default)]
    pub source: Option<String>,
    /// What the baseline scores with this grader.
    #[serde(default)]
    pub measured: Metrics,
    /// How far a re-run of the baseline may land from `measured` (absolute, per metric). `task check` holds it.
    #[serde(default)]
    pub tolerance: Metrics,
    /// Differences of the primary metric below this are noise (absolute). An improvement must exceed it, and over what was
    /// measured the tolerance too.
    #[serde(default)]
    pub noise_floor: f64,
}

impl Baseline {
    /// The numbers shown beside scores: those published, unless there are none or what the baseline's own program scores
    /// with this grader is better by more than noise, so that nobody beats them by leaving everything as it is.
    pub fn shown(&self, primary: &Primary) -> &Metrics {
        let values = self.measured.get(&primary.name).zip(self.published.get(&primary.name));
        let gain = values.map(|(measured, published)| primary.direction.gain(*measured, *published));
        let is_too_low = gain.is_some_and(|gain| gain > self.noise_floor);
        if self.published.is_empty() || is_too_low { &self.measured } else { &self.published }
    }

    /// By how much a value of the primary metric must be better than the number [shown](Baseline::shown).
    pub fn margin_shown(&self, primary: &Primary) -> f64 {
        match std::ptr::eq(self.shown(primary), &self.measured) {
            true => self.margin_measured(primary),
            false => self.noise_floor,
        }
    }

    /// The same of what was measured, which a run of the baseline itself may exceed by as much as is tolerated.
    fn margin_measured(&self, primary: &Primary) -> f64 {
        self.tolerance.get(&primary.name).copied().unwrap_or_default().max(self.noise_floor)
    }

    /// Whether a value of the primary metric is better by more than noise than what was published and than what was
    /// measured; `None` if neither is known.
    pub fn is_beaten(&self, primary: &Primary, value: f64) -> Option<bool> {
        let references =
            [(&self.published, self.noise_floor), (&self.measured, self.margin_measured(primary))];
        let mut known = references
            .into_iter()
            .filter_map(|(metrics, margin)| Some((metrics.get(&primary.name)?, margin)))
            .peekable();
        known.peek()?;
        Some(known.all(|(reference, margin)| primary.direction.gain(value, *reference) > margin))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::score::Direction;

    #[test]
    fn nobody_beats_the_baseline_by_leaving_everything_as_it_is() {
        let metrics =
            |value: Option<f64>| value.map(|value| ("score".to_owned(), value)).into_iter().collect();
        let check = |published: Option<f64>,
                     measured: Option<f64>,
                     value: f64,
                     expected: (Option<f64>, Option<bool>)| {
            for (direction, sign) in [(Direction::Maximize, 1.0), (Direction::Minimize, -1.0)] {
                let turned = |value: f64| sign * value;
                let primary = Primary { name: "score".to_owned(), direction };
                let (published, measured) = (metrics(published.map(turned)), metrics(measured.map(turned)));
                let baseline = Baseline { published, measured, noise_floor: 0.5, ..Baseline::default() };
                let shown = baseline.shown(&primary).get("score").copied().map(turned);
                let found = (shown, baseline.is_beaten(&primary, turned(value)));
                assert_eq!(found, expected, "{baseline:?} {value}");
            }
        };
        // What was published is what is compared with, whether or not the program comes up to it.
        check(Some(2.0), Some(1.0), 2.6, (Some(2.0), Some(true)));
        check(Some(2.0), Some(1.0), 2.5, (Some(2.0), Some(false)));
        check(Some(2.0), None, 2.6, (Some(2.0), Some(true)));
        check(None, Some(1.0), 1.6, (Some(1.0), Some(true)));
        // It is too low by less than noise, but an untouched program that has luck does not beat it.
        check(Some(2.0), Some(2.4), 2.6, (Some(2.0), Some(false)));
        check(Some(2.0), Some(2.4), 3.0, (Some(2.0), Some(true)));
        // By more.
        check(Some(2.0), Some(3.0), 3.0, (Some(3.0), Some(false)));
        check(Some(2.0), Some(3.0), 3.6, (Some(3.0), Some(true)));
        check(None, None, 1.0, (None, None));
    }

    #[test]
    fn a_run_of_the_baseline_within_its_tolerance_beats_nothing() {
        let primary = Primary { name: "score".to_owned(), direction: Direction::Maximize };
        let metrics = |value: f64| Metrics::from([("score".to_owned(), value)]);
        let measured = Baseline { measured: metrics(1.0), tolerance: metrics(0.125), ..Baseline::default() };
        let told = |baseline: &Baseline, value| {
            (baseline.is_beaten(&primary, value), baseline.margin_shown(&primary))
        };
        assert_eq!(told(&measured, 1.125), (Some(false), 0.125));
        assert_eq!(told(&measured, 1.25), (Some(true), 0.125));
        let published = Baseline { published: metrics(1.2), ..measured.clone() };
        assert_eq!(told(&published, 1.25), (Some(true), 0.0));
        assert_eq!(told(&Baseline { noise_floor: 0.5, ..measured }, 1.25), (Some(false), 0.5));
    }
}
