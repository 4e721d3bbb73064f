//! Starting something of the agent's: the shell or a program.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::process::{Command, Stdio};

use researchgym_core::wire::Setup;
use rustix::pipe::PipeFlags;

use crate::sys::{self, AgentChild};

/// A started process and the pipes it writes to.
pub(crate) struct Launched {
    pub pid: i32,
    pub stdout: OwnedFd,
    pub stderr: OwnedFd,
}

/// What to start.
pub(crate) struct Launch<'a> {
    pub program: &'a str,
    pub arguments: &'a [String],
    /// Beyond the environment of the set-up.
    pub variables: &'a [(&'a str, &'a str)],
    /// Where it starts if it can; else in the working folder.
    pub folder: &'a str,
    pub stdin: Stdio,
    /// Where they are, where they shall be.
    pub descriptors: Vec<(RawFd, RawFd)>,
}

impl Launch<'_> {
    /// Starts it with the agent's rights and nothing more.
    pub(crate) fn start(self, setup: &Setup) -> io::Result<Launched> {
        let (stdout, stdout_end) = pipe()?;
        let (stderr, stderr_end) = pipe()?;
        let mut command = Command::new(self.program);
        command
            .args(self.arguments)
            .env_clear()
            .envs(setup.environment.iter().map(|(name, value)| (name, value)))
            .envs(self.variables.iter().copied())
            .stdin(self.stdin)
            .stdout(stdout_end)
            .stderr(stderr_end);
        let folders = [self.folder, &setup.working_folder].map(CString::new);
        let [Ok(folder), Ok(working_folder)] = folders else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a folder with a NUL in its name"));
        };
        let child = AgentChild {
            user: setup.user,
            limits: setup.limits,
            descriptors: self.descriptors,
            oom_score: "500",
            folders: [folder, working_folder],
        };
        sys::prepare_agent_child(&mut command, child);
        let started = command.spawn()?;
        for stream in [&stdout, &stderr] {
            rustix::io::ioctl_fionbio(stream, true)?;
            // Refused beyond a per-user total; the pipe is then smaller, which is no harm.
            let _ = rustix::pipe::fcntl_setpipe_size(stream, 256 << 10);
        }
        Ok(Launched { pid: started.id() as i32, stdout, stderr })
    }
}

/// A pipe that no child inherits by itself: reading end, writing end.
pub(crate) fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?)
}

/// The number of a descriptor, for a child to find it.
pub(crate) fn number(descriptor: &OwnedFd) -> RawFd {
    descriptor.as_raw_fd()
}
