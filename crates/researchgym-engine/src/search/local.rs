//! The local evaluator: every evaluation in a sandbox of its own, on a working copy of its own, graded beside it.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use researchgym_core::digest::Digest;
use researchgym_core::failure::{Boundary, Failure};
use researchgym_core::gpu::{Gpu, GpuRequest};
use researchgym_core::isolation::{Image, Runtime};
use researchgym_core::observation::ReachedLimit;
use researchgym_core::score::AttemptKind;
use researchgym_core::search::event::EvaluationFailure;
use researchgym_core::task::Task;

use super::evaluator::{Evaluation, Evaluator, Files, Job, JobGrading, Said, Verdict};
use super::faults::fault;
use super::meter::{Meter, Metered};
use super::surface;
use super::warm::{self, Pool};
use crate::gpu::{GpuAccess, GpuError, GpuGrant, Gpus};
use crate::grading::{self, Grading};
use crate::sandbox::cgroup::JobMemory;
use crate::sandbox::{Capture, ExecOutcome, ReadOnlyMount, Sandbox, SandboxSpec, WorkingFolder};
use crate::scratch::Scratch;
use crate::session::lay_out;
use crate::snapshot::{Caps, Manifest, ManifestEntry, Snapshotter};
use crate::store::Blobs;
use crate::workbench::Workbench;

/// How often devices that others hold are tried again.
const GPU_AGAIN: Duration = Duration::from_millis(100);
/// How much of a program's output is kept on the disk while it is evaluated.
pub(super) const KEPT_OUTPUT: u64 = 1 << 20;
/// Fixed files of the starter that are larger than this are mounted read-only in working copies, not copied.
const COPIED: u64 = 64 << 10;
/// The exit status of a program that was killed by signal 9, as bash reports it.
const KILLED: i32 = 137;
/// So many at most; the rest is copied.
const MOST_MOUNTS: usize = 100;

/// Evaluates on this machine.
pub(crate) struct Local {
    pub(crate) workbench: Arc<Workbench>,
    pub(crate) task: Arc<Task>,
    pub(crate) task_folder: PathBuf,
    pub(crate) run_id: String,
    pub(crate) runtime: Runtime,
    pub(crate) image: Option<Image>,
    pub(crate) blobs: Blobs,
    /// The starter as the run began with it.
    pub(crate) starter: Manifest,
    /// It laid out: what is fixed comes from here.
    pub(crate) laid_out: PathBuf,
    pub(crate) _base: Scratch,
    /// Slots of warm evaluations.
    pub(crate) pool: Pool,
    /// The GPUs that each candidate's program is to have of this machine's.
    pub(crate) gpus: Option<GpuSlots>,
    /// In a job on a cluster: what only a job has.
    pub(crate) job: InJob,
}

/// GPUs of this machine, for one candidate's program at a time each.
pub(crate) struct GpuSlots {
    pub(crate) gpus: Arc<Gpus>,
    pub(crate) request: GpuRequest,
}

