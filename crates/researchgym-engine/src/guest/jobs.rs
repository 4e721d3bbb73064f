//! Commands and programs from start to end: at most one of each at a time.

use std::io;
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::time::{Duration, Instant};

use researchgym_core::observation::ExecEnding;
use researchgym_core::wire::{Ended, FromGuest, Kind};
use rustix::process::{Signal, WaitOptions, WaitStatus};

use super::event_loop::Guest;
use super::launch::{self, Launch};
use super::link::Link;
use super::output::{Output, Pipe, without_terminal_complaints};
use super::shell::{Shell, Status};
use super::tree::{Spared, send};

/// A request that runs something.
pub(crate) struct Job {
    pub id: u64,
    pub deadline: Instant,
    pub output: Output,
    /// What ran before it and outlives its time-out.
    before: Spared,
    notes: Vec<String>,
}

/// The program of a `Spawn`.
pub(crate) struct Program {
    pub pid: i32,
    pub stdout: Pipe,
    pub stderr: Pipe,
}

/// Why a job is stopped from outside.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stop<'a> {
    TimeOut,
    Interrupt(&'a str),
}

impl Guest {
    pub(crate) fn exec(&mut self, id: u64, text: &str, timeout_ms: u64, link: &mut Link) {
        let mut job = self.job(id, timeout_ms);
        if self.command.is_some() {
            return end(job, None, ExecEnding::Stopped, false, link);
        }
        if self.shell.is_none() {
            match self.start_shell() {
                Ok(shell) => self.shell = Some(shell),
                Err(error) => {
                    job.notes.push(format!("no shell could be started: {error}"));
                    return end(job, Some(126), ExecEnding::ShellEnded, true, link);
                }
            }
        }
        if self.shell_ended {
            self.shell_ended = false;
            job.notes.push("the shell had ended since the last command: this is a new one".to_owned());
        }
        let root = self.program.as_ref().map(|program| program.pid);
        let Some(shell) = &mut self.shell else { return };
        job.before = Spared { shell: Some(shell.pid), root, ..Spared::default() };
        if !self.tree.is_quiet(shell.pid, root) {
            job.before.processes = self.tree.list().into_iter().map(|entry| entry.id).collect();
        }
        self.background.hand_over(&mut job.output, link);
        // A shell that does not take its command has ended; that is seen and reported when it is waited for.
        if shell.begin(text).is_err() {
            send(shell.pid, Signal::KILL);
        }
        self.command = Some(job);
    }

    fn start_shell(&mut self) -> io::Result<Shell> {
        let folder = self.folder.clone();
        Shell::start(&self.setup, &folder).or_else(|_| {
            // Most likely leftovers have used up the processes that are allowed.
            self.tree.cull(&Spared {
                root: self.program.as_ref().map(|program| program.pid),
                ..Spared::default()
            });
            Shell::start(&self.setup, &folder)
        })
    }

