//! The persistent shell: an interactive bash fed by a pipe.
//!
//! A command's text goes to a descriptor of its own, from which one short line on bash's standard input reads and
//! evaluates it; a second line reports the status on another descriptor. So text needs no escaping, a syntax error
//! does not end the shell, and the end of a command is seen without a marker in its output. It is interactive because
//! an interrupt then throws bash back to its top level, which stops loops of builtins too.

use std::io;
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::time::{Duration, Instant};

use researchgym_core::wire::{Kind, Setup};
use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::process::Signal;

use super::launch::{self, Launch};
use super::output::{Pipe, without_terminal_complaints};
use super::tree::send;

/// Its descriptors beyond the standard ones. In the guest nothing else has these numbers: see [`reserve_numbers`].
const STATUS: i32 = 251;
const TEXT: i32 = 252;
/// A status record is two numbers and a path; whoever writes more does not mean to report a status.
const MAX_RECORD: usize = 16 << 10;
const START_TIME: Duration = Duration::from_secs(10);
const RESYNCHRONISE_TIME: Duration = Duration::from_millis(1000);

/// Read first by every new shell. The evaluated text sees the status of the command before it in `$?`.
const PRELUDE: &str = concat!(
    "set +o history +o histexpand +o monitor;unset MAILCHECK;__rg_last=0\n",
    r#"__rg_s() { __rg_last=$2;builtin printf '%s %s %s\0' "$1" "$2" "${PWD-}" >&251;PS1= PS2= PROMPT_COMMAND=; }"#,
    "\n__rg_e() { return \"$1\"; }\n",
    r#"readonly __rg_r='LC_ALL=C builtin read -r -u 252 -N "$__rg_n" __rg_t;"#,
    r#"case $- in *e*);;*)__rg_e "${__rg_last-0}";;esac;eval "$__rg_t" </dev/null'"#,
    "\nreadonly -f __rg_s __rg_e\n__rg_s 0 0\n",
);

pub(crate) struct Shell {
    pub pid: i32,
    pub stdout: Pipe,
    pub stderr: Pipe,
    pub status: OwnedFd,
    pub text: OwnedFd,
    commands: OwnedFd,
    unsent: Vec<u8>,
    record: Vec<u8>,
    sequence: u64,
    /// Where the last command left it.
    pub folder: String,
}

/// Occupies the numbers of a shell's descriptors in the guest. A pipe that had one of them by chance would be closed
/// between fork and exec, when the other one is put there. Call it while few descriptors are open.
pub(crate) fn reserve_numbers() -> io::Result<[OwnedFd; 2]> {
    let (end, _) = launch::pipe()?;
    let status = rustix::io::fcntl_dupfd_cloexec(&end, STATUS)?;
    let text = rustix::io::fcntl_dupfd_cloexec(&end, TEXT)?;
    if [launch::number(&status), launch::number(&text)] == [STATUS, TEXT] {
        Ok([status, text])
    } else {
        Err(io::Error::other("too many are open"))
    }
}

/// What the status descriptor said.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// Nothing of interest yet.
    Pending,
    /// The current command ended.
    Ended(i32),
    /// Nobody can report a status any more.
    Lost,
}

impl Shell {
    /// Starts a shell and waits until it answers.
    pub(crate) fn start(setup: &Setup, folder: &str) -> io::Result<Shell> {
        let (commands_end, commands) = launch::pipe()?;
        let (text_end, text) = launch::pipe()?;
        let (status, status_end) = launch::pipe()?;
        let arguments = ["--norc", "--noprofile", "--noediting", "-i"].map(str::to_owned);
        let launched = Launch {
            program: "bash",
            arguments: &arguments,
            variables: &[("PS1", ""), ("PS2", ""), ("VIRTUAL_ENV_DISABLE_PROMPT", "1")],
            folder,
            stdin: Stdio::from(commands_end),
            descriptors: vec![(launch::number(&status_end), STATUS), (launch::number(&text_end), TEXT)],
        }
        .start(setup)?;
        for stream in [&commands, &text, &status] {
            rustix::io::ioctl_fionbio(stream, true)?;
        }
        drop((status_end, text_end));
        let mut shell = Shell {
            pid: launched.pid,
            stdout: Pipe::new(launched.stdout),
            stderr: Pipe::new(launched.stderr),
            status,
            text,
            commands,
            unsent: Vec::new(),
            record: Vec::new(),
            sequence: 0,
            folder: folder.to_owned(),
        };
        shell.write_line(PRELUDE)?;
        // What bash says about the missing terminal is of no interest.
        if shell.wait_status(START_TIME, &mut |_, _| {}) {
            Ok(shell)
        } else {
            send(shell.pid, Signal::KILL);
            Err(io::Error::other("bash did not answer"))
        }
    }

