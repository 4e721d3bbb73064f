//! Whole runs on a cluster, as the side sees it that hands them over: the job of each, its log as it grows, its end.
//!
//! A run's jobs lie in `jobs/run`, `jobs/run-2` and so on in its folder, one for each time that it was handed over. One whose
//! end was told carries the file `seen`; the newest without it is found again by whoever goes on with the run. A job that
//! is to end its run, or must not begin it any more, carries the file `cancel`.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use researchgym_core::event::Ending;
use researchgym_core::failure::{Boundary, Failure};
use researchgym_core::gpu::GpuRequest;
use researchgym_core::result::{Progress, RunResult};
use researchgym_core::spec::{AgentSpec, RunSpec};
use researchgym_core::state::RunState;
use researchgym_core::task::Task;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::folder::JobFolder;
use super::follow::Follower;
use super::order::{Order, SCHEMA, Work};
use super::relay::{self, Relay, RelayPlace};
use super::worker::run::{CANCEL, RelayedModel, RunOrder, at_work, failure_of};
use super::{Cause, Cluster, ClusterJob, Group, JobEnd, JobState, Lost, Needs};
use crate::model::{Backend, Door, Registry};
use crate::runner::{AtWork, end_elsewhere, is_held};
use crate::session::{LimitChanges, Observer};
use crate::store::RunFolder;

/// The folder of a run's jobs.
pub(crate) const JOBS: &str = "jobs";
/// The first job of a whole run.
const FIRST: &str = "run";
/// A job whose end was told.
const SEEN: &str = "seen";

/// How often a log is looked at.
const LOOK: Duration = Duration::from_millis(300);
/// How long a job that was asked to end its run may take, before the cluster is asked to end the job.
const FAREWELL: Duration = Duration::from_secs(60);
/// How long a run is waited for that somebody holds still.
const LOCK_PATIENCE: Duration = Duration::from_secs(45);
/// What a job has beside its sandboxes.
const BESIDE_MIB: u64 = 512;
/// What preparing a run and ending it may take, with waiting for the side with the keys.
const SLACK: Duration = Duration::from_secs(45 * 60);

/// Is told how a run's job stands.
pub type Tell = Arc<dyn Fn(&str, &JobState) + Send + Sync>;

/// Hands runs over and sees them through.
pub struct Submitter {
    /// To whom.
    pub cluster: Arc<dyn Cluster>,
    /// How jobs reach the models.
    pub place: RelayPlace,
    /// Answers them, if the runs have a model that is asked over a network.
    pub relay: Option<Arc<Relay>>,
    /// The way to the runs' model.
    pub door: Option<Arc<Door>>,
    /// The cache folder as nodes find it.
    pub home: PathBuf,
    /// The user's copies of datasets.
    pub data_dir: Option<PathBuf>,
    /// Is told of every event.
    pub observer: Observer,
    /// Is told how jobs stand.
    pub tell: Tell,
    /// Is told what went wrong without ending a run.
    pub warn: Arc<dyn Fn(&str) + Send + Sync>,
    /// Turns true when the user wants everything to stop.
    pub cancelled: watch::Receiver<bool>,
}

/// A job of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The run was never handed over, or the end of its last job was told.
    None,
    /// It was handed over, and nobody has seen its end.
    Open(JobFolder),
}

/// Whether a way to a model needs the relay.
pub fn needs_relay(door: Option<&Door>) -> bool {
    door.is_some_and(|door| !matches!(door.endpoint.backend, Backend::Scripted(_)))
}

/// How a run's newest job stands.
pub fn standing(run: &RunFolder) -> Standing {
    match newest(run) {
        Some((_, folder)) if !folder.path().join(SEEN).exists() => Standing::Open(folder),
        Some(_) | None => Standing::None,
    }
}

