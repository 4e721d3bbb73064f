//! `run --fork RUN@STEP`: a new run with the history of another.

use std::path::Path;

use researchgym_core::spec::{AgentSpec, RunSpec};
use researchgym_core::state::RunState;
use researchgym_engine::catalogue::LoadedTask;
use researchgym_engine::materials::Place;
use researchgym_engine::model::Registry;
use researchgym_engine::store::{RunFolder, read_log};

use super::running::{Table, Ways, console, runner, sandboxes};
use super::same::same;
use super::{conclude, limits, web};
use crate::arguments::RunArguments;
use crate::commands::model::declared;
use crate::commands::{gpus, image, models};
use crate::error::{CommandError, input};
use crate::output::{Outcome, Printer};
use crate::settings::Settings;

pub(super) async fn fork(place: &str, arguments: &RunArguments, printer: &Printer) -> Outcome {
    if arguments.repeat.is_some() || arguments.dry_run {
        return Err(CommandError::input("--fork makes one run; leave --repeat and --dry-run out"));
    }
    let settings = Settings::resolve(&arguments.places)?;
    let merged = declared(&settings.here, printer)?;
    let (name, step) = parse(place)?;
    let folder = RunFolder::find(&settings.runs, name).map_err(input)?;
    let reading = read_log(&folder).map_err(input)?;
    let state = RunState::fold(&reading.lines)
        .map_err(|error| CommandError::input(format!("{}: {error}", folder.events().display())))?;
    let spec = state.started.spec.clone();
    same(arguments, &spec)?;
    if !spec.executor.is_local() {
        return Err(CommandError::input(format!(
            "run {name} was carried out by a cluster, where forks cannot be made yet"
        ))
        .hinted("begin a new run, or go on with this one by --resume"));
    }
    if matches!(spec.agent, AgentSpec::Search(_)) {
        return Err(CommandError::input(format!("run {name} is a search, and searches cannot be forked"))
            .hinted("go on with it by --resume, or begin another search"));
    }
    let loaded = LoadedTask::open(Path::new(&spec.task_dir)).map_err(input)?;
    if loaded.digest != state.started.digests.task {
        printer.warn(&format!("the folder of task {} has changed since the run began", spec.task));
    }
    let door = match &arguments.model {
        Some(_) => models::named(arguments, (&settings, &merged), printer)?,
        None => models::recorded(&spec, &folder, arguments, (&settings, &merged), printer)?,
    };
    let changes = limits::changes(arguments)?;
    let data_dir = settings.data_dir(&arguments.data_dir)?.map(|path| path.display().to_string());
    let data_dir = data_dir.or(spec.data_dir.clone());
    let show = || console(&spec.agent, 1, printer);
    let web = web::recorded(&state.started, &settings, printer)?;
    let ways = Ways { door: door.clone(), web, models: Default::default() };
    let gpus = gpus::find(spec.gpus.as_ref(), 1)?;
    let sandboxes = sandboxes(&settings)?;
    image::recorded(spec.image.as_ref(), &sandboxes).await?;
    let place = Place { sandboxes: &sandboxes, image: spec.image.as_ref() };
    let table = Table { settings: &settings, loaded: &loaded, data_dir: data_dir.as_deref(), place, gpus };
    let running = runner(table, ways, show, printer).await?;
    let change = |old: RunSpec| RunSpec {
        tags: if arguments.tag.is_empty() { old.tags.clone() } else { arguments.tag.clone() },
        data_dir,
        model: door.as_ref().map(|door| door.endpoint.target.name.clone()),
        model_spec: door.as_ref().map(|door| Box::new(Registry::spec_of(&door.endpoint))),
        ..old
    };
    let open = running.runner.fork(&settings.runs, &folder, step, &changes, change)?;
    let result = running.one(open, printer).await;
    running.console.finish();
    Ok(conclude(&[result], false, printer))
}

fn parse(place: &str) -> Result<(&str, u64), CommandError> {
    let parsed = place.rsplit_once('@').and_then(|(run, step)| Some((run, step.parse().ok()?)));
    parsed.filter(|(run, _)| !run.is_empty()).ok_or_else(|| {
        CommandError::input(format!("--fork {place}: write RUN@STEP"))
            .hinted("steps are numbered in `researchgym replay RUN`; step 0 is before the first")
    })
}
