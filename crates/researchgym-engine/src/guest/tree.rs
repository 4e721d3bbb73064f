//! All processes of the sandbox: finding, stopping and killing them.
//!
//! In a process-id namespace of its own the guest is the first process and everything else is the sandbox. Without
//! one (`--runtime host`) the sandbox is what descends from the guest, which adopts orphans.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use rustix::process::{Pid, Signal};

use crate::sys;

/// A process, told from a later one with the same number by its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ProcessId {
    pub pid: i32,
    pub started: u64,
}

/// One living process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub id: ProcessId,
    pub parent: i32,
    /// CPU time of its waited-for children in clock ticks.
    pub children_ticks: u64,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Tree {
    isolated: bool,
    guest: i32,
}

/// Who is not killed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spared {
    /// These, but not what they have started.
    pub processes: HashSet<ProcessId>,
    /// The persistent shell, but not what it has started.
    pub shell: Option<i32>,
    /// This one with all its descendants.
    pub root: Option<i32>,
}

impl Tree {
    pub(crate) fn new(isolated: bool) -> Tree {
        Tree { isolated, guest: rustix::process::getpid().as_raw_nonzero().get() }
    }

    /// Every living process but the guest.
    pub(crate) fn list(&self) -> Vec<Entry> {
        let Ok(folder) = std::fs::read_dir("/proc") else { return Vec::new() };
        let entries: Vec<Entry> = folder
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok())
            .filter(|&pid| pid != self.guest)
            .filter_map(entry)
            .collect();
        if self.isolated {
            return entries;
        }
        let parents = parents(&entries);
        entries.into_iter().filter(|entry| descends(entry.id.pid, self.guest, &parents)).collect()
    }

    /// Whether the guest has no child but these and the shell has none, by two short reads. May err towards "no".
    pub(crate) fn is_quiet(&self, shell: i32, root: Option<i32>) -> bool {
        let expected = |text: &str| {
            text.split_ascii_whitespace()
                .all(|pid| pid.parse::<i32>().is_ok_and(|pid| pid == shell || Some(pid) == root))
        };
        let children = |path: String| std::fs::read_to_string(path);
        children("/proc/thread-self/children".to_owned()).is_ok_and(|text| expected(&text))
            && children(format!("/proc/{shell}/task/{shell}/children")).is_ok_and(|text| text.is_empty())
    }

    /// Stops everything but the guest, also what is forking right now.
    pub(crate) fn stop_all(&self) {
        if self.isolated {
            // No process at all is the only failure.
            let _ = sys::signal_namespace(Signal::STOP);
            return;
        }
        let mut stopped = HashSet::new();
        loop {
            let new: Vec<_> = self.list().into_iter().filter(|entry| stopped.insert(entry.id)).collect();
            if new.is_empty() {
                return;
            }
            new.iter().for_each(|entry| send(entry.id.pid, Signal::STOP));
        }
    }

    /// Lets everything go on.
    pub(crate) fn continue_all(&self) {
        if self.isolated {
            let _ = sys::signal_namespace(Signal::CONT);
        } else {
            self.list().iter().for_each(|entry| send(entry.id.pid, Signal::CONT));
        }
    }

    /// Kills all that is not spared. Interrupts first if they are few, so that programs can say where they were.
    pub(crate) fn cull(&self, spared: &Spared) {
        const FEW: usize = 30;
        self.stop_all();
        let mut doomed = self.doomed(spared);
        if (1..FEW).contains(&doomed.len()) {
            for entry in &doomed {
                send(entry.id.pid, Signal::INT);
                send(entry.id.pid, Signal::CONT);
            }
            std::thread::sleep(Duration::from_millis(3));
            self.stop_all();
            doomed = self.doomed(spared);
        }
        for _ in 0..1000 {
            if doomed.is_empty() {
                break;
            }
            doomed.iter().for_each(|entry| send(entry.id.pid, Signal::KILL));
            std::thread::sleep(Duration::from_micros(500));
            doomed = self.doomed(spared);
        }
        self.continue_all();
    }

    fn doomed(&self, spared: &Spared) -> Vec<Entry> {
        let entries = self.list();
        let parents = parents(&entries);
        let doomed = |entry: &Entry| {
            let pid = entry.id.pid;
            !spared.processes.contains(&entry.id)
                && Some(pid) != spared.shell
                && !spared.root.is_some_and(|root| pid == root || descends(pid, root, &parents))
        };
        entries.into_iter().filter(doomed).collect()
    }
}

/// Sends a signal; that the process has gone is no error.
pub(crate) fn send(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid).filter(|_| pid > 1) {
        let _ = rustix::process::kill_process(pid, signal);
    }
}

fn parents(entries: &[Entry]) -> HashMap<i32, i32> {
    entries.iter().map(|entry| (entry.id.pid, entry.parent)).collect()
}

fn descends(mut pid: i32, ancestor: i32, parents: &HashMap<i32, i32>) -> bool {
    for _ in 0..parents.len() + 1 {
        match parents.get(&pid) {
            Some(&parent) if parent == ancestor => return true,
            Some(&parent) => pid = parent,
            None => return false,
        }
    }
    false
}

/// Reads `/proc/PID/stat`; nothing for a process that has ended.
fn entry(pid: i32) -> Option<Entry> {
    let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    parse_stat(pid, &stat)
}

fn parse_stat(pid: i32, stat: &[u8]) -> Option<Entry> {
    // The name, in parentheses, may contain anything.
    let end = stat.iter().rposition(|&byte| byte == b')')?;
    let fields: Vec<&str> = std::str::from_utf8(&stat[end + 1..]).ok()?.split_ascii_whitespace().collect();
    if matches!(*fields.first()?, "Z" | "X") {
        return None;
    }
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some(Entry {
        id: ProcessId { pid, started: number(19)? },
        parent: fields.get(1)?.parse().ok()?,
        children_ticks: number(13)? + number(14)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_forge_the_fields() {
        let stat = b"7 (a) Z 1 (x) R 3 7 7 0 -1 4194304 1 2 3 4 5 6 70 80 20 0 1 0 12345 9 9";
        let entry = parse_stat(7, stat).unwrap();
        assert_eq!(entry.id, ProcessId { pid: 7, started: 12345 });
        assert_eq!((entry.parent, entry.children_ticks), (3, 150));
    }

    #[test]
    fn ended_processes_are_not_listed() {
        assert!(parse_stat(7, b"7 (sh) Z 1 7 7 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 12345").is_none());
    }

    #[test]
    fn descent_ends_in_loops_too() {
        let parents = HashMap::from([(3, 2), (2, 1), (8, 9), (9, 8)]);
        assert!(descends(3, 1, &parents));
        assert!(!descends(3, 8, &parents));
        assert!(!descends(8, 1, &parents));
    }
}
