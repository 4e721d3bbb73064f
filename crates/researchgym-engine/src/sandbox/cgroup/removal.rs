//! Getting rid of control groups, ours and those of processes that died without doing so.

use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use researchgym_core::digest::Digest;
use rustix::process::{Pid, Signal};

use crate::hold;

const PREFIX: &str = "researchgym-";
const MARK_DIGITS: usize = 8;
/// How long the kernel may take to end killed processes.
const PATIENCE: Duration = Duration::from_secs(10);
/// How deep below a mount groups of ours are looked for.
const DEPTH: usize = 16;

/// The name of this process's parent folders: number and start of the process, and the mark of its home.
pub(super) fn own_tag(home: &Path) -> String {
    let pid = std::process::id();
    format!("{PREFIX}{pid}-{}-{}", started(pid).unwrap_or(0), mark_of(home))
}

/// The mark of a home folder: eight digits of its path's SHA-256.
fn mark_of(home: &Path) -> String {
    let mut mark = Digest::of(home.as_os_str().as_bytes()).to_string();
    mark.truncate(MARK_DIGITS);
    mark
}

/// When a process started, in clock ticks since boot; nothing if there is none, or a dead one that its parent has not taken
/// note of yet.
pub(crate) fn started(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat[stat.rfind(')')? + 1..].split_ascii_whitespace();
    match fields.next()? {
        "Z" | "X" => None,
        _ => fields.nth(18)?.parse().ok(),
    }
}

/// The parent folder of one process's control groups in one hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parent {
    /// Where it is.
    pub folder: PathBuf,
    pid: u32,
    start: u64,
    /// The mark of its process's home; older programs left none.
    mark: Option<String>,
}

impl Parent {
    fn at(folder: PathBuf) -> Option<Parent> {
        let mut parts = folder.file_name()?.to_str()?.strip_prefix(PREFIX)?.split('-');
        let (pid, start) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let mark = match (parts.next(), parts.next()) {
            (None, _) => None,
            (Some(mark), None) if mark.len() == MARK_DIGITS => Some(mark.to_owned()),
            (Some(_), _) => return None,
        };
        Some(Parent { folder, pid, start, mark })
    }

    /// Whether a process with this home made it.
    pub(crate) fn is_of(&self, home: &Path) -> bool {
        self.mark.as_deref() == Some(mark_of(home).as_str())
    }

    /// The number of the process that made it, as that process saw it.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether that process lives. Where its number means another process, as seen from another namespace, its lock counts.
    pub(crate) fn is_live(&self) -> bool {
        started(self.pid) == Some(self.start) || hold::is_held(&self.folder)
    }

    fn remove_if_stale(&self) {
        if !self.is_live() {
            remove(&self.folder);
        }
    }
}

/// All parent folders on this machine that can be seen, of whatever process.
pub(crate) fn parents(mountinfo: &str) -> Vec<Parent> {
    let mut found = Vec::new();
    let mut folders: Vec<(PathBuf, usize)> =
        super::discovery::mount_points(mountinfo).into_iter().map(|mount_point| (mount_point, 0)).collect();
    while let Some((folder, depth)) = folders.pop() {
        for inner in inner_folders(&folder) {
            match Parent::at(inner.clone()) {
                Some(parent) => found.push(parent),
                None if depth < DEPTH => folders.push((inner, depth + 1)),
                None => {}
            }
        }
    }
    found.sort_by(|one, other| one.folder.cmp(&other.folder));
    found
}

fn inner_folders(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path())
}

/// Removes the folders whose owner is gone.
pub(in crate::sandbox) fn remove_stale(own: &Path) {
    inner_folders(own).filter_map(Parent::at).for_each(|parent| parent.remove_if_stale());
}

/// Kills all in the folder and in those below, and removes them. Gives up on what does not go.
pub(crate) fn remove(folder: &Path) {
    inner_folders(folder).for_each(|inner| remove(&inner));
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        match std::fs::remove_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                kill(folder);
                std::thread::sleep(Duration::from_millis(2));
            }
            Ok(()) | Err(_) => return,
        }
    }
}

/// Kills all in the folder: at once where the kernel can, else one by one.
pub(super) fn kill(folder: &Path) {
    if std::fs::write(folder.join("cgroup.kill"), "1").is_ok() {
        return;
    }
    let processes = std::fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
    // 0 stands for processes of another namespace.
    for pid in processes.lines().filter_map(|line| Pid::from_raw(line.parse().ok()?)) {
        let _ = rustix::process::kill_process(pid, Signal::KILL);
    }
}

/// Whether no process is in the folder itself.
pub(super) fn is_empty(folder: &Path) -> bool {
    std::fs::read_to_string(folder.join("cgroup.procs")).is_ok_and(|processes| processes.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dead_have_not_started_also_before_their_parent_knows() {
        let mut child = std::process::Command::new("true").spawn().expect("it starts");
        let stat = format!("/proc/{}/stat", child.id());
        let begun = Instant::now();
        while !std::fs::read_to_string(&stat).is_ok_and(|stat| stat.contains(") Z ")) {
            assert!(begun.elapsed().as_secs() < 30, "it does not end");
            std::thread::park_timeout(Duration::from_millis(1));
        }
        assert_eq!(started(child.id()), None);
        assert!(started(std::process::id()).is_some());
        child.wait().expect("it has ended");
    }

    #[test]
    fn parents_are_told_by_their_whole_name() {
        let at = |name: &str| Parent::at(PathBuf::from("/sys/fs/cgroup").join(name));
        let home = Path::new("/home/x");
        let own = at(&own_tag(home)).expect("our own");
        assert_eq!((own.pid(), own.is_live()), (std::process::id(), true));
        assert_eq!((own.is_of(home), own.is_of(Path::new("/home/y"))), (true, false));
        let older = at("researchgym-7-9").expect("an older program's");
        assert_eq!((older.pid(), older.is_of(home)), (7, false));
        for other in [
            "researchgym-7",
            "researchgym-7-x",
            "researchgym-7-9-notes",
            "researchgym-7-9-01234567-x",
            "gym-7-9",
        ] {
            assert_eq!(at(other), None, "{other}");
        }
    }
}
