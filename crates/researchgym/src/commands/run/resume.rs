//! `run --resume RUN`: a run that was cut off, stopped or killed goes on; one whose job is with a cluster is followed.

use std::path::Path;
use std::sync::Arc;

use futures_util::future::join_all;
use researchgym_core::digest::Digest;
use researchgym_core::executor::{Executor, SlurmSpec};
use researchgym_core::result::{Context, RunResult};
use researchgym_core::state::RunState;
use researchgym_engine::catalogue::LoadedTask;
use researchgym_engine::executor::Cluster;
use researchgym_engine::executor::relay::Relay;
use researchgym_engine::executor::runs::{Standing, standing};
use researchgym_engine::materials::Place;
use researchgym_engine::model::Door;
use researchgym_engine::model::settings::Merged;
use researchgym_engine::runner::{Prospect, Reopened, prospect};
use researchgym_engine::session::LimitChanges;
use researchgym_engine::store::RunFolder;
use tokio::sync::{Mutex, watch};

use super::cluster::{self, Handing};
use super::running::{Table, Ways, console, runner, sandboxes, watched};
use super::same::same;
use super::{conclude, limits, web};
use crate::arguments::RunArguments;
use crate::commands::model::declared;
use crate::commands::{gpus, image, models};
use crate::error::{CommandError, input};
use crate::output::{Outcome, Printer};
use crate::settings::Settings;

/// A run that is to go on.
struct Old {
    folder: RunFolder,
    state: RunState,
    head: Digest,
}

/// What all of them go on with.
struct Command<'c> {
    arguments: &'c RunArguments,
    settings: Settings,
    merged: Merged,
    changes: LimitChanges,
    printer: &'c Printer,
    relay: Mutex<Option<Arc<Relay>>>,
}

/// How a run came out.
enum Came {
    /// It was over before.
    Over(Box<RunResult>),
    /// It went on until now.
    Out(Box<RunResult>),
}

/// Runs that were cut off, stopped or killed go on.
pub(super) async fn resume(names: &[String], arguments: &RunArguments, printer: &Printer) -> Outcome {
    if arguments.repeat.is_some() || arguments.dry_run {
        return Err(CommandError::input("--resume goes on with a run; leave --repeat and --dry-run out"));
    }
    let settings = Settings::resolve(&arguments.places)?;
    let merged = declared(&settings.here, printer)?;
    let changes = limits::changes(arguments)?;
    let command = Command { arguments, settings, merged, changes, printer, relay: Mutex::new(None) };
    let mut runs: Vec<Old> = Vec::new();
    for name in names {
        let run = command.read(name)?;
        // One that is named twice is meant once.
        if !runs.iter().any(|known| known.folder == run.folder) {
            runs.push(run);
        }
    }
    if let [run] = runs.as_slice() {
        let came = match &run.state.started.spec.executor {
            Executor::Slurm(_) if cluster::is_job(&run.state.started.spec) => {
                command.follow(run, command.connect()?, watched(printer)?, 1).await?
            }
            Executor::Slurm(_) | Executor::Local => command.go_on(run).await?,
        };
        return Ok(match came {
            Came::Over(result) => {
                printer.talk("This run is over; its stored result follows.");
                conclude(&[*result], false, printer)
            }
            Came::Out(result) => conclude(&[*result], false, printer),
        });
    }
    if let Some(run) = runs.iter().find(|run| !cluster::is_job(&run.state.started.spec)) {
        return Err(CommandError::input(format!("run {} is no job of a cluster", run.folder.id())).hinted(
            "only runs that a cluster carries out go on together; go on with the others one by one",
        ));
    }
    let (cluster, cancelled) = (command.connect()?, watched(printer)?);
    let count = runs.len() as u64;
    let following = runs.iter().map(|run| command.follow(run, cluster.clone(), cancelled.clone(), count));
    let mut results = Vec::new();
    let mut first_error = None;
    for came in join_all(following).await {
        match came {
            Ok(Came::Over(result) | Came::Out(result)) => results.push(*result),
            Err(error) if first_error.is_none() => first_error = Some(error),
            Err(error) => printer.warn(&error.to_string()),
        }
    }
    match first_error {
        Some(error) if results.is_empty() => Err(error),
        Some(error) => {
            printer.warn(&error.to_string());
            Ok(conclude(&results, true, printer).max(error.exit_code()))
        }
        None => Ok(conclude(&results, true, printer)),
    }
}

