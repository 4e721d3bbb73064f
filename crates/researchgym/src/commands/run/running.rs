//! What runs of this process are set up from, and the runner that works on them.

use std::path::Path;
use std::sync::Arc;

use researchgym_core::failure::Failure;
use researchgym_core::result::RunResult;
use researchgym_core::spec::AgentSpec;
use researchgym_engine::agent::Surroundings;
use researchgym_engine::catalogue::LoadedTask;
use researchgym_engine::dataset::Fetching;
use researchgym_engine::executor::Cluster;
use researchgym_engine::gpu::Gpus;
use researchgym_engine::materials::{Materials, Place};
use researchgym_engine::model::Door;
use researchgym_engine::progress::Progress;
use researchgym_engine::runner::{OpenRun, Runner};
use researchgym_engine::sandbox::SandboxHost;
use researchgym_engine::search;
use researchgym_engine::web::Web;
use researchgym_engine::workbench::Workbench;
use tokio::sync::watch;

use crate::error::CommandError;
use crate::output::{Console, Person, Printer};
use crate::settings::Settings;
use crate::signals;

/// The runner of this process and what shows its runs.
pub(in crate::commands) struct Running {
    pub(in crate::commands) runner: Runner,
    pub(in crate::commands) console: Console,
    /// The ways to a search's further models.
    pub(super) models: search::Ways,
    /// Where a search's evaluations are carried out, if not here.
    pub(super) cluster: Option<Arc<dyn Cluster>>,
}

impl Running {
    pub(super) async fn one(&self, open: OpenRun, printer: &Printer) -> RunResult {
        let terminal = open.is_human().then(|| Box::new(Person::new(printer)) as Box<_>);
        self.runner.run(open, &mut Surroundings { terminal, ..self.surroundings() }).await
    }

    /// What every run of this process may use.
    pub(in crate::commands) fn surroundings(&self) -> Surroundings {
        Surroundings {
            ways: self.models.clone(),
            cluster: self.cluster.clone(),
            gpus: self.runner.gpus.clone(),
            ..Surroundings::default()
        }
    }
}

pub(super) fn console(agent: &AgentSpec, runs: u64, printer: &Printer) -> Console {
    match agent {
        AgentSpec::Human => Console::for_person(printer),
        AgentSpec::Search(_) if runs == 1 => Console::for_search(printer),
        _ => Console::new(printer, runs, true),
    }
}

/// The ways out of a run.
pub(super) struct Ways {
    pub(super) door: Option<Arc<Door>>,
    pub(super) web: Option<Arc<Web>>,
    pub(super) models: search::Ways,
    pub(super) cluster: Option<Arc<dyn Cluster>>,
}

/// What a run is set up from.
pub(super) struct Table<'a> {
    pub(super) settings: &'a Settings,
    pub(super) loaded: &'a LoadedTask,
    pub(super) data_dir: Option<&'a str>,
    pub(super) place: Place<'a>,
    pub(super) gpus: Option<Arc<Gpus>>,
}

pub(super) fn sandboxes(settings: &Settings) -> Result<SandboxHost, CommandError> {
    SandboxHost::new(&settings.home).map_err(|error| CommandError::from(Failure::from(error)))
}

/// Turns true when the user wants everything to stop.
pub(super) fn watched(printer: &Printer) -> Result<watch::Receiver<bool>, CommandError> {
    signals::watch(printer)
        .map_err(|error| CommandError::input(format!("signals cannot be watched: {error}")))
}

pub(super) async fn runner(
    table: Table<'_>,
    ways: Ways,
    console: impl FnOnce() -> Console,
    printer: &Printer,
) -> Result<Running, CommandError> {
    let cancelled = watched(printer)?;
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
    Ok(Running { runner, console, models: ways.models, cluster: ways.cluster })
}
