//! The session: one task, one sandbox, one log, and the actions that an agent may take in it.
//!
//! Live, replayed and resumed runs take the same path: an action whose outcome is on record is answered from the
//! record, every other is done. The session owns the run's state; nobody else appends to its log.

mod ask;
mod attempt;
mod behind;
mod clock;
mod control;
mod embeddings;
mod gateway;
mod inbox;
mod network;
mod nodes;
mod record;
mod recorder;
mod reenact;
mod requests;
mod totals;
mod web;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use researchgym_core::action::{Action, Body, Origin};
use researchgym_core::budget::Used;
use researchgym_core::digest::Digest;
use researchgym_core::event::{Ending, Event};
use researchgym_core::failure::{Boundary, Failure};
use researchgym_core::model::RequestSettings;
use researchgym_core::observation::{Captured, ExecEnding, Observation};
use researchgym_core::spec::Limits;
use researchgym_core::state::RunState;
use tokio::sync::watch;

pub use self::ask::Answer;
pub(crate) use self::ask::{PAID_RETRIES, ended_by};
pub(crate) use self::attempt::{WORKSPACE_CAPS, lay_out};
use self::clock::Clock;
pub(crate) use self::control::Desk;
pub use self::control::{CONTROL_SOCKET, Control, control};
pub(crate) use self::embeddings::{EmbeddingBooked, EmbeddingGranted, EmbeddingSent, Vector};
pub(crate) use self::gateway::Counter;
use self::gateway::{Books, Refusals};
pub use self::inbox::Notice;
pub(crate) use self::nodes::{Booked, Granted, Sent};
use self::record::Item;
pub(crate) use self::record::{Answers, Recorded, RecordedAsk, Unfinished, record, unanswered};
pub use self::recorder::Observer;
pub(crate) use self::recorder::Recorder;
pub(crate) use self::reenact::Reenacted;
pub use self::totals::{Change, LimitChanges, LimitError};
use crate::model::Door;
use crate::network::Proxy;
use crate::sandbox::{Capture, Sandbox};
use crate::search::SearchPast;
use crate::snapshot::Snapshotter;
use crate::web::Web;
use crate::workbench::Workbench;

/// Why an agent must stop.
#[derive(Clone, Debug, PartialEq)]
pub enum Stop {
    /// The run is over.
    Ended(Ending),
    /// Something that is not the agent's broke.
    Failed(Failure),
}

impl<E: Into<Failure>> From<E> for Stop {
    fn from(error: E) -> Stop {
        Stop::Failed(error.into())
    }
}

/// One run, ready for an agent.
pub struct Session {
    recorder: Recorder,
    sandbox: Arc<Sandbox>,
    workbench: Arc<Workbench>,
    snapshotter: Snapshotter,
    clock: Clock,
    recorded: VecDeque<Recorded>,
    cancelled: watch::Receiver<bool>,
    submitted: bool,
    snapshot_due: Instant,
    door: Option<Arc<Door>>,
    web: Option<Arc<Web>>,
    counter: Option<Counter>,
    refusals: Refusals,
    proxy: Option<Proxy>,
    desk: Option<Desk>,
    /// What was used after the last thing that the agent did: what it may know.
    seen: Used,
    /// The agent has not been told yet that the run was interrupted.
    was_interrupted: bool,
    /// Notes up to this event are in the conversation.
    told_until: u64,
    /// The question that the next one repeats.
    unanswered: Option<u64>,
    /// What a search knows of its log, until it takes it up.
    search_past: Option<Box<SearchPast>>,
    /// Conversation and settings of the last question in this process.
    asked_with: Option<(u64, RequestSettings)>,
    /// The user has ended a pause.
    unpaused: bool,
}

/// What a session is made of.
pub(crate) struct Parts {
    pub(crate) recorder: Recorder,
    pub(crate) sandbox: Sandbox,
    pub(crate) workbench: Arc<Workbench>,
    pub(crate) snapshotter: Snapshotter,
    /// What the agent did before.
    pub(crate) past: Past,
    pub(crate) door: Option<Arc<Door>>,
    pub(crate) web: Option<Arc<Web>>,
    pub(crate) counter: Option<Counter>,
    pub(crate) proxy: Option<Proxy>,
    pub(crate) desk: Option<Desk>,
    pub(crate) cancelled: watch::Receiver<bool>,
}

/// What an agent did before, in an earlier segment or in the run that this one was forked from.
#[derive(Default)]
pub(crate) struct Past {
    /// From which it is answered.
    pub(crate) recorded: VecDeque<Recorded>,
    /// The question whose answer was lost.
    pub(crate) unanswered: Option<u64>,
    /// Whether the run goes on after a break.
    pub(crate) was_interrupted: bool,
    /// What a search knows of its log, if that was read for it already.
    pub(crate) search: Option<Box<SearchPast>>,
}

