//! How much the candidates of a search differ.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use researchgym_core::edit::Surface;
use researchgym_core::search::similarity::Shingles;
use researchgym_core::search::{NodeId, Stream, Tree};
use researchgym_engine::catalogue::LoadedTask;
use researchgym_engine::store::{Blobs, RunFolder};

use crate::Outcome;
use crate::searching::Ran;

/// Candidates whose pairs are compared.
const SAMPLE: usize = 30;

/// How much candidates differ.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Diversity {
    /// Candidates with contents of their own.
    pub(super) distinct: usize,
    /// The mean similarity of two of a sample, from 0 to 1: Jaccard of token shingles.
    pub(super) similarity: Option<f64>,
}

type Files = BTreeMap<String, Vec<u8>>;

pub(super) fn of(task: &LoadedTask, ran: &Ran) -> Outcome<Diversity> {
    let tree = &ran.tree;
    let candidates = || tree.nodes().iter().filter(|node| node.is_candidate() && node.artefact.is_some());
    let distinct = candidates().filter_map(|node| node.artefact).collect::<BTreeSet<_>>().len();
    let all: Vec<NodeId> = candidates().map(|node| node.id).collect();
    let sample = Stream::new(1, "diversity", 0).sample(&all, SAMPLE);
    let starter = starter(task)?;
    let blobs = RunFolder::open(&ran.folder)?.blobs();
    let shingles = sample
        .iter()
        .map(|id| Ok(Shingles::of(&files(tree, *id, &starter, &blobs)?)))
        .collect::<Outcome<Vec<Shingles>>>()?;
    let pairs = shingles
        .iter()
        .enumerate()
        .flat_map(|(number, one)| shingles.iter().skip(number + 1).map(move |other| one.similarity(other)));
    let similarities: Vec<f64> = pairs.collect();
    let similarity =
        (!similarities.is_empty()).then(|| similarities.iter().sum::<f64>() / similarities.len() as f64);
    Ok(Diversity { distinct, similarity })
}

/// The editable files that a search begins with.
fn starter(task: &LoadedTask) -> Outcome<Files> {
    let mut files = Files::new();
    let root = task.path(&task.task.workspace.starter);
    read(&root, "", &mut files)?;
    let editable = task.task.search.as_ref().map(|search| search.editable.clone()).unwrap_or_default();
    let surface = Surface { editable, protected: task.task.workspace.protected.clone() };
    let own: BTreeSet<String> = surface.files(&files).into_iter().map(str::to_owned).collect();
    files.retain(|path, _| own.contains(path));
    Ok(files)
}

fn read(folder: &Path, before: &str, files: &mut Files) -> Outcome<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let path = format!("{before}{}", entry.file_name().to_string_lossy());
        match entry.file_type()?.is_dir() {
            true => read(&entry.path(), &format!("{path}/"), files)?,
            false => drop(files.insert(path, std::fs::read(entry.path())?)),
        }
    }
    Ok(())
}

/// What a candidate consists of: the changes of its line on the starter.
fn files(tree: &Tree, id: NodeId, starter: &Files, blobs: &Blobs) -> Outcome<Files> {
    let mut line = Vec::new();
    let mut at = Some(id);
    while let Some(node) = at.filter(|id| *id != 0).and_then(|id| tree.get(id)) {
        line.push(node);
        at = node.base();
    }
    let mut files = starter.clone();
    for node in line.into_iter().rev() {
        let base = node.base().and_then(|base| tree.get(base));
        for (path, content) in base.map(|base| &base.learned).into_iter().flatten() {
            files.insert(path.clone(), blobs.resolve(content)?);
        }
        for (path, content) in &node.changes {
            match content {
                Some(content) => drop(files.insert(path.clone(), blobs.resolve(content)?)),
                None => drop(files.remove(path)),
            }
        }
    }
    Ok(files)
}
