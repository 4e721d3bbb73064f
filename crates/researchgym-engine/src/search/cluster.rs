//! The evaluator on a cluster: each stage of an evaluation is a job, described by a folder below `jobs/` of the run's folder.
//!
//! The folder outlives this process: a search that goes on asks for the same job again and gets what came of it. It is
//! removed when the log holds the result safely, so that a run has no more folders than evaluations under way.

use std::collections::BTreeMap;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use researchgym_core::digest::Digest;
use researchgym_core::executor::{Executor, SlurmSpec};
use researchgym_core::failure::{Boundary, Failure};
use researchgym_core::gpu::GpuRequest;
use researchgym_core::isolation::{Image, Runtime};
use researchgym_core::search::NodeId;
use researchgym_core::search::event::{EvaluationFailure, MetricPoint};
use researchgym_core::spec::{AgentSpec, RunSpec};
use researchgym_core::task::Task;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};

use super::evaluator::{Evaluation, Evaluator, Job, Progress, ProgressTeller};
use crate::executor::folder::{BATCHES, JobFolder};
use crate::executor::order::{Order, SCHEMA, Work};
use crate::executor::worker::evaluation::{EvaluationOrder, EvaluationResult, GradingOrder, unix_ms};
use crate::executor::{Cause, Cluster, ClusterJob, JobEnd, JobState, Lost, Needs};
use crate::store::Blobs;

/// Below a run's folder.
const JOBS: &str = "jobs";
/// How often a job's folder is looked at, where not too many are.
const LOOK: Duration = Duration::from_secs(1);
/// So many folders are looked at in that time, at most.
const LOOKS: usize = 100;
/// How long a result may take to be seen here after its job has ended: file systems of many machines remember for up to a
/// minute that a file is not there.
const UNSEEN: Duration = Duration::from_secs(75);
/// How often the folders of cancelled jobs are removed, until nothing is left.
const CLOSING: usize = 40;
/// Beside what a job's programs may take: starting sandboxes, laying files out.
const SLACK: Duration = Duration::from_secs(120);
/// Memory in MiB beside what a job's programs may have.
const BESIDE: u64 = 256;
/// Bytes of metrics that are read at once.
const MOST_READ: u64 = 1 << 20;

/// Evaluates as jobs of a cluster.
pub(super) struct OnCluster {
    pub(super) cluster: Arc<dyn Cluster>,
    pub(super) slurm: SlurmSpec,
    /// The cache folder as nodes find it.
    pub(super) home: PathBuf,
    /// The run's folder, absolute.
    pub(super) run: PathBuf,
    pub(super) task: Arc<Task>,
    pub(super) task_folder: PathBuf,
    pub(super) run_id: String,
    pub(super) runtime: Runtime,
    pub(super) image: Option<Image>,
    pub(super) data_dir: Option<PathBuf>,
    pub(super) blobs: Blobs,
    /// The workspace with which the run began.
    pub(super) starter: Digest,
    /// GPUs of each evaluation.
    pub(super) gpus: u64,
    pub(super) under_way: AtomicUsize,
}

impl Evaluator for OnCluster {
    fn evaluate(self: Arc<Self>, job: Job) -> BoxFuture<'static, Result<Evaluation, Failure>> {
        Box::pin(async move {
            let _counted = Counted::new(&self.under_way);
            // Beside the search's loop.
            tokio::task::yield_now().await;
            self.carry_out(&job).await
        })
    }

    fn has_kept(&self, evaluation: u64) -> bool {
        // Who was ordered is handed over, now if it was not before.
        self.folder(evaluation).order().is_ok()
    }

    fn keeps(&self) -> bool {
        true
    }

    fn recorded(&self, evaluations: &[u64]) {
        for evaluation in evaluations {
            // What is left is removed when the run is opened again.
            let _ = self.folder(*evaluation).remove();
        }
    }

    fn close(self: Arc<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let jobs = self.run.join(JOBS);
            // Jobs that were cancelled just now may write there until they are gone.
            for _ in 0..CLOSING {
                self.tidy(&BTreeMap::new());
                // No job is left, and with it nobody who needs a list of folders.
                let _ = std::fs::remove_dir_all(jobs.join(BATCHES));
                match std::fs::remove_dir(&jobs) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {}
                    Ok(()) | Err(_) => return,
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
    }
}

