//! `run --executor slurm`: runs that are carried out by jobs of a cluster, from handing over to result.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use researchgym_core::event::Ending;
use researchgym_core::executor::{Executor, SlurmSpec};
use researchgym_core::failure::Failure;
use researchgym_core::gpu::GpuRequest;
use researchgym_core::result::RunResult;
use researchgym_core::spec::{AgentSpec, RunSpec};
use researchgym_core::task::Task;
use researchgym_engine::catalogue::LoadedTask;
use researchgym_engine::dataset::Fetching;
use researchgym_engine::executor::relay::{Relay, RelayPlace};
use researchgym_engine::executor::runs::{Submitter, needs_relay};
use researchgym_engine::executor::slurm::{Rehearsal, Slurm, rehearse};
use researchgym_engine::executor::{Cluster, Group, JobState, Needs};
use researchgym_engine::materials::{Materials, Place};
use researchgym_engine::model::Door;
use researchgym_engine::model::settings::Merged;
use researchgym_engine::progress::Progress;
use researchgym_engine::runner::{NewRun, Runner, register};
use researchgym_engine::search::needs_of_evaluation;
use researchgym_engine::session::LimitChanges;
use researchgym_engine::store::RunFolder;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::many::Many;
use super::running::console;
use crate::arguments::{ExecutorName, RunArguments};
use crate::error::CommandError;
use crate::output::{Console, Printer};
use crate::settings::Settings;

/// Who carries out a new run.
pub(super) fn executor(
    arguments: &RunArguments,
    merged: &Merged,
    here: &Path,
) -> Result<Executor, CommandError> {
    Ok(match arguments.executor {
        None | Some(ExecutorName::Local) => Executor::Local,
        Some(ExecutorName::Slurm) => Executor::Slurm(Box::new(asked(arguments, merged, here)?.clone())),
    })
}

/// What jobs ask for by the settings, as far as these may say it.
pub(super) fn asked<'m>(
    arguments: &RunArguments,
    merged: &'m Merged,
    here: &Path,
) -> Result<&'m SlurmSpec, CommandError> {
    merged.slurm(here, arguments.models.trust_project_settings).map_err(|error| {
        CommandError::input(error.to_string()).hinted(
            "if you trust it, give --trust-project-settings, or move it to your own settings file, which `researchgym \
             config show` names",
        )
    })
}

/// Whether a run as a whole is a job: a search stays here, and its evaluations are jobs.
pub(super) fn is_job(spec: &RunSpec) -> bool {
    !spec.executor.is_local() && !matches!(spec.agent, AgentSpec::Search(_))
}

/// Refuses what cannot be done by jobs of a cluster, and says what is done without.
pub(super) fn check(spec: &mut RunSpec, printer: &Printer) -> Result<(), CommandError> {
    let Executor::Slurm(slurm) = &spec.executor else { return Ok(()) };
    place(slurm)?;
    if spec.agent == AgentSpec::Human {
        return Err(CommandError::input("a person works on this machine, not in a job of a cluster")
            .hinted("leave --executor out"));
    }
    if let Some(GpuRequest::All | GpuRequest::Devices(_)) = spec.gpus {
        return Err(CommandError::input("which GPUs a job gets is the cluster's choice")
            .hinted("give their number: --gpus N; which kind is said by `gres` or `options` of [slurm]"));
    }
    if is_job(spec) && spec.web {
        printer.warn(
            "the key for searching the web stays on this machine: jobs of a cluster work without the web",
        );
        spec.web = false;
    }
    Ok(())
}

/// The cluster that the settings describe.
pub(super) fn connect(slurm: &SlurmSpec, printer: &Printer) -> Result<Arc<dyn Cluster>, CommandError> {
    let program = match &slurm.program {
        Some(program) => PathBuf::from(program),
        None => std::env::current_exe()
            .map_err(|error| CommandError::input(format!("this program's own path: {error}")))?,
    };
    let warner = printer.clone();
    let slurm = slurm.clone();
    let connecting = move || Slurm::connect(slurm, program, Arc::new(move |text: &str| warner.warn(text)));
    let connected = tokio::task::block_in_place(connecting);
    Ok(connected?)
}

/// What answers jobs that ask a model, if the runs have one that is asked over a network.
pub(super) async fn relay(
    slurm: &SlurmSpec,
    door: Option<&Door>,
) -> Result<Option<Arc<Relay>>, CommandError> {
    if !needs_relay(door) {
        return Ok(None);
    }
    Ok(Some(Arc::new(Relay::open(&place(slurm)?).await?)))
}

fn place(slurm: &SlurmSpec) -> Result<RelayPlace, CommandError> {
    RelayPlace::of(slurm).map_err(|error| CommandError::input(error.to_string()))
}

/// Makes here what jobs would each make for themselves, if they share the cache folder.
pub(super) async fn gather(
    settings: &Settings,
    (loaded, slurm): (&LoadedTask, &SlurmSpec),
    data_dir: Option<&str>,
    place: Place<'_>,
    printer: &Printer,
) -> Result<(), CommandError> {
    if slurm.home.is_some() {
        return Ok(());
    }
    let listener = |progress: Progress<'_>| printer.preparing(&progress);
    let fetching = Fetching { data_dir: data_dir.map(Path::new), download: false, listener: &listener };
    Ok(Materials::gather(&settings.home, loaded, place, fetching).await.map(drop)?)
}

