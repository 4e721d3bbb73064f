//! `export`: runs as tables, as conversations, or one of them as a bundle. Exit code 1 if a run could not be read to its end.
//!
//! What is written appears whole or not at all: it is made beside its place under another name, and renamed.

mod best;
mod bundle;
mod conversations;
mod foreign;
mod story;
mod tables;
mod trajectories;

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use researchgym_core::record::RunRecord;
use researchgym_core::spec::SCHEMA;
use researchgym_engine::records::record_of;
use researchgym_engine::store::RunFolder;
use researchgym_report::conversations::Selection;
use researchgym_report::tables::TableFormat;
use serde::Serialize;
use serde_json::json;

pub(crate) use self::bundle::{named as failed_bundle, unpack};
use super::list::library;
use super::on_runtime;
use crate::arguments::{ExportArguments, ExportFormat};
use crate::error::{CommandError, Kind, input};
use crate::output::{Exported, Outcome, Printer};
use crate::settings::{Settings, absolute};
use crate::signals;

pub(crate) fn export(arguments: &ExportArguments, printer: &Printer) -> Outcome {
    let settings = Settings::resolve(&arguments.places)?;
    if let Some(to) = &arguments.best {
        return best::export(&arguments.runs, &absolute(&settings.here, to), &settings, printer);
    }
    let Some(to) = &arguments.to else {
        return Err(CommandError::input("there is no -o"));
    };
    let to = absolute(&settings.here, to);
    if let Some(run) = &arguments.bundle {
        return bundle::export(run, &to, arguments.force, &settings, printer);
    }
    let Some(format) = arguments.format else {
        return Err(CommandError::input("there is no --format"));
    };
    let Selected { runs, left_out, broken } = chosen(arguments, &settings, printer)?;
    if runs.is_empty() {
        return Err(CommandError::input("there is nothing to export: no run is left").hinted(
            left_out.iter().chain(&broken).next().map_or_else(
                || "`researchgym list` shows the runs; `--runs-dir` names another place".to_owned(),
                |first| {
                    let count = left_out.len() + broken.len();
                    format!("{count} left out; the first is {}: {}", first.run, first.reason)
                },
            ),
        ));
    }
    let force = arguments.force;
    let exported = stoppable(printer, |is_stopped| match format {
        ExportFormat::Parquet => tables::export(TableFormat::Parquet, &runs, &to, force, is_stopped),
        ExportFormat::Arrow => tables::export(TableFormat::Arrow, &runs, &to, force, is_stopped),
        ExportFormat::Csv => tables::export(TableFormat::Csv, &runs, &to, force, is_stopped),
        ExportFormat::Inspect => foreign::inspect(&runs, &to, force, is_stopped),
        ExportFormat::Atif => foreign::trajectories(&runs, &to, force, is_stopped),
        ExportFormat::Trajectories => trajectories::export(&runs, &to, force, is_stopped),
        ExportFormat::Sft => conversations::export(&runs, &to, force, is_stopped),
    })?;
    let Some(mut exported) = exported? else { return Ok(130) };
    exported.left_out.splice(0..0, left_out);
    exported.problems.splice(0..0, broken);
    if printer.is_json() {
        let mut object = json!({ "schema": SCHEMA, "out": to });
        if let (Some(object), Ok(serde_json::Value::Object(more))) =
            (object.as_object_mut(), serde_json::to_value(&exported))
        {
            object.extend(more);
        }
        printer.json(&object);
    } else {
        printer.exported(&to, &exported);
    }
    Ok(u8::from(!exported.problems.is_empty()))
}

/// A run that is exported.
struct Chosen {
    folder: RunFolder,
    record: RunRecord,
}

/// What is exported, and what is not.
struct Selected {
    runs: Vec<Chosen>,
    /// What should not be taken.
    left_out: Vec<Told>,
    /// What cannot be read at all.
    broken: Vec<Told>,
}

/// A run with what is said of it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Told {
    /// The run's folder.
    pub(crate) run: String,
    /// What is said.
    pub(crate) reason: String,
}

impl Told {
    fn of(folder: &RunFolder, reason: impl ToString) -> Told {
        Told { run: folder.root().display().to_string(), reason: reason.to_string() }
    }
}

