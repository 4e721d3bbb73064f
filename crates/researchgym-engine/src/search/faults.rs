//! How programs of candidates fail: limits, time, signals, statuses, in words for whoever mends them.

use std::time::Duration;

use researchgym_core::observation::{ExecEnding, ReachedLimit};
use researchgym_core::search::event::EvaluationFailure;
use rustix::process::Signal;

use super::evaluator::Said;
use crate::sandbox::ExecOutcome;

/// How a program that ended has failed, if it has.
pub(super) fn fault(
    ended: &ExecOutcome,
    said: &Said,
    timeout: Duration,
) -> Option<(EvaluationFailure, String)> {
    if ended.limits.contains(&ReachedLimit::Memory) {
        return Some((EvaluationFailure::OutOfMemory, "its program met the memory limit".to_owned()));
    }
    if let Some(reason) = flood(ended) {
        return Some((EvaluationFailure::Crash, reason));
    }
    match (ended.ending, ended.exit_code) {
        (ExecEnding::Exited | ExecEnding::ShellEnded, Some(0)) => None,
        (ExecEnding::TimedOut, _) | (_, None) => {
            let reason = format!("its program took more than {} s and was killed", timeout.as_secs_f64());
            Some((EvaluationFailure::TimeOut, reason))
        }
        (_, Some(code)) => {
            let last = said.stderr.trim_end().lines().last().unwrap_or_default();
            let is_build = ["SyntaxError", "IndentationError", "ModuleNotFoundError", "ImportError"]
                .iter()
                .any(|error| last.starts_with(error));
            let kind = if is_build { EvaluationFailure::Build } else { EvaluationFailure::Crash };
            Some((
                kind,
                format!("its program {}{}{last}", ended_with(code), if last.is_empty() { "" } else { ": " }),
            ))
        }
    }
}

/// A status in words: bash has signals above 128.
fn ended_with(code: i32) -> String {
    match code.checked_sub(128).and_then(Signal::from_named_raw) {
        Some(signal) => {
            let name = format!("{signal:?}");
            let name = name.trim_matches('"').trim_start_matches("Signal::");
            format!("was killed by signal {} (SIG{name}), status {code}", code - 128)
        }
        None => format!("ended with status {code}"),
    }
}

/// Why a program was killed that wrote more than there is room for.
fn flood(ended: &ExecOutcome) -> Option<String> {
    /// `SIGXFSZ` as bash reports it: no file may be larger than the workspace.
    const FILE_TOO_LARGE: i32 = 128 + 25;
    if ended.limits.contains(&ReachedLimit::Workspace) {
        let told = ended.notes.first().map(|note| format!(": {note}")).unwrap_or_default();
        return Some(format!("its program met the limit on the workspace (`workspace_mib`){told}"));
    }
    (ended.exit_code == Some(FILE_TOO_LARGE))
        .then(|| "its program wrote a file larger than the workspace may be (`workspace_mib`)".to_owned())
}