/// How much of the outputs of all commands of a run is kept whole; of what comes later only its ends.
const KEPT_OF_A_RUN: u64 = 1 << 30;

/// The workspace is recorded this often, if it changed.
const SNAPSHOT_EVERY: Duration = Duration::from_secs(600);

impl Session {
    pub(crate) fn new(parts: Parts) -> Session {
        let Parts { recorder, sandbox, workbench, snapshotter, past, door, web, .. } = parts;
        let Parts { counter, proxy, desk, cancelled, .. } = parts;
        let seen = if past.recorded.is_empty() { recorder.state.used() } else { Used::default() };
        let clock = Clock::start(Duration::from_millis(recorder.state.working_ms));
        let snapshot_due = Instant::now() + SNAPSHOT_EVERY;
        let sandbox = Arc::new(sandbox);
        Session {
            recorder,
            sandbox,
            workbench,
            snapshotter,
            clock,
            recorded: past.recorded,
            cancelled,
            submitted: false,
            snapshot_due,
            door,
            web,
            counter,
            refusals: Refusals::default(),
            proxy,
            desk,
            seen,
            was_interrupted: past.was_interrupted,
            told_until: 0,
            unanswered: past.unanswered,
            search_past: past.search,
            asked_with: None,
            unpaused: false,
        }
    }

    /// The run's state so far.
    pub fn state(&self) -> &RunState {
        &self.recorder.state
    }

    /// Whether outcomes still come from the record of an earlier segment.
    pub fn is_replaying(&self) -> bool {
        !self.recorded.is_empty()
    }

    /// Reads a body that may be kept as a blob.
    ///
    /// # Errors
    /// The blob is missing or altered.
    pub fn body(&self, body: &Body) -> Result<Vec<u8>, Failure> {
        Ok(self.recorder.blobs.resolve(body)?)
    }

    /// Does one action. This is one step.
    ///
    /// # Errors
    /// [`Stop`] when the run is over (submitted, a limit, cancelled) or broke; the agent returns it.
    pub async fn step(&mut self, action: Action) -> Result<Observation, Stop> {
        let action = self.externalised(action)?;
        if let Some(observation) = self.recall(&action)? {
            return Ok(observation);
        }
        self.may_go_on().await?;
        let observation = self.act(Origin::Agent, action.clone()).await?;
        self.note_used();
        self.snapshot_if_due().await?;
        match (action, &observation) {
            (Action::GiveUp { .. }, _) => Err(Stop::Ended(Ending::GaveUp)),
            _ if self.submitted => Err(Stop::Ended(Ending::Submitted)),
            _ if *self.cancelled.borrow() => Err(Stop::Ended(Ending::Cancelled)),
            (_, Observation::Exec { ending: ExecEnding::Stopped, .. }) => Err(Stop::Ended(Ending::TimeLimit)),
            _ => Ok(observation),
        }
    }

    /// What the run had used after the last thing that the agent did; the same when it is answered from the record.
    pub fn used(&self) -> Used {
        self.seen
    }

    /// The limits in force.
    pub fn limits(&self) -> &Limits {
        &self.recorder.state.limits
    }

    /// The whole content of a recorded output.
    ///
    /// # Errors
    /// The blob is missing or altered.
    pub fn blob(&self, digest: Digest) -> Result<Vec<u8>, Failure> {
        Ok(self.recorder.blobs.get(digest)?)
    }

    /// The first and the last bytes of a recorded output, or all of it once if it is not longer. Unchecked, as the whole
    /// need not be read.
    ///
    /// # Errors
    /// The blob is missing.
    pub fn blob_ends(
        &self,
        digest: Digest,
        first: usize,
        last: usize,
    ) -> Result<(Vec<u8>, Vec<u8>), Failure> {
        Ok(self.recorder.blobs.ends(digest, first, last)?)
    }

    /// Records something for who watches or reads the run. Not again while the agent is answered from the record: it was
    /// recorded then. (After a break between a remark and the next question, the last one is made twice.)
    ///
    /// # Errors
    /// The log cannot be written.
    pub(crate) fn remark(&mut self, text: &str) -> Result<(), Failure> {
        if !self.is_replaying() {
            self.recorder.append(Event::Noted { text: text.to_owned() })?;
        }
        Ok(())
    }

