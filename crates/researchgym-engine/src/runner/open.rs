//! Opening a run: a new one, or one that was cut off, stopped or killed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use researchgym_core::action::Action;
use researchgym_core::digest::Digest;
use researchgym_core::event::{Digests, Ending, Event, Line, Resumption, RunStarted};
use researchgym_core::failure::{Boundary, Failure};
use researchgym_core::keys::GradingSecret;
use researchgym_core::observation::Observation;
use researchgym_core::result::RunResult;
use researchgym_core::spec::{AgentSpec, Limits, RunSpec, SCHEMA};
use researchgym_core::state::{Begun, RunState};
use researchgym_core::task::Task;

use super::{OpenRun, Runner};
use crate::search::SearchPast;
use crate::session::{LimitChanges, LimitError, Observer, Past, Recorder, Unfinished, record, unanswered};
use crate::store::{Blobs, EventLog, RunFolder, RunLock, StoreError};

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
    /// A new total is one that no run can work under.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// It has fewer steps.
    #[error("run {run_id} has {steps} steps; there is no step {step}")]
    NoStep {
        /// The run's id.
        run_id: String,
        /// The step that was named.
        step: u64,
        /// How many there are.
        steps: u64,
    },
    /// A search that has not come so far.
    #[error(
        "search {run_id} has {candidates} settled candidates; there is no candidate {wanted} to fork it after"
    )]
    NoCandidate {
        /// The run's id.
        run_id: String,
        /// How many candidates were to be settled.
        wanted: u64,
        /// How many are.
        candidates: u64,
    },
    /// A search that has nothing to go on from.
    #[error("search {run_id} has not evaluated its baseline: there is nothing that a fork could go on from")]
    NoBaseline {
        /// The run's id.
        run_id: String,
    },
    /// It was killed while the other run's history was copied.
    #[error("run {run_id} was cut off while the history of {place} was copied; make the fork again")]
    HalfForked {
        /// The run's id.
        run_id: String,
        /// What it was forked from.
        place: String,
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
    /// The runs folder cannot be written, or the GPUs that the run asks for are not free.
    pub fn create(&self, runs: &Path, new: NewRun) -> Result<OpenRun, Failure> {
        let mut grant = self.grant(&new.spec)?;
        let folder = RunFolder::create(runs, Timestamp::now())?;
        grant.as_mut().map_or(Ok(()), |grant| grant.hold_for(folder.id()))?;
        let lock = self.take(&folder)?;
        let (recorder, agent_files) = begin(folder, lock, new, self.observer.clone(), &*self.warn)?;
        Ok(OpenRun { recorder, agent_files, past: Past::default(), reenacted: Vec::new(), grant })
    }

    /// The result of a run that was asked for and is never begun.
    pub fn not_started(new: NewRun, ending: Ending, failure: Option<&Failure>) -> RunResult {
        let time = crate::store::event_time(Timestamp::now());
        let started = RunStarted {
            schema: SCHEMA,
            run_id: String::new(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            digests: Digests { task: new.task_digest, agent: Digest::ZERO },
            task: Box::new(new.task),
            grading_secret: GradingSecret::from_seed(new.spec.seed),
            spec: new.spec,
        };
        let first = Line { seq: 0, time, prev: Digest::ZERO, event: Event::RunStarted(Box::new(started)) };
        let state = RunState::start(&first).expect("the event is the first of a run");
        RunResult::not_started(&state, ending, failure)
    }

    /// Takes a run for this process, and has it tidied should this process be killed.
    pub(crate) fn take(&self, folder: &RunFolder) -> Result<RunLock, StoreError> {
        let lock = folder.lock()?;
        if let Err(error) = self.workbench.sandboxes.tidy_run_after_us(folder.root()) {
            (self.warn)(&error.to_string());
        }
        Ok(lock)
    }

    /// Opens an existing run to go on with it, under new totals if they were asked for.
    ///
    /// # Errors
    /// The log is damaged or from a newer program, another process works on the run, or the limit that ended it
    /// stands, a new total is below what is used, or its GPUs are not free.
    pub fn reopen(&self, folder: RunFolder, changes: &LimitChanges) -> Result<Reopened, OpenError> {
        let lock = self.take(&folder)?;
        self.reopen_held(folder, lock, changes, false)
    }

    /// The same, of a run that is held already. If `registered` by somebody else, it may be that it only begins now.
    pub(crate) fn reopen_held(
        &self,
        folder: RunFolder,
        lock: RunLock,
        changes: &LimitChanges,
        registered: bool,
    ) -> Result<Reopened, OpenError> {
        let mut reading = Reading::of(&folder);
        let (log, torn) = EventLog::reopen_seeing(&folder, |line| reading.take(line))?;
        let Reading { run_id, state, lines, search, .. } = reading;
        let state = state.ok_or_else(|| StoreError::EmptyLog { path: folder.events() })?;
        if let Some(fork) = state.started.spec.fork.as_ref().filter(|fork| state.events < fork.events + 1) {
            return Err(OpenError::HalfForked { run_id, place: fork.place() });
        }
        let agent_files = agent_files(&state.started.spec);
        let mut recorder = Recorder::reopen(folder, lock, log, state, self.observer.clone());
        let limits = match prospect(&recorder.state, changes)? {
            Prospect::Over => return Ok(Reopened::Over(Box::new(recorder.result(Some(0))))),
            Prospect::GoesOn { limits } => limits,
        };
        let raised = limits != recorder.state.limits;
        let reopening = match &recorder.state.ended {
            Some(_) if raised => Event::RunExtended { limits: limits.clone() },
            Some(_) | None => Event::RunResumed,
        };
        let mut grant = self.grant(&recorder.state.started.spec)?;
        grant.as_mut().map_or(Ok(()), |grant| grant.hold_for(&run_id)).map_err(Failure::from)?;
        let killed = recorder.state.ended.is_none();
        let begins = registered && recorder.state.events == 1;
        let mut lines = lines;
        if !begins {
            lines.push(recorder.append(reopening)?);
        }
        if killed && raised {
            lines.push(recorder.append(Event::RunExtended { limits })?);
        }
        if let Some(torn) = torn {
            let text = format!(
                "a torn last line of {} bytes was cut off the log; it is kept in events.torn",
                torn.bytes
            );
            lines.push(recorder.append(Event::Noted { text })?);
        }
        if let Some(text) = self.elsewhere(&recorder.state.started.spec) {
            lines.push(recorder.append(Event::Noted { text })?);
        }
        settle(&mut recorder, &mut lines)?;
        let past = Past { search, ..past(&recorder.state, &lines)? };
        let reenacted = super::fork::unfinished(&recorder.state, &lines);
        Ok(Reopened::GoesOn(Box::new(OpenRun { recorder, agent_files, past, reenacted, grant })))
    }

    /// Says that the model is asked at another address than the one of the record, if so.
    fn elsewhere(&self, spec: &RunSpec) -> Option<String> {
        let before = &spec.model_spec.as_ref()?.base_url;
        let now = &self.door.as_ref()?.endpoint.base_url;
        (before != now).then(|| format!("the model was asked at {before}; from here it is asked at {now}"))
    }
}

/// Creates the folder and the first event of a new run that somebody else is to work on.
///
/// # Errors
/// The runs folder cannot be written.
pub fn register(runs: &Path, new: NewRun, warn: &(dyn Fn(&str) + Send + Sync)) -> Result<RunFolder, Failure> {
    let folder = RunFolder::create(runs, Timestamp::now())?;
    let lock = folder.lock()?;
    let (recorder, _) = begin(folder.clone(), lock, new, Arc::new(|_, _| {}), warn)?;
    for warning in super::derived::write_status_file(&recorder) {
        warn(&warning);
    }
    Ok(folder)
}

/// Writes the first event of a new run.
fn begin(
    folder: RunFolder,
    lock: RunLock,
    new: NewRun,
    observer: Observer,
    warn: &(dyn Fn(&str) + Send + Sync),
) -> Result<(Recorder, Option<PathBuf>), Failure> {
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
    let recorder = Recorder::create(folder, lock, first, observer)?;
    for warning in super::derived::write_plan_files(&recorder) {
        warn(&warning);
    }
    Ok((recorder, agent_files))
}

/// A log that is read once: folded, and shown to whoever will need it.
struct Reading {
    run_id: String,
    blobs: Blobs,
    state: Option<RunState>,
    /// All lines, where the run's agent is answered from them. A search is not, and its log may be long.
    lines: Vec<Line>,
    search: Option<Box<SearchPast>>,
}

impl Reading {
    fn of(folder: &RunFolder) -> Reading {
        let (run_id, blobs) = (folder.id().to_owned(), folder.blobs());
        Reading { run_id, blobs, state: None, lines: Vec::new(), search: None }
    }

    fn take(&mut self, line: Line) -> Result<(), OpenError> {
        let taken = match &mut self.state {
            Some(state) => state.apply(&line),
            none => RunState::start(&line).map(|state| *none = Some(state)),
        };
        taken.map_err(|source| OpenError::State { run_id: self.run_id.clone(), source })?;
        let Some(state) = &self.state else { return Ok(()) };
        if let Event::RunStarted(started) = &line.event {
            self.search = SearchPast::begin(started, self.blobs.clone()).map(Box::new);
        }
        // What cannot be followed, as for a missing blob, fails when the search goes on, if it does.
        if self.search.as_mut().is_some_and(|search| search.see(&line.event, state).is_err()) {
            self.search = None;
        }
        if state.search.is_none() {
            self.lines.push(line);
        }
        Ok(())
    }
}

/// What resuming a run comes to.
#[derive(Clone, Debug, PartialEq)]
pub enum Prospect {
    /// It is over: its stored result stands, whatever totals are asked for.
    Over,
    /// It goes on.
    GoesOn {
        /// Its totals from then on.
        limits: Limits,
    },
}

/// Says what resuming a run comes to from its log alone, before anything is set up for it.
///
/// # Errors
/// The limit that ended it stands, or a new total is below what is used.
pub fn prospect(state: &RunState, changes: &LimitChanges) -> Result<Prospect, OpenError> {
    let resumption = state.ended.as_ref().map(|ended| (ended.ending, ended.ending.resumption()));
    if matches!(resumption, Some((_, Resumption::Nothing))) {
        return Ok(Prospect::Over);
    }
    let limits = changes.apply(&state.limits, state.used())?;
    match resumption {
        Some((ending, Resumption::NeedsRaisedLimit)) if stands(ending, &limits, state) => {
            let ending = state.ended.as_ref().map_or(Ending::TimeLimit, |ended| ended.ending);
            Err(limit_stands(&state.started.run_id, &state.limits, ending))
        }
        _ => Ok(Prospect::GoesOn { limits }),
    }
}

/// What was in flight at a kill: a grading that had its score is done, every other action is interrupted, and a model
/// call is booked at its hold.
pub(super) fn settle(recorder: &mut Recorder, lines: &mut Vec<Line>) -> Result<(), Failure> {
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
        lines.push(recorder.append(event)?);
    }
    let under_way: Vec<u64> = recorder.state.ledger.holds().keys().copied().collect();
    for call in under_way {
        lines.push(recorder.append(Event::ModelLost { call })?);
    }
    Ok(())
}

