//! New runs.

use std::sync::Arc;

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

use super::limits::{budget, hours, steps, tokens};
use super::many::{Many, many};
use super::running::{Table, Ways, console, runner, sandboxes};
use super::{conclude, network, web};
use crate::arguments::{RunArguments, RuntimeName};
use crate::commands::model::declared;
use crate::commands::{agents, gpus, image, models};
use crate::error::{CommandError, input};
use crate::output::{Outcome, Plan, Printer};
use crate::settings::Settings;

/// The seed README's default budget.
const DEFAULT_BUDGET_USD: f64 = 10.0;

/// Makes one run or several and works on them.
pub(super) async fn start(arguments: &RunArguments, printer: &Printer) -> Outcome {
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
    let spec = with_models(spec, &further);
    let wanted = image::wanted(spec.runtime, arguments.image.as_deref(), &loaded, &merged)?;
    let task =
        loaded.task.with_variant(&spec.variant).map_err(|error| CommandError::input(error.to_string()))?;
    if spec.agent == AgentSpec::Human && arguments.repeat.unwrap_or(1) > 1 {
        return Err(CommandError::input("the agent `human` works on one run at a time; leave --repeat out"));
    }
    if arguments.dry_run {
        let (repeat, parallel) = (arguments.repeat.unwrap_or(1), arguments.parallel);
        let image = wanted.map(|wanted| wanted.name(&loaded));
        let (spec, task, loaded, settings) = (&spec, &task, &loaded, &settings);
        printer.plan(&Plan { spec, task, loaded, repeat, parallel, settings, image });
        return Ok(0);
    }
    let runs = arguments.repeat.unwrap_or(1);
    let gpus = gpus::find(spec.gpus.as_ref(), runs.min(arguments.parallel))?;
    let sandboxes = sandboxes(&settings)?;
    let image = match wanted {
        Some(wanted) => Some(wanted.get(&loaded, &sandboxes, printer).await?),
        None => None,
    };
    let spec = RunSpec { image, ..spec };
    let console = || console(&spec.agent, runs, printer);
    let ways = Ways { door, web, models: further.ways() };
    let place = Place { sandboxes: &sandboxes, image: spec.image.as_ref() };
    let table =
        Table { settings: &settings, loaded: &loaded, data_dir: spec.data_dir.as_deref(), place, gpus };
    let runner = runner(table, ways, console, printer).await?;
    let Some(count) = arguments.repeat else {
        let open = runner.runner.create(&settings.runs, new(spec, &task, &loaded))?;
        let result = runner.one(open, printer).await;
        runner.console.finish();
        return Ok(conclude(&[result], false, printer));
    };
    let Many { results, lost } = many(&runner, &settings.runs, count, arguments.parallel, |index| {
        let seed = if spec.seed_given { repeat_seed(spec.seed, index) } else { drawn_seed() };
        new(RunSpec { seed, ..spec.clone() }, &task, &loaded)
    })
    .await;
    runner.console.finish();
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
    }
    spec
}

fn required(word: &Option<String>) -> &str {
    // clap requires both words unless --resume is given.
    word.as_deref().unwrap_or_default()
}

fn new(spec: RunSpec, task: &Task, loaded: &LoadedTask) -> NewRun {
    NewRun { spec, task: task.clone(), task_digest: loaded.digest }
}

fn specification(
    arguments: &RunArguments,
    settings: &Settings,
    loaded: &LoadedTask,
    agent: &str,
    door: Option<&Door>,
) -> Result<RunSpec, CommandError> {
    let variant = arguments.variant.clone().unwrap_or_else(|| "default".into());
    let task = loaded.task.with_variant(&variant).map_err(|error| CommandError::input(error.to_string()))?;
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
        executor: researchgym_core::executor::Executor::Local,
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
