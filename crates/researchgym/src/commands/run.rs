//! `run`: a new run, several, or one that goes on.

mod fork;
mod network;
mod web;

use std::path::Path;
use std::sync::Arc;

use researchgym_core::failure::Failure;
use researchgym_core::gpu::GpuRequest;
use researchgym_core::isolation::Runtime;
use researchgym_core::keys::repeat_seed;
use researchgym_core::result::{Context, RunResult, worst_exit_code};
use researchgym_core::spec::{AgentSpec, BasicMode, Limits, MicroUsd, RunSpec, SCHEMA};
use researchgym_core::task::Task;
use researchgym_engine::agent::Surroundings;
use researchgym_engine::catalogue::{Catalogue, LoadedTask};
use researchgym_engine::dataset::Fetching;
use researchgym_engine::gpu::Gpus;
use researchgym_engine::materials::{Materials, Place};
use researchgym_engine::model::{Door, Registry};
use researchgym_engine::progress::Progress;
use researchgym_engine::runner::{NewRun, OpenRun, Prospect, Reopened, Runner, prospect};
use researchgym_engine::sandbox::SandboxHost;
use researchgym_engine::session::{Change, LimitChanges};
use researchgym_engine::store::RunFolder;
use researchgym_engine::web::Web;
use researchgym_engine::workbench::Workbench;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::model::declared;
use super::{agents, gpus, image, models, on_runtime};
use crate::arguments::{RunArguments, RuntimeName};
use crate::error::{CommandError, input};
use crate::output::{Console, Outcome, Person, Plan, Printer};
use crate::settings::Settings;
use crate::signals;

/// The seed README's default budget.
const DEFAULT_BUDGET_USD: f64 = 10.0;

pub(crate) fn run(arguments: RunArguments, printer: &Printer) -> Outcome {
    let outcome = on_runtime(async {
        match (&arguments.resume, &arguments.fork) {
            (Some(name), _) => resume(name, &arguments, printer).await,
            (None, Some(place)) => fork::fork(place, &arguments, printer).await,
            (None, None) => start(&arguments, printer).await,
        }
    });
    if let (Err(error), false) = (&outcome, printer.is_json()) {
        // Scripts read the last line of standard output, whatever the output format.
        printer.usage_object(error);
    }
    outcome
}

/// New runs.
async fn start(arguments: &RunArguments, printer: &Printer) -> Outcome {
    let settings = Settings::resolve(&arguments.places)?;
    let merged = declared(&settings.here, printer)?;
    let (task, agent) = (required(&arguments.task), required(&arguments.agent));
    let loaded = Catalogue::new(settings.tasks.clone()).find(task).map_err(input)?;
    let door = models::named(arguments, (&settings, &merged), printer)?;
    let web = web::way(&loaded.task, &settings, printer)?;
    let spec = RunSpec {
        web: web.is_some(),
        ..specification(arguments, &settings, &loaded, agent, door.as_deref())?
    };
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
    let ways = Ways { door, web };
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
        Some(failure) if results.is_empty() => Err(failure.into()),
        Some(failure) => {
            printer.warn(&format!("{} of {count} runs were made: {failure}", results.len()));
            Ok(conclude(&results, true, printer).max(CommandError::from(failure).exit_code()))
        }
        None => Ok(conclude(&results, true, printer)),
    }
}

