//! What a task needs from outside its folder: its Python environment and its data, ready to be mounted.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::future::BoxFuture;
use researchgym_core::failure::{Boundary, Failure};
use researchgym_core::isolation::{Image, Runtime};
use researchgym_core::task::{Dataset, Task};

use crate::catalogue::LoadedTask;
use crate::dataset::{DatasetCache, Fetching, Prepared};
use crate::environment::Environments;
use crate::sandbox::docker::ImagePrograms;
use crate::sandbox::{Capture, ReadOnlyMount, Sandbox, SandboxHost, SandboxSpec, WorkingFolder};
use crate::scratch;

/// A task's environment and data, made or fetched before a run starts.
#[derive(Clone, Debug, Default)]
pub struct Materials {
    /// The image in whose containers the run, its graders and its players work; without one, graders and players work
    /// in the `local` runtime, also when the user chose to run the agent without isolation.
    pub image: Option<Image>,
    /// The `uv`-made environment's folder on the host.
    pub environment: Option<PathBuf>,
    /// Files that the agent may see: name and host path.
    pub visible: Vec<(String, PathBuf)>,
    /// Files that only the grader may see.
    pub hidden: Vec<(String, PathBuf)>,
}

/// Where a task's graders, players and preparations run.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// Where sandboxes come from.
    pub sandboxes: &'a SandboxHost,
    /// The image of their containers, if they are some.
    pub image: Option<&'a Image>,
}

fn no_python(task: &LoadedTask, image: &Image) -> Failure {
    let message =
        format!("task {} needs Python, and the image `{}` has no python3", task.task.id, image.name);
    Failure::new(Boundary::Task, message).hinted("choose another image with --image, or add python3 to it")
}

/// Compiles an environment for the image's Python, in a container of it. Without this every import would compile again, in
/// memory: nothing but time depends on it, so that its failing is none.
async fn compile(place: Place<'_>, task: &Task, folder: PathBuf) -> io::Result<()> {
    let specification = SandboxSpec {
        runtime: Runtime::Docker,
        image: place.image.cloned(),
        name: format!("compile-{}", task.id),
        working_folder: WorkingFolder::Scratch { source: folder.clone(), target: "/environment".into() },
        read_only: Vec::new(),
        environment: BTreeMap::from([("PATH".into(), "/usr/local/bin:/usr/bin:/bin".into())]),
        resources: task.resources.clone(),
        gpus: None,
        session: false,
        gateway: None,
        proxy: None,
    };
    let words = ["python3", "-I", "-m", "compileall", "-q", "-j", "0", "/environment/lib"];
    let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
    if let Ok(sandbox) = Sandbox::start(place.sandboxes, specification, Vec::new()).await {
        // Short messages at most: they are not kept.
        let _ = sandbox.spawn(&words, PREPARE_TIMEOUT, &mut Capture::new(&std::env::temp_dir())).await;
        sandbox.stop().await;
    }
    // Nobody else may change what others will run.
    let taken = tokio::task::spawn_blocking(move || crate::sandbox::take_back(&folder)).await;
    taken.unwrap_or_else(|error| Err(io::Error::other(error)))
}

/// Whether the grader, a player or a preparation is a Python program, or packages are to be installed.
fn needs_python(task: &Task) -> bool {
    let players = task.grader.players.iter().map(|player| &player.command);
    let preparations = task.datasets.iter().map(|dataset| &dataset.prepare);
    let commands = [&task.grader.command].into_iter().chain(players).chain(preparations);
    let is_python =
        |command: &Vec<String>| command.first().is_some_and(|program| program.starts_with("python"));
    task.environment.is_some() || commands.into_iter().any(is_python)
}

/// Longest time that one dataset's preparation may take.
const PREPARE_TIMEOUT: Duration = Duration::from_secs(3600);

impl Materials {
    /// Makes the environment and prepares the data of a task, from the caches below `home` where they are there.
    ///
    /// # Errors
    /// Data that is neither in the cache nor in `fetching.data_dir` (and is not to be downloaded), no `uv`, a failed
    /// preparation.
    pub async fn gather(
        home: &Path,
        task: &LoadedTask,
        place: Place<'_>,
        fetching: Fetching<'_>,
    ) -> Result<Materials, Failure> {
        Materials::gather_from(home, task, place, fetching, Environments::new(home)).await
    }

    /// The same in a job on a cluster, which takes what is in the caches: nothing is fetched and no environment made.
    ///
    /// # Errors
    /// Something is not there, or a preparation fails.
    pub async fn kept(
        home: &Path,
        task: &LoadedTask,
        place: Place<'_>,
        data_dir: Option<&Path>,
    ) -> Result<Materials, Failure> {
        let fetching = Fetching { data_dir, download: false, listener: &|_| {} };
        Materials::gather_from(home, task, place, fetching, Environments::new(home).only_kept()).await
    }

