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
    #[arg(long, value_enum, required_unless_present_any = ["bundle", "best"])]
    pub(crate) format: Option<ExportFormat>,
    /// Where to: a file for conversations and bundles, else a folder
    #[arg(short = 'o', long = "to", value_name = "PATH", required_unless_present = "best")]
    pub(crate) to: Option<PathBuf>,
    /// One whole run as one file (.tar.zst) that `verify` and `unpack` take on any machine
    ///
    /// It holds the run's log, and with it the grading secret, all that was said and done, and what was graded.
    #[arg(
        long,
        value_name = "RUN",
        conflicts_with_all = ["runs", "format", "task", "agent", "model", "tag", "since", "until", "improved", "unflagged", "min_score"]
    )]
    pub(crate) bundle: Option<String>,
    /// The best candidate of one search, or the best attempt of another run, as files in a new folder
    ///
    /// In it: `files/` with the whole workspace of a candidate (of an attempt: what was graded), `best.json` with where it comes
    /// from and what it is worth, and of a candidate `best.diff` against the baseline.
    #[arg(
        long,
        value_name = "DIR",
        requires = "runs",
        conflicts_with_all = [
            "bundle", "format", "to", "force", "task", "agent", "model", "tag", "since", "until", "improved", "unflagged", "min_score"
        ]
    )]
    pub(crate) best: Option<PathBuf>,
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
    /// Six tables in a folder: runs, steps, scores, calls, nodes of searches, and metrics of their trials
    Parquet,
    /// The same as Arrow IPC files
    Arrow,
    /// The same as comma-separated values
    Csv,
    /// Logs of Inspect (.eval) in a folder: one for all runs of a task, an agent and a model
    Inspect,
    /// Harbor's trajectories (ATIF) in a folder, a file a run
    Atif,
    /// What became of each idea of searches, and of each epoch, in a folder: JSON and Parquet
    Trajectories,
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
