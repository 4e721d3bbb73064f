//! `show`: one run's result and attempts.

use researchgym_core::result::{Context, RunResult};
use researchgym_core::state::RunState;
use researchgym_engine::records::{record_of, verdict_of};
use researchgym_engine::store::{RunFolder, read_log};
use serde_json::json;

use crate::arguments::OneRun;
use crate::error::{CommandError, input};
use crate::output::{Outcome, Printer};
use crate::settings::Settings;

pub(crate) fn show(arguments: &OneRun, printer: &Printer) -> Outcome {
    let settings = Settings::resolve(&arguments.places)?;
    let folder = RunFolder::find(&settings.runs, &arguments.run).map_err(input)?;
    if folder.is_imported() {
        let (record, _) = record_of(&folder).map_err(|error| CommandError::input(error.to_string()))?;
        match printer.is_json() {
            true => printer.json(&serde_json::json!(record)),
            false => printer.imported_run(&folder, &record),
        }
        return Ok(0);
    }
    let (result, state) = result_of(&folder)?;
    let verdict = verdict_of(&folder, result.log_head);
    if printer.is_json() {
        let mut object = serde_json::to_value(&result).unwrap_or_default();
        let attempts: Vec<_> = state
            .attempts
            .iter()
            .map(|attempt| {
                json!({
                    "attempt": attempt.number, "kind": attempt.kind, "split": attempt.split,
                    "score": attempt.score, "submission": attempt.submission, "event": attempt.seq,
                })
            })
            .collect();
        object["attempts"] = attempts.into();
        object["limits"] = json!(state.limits);
        object["started_at"] = json!(state.started_at);
        object["segments"] = json!(state.segments);
        object["inspection"] = json!(verdict);
        printer.json(&object);
    } else {
        printer.show(&result, &state, verdict);
    }
    Ok(0)
}

/// A run's result as its log tells it.
pub(super) fn result_of(folder: &RunFolder) -> Result<(RunResult, RunState), CommandError> {
    let reading = read_log(folder).map_err(input)?;
    let state = RunState::fold(&reading.lines)
        .map_err(|error| CommandError::input(format!("{}: {error}", folder.events().display())))?;
    let context = Context {
        run: folder.root().display().to_string(),
        log_head: reading.head,
        is_running: folder.is_locked(),
        segment_ms: None,
    };
    Ok((RunResult::of(&state, context), state))
}
