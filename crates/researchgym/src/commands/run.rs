//! `run`: a new run, several, or one that goes on.

mod cluster;
mod fork;
mod limits;
mod many;
mod network;
mod resume;
mod running;
mod same;
mod start;
mod web;

use researchgym_core::result::{RunResult, worst_exit_code};

pub(super) use self::limits::budget;
pub(super) use self::running::Running;
pub(super) use self::start::{DEFAULT_BUDGET_USD, Prepared};
use super::on_runtime;
use crate::arguments::RunArguments;
use crate::output::{Outcome, Printer};

pub(crate) fn run(arguments: RunArguments, printer: &Printer) -> Outcome {
    let outcome = on_runtime(async {
        match (arguments.resume.as_slice(), &arguments.fork) {
            ([], Some(place)) => fork::fork(place, &arguments, printer).await,
            ([], None) => start::start(&arguments, printer).await,
            (names, _) => resume::resume(names, &arguments, printer).await,
        }
    });
    if let (Err(error), false) = (&outcome, printer.is_json()) {
        // Scripts read the last line of standard output, whatever the output format.
        printer.usage_object(error);
    }
    outcome
}

fn conclude(results: &[RunResult], as_array: bool, printer: &Printer) -> u8 {
    match (results, as_array) {
        ([result], false) => printer.concluded(result, || printer.summary(result)),
        _ => printer.concluded(&results, || printer.summaries(results)),
    }
    worst_exit_code(results.iter().map(RunResult::exit_code))
}
