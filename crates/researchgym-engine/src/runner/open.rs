//! Opening a run: a new one, or one that was cut off, stopped or killed.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use researchgym_core::action::{Action, Origin};
use researchgym_core::digest::Digest;
use researchgym_core::event::{Digests, Event, Line, Resumption, RunStarted};
use researchgym_core::failure::{Boundary, Failure};
use researchgym_core::keys::GradingSecret;
use researchgym_core::observation::{ExecEnding, Observation};
use researchgym_core::result::RunResult;
use researchgym_core::spec::{AgentSpec, Limits, RunSpec, SCHEMA};
use researchgym_core::state::{Begun, RunState};
use researchgym_core::task::Task;

use super::{OpenRun, Runner};
use crate::session::Recorder;
use crate::store::{EventLog, RunFolder, StoreError};

/// A run that is asked for.
pub struct NewRun {
    /// What is asked for.
    pub spec: RunSpec,
    /// The task with the variant applied.
    pub task: Task,
    /// Hash of the task's folder.
    pub task_digest: Digest,
}

/// A run cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It was cut off by a limit that still stands.
    #[error("run {run_id} ended at its {limit}; the total must be raised to go on")]
    LimitStands {
        /// The run's id.
        run_id: String,
        /// Which limit, with its value.
        limit: String,
        /// The flag that raises it.
        flag: &'static str,
    },
    /// The log says something impossible.
    #[error("run {run_id}: {source}")]
    State {
        /// The run's id.
        run_id: String,
        /// What.
        source: researchgym_core::state::StateError,
    },
    /// The run's folder.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log can be read but not written.
    #[error("{0}")]
    Failure(#[from] Failure),
}

/// An existing run, opened again.
pub enum Reopened {
    /// It goes on.
    GoesOn(Box<OpenRun>),
    /// It is over: this is its result.
    Over(Box<RunResult>),
}

impl Runner {
    /// Creates the folder and the first event of a new run.
    ///
    /// # Errors
    /// The runs folder cannot be written.
    pub fn create(&self, runs: &Path, new: NewRun) -> Result<OpenRun, Failure> {
        let folder = RunFolder::create(runs, Timestamp::now())?;
        let lock = folder.lock()?;
        let spec = externalised(new.spec, &folder)?;
        let agent_files = agent_files(&spec);
        let grading_secret = match spec.seed_given {
            true => GradingSecret::from_seed(spec.seed),
            false => GradingSecret::from_random(random_bytes()?),
        };
        let agent = serde_json::to_vec(&spec.agent).unwrap_or_default();
        let files = match &agent_files {
            Some(files) => crate::snapshot::hash_folder(files)?,
            None => Digest::ZERO,
        };
        let first = Event::RunStarted(Box::new(RunStarted {
            schema: SCHEMA,
            run_id: folder.id().to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            digests: Digests { task: new.task_digest, agent: Digest::of_parts(&[&agent, files.as_bytes()]) },
            task: Box::new(new.task),
            spec,
            grading_secret,
        }));
        let recorder = Recorder::create(folder, lock, first, self.observer.clone())?;
        for warning in super::derived::write_plan_files(&recorder) {
            (self.warn)(&warning);
        }
        Ok(OpenRun { recorder, agent_files, recorded: VecDeque::new() })
    }

    /// Opens an existing run to go on with it, under `limits` if new totals were asked for.
    ///
    /// # Errors
    /// The log is damaged or from a newer program, another process works on the run, or the limit that ended it stands.
    pub fn reopen(
        &self,
        folder: RunFolder,
        limits: impl FnOnce(&Limits) -> Limits,
    ) -> Result<Reopened, OpenError> {
        let lock = folder.lock()?;
        let (log, lines, torn) = EventLog::reopen(&folder)?;
        let run_id = folder.id().to_owned();
        let state =
            RunState::fold(&lines).map_err(|source| OpenError::State { run_id: run_id.clone(), source })?;
        let agent_files = agent_files(&state.started.spec);
        let mut recorder = Recorder::reopen(folder, lock, log, state, self.observer.clone());
        let limits = limits(&recorder.state.limits);
        let raised = limits != recorder.state.limits;
        let reopening = match &recorder.state.ended {
            None => Event::RunResumed,
            Some(ended) => match ended.ending.resumption() {
                Resumption::Nothing => return Ok(Reopened::Over(Box::new(recorder.result(Some(0))))),
                Resumption::NeedsRaisedLimit if limits.reached(recorder.state.used()).is_some() => {
                    return Err(limit_stands(&recorder.state));
                }
                Resumption::NeedsRaisedLimit | Resumption::GoesOn if raised => {
                    Event::RunExtended { limits: limits.clone() }
                }
                Resumption::NeedsRaisedLimit | Resumption::GoesOn => Event::RunResumed,
            },
        };
        let killed = recorder.state.ended.is_none();
        recorder.append(reopening)?;
        if killed && raised {
            recorder.append(Event::RunExtended { limits })?;
        }
        if let Some(torn) = torn {
            let text = format!(
                "a torn last line of {} bytes was cut off the log; it is kept in events.torn",
                torn.bytes
            );
            recorder.append(Event::Noted { text })?;
        }
        let settled = settle(&mut recorder)?;
        let recorded = answered(&lines, &settled);
        Ok(Reopened::GoesOn(Box::new(OpenRun { recorder, agent_files, recorded })))
    }
}

