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
        let scratch = home.join("scratch");
        scratch::clear_leftovers(&scratch);
        Workbench::in_job(home, &scratch, sandboxes, materials)
    }

    /// Sets the table in a job on a cluster: `home` may be on a file system that many machines share, so that what is made
    /// for a while is made in `scratch`, a folder of this machine and of this job alone.
    ///
    /// # Errors
    /// As [`Workbench::new`].
    pub fn in_job(
        home: &Path,
        scratch: &Path,
        sandboxes: SandboxHost,
        materials: Materials,
    ) -> Result<Workbench, Failure> {
        let library = grading::library(home).map_err(|error| {
            Failure::new(
                Boundary::Store,
                format!("the support library cannot be written below {}: {error}", home.display()),
            )
            .hinted("set RESEARCHGYM_HOME to a folder that you may write and that has room")
        })?;
        Ok(Workbench {
            sandboxes,
            library,
            scratch: scratch.to_path_buf(),
            materials,
            names: Names::default(),
        })
    }

    /// The cache folder.
    pub(crate) fn home(&self) -> &Path {
        self.sandboxes.home()
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
