//! Processes: bubblewraps, guests, sweepers and makers of user namespaces, known by executable and arguments, and what
//! runs in sandboxes without isolation, known by a variable in its environment.
//!
//! What runs inside an isolated sandbox is not listed: the kernel ends it with its guest.

use std::collections::HashMap;
use std::path::PathBuf;

use super::locks::Locks;
use super::{Holder, Kind, Remains, Way, is_ours};
use crate::sandbox::{GUEST, unisolated};

/// What the names of our executables begin with.
const OURS: &str = "researchgym";

/// What a process of ours is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Bubblewrap,
    Guest,
    /// Follows the process of this number, as that process saw it.
    Sweeper {
        follows: Option<u32>,
    },
    NamespaceMaker,
}

/// A living process.
#[derive(Clone, Debug)]
struct Process {
    pid: u32,
    parent: u32,
    /// In clock ticks since boot; with the number it names one process.
    start: u64,
    arguments: Vec<String>,
    role: Option<Role>,
}

pub(super) fn look(locks: &Locks) -> Vec<Remains> {
    let own = std::process::id();
    let processes: HashMap<u32, Process> =
        numbers().filter(|&pid| pid != own).filter_map(|pid| Some((pid, Process::read(pid)?))).collect();
    let mut found: Vec<(u32, Remains)> = Vec::new();
    for process in processes.values() {
        let holder = match process.role {
            Some(_) => owner(process, &processes),
            None => match sandbox_folder(process.pid) {
                Some(folder) => locks.holder(&folder),
                None => continue,
            },
        };
        if !user(process.pid).is_some_and(is_ours) {
            continue;
        }
        let what = format!("{} {}", process.pid, process.words());
        let remains = match holder {
            Holder::Live { pid } => Remains::live(Kind::Process, what, pid),
            Holder::User | Holder::Nobody => process.left(what),
        };
        found.push((process.pid, remains));
    }
    found.sort_by_key(|(pid, _)| *pid);
    found.into_iter().map(|(_, remains)| remains).collect()
}

/// When a process started, if it lives.
pub(super) fn start_of(pid: u32) -> Option<u64> {
    Process::read(pid).map(|process| process.start)
}

/// The process that made a helper, if it lives: above all helpers, named like this program or followed by a sweeper.
fn owner(helper: &Process, processes: &HashMap<u32, Process>) -> Holder {
    let mut above = helper;
    for _ in 0..processes.len() {
        match processes.get(&above.parent) {
            Some(parent) if matches!(above.role, Some(Role::Sweeper { .. })) => {
                return live_if(follows(above, parent), parent.pid);
            }
            Some(parent) if parent.role.is_some() => above = parent,
            Some(parent) => {
                let is_followed = processes.values().any(|process| {
                    process.parent == parent.pid
                        && matches!(process.role, Some(Role::Sweeper { .. }))
                        && follows(process, parent)
                });
                return live_if(is_followed || parent.is_named_like_us(), parent.pid);
            }
            // It is the one that looks, or cannot be seen.
            None => return live_if(above.parent == std::process::id(), above.parent),
        }
    }
    Holder::Nobody
}

fn live_if(is_live: bool, pid: u32) -> Holder {
    if is_live { Holder::Live { pid: Some(pid) } } else { Holder::Nobody }
}

/// Whether a sweeper is still the child of the process that it follows, and not of whoever took it over.
fn follows(sweeper: &Process, parent: &Process) -> bool {
    match sweeper.role {
        Some(Role::Sweeper { follows: Some(number) }) => innermost_number(parent.pid) == Some(number),
        // An older one, which does not say.
        Some(Role::Sweeper { follows: None }) => parent.pid != 1,
        _ => false,
    }
}