impl OpenRun {
    /// Outcomes on record, for an agent that starts again from the beginning. Others are told nothing twice.
    pub(super) fn recorded(&mut self) -> VecDeque<(Action, Observation)> {
        match self.recorder.state.started.spec.agent {
            AgentSpec::Scripted { .. } | AgentSpec::Replay { .. } | AgentSpec::Tuner { .. } => {
                std::mem::take(&mut self.recorded)
            }
            AgentSpec::Basic(_) | AgentSpec::Human | AgentSpec::External { .. } => VecDeque::new(),
        }
    }
}

/// Actions in flight at a kill: a grading that had its score is done, everything else is interrupted.
fn settle(recorder: &mut Recorder) -> Result<Vec<Event>, Failure> {
    let mut settled = Vec::new();
    for Begun { action_id, action, seq, .. } in recorder.state.in_flight.clone() {
        let scored = recorder.state.attempts.last().filter(|attempt| attempt.seq > seq);
        let event = match (action, scored) {
            (Action::Validate | Action::Submit, Some(attempt)) => Event::Observed {
                action_id,
                observation: Observation::Graded { attempt: attempt.number, score: attempt.score.clone() },
                took_ms: 0,
                working_ms: recorder.state.working_ms,
            },
            _ => Event::Interrupted { action_id },
        };
        recorder.append(event.clone())?;
        settled.push(event);
    }
    Ok(settled)
}

/// The agent's actions with their outcomes, in order, without those that were interrupted or cut off by the end of the
/// run: their work is not done.
fn answered(lines: &[Line], settled: &[Event]) -> VecDeque<(Action, Observation)> {
    let mut acted = std::collections::BTreeMap::new();
    let mut answered = VecDeque::new();
    for event in lines.iter().map(|line| &line.event).chain(settled) {
        match event {
            Event::Acted { action_id, origin: Origin::Agent, action } => {
                acted.insert(*action_id, action.clone());
            }
            Event::Observed {
                observation: Observation::Exec { ending: ExecEnding::Stopped, .. }, ..
            } => {}
            Event::Observed { action_id, observation, .. } => {
                if let Some(action) = acted.remove(action_id) {
                    answered.push_back((action, observation.clone()));
                }
            }
            _ => {}
        }
    }
    answered
}

fn limit_stands(state: &RunState) -> OpenError {
    let limits = &state.limits;
    let used = state.used();
    let run_id = state.started.run_id.clone();
    let (limit, flag) = match limits.reached(used) {
        Some(researchgym_core::event::Ending::StepLimit) => {
            (format!("step limit of {}", limits.steps.unwrap_or_default()), "--steps")
        }
        Some(researchgym_core::event::Ending::Budget) => {
            (format!("budget of {} USD", limits.budget.unwrap_or_default().as_usd()), "--budget")
        }
        _ => (
            format!("time limit of {} hours", limits.working_ms.unwrap_or_default() as f64 / 3.6e6),
            "--hours",
        ),
    };
    OpenError::LimitStands { run_id, limit, flag }
}

/// A script's text is kept as a blob if it is long; resuming never reads the user's file again.
fn externalised(mut spec: RunSpec, folder: &RunFolder) -> Result<RunSpec, Failure> {
    if let AgentSpec::Scripted { script } | AgentSpec::Replay { script, .. } = &mut spec.agent {
        let blobs = folder.blobs();
        *script = blobs.body(&blobs.resolve(script)?)?;
    }
    Ok(spec)
}

fn agent_files(spec: &RunSpec) -> Option<PathBuf> {
    match &spec.agent {
        AgentSpec::External { files, .. } => files.as_ref().map(PathBuf::from),
        AgentSpec::Scripted { .. }
        | AgentSpec::Replay { .. }
        | AgentSpec::Human
        | AgentSpec::Basic(_)
        | AgentSpec::Tuner { .. } => None,
    }
}

fn random_bytes() -> Result<[u8; 32], Failure> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| {
        Failure::new(Boundary::Store, format!("the kernel gives no random bytes: {error}"))
    })?;
    Ok(bytes)
}
