//! A run of others that is in the store.

use std::fs::File;

use researchgym_core::digest::Digest;
use researchgym_core::import::recorded;
use researchgym_core::inspect::report::Subject;
use researchgym_core::record::{Origin, StepRecord};

use super::Evidence;
use crate::store::{RunFolder, StoreError, hash_reader, read_record, read_steps};

/// Reads it. Steps that cannot be read are told as gaps.
pub(super) fn read(folder: &RunFolder) -> Result<Evidence, StoreError> {
    let record = read_record(folder)?;
    let mut gaps = Vec::new();
    let mut steps: Vec<StepRecord> = Vec::new();
    for step in read_steps(folder)? {
        match step {
            Ok(step) => steps.push(step),
            Err(error) => gaps.push(error.to_string()),
        }
    }
    let mut trajectory = recorded(&record, steps.into_iter());
    trajectory.gaps.extend(gaps);
    let format = match record.origin {
        Origin::Foreign { program, .. } => program,
        Origin::Researchgym { .. } => "researchgym".to_owned(),
    };
    let subject = Subject {
        run_id: record.run_id,
        run_dir: folder.root().display().to_string(),
        log_head: digest(folder)?,
        format,
    };
    Ok(Evidence { subject, trajectory, found: Vec::new() })
}

/// The hash of what is stored: what a report on it names.
pub(crate) fn digest(folder: &RunFolder) -> Result<Digest, StoreError> {
    let path = folder.imported();
    let mut file = File::open(&path).map_err(StoreError::io("open", &path))?;
    hash_reader(&mut file).map(|(digest, _)| digest).map_err(StoreError::io("read", &path))
}
