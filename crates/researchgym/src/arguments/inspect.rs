//! `inspect`.

use clap::Args;

use super::{ModelArguments, Places};

#[derive(Debug, Args)]
pub(crate) struct InspectArguments {
    /// Runs: ids, unique beginnings of them, or folders; or MLGym's `.traj` files and folders with such
    #[arg(required = true, value_name = "RUN")]
    pub(crate) runs: Vec<String>,
    /// A model that judges what the rules found, as provider/model [default: none]
    #[arg(long, value_name = "MODEL", requires = "budget")]
    pub(crate) model: Option<String>,
    /// US dollars for all calls of the model in this command, or `unlimited`
    #[arg(long, value_name = "USD", requires = "model", allow_negative_numbers = true)]
    pub(crate) budget: Option<String>,
    /// Inspect anew where a stored report on the present log would be printed
    #[arg(long)]
    pub(crate) force: bool,
    /// Say what would be inspected, and write and ask nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) models: ModelArguments,
    #[command(flatten)]
    pub(crate) places: Places,
}