/// What the agent did before, as far as it is answered from it. Agents of whom nobody knows whether they would do the
/// same again start anew in the workspace as it is.
pub(super) fn past(state: &RunState, lines: &[Line]) -> Result<Past, Failure> {
    let unfinished = match state.started.spec.agent {
        AgentSpec::Scripted { .. } | AgentSpec::Replay { .. } | AgentSpec::Tuner { .. } => {
            Unfinished::DoAgain
        }
        AgentSpec::Basic(_) => Unfinished::Tell,
        AgentSpec::Human | AgentSpec::External { .. } | AgentSpec::Search(_) => return Ok(Past::default()),
    };
    let recorded = record(lines, unfinished)
        .map_err(|error| Failure::new(Boundary::Store, format!("run {}: {error}", state.started.run_id)))?;
    let was_interrupted = !recorded.is_empty();
    Ok(Past { was_interrupted, recorded, unanswered: unanswered(lines), search: None })
}

/// Whether the limit that ended a run still stands. Money and tokens end a run before they are used up: when what is left
/// is less than the next call can take.
fn stands(ending: Ending, limits: &Limits, state: &RunState) -> bool {
    let raised = |new: Option<u64>, old: Option<u64>| match (new, old) {
        (None, _) => true,
        (Some(new), Some(old)) => new > old,
        (Some(_), None) => false,
    };
    let micro_usd = |limits: &Limits| limits.budget.map(|budget| budget.0);
    match ending {
        Ending::Budget => !raised(micro_usd(limits), micro_usd(&state.limits)),
        Ending::TokenLimit => !raised(limits.tokens, state.limits.tokens),
        _ => limits.reached(state.used()).is_some(),
    }
}

