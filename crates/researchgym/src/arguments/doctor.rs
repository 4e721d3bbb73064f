//! What can be typed after `doctor`.

use clap::Args;

use super::Places;

#[derive(Debug, Args)]
pub(crate) struct DoctorArguments {
    /// List what runs have left on this machine, and whose it is; exit code 1 if something belongs to nobody
    #[arg(long)]
    pub(crate) audit: bool,
    /// Remove what belongs to nobody; nothing that a live run holds, no run and no result
    #[arg(long)]
    pub(crate) clean: bool,
    #[command(flatten)]
    pub(crate) places: Places,
}
