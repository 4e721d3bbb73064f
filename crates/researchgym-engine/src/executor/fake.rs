//! The fake cluster: jobs are processes of this machine, with a queue in front of them and faults on order. For tests of all
//! that works with clusters, and for measuring without one.
//!
//! It keeps to the contract of [`Cluster`] and checks that its callers do. Jobs that have begun outlive it; what waits in its
//! queue does not, and is handed over again.

mod process;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use researchgym_core::failure::{Boundary, Failure};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use self::process::Process;
use super::folder::{JobFolder, RESULT};
use super::{Cause, Cluster, ClusterJob, Group, JobEnd, JobState, Lost};

/// How often a folder is looked at for what its job is to have done before a fault.
const LOOK: Duration = Duration::from_millis(5);
/// What a result is called while it is not seen yet.
const UNSEEN: &str = ".unseen";

/// What is to befall a job, once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is lost after this file has appeared.
    Lost(Cause, PathBuf),
    /// It is lost before it has begun.
    NeverBegun(Cause),
    /// It is stopped and put back into the queue after this file has appeared.
    Requeued(PathBuf),
    /// It is started twice at once.
    Twice,
    /// It waits so long, whatever is free.
    Delayed(Duration),
    /// Its result is seen so long after its end.
    LateResult(Duration),
}

/// A cluster of one node: this machine.
pub struct Fake {
    program: PathBuf,
    slots: Arc<Semaphore>,
    groups: Mutex<BTreeMap<String, Arc<Semaphore>>>,
    faults: Mutex<BTreeMap<String, Vec<Fault>>>,
    under_way: Mutex<BTreeSet<PathBuf>>,
    open: watch::Sender<bool>,
    is_left: AtomicBool,
    next: AtomicU64,
}

impl Fake {
    /// A cluster that carries out so many jobs at once, with this program (whose `job` is that of this one).
    pub fn new(program: impl Into<PathBuf>, slots: usize) -> Fake {
        Fake {
            program: program.into(),
            slots: Arc::new(Semaphore::new(slots)),
            groups: Mutex::default(),
            faults: Mutex::default(),
            under_way: Mutex::default(),
            open: watch::Sender::new(true),
            is_left: AtomicBool::new(false),
            next: AtomicU64::new(1),
        }
    }

    /// Orders a fault for the job with a folder of this name; the first order befalls it first.
    pub fn order(&self, folder: &str, fault: Fault) {
        lock(&self.faults).entry(folder.to_owned()).or_default().push(fault);
    }

    /// Lets no job begin (`false`), or again.
    pub fn open(&self, is_open: bool) {
        self.open.send_replace(is_open);
    }

    async fn carry(&self, job: &ClusterJob, folder: &JobFolder) -> Result<JobEnd, Failure> {
        if folder.has_result() {
            return Ok(JobEnd::Result);
        }
        let _place = match &job.group {
            Some(group) => Some(self.turn(self.places_of(group)).await?),
            None => None,
        };
        let name = job.folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut incarnation = 0;
        if let Some(process) = Process::recorded(&job.folder) {
            let _slot = self.slots.try_acquire();
            tell(job, JobState::Running { host: host() });
            match self.watch(folder, process, None, None).await? {
                Ended::For(end) => return Ok(end),
                Ended::Requeued => incarnation = process.incarnation + 1,
            }
        }
        loop {
            let id = self.next.fetch_add(1, Ordering::Relaxed);
            tell(job, JobState::Queued { id: id.to_string(), reason: "Resources".to_owned() });
            let mut fault = self.next_fault(&name);
            while let Some(Fault::Delayed(time)) = fault {
                tokio::time::sleep(time).await;
                fault = self.next_fault(&name);
            }
            if let Some(Fault::NeverBegun(cause)) = fault {
                return Ok(JobEnd::Lost(Lost { cause, message: format!("job {id} did not begin") }));
            }
            let _slot = self.turn(self.slots.clone()).await?;
            let start = || Process::start(&self.program, &job.folder, id, incarnation).map_err(broke);
            let process = start()?;
            process.record(&job.folder).map_err(broke)?;
            let twin = (fault == Some(Fault::Twice)).then(start).transpose()?;
            tell(job, JobState::Running { host: host() });
            match self.watch(folder, process, twin, fault).await? {
                Ended::For(end) => return Ok(end),
                Ended::Requeued => incarnation += 1,
            }
        }
    }

