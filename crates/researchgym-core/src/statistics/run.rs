//! One run in a line: scores, gains, what it used, how it ended.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::corpus::{Corpus, Entry};
use super::options::Kind;
use super::prices::Priced;
use crate::inspect::Verdict;
use crate::record::Cause;
use crate::spec::MicroUsd;

/// One run in a line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunSummary {
    /// The run.
    pub run_id: String,
    /// Whose it is.
    pub contender: String,
    /// The task's label.
    pub task: String,
    /// The agent's name.
    pub agent: String,
    /// The model's name, if one was asked.
    pub model: Option<String>,
    /// Its seed or number, if known.
    pub seed: Option<u64>,
    /// When it began, if known.
    pub started_at: Option<String>,
    /// How it ended.
    pub ending: Option<Cause>,
    /// The best valid attempt's value.
    pub best: Option<f64>,
    /// The final submission's value.
    pub submission: Option<f64>,
    /// What both are compared with: the run's own baseline, or else its task's.
    pub baseline: Option<f64>,
    /// By how much the best attempt is better than the baseline, in the metric's direction.
    pub best_gain: Option<f64>,
    /// By how much the final submission is better than the baseline.
    pub submission_gain: Option<f64>,
    /// Whether the final submission, or else the best attempt, is better by more than noise; `None` without a baseline.
    pub is_improved: Option<bool>,
    /// What was graded.
    pub attempts: u64,
    /// Of this, valid.
    pub valid_attempts: u64,
    /// Steps, if known.
    pub steps: Option<u64>,
    /// Working time in milliseconds, or else wall time, if known.
    pub time_ms: Option<u64>,
    /// Tokens of prompts.
    pub input_tokens: Option<u64>,
    /// Tokens of answers.
    pub output_tokens: Option<u64>,
    /// Model calls.
    pub calls: Option<u64>,
    /// Money in micro-dollars: recorded, or computed from the prices that were given.
    pub cost: Option<MicroUsd>,
    /// Money as it was recorded, in micro-dollars.
    pub recorded_cost: Option<MicroUsd>,
    /// Whether something speaks against its score.
    pub is_flagged: bool,
    /// Findings of grader and runner.
    pub findings: u64,
    /// The newest inspection's verdict.
    pub verdict: Option<Verdict>,
}

impl Entry<'_> {
    /// The value of this kind.
    pub(super) fn value(&self, kind: Kind) -> Option<f64> {
        self.values[kind as usize]
    }

    /// Working time in milliseconds, or else wall time.
    pub(super) fn time_ms(&self) -> Option<u64> {
        self.record.usage.working_ms.or(self.record.usage.wall_ms)
    }

    /// Tokens of prompts and answers.
    pub(super) fn tokens(&self) -> Option<u64> {
        let models = &self.record.usage.models;
        let used = || models.values().map(|used| used.usage.total());
        (!models.is_empty()).then(|| used().fold(0, u64::saturating_add))
    }
}

/// All runs in a line each, in the order of the corpus.
pub(super) fn runs(corpus: &Corpus<'_>, priced: &Priced) -> Vec<RunSummary> {
    let entries = corpus.entries.iter().enumerate();
    entries.map(|(index, entry)| summary(corpus, entry, priced.costs[index])).collect()
}

fn summary(corpus: &Corpus<'_>, entry: &Entry<'_>, cost: Option<MicroUsd>) -> RunSummary {
    let record = entry.record;
    let task = &corpus.tasks[entry.task];
    let gain = |value: Option<f64>| Some(task.primary.as_ref()?.direction.gain(value?, entry.baseline?));
    let (best, submission) = (entry.value(Kind::Best), entry.value(Kind::Submission));
    let (best_gain, submission_gain) = (gain(best), gain(submission));
    let models = &record.usage.models;
    let summed = |count: fn(&crate::record::ModelUse) -> u64| {
        (!models.is_empty()).then(|| models.values().map(count).fold(0, u64::saturating_add))
    };
    RunSummary {
        run_id: record.run_id.clone(),
        contender: corpus.contenders[entry.contender].clone(),
        task: task.label.clone(),
        agent: record.agent.clone(),
        model: record.model.clone(),
        seed: record.seed,
        started_at: record.started_at.clone(),
        ending: record.ending.cause,
        best,
        submission,
        baseline: entry.baseline,
        best_gain,
        submission_gain,
        is_improved: entry
            .baseline
            .map(|_| submission_gain.or(best_gain).is_some_and(|gain| gain > task.noise_floor)),
        attempts: record.attempts.len() as u64,
        valid_attempts: record.attempts.iter().filter(|attempt| attempt.invalid.is_none()).count() as u64,
        steps: record.actions.count(),
        time_ms: entry.time_ms(),
        input_tokens: summed(|used| used.usage.input),
        output_tokens: summed(|used| used.usage.output),
        calls: summed(|used| used.calls),
        cost,
        recorded_cost: record.usage.cost,
        is_flagged: record.is_flagged(),
        findings: record.integrity.len() as u64,
        verdict: record.verdict,
    }
}