/// Whether a run waits for its turn: it was handed over, and no job has begun it.
pub(crate) fn is_queued(run: &RunFolder, state: &RunState) -> bool {
    if state.started.spec.executor.is_local() || matches!(state.started.spec.agent, AgentSpec::Search(_)) {
        return false;
    }
    match standing(run) {
        Standing::None => false,
        Standing::Open(folder) => {
            !folder.has_result()
                && !matches!(folder.started(), Ok(Some(_)))
                && !folder.path().join(CANCEL).exists()
        }
    }
}

/// A result as it is shown while nobody works on the run: a queued one is not interrupted.
pub fn with_queue(run: &RunFolder, state: &RunState, result: RunResult) -> RunResult {
    match result.state {
        Progress::Interrupted if is_queued(run, state) => RunResult { state: Progress::Queued, ..result },
        _ => result,
    }
}

fn newest(run: &RunFolder) -> Option<(u64, JobFolder)> {
    let entries = std::fs::read_dir(run.root().join(JOBS)).into_iter().flatten().flatten();
    let numbers = entries.filter_map(|entry| number(entry.file_name().to_str()?));
    let number = numbers.max()?;
    Some((number, job(run, number)))
}

fn number(name: &str) -> Option<u64> {
    match name.strip_prefix(FIRST)? {
        "" => Some(1),
        rest => rest.strip_prefix('-')?.parse().ok(),
    }
}

fn job(run: &RunFolder, number: u64) -> JobFolder {
    let name = if number == 1 { FIRST.to_owned() } else { format!("{FIRST}-{number}") };
    JobFolder::at(run.root().join(JOBS).join(name))
}

/// What the job of a run needs: the agent's sandbox and the grader's beside each other, and so long as both may take.
pub fn needs(task: &Task, spec: &RunSpec) -> Needs {
    let gradings = Duration::from_secs(task.grader.timeout_s.saturating_mul(task.grader.validations + 1));
    let time = spec.limits.working_ms.map(|working| Duration::from_millis(working) + gradings + SLACK);
    Needs {
        cpus: task.resources.cpus.ceil().max(1.0) as u32,
        memory_mib: task.resources.memory_mib.saturating_mul(2) + BESIDE_MIB,
        gpus: match &spec.gpus {
            Some(GpuRequest::Count(count)) => *count,
            // The command line gives counts alone to a cluster.
            Some(GpuRequest::All | GpuRequest::Devices(_)) | None => 0,
        },
        time,
    }
}

impl Submitter {
    /// Hands a run over, or finds its job again, and follows it to its end. A job that was found and turns out lost is
    /// handed over anew, once.
    ///
    /// # Errors
    /// The run's folder cannot be read or written, or somebody else holds the run.
    pub async fn see_through(
        &self,
        run: &RunFolder,
        changes: &LimitChanges,
        group: Option<Group>,
    ) -> Result<RunResult, Failure> {
        let mut follower = Follower::new(run.clone(), self.observer.clone());
        let is_again = match standing(run) {
            Standing::Open(folder) => {
                follower.catch_up()?;
                match self.follow(&folder, run, &mut follower, group.clone()).await? {
                    End::Over => return self.over(&folder, run, &mut follower),
                    End::Lost(lost) if *self.cancelled.borrow() => {
                        return self.lost(&folder, run, &mut follower, lost).await;
                    }
                    End::Lost((failure, _)) => {
                        (self.warn)(&format!("run {} is handed over anew: {failure}", run.id()));
                        withdraw(&folder)?;
                        mark(&folder, SEEN)?;
                    }
                }
                true
            }
            Standing::None => newest(run).is_some(),
        };
        if is_again {
            follower.catch_up()?;
        } else {
            follower.read()?;
        }
        let folder = self.place(run, changes)?;
        match self.follow(&folder, run, &mut follower, group).await? {
            End::Over => self.over(&folder, run, &mut follower),
            End::Lost(lost) => self.lost(&folder, run, &mut follower, lost).await,
        }
    }

