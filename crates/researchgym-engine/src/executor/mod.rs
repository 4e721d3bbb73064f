//! Executors other than this process: a cluster takes jobs, each described by a folder on a file system that its nodes share
//! with us, and carries them out by this same program.
//!
//! What is true of a job stands in its folder, not in the cluster's memory: `order.json` says what to do, `submitted.json`
//! that it was handed over, `started.N` (made exclusively) that its N-th incarnation works, `result.json` (linked into place
//! once and never replaced) what came of it. Whoever opens the folder again goes on from there, so that nothing runs twice.

pub mod fake;
pub mod folder;
pub(crate) mod follow;
pub mod order;
pub mod relay;
pub mod runs;
pub mod slurm;
pub(crate) mod worker;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use researchgym_core::failure::Failure;
use tokio::sync::mpsc;

/// Takes jobs and carries them out somewhere.
pub trait Cluster: Send + Sync {
    /// Hands a job over, or finds it again if that was done before, and waits for its end. If the future is dropped, the
    /// job is cancelled; if the process dies, it goes on.
    ///
    /// # Errors
    /// The cluster refuses the job for good, or cannot be asked for longer than its patience.
    fn carry_out(self: Arc<Self>, job: ClusterJob) -> BoxFuture<'static, Result<JobEnd, Failure>>;

    /// Lets jobs go on without us: what is dropped after this is not cancelled.
    fn leave(&self);

    /// The name in messages.
    fn name(&self) -> &'static str;
}

/// A job for a cluster. Its order lies in its folder already.
#[derive(Clone, Debug)]
pub struct ClusterJob {
    /// Its folder, absolute: unique for the job, and the same whenever the job is asked for again.
    pub folder: PathBuf,
    /// What the cluster shows it as: letters, digits and `-`.
    pub name: String,
    /// What it needs.
    pub needs: Needs,
    /// So many jobs of the same group at once, at most.
    pub group: Option<Group>,
    /// Is told how it stands.
    pub states: mpsc::UnboundedSender<JobState>,
}

/// What a job needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Needs {
    /// CPUs.
    pub cpus: u32,
    /// Memory in MiB, with what is beside the program.
    pub memory_mib: u64,
    /// Whole GPUs.
    pub gpus: u64,
    /// After which the cluster kills it: the last resort behind the job's own time-outs. `None`: no limit of ours.
    pub time: Option<Duration>,
}

/// Jobs that were asked for together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// How many jobs it has: they are handed over together.
    pub jobs: usize,
    /// How many of them may work at once.
    pub at_once: usize,
}

/// How a job stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobState {
    /// It waits for its turn.
    Queued {
        /// The cluster's name for it.
        id: String,
        /// Why, in the cluster's words.
        reason: String,
    },
    /// It is carried out.
    Running {
        /// Where.
        host: String,
    },
}

/// How a job ended for the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobEnd {
    /// Its result is in its folder.
    Result,
    /// There is no result, and none will come.
    Lost(Lost),
}

/// Why there is no result. None of it is the fault of what ran in the job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// What the cluster says.
    pub cause: Cause,
    /// In words, with the job's number and node.
    pub message: String,
}

/// See [`Lost`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Somebody cancelled it.
    Cancelled,
    /// A more urgent job took its place, and it was not put back into the queue.
    Preempted,
    /// Its node failed.
    NodeFailed,
    /// The job as a whole was out of memory, and its program could not say so.
    OutOfMemory,
    /// It met the cluster's time limit, not its own.
    TimeOut,
    /// It ended without a result.
    Failed,
    /// The cluster has forgotten it.
    Vanished,
}