    async fn gather_from(
        home: &Path,
        task: &LoadedTask,
        place: Place<'_>,
        fetching: Fetching<'_>,
        environments: Environments,
    ) -> Result<Materials, Failure> {
        let mut materials = Materials { image: place.image.cloned(), ..Materials::default() };
        let programs = match place.image {
            Some(image) => Some(place.sandboxes.images().programs(image).await?),
            None => None,
        };
        if let (Some(image), Some(ImagePrograms { python: None, .. })) = (place.image, &programs)
            && needs_python(&task.task)
        {
            return Err(no_python(task, image));
        }
        let cache = DatasetCache::new(home);
        let grader = task.grader_digest()?;
        let mut missing = Vec::new();
        for dataset in &task.task.datasets {
            let prepared = cache.prepared(dataset, grader);
            if !prepared.exists() {
                let download = cache.ensure(&task.task.id, dataset, fetching).await?;
                missing.push((dataset, download, prepared));
            }
        }
        if let Some(environment) = &task.task.environment {
            let requirements = task.path(&environment.requirements);
            materials.environment = Some(match (place.image, programs) {
                (Some(image), Some(programs)) => {
                    let python = programs.python.ok_or_else(|| no_python(task, image))?;
                    let finish = |folder| {
                        Box::pin(compile(place, &task.task, folder)) as BoxFuture<'_, io::Result<()>>
                    };
                    environments.ensure_for(&python, &requirements, &finish, fetching.listener).await?
                }
                _ => environments.ensure(&requirements, fetching.listener).await?,
            });
        }
        for (dataset, download, prepared) in missing {
            materials.prepare(home, task, dataset, &download, &prepared, place.sandboxes).await?;
        }
        for dataset in &task.task.datasets {
            let prepared = cache.prepared(dataset, grader);
            let file = |folder: PathBuf| move |name: &String| (name.clone(), folder.join(name));
            materials.visible.extend(dataset.visible.iter().map(file(prepared.visible())));
            materials.hidden.extend(dataset.hidden.iter().map(file(prepared.hidden())));
        }
        Ok(materials)
    }

    /// Runs a dataset's `prepare` program in a sandbox of its own and keeps what it wrote.
    async fn prepare(
        &self,
        home: &Path,
        task: &LoadedTask,
        dataset: &Dataset,
        download: &Path,
        prepared: &Prepared,
        sandboxes: &SandboxHost,
    ) -> Result<(), Failure> {
        let workplace = prepared.workplace()?;
        let scratch = home.join("scratch");
        let output = scratch::folder(&scratch)
            .map_err(|error| Failure::new(Boundary::Store, format!("{}: {error}", scratch.display())))?;
        sandboxes.remove_after_us(workplace.path())?;
        sandboxes.remove_after_us(output.path())?;
        let mut read_only = vec![
            ReadOnlyMount { source: task.path(&task.task.grader.files), target: "/grader".into() },
            ReadOnlyMount { source: download.into(), target: format!("/download/{}", dataset.file) },
        ];
        read_only.extend(self.environment_mount());
        let specification = SandboxSpec {
            runtime: self.runtime(),
            image: self.image.clone(),
            name: format!("prepare-{}-{}", task.task.id, dataset.name),
            working_folder: WorkingFolder::Scratch {
                source: workplace.path().into(),
                target: "/prepared".into(),
            },
            read_only,
            environment: BTreeMap::from([
                ("HOME".into(), "/tmp".into()),
                ("LANG".into(), "C.UTF-8".into()),
                ("PATH".into(), self.path("")),
                ("PYTHONDONTWRITEBYTECODE".into(), "1".into()),
            ]),
            resources: task.task.resources.clone(),
            gpus: None,
            session: false,
            gateway: None,
            proxy: None,
        };
        let sandbox = Sandbox::start(sandboxes, specification, Vec::new()).await?;
        let mut capture = Capture::new(output.path());
        let outcome = sandbox.spawn(&dataset.prepare, PREPARE_TIMEOUT, &mut capture).await;
        sandbox.stop().await;
        let failed = |what: String| {
            Failure::new(Boundary::Task, format!("dataset {} of task {}: {what}", dataset.name, task.task.id))
        };
        let said = capture.finish().map(|(_, stderr)| stderr.text).unwrap_or_default();
        match outcome?.exit_code {
            Some(0) => Ok(prepared.publish(workplace, dataset)?),
            Some(code) => {
                Err(failed(format!("`prepare` ended with status {code}; it wrote:\n{}", said.trim())))
            }
            None => Err(failed(format!("`prepare` took more than {} s", PREPARE_TIMEOUT.as_secs()))),
        }
    }

    /// Where graders, players and preparations run.
    pub fn runtime(&self) -> Runtime {
        if self.image.is_some() { Runtime::Docker } else { Runtime::Local }
    }

    /// `PATH` inside a sandbox, with `first` (a folder and a colon, or nothing) in front.
    pub fn path(&self, first: &str) -> String {
        let environment = if self.environment.is_some() { "/environment/bin:" } else { "" };
        format!("{first}{environment}/usr/local/bin:/usr/bin:/bin")
    }

    /// The environment at `/environment`.
    pub fn environment_mount(&self) -> Option<ReadOnlyMount> {
        let source = self.environment.clone()?;
        Some(ReadOnlyMount { source, target: "/environment".into() })
    }

    /// Visible files in the agent's `data/`.
    pub fn agent_mounts(&self) -> impl Iterator<Item = ReadOnlyMount> + '_ {
        self.visible.iter().map(|(name, source)| ReadOnlyMount {
            source: source.clone(),
            target: format!("/workspace/data/{name}"),
        })
    }

    /// All files in the grader's `/data`.
    pub fn grader_mounts(&self) -> impl Iterator<Item = ReadOnlyMount> + '_ {
        self.visible
            .iter()
            .chain(&self.hidden)
            .map(|(name, source)| ReadOnlyMount { source: source.clone(), target: format!("/data/{name}") })
    }
}
