//! Where `task check` runs its runs.

use clap::{Args, ValueEnum};

use super::GpuArguments;

/// A runtime that isolates, and its image.
#[derive(Clone, Debug, Args)]
pub(crate) struct CheckPlace {
    /// Where the check's runs take place
    #[arg(long, value_enum, default_value_t = IsolatedRuntime::Local)]
    pub(crate) runtime: IsolatedRuntime,
    /// The containers' image, with `--runtime docker` [default: the task's, else `docker.image` of the settings]
    #[arg(long, value_name = "NAME")]
    pub(crate) image: Option<String>,
    #[command(flatten)]
    pub(crate) gpus: GpuArguments,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum IsolatedRuntime {
    /// Isolated by bubblewrap
    #[value(alias = "uv")]
    Local,
    /// Isolated by a container engine of this machine
    Docker,
}
