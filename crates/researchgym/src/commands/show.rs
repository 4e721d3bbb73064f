//! `show`: one run's result and attempts; of a search, its candidates.

mod node;

pub(super) use self::node::CONTEXT;

use researchgym_core::event::Line;
use researchgym_core::record::{EmbeddingSpending, SearchRecord, epochs_of};
use researchgym_core::result::{Context, RunResult};
use researchgym_core::search::Chronicle;
use researchgym_core::state::{RunState, StateError};
use researchgym_engine::executor::runs::with_queue;
use researchgym_engine::records::{ideas_of, record_of, verdict_of};
use researchgym_engine::store::{RunFolder, read_log};
use serde_json::json;

use crate::arguments::ShowArguments;
use crate::error::{CommandError, input};
use crate::output::{Outcome, Printer};
use crate::settings::Settings;

pub(crate) fn show(arguments: &ShowArguments, printer: &Printer) -> Outcome {
    let settings = Settings::resolve(&arguments.run.places)?;
    let folder = RunFolder::find(&settings.runs, &arguments.run.run).map_err(input)?;
    if let Some(number) = arguments.node {
        return node::show(&folder, number, arguments, printer);
    }
    if folder.is_imported() {
        let (record, _) = record_of(&folder).map_err(|error| CommandError::input(error.to_string()))?;
        match printer.is_json() {
            true => printer.json(&serde_json::json!(record)),
            false => printer.imported_run(&folder, &record),
        }
        return Ok(0);
    }
    let Read { result, state, search, .. } = read(&folder)?;
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
        if let Some(search) = &search {
            object["search_record"] = json!(search);
        }
        if has_epochs(&state) {
            let ideas = ideas_of(&folder).map_err(|error| CommandError::input(error.to_string()))?;
            object["epochs"] = json!(epochs_of(&ideas));
        }
        printer.json(&object);
    } else {
        printer.show(&result, &state, verdict, search.as_ref());
        if has_epochs(&state) {
            printer.ideas(&ideas_of(&folder).map_err(|error| CommandError::input(error.to_string()))?);
        }
    }
    Ok(0)
}

/// Whether a run is a search that works in epochs.
fn has_epochs(state: &RunState) -> bool {
    let tree = state.search.as_ref();
    tree.is_some_and(|tree| tree.nodes().iter().any(|node| node.tag.epoch.is_some()))
}

/// A run as its log tells it.
struct Read {
    lines: Vec<Line>,
    result: RunResult,
    state: RunState,
    search: Option<SearchRecord>,
}

fn read(folder: &RunFolder) -> Result<Read, CommandError> {
    let reading = read_log(folder).map_err(input)?;
    let (state, chronicle) = folded(&reading.lines)
        .map_err(|error| CommandError::input(format!("{}: {error}", folder.events().display())))?;
    let context = Context {
        run: folder.root().display().to_string(),
        log_head: reading.head,
        is_running: folder.is_locked(),
        segment_ms: None,
    };
    let search = SearchRecord::of(&state, &chronicle).map(|record| {
        let mut embeddings = EmbeddingSpending::default();
        reading.lines.iter().for_each(|line| embeddings.observe(&line.event));
        SearchRecord { embeddings: embeddings.spent(), ..record }
    });
    let result = with_queue(folder, &state, RunResult::of(&state, context));
    Ok(Read { lines: reading.lines, result, state, search })
}

fn folded(lines: &[Line]) -> Result<(RunState, Chronicle), StateError> {
    // An empty log is told by the fold.
    let Some((first, rest)) = lines.split_first() else {
        return RunState::fold(lines).map(|state| (state, Chronicle::default()));
    };
    let (mut state, mut chronicle) = (RunState::start(first)?, Chronicle::default());
    for line in rest {
        state.apply(line)?;
        chronicle.observe(&line.event, &state);
    }
    Ok((state, chronicle))
}

/// A run's result as its log tells it.
pub(super) fn result_of(folder: &RunFolder) -> Result<(RunResult, RunState), CommandError> {
    let Read { result, state, .. } = read(folder)?;
    Ok((result, state))
}
