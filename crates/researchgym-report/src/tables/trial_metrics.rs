//! The table of what trials told of themselves: a row a value.

use researchgym_core::record::TrialRecord;
use researchgym_core::search::event::MetricPoint;

use super::Table;
use super::column::{Cell, Column, Kind, Schema};

/// The table of trials' metrics.
#[derive(Debug)]
pub struct TrialMetrics;

/// A value with the evaluation and the run that it is of.
#[derive(Clone, Copy, Debug)]
pub struct TrialMetricRow<'a> {
    /// The run's id.
    pub run_id: &'a str,
    /// The evaluation.
    pub trial: &'a TrialRecord,
    /// The value.
    pub point: &'a MetricPoint,
}

impl Schema for TrialMetrics {
    const TABLE: Table = Table::TrialMetrics;
    type Row<'a> = TrialMetricRow<'a>;
    const COLUMNS: &'static [Column<TrialMetrics>] = &[
        Column {
            name: "run_id",
            kind: Kind::Text,
            unit: "",
            meaning: "The run",
            cell: |row| Cell::text(row.run_id),
        },
        Column {
            name: "node",
            kind: Kind::Integer,
            unit: "",
            meaning: "The node's number in the run",
            cell: |row| Cell::count(Some(u64::from(row.trial.node))),
        },
        Column {
            name: "evaluation",
            kind: Kind::Integer,
            unit: "",
            meaning: "The evaluation's number in the run",
            cell: |row| Cell::count(Some(row.trial.evaluation)),
        },
        Column {
            name: "stage",
            kind: Kind::Text,
            unit: "",
            meaning: "The stage of the node's evaluation; `full` is the last",
            cell: |row| Cell::text(&row.trial.stage),
        },
        Column {
            name: "metric",
            kind: Kind::Text,
            unit: "",
            meaning: "The metric as the program named it",
            cell: |row| Cell::text(&row.point.name),
        },
        Column {
            name: "step",
            kind: Kind::Integer,
            unit: "",
            meaning: "The program's own count, such as the training step; null if it told none",
            cell: |row| row.point.step.map_or(Cell::Null, Cell::Integer),
        },
        Column {
            name: "value",
            kind: Kind::Number,
            unit: "metric's",
            meaning: "The value",
            cell: |row| Cell::number(Some(row.point.value)),
        },
        Column {
            name: "at_ms",
            kind: Kind::Integer,
            unit: "ms",
            meaning: "Time since the program began",
            cell: |row| Cell::count(Some(row.point.at_ms)),
        },
    ];
}
