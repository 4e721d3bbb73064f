//! A whole run on a node: opened there with its lock, its materials found there, worked to its result by the ordinary
//! runner.
//!
//! SIGTERM alone is the cluster's: it takes the node away, and the run is left as a killed one is, for the job's next
//! incarnation. Whoever handed the run over cancels it by a file in the job's folder first; then it ends with a result.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use researchgym_core::event::Ending;
use researchgym_core::failure::{Boundary, Failure};
use researchgym_core::model::redact::Redactor;
use researchgym_core::model::{RetryPolicy, Target};
use researchgym_core::result::RunResult;
use researchgym_core::spec::{ModelSpec, RunSpec};
use researchgym_core::state::RunState;
use serde::{Deserialize, Serialize};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::agent::Surroundings;
use crate::catalogue::LoadedTask;
use crate::dataset::Fetching;
use crate::executor::folder::JobFolder;
use crate::executor::follow::Follower;
use crate::executor::relay::{self, SOCKET, Way, read_token};
use crate::gpu::{GpuPlaces, Gpus};
use crate::materials::{Materials, Place};
use crate::model::relayed::Relayed;
use crate::model::scripted::Script;
use crate::model::{Auth, Backend, Client, Door, Endpoint, Scripted, Secret};
use crate::runner::{AtWork, OpenError, Reopened, Runner, end_elsewhere, is_held};
use crate::sandbox::SandboxHost;
use crate::session::LimitChanges;
use crate::store::{RunFolder, RunLock, read_log};
use crate::workbench::Workbench;

/// The file that asks a job to end its run: made by whoever handed it over.
pub(crate) const CANCEL: &str = "cancel";

/// How often it is looked for.
const LOOK: Duration = Duration::from_secs(1);
/// How long who handed the run over, or a job that ends, may hold it still.
const LOCK_PATIENCE: Duration = Duration::from_secs(60);
const LOCK_AGAIN: Duration = Duration::from_millis(200);
/// The side with the keys may be away for about half an hour: calls are asked again so often, after so long at most.
const RELAY_ATTEMPTS: u32 = 120;
const RELAY_LONGEST_WAIT: Duration = Duration::from_secs(30);

/// What the node is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunOrder {
    /// New totals under which a run goes on.
    pub changes: LimitChanges,
    /// The user's copies of the task's datasets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_dir: Option<PathBuf>,
    /// The run's model, if it is asked through the relay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<RelayedModel>,
}

/// A model that is asked through the relay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RelayedModel {
    /// What it is, as a run's specification says it.
    pub spec: ModelSpec,
    /// How the relay is reached.
    pub way: Way,
}

/// Carries it out and puts the result into the folder.
pub(super) async fn work(
    folder: &JobFolder,
    run: &Path,
    home: &Path,
    order: RunOrder,
) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::new(Boundary::Executor, error.to_string());
    let mut terminated = signal(SignalKind::terminate()).map_err(failed)?;
    let (cancel, cancelled) = watch::channel(is_cancelled(folder));
    let run = RunFolder::open(run)?;
    let working = carry_out(folder, &run, home, order, cancelled);
    tokio::pin!(working);
    let result = loop {
        tokio::select! {
            result = &mut working => break result?,
            _ = terminated.recv() => {
                if !is_cancelled(folder) {
                    return Err(Failure::new(Boundary::Executor, "the cluster ends the job"));
                }
                cancel.send_replace(true);
            }
            () = tokio::time::sleep(LOOK), if !*cancel.borrow() => {
                if is_cancelled(folder) {
                    cancel.send_replace(true);
                }
            }
        }
    };
    folder.conclude(&result).map_err(failed)?;
    Ok(())
}

/// Looked for by listing the folder: shared file systems may remember for long that a name was not there.
fn is_cancelled(folder: &JobFolder) -> bool {
    let entries = std::fs::read_dir(folder.path()).into_iter().flatten().flatten();
    entries.into_iter().any(|entry| entry.file_name() == CANCEL)
}

