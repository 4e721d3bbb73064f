//! What the programs of a search's evaluations told of themselves, from its log.

use std::collections::BTreeMap;

use researchgym_core::event::Event;
use researchgym_core::record::TrialRecord;
use researchgym_core::search::NodeId;
use researchgym_core::search::reports::Unread;

use super::RecordError;
use crate::store::{LogReader, RunFolder};

/// Takes the metrics of those evaluations of some nodes that told any, one evaluation after the other; those that are not over
/// come last. Stops when `take` says false; false if it did.
///
/// # Errors
/// There is no log, it cannot be read, or it is not what was written.
pub fn trials_of(
    folder: &RunFolder,
    is_wanted: &dyn Fn(NodeId) -> bool,
    take: &mut dyn FnMut(TrialRecord) -> bool,
) -> Result<bool, RecordError> {
    if folder.is_imported() {
        return Ok(true);
    }
    let blobs = folder.blobs();
    let mut under_way: BTreeMap<u64, TrialRecord> = BTreeMap::new();
    for line in LogReader::open(folder)? {
        match line?.event {
            Event::EvaluationBegan(began) if is_wanted(began.node) => {
                let trial = TrialRecord {
                    node: began.node,
                    evaluation: began.evaluation,
                    stage: began.stage,
                    is_whole: false,
                    unread: Unread::default(),
                    points: Vec::new(),
                };
                under_way.insert(began.evaluation, trial);
            }
            Event::TrialReported(told) => {
                if let Some(trial) = under_way.get_mut(&told.evaluation) {
                    trial.points.extend(told.points);
                }
            }
            Event::Evaluated(evaluated) => {
                let Some(mut trial) = under_way.remove(&evaluated.evaluation) else { continue };
                if let Some(reported) = &evaluated.reported {
                    // What is in it was written by us; a line that is no value is of a later version.
                    let lines = blobs.resolve(reported)?;
                    let lines = lines.split(|byte| *byte == b'\n');
                    trial.points = lines.filter_map(|line| serde_json::from_slice(line).ok()).collect();
                    trial.is_whole = true;
                }
                trial.unread = evaluated.unread;
                if is_told(&trial) && !take(trial) {
                    return Ok(false);
                }
            }
            _ => {}
        }
    }
    Ok(under_way.into_values().filter(is_told).all(take))
}

fn is_told(trial: &TrialRecord) -> bool {
    !trial.points.is_empty() || !trial.unread.is_nothing()
}
