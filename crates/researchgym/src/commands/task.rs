//! `task list | show | check | new | fetch`.

use std::path::PathBuf;
use std::sync::Arc;

use researchgym_core::failure::Failure;
use researchgym_core::isolation::Runtime;
use researchgym_core::spec::SCHEMA;
use researchgym_engine::catalogue::{Catalogue, LoadedTask, scaffold};
use researchgym_engine::check::{Asked, CheckReport, check};
use researchgym_engine::dataset::Fetching;
use researchgym_engine::materials::{Materials, Place};
use researchgym_engine::model::settings::Merged;
use researchgym_engine::progress::Progress;
use researchgym_engine::runner::Runner;
use researchgym_engine::sandbox::SandboxHost;
use researchgym_engine::workbench::Workbench;
use serde_json::json;

use super::agents::IDEA_HINT;
use super::model::declared;
use super::{gpus, image, on_runtime};
use crate::arguments::{CheckPlace, IsolatedRuntime, Places, TaskCommand};
use crate::error::{CommandError, Kind, input};
use crate::output::{Outcome, Printer};
use crate::settings::{Settings, absolute};
use crate::signals;

/// Checks are reproducible: every run of one is graded from this seed.
const CHECK_SEED: u64 = 0;

pub(crate) fn task(command: TaskCommand, printer: &Printer) -> Outcome {
    match command {
        TaskCommand::List(places) => list(&places, printer),
        TaskCommand::Show { task, places } => show(&task, &places, printer),
        TaskCommand::Check { tasks, all, place, data_dir, places } => {
            check_all((&tasks, all), &place, data_dir, &places, printer)
        }
        TaskCommand::New { name, dir, places } => new(&name, dir, &places, printer),
        TaskCommand::Fetch { task, data_dir, places } => fetch(&task, data_dir, &places, printer),
    }
}

fn list(places: &Places, printer: &Printer) -> Outcome {
    let settings = Settings::resolve(places)?;
    let entries = Catalogue::new(settings.tasks.clone()).list();
    if printer.is_json() {
        let tasks: Vec<_> = entries
            .iter()
            .map(|entry| match &entry.loaded {
                Ok(loaded) => json!({ "task": loaded.task.id, "folder": loaded.folder, "digest": loaded.digest,
                    "title": loaded.task.title, "domain": loaded.task.domain, "primary": loaded.task.primary(),
                    "baseline": loaded.task.baseline.as_ref().map(|baseline| baseline.shown(&loaded.task.primary())) }),
                Err(error) => json!({ "task": entry.name, "folder": entry.folder, "error": error.to_string() }),
            })
            .collect();
        printer.json(&json!({ "schema": SCHEMA, "tasks": tasks }));
    } else {
        printer.tasks(&entries, &settings.tasks);
    }
    Ok(0)
}

fn show(name: &str, places: &Places, printer: &Printer) -> Outcome {
    let settings = Settings::resolve(places)?;
    let loaded = Catalogue::new(settings.tasks).find(name).map_err(input)?;
    let path = loaded.path(&loaded.task.description);
    let description = std::fs::read_to_string(&path)
        .map_err(|error| CommandError::input(format!("{}: {error}", path.display())))?;
    if printer.is_json() {
        printer.json(
            &json!({ "schema": SCHEMA, "folder": loaded.folder, "digest": loaded.digest, "task": loaded.task,
            "description": description }),
        );
    } else {
        let has_hint = loaded.folder.join(IDEA_HINT).is_file();
        printer.task(&loaded.task, &loaded.folder.display().to_string(), has_hint, &description);
    }
    Ok(0)
}

fn new(name: &str, dir: Option<PathBuf>, places: &Places, printer: &Printer) -> Outcome {
    let settings = Settings::resolve(places)?;
    let parent = dir.map_or_else(|| settings.new_tasks.clone(), |dir| absolute(&settings.here, &dir));
    let folder = scaffold(name, &parent).map_err(input)?;
    if printer.is_json() {
        printer.json(&json!({ "schema": SCHEMA, "task": name, "folder": folder }));
    } else {
        printer.data(&folder.display().to_string());
        let word =
            if settings.tasks.contains(&parent) { name.to_owned() } else { folder.display().to_string() };
        printer.talk(&format!("\nIt works as it is. Prove it: researchgym task check {word}\nThen make it yours: its task.toml explains the keys it has; `researchgym schema task` has all."));
    }
    Ok(0)
}

