//! Forking: a new run that begins with another's history up to a step, in the workspace as it was then.
//!
//! The other log's events up to the step are copied; what follows is what follows a kill. The workspace comes from the
//! newest snapshot at or before the step, and what was done after that snapshot is done again. Totals go on from where the
//! history stands: what it had cost counts.

use std::path::Path;

use jiff::Timestamp;
use researchgym_core::action::{Action, Origin};
use researchgym_core::digest::Digest;
use researchgym_core::event::{Digests, Event, Line, RunStarted};
use researchgym_core::failure::Failure;
use researchgym_core::spec::{Fork, RunSpec, SCHEMA};
use researchgym_core::state::RunState;

use super::open::{agent_files, externalised, past, settle};
use super::{OpenError, OpenRun, Runner};
use crate::gpu::GpuGrant;
use crate::session::{LimitChanges, Recorder, Reenacted};
use crate::store::{RunFolder, StoreError, read_log};

impl Runner {
    /// Begins a run with the history of `source` up to its step `step`; `change` gives the new run's specification, all but
    /// its totals, which are the other run's with `changes`.
    ///
    /// # Errors
    /// The other run has no such step, a new total is below what its history has used, its log is damaged, or the runs folder cannot be written.
    pub fn fork(
        &self,
        runs: &Path,
        source: &RunFolder,
        step: u64,
        changes: &LimitChanges,
        change: impl FnOnce(RunSpec) -> RunSpec,
    ) -> Result<OpenRun, OpenError> {
        let reading = read_log(source)?;
        let Some((first, rest)) = reading.lines.split_first() else {
            return Err(StoreError::EmptyLog { path: source.events() }.into());
        };
        let whole = RunState::fold(&reading.lines)
            .map_err(|error| OpenError::State { run_id: source.id().to_owned(), source: error })?;
        let history = until(rest, step).ok_or(OpenError::NoStep {
            run_id: source.id().to_owned(),
            step,
            steps: agent_steps(rest),
        })?;
        let copied: Vec<Line> = std::iter::once(first).chain(history).cloned().collect();
        let used = RunState::fold(&copied)
            .map_err(|error| OpenError::State { run_id: source.id().to_owned(), source: error })?
            .used();
        let limits = changes.apply(&whole.started.spec.limits, used)?;
        let fork = Fork {
            run: source.id().to_owned(),
            step,
            events: history.len() as u64,
            log_head: reading.head,
            other_policy: None,
        };
        let spec = RunSpec { limits, fork: Some(fork), ..change(whole.started.spec.clone()) };
        let agent_files = agent_files(&spec);
        let (mut recorder, grant) = self.begin_fork(runs, source, &whole.started, spec)?;
        let mut lines = vec![first.clone()];
        lines[0].event = Event::RunStarted(Box::new(recorder.state.started.clone()));
        for line in history {
            lines.push(recorder.copy(line)?);
        }
        // The history may have changed the other run's limits; the new run has its own.
        let limits = recorder.state.started.spec.limits.clone();
        if recorder.state.limits != limits {
            lines.push(recorder.append(Event::LimitsChanged { limits })?);
        }
        settle(&mut recorder, &mut lines)?;
        recorder.sync()?;
        for warning in super::derived::write_plan_files(&recorder) {
            (self.warn)(&warning);
        }
        let past = past(&recorder.state, &lines)?;
        let reenacted = since_snapshot(&lines);
        Ok(OpenRun { recorder, agent_files, past, reenacted, grant })
    }

