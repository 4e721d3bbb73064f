//! The processes that a cycle started: what each is for, and signals to them. Never to any other.

use rustix::process::{Pid, PidfdFlags, Signal};

use crate::process;

/// What a process is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Parent,
    Sweeper,
    Bubblewrap,
    Guest,
    Grader,
    Player,
}

/// Living processes of one role among what descends from `ancestor`, itself included.
pub(super) fn find(ancestor: u32, role: Role) -> Vec<u32> {
    let family = process::family(ancestor);
    let mut found: Vec<u32> = family
        .iter()
        .map(|process| process.pid)
        .filter(|&pid| role_of(&command_line(pid)) == Some(role))
        .collect();
    found.sort_unstable();
    found
}

fn role_of(arguments: &[String]) -> Option<Role> {
    let program = arguments.first()?.rsplit('/').next()?;
    let has = |word: &str| arguments.iter().any(|argument| argument.ends_with(word));
    match (program, arguments.get(1).map(String::as_str)) {
        ("researchgym", Some("run")) => Some(Role::Parent),
        ("researchgym", Some("sweep")) => Some(Role::Sweeper),
        ("researchgym", Some("guest")) => Some(Role::Guest),
        ("bwrap", _) => Some(Role::Bubblewrap),
        (name, _) if name.starts_with("python") && has("grader.py") => Some(Role::Grader),
        (name, _) if name.starts_with("python") && (has("researchgym_games.py") || has("player.py")) => {
            Some(Role::Player)
        }
        _ => None,
    }
}

pub(super) fn command_line(pid: u32) -> Vec<String> {
    let text = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    text.trim_end_matches('\0').split('\0').map(str::to_owned).collect()
}

/// Sends a signal to a process that descends from `ancestor`; whether it was still there.
pub(super) fn signal(ancestor: u32, pid: u32, signal: Signal) -> bool {
    send(pid, signal, || process::family(ancestor).iter().any(|process| process.pid == pid))
}

/// Sends a signal to a process of a container that has something of this mark mounted; whether it was still there.
pub(super) fn signal_inside(mark: &str, pid: u32, signal: Signal) -> bool {
    send(pid, signal, || {
        let mounts = std::fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap_or_default();
        mounts.contains(mark)
    })
}

/// Its number cannot have become another's: it is looked up again once it is held.
fn send(pid: u32, signal: Signal, is_ours: impl Fn() -> bool) -> bool {
    let Some(number) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return false };
    let Ok(held) = rustix::process::pidfd_open(number, PidfdFlags::empty()) else { return false };
    is_ours() && rustix::process::pidfd_send_signal(&held, signal).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_told_by_command_lines() {
        let of = |line: &str| role_of(&line.split(' ').map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(of("/x/researchgym run blotto scripted"), Some(Role::Parent));
        assert_eq!(of("/researchgym/bin/researchgym guest"), Some(Role::Guest));
        assert_eq!(
            of("/researchgym/bin/researchgym guest --connect /researchgym/control.sock"),
            Some(Role::Guest)
        );
        assert_eq!(of("/usr/bin/python3 grader.py"), Some(Role::Grader));
        assert_eq!(
            of("/usr/bin/python3 -I /researchgym/lib/researchgym_games.py strategy.py"),
            Some(Role::Player)
        );
        assert_eq!(
            of("/usr/bin/bwrap --args 5 -- /researchgym/bin/researchgym guest"),
            Some(Role::Bubblewrap)
        );
        assert_eq!(of("bash"), None);
    }
}
