//! Folders that live shorter than a run: in the folders for temporary files and in the home folder.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::locks::Locks;
use super::{Kind, Places, Remains, Way, is_ours};
use crate::{bundle, dataset, environment, gateway, grading, prune, sandbox, scratch};

/// Where such folders are, and what their names begin with.
pub(super) fn nests(places: &Places) -> Vec<(PathBuf, Vec<&'static str>)> {
    let mut nests: Vec<(PathBuf, Vec<&'static str>)> = places
        .temporary
        .iter()
        .map(|folder| {
            (
                folder.clone(),
                vec![sandbox::unisolated::PREFIX, sandbox::docker::FOLDER_PREFIX, gateway::FOLDER_PREFIX],
            )
        })
        .collect();
    nests.push((places.home.join("scratch"), vec![scratch::PREFIX]));
    nests.push((places.home.join("environments"), vec![environment::UNFINISHED]));
    nests.push((places.home.join("datasets/prepared"), vec![dataset::UNFINISHED]));
    nests.push((places.home.join("support"), vec![grading::UNFINISHED]));
    nests.push((places.runs.clone(), vec![prune::REMOVING, bundle::UNPACKING]));
    nests
}

/// The folders themselves.
pub(super) fn all(places: &Places) -> Vec<PathBuf> {
    nests(places).iter().flat_map(|(parent, prefixes)| folders(parent, prefixes)).collect()
}

pub(super) fn look(places: &Places, locks: &Locks) -> Vec<Remains> {
    let folders = all(places).into_iter();
    folders.map(|folder| locks.remains(Kind::Folder, &folder, Way::Folder(folder.clone()))).collect()
}

fn folders(parent: &Path, prefixes: &[&str]) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries
        .filter(|entry| entry.metadata().is_ok_and(|metadata| metadata.is_dir() && is_ours(metadata.uid())))
        .filter(|entry| {
            entry
                .file_name()
                .to_str()
                .is_some_and(|name| prefixes.iter().any(|prefix| name.starts_with(prefix)))
        })
        .map(|entry| entry.path())
        .collect();
    found.sort_unstable();
    found
}
