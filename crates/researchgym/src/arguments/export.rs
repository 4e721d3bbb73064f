//! `export` and `unpack`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{Filters, Places};

#[derive(Debug, Args)]
pub(crate) struct ExportArguments {
    /// Runs: ids, unique beginnings of them, or folders [default: all in the runs folder]
    #[arg(value_name = "RUN")]
    pub(crate) runs: Vec<String>,
    #[command(flatten)]
    pub(crate) filters: Filters,
    /// The form of what is written
    #[arg(long, value_enum, required_unless_present = "bundle")]
    pub(crate) format: Option<ExportFormat>,
    /// Where to: a file for conversations and bundles, else a folder
    #[arg(short = 'o', long = "to", value_name = "PATH")]
    pub(crate) to: PathBuf,
    /// One whole run as one file (.tar.zst) that `verify` and `unpack` take on any machine
    ///
    /// It holds the run's log, and with it the grading secret, all that was said and done, and what was graded.
    #[arg(
        long,
        value_name = "RUN",
        conflicts_with_all = ["runs", "format", "task", "agent", "model", "tag", "since", "until", "improved", "unflagged", "min_score"]
    )]
    pub(crate) bundle: Option<String>,
    /// Only runs whose final submission beats the baseline by more than the task's noise floor
    #[arg(long)]
    pub(crate) improved: bool,
    /// Without runs whose score must not be used: critical findings, or an inspection that says SUSPICIOUS
    #[arg(long)]
    pub(crate) unflagged: bool,
    /// Only runs whose final submission is at least as good as this, in the direction of the task's metric
    #[arg(long, value_name = "SCORE", allow_negative_numbers = true, value_parser = finite)]
    pub(crate) min_score: Option<f64>,
    /// Replace what is there
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) places: Places,
}

/// The forms of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// Four tables in a folder: runs, steps, scores and calls
    Parquet,
    /// The same as Arrow IPC files
    Arrow,
    /// The same as comma-separated values
    Csv,
    /// Logs of Inspect (.eval) in a folder: one for all runs of a task, an agent and a model
    Inspect,
    /// Harbor's trajectories (ATIF) in a folder, a file a run
    Atif,
    /// Conversations for supervised fine-tuning: a file of JSON lines, a run a line
    Sft,
}

#[derive(Debug, Args)]
pub(crate) struct UnpackArguments {
    /// The bundle that `export --bundle` wrote
    #[arg(value_name = "FILE")]
    pub(crate) bundle: PathBuf,
    #[command(flatten)]
    pub(crate) places: Places,
}

fn finite(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
    number.ok_or_else(|| "write a number".to_owned())
}
