//! What this process knows of its machine.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use researchgym_core::isolation::Runtime;

use super::docker::{self, Engine, EngineCell, Orphan};
use super::machine::{self, Bubblewrap, Machine};
use super::slots::Slots;
use super::sweeper::Sweeper;
use super::{MachineReport, SandboxError, probe};

/// Starts sandboxes. One per process; clones share everything.
#[derive(Clone)]
pub struct SandboxHost {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    home: PathBuf,
    executable: PathBuf,
    pub slots: Slots,
    bubblewrap: OnceLock<Result<Bubblewrap, String>>,
    engine: EngineCell,
}

impl SandboxHost {
    /// Prepares; starts nothing. `home` is the folder for locks that processes share (`RESEARCHGYM_HOME`).
    pub fn new(home: &Path) -> Result<SandboxHost, SandboxError> {
        let executable = std::env::current_exe()
            .map_err(|source| SandboxError::System { doing: "looking up this program's own path", source })?;
        Ok(SandboxHost::assemble(home, executable))
    }

    /// The folder for what processes share.
    pub(crate) fn home(&self) -> &Path {
        &self.inner.home
    }

    /// Uses another executable as the guest: one whose `main` calls [`crate::internal::main`] first.
    pub fn with_executable(self, executable: &Path) -> SandboxHost {
        SandboxHost::assemble(&self.inner.home, executable.to_owned())
    }

    fn assemble(home: &Path, executable: PathBuf) -> SandboxHost {
        let (slots, bubblewrap, engine) = (Slots::new(home), OnceLock::new(), EngineCell::new());
        let home = home.to_owned();
        SandboxHost { inner: Arc::new(Inner { home, executable, slots, bubblewrap, engine }) }
    }

    /// Has a folder removed when this process has ended, however it ends, unless another holds it then. Blocks as long as a
    /// process takes to start, the first time.
    pub(crate) fn remove_after_us(&self, folder: &Path) -> Result<(), SandboxError> {
        self.tell_sweeper(folder, Sweeper::add_folder)
    }

    /// Has the control socket and half-written files of a run removed when this process has ended, however it ends, unless
    /// another works on the run then.
    pub(crate) fn tidy_run_after_us(&self, run: &Path) -> Result<(), SandboxError> {
        self.tell_sweeper(run, Sweeper::add_run)
    }

    fn tell_sweeper(
        &self,
        folder: &Path,
        order: fn(&Sweeper, &Path) -> std::io::Result<()>,
    ) -> Result<(), SandboxError> {
        let failed = |source| SandboxError::System { doing: "telling the sweeper", source };
        let machine = Machine::get(self.inner.executable()?, &self.inner.home).map_err(failed)?;
        order(&machine.sweeper, folder).map_err(failed)
    }

    /// Looks at everything a sandbox needs, really trying where that is the only way to know. Blocks for some 50 ms.
    pub fn probe(&self) -> MachineReport {
        probe::probe(&self.inner)
    }

    /// Looks for a container engine and what it can do, and adds it to the report.
    pub async fn probe_engine(&self, report: &mut MachineReport) {
        let engine = Engine::find().await;
        let (findings, isolation) = docker::probe(engine.as_deref());
        report.findings.extend(findings);
        report.runtimes.extend(isolation.map(|isolation| (Runtime::Docker.name(), isolation)));
    }

    /// The containers of processes of ours that are gone.
    ///
    /// # Errors
    /// There is no engine, or it does not answer.
    pub async fn orphans(&self) -> Result<Vec<Orphan>, SandboxError> {
        let engine = Engine::find().await?;
        Ok(docker::orphans(&engine).await?)
    }

    /// Removes them, or those alone that a process with this home made, and says which they were.
    ///
    /// # Errors
    /// There is no engine, or it does not answer.
    pub async fn remove_orphans(&self, of: Option<&Path>) -> Result<Vec<Orphan>, SandboxError> {
        let engine = Engine::find().await?;
        Ok(docker::remove_orphans(&engine, of).await?)
    }
}

impl Inner {
    /// The guest's executable. An error if it is gone, as after a build that replaced it.
    pub(super) fn executable(&self) -> Result<&Path, SandboxError> {
        match std::fs::metadata(&self.executable) {
            Ok(_) => Ok(&self.executable),
            Err(source) => Err(SandboxError::Path {
                doing: "finding this program's own file",
                path: self.executable.clone(),
                source,
            }),
        }
    }

    /// The folder for what processes share.
    pub(super) fn home(&self) -> &Path {
        &self.home
    }

    /// The container engine. The first call finds it and removes what processes of ours have left there.
    pub(super) async fn engine(&self) -> Result<Arc<Engine>, SandboxError> {
        let found = self.engine.get_or_try_init(|| async {
            let engine = Engine::find().await?;
            docker::remove_orphans(&engine, None).await?;
            Ok::<_, SandboxError>(engine)
        });
        found.await.cloned()
    }

    pub(super) fn bubblewrap(&self) -> Result<&Bubblewrap, SandboxError> {
        let found = self.bubblewrap.get_or_init(machine::bubblewrap);
        found.as_ref().map_err(|missing| SandboxError::NoIsolation { missing: missing.clone() })
    }
}