async fn carry_out(
    folder: &JobFolder,
    run: &RunFolder,
    home: &Path,
    order: RunOrder,
    cancelled: watch::Receiver<bool>,
) -> Result<RunResult, Failure> {
    let lock = take(run).await?;
    let state = state(run)?;
    if *cancelled.borrow() && state.ended.is_some() {
        drop(lock);
        return result(run);
    }
    match prepared(folder, home, &order, &state, run, cancelled).await {
        Ok(runner) => {
            let note = runner.workbench.sandboxes.tidy_run_after_us(run.root());
            if let Err(error) = note {
                (runner.warn)(&error.to_string());
            }
            match runner.reopen_held(run.clone(), lock, &order.changes, true) {
                Ok(Reopened::Over(result)) => Ok(*result),
                Ok(Reopened::GoesOn(open)) => Ok(runner.run(*open, &mut Surroundings::default()).await),
                Err(error) => {
                    fail(folder, run, failure_of(error)).await?;
                    result(run)
                }
            }
        }
        Err(failure) => {
            drop(lock);
            fail(folder, run, failure).await?;
            result(run)
        }
    }
}

/// All that the run needs on this node.
async fn prepared(
    folder: &JobFolder,
    home: &Path,
    order: &RunOrder,
    state: &RunState,
    run: &RunFolder,
    cancelled: watch::Receiver<bool>,
) -> Result<Runner, Failure> {
    let spec = &state.started.spec;
    let loaded = LoadedTask::open(Path::new(&spec.task_dir)).map_err(|error| {
        Failure::new(Boundary::Executor, format!("on node {}: {error}", relay::host()))
            .hinted("the task's folder must lie where the nodes find it under the same path")
    })?;
    let door = door(folder, order, spec, run)?;
    let gpus = match &spec.gpus {
        None => None,
        Some(request) => {
            let found = tokio::task::block_in_place(|| Gpus::find(GpuPlaces::of_machine(None)))?;
            found.check(request, 1)?;
            Some(Arc::new(found))
        }
    };
    let sandboxes = SandboxHost::new(home)?;
    if let Some(image) = &spec.image {
        sandboxes.images().check(image).await?;
    }
    let fetching = Fetching { data_dir: order.data_dir.as_deref(), download: false, listener: &|_| {} };
    let place = Place { sandboxes: &sandboxes, image: spec.image.as_ref() };
    let materials = Materials::gather(home, &loaded, place, fetching).await?;
    let workbench = Workbench::new(home, sandboxes, materials)?;
    Ok(Runner {
        workbench: Arc::new(workbench),
        observer: Arc::new(|_, _| {}),
        warn: Arc::new(|_| {}),
        door,
        web: None,
        gpus,
        cancelled,
    })
}

/// The way to the run's model: a script of its own, or the relay.
fn door(
    folder: &JobFolder,
    order: &RunOrder,
    spec: &RunSpec,
    run: &RunFolder,
) -> Result<Option<Arc<Door>>, Failure> {
    let Some(recorded) = &spec.model_spec else { return Ok(None) };
    let broken = |what: String| Failure::new(Boundary::Model, format!("{}: {what}", recorded.name));
    let client = Client::new().map_err(|error| broken(format!("no HTTP client can be made: {error}")))?;
    let Some(RelayedModel { spec, way }) = &order.model else {
        let script =
            recorded.script.as_ref().ok_or_else(|| broken("the order says no way to it".to_owned()))?;
        let text = run.blobs().resolve(script)?;
        let script = Script::parse(&String::from_utf8_lossy(&text))
            .map_err(|error| broken(format!("its script: {error}")))?;
        let secrets = Redactor::new([]);
        let backend = Backend::Scripted(Arc::new(Scripted { script, secrets: secrets.clone() }));
        let endpoint = Arc::new(endpoint(recorded, backend));
        return Ok(Some(Arc::new(Door {
            client,
            endpoint,
            policy: RetryPolicy::default(),
            redactor: secrets,
        })));
    };
    let failed = |error: std::io::Error| broken(format!("the way to the relay: {error}"));
    let token = read_token(folder.path()).map_err(failed)?;
    let token = token.ok_or_else(|| broken(format!("there is no token in {}", folder.path().display())))?;
    let secret = Secret::new(token.expose());
    let relayed = match way {
        Way::Socket { host } if *host != relay::host() => {
            let message = format!(
                "node {} is another machine than {host}, where the models' keys are, and the settings say `gateway = \"socket\"`",
                relay::host()
            );
            return Err(Failure::new(Boundary::Executor, message)
                .hinted("set `gateway = \"HOST:PORT\"` in [slurm] to an address by which nodes reach the submitting machine"));
        }
        Way::Socket { .. } => Relayed::unix(folder.path(), SOCKET, secret),
        Way::Address { address } => Relayed::tcp(address, secret),
    };
    let relayed = relayed.map_err(failed)?;
    Ok(Some(Arc::new(Door {
        client: client.through(relayed),
        endpoint: Arc::new(endpoint(spec, Backend::Http)),
        policy: RetryPolicy {
            max_attempts: RELAY_ATTEMPTS,
            longest_wait: RELAY_LONGEST_WAIT,
            ..RetryPolicy::default()
        },
        redactor: Redactor::new([token.expose()]),
    })))
}