    /// Hands a command over. Its text may take a while to be read: see [`Shell::send_text`].
    pub(crate) fn begin(&mut self, text: &str) -> io::Result<()> {
        self.sequence += 1;
        self.unsent = text.as_bytes().to_vec();
        self.write_line(&format!(
            "__rg_n={};eval \"$__rg_r\"\n__rg_s {} \"$?\"\n",
            text.len(),
            self.sequence
        ))?;
        self.send_text()
    }

    /// Whether part of the command's text waits for room in the pipe.
    pub(crate) fn has_unsent_text(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Writes as much of the command's text as there is room for.
    pub(crate) fn send_text(&mut self) -> io::Result<()> {
        while !self.unsent.is_empty() {
            match rustix::io::write(&self.text, &self.unsent) {
                Ok(length) => drop(self.unsent.drain(..length)),
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Reads the status descriptor.
    pub(crate) fn read_status(&mut self) -> Status {
        let mut buffer = [0; 4096];
        loop {
            match rustix::io::read(&self.status, &mut buffer) {
                Ok(0) => return Status::Lost,
                Ok(length) => self.record.extend_from_slice(&buffer[..length]),
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => {}
                Err(_) => return Status::Lost,
            }
            if self.record.len() > MAX_RECORD {
                return Status::Lost;
            }
        }
        let mut status = Status::Pending;
        while let Some(end) = self.record.iter().position(|&byte| byte == 0) {
            let record: Vec<u8> = self.record.drain(..=end).take(end).collect();
            if let Some((sequence, code, folder)) = parse_record(&record)
                && sequence == self.sequence
            {
                status = Status::Ended(code);
                folder.clone_into(&mut self.folder);
            }
        }
        status
    }

    /// Interrupts bash itself, after `cull` has killed what it had started, until it listens again. False if it does
    /// not; it must be replaced then. Repeated whole, because bash may have begun the command only meanwhile.
    pub(crate) fn resynchronise(
        &mut self,
        cull: &mut dyn FnMut(),
        take: &mut dyn FnMut(Kind, &[u8]),
    ) -> bool {
        let started = Instant::now();
        let mut patience = Duration::from_millis(4);
        while started.elapsed() < RESYNCHRONISE_TIME {
            cull();
            send(self.pid, Signal::INT);
            send(self.pid, Signal::CONT);
            self.sequence += 1;
            // An interrupt may eat a part of the line being read: the empty line takes the damage.
            if self.write_line(&format!("\n__rg_s {} 0\n", self.sequence)).is_err() {
                return false;
            }
            if self.wait_status(patience, take) {
                let left = rustix::io::ioctl_fionread(&self.text).unwrap_or(1);
                return left == 0 && self.unsent.is_empty();
            }
            patience = (patience * 2).min(Duration::from_millis(100));
        }
        false
    }

    /// Takes what is in the output pipes right now.
    pub(crate) fn read_output(&self, take: &mut dyn FnMut(Kind, &[u8])) {
        self.stdout.read_present(|bytes| take(Kind::Stdout, bytes));
        self.stderr.read_present(|bytes| take(Kind::Stderr, &without_terminal_complaints(bytes)));
    }

    /// Waits for the current status record, taking output meanwhile so that nobody is stuck in a full pipe.
    fn wait_status(&mut self, time: Duration, take: &mut dyn FnMut(Kind, &[u8])) -> bool {
        let deadline = Instant::now() + time;
        loop {
            match self.read_status() {
                Status::Ended(_) => {
                    // What bash wrote before its status is in the pipes by now; none of it belongs to a later command.
                    self.read_output(take);
                    return true;
                }
                Status::Lost => return false,
                Status::Pending => {}
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(left) = left.try_into() else { return false };
            let mut descriptors = vec![PollFd::new(&self.status, PollFlags::IN)];
            for pipe in [&self.stdout, &self.stderr].into_iter().filter(|pipe| pipe.open) {
                descriptors.push(PollFd::new(&pipe.stream, PollFlags::IN));
            }
            match rustix::event::poll(&mut descriptors, Some(&left)) {
                Ok(0) => return false,
                Ok(_) | Err(Errno::INTR) => {}
                Err(_) => return false,
            }
            self.read_output(take);
        }
    }

    fn write_line(&self, mut line: &str) -> io::Result<()> {
        while !line.is_empty() {
            match rustix::io::write(&self.commands, line.as_bytes()) {
                Ok(length) => line = &line[length..],
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// `sequence status folder`; the folder may contain anything.
fn parse_record(record: &[u8]) -> Option<(u64, i32, &str)> {
    let record = std::str::from_utf8(record).ok()?;
    let mut parts = record.splitn(3, ' ');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_parsed_and_forged_ones_ignored() {
        assert_eq!(parse_record(b"7 0 /workspace/a b\nc"), Some((7, 0, "/workspace/a b\nc")));
        assert_eq!(parse_record(b"x 0 /"), None);
        assert_eq!(parse_record(b"7 0"), None);
        assert_eq!(parse_record(b"7 0 \xff"), None);
    }
}
