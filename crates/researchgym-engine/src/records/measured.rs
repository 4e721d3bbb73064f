//! What the log of a search knows beside its record: how much its candidates differ, and the processor time of their programs.

use std::collections::BTreeSet;

use researchgym_core::event::Event;
use researchgym_core::search::similarity::Shingles;
use researchgym_core::search::{NodeId, Operator, Stream, Tree};
use researchgym_core::state::RunState;
use researchgym_core::statistics::shoot_out::{Diversity, Measured};

use super::{Candidates, RecordError};
use crate::store::{RunFolder, read_log};

/// Candidates whose pairs are compared.
const SAMPLE: usize = 30;

/// What is measured of a search; nothing of a run that is none.
///
/// # Errors
/// There is no log, it cannot be read, or it is not what was written.
pub fn measured_of(folder: &RunFolder) -> Result<Measured, RecordError> {
    let lines = read_log(folder)?.lines;
    let state =
        RunState::fold(&lines).map_err(|source| RecordError::State { path: folder.events(), source })?;
    let Some(tree) = &state.search else { return Ok(Measured::default()) };
    let cpu = |event: &Event| match event {
        Event::Evaluated(evaluated) => evaluated.cpu_ms,
        _ => 0,
    };
    // A search that never came to its workspace has no candidates.
    let candidates = Candidates::of(&lines, &state.started.task, tree, folder.blobs()).ok();
    Ok(Measured {
        diversity: candidates.map_or_else(Diversity::default, |mut found| diversity(tree, &mut found)),
        program_cpu_ms: lines.iter().map(|line| cpu(&line.event)).sum(),
    })
}

fn diversity(tree: &Tree, candidates: &mut Candidates<'_>) -> Diversity {
    let made = || {
        let is_made = |operator: Operator| !matches!(operator, Operator::Baseline | Operator::Replicate);
        tree.nodes().iter().filter(move |node| is_made(node.operator) && node.artefact.is_some())
    };
    let all: Vec<NodeId> = made().map(|node| node.id).collect();
    let sample = Stream::new(1, "diversity", 0).sample(&all, SAMPLE);
    // One whose files are gone is as good as not drawn.
    let files = sample.iter().filter_map(|id| candidates.tree_of(*id).ok());
    let shingles: Vec<Shingles> = files.map(|files| Shingles::of(&files)).collect();
    let similarities: Vec<f64> = shingles
        .iter()
        .enumerate()
        .flat_map(|(number, one)| shingles.iter().skip(number + 1).map(move |other| one.similarity(other)))
        .collect();
    Diversity {
        distinct: made().filter_map(|node| node.artefact).collect::<BTreeSet<_>>().len() as u64,
        similarity: researchgym_core::statistics::sample::mean(&similarities),
    }
}