    /// Whether the run may do one more thing.
    async fn may_go_on(&mut self) -> Result<(), Stop> {
        self.attend_desk().await?;
        if *self.cancelled.borrow() {
            return Err(Stop::Ended(Ending::Cancelled));
        }
        let mut used = self.recorder.state.used();
        used.working_ms = self.clock.working_ms();
        match self.recorder.state.limits.reached(used) {
            Some(ending) => Err(Stop::Ended(ending)),
            None => Ok(()),
        }
    }

    fn note_used(&mut self) {
        self.seen = self.recorder.state.used();
    }

    /// Lets time pass for an agent that thinks; it counts as working time and holds no thread.
    ///
    /// # Errors
    /// [`Stop`] when the run was cancelled, its time ran out, or a program inside submitted.
    pub async fn think(&mut self, time: Duration) -> Result<(), Stop> {
        if self.is_replaying() {
            return Ok(());
        }
        let sandbox = self.sandbox.clone();
        self.attend_until(sandbox.guarded(tokio::time::sleep(time))).await
    }

    /// Waits for something outside (a person's next line) while serving programs inside.
    ///
    /// # Errors
    /// As [`Session::think`].
    pub async fn wait_for<T>(&mut self, something: impl Future<Output = T>) -> Result<T, Stop> {
        self.recorder.flush()?;
        let sandbox = self.sandbox.clone();
        self.attend_until(sandbox.guarded(something)).await
    }

    /// Working time left, if it is limited and passes.
    fn time_left(&self) -> Option<Duration> {
        if self.clock.is_held() {
            return None;
        }
        self.recorder
            .state
            .limits
            .working_ms
            .map(|limit| Duration::from_millis(limit).saturating_sub(self.clock.working()))
    }

    /// The recorded outcome of this action, if the record goes on with it.
    fn recall(&mut self, action: &Action) -> Result<Option<Observation>, Stop> {
        let Some(Recorded { item, used }) = self.recorded.front() else { return Ok(None) };
        match item {
            Item::Act(recorded) if recorded.0 == *action => {
                let observation = recorded.1.clone();
                self.seen = *used;
                self.recorded.pop_front();
                Ok(Some(observation))
            }
            Item::Act(recorded) => {
                let recorded = &recorded.0;
                let text =
                    format!("the agent's {} differs from the {} on record", action.name(), recorded.name());
                self.diverged(&text).map(|()| None)
            }
            Item::Ask(_) => {
                let text = format!(
                    "the agent's {} stands where the record has a question to a model",
                    action.name()
                );
                self.diverged(&text).map(|()| None)
            }
        }
    }

    /// The agent does something else than it did: from here on it is not answered from the record.
    fn diverged(&mut self, how: &str) -> Result<(), Stop> {
        let text = format!("{how}; {} recorded entries are not replayed", self.recorded.len());
        self.recorded.clear();
        self.note_used();
        self.recorder.append(Event::Noted { text })?;
        Ok(())
    }

    /// Records an action, does it, records its outcome.
    async fn act(&mut self, origin: Origin, action: Action) -> Result<Observation, Stop> {
        let action_id = self.recorder.state.actions + 1;
        self.recorder.append(Event::Acted { action_id, origin, action: action.clone() })?;
        let began = Instant::now();
        let observation = match &action {
            Action::Exec { command, timeout_s } => self.exec(command, *timeout_s).await?,
            Action::Write { path, content, mode } => self.write(path, content, mode.unwrap_or(0o644)).await?,
            Action::Read { path } => self.read(path).await?,
            Action::Search { query, results } => self.search(action_id, query, *results).await?,
            Action::Fetch { url } => self.fetch(action_id, url).await?,
            Action::Say { .. } => Observation::Said,
            Action::Validate => self.validate().await?,
            Action::Submit => self.submit().await?,
            Action::GiveUp { .. } => Observation::Ended,
        };
        self.record_requests()?;
        self.recorder.append(Event::Observed {
            action_id,
            observation: observation.clone(),
            took_ms: began.elapsed().as_millis() as u64,
            working_ms: self.clock.working_ms(),
        })?;
        Ok(observation)
    }