impl GpuSlots {
    /// Waits until as many are free as a program is to have.
    async fn take(&self, run_id: &str, runtime: Runtime) -> Result<GpuGrant, Failure> {
        loop {
            match self.gpus.take(&self.request, runtime) {
                Ok(mut grant) => {
                    grant.hold_for(run_id)?;
                    return Ok(grant);
                }
                Err(GpuError::Busy { .. }) => tokio::time::sleep(GPU_AGAIN).await,
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// What an evaluator has that is a job on a cluster.
#[derive(Default)]
pub(crate) struct InJob {
    /// A file that is there while a candidate's program works: whoever finds the job killed knows then that it was at work.
    pub(crate) program: Option<PathBuf>,
    /// The memory of the job, whose limit a program may meet before its own.
    pub(crate) memory: Option<JobMemory>,
    /// The devices that the cluster has given.
    pub(crate) gpus: Option<GpuAccess>,
}

impl Evaluator for Local {
    fn evaluate(self: Arc<Self>, job: Job) -> BoxFuture<'static, Result<Evaluation, Failure>> {
        Box::pin(async move {
            // Beside the search's loop.
            tokio::task::yield_now().await;
            self.stage(&job).await
        })
    }

    fn close(self: Arc<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async move { self.pool.close().await })
    }
}

impl Local {
    /// One stage: working copy, program, artefacts, grade.
    async fn stage(&self, job: &Job) -> Result<Evaluation, Failure> {
        if let Some(warm) = warm::wanted(self, job) {
            let mut slot = self.pool.take(self)?;
            let found = self.warm_stage(&mut slot, job, warm).await?;
            // A slot that failed is not used again.
            self.pool.give_back(slot);
            return Ok(found);
        }
        let scratch = self.workbench.scratch_folder()?;
        let workspace = scratch.path().join("workspace");
        let broke = |error| Failure::new(Boundary::Store, format!("{}: {error}", workspace.display()));
        std::fs::create_dir(&workspace).map_err(broke)?;
        if !self.runtime.is_isolated() {
            // Started as root, the program is another user's, who may pass but not look around.
            let mode = std::fs::Permissions::from_mode(0o711);
            std::fs::set_permissions(scratch.path(), mode).map_err(broke)?;
        }
        self.copy(job, &workspace)?;
        let mut ran = Ran::default();
        if let Some(command) = &job.command {
            let ended;
            (ended, ran) = self.run(job, command, &workspace, scratch.path()).await?;
            if let Some((kind, reason)) = fault(&ended, &ran.said, job.timeout) {
                return Ok(ran.came_to(Evaluation::failed(kind, reason)));
            }
        }
        let Some(grading) = &job.grading else {
            return Ok(ran.came_to(Evaluation::of(Verdict::Passed)));
        };
        Ok(ran.came_to(self.grade(job, grading, &workspace, scratch.path()).await?))
    }

    /// The candidate's files over the starter's.
    pub(super) fn copy(&self, job: &Job, workspace: &Path) -> Result<(), Failure> {
        let files: &Files = &job.files;
        // What the program is to make must be its own: artefacts of the starter are not there then.
        let is_made = |path: &str| job.command.is_some() && self.is_artefact(path);
        let broke = |path: &Path| {
            let path = path.display().to_string();
            move |error: std::io::Error| Failure::new(Boundary::Store, format!("{path}: {error}"))
        };
        let mut made = std::collections::HashSet::new();
        let mut folder_of = |path: &Path| -> Result<(), Failure> {
            let Some(parent) = path.parent().filter(|parent| made.insert(parent.to_path_buf())) else {
                return Ok(());
            };
            std::fs::create_dir_all(parent).map_err(broke(parent))
        };
        let mounted = self.mounted();
        let fixed = self.fixed().filter(|(path, _)| !mounted.contains(&path.as_str()) && !is_made(path));
        for (path, entry) in fixed {
            let target = workspace.join(path);
            folder_of(&target)?;
            std::fs::copy(self.laid_out.join(path), &target).map_err(broke(&target))?;
            let mode = std::fs::Permissions::from_mode(entry.mode | 0o600);
            std::fs::set_permissions(&target, mode).map_err(broke(&target))?;
        }
        for (path, content) in files {
            let target = workspace.join(path);
            folder_of(&target)?;
            std::fs::write(&target, content).map_err(broke(&target))?;
            if let Some(entry) = self.starter.files.get(path) {
                let mode = std::fs::Permissions::from_mode(entry.mode | 0o600);
                std::fs::set_permissions(&target, mode).map_err(broke(&target))?;
            }
        }
        if !self.workbench.materials.visible.is_empty() {
            std::fs::create_dir_all(workspace.join("data")).map_err(broke(workspace))?;
        }
        Ok(())
    }

    /// Files of the starter that are in every working copy as they are.
    fn fixed(&self) -> impl Iterator<Item = (&String, &ManifestEntry)> {
        self.starter.files.iter().filter(|(path, _)| !surface::covers(&self.task, path))
    }

    /// Whether a file is one of the artefacts, or lies in one, and not a protected file.
    fn is_artefact(&self, path: &str) -> bool {
        let lies_in = |place: &String| {
            let place = place.trim_end_matches('/');
            path == place || path.strip_prefix(place).is_some_and(|rest| rest.starts_with('/'))
        };
        self.task.submission.artefacts.iter().any(lies_in)
            && !self.task.workspace.protected.iter().any(lies_in)
    }

    /// Those of them that are mounted.
    fn mounted(&self) -> Vec<&str> {
        let large = self.fixed().filter(|(path, entry)| {
            entry.bytes > COPIED
                && !self.is_artefact(path)
                && self.runtime.is_isolated()
                && !self.task.workspace.protected.contains(path)
        });
        large.map(|(path, _)| path.as_str()).take(MOST_MOUNTS).collect()
    }

    async fn run(
        &self,
        job: &Job,
        command: &[String],
        workspace: &Path,
        scratch: &Path,
    ) -> Result<(ExecOutcome, Ran), Failure> {
        let grant = match &self.gpus {
            Some(slots) => Some(slots.take(&self.run_id, self.runtime).await?),
            None => None,
        };
        let mut specification = self.specification(job, workspace);
        let access = grant.as_ref().map(GpuGrant::access).or_else(|| self.job.gpus.clone());
        specification.environment.extend(access.iter().flat_map(GpuAccess::environment));
        specification.gpus = access;
        let sandbox = Sandbox::start(&self.workbench.sandboxes, specification, Vec::new()).await?;
        let mut meter = Meter::begin(workspace);
        let mut capture = Capture::new(scratch).at_most(KEPT_OUTPUT).tapped(meter.tap());
        self.job.begins()?;
        let killed = self.job.memory.as_ref().map(JobMemory::killed);
        let program = sandbox.spawn(command, job.timeout, &mut capture);
        let ended = meter.follow(&job.teller, program).await;
        let usage = sandbox.stop().await;
        let gpus = grant.as_ref().map_or_else(Vec::new, |grant| grant.devices().to_vec());
        drop(grant);
        let mut ended = ended?;
        let is_by_job = ended.exit_code == Some(KILLED)
            && self.job.memory.as_ref().map(JobMemory::killed).is_some_and(|now| Some(now) > killed);
        self.job.ends()?;
        if (usage.out_of_memory > 0 || is_by_job) && !ended.limits.contains(&ReachedLimit::Memory) {
            ended.limits.push(ReachedLimit::Memory);
        }
        Ok((ended, Ran { said: heard(capture)?, cpu: usage.cpu, gpus, metered: meter.finish().await }))
    }

    pub(super) fn specification(&self, job: &Job, workspace: &Path) -> SandboxSpec {
        let materials = &self.workbench.materials;
        let starter = self.task_folder.join(&self.task.workspace.starter);
        let protected =
            self.task.workspace.protected.iter().map(|path| ReadOnlyMount {
                source: starter.join(path),
                target: format!("/workspace/{path}"),
            });
        let fixed = self.mounted().into_iter().map(|path| ReadOnlyMount {
            source: self.laid_out.join(path),
            target: format!("/workspace/{path}"),
        });
        let read_only =
            protected.chain(fixed).chain(materials.agent_mounts()).chain(materials.environment_mount());
        SandboxSpec {
            runtime: self.runtime,
            image: self.image.clone(),
            name: format!("{}-e{}", self.run_id, job.evaluation),
            working_folder: WorkingFolder::Writable { source: workspace.to_path_buf() },
            read_only: read_only.collect(),
            environment: BTreeMap::from([
                ("HOME".to_owned(), "/tmp".to_owned()),
                ("LANG".to_owned(), "C.UTF-8".to_owned()),
                ("PATH".to_owned(), materials.path("")),
                ("PYTHONDONTWRITEBYTECODE".to_owned(), "1".to_owned()),
                ("RESEARCHGYM_TASK".to_owned(), self.task.id.clone()),
            ])
            .into_iter()
            .chain(own_environment(job))
            .collect(),
            resources: self.task.resources.clone(),
            gpus: None,
            session: false,
            gateway: None,
            proxy: None,
        }
    }

    pub(super) async fn grade(
        &self,
        job: &Job,
        asked: &JobGrading,
        workspace: &Path,
        scratch: &Path,
    ) -> Result<Evaluation, Failure> {
        let mut snapshotter = Snapshotter::new();
        let (outputs, manifest) = match self.artefacts(asked, workspace, &mut snapshotter)? {
            Ok(taken) => taken,
            Err(found) => return Ok(found),
        };
        let folder = scratch.join("submission");
        lay_out(&manifest, &self.blobs, &folder)?;
        let mut requests = Vec::new();
        let grading = self.grading(job, asked, &folder, scratch);
        let score = grading::grade(&self.workbench.sandboxes, &grading, &mut requests).await?;
        let learned = self.learned(job, workspace, &mut snapshotter)?;
        Ok(Evaluation { outputs: Some(outputs), learned, ..Evaluation::of(Verdict::Graded(score)) })
    }

    /// The artefacts that are graded, or why there are none.
    pub(super) fn artefacts(
        &self,
        asked: &JobGrading,
        workspace: &Path,
        snapshotter: &mut Snapshotter,
    ) -> Result<Result<(Digest, Manifest), Evaluation>, Failure> {
        let submission = &asked.task.submission;
        let caps = Caps { max_bytes: submission.max_bytes, max_files: submission.max_files };
        match snapshotter.take_paths(workspace, &submission.artefacts, caps, &self.blobs) {
            Ok(taken) => Ok(Ok(taken)),
            Err(error) => match error.agent_reason() {
                Some(reason) => Ok(Err(Evaluation::failed(EvaluationFailure::NoArtefact, reason))),
                None => Err(error.into()),
            },
        }
    }

    pub(super) fn grading<'g>(
        &'g self,
        job: &Job,
        asked: &'g JobGrading,
        submission: &'g Path,
        scratch: &'g Path,
    ) -> Grading<'g> {
        Grading {
            name: format!("{}-g{}", self.run_id, job.evaluation),
            task: &asked.task,
            task_folder: &self.task_folder,
            materials: &self.workbench.materials,
            library: &self.workbench.library,
            submission,
            scratch,
            kind: AttemptKind::Validate,
            split: asked.split,
            keys: asked.keys,
            variant: &asked.variant,
            names: &self.workbench.names,
        }
    }

