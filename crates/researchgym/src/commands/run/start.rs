//! New runs.

use std::sync::Arc;

use researchgym_core::executor::{Executor, SlurmSpec};
use researchgym_core::isolation::Runtime;
use researchgym_core::keys::repeat_seed;
use researchgym_core::result::Progress;
use researchgym_core::search::ModelShare;
use researchgym_core::spec::{AgentSpec, Limits, MicroUsd, RunSpec, SCHEMA};
use researchgym_core::task::Task;
use researchgym_engine::catalogue::{Catalogue, LoadedTask};
use researchgym_engine::materials::Place;
use researchgym_engine::model::{Door, Registry};
use researchgym_engine::runner::NewRun;
use researchgym_engine::sandbox::SandboxHost;
use researchgym_engine::web::Web;

use super::cluster::{self, Handing};
use super::limits::{budget, hours, steps, tokens};
use super::many::{Many, many};
use super::running::{Running, Table, Ways, console, runner, sandboxes, watched};
use super::{conclude, network, web};
use crate::arguments::{RunArguments, RuntimeName};
use crate::commands::model::declared;
use crate::commands::{agents, gpus, image, models};
use crate::error::{CommandError, input};
use crate::output::{Console, Outcome, Plan, Printer};
use crate::settings::Settings;

/// The seed README's default budget.
pub(in crate::commands) const DEFAULT_BUDGET_USD: f64 = 10.0;

/// What runs of one command are made from.
pub(in crate::commands) struct Prepared {
    pub(in crate::commands) settings: Settings,
    pub(in crate::commands) loaded: LoadedTask,
    /// With the variant applied.
    pub(in crate::commands) task: Task,
    /// Without its image until [`Prepared::set_up`].
    pub(in crate::commands) spec: RunSpec,
    /// The image that is asked for.
    pub(in crate::commands) image: Option<image::Wanted>,
    further: models::Further,
    door: Option<Arc<Door>>,
    web: Option<Arc<Web>>,
}

impl Prepared {
    /// Reads the arguments, finds task and models, and checks that they belong together.
    pub(in crate::commands) fn of(
        arguments: &RunArguments,
        printer: &Printer,
    ) -> Result<Prepared, CommandError> {
        let settings = Settings::resolve(&arguments.places)?;
        let merged = declared(&settings.here, printer)?;
        let (task, agent) = (required(&arguments.task), required(&arguments.agent));
        let loaded = Catalogue::new(settings.tasks.clone()).find(task).map_err(input)?;
        let door = models::named(arguments, (&settings, &merged), printer)?;
        let further = models::further(arguments, (&settings, &merged), printer)?;
        let web = web::way(&loaded.task, &settings, printer)?;
        let spec = RunSpec {
            web: web.is_some(),
            ..specification(arguments, &settings, &loaded, agent, door.as_deref())?
        };
        let mut spec = with_models(spec, &further);
        spec.executor = cluster::executor(arguments, &merged, &settings.here)?;
        cluster::check(&mut spec, printer)?;
        let image = image::wanted(spec.runtime, arguments.image.as_deref(), &loaded, &merged)?;
        let task = with_variant(&loaded, &spec.variant)?;
        Ok(Prepared { settings, loaded, task, spec, image, further, door, web })
    }

    /// Sets up what the runs work with on this machine, so many of them at once.
    pub(in crate::commands) async fn set_up(
        &mut self,
        at_once: u64,
        console: impl FnOnce() -> Console,
        printer: &Printer,
    ) -> Result<Running, CommandError> {
        let gpus = match self.spec.executor.is_local() {
            true => gpus::find(self.spec.gpus.as_ref(), at_once)?,
            // The cluster grants them.
            false => None,
        };
        let sandboxes = sandboxes(&self.settings)?;
        self.find_image(&sandboxes, printer).await?;
        let cluster = match &self.spec.executor {
            Executor::Slurm(slurm) => Some(cluster::connect(slurm, printer)?),
            Executor::Local => None,
        };
        let ways =
            Ways { door: self.door.clone(), web: self.web.clone(), models: self.further.ways(), cluster };
        let place = Place { sandboxes: &sandboxes, image: self.spec.image.as_ref() };
        let (settings, loaded, data_dir) = (&self.settings, &self.loaded, self.spec.data_dir.as_deref());
        runner(Table { settings, loaded, data_dir, place, gpus }, ways, console, printer).await
    }

