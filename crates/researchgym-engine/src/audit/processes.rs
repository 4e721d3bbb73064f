//! Processes: bubblewraps, guests, sweepers and makers of user namespaces, known by arguments, and what runs in sandboxes
//! without isolation, known by a variable in its environment that names a folder of ours.
//!
//! Arguments are anybody's. One that nobody follows counts as ours only if it runs this very program, a copy of it in a
//! folder of ours, or one like it that was deleted meanwhile, as by an update; a bubblewrap, if such a guest is below it.
//!
//! What runs inside an isolated sandbox is not listed: the kernel ends it with its guest.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::locks::Locks;
use super::{Holder, Kind, Places, Remains, Scope, Way, is_ours};
use crate::sandbox::sweeper::HOME;
use crate::sandbox::{GUEST, unisolated};
use crate::scratch::home_of;

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

pub(super) fn look(places: &Places, locks: &Locks) -> Vec<Remains> {
    let own = std::process::id();
    let processes: HashMap<u32, Process> =
        numbers().filter(|&pid| pid != own).filter_map(|pid| Some((pid, Process::read(pid)?))).collect();
    let mut found: Vec<(u32, Remains)> = Vec::new();
    for process in processes.values() {
        let holder = match process.role {
            Some(_) => owner(process, &processes),
            None => match sandbox_folder(process.pid) {
                // Where only what belongs to it counts, the folder's mark says so.
                Some((folder, home)) if places.counts(&home) => locks.holder(&folder),
                Some(_) | None => continue,
            },
        };
        let is_identified = process.role.is_none() || is_our_program(process, &processes);
        if !user(process.pid).is_some_and(is_ours)
            || !(is_identified || matches!(holder, Holder::Live { .. }))
            || !(process.role.is_none() || counts(process, places))
        {
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

/// Whether a helper is of the processes that count: sweepers have their home in their environment.
fn counts(helper: &Process, places: &Places) -> bool {
    match (places.scope, helper.role) {
        (Scope::Machine, _) => true,
        (Scope::Home, Some(Role::Sweeper { .. })) => {
            variable(helper.pid, HOME).is_some_and(|home| home == places.home)
        }
        (Scope::Home, _) => false,
    }
}

/// Whether a helper runs what we have started it with.
fn is_our_program(helper: &Process, processes: &HashMap<u32, Process>) -> bool {
    let is_guest = |process: &&Process| process.parent == helper.pid && process.role == Some(Role::Guest);
    match (helper.role, program(helper.pid)) {
        (Some(Role::Bubblewrap), _) => {
            // An ordinary user may not see what a guest runs; one that shows nothing of itself is like ours.
            let runs = |guest: &Process| matches!(program(guest.pid), Program::Ours | Program::Hidden);
            processes.values().filter(is_guest).any(runs)
        }
        (_, Program::Ours) => true,
        (Some(Role::Guest), Program::Hidden) => {
            processes.get(&helper.parent).is_some_and(|parent| parent.role == Some(Role::Bubblewrap))
        }
        (_, Program::Hidden | Program::Other) => false,
    }
}

/// What a process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Program {
    /// This program, a copy of it in a folder of ours, or one like it that is gone.
    Ours,
    Other,
    /// It cannot be seen.
    Hidden,
}

fn program(pid: u32) -> Program {
    let link = PathBuf::from(format!("/proc/{pid}/exe"));
    let Ok(path) = std::fs::read_link(&link) else { return Program::Hidden };
    let file = |path: &Path| std::fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()));
    let is_this = file(&link).is_some_and(|seen| file(Path::new("/proc/self/exe")) == Some(seen));
    let is_copy =
        || path.ancestors().nth(2).is_some_and(|folder| is_sandbox(folder) && home_of(folder).is_some());
    let is_gone = || {
        let named = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        named.starts_with(OURS) && named.ends_with(" (deleted)")
    };
    if is_this || is_copy() || is_gone() { Program::Ours } else { Program::Other }
}

fn is_sandbox(folder: &Path) -> bool {
    folder.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(unisolated::PREFIX))
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

/// The folder of the sandbox without isolation in which a process was started, and the home of who made it. A folder that
/// is gone says nothing: whoever removes it ends first what works in it.
fn sandbox_folder(pid: u32) -> Option<(PathBuf, PathBuf)> {
    let folder = variable(pid, unisolated::MARKER)?;
    let home = is_sandbox(&folder).then(|| home_of(&folder))??;
    Some((folder, home))
}

/// A path in the environment of a process, as it was when that started.
fn variable(pid: u32, name: &str) -> Option<PathBuf> {
    let environment = std::fs::read(format!("/proc/{pid}/environ")).ok()?;
    let value = |variable: &[u8]| {
        let value = variable.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
        Some(PathBuf::from(OsStr::from_bytes(value)))
    };
    environment.split(|byte| *byte == 0).find_map(value)
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
