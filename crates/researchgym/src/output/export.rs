//! What exports, bundles and prunings did, for people.

use std::path::Path;

use researchgym_core::result::Progress;
use researchgym_engine::bundle::Packed;
use researchgym_engine::prune::{Plan, Unfinished};
use serde::Serialize;

use super::Printer;
use super::words::{bytes, counted, first_line, table};
use crate::commands::Told;

/// What an export wrote.
#[derive(Debug, Serialize)]
pub(crate) struct Exported {
    pub(crate) format: &'static str,
    pub(crate) runs: usize,
    pub(crate) files: Vec<ExportedFile>,
    /// Runs that were asked for and are not in it.
    pub(crate) left_out: Vec<Told>,
    /// Runs of which not everything is in it.
    pub(crate) problems: Vec<Told>,
}

/// A file of an export.
#[derive(Debug, Serialize)]
pub(crate) struct ExportedFile {
    pub(crate) path: String,
    pub(crate) rows: Option<u64>,
    pub(crate) bytes: u64,
}

/// A run that goes.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct PrunedRun {
    pub(crate) run: String,
    pub(crate) run_id: String,
    pub(crate) task: Option<String>,
    pub(crate) contender: Option<String>,
    pub(crate) state: Option<Progress>,
    pub(crate) written: String,
    pub(crate) bytes: u64,
}

impl Printer {
    /// `export`
    pub(crate) fn exported(&self, to: &Path, exported: &Exported) {
        let row = |file: &ExportedFile| {
            let rows = file.rows.map(|rows| counted(rows, "row")).unwrap_or_default();
            vec![file.path.clone(), rows, bytes(file.bytes)]
        };
        let rows: Vec<Vec<String>> = exported.files.iter().map(row).collect();
        for line in table(&rows) {
            self.data(&line);
        }
        for told in &exported.left_out {
            self.talk(&format!("left out: {}: {}", told.run, told.reason));
        }
        for told in &exported.problems {
            self.warn(&format!("{}: not all of it could be read: {}", told.run, told.reason));
        }
        let runs = counted(exported.runs as u64, "run");
        self.talk(&format!("{runs} in {}, {} left out", to.display(), exported.left_out.len()));
    }

    /// `export --bundle`
    pub(crate) fn bundled(&self, to: &Path, packed: &Packed) {
        let files = counted(packed.manifest.files.len() as u64, "file");
        self.data(&format!(
            "{}: run {}, {files}, {} of {}",
            to.display(),
            packed.manifest.run_id,
            bytes(packed.bytes),
            bytes(packed.manifest.bytes()),
        ));
        self.data(&format!("sha256 {}", packed.sha256));
    }

    /// `unpack`
    pub(crate) fn unpacked(&self, run: &Path, was_there: bool) {
        self.data(&run.display().to_string());
        if was_there {
            self.talk("This run was there already, with the same log; nothing was changed.");
        }
    }

    /// `verify` of a bundle
    pub(crate) fn bundle_checked(&self, bundle: &Path, head: Option<String>, problems: &[String]) {
        if problems.is_empty() {
            let head = head.map(|head| format!("; the log's head is {head}")).unwrap_or_default();
            self.data(&format!("{}: the bundle is whole{head}", bundle.display()));
        }
        for problem in problems {
            self.data(&format!("{}: {problem}", bundle.display()));
        }
    }

    /// `prune` without `--yes`
    pub(crate) fn would_prune(&self, goes: &[PrunedRun], plan: &Plan, unfinished: &[Unfinished]) {
        let row = |run: &PrunedRun| {
            let state = match run.state {
                Some(Progress::Ended) => "ended",
                Some(Progress::Interrupted) => "interrupted",
                Some(Progress::Queued) => "queued",
                Some(Progress::Running) => "running",
                Some(Progress::Paused) => "paused",
                Some(Progress::NotStarted) => "not started",
                None => "broken",
            };
            let known = |text: &Option<String>| {
                text.as_deref().map_or_else(|| "-".to_owned(), |text| first_line(text, 40))
            };
            let day = run.written.get(..10).unwrap_or_default().to_owned();
            vec![
                run.run_id.clone(),
                day,
                state.to_owned(),
                known(&run.task),
                known(&run.contender),
                bytes(run.bytes),
            ]
        };
        let rows: Vec<Vec<String>> = goes.iter().map(row).collect();
        for line in table(&rows) {
            self.data(&line);
        }
        if !unfinished.is_empty() {
            let frees: u64 = unfinished.iter().map(|one| one.bytes).sum();
            let removals = counted(unfinished.len() as u64, "removal");
            self.talk(&format!(
                "{removals} that a kill left unfinished would be finished, which frees {}.",
                bytes(frees)
            ));
        }
        let runs = counted(goes.len() as u64, "run");
        let (frees, taken) = (bytes(plan.frees), bytes(plan.taken));
        match goes.is_empty() && unfinished.is_empty() {
            true => self.talk(&format!("Nothing would go; the runs take {taken}.")),
            false => {
                self.talk(&format!(
                    "{runs} would go, which frees {frees} of {taken}. Nothing was removed; --yes does it."
                ));
            }
        }
    }

    /// `prune --yes`
    pub(crate) fn pruned(&self, removed: &[String], failed: &[(String, String)]) {
        for run in removed {
            self.data(run);
        }
        for (run, reason) in failed {
            self.warn(&format!("{run}: not removed: {reason}"));
        }
        self.talk(&format!("{} removed.", counted(removed.len() as u64, "run")));
    }
}
