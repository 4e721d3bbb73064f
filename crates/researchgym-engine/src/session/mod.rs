//! The session: one task, one sandbox, one log, and the actions that an agent may take in it.
//!
//! Live, replayed and resumed runs take the same path: an action whose outcome is on record is answered from the
//! record, every other is done. The session owns the run's state; nobody else appends to its log.

mod attempt;
mod clock;
mod recorder;
mod requests;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use researchgym_core::action::{Action, Body, Origin};
use researchgym_core::event::{Ending, Event};
use researchgym_core::failure::{Boundary, Failure};
use researchgym_core::observation::{Captured, ExecEnding, Observation};
use researchgym_core::state::RunState;
use tokio::sync::watch;

pub(crate) use self::attempt::{WORKSPACE_CAPS, lay_out};
use self::clock::Clock;
pub use self::recorder::Observer;
pub(crate) use self::recorder::Recorder;
use crate::sandbox::{Capture, Sandbox};
use crate::snapshot::Snapshotter;
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
    recorded: VecDeque<(Action, Observation)>,
    cancelled: watch::Receiver<bool>,
    submitted: bool,
    snapshot_due: Instant,
}

/// The workspace is recorded this often, if it changed.
const SNAPSHOT_EVERY: Duration = Duration::from_secs(600);

impl Session {
    pub(crate) fn new(
        recorder: Recorder,
        sandbox: Sandbox,
        workbench: Arc<Workbench>,
        snapshotter: Snapshotter,
        recorded: VecDeque<(Action, Observation)>,
        cancelled: watch::Receiver<bool>,
    ) -> Session {
        let clock = Clock::start(Duration::from_millis(recorder.state.working_ms));
        let snapshot_due = Instant::now() + SNAPSHOT_EVERY;
        let sandbox = Arc::new(sandbox);
        Session {
            recorder,
            sandbox,
            workbench,
            snapshotter,
            clock,
            recorded,
            cancelled,
            submitted: false,
            snapshot_due,
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
        if *self.cancelled.borrow() {
            return Err(Stop::Ended(Ending::Cancelled));
        }
        let mut used = self.recorder.state.used();
        used.working_ms = self.clock.working_ms();
        if let Some(ending) = self.recorder.state.limits.reached(used) {
            return Err(Stop::Ended(ending));
        }
        let observation = self.act(Origin::Agent, action.clone()).await?;
        self.snapshot_if_due().await?;
        match (action, &observation) {
            (Action::GiveUp { .. }, _) => Err(Stop::Ended(Ending::GaveUp)),
            _ if self.submitted => Err(Stop::Ended(Ending::Submitted)),
            _ if *self.cancelled.borrow() => Err(Stop::Ended(Ending::Cancelled)),
            (_, Observation::Exec { ending: ExecEnding::Stopped, .. }) => Err(Stop::Ended(Ending::TimeLimit)),
            _ => Ok(observation),
        }
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
        let sandbox = self.sandbox.clone();
        self.attend_until(sandbox.guarded(something)).await
    }

    /// Working time left, if it is limited.
    fn time_left(&self) -> Option<Duration> {
        self.recorder
            .state
            .limits
            .working_ms
            .map(|limit| Duration::from_millis(limit).saturating_sub(self.clock.working()))
    }

    /// The recorded outcome of this action, if the record goes on with it.
    fn recall(&mut self, action: &Action) -> Result<Option<Observation>, Stop> {
        let Some((recorded, _)) = self.recorded.front() else { return Ok(None) };
        if recorded == action {
            return Ok(self.recorded.pop_front().map(|(_, observation)| observation));
        }
        let text = format!(
            "the agent's {} differs from the {} on record; {} recorded actions are not replayed",
            action.name(),
            recorded.name(),
            self.recorded.len()
        );
        self.recorded.clear();
        self.recorder.append(Event::Noted { text })?;
        Ok(None)
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
            Action::Say { .. } => Observation::Said,
            Action::Validate => self.validate().await?,
            Action::Submit => self.submit().await?,
            Action::GiveUp { .. } => Observation::Ended,
        };
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
        let mut capture = Capture::new(self.recorder.blobs.folder());
        let sandbox = self.sandbox.clone();
        let outcome = {
            let running = sandbox.exec(&command, timeout, &mut capture);
            self.attend_until(running).await
        };
        let (exit_code, ending, new_shell, notes) = match outcome {
            Ok(outcome) => {
                let outcome = outcome?;
                (outcome.exit_code, outcome.ending, outcome.new_shell, outcome.notes)
            }
            Err(Stop::Ended(_)) => (None, ExecEnding::Stopped, false, Vec::new()),
            Err(failed) => return Err(failed),
        };
        let (stdout, mut stderr) = kept(capture)?;
        for note in notes {
            stderr.text.push_str(&format!("\n[{note}]"));
        }
        Ok(Observation::Exec { exit_code, ending, new_shell, stdout, stderr })
    }

    async fn write(&mut self, path: &str, content: &Body, mode: u32) -> Result<Observation, Stop> {
        let content = self.recorder.blobs.resolve(content)?;
        Ok(match self.sandbox.write_file(path, &content, mode).await? {
            Ok(bytes) => Observation::Wrote { bytes },
            Err(refusal) => Observation::Refused { reason: refusal.to_string() },
        })
    }

    async fn read(&mut self, path: &str) -> Result<Observation, Stop> {
        let mut capture = Capture::new(self.recorder.blobs.folder());
        Ok(match self.sandbox.read_file(path, &mut capture).await? {
            Ok(()) => Observation::Read { content: kept(capture)?.0 },
            Err(refusal) => Observation::Refused { reason: refusal.to_string() },
        })
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
        let working_ms = self.clock.working_ms();
        let segment_wall_ms = self.clock.segment().as_millis() as u64;
        if let Some(sandbox) = Arc::into_inner(self.sandbox) {
            sandbox.stop().await;
        }
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
