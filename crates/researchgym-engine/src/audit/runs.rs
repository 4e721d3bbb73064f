//! Runs that have begun and not ended, and what killed processes left half done in their folders.
//!
//! Only the end of a log is read: whether all of it is whole is the question of `verify`.

use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use researchgym_core::chain::parse_line;
use researchgym_core::event::Event;

use super::locks::Locks;
use super::{Holder, Kind, Places, Remains, Way};
use crate::hold;
use crate::session::CONTROL_SOCKET;
use crate::store::{LOCK, RunFolder, unfinished};

/// The longest last line that is read: the ending of a run is much shorter.
const TAIL: u64 = 64 << 10;
/// Folders that a start makes.
pub(super) const BLOBS: &str = "blobs";
pub(super) const EMPTY: [&str; 3] = ["workspace", "submissions", "logs"];
/// A folder without a log that is younger may be one that is about to get it.
const YOUNG: Duration = Duration::from_secs(60);

/// How a run stands, from the end of its log.
#[derive(Debug, PartialEq, Eq)]
enum Standing {
    Ended,
    Interrupted,
    /// Nothing was ever written.
    Empty,
    /// There is something, and no log that can be read.
    Unreadable,
}

pub(super) fn look(places: &Places, locks: &Locks) -> Vec<Remains> {
    RunFolder::list(&places.runs).flat_map(|run| one(&run, locks)).collect()
}

fn one(run: &RunFolder, locks: &Locks) -> Vec<Remains> {
    let lock = run.root().join(LOCK);
    let root = run.root().display().to_string();
    let socket = run.root().join(CONTROL_SOCKET);
    let has_socket = socket.symlink_metadata().is_ok();
    if let Holder::Live { pid } = locks.holder(&lock) {
        let socket = has_socket.then(|| Remains::live(Kind::Socket, socket.display().to_string(), pid));
        return std::iter::once(Remains::live(Kind::Run, root, pid)).chain(socket).collect();
    }
    let mut found = Vec::new();
    match standing(run) {
        Standing::Ended => {}
        Standing::Interrupted => {
            let way_on = format!("`researchgym run --resume {}` goes on with it", run.id());
            found.push(Remains::kept(Kind::Run, root, way_on));
        }
        Standing::Unreadable => {
            let advice = "it has no event log that can be read: look what it is, and remove it yourself";
            found.push(Remains::kept(Kind::Run, root, advice.to_owned()));
        }
        Standing::Empty if is_young(run.root()) => found.push(Remains::live(Kind::Run, root, None)),
        Standing::Empty => {
            let remains = Remains::left_with(Kind::Run, root, Way::EmptyRun(run.root().to_owned()));
            found.push(Remains { detail: Some("it never started".to_owned()), ..remains });
        }
    }
    let left = |kind, path: PathBuf| {
        let what = path.display().to_string();
        Remains::left_with(kind, what, Way::InRun { lock: lock.clone(), path })
    };
    found.extend(has_socket.then(|| left(Kind::Socket, socket)));
    found.extend(unfinished(run.root()).into_iter().map(|path| left(Kind::File, path)));
    found
}

fn standing(run: &RunFolder) -> Standing {
    let mut log = match hold::open_file(&run.events()) {
        Ok(log) => log,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return without_log(run.root()),
        Err(_) => return Standing::Unreadable,
    };
    let length = log.metadata().map_or(0, |metadata| metadata.len());
    let mut tail = Vec::new();
    let read = log
        .seek(SeekFrom::Start(length.saturating_sub(TAIL)))
        .and_then(|_| log.take(TAIL).read_to_end(&mut tail));
    match read {
        Ok(0) => without_log(run.root()),
        Ok(_) if ends_with_an_ending(&tail) => Standing::Ended,
        Ok(_) | Err(_) => Standing::Interrupted,
    }
}

/// A folder without a log never started if it holds nothing but what a start makes.
fn without_log(root: &Path) -> Standing {
    match is_as_made(root) {
        true => Standing::Empty,
        false => Standing::Unreadable,
    }
}

/// Whether nothing is in a run's folder but what is made before the first event: blobs that no event names, and folders
/// without anything in them.
pub(super) fn is_as_made(root: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(root) else { return false };
    entries.into_iter().all(|entry| {
        let Ok(entry) = entry else { return false };
        let name = entry.file_name();
        match name.to_str() {
            Some(LOCK | CONTROL_SOCKET | BLOBS) => true,
            Some("events.jsonl") => entry.metadata().is_ok_and(|metadata| metadata.len() == 0),
            Some(name) if EMPTY.contains(&name) => {
                std::fs::read_dir(entry.path()).is_ok_and(|mut inner| inner.next().is_none())
            }
            Some(_) | None => false,
        }
    })
}

/// Whether the last whole line is the end of a run; a torn one behind it says that the run went on.
fn ends_with_an_ending(tail: &[u8]) -> bool {
    let Some(whole) = tail.strip_suffix(b"\n") else { return false };
    let last = whole.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    parse_line(last).is_ok_and(|line| matches!(line.event, Event::RunEnded { .. }))
}

fn is_young(folder: &Path) -> bool {
    let modified = folder.symlink_metadata().and_then(|metadata| metadata.modified()).ok();
    // A time in the future is no reason to remove anything.
    modified.is_none_or(|modified| modified.elapsed().map_or(true, |age| age < YOUNG))
}
