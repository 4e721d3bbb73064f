//! The one owner of a run's log and state: every event goes through here, is appended, folded and shown, in this order.

use std::sync::Arc;

use jiff::Timestamp;
use researchgym_core::action::Body;
use researchgym_core::event::{Ending, Event, Line};
use researchgym_core::executor::Executor;
use researchgym_core::failure::{Boundary, Failure};
use researchgym_core::model::redact::Redactor;
use researchgym_core::result::{Context, RunResult};
use researchgym_core::spec::AgentSpec;
use researchgym_core::state::{Ended, RunState};
use serde::Serialize;

use super::behind::Behind;
use crate::store::{Blobs, EventLog, RunFolder, RunLock, StoreError, event_time};

/// Is told each event after it was appended.
pub type Observer = Arc<dyn Fn(&Line, &RunState) + Send + Sync>;

/// A run's log, its state, and who watches.
pub(crate) struct Recorder {
    pub(crate) folder: RunFolder,
    pub(crate) blobs: Blobs,
    pub(crate) state: RunState,
    log: EventLog,
    observer: Observer,
    redactor: Option<Redactor>,
    /// Once something was to reach the disk beside the run.
    behind: Option<Behind>,
    /// Room for what is to be kept.
    room: Vec<u8>,
    _lock: RunLock,
}

impl Recorder {
    /// Begins a new run's log with its first event.
    pub(crate) fn create(
        folder: RunFolder,
        lock: RunLock,
        first: Event,
        observer: Observer,
    ) -> Result<Recorder, Failure> {
        let mut log = EventLog::create(&folder)?;
        let line = log.append(&event_time(Timestamp::now()), first)?;
        log.sync()?;
        let state =
            RunState::start(&line).map_err(|error| Failure::new(Boundary::Store, error.to_string()))?;
        observer(&line, &state);
        Ok(Recorder::of(folder, lock, log, state, observer))
    }

    /// Goes on with an existing log, whose events were folded into `state`.
    pub(crate) fn reopen(
        folder: RunFolder,
        lock: RunLock,
        log: EventLog,
        state: RunState,
        observer: Observer,
    ) -> Recorder {
        Recorder::of(folder, lock, log, state, observer)
    }

    fn of(folder: RunFolder, lock: RunLock, log: EventLog, state: RunState, observer: Observer) -> Recorder {
        let spec = &state.started.spec;
        // Jobs read what they need on other machines, where what is appended to a file may be seen late.
        let blobs = match (&spec.agent, &spec.executor) {
            (AgentSpec::Search(_), Executor::Local) => folder.blobs().packing(),
            _ => folder.blobs(),
        };
        Recorder {
            blobs,
            folder,
            state,
            log,
            observer,
            redactor: None,
            behind: None,
            room: Vec::new(),
            _lock: lock,
        }
    }

    /// From here on no event and no kept body holds one of these keys.
    pub(crate) fn hide(&mut self, redactor: Redactor) {
        self.redactor = Some(redactor);
    }

    /// Keeps what was said to or by a model.
    pub(crate) fn keep(&self, bytes: &[u8]) -> Result<Body, Failure> {
        Ok(match &self.redactor {
            Some(redactor) => self.blobs.body(&redactor.redact_bytes(bytes))?,
            None => self.blobs.body(bytes)?,
        })
    }

    /// The same for what is kept as JSON.
    pub(crate) fn keep_json(&mut self, value: &impl Serialize) -> Result<Body, Failure> {
        let mut room = std::mem::take(&mut self.room);
        room.clear();
        serde_json::to_writer(&mut room, value)
            .map_err(|error| Failure::new(Boundary::Agent, format!("a message: {error}")))?;
        let kept = self.keep(&room);
        self.room = room;
        kept
    }

    /// Appends one event and gives its line. The event, and all that were gathered before it, are in the kernel's hands
    /// before this returns.
    pub(crate) fn append(&mut self, event: Event) -> Result<Line, Failure> {
        let line = self.line(event)?;
        self.flush()?;
        self.fold(&line)?;
        Ok(line)
    }

