//! The six tables, in one pass over the runs.

use std::fs::File;
use std::io::{self, BufWriter};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use researchgym_engine::records::{nodes_of, steps_of, trials_of};
use researchgym_report::tables::{
    Calls, NodeRow, Nodes, Runs, Schema, Scores, StepRow, Steps, Table, TableError, TableFile, TableFormat,
    TrialMetricRow, TrialMetrics, calls_of, scores_of,
};

use super::{Chosen, Told, UNFINISHED, parent_of, refused, story, taken};
use crate::error::CommandError;
use crate::output::{Exported, ExportedFile};

type Out<S> = TableFile<S, BufWriter<File>>;

/// The tables in the making.
struct Tables {
    runs: Out<Runs>,
    steps: Out<Steps>,
    scores: Out<Scores>,
    calls: Out<Calls>,
    nodes: Out<Nodes>,
    trial_metrics: Out<TrialMetrics>,
}

/// Writes them. Nothing if that was stopped.
pub(super) fn export(
    format: TableFormat,
    runs: &[Chosen],
    to: &Path,
    force: bool,
    is_stopped: &dyn Fn() -> bool,
) -> Result<Option<Exported>, CommandError> {
    let staging = staging(to, force)?;
    let mut exported = Exported::new(format.extension(), runs.len());
    let trouble = |error: TableError| told(to, error);
    let mut tables = Tables::begin(format, staging.path()).map_err(trouble)?;
    for run in runs {
        if is_stopped() || !tables.take(run, &mut exported, is_stopped).map_err(trouble)? {
            return Ok(None);
        }
    }
    let rows = tables.finish().map_err(trouble)?;
    for (table, rows) in Table::ALL.into_iter().zip(rows) {
        let name = format!("{}.{}", table.name(), format.extension());
        let bytes = staging.path().join(&name).metadata().map_or(0, |found| found.len());
        exported.files.push(ExportedFile {
            path: to.join(&name).display().to_string(),
            rows: Some(rows),
            bytes,
        });
    }
    place(staging, to, &exported)?;
    Ok(Some(exported))
}

/// A folder beside the one that is wanted, which becomes it by [`place`].
pub(super) fn staging(to: &Path, force: bool) -> Result<tempfile::TempDir, CommandError> {
    let parent = parent_of(to)?;
    check_place(to, force)?;
    tempfile::Builder::new()
        .prefix(UNFINISHED)
        .tempdir_in(parent)
        .map_err(|error| refused("make a folder in", parent, &error))
}

/// A folder with something in it is not written to, unless that is wanted.
pub(super) fn check_place(to: &Path, force: bool) -> Result<(), CommandError> {
    match std::fs::read_dir(to) {
        Ok(mut entries) => match entries.next() {
            Some(_) if !force => Err(taken(to)),
            Some(_) | None => Ok(()),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Err(CommandError::input(format!(
            "-o {}: this is written to a folder, and there is a file",
            to.display()
        ))),
        Err(error) => Err(refused("read", to, &error)),
    }
}

/// Renames the folder, or the files into the folder that is there.
pub(super) fn place(staging: tempfile::TempDir, to: &Path, exported: &Exported) -> Result<(), CommandError> {
    let failed = |error: io::Error| refused("write", to, &error);
    if to.is_dir() {
        for file in &exported.files {
            let path = Path::new(&file.path);
            let name = path.file_name().unwrap_or_default();
            std::fs::rename(staging.path().join(name), path).map_err(failed)?;
        }
        return Ok(());
    }
    std::fs::set_permissions(staging.path(), std::fs::Permissions::from_mode(0o755)).map_err(failed)?;
    std::fs::rename(staging.path(), to).map_err(failed)?;
    // It has another name now.
    let _ = staging.keep();
    Ok(())
}

fn told(to: &Path, error: TableError) -> CommandError {
    match error {
        TableError::Io(error) => refused("write", to, &error),
        TableError::Form(problem) => super::infrastructure(problem),
    }
}

impl Tables {
    fn begin(format: TableFormat, folder: &Path) -> Result<Tables, TableError> {
        Ok(Tables {
            runs: file(format, folder)?,
            steps: file(format, folder)?,
            scores: file(format, folder)?,
            calls: file(format, folder)?,
            nodes: file(format, folder)?,
            trial_metrics: file(format, folder)?,
        })
    }

    /// Takes one run in. False if that was stopped.
    fn take(
        &mut self,
        run: &Chosen,
        exported: &mut Exported,
        is_stopped: &dyn Fn() -> bool,
    ) -> Result<bool, TableError> {
        let Chosen { folder, record } = run;
        self.runs.push(&record)?;
        for row in scores_of(record) {
            self.scores.push(&row)?;
        }
        let calls = match story::spoken(folder) {
            Ok(spoken) => spoken.calls,
            Err(error) => {
                exported.problems.push(Told::of(folder, error));
                Vec::new()
            }
        };
        for row in calls_of(record, &calls) {
            self.calls.push(&row)?;
        }
        if record.search.is_some() {
            let nodes = nodes_of(folder).unwrap_or_else(|error| {
                exported.problems.push(Told::of(folder, error));
                Vec::new()
            });
            for node in &nodes {
                self.nodes.push(&NodeRow { run_id: &record.run_id, node })?;
            }
        }
        let mut failed = None;
        if record.search.is_some() {
            let told = trials_of(folder, &|_| true, &mut |trial| {
                let mut rows = trial.points.iter().map(|point| TrialMetricRow {
                    run_id: &record.run_id,
                    trial: &trial,
                    point,
                });
                failed = rows.find_map(|row| self.trial_metrics.push(&row).err());
                failed.is_none() && !is_stopped()
            });
            if let Some(error) = failed {
                return Err(error);
            }
            match told {
                Ok(true) => {}
                Ok(false) => return Ok(false),
                Err(error) => exported.problems.push(Told::of(folder, error)),
            }
            failed = None;
        }
        let taken = steps_of(folder, &mut |step| {
            failed = self.steps.push(&StepRow { run_id: &record.run_id, step: &step }).err();
            failed.is_none() && !is_stopped()
        });
        if let Some(error) = failed {
            return Err(error);
        }
        taken.or_else(|error| {
            exported.problems.push(Told::of(folder, error));
            Ok(true)
        })
    }

    fn finish(self) -> Result<[u64; 6], TableError> {
        Ok([
            finished(self.runs)?,
            finished(self.steps)?,
            finished(self.scores)?,
            finished(self.calls)?,
            finished(self.nodes)?,
            finished(self.trial_metrics)?,
        ])
    }
}

fn file<S: Schema>(format: TableFormat, folder: &Path) -> Result<Out<S>, TableError> {
    let path = folder.join(format!("{}.{}", S::TABLE.name(), format.extension()));
    TableFile::new(format, BufWriter::with_capacity(256 << 10, File::create_new(path)?))
}

fn finished<S: Schema>(table: Out<S>) -> Result<u64, TableError> {
    let (out, rows) = table.finish()?;
    let file = out.into_inner().map_err(|error| error.into_error())?;
    file.sync_all()?;
    Ok(rows)
}
