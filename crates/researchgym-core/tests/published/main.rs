//! MLGym's published tables, computed again from its 676 published runs: all areas under performance profiles, all scores and
//! the scored part of the ranks; endings, failed runs and actions beside an independent count in Python.
//!
//! Needs `mlgym` in RESEARCHGYM_TEST_DATA, or else in `../shared/data` beside the repository; says so where it is not there.

#![expect(
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "tests: a panic is a failure, and what is skipped is said"
)]
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests: what is published lies in files"
)]

mod archive;
mod behaviour;
mod tables;

use researchgym_core::record::RunRecord;
use researchgym_core::statistics::{Analysis, GroupBy, Options};

/// The models of the published tables in their order there; the data has another one, which the tables leave out.
const MODELS: [&str; 12] = [
    "gpt4o2",
    "gpt-o3-mini",
    "gpt-o1",
    "deepseek-r1",
    "llama3-405b-tools",
    "llama4-17b-16",
    "llama4-17b-128",
    "claude-35-sonnet-new",
    "claude-37-sonnet",
    "gemini-15-pro",
    "gemini-20-flash-thinking",
    "gemini-25-pro",
];

/// The published runs analysed as the tables were made.
fn analysed(records: &[RunRecord], resamples: u32) -> Analysis {
    let order = MODELS.iter().map(|name| (*name).to_owned()).collect();
    Analysis::of(records, &Options { group_by: GroupBy::Model, order, resamples, ..Options::default() })
}
