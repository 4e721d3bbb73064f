//! Scores: metrics with a direction, validity, and what speaks against trusting them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Metric name -> finite number. Names are free text.
pub type Metrics = BTreeMap<String, f64>;

/// Whether more is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Higher is better.
    Maximize,
    /// Lower is better.
    Minimize,
}

impl Direction {
    /// By how much `value` is better than `reference`; negative if it is worse.
    pub fn gain(self, value: f64, reference: f64) -> f64 {
        match self {
            Direction::Maximize => value - reference,
            Direction::Minimize => reference - value,
        }
    }
}

/// The metric that decides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Primary {
    /// Its name among the metrics.
    pub name: String,
    /// Which way is better.
    pub direction: Direction,
}

/// What a score was computed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// Data or seeds that the final score does not use.
    Validation,
    /// The data that counts.
    Test,
}

/// Why an attempt was graded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AttemptKind {
    /// The agent asked for a validation.
    Validate,
    /// The agent submitted.
    Submit,
    /// The run reached a limit or gave up with an artefact in place.
    Auto,
}

impl AttemptKind {
    /// Whether this attempt is a final submission (by the agent or by the runner).
    pub fn is_submission(self) -> bool {
        match self {
            AttemptKind::Validate => false,
            AttemptKind::Submit | AttemptKind::Auto => true,
        }
    }
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth a look.
    Info,
    /// The score may not mean what it says.
    Warning,
    /// The score must not be used.
    Critical,
}

/// Something that speaks against trusting a score.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// A short name such as `protected_file_changed` or `cpu_limit_exceeded`.
    #[serde(rename = "type")]
    pub kind: String,
    /// How bad it is.
    pub severity: Severity,
    /// Sequence numbers of the events it rests on; filled in by the run.
    #[serde(default)]
    pub events: Vec<u64>,
    /// What was seen, in a sentence.
    pub evidence: String,
}

/// The grader's verdict on one attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Score {
    /// The metrics; empty if the attempt is not valid.
    pub metrics: Metrics,
    /// Why there is no valid score; null if there is one.
    pub invalid: Option<String>,
    /// What speaks against trusting it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
}

impl Score {
    /// A verdict without a score.
    pub fn invalid(reason: impl Into<String>) -> Score {
        Score { metrics: Metrics::new(), invalid: Some(reason.into()), findings: Vec::new() }
    }

    /// The primary metric's value, if the attempt is valid.
    pub fn value(&self, primary: &Primary) -> Option<f64> {
        if self.invalid.is_some() {
            return None;
        }
        self.metrics.get(&primary.name).copied()
    }
}
