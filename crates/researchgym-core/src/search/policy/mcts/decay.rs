//! How the exploration constant of the tree search falls: the schedules of ML-Master (`utils/mcts.py`,
//! `config_mcts.py`). Time is counted in settled nodes, the baseline included, as the length of its journal.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A schedule of the exploration constant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "shape", rename_all = "kebab-case")]
pub enum Decay {
    /// It stays what it is.
    Constant,
    /// `max(C0 - alpha * t, lower)`.
    Linear(Linear),
    /// `max(C0 * gamma^t, lower)`. The published code looks the factor up where it is not.
    Exponential(Exponential),
    /// C0 until T1, then `max(C0 - alpha * (t - T1), lower)` until T2, then the lower bound. T1 is the first phase
    /// of the search, but at most `num_drafts * num_improves^2`. The published code does not pass its alpha on.
    Piecewise(Piecewise),
    /// C0 in the first phase; then it falls with the progress of the search to the lower bound, at a rate of alpha
    /// per node; then the lower bound. The original guesses the number of nodes from its speed and the time left; a
    /// policy has no clock and takes the number of candidates that the search may make.
    Dynamic(Dynamic),
}

/// Constants of the linear schedule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Linear {
    /// By how much it falls per node: 0.01.
    pub alpha: f64,
    /// What it never falls below: 0.5.
    pub lower: f64,
}

/// Constants of the exponential schedule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Exponential {
    /// Its factor per node: 0.99.
    pub gamma: f64,
    /// What it never falls below: 0.5.
    pub lower: f64,
}

/// Constants of the piecewise schedule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Piecewise {
    /// By how much it falls per node: 0.01.
    pub alpha: f64,
    /// What it never falls below: 0.5.
    pub lower: f64,
    /// Where the phases end, as shares of the search: 0.3 and 0.7.
    pub phases: [f64; 2],
}

/// Constants of the dynamic schedule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Dynamic {
    /// By how much it falls per node: 0.01.
    pub alpha: f64,
    /// What it never falls below: 0.5.
    pub lower: f64,
    /// Where the phases end, as shares of the search: 0.85 and 1.
    pub phases: [f64; 2],
}

impl Default for Linear {
    fn default() -> Linear {
        Linear { alpha: 0.01, lower: 0.5 }
    }
}

impl Default for Exponential {
    fn default() -> Exponential {
        Exponential { gamma: 0.99, lower: 0.5 }
    }
}

impl Default for Piecewise {
    fn default() -> Piecewise {
        Piecewise { alpha: 0.01, lower: 0.5, phases: [0.3, 0.7] }
    }
}

impl Default for Dynamic {
    fn default() -> Dynamic {
        Dynamic { alpha: 0.01, lower: 0.5, phases: [0.85, 1.0] }
    }
}

impl Decay {
    /// Why no schedule is made of these constants, if none is.
    pub(in crate::search::policy) fn contradiction(&self) -> Option<String> {
        match self {
            Decay::Exponential(Exponential { gamma, .. }) if *gamma > 1.0 => {
                Some("the `gamma` of `decay` is more than 1".to_owned())
            }
            Decay::Piecewise(Piecewise { phases: [first, second], .. })
            | Decay::Dynamic(Dynamic { phases: [first, second], .. })
                if !(0.0 <= *first && first <= second && *second <= 1.0) =>
            {
                Some("the `phases` of `decay` are no shares of the search that rise".to_owned())
            }
            Decay::Constant
            | Decay::Linear(_)
            | Decay::Exponential(_)
            | Decay::Piecewise(_)
            | Decay::Dynamic(_) => None,
        }
    }

    /// The constant when `t` of `steps` nodes are settled; it began as `initial`. `first_most` bounds the first
    /// phase of the piecewise schedule.
    pub(super) fn at(&self, t: f64, steps: f64, initial: f64, first_most: f64) -> f64 {
        match self {
            Decay::Constant => initial,
            Decay::Linear(Linear { alpha, lower }) => (initial - alpha * t).max(*lower),
            Decay::Exponential(Exponential { gamma, lower }) => (initial * gamma.powf(t)).max(*lower),
            Decay::Piecewise(Piecewise { alpha, lower, phases }) => {
                let first = (steps * phases[0]).round().min(first_most);
                let second = (steps * phases[1]).round();
                if t < first {
                    initial
                } else if t < second {
                    (initial - alpha * (t - first)).max(*lower)
                } else {
                    *lower
                }
            }
            Decay::Dynamic(Dynamic { alpha, lower, phases }) => {
                let progress = t / steps.max(1.0);
                if progress < phases[0] {
                    initial
                } else if progress < phases[1] {
                    let share = (progress - phases[0]) / (phases[1] - phases[0]);
                    (initial - alpha * share * steps).max(*lower)
                } else {
                    *lower
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_fall_as_published() {
        let cases = [
            (r#"{"shape":"constant"}"#, 1.414, 1.414, 1.414),
            (r#"{"shape":"linear"}"#, 1.314, 0.914, 0.5),
            (r#"{"shape":"exponential"}"#, 1.414 * 0.99_f64.powi(10), 1.414 * 0.99_f64.powi(50), 0.5),
            // The first phase ends at min(45, 150), the second at 350.
            (r#"{"shape":"piecewise"}"#, 1.414, 1.364, 0.5),
            (r#"{"shape":"piecewise","alpha":0.1,"lower":0}"#, 1.414, 0.914, 0.0),
            // At 450 of 500 a third of the second phase is over: 1.414 - 0.01 * 500 / 3 is below the bound.
            (r#"{"shape":"dynamic"}"#, 1.414, 1.414, 0.5),
            (r#"{"shape":"dynamic","alpha":0.001}"#, 1.414, 1.414, 1.414 - 0.5 / 3.0),
        ];
        for (text, at_10, at_50, at_450) in cases {
            let decay: Decay = serde_json::from_str(text).unwrap();
            for (t, expected) in [(10.0, at_10), (50.0, at_50), (450.0, at_450)] {
                let got = decay.at(t, 500.0, 1.414, 45.0);
                assert!((got - expected).abs() < 1e-9, "{text} at {t}: {got}, not {expected}");
            }
        }
        assert!(serde_json::from_str::<Decay>(r#"{"shape":"linear","gamma":1}"#).is_err());
    }
}
