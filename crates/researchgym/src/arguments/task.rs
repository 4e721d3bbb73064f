//! `task`.

use std::path::PathBuf;

use clap::Subcommand;

use super::{CheckPlace, Places};

#[derive(Debug, Subcommand)]
pub(crate) enum TaskCommand {
    /// List the tasks that can be run
    List(Places),
    /// Show one task: what is measured, what is to be beaten, its variants
    Show {
        /// A task's name or folder
        task: String,
        #[command(flatten)]
        places: Places,
    },
    /// Prove that a task is sound: baseline, oracle, cheats, empty submission, hidden files
    Check {
        /// Names or folders
        #[arg(required_unless_present = "all")]
        tasks: Vec<String>,
        /// Check every task that `task list` shows
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        place: CheckPlace,
        /// Your own copies of the tasks' datasets
        #[arg(long, value_name = "DIR")]
        data_dir: Option<PathBuf>,
        #[command(flatten)]
        places: Places,
    },
    /// Make a folder with a small task that works and passes `task check`
    New {
        /// The new task's name: lower-case letters, digits and hyphens
        name: String,
        /// Where its folder is made [default: --tasks-dir, or ./tasks]
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
        #[command(flatten)]
        places: Places,
    },
    /// Fetch a task's datasets and make its Python environment, so that runs fetch nothing
    Fetch {
        /// A task's name or folder
        task: String,
        /// Your own copies of the task's datasets
        #[arg(long, value_name = "DIR")]
        data_dir: Option<PathBuf>,
        #[command(flatten)]
        places: Places,
    },
}
