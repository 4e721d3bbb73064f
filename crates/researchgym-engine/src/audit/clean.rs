//! Removing what belongs to nobody. Each thing is looked at again while it is held, just before it goes.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::mount::UnmountFlags;
use rustix::process::{Pid, PidfdFlags, Signal};

use super::{Kind, Places, Remains, look, processes, runs};
use crate::sandbox::cgroup::{self, Parent};
use crate::session::CONTROL_SOCKET;
use crate::snapshot::clear_folder;
use crate::store::{LOCK, RunFolder};
use crate::{hold, scratch};

/// How long a process may take to end.
const PATIENCE: Timespec = Timespec { tv_sec: 20, tv_nsec: 0 };

/// How one thing is removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Process {
        pid: u32,
        start: u64,
    },
    /// One that removes what its process left.
    Sweeper {
        pid: u32,
        start: u64,
    },
    ControlGroup(Parent),
    Mount {
        mount: PathBuf,
        lock: PathBuf,
    },
    Folder(PathBuf),
    /// A file or socket in the folder of a run that nobody works on.
    InRun {
        lock: PathBuf,
        path: PathBuf,
    },
    EmptyRun(PathBuf),
}

/// What a cleaning did.
#[derive(Clone, Debug, Default)]
pub struct Cleaned {
    /// What is gone.
    pub removed: Vec<Remains>,
    /// What is not.
    pub failed: Vec<Failed>,
}

/// Something that could not be removed.
#[derive(Clone, Debug)]
pub struct Failed {
    /// What.
    pub remains: Remains,
    /// Why.
    pub reason: String,
}

/// Removes what belongs to nobody. Sweepers at work are waited for, then processes go, because they hold the rest. Blocks,
/// some seconds at most.
pub fn clean(places: &Places) -> Cleaned {
    let mut cleaned = Cleaned::default();
    let is_sweeper = |remains: &Remains| matches!(remains.way, Some(Way::Sweeper { .. }));
    cleaned.remove(look(places).into_iter().filter(|remains| is_sweeper(remains)));
    let mut rest: Vec<Remains> = look(places).into_iter().filter(|remains| !is_sweeper(remains)).collect();
    rest.sort_by_key(|remains| remains.kind);
    cleaned.remove(rest.into_iter());
    cleaned
}

fn remove(way: &Way) -> io::Result<()> {
    match way {
        Way::Process { pid, start } => kill(*pid, *start),
        Way::Sweeper { pid, start } => wait_for_sweeper(*pid, *start),
        Way::ControlGroup(parent) => remove_group(parent),
        Way::Mount { mount, lock } => {
            // A folder that is gone holds nobody; one that is there must be free.
            let _held = lock.exists().then(|| hold::take(lock)).transpose()?;
            Ok(rustix::mount::unmount(mount, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW)?)
        }
        Way::Folder(path) => scratch::remove_unheld(path),
        Way::InRun { lock, path } => {
            let _held = hold::take(lock)?;
            std::fs::remove_file(path)
        }
        Way::EmptyRun(root) => remove_empty_run(root),
    }
}

/// Kills the one process that was found: its number may be another's by now.
fn kill(pid: u32, start: u64) -> io::Result<()> {
    let Some(process) = held(pid, start) else { return Ok(()) };
    rustix::process::pidfd_send_signal(&process, Signal::KILL)?;
    match ends(&process)? {
        true => Ok(()),
        false => Err(io::Error::other("it does not end, though it was killed")),
    }
}

/// Lets a sweeper do its work; one that does not come to its end is killed.
fn wait_for_sweeper(pid: u32, start: u64) -> io::Result<()> {
    let Some(process) = held(pid, start) else { return Ok(()) };
    if ends(&process)? { Ok(()) } else { kill(pid, start) }
}

/// The process of this number, if it is still the one that was seen.
fn held(pid: u32, start: u64) -> Option<OwnedFd> {
    let number = i32::try_from(pid).ok().and_then(Pid::from_raw)?;
    let process = rustix::process::pidfd_open(number, PidfdFlags::empty()).ok()?;
    (processes::start_of(pid) == Some(start)).then_some(process)
}

fn ends(process: &OwnedFd) -> io::Result<bool> {
    let mut ended = [PollFd::new(process, PollFlags::IN)];
    Ok(rustix::event::poll(&mut ended, Some(&PATIENCE))? > 0)
}

fn remove_group(parent: &Parent) -> io::Result<()> {
    if parent.is_live() {
        return Err(io::Error::other("its process lives after all"));
    }
    cgroup::remove(&parent.folder);
    match parent.folder.symlink_metadata() {
        Ok(_) => Err(io::Error::other("the kernel does not let it go")),
        Err(_) => Ok(()),
    }
}

fn remove_empty_run(root: &Path) -> io::Result<()> {
    let folder = RunFolder::open(root).map_err(io::Error::other)?;
    let lock = folder.lock().map_err(io::Error::other)?;
    if !runs::is_as_made(root) {
        return Err(io::Error::other("it has started after all"));
    }
    // One by one, and folders only if they are empty: nothing else can go.
    clear_folder(&root.join(runs::BLOBS)).map_err(io::Error::other)?;
    for inner in runs::EMPTY.into_iter().chain([runs::BLOBS]) {
        absent(std::fs::remove_dir(root.join(inner)))?;
    }
    for file in ["events.jsonl", CONTROL_SOCKET, LOCK] {
        absent(std::fs::remove_file(root.join(file)))?;
    }
    drop(lock);
    std::fs::remove_dir(root)
}

/// What is not there is gone.
fn absent(removed: io::Result<()>) -> io::Result<()> {
    removed.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

impl Cleaned {
    fn remove(&mut self, remains: impl Iterator<Item = Remains>) {
        for remains in remains.filter(Remains::is_left) {
            let Some(way) = &remains.way else { continue };
            match remove(way) {
                Ok(()) => self.removed.push(remains),
                Err(error) if error.kind() == io::ErrorKind::NotFound => self.removed.push(remains),
                Err(error) => self.failed.push(Failed { reason: error.to_string(), remains }),
            }
        }
    }

    /// Adds what a removal of another kind did.
    pub fn add(&mut self, kind: Kind, what: String, outcome: Result<(), String>) {
        let remains = Remains::left(kind, what);
        match outcome {
            Ok(()) => self.removed.push(remains),
            Err(reason) => self.failed.push(Failed { remains, reason }),
        }
    }
}