impl OnCluster {
    /// Removes the folders of evaluations that are over.
    pub(super) fn tidy(&self, under_way: &BTreeMap<u64, NodeId>) {
        let Ok(entries) = std::fs::read_dir(self.run.join(JOBS)) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix('e')?.parse().ok());
            if number.is_some_and(|number: u64| !under_way.contains_key(&number)) {
                // It does no harm if it stays.
                let _ = JobFolder::at(entry.path()).remove();
            }
        }
    }

    fn folder(&self, evaluation: u64) -> JobFolder {
        JobFolder::at(self.run.join(JOBS).join(format!("e{evaluation}")))
    }

    async fn carry_out(self: &Arc<Self>, job: &Job) -> Result<Evaluation, Failure> {
        let folder = self.folder(job.evaluation);
        // Before it is handed over: no time of the run's passes until it works.
        job.teller.tell(Progress::Queued { reason: String::new() });
        let (cluster, placed, ordered) = (self.clone(), folder.clone(), job.clone());
        let placing = tokio::task::spawn_blocking(move || cluster.place(&placed, &ordered));
        placing.await.map_err(|error| executor(format!("a job was not ordered: {error}")))??;
        let (states, mut told) = mpsc::unbounded_channel();
        let end = self.cluster.clone().carry_out(ClusterJob {
            folder: folder.path().to_path_buf(),
            name: job_name(&self.run_id, job.evaluation),
            needs: self.needs(job),
            group: None,
            states,
        });
        tokio::pin!(end);
        let mut watch = Watch::new(&folder, &job.teller);
        let end = loop {
            let under_way = self.under_way.load(Ordering::Relaxed);
            let again = LOOK * u32::try_from(under_way.div_ceil(LOOKS)).unwrap_or(1).max(1);
            tokio::select! {
                biased;
                end = &mut end => break end?,
                Some(state) = told.recv() => watch.told(&state),
                () = tokio::time::sleep(again) => watch.look(),
            }
        };
        watch.look();
        match end {
            JobEnd::Result => self.result(&folder, job.evaluation).await,
            // It may have been concluded at the last moment.
            JobEnd::Lost(_) if folder.has_result() => self.result(&folder, job.evaluation).await,
            JobEnd::Lost(lost) => self.lost(&folder, job.evaluation, &lost),
        }
    }

    /// Writes the order down, with all that it names.
    fn place(&self, folder: &JobFolder, job: &Job) -> Result<(), Failure> {
        let files = job.files.iter().map(|(path, content)| Ok((path.clone(), self.blobs.body(content)?)));
        let files = files.collect::<Result<_, Failure>>()?;
        self.blobs.sync_pending()?;
        let grading = job.grading.as_ref().map(|grading| GradingOrder {
            task: (grading.task != self.task).then(|| (*grading.task).clone()),
            variant: grading.variant.clone(),
            secret: grading.keys.secret,
            player_seed: grading.keys.player_seed,
            split: grading.split,
        });
        let order = EvaluationOrder {
            run_id: self.run_id.clone(),
            task: (*self.task).clone(),
            task_folder: self.task_folder.clone(),
            runtime: self.runtime,
            image: self.image.clone(),
            data_dir: self.data_dir.clone(),
            starter: self.starter,
            evaluation: job.evaluation,
            node: job.node,
            stage: job.stage.clone(),
            files,
            command: job.command.clone(),
            timeout_ms: job.timeout.as_millis() as u64,
            grading,
            learned: job.learned.clone(),
            seed: job.seed,
            gpus: self.gpus,
            ordered_ms: unix_ms(),
        };
        let order = Order {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            run: self.run.clone(),
            home: self.home.clone(),
            work: Work::Evaluation(Box::new(order)),
        };
        folder.place(&order).map_err(|error| unusable(folder, &error))
    }

    /// What a job needs: the task's limits for all sandboxes that work at once, and a little for what is beside them; or
    /// what the settings say.
    fn needs(&self, job: &Job) -> Needs {
        let grading = job.grading.as_ref().map_or(0, |grading| grading.task.grader.timeout_s);
        let time = job.timeout + Duration::from_secs(grading) + SLACK;
        needed(&self.task, &self.slurm, self.gpus, time)
    }

    /// The result, which may be seen a little later than the end of its job.
    async fn result(&self, folder: &JobFolder, evaluation: u64) -> Result<Evaluation, Failure> {
        let patience = Instant::now() + UNSEEN;
        let mut again = tokio::time::interval(Duration::from_millis(50));
        again.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            again.tick().await;
            match folder.result().map_err(|error| unusable(folder, &error))? {
                Some(EvaluationResult::Over(report)) => return report.evaluation(&self.blobs),
                Some(EvaluationResult::Broke { failure }) => return Err(failure),
                None if Instant::now() < patience => {}
                None => {
                    return Err(executor(format!(
                        "the job of evaluation {evaluation} has ended, and its result is not seen in {}",
                        folder.path().display()
                    ))
                    .hinted("let the runs folder be on a file system that the nodes share"));
                }
            }
        }
    }

    /// What it means that there is no result. Only a job that was out of memory while the candidate's program worked failed
    /// by the candidate's fault.
    fn lost(&self, folder: &JobFolder, evaluation: u64, lost: &Lost) -> Result<Evaluation, Failure> {
        let Lost { cause, message } = lost;
        if *cause == Cause::OutOfMemory && folder.program().exists() {
            let reason = format!("its job was out of memory while its program worked: {message}");
            return Ok(Evaluation::failed(EvaluationFailure::OutOfMemory, reason));
        }
        let said = folder.failure().ok().flatten().filter(|_| *cause == Cause::Failed);
        let what = match cause {
            Cause::Cancelled => "was cancelled, and not by this program",
            Cause::Preempted => "was preempted and not put back into the queue",
            Cause::NodeFailed => "was lost with its node",
            Cause::OutOfMemory => "was out of memory before or after the candidate's program worked",
            Cause::TimeOut => "met the cluster's time limit",
            Cause::Failed => "ended without a result",
            Cause::Vanished => "is not known to the cluster any more",
        };
        let mut text = format!("the job of evaluation {evaluation} {what}: {message}");
        let mut failure = Failure::new(Boundary::Executor, String::new());
        failure.hint = match cause {
            Cause::OutOfMemory => Some("ask for more with `memory_mib` of [slurm]".to_owned()),
            Cause::TimeOut => Some("ask for more with `minutes` of [slurm]".to_owned()),
            _ => None,
        };
        if let Some(said) = said {
            text.push_str(&format!("; it says: {said}"));
            failure.hint = said.hint;
        }
        failure.message = text;
        Err(failure)
    }
}

