//! What can be typed after `doctor`.

use clap::{ArgGroup, Args};

use super::Places;

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("remains").args(["audit", "clean"]).multiple(true)))]
pub(crate) struct DoctorArguments {
    /// List what runs have left on this machine, and whose it is; exit code 1 if something belongs to nobody
    #[arg(long)]
    pub(crate) audit: bool,
    /// Remove what belongs to nobody; nothing that a live run holds, no run and no result
    #[arg(long)]
    pub(crate) clean: bool,
    /// With --audit or --clean: only what runs with this home folder and in this folder of runs have left, not the whole
    /// machine's
    ///
    /// Helpers of isolated sandboxes do not say whose they are and are left out; the kernel ends them with their run.
    #[arg(long, requires = "remains")]
    pub(crate) this_home: bool,
    #[command(flatten)]
    pub(crate) places: Places,
}
