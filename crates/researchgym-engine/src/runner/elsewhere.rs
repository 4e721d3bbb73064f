//! The ending of a run on which somebody else worked, or was to work, and does not any more.

use std::sync::Arc;

use jiff::Timestamp;
use researchgym_core::event::{Ending, Event, Line};
use researchgym_core::failure::Failure;
use researchgym_core::state::RunState;

use super::open::{OpenError, settle};
use crate::session::Recorder;
use crate::store::{EventLog, RunFolder, StoreError};

/// From when to when a run is known to have been worked on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AtWork {
    pub(crate) since: Timestamp,
    pub(crate) until: Timestamp,
}

/// Ends a run that has not ended, after settling what was in flight; one that has ended stays as it is. Its wall time is what
/// its log and `at_work` tell of this segment: it may have been more, of which nobody knows. Gives what could not be
/// derived from the log.
///
/// # Errors
/// Somebody works on it, or its log cannot be read or written.
pub(crate) fn end_elsewhere(
    folder: &RunFolder,
    ending: Ending,
    failure: Option<Failure>,
    at_work: Option<AtWork>,
) -> Result<Vec<String>, OpenError> {
    let lock = folder.lock()?;
    let (log, mut lines, torn) = EventLog::reopen(folder)?;
    let run_id = folder.id().to_owned();
    let state = RunState::fold(&lines).map_err(|source| OpenError::State { run_id, source })?;
    if state.ended.is_some() {
        return Ok(Vec::new());
    }
    let known = segment(&lines, at_work);
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
    // By the events that count time, if that is more.
    let counted = recorder.state.wall_ms(None) - recorder.state.wall_ms(Some(0));
    let segment_wall_ms = known.max(counted);
    recorder.append_synced(Event::RunEnded { ending, failure, working_ms, segment_wall_ms })?;
    Ok(super::derived::write_all(&recorder))
}

/// Milliseconds from the first to the last sign of work in a log's last segment. That a run was asked for is none.
fn segment(lines: &[Line], at_work: Option<AtWork>) -> u64 {
    let begins = |line: &Line| {
        matches!(line.event, Event::RunStarted(_) | Event::RunResumed | Event::RunExtended { .. })
    };
    let first = lines.iter().rposition(begins).unwrap_or(0);
    let signs = lines[first..].iter().filter(|line| !matches!(line.event, Event::RunStarted(_)));
    let times = signs.filter_map(|line| line.time.parse::<Timestamp>().ok());
    let seen = at_work.into_iter().flat_map(|at_work| [at_work.since, at_work.until]);
    let (least, most) =
        times.chain(seen).fold((None, None), |(least, most): (Option<Timestamp>, _), time| {
            (Some(least.map_or(time, |least| least.min(time))), most.max(Some(time)))
        });
    let (Some(least), Some(most)) = (least, most) else { return 0 };
    u64::try_from(most.as_millisecond() - least.as_millisecond()).unwrap_or(0)
}

/// Whether the run is only held by somebody.
pub(crate) fn is_held(error: &OpenError) -> bool {
    matches!(error, OpenError::Store(StoreError::Locked { .. }))
}
