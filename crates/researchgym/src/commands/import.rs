//! `import`: runs of other systems as read-only runs of the store. Exit code 0 all were taken, 1 some are broken, 2 there is
//! nothing to take, 3 the store cannot be written, 130 it was stopped.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use researchgym_core::spec::SCHEMA;
use researchgym_engine::import::{Options, Program, Summary, Told, import as take};
use researchgym_engine::store::{Importer, StoreError};
use serde_json::{Value, json};

use super::on_runtime;
use crate::arguments::{ImportArguments, ImportFormat};
use crate::error::{CommandError, Kind, input};
use crate::output::{Importing, Outcome, Printer};
use crate::settings::{Settings, absolute};
use crate::signals;

pub(crate) fn import(arguments: &ImportArguments, printer: &Printer) -> Outcome {
    let settings = Settings::resolve(&arguments.places)?;
    for path in &arguments.paths {
        let path = absolute(&settings.here, path);
        if let Err(error) = path.metadata() {
            return Err(CommandError::input(format!("`{}`: {error}", path.display()))
                .hinted("name files, folders or archives with runs of others"));
        }
    }
    let importer = Importer::open(&settings.runs).map_err(unwritten)?;
    // Most of the time goes into waiting for the disk.
    let workers = std::thread::available_parallelism().map_or(1, usize::from) * 4;
    let shown = Importing::new(printer);
    let summary = on_runtime(async {
        let mut stopped =
            signals::watch_saying(printer, "Stopping: what was imported is kept.").map_err(infrastructure)?;
        let stop = AtomicBool::new(false);
        let options =
            Options { only: program(arguments.format), tags: arguments.tags.clone(), stop: &stop, workers };
        let observer = |told: Told<'_>| shown.told(&told);
        std::thread::scope(|scope| {
            let working = scope.spawn(|| take(&arguments.paths, &options, &importer, &observer));
            tokio::task::block_in_place(|| {
                tokio::runtime::Handle::current().block_on(async {
                    while !working.is_finished() {
                        let wait = std::time::Duration::from_millis(20);
                        if let Ok(Ok(_)) = tokio::time::timeout(wait, stopped.wait_for(|stop| *stop)).await {
                            stop.store(true, Ordering::Relaxed);
                            break;
                        }
                    }
                });
            });
            working.join()
        })
        .map_err(|_| infrastructure("a thread of the import broke"))
    })?
    .map_err(unwritten)?;
    shown.finish();
    importer.finish().map_err(unwritten)?;
    conclude(&summary, printer)
}

/// The store refused. A full disk is no fault of the input, and no run is to be resumed.
fn unwritten(error: StoreError) -> CommandError {
    use std::io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    match &error {
        StoreError::Io { source, .. } if matches!(source.kind(), StorageFull | QuotaExceeded) => {
            infrastructure(error.to_string())
                .hinted("free space; what was imported is kept, and importing the same again goes on")
        }
        StoreError::Io { source, .. } if matches!(source.kind(), PermissionDenied | ReadOnlyFilesystem) => {
            infrastructure(error.to_string()).hinted("name a folder that may be written with --runs-dir")
        }
        _ => input(error),
    }
}

fn conclude(summary: &Summary, printer: &Printer) -> Outcome {
    let object = object(summary);
    match printer.is_json() {
        true => printer.json(&object),
        false => printer.imported(summary, &object),
    }
    let taken = summary.imported.len() + summary.duplicates.len();
    Ok(match (summary.was_stopped, taken, summary.broken.is_empty()) {
        (true, ..) => 130,
        (false, 0, _) => 2,
        (false, _, false) => 1,
        (false, _, true) => 0,
    })
}

/// The summary for scripts.
fn object(summary: &Summary) -> Value {
    let count = |names: &mut dyn Iterator<Item = String>| {
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        names.for_each(|name| *counts.entry(name).or_default() += 1);
        counts
    };
    let runs = &summary.imported;
    let unknown = || "unknown".to_owned();
    json!({
        "schema": SCHEMA,
        "imported": runs.len(),
        "duplicates": summary.duplicates.len(),
        "broken": summary.broken.iter().map(|broken| json!({ "source": broken.source, "why": broken.why })).collect::<Vec<_>>(),
        "ours": summary.ours,
        "left_alone": summary.left_alone,
        "stopped": summary.was_stopped,
        "formats": count(&mut runs.iter().map(|run| run.program.clone())),
        "models": count(&mut runs.iter().map(|run| run.model.clone().unwrap_or_else(unknown))),
        "tasks": count(&mut runs.iter().map(|run| run.task.clone())),
        "left_out": count(&mut runs.iter().flat_map(|run| run.left_out.iter().cloned())),
        "runs": runs.iter().map(|run| json!({ "run": run.id, "source": run.source })).collect::<Vec<_>>(),
    })
}

fn program(format: ImportFormat) -> Option<Program> {
    match format {
        ImportFormat::Auto => None,
        ImportFormat::Mlgym => Some(Program::Mlgym),
        ImportFormat::Researchgym => Some(Program::ResearchgymSeed),
        ImportFormat::Inspect => Some(Program::Inspect),
        ImportFormat::Atif => Some(Program::Atif),
        ImportFormat::Openevolve => Some(Program::Openevolve),
        ImportFormat::Ideas => Some(Program::Ideas),
    }
}

fn infrastructure(error: impl std::fmt::Display) -> CommandError {
    CommandError { kind: Kind::Infrastructure, message: error.to_string(), hint: None }
}
