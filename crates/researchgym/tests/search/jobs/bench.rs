//! Searches of this very process whose evaluations are jobs of the fake cluster. Its jobs are the real binary.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use researchgym_core::executor::Executor;
use researchgym_core::isolation::Runtime;
use researchgym_core::model::RetryPolicy;
use researchgym_core::result::RunResult;
use researchgym_core::search::policy::PolicySpec;
use researchgym_core::search::{Novelty, Operator, Repertoire, SearchSpec, default_spec};
use researchgym_core::spec::{AgentSpec, Limits, MicroUsd, RunSpec, SCHEMA};
use researchgym_engine::agent::Surroundings;
use researchgym_engine::catalogue::LoadedTask;
use researchgym_engine::dataset::Fetching;
use researchgym_engine::executor::Cluster;
use researchgym_engine::executor::fake::Fake;
use researchgym_engine::materials::{Materials, Place};
use researchgym_engine::model::registry::Options;
use researchgym_engine::model::settings::Merged;
use researchgym_engine::model::{Client, Door, Registry, Variables};
use researchgym_engine::runner::{NewRun, Reopened, Runner};
use researchgym_engine::sandbox::SandboxHost;
use researchgym_engine::session::LimitChanges;
use researchgym_engine::store::RunFolder;
use researchgym_engine::workbench::Workbench;
use serde_json::Value;
use tokio::sync::watch;

use crate::climb::{model, tasks};
use crate::hostile::copy;
use crate::support::World;

/// A world with a search in it.
pub(crate) struct Bench {
    pub(crate) world: World,
    /// The folder of the task.
    pub(crate) task: PathBuf,
    pub(crate) search: SearchSpec,
    pub(crate) steps: u64,
    /// Turns true when everything is to stop.
    pub(crate) cancel: watch::Sender<bool>,
    door: Option<Arc<Door>>,
}

impl Bench {
    /// A search that changes the numbers of `climb`, one candidate after the other.
    pub(crate) fn new(steps: u64) -> Bench {
        let world = World::new();
        let task = world.path("tasks/climb");
        copy(&Path::new(&tasks()).join("climb"), &task);
        let search = SearchSpec {
            policy: PolicySpec::named("hill-climb").expect("a policy"),
            operators: Repertoire([(Operator::Tune, 1.0)].into()),
            novelty: Novelty { similarity: 1.0, resamples: 0, embedding: None },
            repairs: 0,
            ..default_spec()
        };
        Bench { world, task, search, steps, cancel: watch::Sender::new(false), door: None }
    }

    /// A search whose candidates a scripted model writes.
    pub(crate) fn scripted(lines: &[Value]) -> Bench {
        let mut bench = Bench::new(lines.len() as u64);
        bench.search.policy = PolicySpec::named("best-of-n").expect("a policy");
        bench.search.operators = Repertoire([(Operator::Draft, 1.0)].into());
        let options = Options { here: bench.world.path(""), ..Options::default() };
        let nothing = |_: &str| None;
        let variables = Variables::with_dotenv(&nothing, &bench.world.path("")).expect("no variables");
        let registry = Registry::new(&Merged::default(), options, &variables).expect("a registry");
        let endpoint = registry.resolve(&model(&bench.world, lines)).expect("a script");
        let client = Client::new().expect("a client");
        let (policy, redactor) = (RetryPolicy::default(), registry.redactor().clone());
        bench.door = Some(Arc::new(Door { client, endpoint: Arc::new(endpoint), policy, redactor }));
        bench
    }

    /// Lets the task's program work for so long.
    pub(crate) fn slowed(self, seconds: f64) -> Bench {
        let file = self.task.join("starter/solve.py");
        let text = std::fs::read_to_string(&file).expect("a program");
        std::fs::write(&file, format!("{text}\nimport time\ntime.sleep({seconds})\n")).expect("a file");
        self
    }