pub(super) fn limit_stands(run_id: &str, limits: &Limits, ending: Ending) -> OpenError {
    let run_id = run_id.to_owned();
    let (limit, flag) = match ending {
        Ending::StepLimit => (format!("step limit of {}", limits.steps.unwrap_or_default()), "--steps"),
        Ending::Budget => {
            (format!("budget of {} USD", limits.budget.unwrap_or_default().as_usd()), "--budget")
        }
        Ending::TokenLimit => (format!("limit of {} tokens", limits.tokens.unwrap_or_default()), "--tokens"),
        _ => (
            format!("time limit of {} hours", limits.working_ms.unwrap_or_default() as f64 / 3.6e6),
            "--hours",
        ),
    };
    OpenError::LimitStands { run_id, limit, flag }
}

/// A script's text is kept as a blob if it is long; resuming never reads the user's file again.
pub(super) fn externalised(mut spec: RunSpec, folder: &RunFolder) -> Result<RunSpec, Failure> {
    let blobs = folder.blobs();
    let bodies = match &mut spec.agent {
        AgentSpec::Scripted { script } | AgentSpec::Replay { script, .. } => Some(script),
        AgentSpec::Basic(basic) => basic.idea_hint.as_mut(),
        AgentSpec::Human | AgentSpec::Tuner { .. } | AgentSpec::Search(_) | AgentSpec::External { .. } => {
            None
        }
    };
    let script = spec.model_spec.as_mut().and_then(|model| model.script.as_mut());
    for body in bodies.into_iter().chain(script) {
        *body = blobs.body(&blobs.resolve(body)?)?;
    }
    if let AgentSpec::Search(search) = &mut spec.agent {
        let models = search.models.iter_mut().map(|share| &mut share.model).chain(&mut search.idea_model);
        let embedding = search.novelty.embedding.as_mut().map(|embedding| &mut embedding.model);
        let models = models.map(|model| &mut **model).chain(embedding);
        for script in models.filter_map(|model| model.script.as_mut()) {
            *script = blobs.body(&blobs.resolve(script)?)?;
        }
    }
    Ok(spec)
}

pub(super) fn agent_files(spec: &RunSpec) -> Option<PathBuf> {
    match &spec.agent {
        AgentSpec::External { files, .. } => files.as_ref().map(PathBuf::from),
        AgentSpec::Scripted { .. }
        | AgentSpec::Replay { .. }
        | AgentSpec::Human
        | AgentSpec::Basic(_)
        | AgentSpec::Search(_)
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
