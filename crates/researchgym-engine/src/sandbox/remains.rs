//! The end of a sandbox: waiting for its processes and removing what was made for it.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::unix::AsyncFd;

use super::cgroup::Group;
use super::host::Inner;
use super::launch::Process;
use super::link::{Link, Opened};
use super::slots::Slot;
use super::unisolated::Private;
use super::{Usage, spawner};
use crate::sys;

/// How long a guest may take to end by itself before it is killed.
const END_TIME: Duration = Duration::from_secs(3);
/// What has to be cleared away at the end.
pub(super) struct Remains {
    pub host: Arc<Inner>,
    pub process: Option<Process>,
    /// Readable once the process has ended.
    pub ended: Option<AsyncFd<OwnedFd>>,
    pub complaints: std::fs::File,
    pub group: Option<Group>,
    pub slot: Option<Slot>,
    pub private: Option<Private>,
}

impl Remains {
    /// Takes over a new process: hears when it ends, and what its guest says.
    pub(super) fn adopt(&mut self, control: std::os::unix::net::UnixStream) -> std::io::Result<Opened> {
        if let Some(Process::Child(child)) = &self.process {
            let pid = rustix::process::Pid::from_child(child);
            let ended = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::NONBLOCK)?;
            self.ended = Some(sys::when_readable(ended)?);
        }
        control.set_nonblocking(true)?;
        Ok(Link::open(tokio::net::UnixStream::from_std(control)?))
    }

    fn kill(&mut self) {
        if let Some(group) = &self.group {
            group.kill();
        }
        if let Some(Process::Child(child)) = &mut self.process {
            // It may have ended already.
            let _ = child.kill();
        }
    }

    /// The guest has been told to end, by the end of its input. Waits for it, then for everything else, and removes
    /// what is left.
    pub(super) async fn clear(mut self) -> Usage {
        match self.process.take() {
            Some(Process::Container(container)) => container.end().await,
            child => {
                self.process = child;
                self.end_child().await;
            }
        }
        spawner::run(move || self.remove()).await
    }

    async fn end_child(&mut self) {
        let ended = self.ended.take();
        let end = async {
            match &ended {
                Some(ended) => ended.readable().await.map(drop),
                None => Ok(()),
            }
        };
        if tokio::time::timeout(END_TIME, end).await.is_err() || ended.is_none() {
            self.kill();
        }
    }

    fn remove(mut self) -> Usage {
        // Ended already, or killed: this does not take long.
        if let Some(Process::Child(child)) = &mut self.process {
            let _ = child.wait();
        }
        if let Some(private) = &self.private {
            private.kill_stragglers();
        }
        let usage = match &self.group {
            Some(group) => {
                if !group.is_empty() {
                    group.kill();
                }
                let usage = group.usage();
                group.remove();
                usage
            }
            None => Usage::default(),
        };
        if let Some(slot) = self.slot.take() {
            self.host.slots.give_back(slot);
        }
        usage
    }
}
