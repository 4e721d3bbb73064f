//! `report` and `leaderboard`: which runs, compared how.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use researchgym_core::statistics::GroupBy;
use researchgym_report::leaderboard::Sort;

use super::{Filters, Places};

/// Which runs, and how they are compared.
#[derive(Clone, Debug, Args)]
pub(crate) struct Comparison {
    #[command(flatten)]
    pub(crate) filters: Filters,
    /// Whose runs are compared
    #[arg(long, value_enum, default_value_t = Grouping::AgentModel)]
    pub(crate) group_by: Grouping,
    /// Leave out runs with critical findings or a suspicious inspection
    #[arg(long)]
    pub(crate) without_flagged: bool,
    /// Compute costs anew from tokens: a table of prices, or `builtin` for the ones that come with the program
    #[arg(long, value_name = "FILE")]
    pub(crate) prices: Option<PathBuf>,
    /// Resamples of the bootstrap; 0 leaves intervals out
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pub(crate) resamples: u32,
    /// Seed of the bootstrap
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub(crate) seed: u64,
    /// The share of resamples that an interval holds
    #[arg(long, value_name = "SHARE", default_value = "0.95", value_parser = share)]
    pub(crate) confidence: f64,
    #[command(flatten)]
    pub(crate) places: Places,
}

#[derive(Debug, Args)]
pub(crate) struct ReportArguments {
    /// Runs: ids, unique beginnings of them, or folders; all that pass the filters if none is named
    pub(crate) runs: Vec<String>,
    /// The folder of the report; what an earlier report wrote there is replaced [default: ./report, or none if
    /// --output asks for one document on standard output]
    #[arg(short = 'o', long = "out", value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// The title of the page
    #[arg(long, value_name = "TEXT")]
    pub(crate) title: Option<String>,
    #[command(flatten)]
    pub(crate) comparison: Comparison,
}

#[derive(Debug, Args)]
pub(crate) struct LeaderboardArguments {
    /// Runs: ids, unique beginnings of them, or folders; all that pass the filters if none is named
    pub(crate) runs: Vec<String>,
    /// What the lines are sorted by
    #[arg(long, value_enum, default_value_t = SortName::Score)]
    pub(crate) sort: SortName,
    #[command(flatten)]
    pub(crate) comparison: Comparison,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Grouping {
    /// Agents with their models
    AgentModel,
    /// Models, whichever agent asked them
    Model,
    /// Agents, whichever model they asked
    Agent,
    /// Variants of tasks
    Variant,
}

impl From<Grouping> for GroupBy {
    fn from(grouping: Grouping) -> GroupBy {
        match grouping {
            Grouping::AgentModel => GroupBy::AgentModel,
            Grouping::Model => GroupBy::Model,
            Grouping::Agent => GroupBy::Agent,
            Grouping::Variant => GroupBy::Variant,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SortName {
    /// The average score
    Score,
    /// The share of tasks improved
    Improved,
    /// The area under the performance profile
    Aup,
    /// The mean runtime
    Runtime,
    /// The mean cost
    Cost,
    /// The name
    Name,
}

impl From<SortName> for Sort {
    fn from(name: SortName) -> Sort {
        match name {
            SortName::Score => Sort::Score,
            SortName::Improved => Sort::Improved,
            SortName::Aup => Sort::Area,
            SortName::Runtime => Sort::Runtime,
            SortName::Cost => Sort::Cost,
            SortName::Name => Sort::Name,
        }
    }
}

fn share(text: &str) -> Result<f64, String> {
    let value = text.parse::<f64>().ok().filter(|value| *value > 0.0 && *value < 1.0);
    value.ok_or_else(|| "write a share between 0 and 1, such as 0.95".to_owned())
}
