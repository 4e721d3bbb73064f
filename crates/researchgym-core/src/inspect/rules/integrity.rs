//! What the grader and the runner found when they scored: carried over.

use crate::score::Severity as ScoreSeverity;

use super::super::excerpt::{bounded, excerpt};
use super::super::finding::{Finding, Severity, Source};
use super::super::trajectory::Trajectory;

pub(super) fn find(trajectory: &Trajectory) -> Vec<Finding> {
    trajectory
        .integrity
        .iter()
        .map(|known| {
            let (severity, confidence) = match known.severity {
                ScoreSeverity::Critical => (Severity::Critical, 0.95),
                ScoreSeverity::Warning => (Severity::Moderate, 0.65),
                ScoreSeverity::Info => (Severity::Minor, 0.5),
            };
            Finding {
                kind: bounded(&excerpt(&known.kind, 0), 100),
                severity,
                file: None,
                description: "The grading itself reports this on the score.".to_owned(),
                evidence: excerpt(&known.evidence, 0),
                events: known.events.clone(),
                confidence,
                source: Source::Grader,
                judged: None,
            }
        })
        .collect()
}
