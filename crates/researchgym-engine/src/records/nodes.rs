//! The nodes of a search, from its log.

use researchgym_core::action::Body;
use researchgym_core::record::NodeRecord;
use researchgym_core::state::RunState;

use super::RecordError;
use super::own::beginning;
use crate::store::{LogReader, RunFolder, StoreError};

/// The nodes of a run, in the order of their numbers; none of a run that is no search.
///
/// # Errors
/// There is no log, it cannot be read, or it is not what was written.
pub fn nodes_of(folder: &RunFolder) -> Result<Vec<NodeRecord>, RecordError> {
    if folder.is_imported() {
        return Ok(Vec::new());
    }
    let state = |source| RecordError::State { path: folder.events(), source };
    let mut reader = LogReader::open(folder)?;
    let first = reader.next().transpose()?.ok_or_else(|| StoreError::EmptyLog { path: folder.events() })?;
    let mut run = RunState::start(&first).map_err(state)?;
    if run.search.is_none() {
        return Ok(Vec::new());
    }
    for line in reader {
        run.apply(&line?).map_err(state)?;
    }
    let blobs = folder.blobs();
    let resolve = |body: &Body| beginning(&blobs, body);
    let nodes = run.search.iter().flat_map(|tree| tree.nodes());
    Ok(nodes.map(|node| NodeRecord::of(&run, node, &resolve)).collect())
}