/// A run that was cut off, stopped or killed goes on.
async fn resume(name: &str, arguments: &RunArguments, printer: &Printer) -> Outcome {
    if arguments.repeat.is_some() || arguments.dry_run {
        return Err(CommandError::input("--resume goes on with one run; leave --repeat and --dry-run out"));
    }
    let settings = Settings::resolve(&arguments.places)?;
    let merged = declared(&settings.here, printer)?;
    let folder = RunFolder::find(&settings.runs, name).map_err(input)?;
    let reading = researchgym_engine::store::read_log(&folder).map_err(input)?;
    let state = researchgym_core::state::RunState::fold(&reading.lines)
        .map_err(|error| CommandError::input(format!("{}: {error}", folder.events().display())))?;
    let spec = state.started.spec.clone();
    same(arguments, &spec)?;
    let hours = arguments.hours.as_deref().map(hours).transpose()?;
    let steps = arguments.steps.as_deref().map(steps).transpose()?;
    let budget = arguments.budget.as_deref().map(budget).transpose()?;
    let tokens = arguments.tokens.as_deref().map(tokens).transpose()?;
    let change = |total: Option<u64>| total.map_or(Change::Unlimited, Change::To);
    let changes = LimitChanges {
        working_ms: hours.map(change),
        steps: steps.map(change),
        budget: budget.map(|total| change(total.map(|total| total.0))),
        tokens: tokens.map(change),
    };
    if prospect(&state, &changes)? == Prospect::Over {
        let context = Context {
            run: folder.root().display().to_string(),
            log_head: reading.head,
            is_running: folder.is_locked(),
            segment_ms: Some(0),
        };
        return Ok(over(&RunResult::of(&state, context), printer));
    }
    let loaded = LoadedTask::open(Path::new(&spec.task_dir)).map_err(input)?;
    if loaded.digest != state.started.digests.task {
        printer.warn(&format!("the folder of task {} has changed since the run began", spec.task));
    }
    let data_dir = settings.data_dir(&arguments.data_dir)?.map(|path| path.display().to_string());
    let data_dir = data_dir.or(spec.data_dir.clone());
    let door = models::recorded(&spec, &folder, arguments, (&settings, &merged), printer)?;
    let console = || console(&spec.agent, 1, printer);
    let ways = Ways { door, web: web::recorded(&state.started, &settings, printer)? };
    let gpus = gpus::find(spec.gpus.as_ref(), 1)?;
    let sandboxes = sandboxes(&settings)?;
    image::recorded(spec.image.as_ref(), &sandboxes).await?;
    let place = Place { sandboxes: &sandboxes, image: spec.image.as_ref() };
    let table = Table { settings: &settings, loaded: &loaded, data_dir: data_dir.as_deref(), place, gpus };
    let runner = runner(table, ways, console, printer).await?;
    let result = match runner.runner.reopen(folder, &changes) {
        Ok(Reopened::Over(result)) => {
            runner.console.finish();
            return Ok(over(&result, printer));
        }
        Ok(Reopened::GoesOn(open)) => runner.one(*open, printer).await,
        Err(error) => return Err(CommandError::from(error)),
    };
    runner.console.finish();
    Ok(conclude(&[result], false, printer))
}

/// What is left to say of a run that cannot go on.
fn over(result: &RunResult, printer: &Printer) -> u8 {
    printer.talk("This run is over; its stored result follows.");
    conclude(std::slice::from_ref(result), false, printer)
}

fn required(word: &Option<String>) -> &str {
    // clap requires both words unless --resume is given.
    word.as_deref().unwrap_or_default()
}

fn conclude(results: &[RunResult], as_array: bool, printer: &Printer) -> u8 {
    match (results, as_array) {
        ([result], false) => printer.concluded(result, || printer.summary(result)),
        _ => printer.concluded(&results, || printer.summaries(results)),
    }
    worst_exit_code(results.iter().map(RunResult::exit_code))
}

/// The runner of this process and what shows its runs.
struct Running {
    runner: Runner,
    console: Console,
}

impl Running {
    async fn one(&self, open: OpenRun, printer: &Printer) -> RunResult {
        let terminal = open.is_human().then(|| Box::new(Person::new(printer)) as Box<_>);
        self.runner.run(open, &mut Surroundings { terminal }).await
    }
}

fn console(agent: &AgentSpec, runs: u64, printer: &Printer) -> Console {
    match agent {
        AgentSpec::Human => Console::for_person(printer),
        _ => Console::new(printer, runs, true),
    }
}

/// The ways out of a run.
struct Ways {
    door: Option<Arc<Door>>,
    web: Option<Arc<Web>>,
}