    async fn find_image(&mut self, sandboxes: &SandboxHost, printer: &Printer) -> Result<(), CommandError> {
        if let Some(image) = &self.image {
            self.spec.image = Some(image.get(&self.loaded, sandboxes, printer).await?);
        }
        Ok(())
    }

    /// A new run.
    pub(in crate::commands) fn new_run(&self, spec: RunSpec) -> NewRun {
        NewRun { spec, task: self.task.clone(), task_digest: self.loaded.digest }
    }

    /// One of several runs.
    fn repeated(&self, index: u64) -> NewRun {
        let spec = &self.spec;
        let seed = if spec.seed_given { repeat_seed(spec.seed, index) } else { drawn_seed() };
        self.new_run(RunSpec { seed, ..spec.clone() })
    }
}

/// Makes one run or several and works on them.
pub(super) async fn start(arguments: &RunArguments, printer: &Printer) -> Outcome {
    let mut prepared = Prepared::of(arguments, printer)?;
    if prepared.spec.agent == AgentSpec::Human && arguments.repeat.unwrap_or(1) > 1 {
        return Err(CommandError::input("the agent `human` works on one run at a time; leave --repeat out"));
    }
    if arguments.dry_run {
        let repeat = arguments.repeat.unwrap_or(1);
        let Prepared { settings, loaded, task, spec, image, .. } = &prepared;
        let parallel = arguments.parallel.unwrap_or(if cluster::is_job(spec) { repeat } else { 1 });
        let needs = cluster::needs(task, spec);
        let rehearsal = cluster::rehearsal(spec, needs.as_ref(), (repeat, parallel)).await;
        let failure = rehearsal.as_ref().and_then(|rehearsal| rehearsal.failure.clone());
        let image = image.as_ref().map(|wanted| wanted.name(loaded));
        printer.plan(&Plan { spec, task, loaded, repeat, parallel, settings, image, needs, rehearsal });
        return Ok(match failure {
            Some(failure) => {
                printer.warn(&failure.to_string());
                CommandError::from(failure).exit_code()
            }
            None => 0,
        });
    }
    if let (Executor::Slurm(slurm), true) = (prepared.spec.executor.clone(), cluster::is_job(&prepared.spec))
    {
        return jobs(arguments, prepared, &slurm, printer).await;
    }
    let runs = arguments.repeat.unwrap_or(1);
    let parallel = arguments.parallel.unwrap_or(1);
    let agent = prepared.spec.agent.clone();
    let runner = prepared.set_up(runs.min(parallel), || console(&agent, runs, printer), printer).await?;
    let Some(count) = arguments.repeat else {
        let open = runner.runner.create(&prepared.settings.runs, prepared.new_run(prepared.spec.clone()))?;
        let result = runner.one(open, printer).await;
        runner.console.finish();
        return Ok(conclude(&[result], false, printer));
    };
    let many =
        many(&runner, &prepared.settings.runs, count, parallel, |index| prepared.repeated(index)).await;
    runner.console.finish();
    told(many, count, printer)
}

/// Has a cluster carry out one run or several, each as a job.
async fn jobs(
    arguments: &RunArguments,
    mut prepared: Prepared,
    slurm: &SlurmSpec,
    printer: &Printer,
) -> Outcome {
    let sandboxes = sandboxes(&prepared.settings)?;
    prepared.find_image(&sandboxes, printer).await?;
    let Prepared { settings, loaded, spec, door, .. } = &prepared;
    let place = Place { sandboxes: &sandboxes, image: spec.image.as_ref() };
    let connected = cluster::connect(slurm, printer)?;
    cluster::gather(settings, (loaded, slurm), spec.data_dir.as_deref(), place, printer).await?;
    let relay = cluster::relay(slurm, door.as_deref()).await?;
    let handing = Handing {
        relay,
        settings,
        slurm,
        agent: &spec.agent,
        door: door.clone(),
        data_dir: spec.data_dir.as_deref(),
        runs: arguments.repeat.unwrap_or(1),
        cancelled: watched(printer)?,
    };
    let (submitter, console) = handing.open(connected, printer)?;
    let Some(count) = arguments.repeat else {
        let result = cluster::one(&submitter, &settings.runs, prepared.new_run(spec.clone())).await;
        console.finish();
        return Ok(conclude(&[result?], false, printer));
    };
    let sizes = (count, arguments.parallel.unwrap_or(count));
    let many = cluster::many(submitter, &settings.runs, sizes, |index| prepared.repeated(index)).await;
    console.finish();
    told(many, count, printer)
}