    /// The same for an event that another one or [`Recorder::flush`] follows before anything outside builds on it: a write
    /// takes longer than all else. Where that write fails the state has an event that the log has not, and the run ends as
    /// failed: nothing that says how good something is may be gathered.
    pub(crate) fn gather(&mut self, event: Event) -> Result<(), Failure> {
        let line = self.line(event)?;
        self.fold(&line)
    }

    fn line(&mut self, event: Event) -> Result<Line, Failure> {
        let redactor = self.redactor.as_ref();
        let hide = |line: &[u8]| without_keys(line, redactor?);
        Ok(self.log.gather_hiding(&event_time(Timestamp::now()), event, hide)?)
    }

    fn fold(&mut self, line: &Line) -> Result<(), Failure> {
        self.state.apply(line).map_err(|error| Failure::new(Boundary::Store, error.to_string()))?;
        (self.observer)(line, &self.state);
        Ok(())
    }

    /// Hands what was gathered to the kernel.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        let log = &mut self.log;
        if !log.is_gathering() {
            return Ok(());
        }
        Ok(match &self.behind {
            Some(behind) => behind.appending(|| log.flush()),
            None => log.flush(),
        }?)
    }

    /// Appends one event and waits until it is on the disk: for paid calls, scores and endings.
    pub(crate) fn append_synced(&mut self, event: Event) -> Result<Line, Failure> {
        let line = self.append(event)?;
        tokio::task::block_in_place(|| self.sync())?;
        Ok(line)
    }

    /// Appends an event of another run's log at its own time. Nobody is told: it is not news.
    pub(crate) fn copy(&mut self, line: &Line) -> Result<Line, Failure> {
        let line = self.log.append(&line.time, line.event.clone())?;
        self.state.apply(&line).map_err(|error| Failure::new(Boundary::Store, error.to_string()))?;
        Ok(line)
    }

    /// Waits until everything appended so far is on the disk.
    pub(crate) fn sync(&mut self) -> Result<(), Failure> {
        self.flush()?;
        if let Some(behind) = &self.behind {
            let settled = behind.settle();
            self.unless_lost(settled)?;
        }
        Ok(self.blobs.sync_pending().and_then(|()| self.log.sync())?)
    }

    /// Has everything appended so far brought to the disk beside the run, which goes on meanwhile; it waits only if it is
    /// far ahead of the disk. An error is one of now or of an earlier time.
    pub(crate) fn sync_beside(&mut self) -> Result<(), Failure> {
        self.flush()?;
        let behind = match &self.behind {
            Some(behind) => behind.clone(),
            None => {
                let behind = Behind::new(self.blobs.clone(), self.log.second_handle()?);
                self.behind.insert(behind).clone()
            }
        };
        let reached = behind.ask().and_then(|is_far| match is_far {
            true => tokio::task::block_in_place(|| behind.settle()),
            false => Ok(()),
        });
        self.unless_lost(reached)
    }

    /// What the disk has not taken in is not known any more: nothing may follow.
    fn unless_lost(&mut self, synced: Result<(), StoreError>) -> Result<(), Failure> {
        if synced.is_err() {
            self.log.poison();
        }
        Ok(synced?)
    }

    /// Marks the run as failed when its log can no longer be written: the result must still say so.
    pub(crate) fn end_without_record(&mut self, failure: Failure) {
        self.state.ended = Some(Ended { ending: Ending::Failed, failure: Some(failure) });
    }

    /// The run's result as it stands.
    pub(crate) fn result(&self, segment_ms: Option<u64>) -> RunResult {
        let context = Context {
            run: self.folder.root().display().to_string(),
            log_head: self.log.head(),
            is_running: true,
            segment_ms,
        };
        RunResult::of(&self.state, context)
    }
}

/// The event of a line without the keys that are in it, if any are. Nobody should ever put one into an event: this is for
/// whoever echoes one.
fn without_keys(line: &[u8], redactor: &Redactor) -> Option<Event> {
    if !redactor.contains(line) {
        return None;
    }
    let event =
        serde_json::from_slice::<Line>(line).ok().and_then(|line| serde_json::to_string(&line.event).ok())?;
    serde_json::from_str(&redactor.redact(&event)).ok()
}