    /// A program that notes each job that is started, and is the real one then.
    pub(crate) fn program(&self) -> PathBuf {
        let (real, notes) = (env!("CARGO_BIN_EXE_researchgym"), self.notes());
        let text = format!("#!/bin/sh\necho \"${{2##*/}}\" >>'{}'\nexec '{real}' \"$@\"\n", notes.display());
        let path = PathBuf::from(self.world.file("program", &text));
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&path, mode).expect("a mode");
        path
    }

    fn notes(&self) -> PathBuf {
        self.world.path("started")
    }

    /// The jobs that were started, in their order, each as the name of its folder.
    pub(crate) fn started(&self) -> Vec<String> {
        let notes = std::fs::read_to_string(self.notes()).unwrap_or_default();
        notes.lines().map(str::to_owned).collect()
    }

    pub(crate) fn cluster(&self, slots: usize) -> Arc<Fake> {
        Arc::new(Fake::new(self.program(), slots))
    }

    async fn runner(&self, loaded: &LoadedTask) -> Runner {
        let home = self.world.path("home");
        let sandboxes = SandboxHost::new(&home).expect("a host");
        let sandboxes = sandboxes.with_executable(Path::new(env!("CARGO_BIN_EXE_researchgym")));
        let place = Place { sandboxes: &sandboxes, image: None };
        let fetching = Fetching { data_dir: None, download: false, listener: &|_| {} };
        let materials = Materials::gather(&home, loaded, place, fetching).await.expect("materials");
        let workbench = Workbench::new(&home, sandboxes.clone(), materials).expect("a workbench");
        Runner {
            workbench: Arc::new(workbench),
            observer: Arc::new(|_, _| {}),
            warn: Arc::new(|_| {}),
            door: self.door.clone(),
            web: None,
            gpus: None,
            cancelled: self.cancel.subscribe(),
        }
    }

    /// Begins the search and lets it work to its end.
    pub(crate) async fn run(&self, cluster: Arc<Fake>) -> RunResult {
        let loaded = LoadedTask::open(&self.task).expect("a task");
        let runner = self.runner(&loaded).await;
        let spec = RunSpec {
            schema: SCHEMA,
            task: loaded.task.id.clone(),
            task_dir: loaded.folder.display().to_string(),
            variant: "default".to_owned(),
            agent: AgentSpec::Search(Box::new(self.search.clone())),
            model: self.door.as_ref().map(|door| door.endpoint.target.name.clone()),
            model_spec: self.door.as_ref().map(|door| Box::new(Registry::spec_of(&door.endpoint))),
            fork: None,
            seed: 1,
            seed_given: true,
            runtime: Runtime::Local,
            image: None,
            gpus: None,
            executor: Executor::Slurm(Box::default()),
            limits: Limits {
                working_ms: Some(3_600_000),
                steps: Some(self.steps),
                budget: Some(MicroUsd(10_000_000)),
                tokens: None,
            },
            web: false,
            network: None,
            tags: Vec::new(),
            data_dir: None,
        };
        let new = NewRun { spec, task: loaded.task.clone(), task_digest: loaded.digest };
        let open = runner.create(&self.world.path("runs"), new).expect("a run");
        runner.run(open, &mut surroundings(cluster)).await
    }

    /// Goes on with it.
    pub(crate) async fn resume(&self, run: &Path, cluster: Arc<Fake>) -> RunResult {
        let loaded = LoadedTask::open(&self.task).expect("a task");
        let runner = self.runner(&loaded).await;
        let folder = RunFolder::open(run).expect("a run");
        match runner.reopen(folder, &LimitChanges::default()) {
            Ok(Reopened::GoesOn(open)) => runner.run(*open, &mut surroundings(cluster)).await,
            Ok(Reopened::Over(result)) => *result,
            Err(error) => panic!("{error}"),
        }
    }
}

fn surroundings(cluster: Arc<Fake>) -> Surroundings {
    let cluster: Arc<dyn Cluster> = cluster;
    Surroundings { cluster: Some(cluster), ..Surroundings::default() }
}