/// The runs that are asked for, and those that are asked for and cannot or should not be taken.
fn chosen(
    arguments: &ExportArguments,
    settings: &Settings,
    printer: &Printer,
) -> Result<Selected, CommandError> {
    let (mut left_out, mut broken) = (Vec::new(), Vec::new());
    let mut runs = Vec::new();
    if arguments.runs.is_empty() {
        let library = library(settings, arguments.places.names_runs(), printer)?;
        runs.extend(library.runs.into_iter().map(|kept| Chosen { folder: kept.folder, record: kept.record }));
        broken
            .extend(library.broken.into_iter().map(|broken| Told { run: broken.run, reason: broken.error }));
    }
    let mut seen = BTreeSet::new();
    for name in &arguments.runs {
        let folder = RunFolder::find(&settings.runs, name).map_err(input)?;
        if seen.insert(folder.root().to_owned()) {
            let (record, _) = record_of(&folder).map_err(|error| CommandError::input(error.to_string()))?;
            runs.push(Chosen { folder, record });
        }
    }
    let query = arguments.filters.query();
    runs.retain(|run| query.matches(&run.record));
    let selection = Selection {
        improved: arguments.improved,
        unflagged: arguments.unflagged,
        score: arguments.min_score,
    };
    runs.retain(|run| match selection.admits(&run.record) {
        Ok(()) => true,
        Err(unfit) => {
            left_out.push(Told::of(&run.folder, unfit));
            false
        }
    });
    Ok(Selected { runs, left_out, broken })
}

/// Does something that Ctrl-C ends at the next chance.
pub(super) fn stoppable<T>(
    printer: &Printer,
    work: impl FnOnce(&dyn Fn() -> bool) -> T,
) -> Result<T, CommandError> {
    on_runtime(async {
        let stopped = signals::watch_saying(printer, "Stopping: nothing half is left.")
            .map_err(|error| infrastructure(format!("signals cannot be watched: {error}")))?;
        Ok(tokio::task::block_in_place(|| work(&|| *stopped.borrow())))
    })
}

fn infrastructure(message: String) -> CommandError {
    CommandError { kind: Kind::Infrastructure, message, hint: None }
}

/// A file system refused; a full disk is no fault of the input.
fn refused(action: &str, path: &Path, error: &io::Error) -> CommandError {
    let message = format!("cannot {action} `{}`: {error}", path.display());
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            infrastructure(message).hinted("free space on the disk, or give another place by -o")
        }
        _ => CommandError::input(message),
    }
}

/// The folder that a path lies in, which must be there.
fn parent_of(to: &Path) -> Result<&Path, CommandError> {
    let parent = to.parent().filter(|_| to.file_name().is_some());
    let parent = parent
        .ok_or_else(|| CommandError::input(format!("-o {}: this is no place to write to", to.display())))?;
    match parent.is_dir() {
        true => Ok(parent),
        false => Err(CommandError::input(format!(
            "-o {}: there is no folder `{}`",
            to.display(),
            parent.display()
        ))
        .hinted("make it first")),
    }
}

fn taken(to: &Path) -> CommandError {
    CommandError::input(format!("-o {}: there is something already", to.display()))
        .hinted("give another place, or --force to replace it")
}

/// A file in the making; dropped unfinished, it leaves nothing.
struct NewFile<'a> {
    to: &'a Path,
    file: tempfile::NamedTempFile,
}

impl NewFile<'_> {
    /// Begins a file beside the place that it is for.
    fn begin(to: &Path, force: bool) -> Result<NewFile<'_>, CommandError> {
        let parent = parent_of(to)?;
        match to.symlink_metadata() {
            Ok(found) if found.is_dir() => {
                return Err(CommandError::input(format!("-o {}: this is a folder", to.display())));
            }
            Ok(_) if !force => return Err(taken(to)),
            Ok(_) | Err(_) => {}
        }
        let file = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(parent);
        let file = file.map_err(|error| refused("write in", parent, &error))?;
        Ok(NewFile { to, file })
    }

    /// Puts it in its place.
    fn finish(self, force: bool) -> Result<(), CommandError> {
        let NewFile { to, file } = self;
        file.as_file().sync_all().map_err(|error| refused("write", to, &error))?;
        let placed = if force { file.persist(to) } else { file.persist_noclobber(to) };
        match placed {
            Ok(_) => Ok(()),
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Err(taken(to)),
            Err(error) => Err(refused("write", to, &error.error)),
        }
    }
}

/// What the names of unfinished exports begin with.
const UNFINISHED: &str = ".researchgym-export-";

impl Exported {
    fn new(format: &'static str, runs: usize) -> Exported {
        Exported { format, runs, files: Vec::new(), left_out: Vec::new(), problems: Vec::new() }
    }
}
