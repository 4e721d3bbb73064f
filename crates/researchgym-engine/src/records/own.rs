//! One run's record, from its folder.

use std::io::Read as _;
use std::path::PathBuf;

use researchgym_core::action::Body;
use researchgym_core::digest::Digest;
use researchgym_core::inspect::{Report, Verdict};
use researchgym_core::record::{Recorder, RunRecord};
use researchgym_core::result::{Context, RunResult};
use researchgym_core::state::StateError;

use crate::executor::runs::with_queue;
use crate::inspection::{REPORT, imported_digest as digest};
use crate::store::{Blobs, LogReader, RunFolder, StoreError, read_record};

/// Longer texts are seen by their beginning only: it names the program that a command runs.
const LOOKED_AT_BYTES: u64 = 256 << 10;

/// A run has no record.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The log cannot be read, or is not what was written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Its events make no sense in this order.
    #[error("{}: {source}", path.display())]
    State {
        /// The log.
        path: PathBuf,
        /// What is wrong.
        source: StateError,
    },
}

/// Derives the record of the run in a folder, with its result if it is one of ours.
///
/// # Errors
/// There is no log, it cannot be read, or it is not what was written.
pub fn record_of(folder: &RunFolder) -> Result<(RunRecord, Option<RunResult>), RecordError> {
    if folder.is_imported() {
        let mut record = read_record(folder)?;
        record.run_id = folder.id().to_owned();
        record.verdict = report_of(folder)
            .filter(|report| digest(folder).is_ok_and(|digest| digest == report.log_head))
            .map(|report| report.verdict);
        return Ok((record, None));
    }
    let blobs = folder.blobs();
    let resolve = |body: &Body| beginning(&blobs, body);
    let state = |source| RecordError::State { path: folder.events(), source };
    let mut reader = LogReader::open(folder)?;
    let first = reader.next().transpose()?.ok_or_else(|| StoreError::EmptyLog { path: folder.events() })?;
    let mut recorder = Recorder::start(&first).map_err(state)?;
    for line in reader.by_ref() {
        recorder.apply(&line?, &resolve).map_err(state)?;
    }
    let is_running = recorder.state().ended.is_none() && folder.is_locked();
    let mut record = recorder.record(reader.head(), is_running);
    // The folder names the run: a copied run is another one.
    record.run_id = folder.id().to_owned();
    record.verdict = verdict_of(folder, reader.head());
    let context = Context {
        run: folder.root().display().to_string(),
        log_head: reader.head(),
        is_running,
        segment_ms: None,
    };
    let result = with_queue(folder, recorder.state(), RunResult::of(recorder.state(), context));
    record.state = result.state;
    Ok((record, Some(result)))
}

/// What the newest inspection of a run of ours said, if it speaks of the log with this last line.
pub fn verdict_of(folder: &RunFolder, log_head: Digest) -> Option<Verdict> {
    report_of(folder).filter(|report| report.log_head == log_head).map(|report| report.verdict)
}

/// The report of the newest inspection, whatever state of the run it speaks of.
fn report_of(folder: &RunFolder) -> Option<Report> {
    serde_json::from_slice(&std::fs::read(folder.root().join(REPORT)).ok()?).ok()
}

/// A body, or the beginning of a long one.
pub(super) fn beginning(blobs: &Blobs, body: &Body) -> Option<Vec<u8>> {
    match body {
        Body::Blob { sha256, bytes } if *bytes > LOOKED_AT_BYTES => {
            let mut text = Vec::new();
            blobs.open(*sha256).ok()?.take(LOOKED_AT_BYTES).read_to_end(&mut text).ok()?;
            Some(text)
        }
        _ => blobs.resolve(body).ok(),
    }
}
