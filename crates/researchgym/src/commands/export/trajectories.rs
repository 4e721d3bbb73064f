//! What became of each idea of searches: `ideas.jsonl` and `epochs.json` for everybody, the same as Parquet for programs that
//! compute with columns, and a README that names the columns.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use researchgym_core::record::{EpochRecord, epochs_of};
use researchgym_engine::records::ideas_of;
use researchgym_report::tables::{Column, Epochs, Ideas, Schema, TableError, TableFile, TableFormat};

use super::tables::{place, staging};
use super::{Chosen, Told, refused};
use crate::error::CommandError;
use crate::output::{Exported, ExportedFile};

const NO_SEARCH: &str = "this is no search of ours: it has no ideas";

/// Writes them. Nothing if that was stopped.
pub(super) fn export(
    runs: &[Chosen],
    to: &Path,
    force: bool,
    is_stopped: &dyn Fn() -> bool,
) -> Result<Option<Exported>, CommandError> {
    let staging = staging(to, force)?;
    let mut exported = Exported::new("trajectories", runs.len());
    let Some([ideas, epochs]) =
        write(runs, staging.path(), &mut exported, is_stopped).map_err(|error| match error {
            TableError::Io(error) => refused("write", to, &error),
            TableError::Form(problem) => super::infrastructure(problem),
        })?
    else {
        return Ok(None);
    };
    let files = [
        ("ideas.jsonl", Some(ideas)),
        ("ideas.parquet", Some(ideas)),
        ("epochs.json", Some(epochs)),
        ("epochs.parquet", Some(epochs)),
        ("README.md", None),
    ];
    for (name, rows) in files {
        let bytes = staging.path().join(name).metadata().map_or(0, |found| found.len());
        exported.files.push(ExportedFile { path: to.join(name).display().to_string(), rows, bytes });
    }
    place(staging, to, &exported)?;
    Ok(Some(exported))
}

/// Writes the files, and tells how many rows they have.
fn write(
    runs: &[Chosen],
    folder: &Path,
    exported: &mut Exported,
    is_stopped: &dyn Fn() -> bool,
) -> Result<Option<[u64; 2]>, TableError> {
    let new = |name: &str| Ok::<_, TableError>(BufWriter::new(File::create_new(folder.join(name))?));
    let mut lines = new("ideas.jsonl")?;
    let mut ideas: TableFile<Ideas, _> = TableFile::new(TableFormat::Parquet, new("ideas.parquet")?)?;
    let mut epochs: TableFile<Epochs, _> = TableFile::new(TableFormat::Parquet, new("epochs.parquet")?)?;
    let mut all_epochs: Vec<EpochRecord> = Vec::new();
    for run in runs {
        if is_stopped() {
            return Ok(None);
        }
        if run.record.search.is_none() {
            exported.left_out.push(Told::of(&run.folder, NO_SEARCH));
            continue;
        }
        let of_run = match ideas_of(&run.folder) {
            Ok(of_run) => of_run,
            Err(error) => {
                exported.problems.push(Told::of(&run.folder, error));
                continue;
            }
        };
        for idea in &of_run {
            serde_json::to_writer(&mut lines, idea).map_err(std::io::Error::from)?;
            lines.write_all(b"\n")?;
            ideas.push(&idea)?;
        }
        for epoch in epochs_of(&of_run) {
            epochs.push(&&epoch)?;
            all_epochs.push(epoch);
        }
    }
    let mut json = new("epochs.json")?;
    serde_json::to_writer_pretty(&mut json, &all_epochs).map_err(std::io::Error::from)?;
    json.write_all(b"\n")?;
    std::fs::write(folder.join("README.md"), readme())?;
    let (idea_file, idea_rows) = ideas.finish()?;
    let (epoch_file, epoch_rows) = epochs.finish()?;
    for file in [lines, idea_file, json, epoch_file] {
        file.into_inner().map_err(|error| error.into_error())?.sync_all()?;
    }
    Ok(Some([idea_rows, epoch_rows]))
}

/// What the files are and what their columns mean, for who has nothing else.
fn readme() -> String {
    format!(
        "# Trajectories of searches over ideas\n\n\
         `ideas.jsonl` (an object a line) and `ideas.parquet` have a row for each idea, `epochs.json` (a list of objects) and \
         `epochs.parquet` a row for each epoch. Both forms have the same columns; what is a list or an object in JSON is its \
         text in Parquet. Null means not known, or nothing.\n\n\
         ## Ideas\n\n{}\n## Epochs\n\n{}",
        columns(Ideas::COLUMNS),
        columns(Epochs::COLUMNS),
    )
}

fn columns<S: Schema>(columns: &[Column<S>]) -> String {
    let mut table = String::from("| column | type | unit | meaning |\n|---|---|---|---|\n");
    for Column { name, kind, unit, meaning, .. } in columns {
        table.push_str(&format!("| `{name}` | {} | {unit} | {meaning} |\n", kind.name()));
    }
    table
}
