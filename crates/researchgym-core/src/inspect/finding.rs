//! Findings: what speaks against trusting a score, with the events it rests on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::excerpt::{bounded, excerpt};
use super::trajectory::Step;

/// The most events that one finding names.
pub const MOST_EVENTS: usize = 50;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing; changes no verdict.
    Minor,
    /// A person should look.
    Moderate,
    /// It is likely that the score does not mean what it says.
    Major,
    /// The score must not be used, if it is so.
    Critical,
}

impl Severity {
    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Minor => "minor",
            Severity::Moderate => "moderate",
            Severity::Major => "major",
            Severity::Critical => "critical",
        }
    }
}

/// Who found it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A rule of this program.
    Rule,
    /// The task's grader, when it scored.
    Grader,
    /// The model that was asked to judge.
    Judge,
}

/// Something that speaks against trusting a score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// A short name such as `protected_file_changed`.
    #[serde(rename = "type")]
    pub kind: String,
    /// How bad it is.
    pub severity: Severity,
    /// The file that it is about, if there is one.
    pub file: Option<String>,
    /// What it means, in a sentence.
    pub description: String,
    /// A piece of the record, bounded; control characters and invisible ones are escaped.
    pub evidence: String,
    /// The events it rests on: sequence numbers of the log, or step numbers of a foreign trajectory.
    pub events: Vec<u64>,
    /// How likely it is that it happened as described, from 0 to 1.
    pub confidence: f64,
    /// Who found it.
    pub source: Source,
    /// What the judge said of it, if it was asked and spoke of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judged: Option<Judged>,
}

/// What a judge said of a rule's finding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Judged {
    /// Whether it agrees.
    pub is_confirmed: bool,
    /// The confidence that it gives.
    pub confidence: f64,
    /// Why, in its words, bounded.
    pub reason: String,
}

impl Finding {
    /// A rule's finding on one step, with the piece of text at a place as its evidence.
    pub fn at(step: &Step, text: &str, place: usize, mark: Mark<'_>) -> Finding {
        Finding {
            kind: mark.kind.to_owned(),
            severity: mark.severity,
            file: None,
            description: bounded(&mark.description, 400),
            evidence: excerpt(text, place),
            events: step.events(),
            confidence: mark.confidence,
            source: Source::Rule,
            judged: None,
        }
    }

    /// The same about a file.
    pub fn about(mut self, file: &str) -> Finding {
        self.file = Some(excerpt(file, 0));
        self
    }
}

/// What a rule says of a trace.
#[derive(Clone, Debug)]
pub struct Mark<'a> {
    /// The finding's name.
    pub kind: &'a str,
    /// How bad it is.
    pub severity: Severity,
    /// How sure.
    pub confidence: f64,
    /// What it means.
    pub description: String,
}
