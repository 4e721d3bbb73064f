//! One stage of an evaluation as a job: what its node is told, what it answers, and the way between.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use researchgym_core::action::Body;
use researchgym_core::digest::Digest;
use researchgym_core::failure::{Boundary, Failure};
use researchgym_core::gpu::GpuRequest;
use researchgym_core::isolation::{Image, Runtime};
use researchgym_core::keys::AttemptKeys;
use researchgym_core::score::Split;
use researchgym_core::search::NodeId;
use researchgym_core::search::event::MetricPoint;
use researchgym_core::search::reports::Unread;
use researchgym_core::task::Task;
use serde::{Deserialize, Serialize};
use tokio::signal::unix::{SignalKind, signal};

use crate::catalogue::LoadedTask;
use crate::executor::folder::JobFolder;
use crate::gpu::{GpuGrant, GpuPlaces, Gpus};
use crate::materials::{Materials, Place};
use crate::sandbox::SandboxHost;
use crate::sandbox::cgroup::JobMemory;
use crate::scratch;
use crate::search::{
    Evaluation, Evaluator as _, InJob, Job, JobGrading, Local, Pool, Progress, ProgressTeller, Queued, Said,
    Verdict,
};
use crate::snapshot::check_out;
use crate::store::{Blobs, RunFolder};
use crate::workbench::Workbench;

/// What the names of folders begin with that jobs have among their node's temporary files.
pub(crate) const FOLDER_PREFIX: &str = "researchgym-job-";

/// What the node is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvaluationOrder {
    /// The run.
    pub run_id: String,
    /// The task with the run's variant.
    pub task: Task,
    /// Its folder.
    pub task_folder: PathBuf,
    /// Isolated or not.
    pub runtime: Runtime,
    /// The image of its containers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<Image>,
    /// Data that the user already has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_dir: Option<PathBuf>,
    /// The workspace with which the run began, in the run's blobs.
    pub starter: Digest,
    /// The evaluation's number.
    pub evaluation: u64,
    /// The node of the search.
    pub node: NodeId,
    /// The stage's name.
    pub stage: String,
    /// The candidate's editable files; long ones are in the run's blobs.
    pub files: BTreeMap<String, Body>,
    /// What makes the artefacts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// After which it is killed, in milliseconds.
    pub timeout_ms: u64,
    /// How it is graded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grading: Option<GradingOrder>,
    /// A file that the candidate's program may improve for its children.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learned: Option<String>,
    /// Seed of the program's own randomness.
    pub seed: u64,
    /// How many of the node's GPUs its program has.
    #[serde(default)]
    pub gpus: u64,
    /// When it was ordered, in milliseconds of Unix time.
    pub ordered_ms: u64,
}

/// How the node grades.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GradingOrder {
    /// The task with the stage's variant, if that is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<Task>,
    /// The variant's name.
    pub variant: String,
    /// The attempt's secret.
    pub secret: Digest,
    /// The seed of players.
    pub player_seed: u64,
    /// On what it is scored.
    pub split: Split,
}

/// `result.json` of an evaluation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum EvaluationResult {
    /// It is over.
    Over(Box<EvaluationReport>),
    /// The node could not evaluate it: nobody's fault who wrote the candidate.
    Broke {
        /// Why.
        failure: Failure,
    },
}

/// An evaluation as the node reports it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EvaluationReport {
    /// The verdict.
    pub verdict: Verdict,
    /// What the candidate's program wrote.
    pub said: Said,
    /// Manifest of the artefacts that were graded, in the run's blobs.
    pub outputs: Option<Digest>,
    /// The learned file; a long one is in the run's blobs.
    pub learned: Option<Body>,
    /// Processor time of the candidate's program in milliseconds.
    pub cpu_ms: u64,
    /// All that its program has told of itself.
    pub reported: Vec<MetricPoint>,
    /// What it told and is not among them.
    pub unread: Unread,
    /// From its order until it began, in milliseconds; as exact as the clocks of both machines agree.
    pub waited_ms: u64,
    /// From then to its end, in milliseconds.
    pub took_ms: u64,
}

impl EvaluationReport {
    /// The evaluation of which this is the report.
    ///
    /// # Errors
    /// A blob is missing.
    pub(crate) fn evaluation(self, blobs: &Blobs) -> Result<Evaluation, Failure> {
        Ok(Evaluation {
            verdict: self.verdict,
            said: self.said,
            outputs: self.outputs,
            learned: self.learned.map(|body| blobs.resolve(&body)).transpose()?,
            cpu: Duration::from_millis(self.cpu_ms),
            gpus: Vec::new(),
            reported: self.reported,
            unread: self.unread,
            queued: Some(Queued {
                waited: Duration::from_millis(self.waited_ms),
                took: Duration::from_millis(self.took_ms),
            }),
        })
    }
}

/// Milliseconds of Unix time.
pub(crate) fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}

/// Carries it out and puts the result into the folder. If the cluster ends the job there is no result: it may be carried out
/// again.
pub(super) async fn work(
    folder: &JobFolder,
    run: &Path,
    home: &Path,
    order: EvaluationOrder,
) -> Result<(), Failure> {
    let unheard =
        |error: std::io::Error| executor(format!("signals of the cluster cannot be heard: {error}"));
    let mut terminated = signal(SignalKind::terminate()).map_err(unheard)?;
    let mut interrupted = signal(SignalKind::interrupt()).map_err(unheard)?;
    let result = tokio::select! {
        biased;
        _ = terminated.recv() => return Err(executor("the cluster has ended the job")),
        _ = interrupted.recv() => return Err(executor("the cluster has interrupted the job")),
        result = carry_out(folder, run, home, order) => result,
    };
    let result = result.unwrap_or_else(|failure| EvaluationResult::Broke { failure });
    folder.conclude(&result).map(drop).map_err(|error| {
        executor(format!("the result cannot be put into {}: {error}", folder.path().display()))
    })
}