/// What a run is set up from.
struct Table<'a> {
    settings: &'a Settings,
    loaded: &'a LoadedTask,
    data_dir: Option<&'a str>,
    place: Place<'a>,
    gpus: Option<Arc<Gpus>>,
}

fn sandboxes(settings: &Settings) -> Result<SandboxHost, CommandError> {
    SandboxHost::new(&settings.home).map_err(|error| CommandError::from(Failure::from(error)))
}

async fn runner(
    table: Table<'_>,
    ways: Ways,
    console: impl FnOnce() -> Console,
    printer: &Printer,
) -> Result<Running, CommandError> {
    let cancelled = signals::watch(printer)
        .map_err(|error| CommandError::input(format!("signals cannot be watched: {error}")))?;
    let Table { settings, loaded, data_dir, place, gpus } = table;
    let listener = |progress: Progress<'_>| printer.preparing(&progress);
    let fetching = Fetching { data_dir: data_dir.map(Path::new), download: false, listener: &listener };
    let materials = Materials::gather(&settings.home, loaded, place, fetching).await?;
    let workbench = Workbench::new(&settings.home, place.sandboxes.clone(), materials)?;
    let console = console();
    let warner = printer.clone();
    let runner = Runner {
        workbench: Arc::new(workbench),
        observer: console.observer(),
        warn: Arc::new(move |text: &str| warner.warn(text)),
        door: ways.door,
        web: ways.web,
        gpus,
        cancelled,
    };
    Ok(Running { runner, console })
}

/// Several runs' results, in order.
struct Many {
    results: Vec<RunResult>,
    /// Why there are fewer than were asked for, unless they were cancelled.
    lost: Option<Failure>,
}

