//! The end of a search: the best candidate, with what was graded of it, in the run's workspace.

use researchgym_core::event::Event;
use researchgym_core::failure::Failure;
use researchgym_core::manifest::Manifest;
use researchgym_core::search::NodeId;

use super::contents::changes;
use super::{Search, tree};
use crate::session::Session;
use crate::store::LogReader;

impl Search {
    /// Puts the best candidate and its graded artefacts into the workspace. Gives false if there is none.
    pub(super) async fn place_best(&mut self, session: &mut Session) -> Result<bool, Failure> {
        let Some(best) = tree(session).chosen(self.spec.measurements) else { return Ok(false) };
        let files = self.contents.of(tree(session), best)?;
        let baseline = self.contents.baseline().clone();
        let mut gone = Vec::new();
        let mut placed = changes(&baseline, &files);
        // An earlier segment may have placed another candidate.
        let segments = session.state().segments;
        for node in tree(session).nodes().iter().filter(|_| segments > 1) {
            for path in node.changes.keys().chain(node.learned.keys()) {
                placed.entry(path.clone()).or_insert_with(|| baseline.get(path));
            }
        }
        for (path, content) in placed {
            match content {
                Some(content) => session.place(&path, content, 0o644).await?,
                None => gone.push(path),
            }
        }
        if !gone.is_empty() {
            session.take_away(&gone).await?;
        }
        let Some(outputs) = outputs(session, best)? else { return Ok(true) };
        let blobs = session.blobs().clone();
        for (path, entry) in &outputs.files {
            if files.contains_key(path) && files.get(path) == Some(&blobs.get(entry.sha256)?)
                || self.task.workspace.protected.contains(path)
            {
                continue;
            }
            session.place(path, &blobs.get(entry.sha256)?, entry.mode).await?;
        }
        Ok(true)
    }
}

/// The artefacts of the node's best measurement of its own.
fn outputs(session: &Session, node: NodeId) -> Result<Option<Manifest>, Failure> {
    let Some(measurement) = tree(session).get(node).and_then(|node| node.measurements.first()) else {
        return Ok(None);
    };
    for line in LogReader::open(session.folder())? {
        if let Event::Evaluated(evaluated) = line?.event
            && evaluated.evaluation == measurement.evaluation
        {
            return evaluated.outputs.map(|outputs| Ok(session.blobs().manifest(outputs)?)).transpose();
        }
    }
    Ok(None)
}
