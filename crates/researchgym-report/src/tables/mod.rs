//! Tables of runs, steps, scores, calls, nodes and trials' metrics, for programs that compute with columns: Parquet, Arrow files and CSV.
//!
//! A row is handed over and forgotten: what is held is one batch, and for Parquet one row group. Nothing here joins, filters or
//! computes; a cell is what the record says, or null.

mod calls;
mod column;
mod csv;
mod epochs;
mod file;
mod ideas;
mod nodes;
mod runs;
mod scores;
mod steps;
#[cfg(test)]
mod tests;
mod trial_metrics;

pub use self::calls::{CallRow, Calls, calls_of};
pub use self::column::{Cell, Column, Kind, Schema};
pub use self::epochs::Epochs;
pub use self::file::{TableError, TableFile, TableFormat};
pub use self::ideas::Ideas;
pub use self::nodes::{NodeRow, Nodes};
pub use self::runs::Runs;
pub use self::scores::{ScoreRow, Scores, scores_of};
pub use self::steps::{StepRow, Steps};
pub use self::trial_metrics::{TrialMetricRow, TrialMetrics};

/// The version of the tables' columns. Columns are only ever added.
pub const TABLES_SCHEMA: u32 = 1;

/// The six tables, and those of trajectories.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// A row a run.
    Runs,
    /// A row a step.
    Steps,
    /// A row a metric of an attempt.
    Scores,
    /// A row a call of a model, or the sum of a model's calls in a run.
    Calls,
    /// A row a node of a search.
    Nodes,
    /// A row a value that the program of an evaluation told of itself.
    TrialMetrics,
    /// A row an idea of a search: of trajectories.
    Ideas,
    /// A row an epoch of a search: of trajectories.
    Epochs,
}

impl Table {
    /// The six that an export of tables writes, in the order in which they are told.
    pub const ALL: [Table; 6] =
        [Table::Runs, Table::Steps, Table::Scores, Table::Calls, Table::Nodes, Table::TrialMetrics];

    /// Its name, which is also its file's.
    pub fn name(self) -> &'static str {
        match self {
            Table::Runs => "runs",
            Table::Steps => "steps",
            Table::Scores => "scores",
            Table::Calls => "calls",
            Table::Nodes => "nodes",
            Table::TrialMetrics => "trial_metrics",
            Table::Ideas => "ideas",
            Table::Epochs => "epochs",
        }
    }
}
