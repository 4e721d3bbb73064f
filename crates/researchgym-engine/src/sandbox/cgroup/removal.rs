//! Getting rid of control groups, ours and those of processes that died without doing so.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

const PREFIX: &str = "researchgym-";
/// How long the kernel may take to end killed processes.
const PATIENCE: Duration = Duration::from_secs(10);

/// The name of this process's parent folders: number and start of the process.
pub(super) fn own_tag() -> String {
    let pid = std::process::id();
    format!("{PREFIX}{pid}-{}", started(pid).unwrap_or(0))
}

/// When a process started, in clock ticks since boot; nothing if there is none.
pub(in crate::sandbox) fn started(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat[stat.rfind(')')? + 1..].split_ascii_whitespace().nth(19)?.parse().ok()
}

/// Removes the folders whose owner is gone.
pub(in crate::sandbox) fn remove_stale(own: &Path) {
    let Ok(entries) = std::fs::read_dir(own) else { return };
    for entry in entries.flatten() {
        if let Some(name) = entry.file_name().to_str().and_then(|name| name.strip_prefix(PREFIX))
            && let Some((pid, start)) = name.split_once('-')
            && let (Ok(pid), Ok(start)) = (pid.parse(), start.parse())
            && started(pid) != Some(start)
        {
            remove(&entry.path());
        }
    }
}

/// Kills all in the folder and in those below, and removes them. Gives up on what does not go.
pub(in crate::sandbox) fn remove(folder: &Path) {
    if let Ok(entries) = std::fs::read_dir(folder) {
        for entry in entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
            remove(&entry.path());
        }
    }
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