    /// Follows a job's process to its end, or to what befalls it.
    async fn watch(
        &self,
        folder: &JobFolder,
        process: Process,
        twin: Option<Process>,
        fault: Option<Fault>,
    ) -> Result<Ended, Failure> {
        let processes = [Some(process), twin].into_iter().flatten();
        let mut guard = Guard { cluster: self, processes: processes.collect() };
        let ended = async {
            for process in &guard.processes {
                process.ended().await?;
            }
            Ok(())
        };
        let sign = match &fault {
            Some(Fault::Lost(_, sign) | Fault::Requeued(sign)) => Some(sign.clone()),
            _ => None,
        };
        let struck = tokio::select! {
            ended = ended => ended.map(|()| false),
            () = appears(sign) => Ok(true),
        };
        if struck.map_err(broke)? {
            match fault {
                Some(Fault::Lost(Cause::NodeFailed, _)) => process.kill(),
                _ => process.end(),
            }
            process.ended().await.map_err(broke)?;
        }
        guard.processes.clear();
        Ok(match fault {
            _ if folder.has_result() => {
                if let Some(Fault::LateResult(time)) = fault {
                    hide(folder.path(), time).map_err(broke)?;
                }
                Ended::For(JobEnd::Result)
            }
            Some(Fault::Requeued(_)) => Ended::Requeued,
            Some(Fault::Lost(cause, _)) => Ended::For(lost(process, cause)),
            _ => Ended::For(lost(process, Cause::Failed)),
        })
    }

    fn places_of(&self, group: &Group) -> Arc<Semaphore> {
        let mut groups = lock(&self.groups);
        let places = groups.entry(group.name.clone());
        places.or_insert_with(|| Arc::new(Semaphore::new(group.at_once.max(1)))).clone()
    }

    async fn turn(&self, places: Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Failure> {
        let closed = |_| Failure::new(Boundary::Executor, "the fake cluster is gone");
        let place = places.acquire_owned().await.map_err(closed)?;
        let mut open = self.open.subscribe();
        // The sender is ours: it does not go.
        let _ = open.wait_for(|is_open| *is_open).await;
        Ok(place)
    }

    fn next_fault(&self, folder: &str) -> Option<Fault> {
        let mut faults = lock(&self.faults);
        let ordered = faults.get_mut(folder)?;
        (!ordered.is_empty()).then(|| ordered.remove(0))
    }

    /// Checks what callers are held to.
    fn admit(&self, job: &ClusterJob) -> Result<Admitted<'_>, Failure> {
        let broken =
            |what: &str| Err(Failure::new(Boundary::Executor, format!("{}: {what}", job.folder.display())));
        if !job.folder.is_absolute() {
            return broken("the folder of a job is absolute");
        }
        if job.name.is_empty() || !job.name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            return broken("the name of a job is letters, digits and `-`");
        }
        if let Err(error) = JobFolder::at(&job.folder).order() {
            return broken(&format!("a job is handed over after its order is written: {error}"));
        }
        if !lock(&self.under_way).insert(job.folder.clone()) {
            return broken("a job is handed over twice at once");
        }
        Ok(Admitted { cluster: self, folder: job.folder.clone() })
    }
}

impl Cluster for Fake {
    fn carry_out(self: Arc<Self>, job: ClusterJob) -> BoxFuture<'static, Result<JobEnd, Failure>> {
        Box::pin(async move {
            let _admitted = self.admit(&job)?;
            self.carry(&job, &JobFolder::at(&job.folder)).await
        })
    }

    fn leave(&self) {
        self.is_left.store(true, Ordering::Relaxed);
    }

    fn name(&self) -> &'static str {
        "fake"
    }
}

/// What a process of a job came to.
enum Ended {
    For(JobEnd),
    Requeued,
}

/// A job under way.
struct Admitted<'c> {
    cluster: &'c Fake,
    folder: PathBuf,
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        lock(&self.cluster.under_way).remove(&self.folder);
    }
}

/// Ends what is dropped while it works.
struct Guard<'c> {
    cluster: &'c Fake,
    processes: Vec<Process>,
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if !self.cluster.is_left.load(Ordering::Relaxed) {
            self.processes.iter().for_each(|process| process.end());
        }
    }
}

/// Waits until a file is there; for ever if there is none to wait for.
async fn appears(sign: Option<PathBuf>) {
    let Some(sign) = sign else { return std::future::pending().await };
    while !sign.exists() {
        tokio::time::sleep(LOOK).await;
    }
}

/// Takes a result out of sight for a while.
fn hide(folder: &Path, time: Duration) -> io::Result<()> {
    let (seen, unseen) = (folder.join(RESULT), folder.join(UNSEEN));
    std::fs::rename(&seen, &unseen)?;
    tokio::spawn(async move {
        tokio::time::sleep(time).await;
        // The folder may be gone by now.
        let _ = std::fs::rename(unseen, seen);
    });
    Ok(())
}

fn lost(process: Process, cause: Cause) -> JobEnd {
    JobEnd::Lost(Lost { cause, message: format!("job {} on {}", process.id, host()) })
}

fn tell(job: &ClusterJob, state: JobState) {
    // Who does not listen need not be told.
    let _ = job.states.send(state);
}

fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

fn broke(error: io::Error) -> Failure {
    Failure::new(Boundary::Executor, format!("the fake cluster: {error}"))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
