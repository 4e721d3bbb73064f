//! What the runs of one process share: sandboxes, the support library, scratch space, and one task's materials.

use std::path::PathBuf;

use researchgym_core::isolation::Runtime;

use crate::materials::Materials;
use crate::sandbox::SandboxHost;

/// Shared by all runs of one task in this process.
pub struct Workbench {
    /// Where sandboxes come from.
    pub sandboxes: SandboxHost,
    /// The Python support library's folder.
    pub library: PathBuf,
    /// For what lives as long as one grading.
    pub scratch: PathBuf,
    /// The task's environment and data.
    pub materials: Materials,
}

impl Workbench {
    /// Graders are isolated wherever this machine can, also when the user chose to run the agent without isolation.
    pub fn grading_runtime(&self, agent: Runtime) -> Runtime {
        match agent {
            Runtime::Local => Runtime::Local,
            Runtime::Host if self.sandboxes.can_isolate() => Runtime::Local,
            Runtime::Host => Runtime::Host,
        }
    }
}
