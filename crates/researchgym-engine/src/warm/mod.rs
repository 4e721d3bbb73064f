//! Warm evaluations: one sandboxed Python that has imported what programs need and is forked for each of them.
//!
//! A program cannot tell it from a start of its own, and no program can tell what ran before it: what is forked is confined
//! inside (`support/researchgym_warm.py`), everything that it has started is killed and waited for, and what it wrote outside
//! of the working folder is removed. Where that cannot be had with ease, the next program gets a new sandbox. Only isolated
//! runtimes can do it: without a process namespace, "everything" would be the user's other processes.

mod command;
mod environment;
mod error;
mod imports;
mod mounts;
mod server;

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use researchgym_core::failure::Failure;
use researchgym_core::isolation::Runtime;
use tokio::sync::oneshot;

pub use self::command::Script;
pub use self::error::WarmError;
pub use self::imports::Imports;
use self::server::{Ran, Server};
use crate::grading;
use crate::sandbox::{Capture, ExecOutcome, ReadOnlyMount, SandboxHost, SandboxSpec};
use crate::snapshot::clear_folder_but;

/// Where the support library is inside.
const LIBRARY: &str = "/researchgym/lib";

/// Whose programs a warm Python runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Author {
    /// The agent's: a program has ended when nothing of it is left.
    Agent,
    /// The task's own: a program has ended when it says so, with everything written and closed. What is left of it is taken
    /// down while its outcome is used, and is gone before the next one begins.
    Task,
}

/// A Python in a sandbox of its own from which programs are forked, one at a time. Dropping it kills everything.
pub struct WarmPython {
    host: SandboxHost,
    author: Author,
    /// What programs are to see.
    environment: BTreeMap<String, String>,
    /// With an environment that leads to nothing a program can write to.
    spec: SandboxSpec,
    imports: Imports,
    server: Option<Server>,
    /// A program was begun and its end was not seen.
    is_busy: bool,
    starts: u64,
}

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WarmOutcome {
    /// As that of a program that was started in a sandbox.
    pub ended: ExecOutcome,
    /// CPU time of it and all it has started.
    pub cpu: Duration,
    /// The largest resident memory of one of its processes, what it shares with the warm Python included; `None` if the warm
    /// Python was killed too.
    pub peak_memory_bytes: Option<u64>,
    /// Processes that outlived it and were killed.
    pub left_behind: u64,
}

impl WarmPython {
    /// Starts the sandbox and imports the modules. Nothing that is in a writable working folder is imported or executed.
    ///
    /// # Errors
    /// The runtime does not isolate, the sandbox does not start, or a module cannot be imported.
    pub async fn start(
        host: &SandboxHost,
        mut spec: SandboxSpec,
        imports: Imports,
        author: Author,
    ) -> Result<WarmPython, Failure> {
        if spec.runtime == Runtime::Host {
            return Err(WarmError::NotIsolated.into());
        }
        if !spec.read_only.iter().any(|mount| mount.target == LIBRARY) {
            let source = grading::library(host.home()).map_err(WarmError::Library)?;
            spec.read_only.push(ReadOnlyMount { source, target: LIBRARY.into() });
        }
        // One more than programs may have: the Python that they are forked from.
        spec.resources.pids += 1;
        let writable = spec.working_folder.writable_source().map(|_| spec.working_folder.target());
        let trusted = environment::trusted(&spec.environment, writable);
        let environment = std::mem::replace(&mut spec.environment, trusted);
        let mut python = WarmPython {
            host: host.clone(),
            author,
            environment,
            spec,
            imports,
            server: None,
            is_busy: false,
            starts: 0,
        };
        python.ready().await?;
        Ok(python)
    }

    /// The host's folder that programs work in and may write to, if there is one.
    pub fn folder(&self) -> Option<&Path> {
        self.spec.working_folder.writable_source().map(PathBuf::as_path)
    }

    /// How often a sandbox was started for it: once, and again after each program that left no other way.
    pub fn starts(&self) -> u64 {
        self.starts
    }

    /// Runs `python3 [FLAGS] FILE [ARGUMENTS]` until it ends or its time is over, and ends all that it has started. `passed`
    /// become its descriptors 3, 4, ..; nobody else holds them then. What is in the folder is handed to the sandbox's user
    /// first. If the future is dropped, everything is killed.
    ///
    /// # Errors
    /// The command is no such Python program (nothing was run: start it cold), or the sandbox failed.
    pub async fn run(
        &mut self,
        argv: &[String],
        timeout: Duration,
        passed: Vec<OwnedFd>,
        capture: &mut Capture,
    ) -> Result<WarmOutcome, WarmError> {
        self.run_with(argv, BTreeMap::new(), timeout, passed, capture, None).await
    }

    /// The same with more in the program's environment than the sandbox's has. `quiet` is told if nobody can write to its
    /// outputs any more and its end is not known yet: most often it has exited then, and its memory is being taken down.
    ///
    /// # Errors
    /// As [`WarmPython::run`].
    pub async fn run_with(
        &mut self,
        argv: &[String],
        environment: BTreeMap<String, String>,
        timeout: Duration,
        passed: Vec<OwnedFd>,
        capture: &mut Capture,
        quiet: Option<oneshot::Sender<()>>,
    ) -> Result<WarmOutcome, WarmError> {
        let script = Script { environment, ..Script::parse(argv)? };
        let server = self.ready().await?;
        // Whoever has put it there has just written it: this takes less than waking a thread for it.
        server.hand_over_folder()?;
        self.is_busy = true;
        let server = self.server.as_mut().expect("it is ready");
        let ran = server.run(&script, timeout, passed, capture, quiet).await;
        match ran {
            Ok(Ran { outcome, is_clean: true }) => {
                self.is_busy = false;
                Ok(outcome)
            }
            Err(refused @ WarmError::NotWarm { .. }) => {
                self.is_busy = false;
                Err(refused)
            }
            Ok(Ran { outcome, is_clean: false }) => {
                self.end_server().await;
                Ok(outcome)
            }
            Err(error) => {
                self.end_server().await;
                Err(error)
            }
        }
    }

    /// Empties the folder for the next program, whatever the last one has put there, and makes it as accessible as it was.
    ///
    /// # Errors
    /// Something cannot be removed.
    pub async fn clear(&mut self) -> Result<(), WarmError> {
        if self.is_busy {
            self.end_server().await;
        }
        let Some(folder) = self.folder().map(Path::to_path_buf) else { return Ok(()) };
        let kept = mounts::inside(&self.spec);
        let cleared = tokio::task::spawn_blocking(move || {
            mounts::make_accessible(&folder).map_err(WarmError::Folder)?;
            clear_folder_but(&folder, &kept).map_err(WarmError::from)
        });
        cleared.await.unwrap_or_else(|error| Err(WarmError::Folder(std::io::Error::other(error))))
    }

    /// Kills everything, waits until it is gone and removes what was made for it.
    pub async fn stop(mut self) {
        self.end_server().await;
    }

    /// A server that waits for a request.
    async fn ready(&mut self) -> Result<&mut Server, WarmError> {
        let is_usable = match &mut self.server {
            Some(server) => !self.is_busy && server.is_clear().await && server.has_its_mounts(),
            None => false,
        };
        if !is_usable {
            self.end_server().await;
            self.starts += 1;
            let server =
                Server::start(&self.host, &self.spec, &self.environment, &self.imports, self.author).await?;
            self.server = Some(server);
        }
        Ok(self.server.as_mut().expect("it was just put there"))
    }

    async fn end_server(&mut self) {
        self.is_busy = false;
        if let Some(server) = self.server.take() {
            server.stop().await;
        }
    }
}
