//! The runner: opens a run (new or again), sets its workspace up, lets the agent work and closes it with a result.
//!
//! One way through for every run. `prepare` and `drive` are apart so that many runs can be started before any works.

mod derived;
mod elsewhere;
mod fork;
mod fork_search;
mod open;
mod outside;
mod regrade;
mod workspace;

use std::path::PathBuf;
use std::sync::Arc;

use researchgym_core::event::{Ending, Event};
use researchgym_core::failure::{Boundary, Failure};
use researchgym_core::result::RunResult;
use researchgym_core::spec::{AgentSpec, RunSpec};
use tokio::sync::watch;

pub(crate) use self::elsewhere::{AtWork, end_elsewhere, is_held};
pub use self::open::{NewRun, OpenError, Prospect, Reopened, prospect, register};
pub use self::regrade::{Regraded, regrade};
use self::workspace::Workplace;
pub(crate) use self::workspace::{DESCRIPTION, unlock};
use crate::agent::{self, Surroundings};
use crate::gpu::{GpuGrant, Gpus};
use crate::model::Door;
use crate::session::{Observer, Parts, Past, Recorder, Reenacted, Session, Stop};
use crate::web::Web;
use crate::workbench::Workbench;

/// Runs of one task in this process.
#[derive(Clone)]
pub struct Runner {
    /// What they share.
    pub workbench: Arc<Workbench>,
    /// Who is told of every event.
    pub observer: Observer,
    /// Is told what went wrong without ending a run.
    pub warn: Arc<dyn Fn(&str) + Send + Sync>,
    /// The way to the runs' model, if they have one.
    pub door: Option<Arc<Door>>,
    /// The way to the web, if a search key is set. Whether a run may use it is in its log.
    pub web: Option<Arc<Web>>,
    /// The GPUs of this machine, if a run asks for some.
    pub gpus: Option<Arc<Gpus>>,
    /// Turns true when the user wants everything to stop.
    pub cancelled: watch::Receiver<bool>,
}

/// A run whose log is open.
pub struct OpenRun {
    recorder: Recorder,
    /// Folder with an external agent's own files.
    agent_files: Option<PathBuf>,
    /// What the agent did before.
    past: Past,
    /// What is done again in a forked run's workspace before the agent goes on, with what came of it then.
    reenacted: Vec<Reenacted>,
    /// The devices that are this run's until it has ended.
    grant: Option<GpuGrant>,
}

impl OpenRun {
    /// The run's folder.
    pub fn path(&self) -> PathBuf {
        self.recorder.folder.root().to_path_buf()
    }

    /// Whether a person is to work on it.
    pub fn is_human(&self) -> bool {
        self.recorder.state.started.spec.agent == AgentSpec::Human
    }
}

/// A run that waits for its agent.
pub struct ReadyRun {
    session: Session,
    grant: Option<GpuGrant>,
}

impl ReadyRun {
    /// Its session, for who drives it by hand before [`Runner::drive`].
    pub fn session(&mut self) -> &mut Session {
        &mut self.session
    }
}

impl Runner {
    /// Runs it from open log to result.
    pub async fn run(&self, open: OpenRun, surroundings: &mut Surroundings) -> RunResult {
        match self.prepare(open).await {
            Ok(ready) => self.drive(ready, surroundings).await,
            Err(result) => *result,
        }
    }

    /// Brings the sandbox up with the starter in it.
    ///
    /// # Errors
    /// The result of a run that could not start: it has ended as failed.
    pub async fn prepare(&self, mut open: OpenRun) -> Result<ReadyRun, Box<RunResult>> {
        match workspace::bring_up(self, &mut open).await {
            Ok(Workplace { sandbox, snapshotter, counter, proxy, desk }) => {
                let mut session = Session::new(Parts {
                    recorder: open.recorder,
                    sandbox,
                    workbench: self.workbench.clone(),
                    snapshotter,
                    past: open.past,
                    door: self.door.clone(),
                    web: self.web.clone(),
                    counter,
                    proxy,
                    desk,
                    cancelled: self.cancelled.clone(),
                });
                match session.reenact(&open.reenacted).await {
                    Ok(()) => Ok(ReadyRun { session, grant: open.grant }),
                    Err(stop) => Err(Box::new(self.close(&session.finish(stop).await))),
                }
            }
            Err(failure) => Err(Box::new(self.fail(open.recorder, failure))),
        }
    }

    /// Lets the agent work until the run is over.
    pub async fn drive(&self, ready: ReadyRun, surroundings: &mut Surroundings) -> RunResult {
        let ReadyRun { mut session, grant } = ready;
        let agent = session.state().started.spec.agent.clone();
        let stop = match session.state().concluded {
            // The program died between the agent's last action and the run's ending.
            Some(ending) => Stop::Ended(ending),
            None => agent::drive(&agent, &mut session, surroundings).await,
        };
        let recorder = session.finish(stop).await;
        self.release(grant);
        self.close(&recorder)
    }

    /// Takes the devices that a run asks for.
    fn grant(&self, spec: &RunSpec) -> Result<Option<GpuGrant>, Failure> {
        let Some(request) = &spec.gpus else { return Ok(None) };
        if let AgentSpec::Search(_) = spec.agent {
            // Its candidates take theirs one by one.
            return Ok(None);
        }
        if !spec.executor.is_local() && self.gpus.is_none() {
            // The jobs get theirs from the cluster.
            return Ok(None);
        }
        let gpus = self.gpus.as_ref().ok_or_else(|| {
            Failure::new(Boundary::Sandbox, "the run asks for GPUs, and nobody has looked for any")
        })?;
        Ok(Some(gpus.take(request, spec.runtime)?))
    }

    /// Frees the devices. The sandbox is gone with all that ran in it: what still computes there is somebody else's.
    fn release(&self, grant: Option<GpuGrant>) {
        let Some(grant) = grant else { return };
        if let Some(users) = tokio::task::block_in_place(|| grant.users()) {
            (self.warn)(&format!("GPUs of the run are still in use after its end: {users}"));
        }
    }

    /// Writes what is derived and says how the run stands.
    fn close(&self, recorder: &Recorder) -> RunResult {
        for warning in derived::write_all(recorder) {
            (self.warn)(&warning);
        }
        if let Some(problem) = self.door.as_ref().and_then(|door| door.unrecorded()) {
            (self.warn)(&format!("{problem}; the answers that were to be recorded since are not on it"));
        }
        recorder.result(None)
    }

    /// Ends a run whose sandbox never came up.
    fn fail(&self, mut recorder: Recorder, failure: Failure) -> RunResult {
        let ended = Event::RunEnded {
            ending: Ending::Failed,
            failure: Some(failure.clone()),
            working_ms: recorder.state.working_ms,
            segment_wall_ms: 0,
        };
        if let Err(lost) = recorder.append_synced(ended) {
            recorder
                .end_without_record(Failure { message: format!("{failure}; and then: {lost}"), ..failure });
        }
        self.close(&recorder)
    }
}