    /// Writes the next job's folder.
    fn place(&self, run: &RunFolder, changes: &LimitChanges) -> Result<JobFolder, Failure> {
        let folder = job(run, newest(run).map_or(1, |(number, _)| number + 1));
        let model = self.door.as_ref().filter(|door| needs_relay(Some(door)));
        let model = model.map(|door| {
            // Cassettes are recorded and played where the keys are.
            let spec = Registry::spec_of(&door.endpoint);
            RelayedModel { spec, way: self.place.way().clone() }
        });
        let order = RunOrder { changes: changes.clone(), data_dir: self.data_dir.clone(), model };
        let order = Order {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            run: run.root().to_owned(),
            home: self.home.clone(),
            work: Work::Run(Box::new(order)),
        };
        folder.place(&order).map_err(|error| store(folder.path(), &error))?;
        Ok(folder)
    }

    async fn follow(
        &self,
        folder: &JobFolder,
        run: &RunFolder,
        follower: &mut Follower,
        group: Option<Group>,
    ) -> Result<End, Failure> {
        if follower.state().is_none() {
            follower.read()?;
        }
        let (task, spec) = match follower.state() {
            Some(state) => (state.started.task.clone(), state.started.spec.clone()),
            None => return Err(Failure::new(Boundary::Store, format!("run {} has no log", run.id()))),
        };
        let admitted = match (&self.relay, &self.door) {
            (Some(relay), Some(door)) if needs_relay(Some(door)) => {
                match relay.admit(folder.path(), door.clone()).await {
                    Ok(admission) => Some(admission),
                    Err(failure) => return Ok(End::Lost((failure, None))),
                }
            }
            _ => None,
        };
        let (states, mut told) = mpsc::unbounded_channel();
        let job = ClusterJob {
            folder: folder.path().to_owned(),
            name: format!("rg-{}", run.id()),
            needs: needs(&task, &spec),
            group,
            states,
        };
        let mut carried = Some(self.cluster.clone().carry_out(job));
        let mut cancelled = self.cancelled.clone();
        let mut asked: Option<Instant> = None;
        let mut problem: Option<String> = None;
        let mut works = Works::default();
        let end = loop {
            let Some(carrying) = carried.as_mut() else { break Ok(JobEnd::Lost(by_user())) };
            tokio::select! {
                end = carrying => break end,
                Some(state) = told.recv() => {
                    if works.is_new(&state) {
                        (self.tell)(run.id(), &state);
                    }
                }
                _ = cancelled.wait_for(|cancelled| *cancelled), if asked.is_none() => {
                    mark(folder, CANCEL)?;
                    asked = Some(Instant::now());
                    if !matches!(folder.started(), Ok(Some(_))) {
                        carried = None;
                    }
                }
                () = tokio::time::sleep(LOOK) => {
                    if let Some(state) = works.look(folder) {
                        (self.tell)(run.id(), &state);
                    }
                    works.note(Timestamp::now());
                    // A shared file system may be away for a moment; the job is not.
                    let read = follower.read().err().map(|failure| failure.to_string());
                    if read.is_some() && read != problem {
                        (self.warn)(read.as_deref().unwrap_or_default());
                    }
                    problem = read;
                    if asked.is_some_and(|asked| asked.elapsed() > FAREWELL) {
                        carried = None;
                    }
                }
            }
        };
        drop(carried);
        drop(admitted);
        follower.read()?;
        Ok(match end {
            Ok(JobEnd::Result) => End::Over,
            Ok(JobEnd::Lost(lost)) => {
                End::Lost((failure(&lost, folder.failure().ok().flatten()), at_work(folder, works.last)))
            }
            Err(failure) => End::Lost((failure, at_work(folder, works.last))),
        })
    }

    /// The result of a run whose job has ended with one.
    fn over(
        &self,
        folder: &JobFolder,
        run: &RunFolder,
        follower: &mut Follower,
    ) -> Result<RunResult, Failure> {
        mark(folder, SEEN)?;
        relay::forget(folder.path());
        follower.read()?;
        follower.result().ok_or_else(|| Failure::new(Boundary::Store, format!("run {} has no log", run.id())))
    }