fn fetch(name: &str, data_dir: Option<PathBuf>, places: &Places, printer: &Printer) -> Outcome {
    let settings = Settings::resolve(places)?;
    let loaded = Catalogue::new(settings.tasks.clone()).find(name).map_err(input)?;
    let data_dir = settings.data_dir(&data_dir)?;
    let materials = on_runtime(async {
        let sandboxes = SandboxHost::new(&settings.home).map_err(Failure::from)?;
        let listener = |progress: Progress<'_>| printer.preparing(&progress);
        let fetching = Fetching { data_dir: data_dir.as_deref(), download: true, listener: &listener };
        let place = Place { sandboxes: &sandboxes, image: None };
        Materials::gather(&settings.home, &loaded, place, fetching).await.map_err(CommandError::from)
    })?;
    if printer.is_json() {
        let names =
            |files: &[(String, PathBuf)]| files.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        printer
            .json(&json!({ "schema": SCHEMA, "task": loaded.task.id, "environment": materials.environment,
            "visible": names(&materials.visible), "hidden": names(&materials.hidden) }));
    } else {
        printer.talk(&format!(
            "Everything that task {} needs is in {}",
            loaded.task.id,
            settings.home.display()
        ));
    }
    Ok(0)
}

fn check_all(
    (names, all): (&[String], bool),
    place: &CheckPlace,
    data_dir: Option<PathBuf>,
    places: &Places,
    printer: &Printer,
) -> Outcome {
    let settings = Settings::resolve(places)?;
    let merged = declared(&settings.here, printer)?;
    let catalogue = Catalogue::new(settings.tasks.clone());
    let wanted: Vec<(String, Result<LoadedTask, CommandError>)> = match all {
        true => catalogue.list().into_iter().map(|entry| (entry.name, entry.loaded.map_err(input))).collect(),
        false => {
            let found = |name: &String| match catalogue.find(name) {
                // A name that means nothing is a mistake of the command, not of a task.
                Err(error) if error.is_unknown() => Err(input(error)),
                found => Ok((name.clone(), found.map_err(input))),
            };
            names.iter().map(found).collect::<Result<_, _>>()?
        }
    };
    if wanted.is_empty() {
        return Err(CommandError::input("there are no tasks to check")
            .hinted("`researchgym task list` says where it looks"));
    }
    let data_dir = settings.data_dir(&data_dir)?;
    let mut reports = Vec::new();
    let mut has_parameters = false;
    for (name, loaded) in wanted {
        let report = match loaded {
            Err(error) => CheckReport::unreadable(&name, problem(&error)),
            Ok(loaded) => {
                has_parameters = loaded.task.tunable.is_some();
                match on_runtime(check_one(
                    (&settings, &merged),
                    &loaded,
                    place,
                    data_dir.as_deref(),
                    printer,
                )) {
                    // What one task lacks, such as its data, is no reason to leave the others unchecked.
                    Err(error) if error.kind == Kind::Input => CheckReport::unready(&name, problem(&error)),
                    outcome => outcome?,
                }
            }
        };
        if !printer.is_json() {
            printer.checked(&report);
        }
        reports.push(report);
    }
    let passed = reports.iter().all(|report| report.passed);
    if printer.is_json() {
        printer.json(&json!({ "schema": SCHEMA, "passed": passed, "tasks": reports }));
    } else if let ([name], true) = (names, passed) {
        printer.talk(&format!(
            "\nLet an agent work on it: researchgym run {name} {}",
            if has_parameters { "tuner" } else { "human" }
        ));
    }
    Ok(u8::from(!passed))
}

/// What is wrong and, below it, what to do about it.
fn problem(error: &CommandError) -> String {
    match &error.hint {
        Some(hint) => format!("{error}\nhint: {hint}"),
        None => error.to_string(),
    }
}

async fn check_one(
    (settings, merged): (&Settings, &Merged),
    loaded: &LoadedTask,
    place: &CheckPlace,
    data_dir: Option<&std::path::Path>,
    printer: &Printer,
) -> Result<CheckReport, CommandError> {
    let cancelled = signals::watch(printer)
        .map_err(|error| CommandError::input(format!("signals cannot be watched: {error}")))?;
    let sandboxes = SandboxHost::new(&settings.home).map_err(Failure::from)?;
    let listener = |progress: Progress<'_>| printer.preparing(&progress);
    let fetching = Fetching { data_dir, download: false, listener: &listener };
    let runtime = match place.runtime {
        IsolatedRuntime::Local => Runtime::Local,
        IsolatedRuntime::Docker => Runtime::Docker,
    };
    let image = match image::wanted(runtime, place.image.as_deref(), loaded, merged)? {
        Some(wanted) => Some(wanted.get(loaded, &sandboxes, printer).await?),
        None => None,
    };
    let request = gpus::wanted(place.gpus.gpus.as_ref(), &loaded.task);
    let gpus = gpus::find(request.as_ref(), 1)?;
    let place = Place { sandboxes: &sandboxes, image: image.as_ref() };
    let materials = Materials::gather(&settings.home, loaded, place, fetching).await?;
    let workbench = Workbench::new(&settings.home, sandboxes, materials)?;
    let runs = workbench.scratch_folder()?;
    let warner = printer.clone();
    let runner = Runner {
        workbench: Arc::new(workbench),
        observer: Arc::new(|_, _| {}),
        warn: Arc::new(move |text: &str| warner.warn(text)),
        door: None,
        web: None,
        gpus,
        cancelled,
    };
    let asked = Asked { seed: CHECK_SEED, gpus: request };
    Ok(check(&runner, loaded, runs.path(), asked).await?)
}
