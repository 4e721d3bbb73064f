//! Folders that live shorter than a run: in the folders for temporary files and in the home folder.
//!
//! Names of temporary files are anybody's: there a folder is ours only if it is marked so, which happens once it is held.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::locks::Locks;
use super::{Kind, Places, Remains, Way, is_ours};
use crate::executor::worker::evaluation;
use crate::store::STAGING_PREFIX as IMPORTING;
use crate::{bundle, dataset, environment, gateway, grading, prune, sandbox, scratch};

/// What the names of folders among temporary files begin with.
const SHARED: [&str; 4] = [
    sandbox::unisolated::PREFIX,
    sandbox::docker::FOLDER_PREFIX,
    gateway::FOLDER_PREFIX,
    evaluation::FOLDER_PREFIX,
];

/// Where such folders are in the home and among the runs, and what their names begin with: whatever is there is ours.
fn nests(places: &Places) -> Vec<(PathBuf, &'static str)> {
    let own = [
        ("scratch", scratch::PREFIX),
        ("environments", environment::UNFINISHED),
        ("datasets/prepared", dataset::UNFINISHED),
        ("support", grading::UNFINISHED),
    ]
    .map(|(folder, prefix)| (places.home.join(folder), prefix));
    // Runs that are being removed, unpacked or imported.
    let among_runs =
        [prune::REMOVING, bundle::UNPACKING, IMPORTING].map(|prefix| (places.runs.clone(), prefix));
    own.into_iter().chain(among_runs).collect()
}

/// The folders themselves.
pub(super) fn all(places: &Places) -> Vec<PathBuf> {
    let shared = places.temporary.iter().flat_map(|parent| folders(parent, &SHARED));
    let shared = shared.filter(|folder| scratch::home_of(folder).is_some_and(|home| places.counts(&home)));
    let own = nests(places).into_iter().flat_map(|(parent, prefix)| folders(&parent, &[prefix]));
    shared.chain(own).collect()
}

pub(super) fn look(places: &Places, locks: &Locks) -> Vec<Remains> {
    let folders = all(places).into_iter();
    folders.map(|folder| locks.remains(Kind::Folder, &folder, Way::Folder(folder.clone()))).collect()
}

fn folders(parent: &Path, prefixes: &[&str]) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries
        // Of the entry itself: what a link leads to is not looked at.
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
