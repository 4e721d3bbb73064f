//! What the runs of one process share: sandboxes, the support library, scratch space, and one task's materials.

use std::path::{Path, PathBuf};

use researchgym_core::failure::{Boundary, Failure};

use crate::grading;
use crate::materials::Materials;
use crate::network::Names;
use crate::sandbox::SandboxHost;
use crate::scratch::{self, Scratch};

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
    /// How the names of hosts are resolved that programs in sandboxes ask for.
    pub names: Names,
}

impl Workbench {
    /// Sets the table for runs of one task.
    ///
    /// # Errors
    /// The cache folder `home` cannot be written.
    pub fn new(home: &Path, sandboxes: SandboxHost, materials: Materials) -> Result<Workbench, Failure> {
        let library = grading::library(home).map_err(|error| {
            Failure::new(
                Boundary::Store,
                format!("the support library cannot be written below {}: {error}", home.display()),
            )
            .hinted("set RESEARCHGYM_HOME to a folder that you may write and that has room")
        })?;
        let scratch = home.join("scratch");
        scratch::clear_leftovers(&scratch);
        Ok(Workbench { sandboxes, library, scratch, materials, names: Names::default() })
    }

    /// A folder that is removed when dropped, or soon after this process was killed.
    ///
    /// # Errors
    /// The scratch space cannot be written, or the sweeper does not hear.
    pub fn scratch_folder(&self) -> Result<Scratch, Failure> {
        self.folder(scratch::FOLDER_PREFIX)
    }

    /// The same, with a name of its own kind.
    pub(crate) fn folder(&self, prefix: &str) -> Result<Scratch, Failure> {
        let folder = scratch::named(&self.scratch, prefix, 0o700)
            .map_err(|error| Failure::new(Boundary::Store, format!("{}: {error}", self.scratch.display())))?;
        self.sandboxes.remove_after_us(folder.path())?;
        Ok(folder)
    }
}