fn endpoint(spec: &ModelSpec, backend: Backend) -> Endpoint {
    let model = spec.name.split_once('/').map_or(spec.name.as_str(), |(_, model)| model);
    Endpoint {
        target: Target { name: spec.name.clone(), model: model.to_owned() },
        wire: spec.wire,
        base_url: spec.base_url.clone(),
        key: None,
        auth: Auth::Bearer,
        headers: Vec::new(),
        query: spec.query.clone().into_iter().collect(),
        facts: spec.facts,
        price_source: spec.price_source.clone(),
        request: spec.request.clone(),
        backend,
    }
}

/// Takes the run; whoever handed it over, or the job's last incarnation, may hold it a moment longer.
async fn take(run: &RunFolder) -> Result<RunLock, Failure> {
    let begun = tokio::time::Instant::now();
    loop {
        match run.lock() {
            Err(crate::store::StoreError::Locked { .. }) if begun.elapsed() < LOCK_PATIENCE => {
                tokio::time::sleep(LOCK_AGAIN).await;
            }
            other => return Ok(other?),
        }
    }
}

/// Ends a run that could not be worked on.
async fn fail(folder: &JobFolder, run: &RunFolder, failure: Failure) -> Result<(), Failure> {
    let at_work = at_work(folder, Some(Timestamp::now()));
    let begun = tokio::time::Instant::now();
    loop {
        match end_elsewhere(run, Ending::Failed, Some(failure.clone()), at_work) {
            Err(error) if is_held(&error) && begun.elapsed() < LOCK_PATIENCE => {
                tokio::time::sleep(LOCK_AGAIN).await;
            }
            Err(error) => return Err(failure_of(error)),
            Ok(_) => return Ok(()),
        }
    }
}

/// From when on the newest incarnation of a job has worked, until it was seen at work last.
pub(crate) fn at_work(folder: &JobFolder, until: Option<Timestamp>) -> Option<AtWork> {
    let (_, started) = folder.started().ok().flatten()?;
    let since: Timestamp = started.time.parse().ok()?;
    // Clocks of two machines.
    Some(AtWork { since, until: until.map_or(since, |until| until.max(since)) })
}

pub(crate) fn failure_of(error: OpenError) -> Failure {
    match error {
        OpenError::Failure(failure) => failure,
        OpenError::Store(error) => error.into(),
        other => Failure::new(Boundary::Executor, other.to_string()),
    }
}

fn state(run: &RunFolder) -> Result<RunState, Failure> {
    let reading = read_log(run)?;
    RunState::fold(&reading.lines)
        .map_err(|error| Failure::new(Boundary::Store, format!("run {}: {error}", run.id())))
}

fn result(run: &RunFolder) -> Result<RunResult, Failure> {
    let mut follower = Follower::new(run.clone(), Arc::new(|_, _| {}));
    follower.read()?;
    follower.result().ok_or_else(|| Failure::new(Boundary::Store, format!("run {} has no log", run.id())))
}
