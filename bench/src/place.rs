//! Where measurements run: a folder that is removed afterwards, and runs like those of `researchgym run`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use researchgym_core::action::{Action, Body};
use researchgym_core::isolation::Runtime;
use researchgym_core::script::{self, ScriptStep};
use researchgym_core::spec::{AgentSpec, Limits, RunSpec};
use researchgym_engine::agent::Surroundings;
use researchgym_engine::catalogue::LoadedTask;
use researchgym_engine::dataset::Fetching;
use researchgym_engine::materials::{self, Materials};
use researchgym_engine::model::Registry;
use researchgym_engine::progress::Progress;
use researchgym_engine::runner::{NewRun, OpenRun, ReadyRun, Runner};
use researchgym_engine::sandbox::SandboxHost;
use researchgym_engine::session::Observer;
use researchgym_engine::workbench::Workbench;
use tempfile::TempDir;
use tokio::sync::watch;

use crate::Outcome;
use crate::report::talk;

/// A place for runs.
pub(crate) struct Place {
    folder: TempDir,
    /// `RESEARCHGYM_HOME`, or a folder that is removed afterwards.
    home: PathBuf,
    pub(crate) sandboxes: SandboxHost,
    cancel: watch::Sender<bool>,
}

impl Place {
    pub(crate) fn new() -> Outcome<Place> {
        let folder = tempfile::Builder::new().prefix("researchgym-bench-").tempdir()?;
        let given = std::env::var_os("RESEARCHGYM_HOME").filter(|home| !home.is_empty());
        let home = given.map_or_else(|| folder.path().join("home"), PathBuf::from);
        std::fs::create_dir_all(&home)?;
        let sandboxes = SandboxHost::new(&home)?;
        Ok(Place { folder, home, sandboxes, cancel: watch::Sender::new(false) })
    }

    /// A new empty folder.
    pub(crate) fn scratch(&self, name: &str) -> Outcome<PathBuf> {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(&path)?;
        Ok(path)
    }

    /// A runner for one task, as `researchgym run` has it.
    pub(crate) async fn runner(
        &self,
        task: &LoadedTask,
        data_dir: Option<&Path>,
        observer: Observer,
    ) -> Outcome<Runner> {
        let listener = |progress: Progress<'_>| {
            if let Progress::Stage(stage) = progress {
                talk(stage);
            }
        };
        let fetching = Fetching { data_dir, download: false, listener: &listener };
        let materials = Materials::gather(
            &self.home,
            task,
            materials::Place { sandboxes: &self.sandboxes, image: None },
            fetching,
        )
        .await?;
        let workbench = Workbench::new(&self.home, self.sandboxes.clone(), materials)?;
        Ok(Runner {
            workbench: Arc::new(workbench),
            observer,
            warn: Arc::new(talk),
            door: None,
            web: None,
            gpus: None,
            cancelled: self.cancel.subscribe(),
        })
    }

    /// Opens a scripted run of the task.
    pub(crate) fn open(&self, runner: &Runner, task: &LoadedTask, steps: &[ScriptStep]) -> Outcome<OpenRun> {
        self.open_as(runner, task, AgentSpec::Scripted { script: Body::Text(script::format(steps)) })
    }

    /// Opens a run of any agent, with the runner's model if it has one.
    pub(crate) fn open_as(&self, runner: &Runner, task: &LoadedTask, agent: AgentSpec) -> Outcome<OpenRun> {
        self.open_spec(runner, task, spec(runner, task, agent))
    }

    /// Opens the run that is asked for.
    pub(crate) fn open_spec(&self, runner: &Runner, task: &LoadedTask, spec: RunSpec) -> Outcome<OpenRun> {
        let varied = task.task.with_variant(&spec.variant)?;
        let new = NewRun { spec, task: varied, task_digest: task.digest };
        Ok(runner.create(&self.scratch("runs")?, new)?)
    }

    /// Opens a run and brings it up: its session is for the caller to drive. Also gives the run's folder.
    pub(crate) async fn ready(&self, runner: &Runner, task: &LoadedTask) -> Outcome<(ReadyRun, PathBuf)> {
        let open =
            self.open(runner, task, &[ScriptStep::Act(Action::Say { text: Body::Text("over".into()) })])?;
        let folder = open.path();
        let ready = runner.prepare(open).await.map_err(|result| failed(&result))?;
        Ok((ready, folder))
    }

    /// Stops all runs of this place. Nothing is graded.
    pub(crate) fn cancel(&self) {
        self.cancel.send_replace(true);
    }

    /// What cancels all runs of this place from elsewhere, by `true`.
    pub(crate) fn stop(&self) -> watch::Sender<bool> {
        self.cancel.clone()
    }

    /// Lets runs that begin from here on work.
    pub(crate) fn revive(&self) {
        self.cancel.send_replace(false);
    }

    /// Ends one run without grading it; ends all others of this place too.
    pub(crate) async fn end(&self, runner: &Runner, ready: ReadyRun) {
        self.cancel();
        runner.drive(ready, &mut Surroundings::default()).await;
        self.revive();
    }
}

/// What is asked for: no limits, a seed that is given, and the runner's model if it has one.
pub(crate) fn spec(runner: &Runner, task: &LoadedTask, agent: AgentSpec) -> RunSpec {
    let endpoint = runner.door.as_ref().map(|door| &door.endpoint);
    RunSpec {
        schema: researchgym_core::spec::SCHEMA,
        task: task.task.id.clone(),
        task_dir: task.folder.display().to_string(),
        variant: "default".into(),
        agent,
        model: endpoint.map(|endpoint| endpoint.target.name.clone()),
        model_spec: endpoint.map(|endpoint| Box::new(Registry::spec_of(endpoint))),
        fork: None,
        seed: 1,
        seed_given: true,
        runtime: Runtime::Local,
        image: None,
        limits: Limits { working_ms: None, steps: None, budget: None, tokens: None },
        web: false,
        network: None,
        gpus: None,
        tags: Vec::new(),
        data_dir: None,
        executor: Default::default(),
    }
}

/// Why a run did not start.
pub(crate) fn failed(
    result: &researchgym_core::result::RunResult,
) -> Box<dyn std::error::Error + Send + Sync> {
    let message = result.error.as_ref().map_or("it gave no reason", |error| error.message.as_str());
    format!("a run did not start: {message}").into()
}

/// The repository, as it was when this was built.
pub(crate) fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// A task of the repository.
pub(crate) fn task(name: &str) -> Outcome<LoadedTask> {
    Ok(LoadedTask::open(&repository().join("tasks").join(name))?)
}

/// A command in the persistent shell.
pub(crate) fn exec(command: &str) -> Action {
    Action::Exec { command: Body::Text(command.into()), timeout_s: None }
}