    async fn exec(&mut self, command: &Body, timeout_s: Option<f64>) -> Result<Observation, Stop> {
        let command = self.recorder.blobs.resolve(command)?;
        let Ok(command) = String::from_utf8(command) else {
            return Ok(Observation::Refused { reason: "a command must be UTF-8 text".into() });
        };
        if command.contains('\0') {
            return Ok(Observation::Refused { reason: "a command must not hold a NUL character".into() });
        }
        let default = self.recorder.state.started.task.limits.command_timeout_s as f64;
        let timeout = Duration::try_from_secs_f64(timeout_s.unwrap_or(default)).unwrap_or(Duration::MAX);
        let timeout = timeout.min(Duration::from_secs(365 * 86_400));
        let mut capture = self.capture();
        let sandbox = self.sandbox.clone();
        let outcome = {
            let running = sandbox.exec(&command, timeout, &mut capture);
            self.attend_until(running).await
        };
        let (exit_code, ending, new_shell, notes, limits) = match outcome {
            Ok(outcome) => {
                let outcome = outcome?;
                (outcome.exit_code, outcome.ending, outcome.new_shell, outcome.notes, outcome.limits)
            }
            Err(Stop::Ended(_)) => (None, ExecEnding::Stopped, false, Vec::new(), Vec::new()),
            Err(failed) => return Err(failed),
        };
        let (stdout, mut stderr) = kept(capture)?;
        for note in notes {
            stderr.text.push_str(&format!("\n[{note}]"));
        }
        Ok(Observation::Exec { exit_code, ending, new_shell, stdout, stderr, limits })
    }

    async fn write(&mut self, path: &str, content: &Body, mode: u32) -> Result<Observation, Stop> {
        let content = self.recorder.blobs.resolve(content)?;
        Ok(match self.sandbox.write_file(path, &content, mode).await? {
            Ok(bytes) => Observation::Wrote { bytes },
            Err(refusal) => Observation::Refused { reason: refusal.to_string() },
        })
    }

    async fn read(&mut self, path: &str) -> Result<Observation, Stop> {
        let mut capture = self.capture();
        Ok(match self.sandbox.read_file(path, &mut capture).await? {
            Ok(()) => Observation::Read { content: kept(capture)?.0 },
            Err(refusal) => Observation::Refused { reason: refusal.to_string() },
        })
    }

    /// For the next output. All outputs of a run share their room on the disk, so that no loop of commands fills it.
    fn capture(&self) -> Capture {
        let room = KEPT_OF_A_RUN.saturating_sub(self.recorder.state.kept_bytes);
        Capture::new(self.recorder.blobs.folder()).at_most(room)
    }

    /// Long bodies become blobs before the action is compared or recorded.
    fn externalised(&self, action: Action) -> Result<Action, Failure> {
        let body = |body: Body| -> Result<Body, Failure> {
            match body {
                Body::Text(text) => Ok(self.recorder.blobs.body(text.as_bytes())?),
                other => Ok(other),
            }
        };
        Ok(match action {
            Action::Exec { command, timeout_s } => Action::Exec { command: body(command)?, timeout_s },
            Action::Write { path, content, mode } => Action::Write { path, content: body(content)?, mode },
            Action::Say { text } => Action::Say { text: body(text)? },
            other => other,
        })
    }

    /// Grades at a limit if something is there, records the ending and takes the sandbox down.
    pub(crate) async fn finish(mut self, stop: Stop) -> Recorder {
        let (ending, failure) = match stop {
            Stop::Ended(ending) => match self.grade_at_end(ending).await {
                Ok(ending) => (ending, None),
                Err(failure) => (Ending::Failed, Some(failure)),
            },
            Stop::Failed(failure) => (Ending::Failed, Some(failure)),
        };
        self.clock.stop();
        if let Some(counter) = &self.counter {
            counter.server.stop_accepting();
        }
        // First of all: nothing of the agent's goes on while calls under way are waited for.
        if let Some(sandbox) = Arc::into_inner(self.sandbox) {
            sandbox.stop().await;
        }
        let working_ms = self.clock.working_ms();
        let mut books = Books { recorder: &mut self.recorder, working_ms, refusals: &mut self.refusals };
        let closed = match self.counter {
            Some(counter) => books.close(counter).await,
            None => Ok(()),
        };
        let (ending, failure) = match closed {
            Ok(()) => (ending, failure),
            Err(lost) => (Ending::Failed, failure.or(Some(lost))),
        };
        let (ending, failure) = match network::close(self.proxy, &mut self.recorder).await {
            Ok(()) => (ending, failure),
            Err(lost) => (Ending::Failed, failure.or(Some(lost))),
        };
        let segment_wall_ms = self.clock.segment().as_millis() as u64;
        let event = Event::RunEnded { ending, failure: failure.clone(), working_ms, segment_wall_ms };
        if let Err(lost) = self.recorder.append_synced(event) {
            self.recorder
                .end_without_record(failure.unwrap_or(Failure { boundary: Boundary::Store, ..lost }));
        }
        self.recorder
    }
}

/// Puts a command's output where the log can name it.
fn kept(capture: Capture) -> Result<(Captured, Captured), Failure> {
    capture.finish().map_err(|error| {
        Failure::new(Boundary::Store, format!("the output of a command cannot be kept: {error}"))
            .hinted("free space on the disk of the runs folder, then resume the run")
    })
}
