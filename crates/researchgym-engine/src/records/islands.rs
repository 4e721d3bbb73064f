//! The islands of a search at its end, as its policy saw them: folded from the log, for figures.

use researchgym_core::event::Event;
use researchgym_core::search::policy::PolicySpec;
use researchgym_core::search::policy::islands::{Archipelago, IslandsView};
use researchgym_core::spec::AgentSpec;
use researchgym_core::state::RunState;

use super::RecordError;
use crate::store::{LogReader, RunFolder, StoreError};

/// The islands of a run; `None` if it is no search by the policy `islands`.
///
/// # Errors
/// There is no log, it cannot be read, or it is not what was written.
pub fn islands_of(folder: &RunFolder) -> Result<Option<IslandsView>, RecordError> {
    if folder.is_imported() {
        return Ok(None);
    }
    let state = |source| RecordError::State { path: folder.events(), source };
    let mut reader = LogReader::open(folder)?;
    let first = reader.next().transpose()?.ok_or_else(|| StoreError::EmptyLog { path: folder.events() })?;
    let mut run = RunState::start(&first).map_err(state)?;
    let mut archipelago = match &run.started.spec.agent {
        AgentSpec::Search(search) => match &search.policy {
            PolicySpec::Islands(constants) => Archipelago::new(constants),
            _ => return Ok(None),
        },
        _ => return Ok(None),
    };
    for line in reader {
        let line = line?;
        run.apply(&line).map_err(state)?;
        // After any other event the tree still tells what the last one of these changed.
        let is_of_tree = matches!(
            line.event,
            Event::Planned(_)
                | Event::NodeBuilt(_)
                | Event::NodeDropped(_)
                | Event::EvaluationBegan(_)
                | Event::Evaluated(_)
        );
        let Some(tree) = run.search.as_deref().filter(|_| is_of_tree) else { continue };
        tree.changed().iter().for_each(|change| archipelago.observe(tree, *change));
    }
    Ok(Some(archipelago.view()))
}
