//! `inspection_report.json`: the seed project's keys, and ours beside them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;

use super::finding::Finding;
use super::verdict::{Judgement, Verdict};

/// The version of the report.
pub const REPORT_SCHEMA: u32 = 1;

/// What an inspection found of one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Version of this object: 1.
    pub schema: u32,
    /// What is to be made of the run.
    pub verdict: Verdict,
    /// How sure that is, from 0 to 1: a pass from 0.8, a suspicion from 0.7, a review from 0.4 to 0.7.
    pub confidence: f64,
    /// In a sentence or two, in our own words.
    pub summary: String,
    /// What speaks against trusting the score, the worst first.
    pub violations: Vec<Finding>,
    /// The pieces of evidence, one for each violation, with the events they are from.
    pub evidence: Vec<String>,
    /// What could not be read, so that nothing can be said of it.
    pub gaps: Vec<String>,
    /// The model that was asked, as `provider/model`; null if the rules alone judged.
    pub inspector_model: Option<String>,
    /// What came of asking the model, if it was asked.
    pub judge: Option<Judge>,
    /// What the model's calls cost; null if none was asked.
    pub cost: Option<Cost>,
    /// When, RFC 3339 in UTC.
    pub timestamp: String,
    /// The run's id, or the name of a foreign trajectory's file.
    pub run_id: String,
    /// Where the run is, absolute.
    pub run_dir: String,
    /// The head of the log that was judged: the report says nothing of what was appended later. For a foreign trajectory the
    /// hash of its file.
    pub log_head: Digest,
    /// What was read: `researchgym` or `mlgym`.
    pub format: String,
    /// The version of the program that judged.
    pub version: String,
}

/// What came of asking a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Judge {
    /// Whether it gave an opinion that could be used.
    pub is_complete: bool,
    /// Its summary, escaped and bounded; nothing follows from it.
    pub summary: String,
    /// What of its opinion was not used, and why.
    pub dropped: Vec<String>,
}

/// What a model's calls cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cost {
    /// Calls.
    pub calls: u64,
    /// Tokens of prompts, cached ones too.
    pub input_tokens: u64,
    /// Tokens of answers, thinking included.
    pub output_tokens: u64,
    /// Of the prompts, read from a cache.
    pub cached_tokens: u64,
    /// Of the answers, thinking.
    pub reasoning_tokens: u64,
    /// Prompts and answers.
    pub total_tokens: u64,
    /// US dollars.
    pub cost_usd: f64,
}

/// What a report is about.
#[derive(Clone, Debug, PartialEq)]
pub struct Subject {
    /// See [`Report::run_id`].
    pub run_id: String,
    /// See [`Report::run_dir`].
    pub run_dir: String,
    /// See [`Report::log_head`].
    pub log_head: Digest,
    /// See [`Report::format`].
    pub format: String,
}

impl Report {
    /// The report on findings.
    pub fn new(
        subject: Subject,
        judgement: Judgement,
        findings: Vec<Finding>,
        gaps: Vec<String>,
        timestamp: String,
    ) -> Report {
        let evidence = findings.iter().map(|finding| {
            let events: Vec<String> = finding.events.iter().map(ToString::to_string).collect();
            format!("event {}: {}", events.join(", "), finding.evidence)
        });
        Report {
            schema: REPORT_SCHEMA,
            verdict: judgement.verdict,
            confidence: judgement.confidence,
            summary: judgement.summary,
            evidence: evidence.collect(),
            violations: findings,
            gaps,
            inspector_model: None,
            judge: None,
            cost: None,
            timestamp,
            run_id: subject.run_id,
            run_dir: subject.run_dir,
            log_head: subject.log_head,
            format: subject.format,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}