    /// Ends a run whose job is lost, in its place.
    async fn lost(
        &self,
        folder: &JobFolder,
        run: &RunFolder,
        follower: &mut Follower,
        (failure, at_work): (Failure, Option<AtWork>),
    ) -> Result<RunResult, Failure> {
        withdraw(folder)?;
        let (ending, failure) = match *self.cancelled.borrow() {
            true => (Ending::Cancelled, None),
            false => (Ending::Failed, Some(failure)),
        };
        let had_ended = follower.state().is_some_and(|state| state.ended.is_some());
        if let (true, Some(failure)) = (had_ended, &failure) {
            (self.warn)(&format!("run {} did not go on: {failure}", run.id()));
        }
        let begun = Instant::now();
        loop {
            match end_elsewhere(run, ending, failure.clone(), at_work) {
                Ok(warnings) => {
                    warnings.iter().for_each(|warning| (self.warn)(warning));
                    break;
                }
                Err(error) if is_held(&error) && begun.elapsed() < LOCK_PATIENCE => {
                    tokio::time::sleep(LOOK).await;
                }
                Err(error) => return Err(failure_of(error)),
            }
        }
        self.over(folder, run, follower)
    }
}

/// Whether it was told that a job works. Its folder says so before its cluster does, and before its log goes on.
#[derive(Default)]
struct Works {
    is_told: bool,
    /// The incarnation that was seen in the folder last.
    seen: Option<u32>,
    /// When it was seen at work last.
    last: Option<Timestamp>,
}

impl Works {
    /// Whether a state is to be told.
    fn is_new(&mut self, state: &JobState) -> bool {
        let works = matches!(state, JobState::Running { .. });
        let was_told = std::mem::replace(&mut self.is_told, works);
        !(works && was_told)
    }

    /// Notes that it works, if it does.
    fn note(&mut self, now: Timestamp) {
        if self.is_told {
            self.last = Some(now);
        }
    }

    /// What the folder says and was not told.
    fn look(&mut self, folder: &JobFolder) -> Option<JobState> {
        let (incarnation, started) = folder.started().ok().flatten()?;
        if self.seen.is_some_and(|seen| incarnation <= seen) {
            return None;
        }
        self.seen = Some(incarnation);
        let state = JobState::Running { host: started.host };
        self.is_new(&state).then_some(state)
    }
}

/// How following a job ended.
enum End {
    Over,
    /// With what is known of when it worked.
    Lost((Failure, Option<AtWork>)),
}

/// No later incarnation is to go on with the run.
fn withdraw(folder: &JobFolder) -> Result<(), Failure> {
    mark(folder, CANCEL)
}

fn mark(folder: &JobFolder, name: &str) -> Result<(), Failure> {
    let path = folder.path().join(name);
    let made = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
    made.map(drop).map_err(|error| store(&path, &error))
}

fn store(path: &Path, error: &io::Error) -> Failure {
    Failure::new(Boundary::Store, format!("{}: {error}", path.display()))
}

fn by_user() -> Lost {
    Lost { cause: Cause::Cancelled, message: "cancelled by you".to_owned() }
}

/// A lost job as a run's failure: never the agent's.
fn failure(lost: &Lost, noted: Option<Failure>) -> Failure {
    if let (Cause::Failed, Some(noted)) = (lost.cause, noted) {
        let message = format!("{}: {}", lost.message, noted.message);
        return Failure { boundary: Boundary::Executor, message, ..noted };
    }
    let failure = Failure::new(Boundary::Executor, lost.message.clone());
    match lost.cause {
        Cause::OutOfMemory => {
            failure.hinted("give jobs more with `memory_mib` of [slurm]")
        }
        Cause::TimeOut => {
            failure.hinted("give jobs more with `minutes` of [slurm]")
        }
        Cause::Failed => failure.hinted(
            "see `output.log` of the job in the run's folder `jobs`; exit code 127 or 126: the nodes do not find this program, \
             and `program` of [slurm] says where it is there",
        ),
        Cause::Cancelled | Cause::Preempted | Cause::NodeFailed | Cause::Vanished => failure,
    }
}

#[cfg(test)]
pub(in crate::executor) mod tests;
