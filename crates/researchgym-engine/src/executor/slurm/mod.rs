//! Jobs of a Slurm cluster.
//!
//! Everything goes through Slurm's own commands, as a user would. One thread of this process (the desk) owns what is known
//! of its jobs: it hands over what comes together as arrays, asks for the queue once for all of them, looks for their
//! results, and cancels what was dropped. A job's `result.json` is the truth; the queue only explains why there is none.
//!
//! Limits: one cluster, the one that `SLURM_CONF` or /etc/slurm names; job folders on a file system that nodes share with
//! this machine; one node a job.

mod cancel;
mod commands;
mod desk;
mod events;
mod facts;
mod follow;
mod gather;
mod queue;
mod rehearsal;
mod script;
mod strays;
mod submit;
mod trace;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use futures_util::future::BoxFuture;
use researchgym_core::executor::SlurmSpec;
use researchgym_core::failure::{Boundary, Failure};
use tokio::sync::{mpsc, oneshot};

use super::{Cluster, ClusterJob, JobEnd};
use commands::Commands;
use desk::{Desk, Message};

pub use facts::{ClusterReport, ClusterWarning, report};
pub use rehearsal::{Rehearsal, rehearse};

/// Is told what goes wrong and mends itself.
pub type Warn = Arc<dyn Fn(&str) + Send + Sync>;

/// How patient the desk is.
#[derive(Clone, Copy, Debug)]
struct Timing {
    /// Between looks at the queue.
    poll: Duration,
    /// The same while a job's state is about to change.
    quick: Duration,
    /// For how long the result of a job that has ended may be late.
    grace: Duration,
    /// For how long a cluster that does not answer is waited for.
    patience: Duration,
    /// For how long the end of jobs that were cancelled is waited for.
    leave_taking: Duration,
}

impl Timing {
    fn of(spec: &SlurmSpec) -> Timing {
        Timing {
            poll: Duration::from_secs(spec.poll_s.unwrap_or(5).max(1)),
            quick: Duration::from_millis(500),
            grace: Duration::from_secs(15),
            patience: Duration::from_mins(30),
            leave_taking: Duration::from_secs(45),
        }
    }
}

/// A Slurm cluster.
pub struct Slurm {
    messages: mpsc::UnboundedSender<Message>,
    next: AtomicU64,
    is_left: Arc<AtomicBool>,
    desk: Option<JoinHandle<()>>,
}

impl Slurm {
    /// Finds the cluster of this machine and asks it whether it would take jobs with these settings.
    ///
    /// # Errors
    /// There is no Slurm here, it does not answer, or it refuses partition, account, quality of service, generic resources or
    /// options.
    pub fn connect(spec: SlurmSpec, program: PathBuf, warn: Warn) -> Result<Arc<Slurm>, Failure> {
        let timing = Timing::of(&spec);
        Slurm::connect_by(Commands::default(), timing, spec, program, warn)
    }

    fn connect_by(
        commands: Commands,
        timing: Timing,
        spec: SlurmSpec,
        program: PathBuf,
        warn: Warn,
    ) -> Result<Arc<Slurm>, Failure> {
        let (messages, inbox) = mpsc::unbounded_channel();
        let (found, finding) = std::sync::mpsc::channel();
        let is_left = Arc::new(AtomicBool::new(false));
        let broken = |error: &dyn std::fmt::Display| {
            Failure::new(Boundary::Executor, format!("no thread can be started for the cluster: {error}"))
        };
        let desk = std::thread::Builder::new()
            .name("slurm".to_owned())
            .spawn({
                let is_left = is_left.clone();
                move || {
                    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                        Ok(runtime) => runtime,
                        Err(error) => {
                            let _ = found.send(Err(Failure::new(Boundary::Executor, error.to_string())));
                            return;
                        }
                    };
                    runtime.block_on(async {
                        match Desk::open(commands, timing, spec, program, warn, is_left).await {
                            Ok(desk) => {
                                let _ = found.send(Ok(()));
                                desk.serve(inbox).await;
                            }
                            Err(failure) => {
                                let _ = found.send(Err(failure));
                            }
                        }
                    });
                    // A command that hangs does not keep us.
                    runtime.shutdown_background();
                }
            })
            .map_err(|error| broken(&error))?;
        finding.recv().map_err(|error| broken(&error))??;
        Ok(Arc::new(Slurm { messages, next: AtomicU64::new(0), is_left, desk: Some(desk) }))
    }

    /// Waits until what was dropped is cancelled and gone, for a minute at most. Dropping the last handle waits for the same.
    pub async fn settle(&self) {
        let (answer, settled) = oneshot::channel();
        let _ = self.messages.send(Message::Settle(answer));
        let _ = settled.await;
    }
}

impl Drop for Slurm {
    fn drop(&mut self) {
        let _ = self.messages.send(Message::Close);
        if let Some(desk) = self.desk.take() {
            // It panicked, if this fails: those who wait were told.
            let _ = desk.join();
        }
    }
}

impl Cluster for Slurm {
    fn carry_out(self: Arc<Self>, job: ClusterJob) -> BoxFuture<'static, Result<JobEnd, Failure>> {
        let key = self.next.fetch_add(1, Ordering::Relaxed);
        let (answer, end) = oneshot::channel();
        Box::pin(async move {
            let _ = self.messages.send(Message::CarryOut { key, job, answer });
            let mut waiting = Awaited { key, of: &self, is_over: false };
            let end = end.await;
            waiting.is_over = true;
            end.unwrap_or_else(|_| {
                Err(Failure::new(Boundary::Executor, "the thread that speaks with Slurm has ended"))
            })
        })
    }

    fn leave(&self) {
        self.is_left.store(true, Ordering::SeqCst);
    }

    fn name(&self) -> &'static str {
        "slurm"
    }
}

/// A job that is waited for; cancelled if it is waited for no more.
struct Awaited<'a> {
    key: u64,
    of: &'a Slurm,
    is_over: bool,
}

impl Drop for Awaited<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            let _ = self.of.messages.send(Message::Drop { key: self.key });
        }
    }
}