    /// What the candidate's program has made of the file that its children inherit.
    pub(super) fn learned(
        &self,
        job: &Job,
        workspace: &Path,
        snapshotter: &mut Snapshotter,
    ) -> Result<Option<Vec<u8>>, Failure> {
        let Some(path) = &job.learned else { return Ok(None) };
        let caps = Caps { max_bytes: 1 << 20, max_files: 1 };
        let taken = snapshotter.take_paths(workspace, std::slice::from_ref(path), caps, &self.blobs);
        let Ok((_, manifest)) = taken else { return Ok(None) };
        let Some(entry) = manifest.files.get(path) else { return Ok(None) };
        let content = self.blobs.get(entry.sha256)?;
        Ok(Some(content).filter(|content| job.files.get(path) != Some(content)))
    }
}

/// What is left of a candidate's program when it has ended.
#[derive(Default)]
pub(super) struct Ran {
    pub(super) said: Said,
    pub(super) cpu: Duration,
    pub(super) gpus: Vec<Gpu>,
    pub(super) metered: Metered,
}

impl Ran {
    /// The evaluation with it.
    pub(super) fn came_to(self, evaluation: Evaluation) -> Evaluation {
        let Metered { points: reported, unread } = self.metered;
        Evaluation { said: self.said, cpu: self.cpu, gpus: self.gpus, reported, unread, ..evaluation }
    }
}

impl InJob {
    fn begins(&self) -> Result<(), Failure> {
        let Some(program) = &self.program else { return Ok(()) };
        std::fs::write(program, "")
            .map_err(|error| Failure::new(Boundary::Executor, format!("{}: {error}", program.display())))
    }

    fn ends(&self) -> Result<(), Failure> {
        let Some(program) = &self.program else { return Ok(()) };
        std::fs::remove_file(program)
            .map_err(|error| Failure::new(Boundary::Executor, format!("{}: {error}", program.display())))
    }
}

/// What a candidate's program sees of its own evaluation.
pub(super) fn own_environment(job: &Job) -> BTreeMap<String, String> {
    BTreeMap::from([
        ("RESEARCHGYM_SEED".to_owned(), job.seed.to_string()),
        ("RESEARCHGYM_STAGE".to_owned(), job.stage.clone()),
    ])
}

pub(super) fn heard(capture: Capture) -> Result<Said, Failure> {
    let (stdout, stderr) = capture.finish().map_err(|error| {
        Failure::new(Boundary::Store, format!("the output of a candidate cannot be kept: {error}"))
    })?;
    Ok(Said { stdout: stdout.text, stderr: stderr.text })
}
