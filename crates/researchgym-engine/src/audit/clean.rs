//! Removing what belongs to nobody. Each thing is looked at again while it is held, just before it goes.

use std::io;
use std::path::{Path, PathBuf};

use rustix::mount::UnmountFlags;
use rustix::process::{Pid, PidfdFlags, Signal};

use super::{Kind, Places, Remains, look, processes};
use crate::sandbox::cgroup::{self, Parent};
use crate::snapshot::clear_folder;
use crate::store::RunFolder;
use crate::{hold, scratch};

/// How one thing is removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Process {
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

/// Removes what belongs to nobody: processes first, because they hold the rest. Blocks, some seconds at most.
pub fn clean(places: &Places) -> Cleaned {
    let mut remains: Vec<Remains> = look(places).into_iter().filter(Remains::is_left).collect();
    remains.sort_by_key(|remains| remains.kind);
    let mut cleaned = Cleaned::default();
    for remains in remains {
        let Some(way) = &remains.way else { continue };
        match remove(way) {
            Ok(()) => cleaned.removed.push(remains),
            Err(error) if error.kind() == io::ErrorKind::NotFound => cleaned.removed.push(remains),
            Err(error) => cleaned.failed.push(Failed { reason: error.to_string(), remains }),
        }
    }
    cleaned
}

fn remove(way: &Way) -> io::Result<()> {
    match way {
        Way::Process { pid, start } => kill(*pid, *start),
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
    let number = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::NotFound)?;
    let Ok(process) = rustix::process::pidfd_open(number, PidfdFlags::empty()) else { return Ok(()) };
    if processes::start_of(pid) != Some(start) {
        return Ok(());
    }
    rustix::process::pidfd_send_signal(&process, Signal::KILL)?;
    let mut ended = [rustix::event::PollFd::new(&process, rustix::event::PollFlags::IN)];
    let patience = rustix::event::Timespec { tv_sec: 10, tv_nsec: 0 };
    match rustix::event::poll(&mut ended, Some(&patience))? {
        0 => Err(io::Error::other("it does not end, though it was killed")),
        _ => Ok(()),
    }
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
    if folder.events().metadata().is_ok_and(|log| log.len() > 0) {
        return Err(io::Error::other("it has started after all"));
    }
    clear_folder(root).map_err(io::Error::other)?;
    drop(lock);
    std::fs::remove_dir(root)
}

impl Cleaned {
    /// Adds what a removal of another kind did.
    pub fn add(&mut self, kind: Kind, what: String, outcome: Result<(), String>) {
        let remains = Remains::left(kind, what);
        match outcome {
            Ok(()) => self.removed.push(remains),
            Err(reason) => self.failed.push(Failed { remains, reason }),
        }
    }
}
