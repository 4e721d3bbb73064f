//! The candidates of a search as files, read from its log: what a node consists of, and what was graded of it.
//!
//! Reads blobs, changes nothing of the run. Large trees are no matter: a candidate is put together from its line of
//! descent alone.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use researchgym_core::digest::Digest;
use researchgym_core::event::{Event, Line};
use researchgym_core::failure::{Boundary, Failure};
use researchgym_core::manifest::{Manifest, is_inner_path};
use researchgym_core::search::{NodeId, Operator, Tree};
use researchgym_core::task::Task;

use crate::search::Files;
use crate::search::contents::Contents;
use crate::store::Blobs;

/// The candidates of one search.
pub struct Candidates<'a> {
    tree: &'a Tree,
    task: &'a Task,
    starter: Manifest,
    contents: Contents,
    blobs: Blobs,
    /// What was graded, by the evaluation's number.
    outputs: HashMap<u64, Digest>,
}

impl<'a> Candidates<'a> {
    /// The candidates of a log of which `tree` is the fold.
    ///
    /// # Errors
    /// The run has no workspace yet, or a blob is missing or altered.
    pub fn of(
        lines: &[Line],
        task: &'a Task,
        tree: &'a Tree,
        blobs: Blobs,
    ) -> Result<Candidates<'a>, Failure> {
        let mut first = None;
        let mut outputs = HashMap::new();
        for line in lines {
            match &line.event {
                Event::WorkspaceReady { snapshot, .. } if first.is_none() => first = Some(*snapshot),
                Event::Evaluated(evaluated) => {
                    outputs.extend(evaluated.outputs.map(|graded| (evaluated.evaluation, graded)));
                }
                _ => {}
            }
        }
        let first = first.ok_or_else(|| Failure::new(Boundary::Store, "the run has no workspace"))?;
        let starter = blobs.manifest(first)?;
        let contents = Contents::new(task, &starter, blobs.clone())?;
        Ok(Candidates { tree, task, starter, contents, blobs, outputs })
    }

    /// The editable files of the starter.
    pub fn baseline(&self) -> Files {
        (**self.contents.baseline()).clone()
    }

    /// The editable files of a node's candidate as it was evaluated. Those of a replicate are those of its original.
    ///
    /// # Errors
    /// There is no such candidate, or a blob is missing or altered.
    pub fn tree_of(&mut self, node: NodeId) -> Result<Files, Failure> {
        let original = self.original(node);
        Ok((*self.contents.of(self.tree, original)?).clone())
    }

    /// What a node's candidate was made from: its base with what that has learned.
    ///
    /// # Errors
    /// As [`Candidates::tree_of`].
    pub fn base_of(&mut self, node: NodeId) -> Result<Files, Failure> {
        let base = self.tree.get(self.original(node)).and_then(|node| node.base()).unwrap_or(0);
        Ok((*self.contents.inherited(self.tree, base)?).clone())
    }

    /// The editable files of a node's candidate with what its evaluation has learned.
    ///
    /// # Errors
    /// As [`Candidates::tree_of`].
    pub fn learned_of(&mut self, node: NodeId) -> Result<Files, Failure> {
        let original = self.original(node);
        Ok((*self.contents.inherited(self.tree, original)?).clone())
    }

    /// What was graded of a node in its first full measurement, if that is kept.
    ///
    /// # Errors
    /// The manifest is missing or altered.
    pub fn outputs_of(&self, node: NodeId) -> Result<Option<Manifest>, Failure> {
        let first = self.tree.get(node).and_then(|node| node.measurements.first());
        let outputs = first.and_then(|measurement| self.outputs.get(&measurement.evaluation));
        outputs.map(|outputs| Ok(self.blobs.manifest(*outputs)?)).transpose()
    }

    /// Writes the whole workspace of a candidate into an empty folder: the starter, the candidate, what it has learned, and
    /// what was graded of it. Gives how many files that are.
    ///
    /// # Errors
    /// As [`Candidates::tree_of`], or the folder cannot be written.
    pub fn write(&mut self, node: NodeId, target: &Path) -> Result<u64, Failure> {
        let mut files: BTreeMap<String, (Vec<u8>, u32)> = BTreeMap::new();
        let mode = |path: &str| self.starter.files.get(path).map_or(0o644, |entry| entry.mode);
        let own = self.contents.baseline().clone();
        for (path, entry) in self.starter.files.iter().filter(|(path, _)| !own.contains_key(*path)) {
            files.insert(path.clone(), (self.blobs.get(entry.sha256)?, entry.mode));
        }
        let modes: BTreeMap<String, u32> = own.keys().map(|path| (path.clone(), mode(path))).collect();
        for (path, content) in self.learned_of(node)? {
            let mode = modes.get(&path).copied().unwrap_or(0o644);
            files.insert(path, (content, mode));
        }
        for (path, entry) in self.outputs_of(node)?.unwrap_or_default().files {
            if !self.task.workspace.protected.contains(&path) {
                files.insert(path, (self.blobs.get(entry.sha256)?, entry.mode));
            }
        }
        for (path, (content, mode)) in &files {
            put(target, path, content, *mode)?;
        }
        Ok(files.len() as u64)
    }

    fn original(&self, node: NodeId) -> NodeId {
        let replicate = self.tree.get(node).filter(|node| node.operator == Operator::Replicate);
        replicate.and_then(|replicate| replicate.base()).unwrap_or(node)
    }
}

/// Writes a new file below a folder that is nobody else's.
fn put(target: &Path, path: &str, content: &[u8], mode: u32) -> Result<(), Failure> {
    let full = target.join(path);
    let failed = |error: std::io::Error| {
        Failure::new(Boundary::Store, format!("cannot write `{}`: {error}", full.display()))
    };
    if !is_inner_path(path) {
        return Err(Failure::new(Boundary::Store, format!("`{path}` is no path of a workspace")));
    }
    fs::create_dir_all(full.parent().unwrap_or(target)).map_err(failed)?;
    let mode = 0o600 | (mode & 0o777);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&full).map_err(failed)?;
    file.write_all(content).map_err(failed)
}