impl Process {
    fn read(pid: u32) -> Option<Process> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let fields: Vec<&str> = stat[stat.rfind(')')? + 1..].split_ascii_whitespace().collect();
        if fields.first() == Some(&"Z") {
            return None;
        }
        let (parent, start) = (fields.get(1)?.parse().ok()?, fields.get(19)?.parse().ok()?);
        let text = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let text = String::from_utf8_lossy(&text);
        let arguments: Vec<String> = text.trim_end_matches('\0').split('\0').map(str::to_owned).collect();
        let role = role(&arguments);
        Some(Process { pid, parent, start, arguments, role })
    }

    /// A sweeper without its process is at work, and soon done.
    fn left(&self, what: String) -> Remains {
        let (pid, start) = (self.pid, self.start);
        match self.role {
            Some(Role::Sweeper { .. }) => Remains {
                detail: Some("it removes what its process left, and ends".to_owned()),
                ..Remains::left_with(Kind::Process, what, Way::Sweeper { pid, start })
            },
            _ => Remains::left_with(Kind::Process, what, Way::Process { pid, start }),
        }
    }

    fn is_named_like_us(&self) -> bool {
        self.arguments.first().is_some_and(|program| name(program).starts_with(OURS))
    }

    /// The command in a line; agents' commands may be long.
    fn words(&self) -> String {
        self.arguments.join(" ").chars().take(60).collect()
    }
}

/// What a command line tells.
fn role(arguments: &[String]) -> Option<Role> {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (program, rest) = arguments.split_first()?;
    let name = name(program);
    if name == "bwrap" {
        return arguments.ends_with(&["--", GUEST, "guest"]).then_some(Role::Bubblewrap);
    }
    // Other executables of this project, such as tests and benchmarks, are guests and sweepers too.
    match (rest, *program == GUEST || name.starts_with(OURS)) {
        (["guest"], true) => Some(Role::Guest),
        (["userns"], true) => Some(Role::NamespaceMaker),
        (["sweep"], true) => Some(Role::Sweeper { follows: None }),
        (["sweep", number], true) => Some(Role::Sweeper { follows: number.parse().ok() }),
        _ => None,
    }
}

fn name(program: &str) -> &str {
    program.rsplit('/').next().unwrap_or(program)
}

/// The folder of the sandbox without isolation in which a process was started.
fn sandbox_folder(pid: u32) -> Option<PathBuf> {
    let environment = std::fs::read(format!("/proc/{pid}/environ")).ok()?;
    environment.split(|byte| *byte == 0).find_map(|variable| {
        let folder =
            std::str::from_utf8(variable).ok()?.strip_prefix(unisolated::MARKER)?.strip_prefix('=')?;
        let path = PathBuf::from(folder);
        let is_ours = path.file_name()?.to_str()?.starts_with(unisolated::PREFIX);
        is_ours.then_some(path)
    })
}

/// The user of a process. A guest's files in `/proc` are root's, whoever started it.
fn user(pid: u32) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let users = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    users.split_ascii_whitespace().next()?.parse().ok()
}

/// A process's number as it sees itself.
fn innermost_number(pid: u32) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
    numbers.split_ascii_whitespace().last()?.parse().ok()
}

fn numbers() -> impl Iterator<Item = u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_told_by_the_whole_command_line() {
        let of = |line: &str| role(&line.split(' ').map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(
            of("/usr/bin/bwrap --args 9 -- /researchgym/bin/researchgym guest"),
            Some(Role::Bubblewrap)
        );
        assert_eq!(of("bwrap --ro-bind / / bash"), None);
        assert_eq!(of("/researchgym/bin/researchgym guest"), Some(Role::Guest));
        assert_eq!(of("/opt/researchgym sweep 17"), Some(Role::Sweeper { follows: Some(17) }));
        assert_eq!(of("/opt/researchgym sweep"), Some(Role::Sweeper { follows: None }));
        assert_eq!(of("/opt/researchgym run blotto tuner"), None);
        assert_eq!(of("/usr/bin/vim guest"), None);
    }

    #[test]
    fn a_process_sees_its_own_number_and_start() {
        let own = std::process::id();
        // In a process-id namespace that is not this `/proc`'s the numbers differ, and that is what the field is for.
        assert_eq!(innermost_number(own), Some(own));
        assert!(start_of(own).is_some_and(|start| start > 0));
    }
}
