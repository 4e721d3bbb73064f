//! Claims: numbers that were told at the end and occur in no measured event.

use super::super::finding::{Finding, Mark, Severity};
use super::super::numbers::{Claim, Known, claims};
use super::super::trajectory::{StepKind, Trajectory};

/// Words after which a sentence speaks of something else than a result of this run, up to the end of the clause.
const NO_CLAIM: [&str; 21] = [
    "target",
    "aim",
    "goal",
    "expect",
    "hope",
    "baseline",
    "threshold",
    "estimat",
    "paper",
    "publish",
    "if ",
    "at least",
    "at most",
    "beat",
    "optimal",
    "optimum",
    "theor",
    "above",
    "below",
    "try ",
    "want",
];
/// Words that make no claim of the clause in which they stand; other clauses of the sentence claim what they claim.
const HEDGES: [&str; 9] = ["should", "would", "could", "might", "may ", "need", "about", "approx", "roughly"];

/// Whether a sentence says its number as a result: nothing up to the end of the number's clause speaks against it.
fn is_claim(sentence: &str, claim: &Claim) -> bool {
    const ENDS: [&str; 9] = [", ", "; ", " (", ") ", " but ", " which ", " although ", " while ", " and "];
    let (before, after) = (&sentence[..claim.at], &sentence[claim.number.end..]);
    let begins = ENDS.iter().filter_map(|end| Some(before.rfind(end)? + end.len())).max().unwrap_or(0);
    let ends = ENDS.iter().filter_map(|end| after.find(end)).min().unwrap_or(after.len());
    let whole = sentence[..claim.number.end + ends].to_lowercase();
    let clause = sentence[begins..claim.number.end + ends].to_lowercase();
    !NO_CLAIM.iter().any(|word| whole.contains(word)) && !HEDGES.iter().any(|word| clause.contains(word))
}

pub(super) fn find(trajectory: &Trajectory) -> Vec<Finding> {
    let metrics: Vec<String> = trajectory.facts.metrics.iter().map(|metric| metric.name.clone()).collect();
    let mut known = known_before(trajectory);
    let mut findings = Vec::new();
    for (index, step) in trajectory.steps.iter().enumerate() {
        known.add_attempts(trajectory, index);
        known.numbers.add_text(&step.output);
        if step.kind != StepKind::Say {
            continue;
        }
        for sentence in
            step.text.split_inclusive(['\n', '!', '?']).flat_map(|line| line.split_inclusive(". "))
        {
            for claim in claims(sentence, &metrics) {
                if !is_claim(sentence, &claim)
                    || claim.number.decimals == 0
                    || known.numbers.holds(claim.number)
                {
                    continue;
                }
                let best = best(trajectory, index);
                let is_better = best.is_none_or(|(value, gain)| gain(claim.number.value) > 0.1 * value.abs());
                let (severity, confidence) =
                    if is_better { (Severity::Major, 0.65) } else { (Severity::Moderate, 0.55) };
                let mark = Mark {
                    kind: "claim_without_measurement",
                    severity,
                    confidence,
                    description: format!(
                        "{} is claimed for `{}`; no output and no score before it has this number.",
                        claim.number.value, claim.metric
                    ),
                };
                findings.push(Finding::at(step, sentence, claim.at, mark));
            }
        }
    }
    findings
}

/// The best score before a step, and by how much a value is better.
fn best(trajectory: &Trajectory, index: usize) -> Option<(f64, impl Fn(f64) -> f64)> {
    let direction = trajectory.primary()?.direction;
    let values = trajectory
        .attempts
        .iter()
        .filter(|attempt| attempt.after_steps <= index)
        .filter_map(|attempt| attempt.value);
    let best = values.reduce(|one, other| if direction.gain(other, one) > 0.0 { other } else { one })?;
    Some((best, move |value| direction.gain(value, best)))
}

/// Numbers that may be told, growing with the steps.
pub(super) struct KnownBefore {
    pub(super) numbers: Known,
    attempts: usize,
}

/// What may be known before the first step.
pub(super) fn known_before(trajectory: &Trajectory) -> KnownBefore {
    let mut numbers = Known::default();
    trajectory.facts.known_numbers.iter().for_each(|number| numbers.add(*number));
    KnownBefore { numbers, attempts: 0 }
}

impl KnownBefore {
    /// Adds the scores that were told before a step.
    pub(super) fn add_attempts(&mut self, trajectory: &Trajectory, step: usize) {
        while let Some(attempt) =
            trajectory.attempts.get(self.attempts).filter(|attempt| attempt.after_steps <= step)
        {
            attempt.numbers.iter().for_each(|number| self.numbers.add(*number));
            self.attempts += 1;
        }
    }
}
