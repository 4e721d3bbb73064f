//! The forms of others, in a folder: a log of Inspect for all runs of one task, agent and model; Harbor's trajectory of each run.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use researchgym_core::digest::Digest;
use researchgym_engine::store::now;
use researchgym_report::inspect::{Common, Head, LogWriter, NotWritten, file_name};
use researchgym_report::{Story, atif};
use tempfile::TempDir;

use super::tables::{place, staging};
use super::{Chosen, Told, infrastructure, refused, story};
use crate::error::CommandError;
use crate::output::{Exported, ExportedFile};

/// What is written for a folder.
struct Folder<'a> {
    to: &'a Path,
    staging: TempDir,
    exported: Exported,
}

/// Writes logs of Inspect. Nothing if that was stopped.
pub(super) fn inspect(
    runs: &[Chosen],
    to: &Path,
    force: bool,
    is_stopped: &dyn Fn() -> bool,
) -> Result<Option<Exported>, CommandError> {
    let mut folder = Folder::begin("inspect", to, force)?;
    let mut logs: BTreeMap<Common, Vec<&Chosen>> = BTreeMap::new();
    for run in runs {
        logs.entry(Common::of(&run.record)).or_default().push(run);
    }
    for (common, runs) in &logs {
        let ids: Vec<&str> = runs.iter().map(|run| run.record.run_id.as_str()).collect();
        let id = Digest::of(ids.join(" ").as_bytes()).to_string();
        let head =
            Head { id: id[..22].to_owned(), created: now(), version: env!("CARGO_PKG_VERSION").to_owned() };
        let name = file_name(common, &head);
        let path = folder.staging.path().join(&name);
        let file = File::create(&path).map_err(|error| refused("write", to, &error))?;
        let mut log = LogWriter::new(BufWriter::new(file), head);
        let mut written = 0;
        for run in runs {
            if is_stopped() {
                return Ok(None);
            }
            let Some(story) = folder.story(run) else { continue };
            log.add(&story).map_err(|error| not_written(to, error))?;
            written += 1;
        }
        if written == 0 {
            // The log was begun for runs of which none could be read.
            std::fs::remove_file(&path).map_err(|error| refused("write", to, &error))?;
            continue;
        }
        let ended = log.finish().map_err(|error| not_written(to, error))?.flush();
        ended.map_err(|error| refused("write", to, &error))?;
        folder.wrote(&name, written);
    }
    folder.finish().map(Some)
}

/// Writes Harbor's trajectories. Nothing if that was stopped.
pub(super) fn trajectories(
    runs: &[Chosen],
    to: &Path,
    force: bool,
    is_stopped: &dyn Fn() -> bool,
) -> Result<Option<Exported>, CommandError> {
    let mut folder = Folder::begin("atif", to, force)?;
    for run in runs {
        if is_stopped() {
            return Ok(None);
        }
        let Some(story) = folder.story(run) else { continue };
        let name = format!("{}.json", run.record.run_id);
        let written = std::fs::write(folder.staging.path().join(&name), atif::trajectory(&story));
        written.map_err(|error| refused("write", to, &error))?;
        folder.wrote(&name, 1);
    }
    folder.finish().map(Some)
}

impl<'a> Folder<'a> {
    fn begin(format: &'static str, to: &'a Path, force: bool) -> Result<Folder<'a>, CommandError> {
        Ok(Folder { to, staging: staging(to, force)?, exported: Exported::new(format, 0) })
    }

    /// All that is known of a run; if it cannot be read, that is told.
    fn story(&mut self, run: &Chosen) -> Option<Story> {
        match story::of(&run.folder, run.record.clone()) {
            Ok(story) => Some(story),
            Err(error) => {
                self.exported.problems.push(Told::of(&run.folder, error));
                None
            }
        }
    }

    fn wrote(&mut self, name: &str, runs: usize) {
        let bytes = self.staging.path().join(name).metadata().map_or(0, |found| found.len());
        let path = self.to.join(name).display().to_string();
        self.exported.files.push(ExportedFile { path, rows: Some(runs as u64), bytes });
        self.exported.runs += runs;
    }

    fn finish(self) -> Result<Exported, CommandError> {
        place(self.staging, self.to, &self.exported)?;
        Ok(self.exported)
    }
}

fn not_written(to: &Path, error: NotWritten) -> CommandError {
    match error {
        NotWritten::Write(error) => refused("write", to, &error),
        NotWritten::Archive(error) => refused("write", to, &io::Error::from(error)),
        NotWritten::Other(_) | NotWritten::Empty => infrastructure(error.to_string()),
    }
}