impl Command<'_> {
    fn read(&self, name: &str) -> Result<Old, CommandError> {
        let folder = RunFolder::find(&self.settings.runs, name).map_err(input)?;
        let reading = researchgym_engine::store::read_log(&folder).map_err(input)?;
        let state = RunState::fold(&reading.lines)
            .map_err(|error| CommandError::input(format!("{}: {error}", folder.events().display())))?;
        same(self.arguments, &state.started.spec)?;
        Ok(Old { folder, state, head: reading.head })
    }

    /// The stored result of a run that cannot go on.
    fn over(&self, run: &Old) -> Came {
        let context = Context {
            run: run.folder.root().display().to_string(),
            log_head: run.head,
            is_running: run.folder.is_locked(),
            segment_ms: Some(0),
        };
        Came::Over(Box::new(RunResult::of(&run.state, context)))
    }

    /// Goes on with a run here.
    async fn go_on(&self, run: &Old) -> Result<Came, CommandError> {
        let Command { arguments, settings, merged, changes, printer, .. } = self;
        let Old { folder, state, .. } = run;
        let spec = state.started.spec.clone();
        if prospect(state, changes)? == Prospect::Over {
            return Ok(self.over(run));
        }
        let loaded = self.task(state)?;
        let data_dir = self.data_dir(state)?;
        let door = models::recorded(&spec, folder, arguments, (settings, merged), printer)?;
        let console = || console(&spec.agent, 1, printer);
        let models = models::recorded_further(&spec, folder, arguments, (settings, merged), printer)?;
        let cluster = match spec.executor.is_local() {
            true => None,
            false => Some(self.connect()?),
        };
        let ways = Ways { door, web: web::recorded(&state.started, settings, printer)?, models, cluster };
        let gpus = match spec.executor.is_local() {
            true => gpus::find(spec.gpus.as_ref(), 1)?,
            // The cluster grants them.
            false => None,
        };
        let sandboxes = sandboxes(settings)?;
        image::recorded(spec.image.as_ref(), &sandboxes).await?;
        let place = Place { sandboxes: &sandboxes, image: spec.image.as_ref() };
        let table = Table { settings, loaded: &loaded, data_dir: data_dir.as_deref(), place, gpus };
        let runner = runner(table, ways, console, printer).await?;
        let result = match runner.runner.reopen(folder.clone(), changes) {
            Ok(Reopened::Over(result)) => {
                runner.console.finish();
                return Ok(Came::Over(result));
            }
            Ok(Reopened::GoesOn(open)) => runner.one(*open, printer).await,
            Err(error) => return Err(CommandError::from(error)),
        };
        runner.console.finish();
        Ok(Came::Out(Box::new(result)))
    }

    /// Follows a run's job, or hands the run over anew.
    async fn follow(
        &self,
        run: &Old,
        cluster: Arc<dyn Cluster>,
        cancelled: watch::Receiver<bool>,
        runs: u64,
    ) -> Result<Came, CommandError> {
        let Command { arguments, settings, merged, changes, printer, .. } = self;
        let Old { folder, state, .. } = run;
        let spec = &state.started.spec;
        let is_open = matches!(standing(folder), Standing::Open(_));
        if is_open && *changes != LimitChanges::default() {
            return Err(CommandError::input(format!("the job of run {} has its order already", folder.id()))
                .hinted("follow it with --resume alone; its limits can be raised when it is over"));
        }
        if !is_open && prospect(state, changes)? == Prospect::Over {
            return Ok(self.over(run));
        }
        self.task(state)?;
        let data_dir = self.data_dir(state)?;
        let door = models::recorded(spec, folder, arguments, (settings, merged), printer)?;
        let handing = Handing {
            relay: self.relay(door.as_deref()).await?,
            settings,
            slurm: self.slurm()?,
            agent: &spec.agent,
            door,
            data_dir: data_dir.as_deref(),
            runs,
            cancelled,
        };
        let (submitter, console) = handing.open(cluster, printer)?;
        let result = submitter.see_through(folder, changes, None).await;
        console.finish();
        Ok(Came::Out(Box::new(result?)))
    }

    /// What jobs ask for as the settings are now: how a cluster is reached may have changed, as a model's address may.
    fn slurm(&self) -> Result<&SlurmSpec, CommandError> {
        cluster::asked(self.arguments, &self.merged, &self.settings.here)
    }

    /// One for all runs: a port is listened at once.
    async fn relay(&self, door: Option<&Door>) -> Result<Option<Arc<Relay>>, CommandError> {
        let mut relay = self.relay.lock().await;
        if relay.is_none() {
            *relay = cluster::relay(self.slurm()?, door).await?;
        }
        Ok(relay.clone())
    }

    fn connect(&self) -> Result<Arc<dyn Cluster>, CommandError> {
        cluster::connect(self.slurm()?, self.printer)
    }

    fn task(&self, state: &RunState) -> Result<LoadedTask, CommandError> {
        let spec = &state.started.spec;
        let loaded = LoadedTask::open(Path::new(&spec.task_dir)).map_err(input)?;
        if loaded.digest != state.started.digests.task {
            self.printer.warn(&format!("the folder of task {} has changed since the run began", spec.task));
        }
        Ok(loaded)
    }

    fn data_dir(&self, state: &RunState) -> Result<Option<String>, CommandError> {
        let given = self.settings.data_dir(&self.arguments.data_dir)?;
        Ok(given.map(|path| path.display().to_string()).or(state.started.spec.data_dir.clone()))
    }
}