/// What the job of a full evaluation needs, if the run is a search on a cluster.
pub fn needs_of_evaluation(task: &Task, spec: &RunSpec) -> Option<Needs> {
    let (Executor::Slurm(slurm), AgentSpec::Search(_)) = (&spec.executor, &spec.agent) else { return None };
    let gpus = match &spec.gpus {
        Some(GpuRequest::Count(count)) => *count,
        // The command line gives counts alone to a cluster.
        Some(GpuRequest::All | GpuRequest::Devices(_)) | None => 0,
    };
    let timeout = task.search.clone().unwrap_or_default().timeout_s();
    let time = Duration::from_secs(timeout + task.grader.timeout_s) + SLACK;
    Some(needed(task, slurm, gpus, time))
}

fn needed(task: &Task, slurm: &SlurmSpec, gpus: u64, time: Duration) -> Needs {
    let resources = &task.resources;
    // The grader works after the candidate's program, and its players beside it.
    let at_once = 1 + task.grader.players.len() as u64;
    let memory_mib = (resources.memory_mib + resources.tmp_mib) * at_once + BESIDE;
    Needs {
        cpus: slurm.cpus.unwrap_or_else(|| resources.cpus.ceil().max(1.0) as u32),
        memory_mib: slurm.memory_mib.unwrap_or(memory_mib),
        gpus,
        time: Some(slurm.minutes.map_or(time, |minutes| Duration::from_secs(minutes * 60))),
    }
}

/// How a job stands, from what the cluster says and from its folder, and its metrics: each is told on.
struct Watch<'j> {
    folder: &'j JobFolder,
    teller: &'j ProgressTeller,
    /// The next incarnation that has not been seen to begin.
    next: u32,
    is_running: bool,
    /// How far the metrics were read.
    read: u64,
}

impl<'j> Watch<'j> {
    fn new(folder: &'j JobFolder, teller: &'j ProgressTeller) -> Watch<'j> {
        Watch { folder, teller, next: 0, is_running: false, read: 0 }
    }

    /// Takes in what the cluster says.
    fn told(&mut self, state: &JobState) {
        while self.folder.has_started(self.next) {
            self.next += 1;
        }
        match state {
            JobState::Queued { reason, .. } => {
                self.is_running = false;
                self.teller.tell(Progress::Queued { reason: reason.clone() });
            }
            JobState::Running { .. } => self.runs(),
        }
    }

    /// Looks into the folder: a job that has begun says so there before its cluster does.
    fn look(&mut self) {
        if !self.is_running && self.folder.has_started(self.next) {
            self.next += 1;
            self.runs();
        }
        if self.is_running {
            // All values stand in the result too.
            let points = self.points().unwrap_or_default();
            if !points.is_empty() {
                self.teller.tell(Progress::Reported(points));
            }
        }
    }

    fn runs(&mut self) {
        self.is_running = true;
        self.teller.tell(Progress::Running);
    }

    /// The newest value of each metric since the last time.
    fn points(&mut self) -> io::Result<Vec<MetricPoint>> {
        let mut file = match std::fs::File::open(self.folder.metrics()) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        file.seek(SeekFrom::Start(self.read))?;
        let mut bytes = Vec::new();
        file.take(MOST_READ).read_to_end(&mut bytes)?;
        // The last line may be half written.
        let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        self.read += whole as u64;
        let mut newest = BTreeMap::new();
        let lines = bytes[..whole].split(|&byte| byte == b'\n');
        for point in lines.filter_map(|line| serde_json::from_slice::<MetricPoint>(line).ok()) {
            newest.insert(point.name.clone(), point);
        }
        Ok(newest.into_values().collect())
    }
}

/// One more under way.
struct Counted<'c>(&'c AtomicUsize);

impl<'c> Counted<'c> {
    fn new(count: &'c AtomicUsize) -> Counted<'c> {
        count.fetch_add(1, Ordering::Relaxed);
        Counted(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a cluster shows a job as.
fn job_name(run_id: &str, evaluation: u64) -> String {
    let run = run_id.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' });
    format!("{}-e{evaluation}", run.collect::<String>())
}

fn unusable(folder: &JobFolder, error: &io::Error) -> Failure {
    executor(format!("the folder of a job, {}: {error}", folder.path().display()))
}

fn executor(message: impl Into<String>) -> Failure {
    Failure::new(Boundary::Executor, message)
}