/// `count` runs, `parallel` at a time. A failed run does not stop its siblings.
async fn many(
    running: &Running,
    runs: &Path,
    count: u64,
    parallel: u64,
    new: impl Fn(u64) -> NewRun,
) -> Many {
    let permits = Arc::new(Semaphore::new(parallel as usize));
    let mut tasks = JoinSet::new();
    let mut results: Vec<Option<RunResult>> = (0..count).map(|_| None).collect();
    let mut lost = None;
    for index in 0..count {
        let Ok(permit) = permits.clone().acquire_owned().await else { break };
        if *running.runner.cancelled.borrow() {
            break;
        }
        let open = match running.runner.create(runs, new(index)) {
            Ok(open) => open,
            Err(failure) => {
                lost = Some(failure);
                break;
            }
        };
        let runner = running.runner.clone();
        tasks.spawn(async move {
            let result = runner.run(open, &mut Surroundings { terminal: None }).await;
            drop(permit);
            (index, result)
        });
        while let Some(Ok((index, result))) = tasks.try_join_next() {
            results[index as usize] = Some(result);
        }
    }
    while let Some(joined) = tasks.join_next().await {
        if let Ok((index, result)) = joined {
            results[index as usize] = Some(result);
        }
    }
    Many { results: results.into_iter().flatten().collect(), lost }
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

fn runtime(name: RuntimeName) -> Runtime {
    match name {
        RuntimeName::Local => Runtime::Local,
        RuntimeName::Docker => Runtime::Docker,
        RuntimeName::Host => Runtime::Host,
    }
}

/// A resumed run keeps its task, its agent and all that was asked for; only its totals can be raised.
fn same(arguments: &RunArguments, spec: &RunSpec) -> Result<(), CommandError> {
    let task_folder = Path::new(&spec.task_dir);
    if let Some(task) = &arguments.task {
        let is_path = std::fs::canonicalize(task)
            .is_ok_and(|path| std::fs::canonicalize(task_folder).is_ok_and(|own| own == path));
        if task != &spec.task && !is_path {
            return Err(CommandError::input(format!("the run works on task {}, not on {task}", spec.task)));
        }
    }
    let changed = [
        ("--seed", arguments.seed.is_some_and(|seed| seed != spec.seed)),
        ("--variant", arguments.variant.as_ref().is_some_and(|variant| *variant != spec.variant)),
        ("--runtime", arguments.runtime.is_some_and(|name| runtime(name) != spec.runtime)),
        ("--network", arguments.reach.network.is_some_and(|name| Some(name.policy()) != spec.network)),
        (
            "--image",
            arguments.image.is_some()
                && arguments.image.as_ref() != spec.image.as_ref().map(|image| &image.name),
        ),
        ("--tag", arguments.fork.is_none() && !arguments.tag.is_empty() && arguments.tag != spec.tags),
        ("--gpus", {
            let given = arguments.gpus.gpus.as_ref();
            given.is_some_and(|given| given != spec.gpus.as_ref().unwrap_or(&GpuRequest::Count(0)))
        }),
        (
            "--model",
            arguments.fork.is_none()
                && arguments.model.as_ref().is_some_and(|model| Some(model) != spec.model.as_ref()),
        ),
        ("--iterative", arguments.iterative && mode(spec) != Some(BasicMode::Iterative)),
        (
            "--no-submit",
            arguments.no_submit && !matches!(&spec.agent, AgentSpec::Basic(basic) if !basic.may_end),
        ),
        (
            "--idea-hint",
            arguments.idea_hint
                && !matches!(&spec.agent, AgentSpec::Basic(basic) if basic.idea_hint.is_some()),
        ),
        ("--reasoning-effort", arguments.reasoning_effort.is_some()),
        ("--reasoning-tokens", arguments.reasoning_tokens.is_some()),
        ("--temperature", arguments.temperature.is_some()),
        (
            "--trials",
            arguments.trials.is_some_and(
                |given| !matches!(spec.agent, AgentSpec::Tuner { trials, .. } if trials == given),
            ),
        ),
    ];
    if let Some((flag, _)) = changed.into_iter().find(|(_, changed)| *changed) {
        let (who, other) = match arguments.fork {
            Some(_) => ("a fork keeps what the other run was started with", ""),
            None => {
                ("a run that goes on keeps what it was started with", "; another model can go on with --fork")
            }
        };
        return Err(CommandError::input(format!("{flag}: {who}"))
            .hinted(format!("leave {flag} out, or start a new run{other}")));
    }
    match &arguments.agent {
        Some(agent) if agents::canonical(agent) != spec.agent.name() && !agent.ends_with(".toml") => {
            Err(CommandError::input(format!("the run's agent is {}, not {agent}", spec.agent.name()))
                .hinted("leave task and agent out: researchgym run --resume RUN"))
        }
        _ => Ok(()),
    }
}

fn mode(spec: &RunSpec) -> Option<BasicMode> {
    match &spec.agent {
        AgentSpec::Basic(basic) => Some(basic.mode),
        _ => None,
    }
}

fn hours(text: &str) -> Result<Option<u64>, CommandError> {
    limit("--hours", text, "a number above 0", |hours| (hours > 0.0).then_some((hours * 3.6e6).ceil() as u64))
}

pub(super) fn budget(text: &str) -> Result<Option<MicroUsd>, CommandError> {
    limit("--budget", text, "a number, not below 0", |usd| {
        (usd >= 0.0).then_some(MicroUsd((usd * 1e6).floor() as u64))
    })
}

fn tokens(text: &str) -> Result<Option<u64>, CommandError> {
    limit("--tokens", text, "a whole number above 0", |tokens| {
        (tokens > 0.0 && tokens.fract() == 0.0).then_some(tokens as u64)
    })
}

fn steps(text: &str) -> Result<Option<u64>, CommandError> {
    limit("--steps", text, "a whole number, not below 0", |steps| {
        (steps >= 0.0 && steps.fract() == 0.0).then_some(steps as u64)
    })
}

fn limit<T>(
    flag: &str,
    text: &str,
    wanted: &str,
    accept: impl Fn(f64) -> Option<T>,
) -> Result<Option<T>, CommandError> {
    if text == "unlimited" {
        return Ok(None);
    }
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
    number
        .and_then(accept)
        .map(Some)
        .ok_or_else(|| CommandError::input(format!("{flag} {text}: must be {wanted}, or `unlimited`")))
}
