//! One run's record, from its folder.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::PathBuf;

use researchgym_core::action::Body;
use researchgym_core::inspect::Report;
use researchgym_core::record::{RECORD_SCHEMA, Recorder, RunRecord};
use researchgym_core::result::{Context, RunResult};
use researchgym_core::state::StateError;

use crate::inspection::REPORT;
use crate::store::{Blobs, LogReader, RunFolder, StoreError};

/// Longer texts are seen by their beginning only: it names the program that a command runs.
const LOOKED_AT_BYTES: u64 = 256 << 10;
/// The longest record that is read.
const MAX_RECORD_BYTES: u64 = 16 << 20;

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
    /// What an import wrote is not what this version reads.
    #[error("{}: {problem}", path.display())]
    Imported {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
}

/// Derives the record of the run in a folder, with its result if it is one of ours.
///
/// # Errors
/// There is no log, it cannot be read, or it is not what was written.
pub fn record_of(folder: &RunFolder) -> Result<(RunRecord, Option<RunResult>), RecordError> {
    if folder.is_imported() {
        return Ok((read_imported(folder.imported())?, None));
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
    record.verdict = verdict(folder, &reader);
    let context = Context {
        run: folder.root().display().to_string(),
        log_head: reader.head(),
        is_running,
        segment_ms: None,
    };
    Ok((record, Some(RunResult::of(recorder.state(), context))))
}

fn verdict(folder: &RunFolder, reader: &LogReader) -> Option<researchgym_core::inspect::Verdict> {
    let bytes = std::fs::read(folder.root().join(REPORT)).ok()?;
    let report: Report = serde_json::from_slice(&bytes).ok()?;
    (report.log_head == reader.head()).then_some(report.verdict)
}

fn read_imported(path: PathBuf) -> Result<RunRecord, RecordError> {
    let file = File::open(&path).map_err(StoreError::io("open", &path))?;
    let mut line = Vec::new();
    let mut reader = BufReader::new(file).take(MAX_RECORD_BYTES);
    reader.read_until(b'\n', &mut line).map_err(StoreError::io("read", &path))?;
    let record: RunRecord = serde_json::from_slice(&line)
        .map_err(|error| RecordError::Imported { path: path.clone(), problem: error.to_string() })?;
    match record.schema {
        RECORD_SCHEMA => Ok(record),
        other => Err(RecordError::Imported {
            path,
            problem: format!("written with schema {other}; this version reads {RECORD_SCHEMA}"),
        }),
    }
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
