//! The control protocol between the host and a grader: JSON lines on the grader's descriptor 3.
//!
//! The host sends one [`Start`]; the grader answers with any number of `cpu` and `finding` messages and ends with
//! exactly one `score` or `invalid`. A line is at most [`MAX_LINE_BYTES`].

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::score::{AttemptKind, Finding, Metrics, Score, Split};
use crate::task::{Metric, Parameter};

/// The longest line in either direction.
pub const MAX_LINE_BYTES: usize = 1 << 20;
/// The most findings that one grading may report; further ones are dropped.
pub const MAX_FINDINGS: usize = 100;
/// The first of the players' descriptors in the grader.
pub const FIRST_PLAYER_DESCRIPTOR: i32 = 4;

/// What the grader is told first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "start", deny_unknown_fields)]
pub struct Start {
    /// Why it grades.
    pub kind: AttemptKind,
    /// On what.
    pub split: Split,
    /// 32 bytes from which it draws everything random.
    pub secret: Digest,
    /// The seed that players get; tells nothing about the secret. Below 2^53.
    pub player_seed: u64,
    /// The task's variant.
    pub variant: String,
    /// The task's parameters with the variant applied.
    pub parameters: BTreeMap<String, Parameter>,
    /// Names of the metrics that a score must hold.
    pub metrics: Vec<String>,
    /// The declared artefacts, below `/submission`.
    pub artefacts: Vec<String>,
    /// Player's name -> descriptor of the socket to it.
    pub players: BTreeMap<String, i32>,
}

/// What the grader says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum GraderMessage {
    /// Asks how much CPU a player's sandbox has used so far; answered by [`Cpu`].
    Cpu {
        /// The player's name.
        player: String,
    },
    /// Something that speaks against trusting the score.
    Finding {
        /// It; `events` stays empty.
        finding: Finding,
    },
    /// The last message of a valid grading.
    Score {
        /// All declared metrics, finite.
        metrics: Metrics,
    },
    /// The last message when the submission has no valid score.
    Invalid {
        /// What is wrong with it, for the agent to read.
        reason: String,
    },
}

/// The answer to `cpu`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "cpu", deny_unknown_fields)]
pub struct Cpu {
    /// CPU seconds (user and system) of all processes of that sandbox, ended ones too.
    pub seconds: f64,
}

/// Collects a grader's messages into a score.
#[derive(Debug)]
pub struct Verdict {
    metrics: BTreeSet<String>,
    findings: Vec<Finding>,
    score: Option<Score>,
}

/// A grader broke its protocol: a failure of the grader, not of the submission.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum GraderError {
    /// A line is not a message.
    #[error("the grader sent a line that is not a message: {0}")]
    NotAMessage(String),
    /// Two verdicts, or anything after one.
    #[error("the grader went on after its verdict")]
    AfterVerdict,
    /// It ended without a verdict.
    #[error("the grader ended without a `score` or `invalid` message")]
    NoVerdict,
    /// The metrics are not those of the task.
    #[error("the grader reported the metrics {reported:?}; the task declares {declared:?}")]
    WrongMetrics {
        /// As sent.
        reported: Vec<String>,
        /// As declared.
        declared: Vec<String>,
    },
    /// A metric is not a finite number.
    #[error("the grader reported `{0}` = {1}, which is not a finite number")]
    NotFinite(String, String),
}

impl Verdict {
    /// Begins a grading.
    pub fn new(metrics: &[Metric]) -> Verdict {
        Verdict {
            metrics: metrics.iter().map(|metric| metric.name.clone()).collect(),
            findings: Vec::new(),
            score: None,
        }
    }

    /// Takes one line in; returns the player whose CPU time is asked for, if that is what the line says.
    ///
    /// # Errors
    /// The grader broke the protocol.
    pub fn line(&mut self, line: &[u8]) -> Result<Option<String>, GraderError> {
        let message: GraderMessage =
            serde_json::from_slice(line).map_err(|error| GraderError::NotAMessage(error.to_string()))?;
        if self.score.is_some() {
            return Err(GraderError::AfterVerdict);
        }
        match message {
            GraderMessage::Cpu { player } => return Ok(Some(player)),
            GraderMessage::Finding { mut finding } => {
                finding.events.clear();
                if self.findings.len() < MAX_FINDINGS {
                    self.findings.push(finding);
                }
            }
            GraderMessage::Score { metrics } => {
                self.check(&metrics)?;
                self.score = Some(Score { metrics, invalid: None, findings: Vec::new() });
            }
            GraderMessage::Invalid { reason } => self.score = Some(Score::invalid(reason)),
        }
        Ok(None)
    }

    /// Whether a verdict was given.
    pub fn is_complete(&self) -> bool {
        self.score.is_some()
    }

    /// The score, once the grader has ended.
    ///
    /// # Errors
    /// There was no verdict.
    pub fn finish(self) -> Result<Score, GraderError> {
        let score = self.score.ok_or(GraderError::NoVerdict)?;
        Ok(Score { findings: self.findings, ..score })
    }

    fn check(&self, metrics: &Metrics) -> Result<(), GraderError> {
        if !metrics.keys().eq(self.metrics.iter()) {
            return Err(GraderError::WrongMetrics {
                reported: metrics.keys().cloned().collect(),
                declared: self.metrics.iter().cloned().collect(),
            });
        }
        match metrics.iter().find(|(_, value)| !value.is_finite()) {
            Some((name, value)) => Err(GraderError::NotFinite(name.clone(), value.to_string())),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::score::Direction;

    fn verdict() -> Verdict {
        Verdict::new(&[Metric {
            name: "Score".into(),
            direction: Direction::Maximize,
            primary: true,
            description: None,
        }])
    }

    #[test]
    fn a_score_with_findings_is_taken() {
        let mut verdict = verdict();
        assert_eq!(verdict.line(br#"{"type":"cpu","player":"submission"}"#), Ok(Some("submission".into())));
        let finding = br#"{"type":"finding","finding":{"type":"x","severity":"warning","evidence":"e"}}"#;
        assert_eq!(verdict.line(finding), Ok(None));
        assert_eq!(verdict.line(br#"{"type":"score","metrics":{"Score":1.5}}"#), Ok(None));
        let score = verdict.finish().expect("complete");
        assert_eq!((score.metrics["Score"], score.invalid, score.findings.len()), (1.5, None, 1));
    }

    #[test]
    fn a_broken_protocol_is_the_graders_failure() {
        assert_eq!(verdict().finish(), Err(GraderError::NoVerdict));
        assert!(matches!(verdict().line(b"hello"), Err(GraderError::NotAMessage(_))));
        assert!(matches!(
            verdict().line(br#"{"type":"score","metrics":{}}"#),
            Err(GraderError::WrongMetrics { .. })
        ));
        assert!(matches!(
            verdict().line(br#"{"type":"score","metrics":{"Score":NaN}}"#),
            Err(GraderError::NotAMessage(_))
        ));
        let mut twice = verdict();
        assert_eq!(twice.line(br#"{"type":"invalid","reason":"r"}"#), Ok(None));
        assert_eq!(twice.line(br#"{"type":"score","metrics":{"Score":1}}"#), Err(GraderError::AfterVerdict));
    }
}
