//! How runs ended, in MLGym's categories, and which runs count as complete.
//!
//! MLGym's categories are those of its paper's figures on endings. An exit status can belong to two. They need the raw status
//! ([`crate::record::EndingRecord::told`]), which only a trajectory holds; a record without it has none.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::behaviour::{Tally, tally};
use super::corpus::Corpus;
use crate::record::{Cause, Origin, RunRecord};

/// The program whose runs tell MLGym's statuses.
const MLGYM: &str = "mlgym";

/// Exit categories of MLGym's runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Exits {
    /// Runs of MLGym that tell their status.
    pub runs: u64,
    /// Runs of MLGym that do not: their trajectory is missing.
    pub unknown: u64,
    /// Runs by category; a run counts once in each of its own.
    pub categories: Tally<String>,
    /// Runs by raw status.
    pub statuses: BTreeMap<String, u64>,
}

/// Whether a run came to its end, by both of MLGym's definitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Completion {
    /// It submitted or used up its steps.
    pub is_complete: bool,
    /// It submitted, or used up its steps and had a final submission.
    pub is_complete_with_submission: bool,
}

/// The categories of a raw status. An empty one is named by the last action, as in `unknown_error (ls)`.
pub fn categories(status: &str) -> Vec<&str> {
    const RUNTIME: [&str; 6] =
        ["ls -R data/", "ls data/train/", "torchrun", "python train", "python baseline", "python evaluate"];
    let (kind, reason) = match status.split_once(" (") {
        Some((kind, reason)) => (kind, reason.strip_suffix(')').unwrap_or(reason)),
        None => (status, ""),
    };
    match (kind, reason) {
        ("submitted", _) => vec!["Success"],
        ("early_exit", _) => vec!["Runtime"],
        ("autosubmission", "exit_context") => vec!["Context"],
        ("autosubmission", "max_steps") => vec!["Max Steps"],
        ("autosubmission", "exit_cost") => vec!["Cost"],
        ("autosubmission", "exit_format") => vec!["Format"],
        ("autosubmission", "exit_api") => vec!["API"],
        ("submission_not_found" | "evaluation_format_error", "exit_format") => vec!["Evaluation", "Format"],
        ("submission_not_found" | "evaluation_format_error", "exit_context") => vec!["Evaluation", "Context"],
        ("submission_not_found" | "evaluation_format_error", "exit_cost") => vec!["Evaluation", "Cost"],
        ("submission_not_found", "max_steps" | "submit") => vec!["Evaluation"],
        ("evaluation_format_error", "max_steps") => vec!["Evaluation"],
        ("evaluation_format_error", "submit") => vec!["Evaluation", "Submit"],
        ("unknown_error", "validate") => vec!["Evaluation"],
        ("unknown_error", r#"open "data/train.csv" 0"#) => vec!["Permission"],
        ("unknown_error", action) if RUNTIME.iter().any(|start| action.starts_with(start)) => vec!["Runtime"],
        _ => vec![status],
    }
}

/// The raw status of a run of MLGym, if it tells one.
fn status(record: &RunRecord) -> Option<&str> {
    match &record.origin {
        Origin::Foreign { program, .. } if program == MLGYM => record.ending.told.as_deref(),
        Origin::Foreign { .. } | Origin::Researchgym { .. } => None,
    }
}

/// Whether a run came to its end; `None` if its ending is not known.
///
/// A run of MLGym is judged by its raw status, any other by its cause.
pub fn completion(record: &RunRecord) -> Option<Completion> {
    if let Some(status) = status(record) {
        let categories = categories(status);
        return Some(Completion {
            is_complete: categories.iter().any(|category| ["Success", "Max Steps"].contains(category)),
            is_complete_with_submission: ["submitted", "autosubmission (max_steps)"].contains(&status),
        });
    }
    match record.ending.cause? {
        Cause::Unknown => None,
        Cause::Submitted => Some(Completion { is_complete: true, is_complete_with_submission: true }),
        Cause::StepLimit => {
            Some(Completion { is_complete: true, is_complete_with_submission: record.submitted().is_some() })
        }
        Cause::GaveUp
        | Cause::TimeLimit
        | Cause::Budget
        | Cause::TokenLimit
        | Cause::Context
        | Cause::Format
        | Cause::Evaluation
        | Cause::Provider
        | Cause::Cancelled
        | Cause::Failed => Some(Completion { is_complete: false, is_complete_with_submission: false }),
    }
}

/// The categories of MLGym's runs; `None` if there are none.
pub(super) fn exits(corpus: &Corpus<'_>) -> Option<Exits> {
    let is_mlgym =
        |record: &RunRecord| matches!(&record.origin, Origin::Foreign { program, .. } if program == MLGYM);
    let of_mlgym = || corpus.entries.iter().map(|run| run.record).filter(|record| is_mlgym(record));
    of_mlgym().next()?;
    let mut statuses: BTreeMap<String, u64> = BTreeMap::new();
    for status in of_mlgym().filter_map(status) {
        *statuses.entry(status.to_owned()).or_default() += 1;
    }
    let runs = statuses.values().sum();
    Some(Exits {
        runs,
        unknown: of_mlgym().count() as u64 - runs,
        categories: tally(corpus, |run| {
            let categories = status(run.record).map(categories).unwrap_or_default();
            categories.into_iter().map(|category| (category.to_owned(), 1)).collect::<Vec<(String, u64)>>()
        }),
        statuses,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_have_categories() {
        let check = |status: &str, expected: &[&str]| assert_eq!(categories(status), expected, "{status}");
        check("submitted", &["Success"]);
        check("autosubmission (max_steps)", &["Max Steps"]);
        check("submission_not_found (exit_format)", &["Evaluation", "Format"]);
        check("evaluation_format_error (submit)", &["Evaluation", "Submit"]);
        check("submission_not_found (exit_cost)", &["Evaluation", "Cost"]);
        check(r#"unknown_error (open "data/train.csv" 0)"#, &["Permission"]);
        check("unknown_error (ls -R data/)", &["Runtime"]);
        check("unknown_error (cat x (y))", &["unknown_error (cat x (y))"]);
        check("ValueError, bad, (submit)", &["ValueError, bad, (submit)"]);
    }
}