    /// Makes the folder of a fork, with the other run's blobs and the first event of its own.
    pub(super) fn begin_fork(
        &self,
        runs: &Path,
        source: &RunFolder,
        started: &RunStarted,
        spec: RunSpec,
    ) -> Result<(Recorder, Option<GpuGrant>), OpenError> {
        let mut grant = self.grant(&spec)?;
        let folder = RunFolder::create(runs, Timestamp::now())?;
        grant.as_mut().map_or(Ok(()), |grant| grant.hold_for(folder.id())).map_err(Failure::from)?;
        let lock = self.take(&folder)?;
        source.blobs().share_with(&folder.blobs())?;
        let spec = externalised(spec, &folder)?;
        let agent = serde_json::to_vec(&spec.agent).unwrap_or_default();
        let event = Event::RunStarted(Box::new(RunStarted {
            schema: SCHEMA,
            run_id: folder.id().to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            digests: Digests { agent: Digest::of(&agent), ..started.digests.clone() },
            spec,
            ..started.clone()
        }));
        Ok((Recorder::create(folder, lock, event, self.observer.clone())?, grant))
    }
}

/// The events up to the end of the agent's `step`th action; for step 0 those before its first.
fn until(events: &[Line], step: u64) -> Option<&[Line]> {
    let mut steps = 0;
    let mut wanted = None;
    for (at, line) in events.iter().enumerate() {
        match &line.event {
            Event::Acted { origin: Origin::Agent, .. } if step == 0 => return Some(&events[..at]),
            Event::Acted { origin: Origin::Agent, action_id, .. } => {
                steps += 1;
                if steps == step {
                    wanted = Some(*action_id);
                }
            }
            Event::Interrupted { action_id } if wanted != Some(*action_id) => {
                steps -= u64::from(is_agents(&events[..at], *action_id));
            }
            Event::Observed { action_id, .. } | Event::Interrupted { action_id }
                if wanted == Some(*action_id) =>
            {
                return Some(&events[..=at]);
            }
            _ => {}
        }
    }
    let end = events.iter().position(|line| matches!(line.event, Event::RunEnded { .. }));
    (step == 0).then(|| &events[..end.unwrap_or(events.len())])
}

fn is_agents(events: &[Line], wanted: u64) -> bool {
    events.iter().any(|line| {
        matches!(&line.event, Event::Acted { action_id, origin: Origin::Agent, .. } if *action_id == wanted)
    })
}

fn agent_steps(events: &[Line]) -> u64 {
    let mut steps = 0;
    for (at, line) in events.iter().enumerate() {
        match &line.event {
            Event::Acted { origin: Origin::Agent, .. } => steps += 1,
            Event::Interrupted { action_id } => steps -= u64::from(is_agents(&events[..at], *action_id)),
            _ => {}
        }
    }
    steps
}

/// What changed the workspace after its newest snapshot.
fn since_snapshot(lines: &[Line]) -> Vec<Reenacted> {
    let is_snapshot =
        |line: &Line| matches!(line.event, Event::WorkspaceReady { .. } | Event::SnapshotTaken { .. });
    let newest = lines.iter().rposition(is_snapshot).unwrap_or(0);
    let mut acted = std::collections::BTreeMap::new();
    let mut again = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        match &line.event {
            Event::Acted {
                action_id, action: action @ (Action::Exec { .. } | Action::Write { .. }), ..
            } => {
                acted.insert(*action_id, action.clone());
            }
            Event::Observed { action_id, observation, .. } if at > newest => {
                if let Some(action) = acted.remove(action_id) {
                    again.push(Reenacted { action_id: *action_id, action, observation: observation.clone() });
                }
            }
            Event::Observed { action_id, .. } => {
                acted.remove(action_id);
            }
            _ => {}
        }
    }
    again
}

/// What is still to be done again in a fork that was killed before its agent went on.
pub(super) fn unfinished(state: &RunState, lines: &[Line]) -> Vec<Reenacted> {
    let Some(fork) = &state.started.spec.fork else { return Vec::new() };
    let (history, own) = lines.split_at((fork.events as usize + 1).min(lines.len()));
    let has_begun = own.iter().any(|line| {
        matches!(line.event, Event::SnapshotTaken { .. } | Event::Acted { .. } | Event::ModelAsked(_))
    });
    if has_begun { Vec::new() } else { since_snapshot(history) }
}
