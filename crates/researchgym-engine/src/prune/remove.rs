//! Removing one run, and finishing what was begun.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rustix::fs::{AtFlags, FileType, FlockOperation, RenameFlags, flock, renameat_with, unlinkat};
use rustix::io::Errno;

use super::{REMOVING, Size};
use crate::bundle::UNPACKING;
use crate::snapshot::beneath::{create_file, kind, open_file, open_folder, open_root, stat};
use crate::store::{LOCK, RunFolder};
use crate::{hold, scratch};

/// A folder for unpacking that is younger may be one that is about to be held.
const YOUNG: Duration = Duration::from_secs(60);
/// Names that are tried for a folder that is put aside.
const NAMES: u32 = 100;

/// A run is not removed, and is as it was unless that is said.
#[derive(Debug, thiserror::Error)]
pub enum RemoveError {
    /// A process works on it.
    #[error("it is being worked on")]
    InUse,
    /// It does not lie in a day's folder of the runs folder.
    #[error("it does not lie in the runs folder")]
    Elsewhere,
    /// It is a link, or not a folder.
    #[error("it is not a folder, or a link leads to it")]
    NotAFolder,
    /// It was put aside, and not all of it could be removed.
    #[error("it is put aside as `{}`, and cannot be removed: {source}", path.display())]
    Begun {
        /// Where it is now.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file system refused.
    #[error("cannot {action}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The answer.
        source: io::Error,
    },
}

fn refused(action: &'static str) -> impl FnOnce(io::Error) -> RemoveError {
    move |source| match Errno::from_io_error(&source) {
        Some(Errno::LOOP | Errno::NOTDIR) => RemoveError::NotAFolder,
        _ => RemoveError::Io { action, source },
    }
}

/// Removes a run of the runs folder that nobody works on. `now` keeps today's folder, in which a run may be about to begin.
pub fn remove(runs: &Path, run: &RunFolder, now: Timestamp) -> Result<(), RemoveError> {
    let runs = runs.canonicalize().map_err(refused("find the runs folder"))?;
    let place = run.root().strip_prefix(&runs).map_err(|_| RemoveError::Elsewhere)?;
    let parts: Vec<&str> = place.iter().filter_map(|part| part.to_str()).collect();
    let [day, id] = parts.as_slice() else { return Err(RemoveError::Elsewhere) };
    let top = open_root(&runs).map_err(refused("open the runs folder"))?;
    let folder = open_folder(&top, day.as_bytes()).map_err(refused("open the folder of its day"))?;
    if kind(&stat(&folder, *id).map_err(refused("look at it"))?) != FileType::Directory {
        return Err(RemoveError::NotAFolder);
    }
    let inner = open_folder(&folder, id.as_bytes()).map_err(refused("open it"))?;
    let lock = take_lock(&inner)?;
    let aside = put_aside(&folder, &top, day, id)?;
    // Whoever waits for the lock of a run that is gone finds no log.
    drop(lock);
    let path = runs.join(&aside);
    match scratch::remove_unheld(&path) {
        Ok(()) => {}
        // Somebody else who finishes removals was faster.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::WouldBlock) => {}
        Err(source) => return Err(RemoveError::Begun { path, source }),
    }
    if *day != now.strftime("%Y-%m-%d").to_string() {
        // Only if it is empty.
        let _ = unlinkat(&top, *day, AtFlags::REMOVEDIR);
    }
    Ok(())
}

/// The run's lock, made if there is none.
fn take_lock(inner: &OwnedFd) -> Result<File, RemoveError> {
    let file = match open_file(inner, LOCK.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => create_file(inner, LOCK.as_bytes()),
        other => other,
    };
    let file = file.map_err(|source| RemoveError::Io { action: "open its lock", source })?;
    let begun = Instant::now();
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            // Whoever only looks holds it for some microseconds.
            Err(Errno::WOULDBLOCK) if begun.elapsed() < hold::GLANCE => {
                std::thread::sleep(Duration::from_millis(2));
            }
            Err(Errno::WOULDBLOCK) => return Err(RemoveError::InUse),
            Err(errno) => return Err(RemoveError::Io { action: "take its lock", source: errno.into() }),
        }
    }
}

/// Renames a run so that it is none any more, and gives its new name in the runs folder.
fn put_aside(folder: &OwnedFd, top: &OwnedFd, day: &str, id: &str) -> Result<String, RemoveError> {
    let mut number = 0;
    loop {
        let name = format!("{REMOVING}{day}-{id}-{number}");
        match renameat_with(folder, id, top, &name, RenameFlags::NOREPLACE) {
            Ok(()) => return Ok(name),
            Err(Errno::EXIST) if number < NAMES => number += 1,
            Err(errno) => return Err(RemoveError::Io { action: "put it aside", source: errno.into() }),
        }
    }
}