/// Several runs' results, told.
fn told(Many { results, lost }: Many, count: u64, printer: &Printer) -> Outcome {
    match lost {
        Some(failure) if results.iter().all(|result| result.state == Progress::NotStarted) => {
            Err(failure.into())
        }
        Some(failure) => {
            printer.warn(&format!("not all of the {count} runs could be made: {failure}"));
            Ok(conclude(&results, true, printer).max(CommandError::from(failure).exit_code()))
        }
        None => Ok(conclude(&results, true, printer)),
    }
}

/// A search's specification holds all its models.
fn with_models(mut spec: RunSpec, further: &models::Further) -> RunSpec {
    if let AgentSpec::Search(search) = &mut spec.agent {
        let spec_of = |door: &Arc<Door>| Box::new(Registry::spec_of(&door.endpoint));
        let shares = further.ensemble.iter();
        search.models =
            shares.map(|(door, weight)| ModelShare { model: spec_of(door), weight: *weight }).collect();
        search.idea_model = further.ideas.as_ref().map(spec_of);
        search.novelty.embedding = further.embeddings.as_ref().map(models::embedding_novelty);
    }
    spec
}

fn required(word: &Option<String>) -> &str {
    // clap requires both words unless --resume is given.
    word.as_deref().unwrap_or_default()
}

fn with_variant(loaded: &LoadedTask, variant: &str) -> Result<Task, CommandError> {
    loaded.task.with_variant(variant).map_err(|error| CommandError::input(error.to_string()))
}

fn specification(
    arguments: &RunArguments,
    settings: &Settings,
    loaded: &LoadedTask,
    agent: &str,
    door: Option<&Door>,
) -> Result<RunSpec, CommandError> {
    let variant = arguments.variant.clone().unwrap_or_else(|| "default".into());
    let task = with_variant(loaded, &variant)?;
    let hours = match &arguments.hours {
        Some(text) => hours(text)?,
        None => Some((task.limits.hours * 3.6e6) as u64),
    };
    let budget = match &arguments.budget {
        Some(text) => budget(text)?,
        None => Some(MicroUsd((DEFAULT_BUDGET_USD * 1e6) as u64)),
    };
    Ok(RunSpec {
        schema: SCHEMA,
        task: task.id.clone(),
        task_dir: loaded.folder.display().to_string(),
        agent: agents::specification(agent, arguments, settings, loaded)?,
        variant,
        model: door.map(|door| door.endpoint.target.name.clone()),
        model_spec: door.map(|door| Box::new(Registry::spec_of(&door.endpoint))),
        fork: None,
        seed: arguments.seed.unwrap_or_else(drawn_seed),
        seed_given: arguments.seed.is_some(),
        runtime: arguments.runtime.map_or(Runtime::Local, runtime),
        image: None,
        executor: Executor::Local,
        gpus: gpus::wanted(arguments.gpus.gpus.as_ref(), &task),
        limits: Limits {
            working_ms: hours,
            steps: arguments.steps.as_deref().map(steps).transpose()?.flatten(),
            budget,
            tokens: arguments.tokens.as_deref().map(tokens).transpose()?.flatten(),
        },
        web: false,
        network: network::asked(&arguments.reach, &task)?,
        tags: arguments.tag.clone(),
        data_dir: settings.data_dir(&arguments.data_dir)?.map(|path| path.display().to_string()),
    })
}

/// A seed that every JSON reader keeps exactly.
fn drawn_seed() -> u64 {
    use std::hash::{BuildHasher as _, RandomState};
    RandomState::new().hash_one(std::process::id()) >> 11
}

pub(super) fn runtime(name: RuntimeName) -> Runtime {
    match name {
        RuntimeName::Local => Runtime::Local,
        RuntimeName::Docker => Runtime::Docker,
        RuntimeName::Host => Runtime::Host,
    }
}
