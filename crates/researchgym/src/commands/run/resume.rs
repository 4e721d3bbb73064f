//! `run --resume RUN`: a run that was cut off, stopped or killed goes on.

use std::path::Path;

use researchgym_core::result::{Context, RunResult};
use researchgym_engine::catalogue::LoadedTask;
use researchgym_engine::materials::Place;
use researchgym_engine::runner::{Prospect, Reopened, prospect};
use researchgym_engine::store::RunFolder;

use super::running::{Table, Ways, console, runner, sandboxes};
use super::same::same;
use super::{conclude, limits, web};
use crate::arguments::RunArguments;
use crate::commands::model::declared;
use crate::commands::{gpus, image, models};
use crate::error::{CommandError, input};
use crate::output::{Outcome, Printer};
use crate::settings::Settings;

/// A run that was cut off, stopped or killed goes on.
pub(super) async fn resume(name: &str, arguments: &RunArguments, printer: &Printer) -> Outcome {
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
    let changes = limits::changes(arguments)?;
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
    let models = models::recorded_further(&spec, &folder, arguments, (&settings, &merged), printer)?;
    let ways = Ways { door, web: web::recorded(&state.started, &settings, printer)?, models };
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