async fn carry_out(
    folder: &JobFolder,
    run: &Path,
    home: &Path,
    order: EvaluationOrder,
) -> Result<EvaluationResult, Failure> {
    let (began, clock) = (unix_ms(), Instant::now());
    let waited_ms = began.saturating_sub(order.ordered_ms);
    let blobs = RunFolder::open(run)?.blobs();
    let job = job(folder, &order, &blobs)?;
    let grant = grant(&order)?;
    let local = Arc::new(local(folder, home, order, blobs.clone(), grant.as_ref()).await?);
    let found = local.clone().evaluate(job).await;
    local.close().await;
    let Evaluation { verdict, said, outputs, learned, cpu, reported, unread, gpus: _, queued: _ } = found?;
    let learned = learned.map(|content| blobs.body(&content)).transpose()?;
    // The result names them.
    blobs.sync_pending()?;
    let took_ms = clock.elapsed().as_millis() as u64;
    let cpu_ms = cpu.as_millis() as u64;
    Ok(EvaluationResult::Over(Box::new(EvaluationReport {
        verdict,
        said,
        outputs,
        learned,
        cpu_ms,
        reported,
        unread,
        waited_ms,
        took_ms,
    })))
}

/// The job as the evaluator knows it.
fn job(folder: &JobFolder, order: &EvaluationOrder, blobs: &Blobs) -> Result<Job, Failure> {
    let contents = order.files.iter().map(|(path, body)| Ok((path.clone(), blobs.resolve(body)?)));
    let files = contents.collect::<Result<_, Failure>>()?;
    let task = Arc::new(order.task.clone());
    let grading = order.grading.clone().map(|grading| JobGrading {
        task: grading.task.map_or_else(|| task.clone(), Arc::new),
        variant: grading.variant,
        keys: AttemptKeys { secret: grading.secret, player_seed: grading.player_seed },
        split: grading.split,
    });
    Ok(Job {
        evaluation: order.evaluation,
        node: order.node,
        stage: order.stage.clone(),
        files: Arc::new(files),
        command: order.command.clone(),
        timeout: Duration::from_millis(order.timeout_ms),
        grading,
        learned: order.learned.clone(),
        seed: order.seed,
        teller: teller(folder.metrics()),
    })
}

/// Appends what the program measures to a file, a line a value.
fn teller(metrics: PathBuf) -> ProgressTeller {
    ProgressTeller::new(move |progress| {
        let Progress::Reported(points) = progress else { return };
        let lines = points.iter().filter_map(|point| serde_json::to_string(point).ok());
        let text: String = lines.flat_map(|line| [line, "\n".to_owned()]).collect();
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&metrics);
        // All values stand in the result too.
        let _ = file.and_then(|mut file| file.write_all(text.as_bytes()));
    })
}

/// The devices, of those that the cluster shows this job.
fn grant(order: &EvaluationOrder) -> Result<Option<GpuGrant>, Failure> {
    if order.gpus == 0 {
        return Ok(None);
    }
    let gpus = Gpus::find(GpuPlaces::of_machine(None))?;
    let mut grant = gpus.take(&GpuRequest::Count(order.gpus), order.runtime)?;
    grant.hold_for(&order.run_id)?;
    Ok(Some(grant))
}

/// The evaluator of this node.
async fn local(
    folder: &JobFolder,
    home: &Path,
    order: EvaluationOrder,
    blobs: Blobs,
    grant: Option<&GpuGrant>,
) -> Result<Local, Failure> {
    let sandboxes = SandboxHost::new(home)?;
    let temporary = std::env::temp_dir();
    let announce = |path: &Path| sandboxes.remove_after_us(path).map_err(std::io::Error::other);
    let base = scratch::marked(&temporary, FOLDER_PREFIX, 0o700, home, &announce)
        .map_err(|error| executor(format!("{} on the node: {error}", temporary.display())))?;
    let loaded =
        LoadedTask { task: order.task.clone(), folder: order.task_folder.clone(), digest: Digest::ZERO };
    if !loaded.folder.is_dir() {
        return Err(executor(format!("the task's folder {} is not on the node", loaded.folder.display()))
            .hinted("let the tasks folder be on a file system that the nodes share"));
    }
    let place = Place { sandboxes: &sandboxes, image: order.image.as_ref() };
    let materials = Materials::kept(home, &loaded, place, order.data_dir.as_deref()).await?;
    let workbench = Workbench::in_job(home, &base.path().join("scratch"), sandboxes, materials)?;
    let starter = blobs.manifest(order.starter)?;
    let laid_out = base.path().join("starter");
    check_out(&starter, &blobs, &laid_out, None)?;
    let mut task = order.task;
    // A job evaluates once: nothing would be warm for another.
    if let Some(search) = &mut task.search {
        search.warm = None;
    }
    let program = folder.program();
    // Of an earlier incarnation that was killed.
    let _ = std::fs::remove_file(&program);
    Ok(Local {
        workbench: Arc::new(workbench),
        task: Arc::new(task),
        task_folder: order.task_folder,
        run_id: order.run_id,
        runtime: order.runtime,
        image: order.image,
        blobs,
        starter,
        laid_out,
        _base: base,
        pool: Pool::default(),
        gpus: None,
        job: InJob { program: Some(program), memory: JobMemory::find(), gpus: grant.map(GpuGrant::access) },
    })
}

fn executor(message: impl Into<String>) -> Failure {
    Failure::new(Boundary::Executor, message)
}
