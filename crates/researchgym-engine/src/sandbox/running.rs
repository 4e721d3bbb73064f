//! One running sandbox.

use std::os::fd::OwnedFd;
use std::time::Duration;

use researchgym_core::isolation::Isolation;

use super::{
    Capture, ExecOutcome, FileRefusal, SandboxError, SandboxHost, SandboxSpec, SessionRequest, Usage,
};

/// One tree of processes behind one guest. Dropping it kills everything in it.
pub struct Sandbox {
    name: String,
    isolation: Isolation,
}

impl Sandbox {
    fn died(&self) -> SandboxError {
        SandboxError::Died { name: self.name.clone(), reason: String::new() }
    }

    /// Starts one and waits until its guest answers. `inherited` become descriptors 3, 4, .. of the first process
    /// started with [`Sandbox::spawn`]; nothing else holds them then.
    pub async fn start(
        _host: &SandboxHost,
        spec: SandboxSpec,
        _inherited: Vec<OwnedFd>,
    ) -> Result<Sandbox, SandboxError> {
        Err(SandboxError::Start { name: spec.name, reason: "not here yet".into() })
    }

    /// What is kept apart and what is not.
    pub fn isolation(&self) -> &Isolation {
        &self.isolation
    }

    /// Runs one command in the persistent bash. One at a time: a second waits for the first.
    pub async fn exec(
        &self,
        _command: &str,
        _timeout: Duration,
        _capture: &mut Capture,
    ) -> Result<ExecOutcome, SandboxError> {
        Err(self.died())
    }

    /// Runs one program (no shell) in the working folder until it ends. One at a time, beside [`Sandbox::exec`].
    pub async fn spawn(
        &self,
        _argv: &[String],
        _timeout: Duration,
        _capture: &mut Capture,
    ) -> Result<ExecOutcome, SandboxError> {
        Err(self.died())
    }

    /// Writes a file beneath the working folder with the agent's rights, making its parents.
    pub async fn write_file(
        &self,
        _path: &str,
        _content: &[u8],
        _mode: u32,
    ) -> Result<Result<u64, FileRefusal>, SandboxError> {
        Err(self.died())
    }

    /// Reads a regular file beneath the working folder with the agent's rights into `capture.stdout`.
    pub async fn read_file(
        &self,
        _path: &str,
        _capture: &mut Capture,
    ) -> Result<Result<(), FileRefusal>, SandboxError> {
        Err(self.died())
    }

    /// Stops every process but the guest; time-outs stand still.
    pub async fn freeze(&self) -> Result<(), SandboxError> {
        Err(self.died())
    }

    /// Lets them go on.
    pub async fn thaw(&self) -> Result<(), SandboxError> {
        Err(self.died())
    }

    /// CPU time of all processes so far, ended ones included.
    pub async fn cpu_time(&self) -> Result<Duration, SandboxError> {
        Err(self.died())
    }

    /// The next line from a program inside; `None` once the sandbox is gone.
    pub async fn next_request(&self) -> Option<SessionRequest> {
        None
    }

    /// Answers a line (a newline is added). Not an error if the program has gone.
    pub async fn answer(&self, _id: u64, _line: &str) -> Result<(), SandboxError> {
        Err(self.died())
    }

    /// Kills everything, waits until it is gone and removes what was made for it.
    pub async fn stop(self) -> Usage {
        Usage::default()
    }
}
