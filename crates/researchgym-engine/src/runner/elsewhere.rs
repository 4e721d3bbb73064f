//! The ending of a run on which somebody else worked, or was to work, and does not any more.

use std::sync::Arc;

use researchgym_core::event::{Ending, Event};
use researchgym_core::failure::Failure;
use researchgym_core::state::RunState;

use super::open::{OpenError, settle};
use crate::session::Recorder;
use crate::store::{EventLog, RunFolder, StoreError};

/// Ends a run that has not ended, after settling what was in flight; one that has ended stays as it is. Gives what could
/// not be derived from the log.
///
/// # Errors
/// Somebody works on it, or its log cannot be read or written.
pub(crate) fn end_elsewhere(
    folder: &RunFolder,
    ending: Ending,
    failure: Option<Failure>,
) -> Result<Vec<String>, OpenError> {
    let lock = folder.lock()?;
    let (log, mut lines, torn) = EventLog::reopen(folder)?;
    let run_id = folder.id().to_owned();
    let state = RunState::fold(&lines).map_err(|source| OpenError::State { run_id, source })?;
    if state.ended.is_some() {
        return Ok(Vec::new());
    }
    let mut recorder = Recorder::reopen(folder.clone(), lock, log, state, Arc::new(|_, _| {}));
    if let Some(torn) = torn {
        let text = format!(
            "a torn last line of {} bytes was cut off the log; it is kept in events.torn",
            torn.bytes
        );
        lines.push(recorder.append(Event::Noted { text })?);
    }
    settle(&mut recorder, &mut lines)?;
    let working_ms = recorder.state.working_ms;
    recorder.append_synced(Event::RunEnded { ending, failure, working_ms, segment_wall_ms: 0 })?;
    Ok(super::derived::write_all(&recorder))
}

/// Whether the run is only held by somebody.
pub(crate) fn is_held(error: &OpenError) -> bool {
    matches!(error, OpenError::Store(StoreError::Locked { .. }))
}