    /// Starts a program. The inherited descriptors are kept open by nobody else from here on.
    pub(crate) fn spawn(
        &mut self,
        id: u64,
        argv: &[String],
        timeout_ms: u64,
        inherited: Vec<OwnedFd>,
        link: &mut Link,
    ) {
        let mut job = self.job(id, timeout_ms);
        let (Some((program, arguments)), None) = (argv.split_first(), &self.program) else {
            return end(job, None, ExecEnding::Stopped, false, link);
        };
        job.before.shell = self.shell.as_ref().map(|shell| shell.pid);
        job.before.root = job.before.shell;
        job.before.processes = self.tree.list().into_iter().map(|entry| entry.id).collect();
        let launch = Launch {
            program,
            arguments,
            variables: &[],
            folder: &self.setup.working_folder,
            stdin: Stdio::null(),
            descriptors: inherited
                .iter()
                .map(|given| (launch::number(given), launch::number(given)))
                .collect(),
        };
        match launch.start(&self.setup) {
            Ok(launched) => {
                let launch::Launched { pid, stdout, stderr } = launched;
                let (stdout, stderr) = (Pipe::new(stdout), Pipe::new(stderr));
                self.program = Some(Program { pid, stdout, stderr });
                self.program_job = Some(job);
            }
            Err(error) => {
                let code = if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 };
                job.output.push(Kind::Stderr, format!("{program}: {error}\n").as_bytes(), link);
                end(job, Some(code), ExecEnding::Exited, false, link);
            }
        }
    }

    fn job(&self, id: u64, timeout_ms: u64) -> Job {
        let deadline = Instant::now() + Duration::from_millis(timeout_ms.min(u64::from(u32::MAX)));
        let output = Output::new(id, self.setup.kept_bytes);
        Job { id, deadline, output, before: Spared::default(), notes: Vec::new() }
    }

    /// Acts on the status descriptor of the shell.
    pub(crate) fn on_status(&mut self, link: &mut Link) {
        let Some(shell) = &mut self.shell else { return };
        match shell.read_status() {
            Status::Pending => {}
            Status::Ended(code) => {
                self.folder.clone_from(&shell.folder);
                if let Some(job) = self.command.take() {
                    self.finish_command(job, Some(code), ExecEnding::Exited, false, link);
                }
            }
            // Nothing can report a status any more, so nothing would end.
            Status::Lost => send(shell.pid, Signal::KILL),
        }
    }

    fn finish_command(
        &mut self,
        mut job: Job,
        code: Option<i32>,
        ending: ExecEnding,
        new_shell: bool,
        link: &mut Link,
    ) {
        if let Some(shell) = &self.shell {
            shell.read_output(&mut |kind, bytes| job.output.push(kind, bytes, link));
        }
        if new_shell {
            self.shell = None;
        }
        end(job, code, ending, new_shell, link);
    }

    /// Waits for whatever child has ended.
    pub(crate) fn reap(&mut self, link: &mut Link) {
        while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
            let pid = pid.as_raw_nonzero().get();
            if self.shell.as_ref().is_some_and(|shell| shell.pid == pid) {
                match self.command.take() {
                    Some(job) => {
                        self.finish_command(job, exit_code(status), ExecEnding::ShellEnded, true, link);
                    }
                    None => {
                        self.shell = None;
                        self.shell_ended = true;
                    }
                }
            } else if self.program.as_ref().is_some_and(|program| program.pid == pid)
                && let (Some(program), Some(mut job)) = (self.program.take(), self.program_job.take())
            {
                drain(&program, &mut job, link);
                end(job, exit_code(status), ExecEnding::Exited, false, link);
            }
        }
    }

    /// Stops the command of the shell and all it has started; the shell survives if it can.
    pub(crate) fn stop_command(&mut self, stop: Stop<'_>, link: &mut Link) {
        let Some(mut job) = self.command.take() else { return };
        let (tree, spared) = (self.tree, spared(&job, stop));
        let (code, ending) = verdict(stop, &mut job);
        let Some(shell) = &mut self.shell else {
            tree.cull(&spared);
            return end(job, code, ending, true, link);
        };
        let mut take = |kind, bytes: &[u8]| job.output.push(kind, bytes, link);
        let alive = shell.resynchronise(&mut || tree.cull(&spared), &mut take);
        if !alive {
            send(shell.pid, Signal::KILL);
        }
        self.finish_command(job, code, ending, !alive, link);
    }

    /// Stops the program and all it has started.
    pub(crate) fn stop_program(&mut self, stop: Stop<'_>, link: &mut Link) {
        let (Some(program), Some(mut job)) = (self.program.take(), self.program_job.take()) else { return };
        self.tree.cull(&spared(&job, stop));
        send(program.pid, Signal::KILL);
        drain(&program, &mut job, link);
        let (code, ending) = verdict(stop, &mut job);
        end(job, code, ending, false, link);
    }

    /// Kills all but the shell itself, whatever runs.
    pub(crate) fn interrupt(&mut self, id: u64, reason: &str, link: &mut Link) {
        if self.command.as_ref().is_some_and(|job| job.id == id) {
            self.stop_command(Stop::Interrupt(reason), link);
        } else if self.program_job.as_ref().is_some_and(|job| job.id == id) {
            self.stop_program(Stop::Interrupt(reason), link);
        } else if self.command.is_none() && self.program.is_none() {
            let shell = self.shell.as_ref().map(|shell| shell.pid);
            self.tree.cull(&Spared { shell, ..Spared::default() });
        }
    }
}

/// A time-out leaves alone what ran before; an interruption leaves alone the other job and nothing else.
fn spared(job: &Job, stop: Stop<'_>) -> Spared {
    match stop {
        Stop::TimeOut => job.before.clone(),
        Stop::Interrupt(_) => {
            Spared { processes: Default::default(), shell: job.before.shell, root: job.before.root }
        }
    }
}

fn verdict(stop: Stop<'_>, job: &mut Job) -> (Option<i32>, ExecEnding) {
    match stop {
        Stop::TimeOut => (None, ExecEnding::TimedOut),
        Stop::Interrupt(reason) => {
            job.notes.push(reason.to_owned());
            (Some(137), ExecEnding::Exited)
        }
    }
}

fn drain(program: &Program, job: &mut Job, link: &mut Link) {
    program.stdout.read_present(|bytes| job.output.push(Kind::Stdout, bytes, link));
    program.stderr.read_present(|bytes| job.output.push(Kind::Stderr, bytes, link));
}

fn end(job: Job, exit_code: Option<i32>, ending: ExecEnding, new_shell: bool, link: &mut Link) {
    let (stdout_dropped, stderr_dropped) = job.output.dropped();
    let (id, notes) = (job.id, job.notes);
    link.send(&FromGuest::Ended(Ended {
        id,
        exit_code,
        ending,
        new_shell,
        notes,
        stdout_dropped,
        stderr_dropped,
    }));
}

/// As bash reports it.
fn exit_code(status: WaitStatus) -> Option<i32> {
    status.exit_status().or_else(|| status.terminating_signal().map(|signal| 128 + signal))
}

/// What the shell wrote, as it is shown.
pub(crate) fn shown(kind: Kind, bytes: &[u8]) -> std::borrow::Cow<'_, [u8]> {
    const COMPLAINT: &[u8] = b"tcsetattr";
    if kind == Kind::Stderr && bytes.windows(COMPLAINT.len()).any(|window| window == COMPLAINT) {
        without_terminal_complaints(bytes).into()
    } else {
        bytes.into()
    }
}