/// What hands runs over.
pub(super) struct Handing<'h> {
    pub(super) settings: &'h Settings,
    pub(super) slurm: &'h SlurmSpec,
    pub(super) agent: &'h AgentSpec,
    pub(super) door: Option<Arc<Door>>,
    pub(super) data_dir: Option<&'h str>,
    pub(super) runs: u64,
    pub(super) cancelled: watch::Receiver<bool>,
    pub(super) relay: Option<Arc<Relay>>,
}

impl Handing<'_> {
    pub(super) fn open(
        self,
        cluster: Arc<dyn Cluster>,
        printer: &Printer,
    ) -> Result<(Submitter, Console), CommandError> {
        let Handing { settings, slurm, agent, door, data_dir, runs, cancelled, relay } = self;
        let console = console(agent, runs, printer);
        let (teller, warner) = (printer.clone(), printer.clone());
        let submitter = Submitter {
            cluster,
            place: place(slurm)?,
            relay,
            door,
            home: slurm.home.as_ref().map_or_else(|| settings.home.clone(), PathBuf::from),
            data_dir: data_dir.map(PathBuf::from),
            observer: console.observer(),
            tell: Arc::new(move |run, state| {
                let line = stands(state);
                teller.talk(&if runs > 1 { format!("{run}  {line}") } else { format!("  {line}") });
            }),
            warn: Arc::new(move |text: &str| warner.warn(text)),
            cancelled,
        };
        Ok((submitter, console))
    }
}

/// How a job stands, in words.
fn stands(state: &JobState) -> String {
    match state {
        JobState::Queued { id, reason } if reason.is_empty() => format!("queued (job {id})"),
        JobState::Queued { id, reason } => format!("queued (job {id}, {reason})"),
        JobState::Running { host } => format!("running on {host}"),
    }
}

/// One new run.
pub(super) async fn one(submitter: &Submitter, runs: &Path, new: NewRun) -> Result<RunResult, CommandError> {
    let folder = register(runs, new, &*submitter.warn)?;
    Ok(submitter.see_through(&folder, &LimitChanges::default(), None).await?)
}

/// Several new runs, handed over together. A failed one does not stop its siblings.
pub(super) async fn many(
    submitter: Submitter,
    runs: &Path,
    (count, at_once): (u64, u64),
    new: impl Fn(u64) -> NewRun,
) -> Many {
    let submitter = Arc::new(submitter);
    let mut folders = Vec::new();
    let mut lost = None;
    for index in 0..count {
        if *submitter.cancelled.borrow() {
            break;
        }
        match register(runs, new(index), &*submitter.warn) {
            Ok(folder) => folders.push(folder),
            Err(failure) => {
                lost = Some(failure);
                break;
            }
        }
    }
    let name = folders.first().map(|folder| folder.id().to_owned()).unwrap_or_default();
    let group = Group { name, jobs: folders.len(), at_once: usize::try_from(at_once).unwrap_or(usize::MAX) };
    let ending = if lost.is_some() { Ending::Failed } else { Ending::Cancelled };
    let mut results: Vec<RunResult> =
        (0..count).map(|index| Runner::not_started(new(index), ending, lost.as_ref())).collect();
    let mut tasks = JoinSet::new();
    for (index, folder) in folders.into_iter().enumerate() {
        let (submitter, group) = (submitter.clone(), group.clone());
        tasks.spawn(async move {
            let result = submitter.see_through(&folder, &LimitChanges::default(), Some(group)).await;
            (index, folder, result)
        });
    }
    while let Some(joined) = tasks.join_next().await {
        let Ok((index, folder, result)) = joined else { continue };
        results[index] = match result {
            Ok(result) => result,
            Err(failure) => unfollowed(new(index as u64), &folder, &failure),
        };
    }
    Many { results, lost }
}

/// What is said of a run whose folder could not be read or written any more.
fn unfollowed(new: NewRun, folder: &RunFolder, failure: &Failure) -> RunResult {
    RunResult {
        run: folder.root().display().to_string(),
        run_id: folder.id().to_owned(),
        ..Runner::not_started(new, Ending::Failed, Some(failure))
    }
}

/// What a plan says of the jobs.
pub(super) fn needs(task: &Task, spec: &RunSpec) -> Option<Needs> {
    match is_job(spec) {
        true => Some(researchgym_engine::executor::runs::needs(task, spec)),
        false => needs_of_evaluation(task, spec),
    }
}

/// What the cluster says of the jobs of some runs, without any being handed over.
pub(super) async fn rehearsal(
    spec: &RunSpec,
    needs: Option<&Needs>,
    (runs, at_once): (u64, u64),
) -> Option<Rehearsal> {
    let (Executor::Slurm(slurm), Some(needs)) = (&spec.executor, needs) else { return None };
    let count = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    let jobs = match &spec.agent {
        AgentSpec::Search(search) => u64::from(search.parallel),
        _ => runs,
    };
    let at_once = (is_job(spec) && at_once < jobs).then_some(count(at_once));
    Some(rehearse(slurm, needs, count(jobs), at_once).await)
}
