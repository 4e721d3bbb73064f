//! The limits of a run as they are written: a number, or `unlimited`.

use researchgym_core::spec::MicroUsd;
use researchgym_engine::session::{Change, LimitChanges};

use crate::arguments::RunArguments;
use crate::error::CommandError;

/// The totals that are given, as changes of those that a run has.
pub(super) fn changes(arguments: &RunArguments) -> Result<LimitChanges, CommandError> {
    let change = |total: Option<u64>| total.map_or(Change::Unlimited, Change::To);
    let money = |total: Option<MicroUsd>| change(total.map(|total| total.0));
    Ok(LimitChanges {
        working_ms: arguments.hours.as_deref().map(hours).transpose()?.map(change),
        steps: arguments.steps.as_deref().map(steps).transpose()?.map(change),
        budget: arguments.budget.as_deref().map(budget).transpose()?.map(money),
        tokens: arguments.tokens.as_deref().map(tokens).transpose()?.map(change),
    })
}

pub(super) fn hours(text: &str) -> Result<Option<u64>, CommandError> {
    limit("--hours", text, "a number above 0", |hours| (hours > 0.0).then_some((hours * 3.6e6).ceil() as u64))
}

pub(in crate::commands) fn budget(text: &str) -> Result<Option<MicroUsd>, CommandError> {
    limit("--budget", text, "a number, not below 0", |usd| {
        (usd >= 0.0).then_some(MicroUsd((usd * 1e6).floor() as u64))
    })
}

pub(super) fn tokens(text: &str) -> Result<Option<u64>, CommandError> {
    limit("--tokens", text, "a whole number above 0", |tokens| {
        (tokens > 0.0 && tokens.fract() == 0.0).then_some(tokens as u64)
    })
}

pub(super) fn steps(text: &str) -> Result<Option<u64>, CommandError> {
    limit("--steps", text, "a whole number, not below 0", |steps| {
        (steps >= 0.0 && steps.fract() == 0.0).then_some(steps as u64)
    })
}

fn limit<T>(
    flag: &str,
    text: &str,
    wanted: &str,
    accept: impl Fn(f64) -> Option<T>,
) -> Result<Option<T>, CommandError> {
    if text == "unlimited" {
        return Ok(None);
    }
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
    number
        .and_then(accept)
        .map(Some)
        .ok_or_else(|| CommandError::input(format!("{flag} {text}: must be {wanted}, or `unlimited`")))
}
