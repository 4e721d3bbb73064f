//! The processes of a fake cluster: each a job's program in a process group of its own, which outlives whoever started it
//! and is known again by its number and its start time.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use serde::{Deserialize, Serialize};
use tokio::process::Command;

use crate::sandbox::cgroup::started;
use crate::sys::when_readable;

/// In a job's folder: the process that works on it.
const RECORD: &str = "fake.json";
/// In a job's folder: what its program prints.
const LOG: &str = "job.log";
/// How long a process that was told to end may take.
const GRACE: Duration = Duration::from_secs(10);

/// A process that works on a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Process {
    pid: u32,
    /// In clock ticks since boot: a number is given again, a start is not.
    start: u64,
    /// The job's number in the cluster.
    pub(super) id: u64,
    /// How often it was put back into the queue before.
    pub(super) incarnation: u32,
}

impl Process {
    /// Starts a job's program.
    pub(super) fn start(program: &Path, folder: &Path, id: u64, incarnation: u32) -> io::Result<Process> {
        let log = OpenOptions::new().create(true).append(true).mode(0o600).open(folder.join(LOG))?;
        let mut command = Command::new(program);
        command.arg("job").arg(folder).current_dir("/").process_group(0);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        command.env("SLURM_JOB_ID", id.to_string()).env("SLURM_RESTART_COUNT", incarnation.to_string());
        command.env_remove("SLURM_ARRAY_JOB_ID").env_remove("SLURM_ARRAY_TASK_ID");
        // The runtime reaps a child whose handle is gone.
        let child = command.spawn()?;
        let pid = child.id().ok_or_else(|| io::Error::other("the job's process has no number"))?;
        Ok(Process { pid, start: started(pid).unwrap_or_default(), id, incarnation })
    }

    /// The process that was put on record in a job's folder, alive or not.
    pub(super) fn recorded(folder: &Path) -> Option<Process> {
        serde_json::from_slice(&std::fs::read(folder.join(RECORD)).ok()?).ok()
    }

    /// Puts it on record, in place of an earlier incarnation.
    pub(super) fn record(&self, folder: &Path) -> io::Result<()> {
        let draft = folder.join(".fake.json");
        let mut file = File::create(&draft)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        std::fs::rename(&draft, folder.join(RECORD))
    }

    pub(super) fn is_alive(&self) -> bool {
        started(self.pid) == Some(self.start)
    }

    /// Waits for its end.
    pub(super) async fn ended(&self) -> io::Result<()> {
        let Some(pid) = self.number() else { return Ok(()) };
        let process = match pidfd_open(pid, PidfdFlags::NONBLOCK) {
            Ok(process) => when_readable(process)?,
            Err(rustix::io::Errno::SRCH) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        // Asked for only now, so that it is this very process.
        if self.is_alive() {
            drop(process.readable().await?);
        }
        Ok(())
    }

    /// Kills it at once, with all of its group; what it keeps elsewhere its sweeper removes.
    pub(super) fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// Tells it to end, and kills it if it does not.
    pub(super) fn end(&self) {
        self.signal(Signal::TERM);
        let end = KilledAtLast(*self);
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            // However this ends, with the runtime too, the process is gone afterwards.
            let _ = tokio::time::timeout(GRACE, end.0.ended()).await;
        });
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.number().filter(|_| self.is_alive()) {
            // It may have ended meanwhile.
            let _ = kill_process_group(group, signal);
        }
    }

    fn number(&self) -> Option<Pid> {
        Pid::from_raw(i32::try_from(self.pid).ok()?)
    }
}

struct KilledAtLast(Process);

impl Drop for KilledAtLast {
    fn drop(&mut self) {
        self.0.kill();
    }
}
