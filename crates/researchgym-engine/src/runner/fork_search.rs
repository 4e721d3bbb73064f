//! Forking a search: a new run that begins with another's tree and goes on with settings of its own.
//!
//! The other log's events up to a candidate, or to the end of the search, are copied; what was graded and submitted after
//! the search is left out. Nothing of it is paid or measured again, and all of it counts. What the history leaves unfinished
//! is finished, as after a kill, as far as an operator of the new run can.

use std::path::Path;

use researchgym_core::budget::Used;
use researchgym_core::digest::Digest;
use researchgym_core::event::{Event, RunStarted};
use researchgym_core::search::{Change, Tree};
use researchgym_core::spec::{AgentSpec, Fork, Limits, RunSpec};
use researchgym_core::state::RunState;

use super::open::{limit_stands, settle};
use super::{OpenError, OpenRun, Runner};
use crate::search::SearchPast;
use crate::session::{LimitChanges, Past};
use crate::store::{CUT, LogReader, RunFolder, StoreError, told_head};

/// What is taken over of a search.
struct Part {
    started: RunStarted,
    /// The other run's limits as they were at last.
    limits: Limits,
    /// The other log's head.
    head: Digest,
    end: End,
    /// It has the line that its last result told as the last.
    is_as_told: bool,
}

/// Where that ends.
#[derive(Clone, Copy)]
struct End {
    /// Events after `run_started`.
    events: u64,
    /// What these had used.
    used: Used,
    /// Candidates settled by them.
    candidates: u64,
}

impl Runner {
    /// Begins a search with the tree of `source`: all of it, or what was there when so many `candidates` were settled.
    /// `change` gives the new run's specification, all but its totals, which are the other run's with `changes`.
    ///
    /// # Errors
    /// The other search has not come so far, a limit leaves nothing to do, a new total is below what is taken over, its log is
    /// damaged, or the runs folder cannot be written.
    pub fn fork_search(
        &self,
        runs: &Path,
        source: &RunFolder,
        candidates: Option<u64>,
        changes: &LimitChanges,
        change: impl FnOnce(RunSpec) -> RunSpec,
    ) -> Result<OpenRun, OpenError> {
        let Part { started, limits, head, end, is_as_told } = part(source, candidates)?;
        if !is_as_told {
            (self.warn)(&format!("{}: {CUT}; what is taken over may not be what was told", source.id()));
        }
        let limits = changes.apply(&limits, end.used)?;
        if let Some(ending) = limits.reached(end.used) {
            return Err(limit_stands(source.id(), &limits, ending));
        }
        let old = started.spec.clone();
        let spec = change(old.clone());
        let fork = Fork {
            run: source.id().to_owned(),
            step: end.candidates,
            events: end.events,
            log_head: head,
            other_policy: other_policy(&old, &spec, end.events),
        };
        let spec = RunSpec { limits: limits.clone(), fork: Some(fork), ..spec };
        let (mut recorder, grant) = self.begin_fork(runs, source, &started, spec)?;
        let mut search = SearchPast::begin(&recorder.state.started, recorder.folder.blobs());
        let history = usize::try_from(end.events).unwrap_or(usize::MAX);
        for line in LogReader::open(source)?.skip(1).take(history) {
            let line = recorder.copy(&line?)?;
            if let Some(search) = &mut search {
                search.see(&line.event, &recorder.state)?;
            }
        }
        // The history may have changed the other run's limits; the new run has its own.
        if recorder.state.limits != limits {
            recorder.append(Event::LimitsChanged { limits })?;
        }
        if recorder.state.is_paused {
            // The other one was.
            recorder.append(Event::Unpaused { paused_ms: 0 })?;
        }
        settle(&mut recorder, &mut Vec::new())?;
        recorder.sync()?;
        for warning in super::derived::write_plan_files(&recorder) {
            (self.warn)(&warning);
        }
        let past = Past { search: search.map(Box::new), ..Past::default() };
        Ok(OpenRun { recorder, agent_files: None, past, reenacted: Vec::new(), grant })
    }
}

/// Reads a search until so many candidates are settled, or to its end.
fn part(source: &RunFolder, wanted: Option<u64>) -> Result<Part, OpenError> {
    let run_id = || source.id().to_owned();
    let mut reader = LogReader::open(source)?;
    let first = reader.next().ok_or_else(|| StoreError::EmptyLog { path: source.events() })??;
    let wrong = |source| OpenError::State { run_id: run_id(), source };
    let mut state = RunState::start(&first).map_err(wrong)?;
    let mut candidates = 0;
    let mut end = None;
    let mut told = told_head(source);
    while let Some(line) = reader.next() {
        let line = line?;
        told = told.filter(|told| *told != reader.head());
        state.apply(&line).map_err(wrong)?;
        let Some(tree) = state.search.as_deref() else { continue };
        if matches!(line.event, Event::NodeDropped(_) | Event::Evaluated(_)) {
            candidates += settled(tree);
        }
        let is_begun = tree.nodes().first().is_some_and(|baseline| baseline.status.is_settled());
        let is_wanted = match wanted {
            Some(wanted) => end.is_none() && candidates == wanted,
            None => is_of_search(&line.event),
        };
        if is_begun && is_wanted {
            end = Some(End { events: state.events - 1, used: state.used(), candidates });
        }
    }
    let end = match (end, wanted) {
        (Some(end), _) => end,
        (None, Some(wanted)) if wanted > 0 => {
            return Err(OpenError::NoCandidate { run_id: run_id(), wanted, candidates });
        }
        (None, _) => return Err(OpenError::NoBaseline { run_id: run_id() }),
    };
    Ok(Part {
        started: state.started,
        limits: state.limits,
        head: reader.head(),
        end,
        is_as_told: told.is_none(),
    })
}

/// How many candidates the newest event has settled; neither the baseline nor replicates count.
fn settled(tree: &Tree) -> u64 {
    let counts = |change: &&Change| match change {
        Change::Settled(id) => *id != 0 && tree.get(*id).is_some_and(|node| node.is_candidate()),
        Change::Planned(..) | Change::Built(_) | Change::Remeasured(_) => false,
    };
    tree.changed().iter().filter(counts).count() as u64
}

/// What the search itself did or paid for, beside what a run does before and after it.
fn is_of_search(event: &Event) -> bool {
    matches!(
        event,
        Event::Planned(_)
            | Event::IdeasHad(_)
            | Event::NodeBuilt(_)
            | Event::NodeDropped(_)
            | Event::EvaluationBegan(_)
            | Event::TrialReported(_)
            | Event::Evaluated(_)
            | Event::ModelAsked(_)
            | Event::ModelRetried { .. }
            | Event::ModelCalled(_)
            | Event::ModelLost { .. }
    )
}

/// How many of the events came of another policy, or of the same one with other constants or operators.
fn other_policy(old: &RunSpec, new: &RunSpec, events: u64) -> Option<u64> {
    let (AgentSpec::Search(before), AgentSpec::Search(after)) = (&old.agent, &new.agent) else { return None };
    match before.policy == after.policy && before.operators == after.operators {
        true => Some(old.fork.as_ref()?.other_policy?.min(events)),
        false => Some(events),
    }
}
