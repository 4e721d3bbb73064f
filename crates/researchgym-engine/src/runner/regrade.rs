//! Grading a finished run's attempts again: the same artefacts, the same keys, the task's grader as it is now.
//!
//! The outcome is a file of its own that names the log head it judged; the log is not touched.

use std::path::{Path, PathBuf};

use researchgym_core::digest::Digest;
use researchgym_core::failure::{Boundary, Failure};
use researchgym_core::network::NetworkRequested;
use researchgym_core::score::{AttemptKind, Score, Split};
use researchgym_core::state::RunState;
use serde::Serialize;

use crate::grading::{self, Grading};
use crate::session::lay_out;
use crate::store::{RunFolder, read_log, write_json};
use crate::workbench::Workbench;

/// All attempts of a run, graded again.
#[derive(Clone, Debug, Serialize)]
pub struct Regraded {
    /// Version of this file: 1.
    pub schema: u32,
    /// The run.
    pub run_id: String,
    /// The log that was judged.
    pub log_head: Digest,
    /// Hash of the task's folder at the run and now.
    pub task_digest: Digest,
    /// See `task_digest`.
    pub task_digest_now: Digest,
    /// In order.
    pub attempts: Vec<RegradedAttempt>,
    /// Where this was written.
    #[serde(skip)]
    pub file: PathBuf,
}

/// One attempt, graded again.
#[derive(Clone, Debug, Serialize)]
pub struct RegradedAttempt {
    /// Its number.
    pub attempt: u64,
    /// Why it was graded.
    pub kind: AttemptKind,
    /// On what.
    pub split: Split,
    /// What the log says.
    pub recorded: Score,
    /// What came out now.
    pub regraded: Score,
    /// Whether the metrics and the validity agree exactly.
    pub same: bool,
    /// What the grader asked of the network now.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub requests: Vec<NetworkRequested>,
}

/// Grades all attempts of a run again, one after the other.
///
/// # Errors
/// The log or a blob is damaged, the task is gone, or the grader fails.
pub async fn regrade(
    workbench: &Workbench,
    folder: &RunFolder,
    task_digest_now: Digest,
) -> Result<Regraded, Failure> {
    let reading = read_log(folder)?;
    let state =
        RunState::fold(&reading.lines).map_err(|error| Failure::new(Boundary::Store, error.to_string()))?;
    let mut attempts = Vec::new();
    let mut validations = 0;
    for attempt in &state.attempts {
        let index = validations;
        validations += u64::from(attempt.kind == AttemptKind::Validate);
        let mut requests = Vec::new();
        let regraded = again(workbench, folder, &state, (attempt.number, index), &mut requests).await?;
        attempts.push(RegradedAttempt {
            attempt: attempt.number,
            kind: attempt.kind,
            split: attempt.split,
            same: regraded.metrics == attempt.score.metrics && regraded.invalid == attempt.score.invalid,
            recorded: attempt.score.clone(),
            regraded,
            requests,
        });
    }
    let regrades = folder.root().join("regrades");
    std::fs::create_dir_all(&regrades)
        .map_err(|error| Failure::new(Boundary::Store, format!("{}: {error}", regrades.display())))?;
    let file = regrades.join(format!("{}.json", reading.head));
    let regraded = Regraded {
        schema: 1,
        run_id: state.started.run_id.clone(),
        log_head: reading.head,
        task_digest: state.started.digests.task,
        task_digest_now,
        attempts,
        file: file.clone(),
    };
    write_json(&file, &regraded)?;
    Ok(regraded)
}

async fn again(
    workbench: &Workbench,
    folder: &RunFolder,
    state: &RunState,
    (number, validations): (u64, u64),
    requests: &mut Vec<NetworkRequested>,
) -> Result<Score, Failure> {
    let attempt = &state.attempts[number as usize - 1];
    let blobs = folder.blobs();
    let manifest = blobs.manifest(attempt.submission)?;
    if manifest.files.is_empty() {
        // Nothing was there to be graded; the reason stands.
        return Ok(attempt.score.clone());
    }
    let scratch = workbench.scratch_folder()?;
    let submission = scratch.path().join("submission");
    lay_out(&manifest, &blobs, &submission)?;
    let started = &state.started;
    grading::grade(
        &workbench.sandboxes,
        &Grading {
            name: format!("{}-again-{number}", started.run_id),
            task: &started.task,
            task_folder: Path::new(&started.spec.task_dir),
            materials: &workbench.materials,
            library: &workbench.library,
            submission: &submission,
            scratch: scratch.path(),
            kind: attempt.kind,
            split: attempt.split,
            keys: started.grading_secret.attempt(attempt.kind, validations),
            variant: &started.spec.variant,
            names: &workbench.names,
        },
        requests,
    )
    .await
}
