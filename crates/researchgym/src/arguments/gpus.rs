//! How many GPUs, or which.

use clap::Args;
use researchgym_core::gpu::GpuRequest;

/// GPUs of the agent's sandbox.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct GpuArguments {
    /// Whole GPUs for the agent, of each run its own: a number, `all`, or a list such as 0,1 or GPU-1a2b3c4d; alone it is 1
    /// [default: the task's]
    #[arg(long, value_name = "N|IDS", num_args = 0..=1, default_missing_value = "1")]
    pub(crate) gpus: Option<GpuRequest>,
}
