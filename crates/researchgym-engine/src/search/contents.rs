//! What candidates consist of: the baseline's editable files, and each node's changes on its base.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use researchgym_core::action::Body;
use researchgym_core::failure::{Boundary, Failure};
use researchgym_core::manifest::Manifest;
use researchgym_core::search::{NodeId, Tree};
use researchgym_core::task::Task;

use super::evaluator::Files;
use super::surface;
use crate::store::Blobs;

/// Bytes of candidates that are kept at hand.
const AT_HAND: usize = 64 << 20;

/// The contents of candidates. What is not at hand is put together again from the tree.
pub(crate) struct Contents {
    blobs: Blobs,
    baseline: Arc<Files>,
    at_hand: HashMap<NodeId, Arc<Files>>,
    bytes: usize,
}

impl Contents {
    /// The contents of a search that began with this workspace.
    ///
    /// # Errors
    /// A blob is missing or altered.
    pub(crate) fn new(task: &Task, starter: &Manifest, blobs: Blobs) -> Result<Contents, Failure> {
        let surface = surface::of(task);
        let editable = starter.files.iter().filter(|(path, _)| surface.covers(path));
        let baseline = editable
            .map(|(path, entry)| Ok((path.clone(), blobs.get(entry.sha256)?)))
            .collect::<Result<Files, Failure>>()?;
        Ok(Contents { blobs, baseline: Arc::new(baseline), at_hand: HashMap::new(), bytes: 0 })
    }

    /// The editable files of the starter.
    pub(crate) fn baseline(&self) -> &Arc<Files> {
        &self.baseline
    }

    /// What a node's candidate consists of, without what its evaluation has learned.
    ///
    /// # Errors
    /// There is no such candidate, or a blob is missing.
    pub(crate) fn of(&mut self, tree: &Tree, id: NodeId) -> Result<Arc<Files>, Failure> {
        // Not by recursion: a line of descent may be long.
        let mut line = Vec::new();
        let mut at = Some(id);
        let mut files = loop {
            let Some(current) = at.filter(|id| *id != 0) else { break self.baseline.clone() };
            if let Some(files) = self.at_hand.get(&current) {
                break files.clone();
            }
            let node = tree.get(current).filter(|node| node.artefact.is_some()).ok_or_else(|| {
                Failure::new(Boundary::Store, format!("node {current} of the search has no candidate"))
            })?;
            line.push(node);
            at = node.base();
        };
        for node in line.into_iter().rev() {
            let base = node.base().and_then(|base| tree.get(base));
            let mut next = (*files).clone();
            for (path, content) in base.map(|base| &base.learned).into_iter().flatten() {
                next.insert(path.clone(), self.body(content)?);
            }
            for (path, content) in &node.changes {
                match content {
                    Some(content) => drop(next.insert(path.clone(), self.body(content)?)),
                    None => drop(next.remove(path)),
                }
            }
            files = Arc::new(next);
            self.keep(node.id, files.clone());
        }
        Ok(files)
    }

    /// What children of a node begin with: its candidate with what it has learned.
    ///
    /// # Errors
    /// As [`Contents::of`].
    pub(crate) fn inherited(&mut self, tree: &Tree, id: NodeId) -> Result<Arc<Files>, Failure> {
        let files = self.of(tree, id)?;
        let learned: Option<&BTreeMap<String, Body>> = tree.get(id).map(|node| &node.learned);
        let Some(learned) = learned.filter(|learned| !learned.is_empty()) else { return Ok(files) };
        let mut inherited = (*files).clone();
        for (path, content) in learned {
            inherited.insert(path.clone(), self.body(content)?);
        }
        Ok(Arc::new(inherited))
    }

    fn body(&self, body: &Body) -> Result<Vec<u8>, Failure> {
        Ok(self.blobs.resolve(body)?)
    }

    fn keep(&mut self, id: NodeId, files: Arc<Files>) {
        let bytes: usize = files.values().map(Vec::len).sum();
        if self.bytes + bytes > AT_HAND {
            self.at_hand.clear();
            self.bytes = 0;
        }
        self.bytes += bytes;
        self.at_hand.insert(id, files);
    }
}

/// What differs between a base and a candidate: path -> new content, or nothing where the file is gone.
pub(crate) fn changes<'f>(base: &Files, candidate: &'f Files) -> BTreeMap<String, Option<&'f Vec<u8>>> {
    let changed = candidate.iter().filter(|(path, content)| base.get(*path) != Some(content));
    let mut changes: BTreeMap<String, Option<&Vec<u8>>> =
        changed.map(|(path, content)| (path.clone(), Some(content))).collect();
    changes
        .extend(base.keys().filter(|path| !candidate.contains_key(*path)).map(|path| (path.clone(), None)));
    changes
}