/// A removal or an unpacking that was begun and not finished, and that nobody is at any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// The folder.
    pub path: PathBuf,
    /// What it takes on the disk.
    pub bytes: u64,
}

/// All of them in a runs folder.
pub fn unfinished(runs: &Path) -> Vec<Unfinished> {
    let entries = std::fs::read_dir(runs).into_iter().flatten().flatten();
    let own = rustix::process::geteuid().as_raw();
    let mut found: Vec<Unfinished> = entries
        .filter(|entry| {
            let name = entry.file_name();
            let Ok(metadata) = entry.metadata() else { return false };
            let is_removing = name.to_string_lossy().starts_with(REMOVING);
            let is_unpacking = name.to_string_lossy().starts_with(UNPACKING) && is_old(&metadata);
            metadata.is_dir() && metadata.uid() == own && (is_removing || is_unpacking)
        })
        .map(|entry| entry.path())
        .filter(|path| !hold::is_held(path))
        .map(|path| Unfinished { bytes: Size::of(&path).bytes(), path })
        .collect();
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found
}

fn is_old(found: &std::fs::Metadata) -> bool {
    found.modified().ok().and_then(|modified| modified.elapsed().ok()).is_some_and(|age| age >= YOUNG)
}

/// Removes what was begun to be removed, or was left half unpacked.
pub fn finish(unfinished: &Unfinished) -> io::Result<()> {
    match scratch::remove_unheld(&unfinished.path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A runs folder with one run in it.
    fn store() -> (tempfile::TempDir, RunFolder) {
        let parent = tempfile::tempdir().expect("a folder");
        let run = parent.path().join("runs/2026-11-01/0123abcd");
        std::fs::create_dir_all(run.join("workspace/deep")).expect("a folder");
        std::fs::write(run.join("events.jsonl"), "x").expect("a file");
        let run = RunFolder::open(&run).expect("a folder");
        (parent, run)
    }

    fn remove_from(parent: &tempfile::TempDir, run: &RunFolder) -> Result<(), RemoveError> {
        remove(&parent.path().join("runs"), run, Timestamp::now())
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).expect("a folder").flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn a_run_goes_with_all_in_it_and_links_are_not_followed() {
        let (parent, run) = store();
        let outside = parent.path().join("outside");
        std::fs::create_dir(&outside).expect("a folder");
        std::fs::write(outside.join("kept"), "x").expect("a file");
        std::os::unix::fs::symlink(&outside, run.root().join("workspace/link")).expect("a link");
        remove_from(&parent, &run).expect("it can be removed");
        assert_eq!(names(&parent.path().join("runs")), Vec::<String>::new());
        assert_eq!(names(&outside), ["kept"]);
    }

    #[test]
    fn what_is_reached_by_a_link_or_lies_elsewhere_stays() {
        let (parent, run) = store();
        let runs = parent.path().join("runs");
        let elsewhere = parent.path().join("2026-11-02");
        std::fs::rename(runs.join("2026-11-01"), &elsewhere).expect("it can be renamed");
        std::os::unix::fs::symlink(&elsewhere, runs.join("2026-11-01")).expect("a link");
        assert!(matches!(remove_from(&parent, &run), Err(RemoveError::NotAFolder)));
        let resolved = RunFolder::open(&runs.join("2026-11-01/0123abcd")).expect("a folder");
        assert!(matches!(remove_from(&parent, &resolved), Err(RemoveError::Elsewhere)));
        assert!(elsewhere.join("0123abcd/events.jsonl").is_file());
        std::fs::write(parent.path().join("lock"), "x").expect("a file");
        let (parent, run) = store();
        std::os::unix::fs::symlink("/dev/null", run.root().join(LOCK)).expect("a link");
        assert!(remove_from(&parent, &run).is_err() && run.events().is_file());
    }

    #[test]
    fn a_run_in_use_stays() {
        let (parent, run) = store();
        let lock = run.lock().expect("it is free");
        assert!(matches!(remove_from(&parent, &run), Err(RemoveError::InUse)));
        assert!(run.events().is_file());
        drop(lock);
        remove_from(&parent, &run).expect("it can be removed");
    }

    #[test]
    fn what_was_begun_is_finished_unless_somebody_is_at_it() {
        let (parent, run) = store();
        let runs = parent.path().join("runs");
        let aside = runs.join(".removing-2026-11-01-0123abcd-0");
        std::fs::rename(run.root(), &aside).expect("it can be renamed");
        std::fs::create_dir(runs.join(".unpacking-young")).expect("a folder");
        let held = hold::take(&aside).expect("it is free");
        assert_eq!(unfinished(&runs), []);
        drop(held);
        let [one] = unfinished(&runs).try_into().expect("one");
        assert_eq!(one.path, aside);
        finish(&one).expect("it can be removed");
        assert!(!aside.exists() && runs.join(".unpacking-young").is_dir());
    }
}
