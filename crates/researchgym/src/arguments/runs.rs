//! Commands on runs that exist: `list`, `show`, `replay`, `grade`, `verify`, `pause`, `unpause`, `limit`, `note`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{Filters, Places};

#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    #[command(flatten)]
    pub(crate) filters: Filters,
    #[command(flatten)]
    pub(crate) places: Places,
}

#[derive(Debug, Args)]
pub(crate) struct OneRun {
    /// The run's id, a unique beginning of it, or its folder
    pub(crate) run: String,
    #[command(flatten)]
    pub(crate) places: Places,
}

#[derive(Debug, Args)]
pub(crate) struct LimitArguments {
    #[command(flatten)]
    pub(crate) run: OneRun,
    /// Working time in hours: a total, +H, -H or `unlimited`
    #[arg(long, value_name = "H", allow_hyphen_values = true)]
    pub(crate) hours: Option<String>,
    /// US dollars for model calls: a total, +USD, -USD or `unlimited`
    #[arg(long, value_name = "USD", allow_hyphen_values = true)]
    pub(crate) budget: Option<String>,
    /// Steps: a total, +N, -N or `unlimited`
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub(crate) steps: Option<String>,
    /// Tokens of model calls: a total, +N, -N or `unlimited`
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub(crate) tokens: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct NoteArguments {
    #[command(flatten)]
    pub(crate) run: OneRun,
    /// What the agent is told
    pub(crate) text: String,
}

#[derive(Debug, Args)]
pub(crate) struct ShowArguments {
    #[command(flatten)]
    pub(crate) run: OneRun,
    /// One candidate of a search by its number: where it comes from, its idea, its measurements
    #[arg(long, value_name = "N")]
    pub(crate) node: Option<u32>,
    /// With --node: what the candidate changes in what it was made from, or in the baseline, as a diff of git
    #[arg(long, value_enum, value_name = "AGAINST", requires = "node", num_args = 0..=1, default_missing_value = "parent")]
    pub(crate) diff: Option<Against>,
    /// With --node: the candidate's files, as far as a search may change them
    #[arg(long, requires = "node", conflicts_with = "diff")]
    pub(crate) files: bool,
}

/// What a candidate is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Against {
    /// The candidate that it derives from, with what that has learned
    Parent,
    /// The starter as it is
    Baseline,
}

#[derive(Debug, Args)]
pub(crate) struct GradeArguments {
    #[command(flatten)]
    pub(crate) run: OneRun,
    /// Your own copies of the task's datasets
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct VerifyArguments {
    /// The run's id, a unique beginning of it, its folder, or a bundle of it
    pub(crate) run: String,
    #[command(flatten)]
    pub(crate) places: Places,
}
