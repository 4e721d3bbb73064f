//! The table of epochs: a row an epoch of a search, with what its ideas came to.

use std::borrow::Cow;

use researchgym_core::record::EpochRecord;

use super::Table;
use super::column::{Cell, Column, Kind, Schema};

/// The table of epochs.
#[derive(Debug)]
pub struct Epochs;

impl Schema for Epochs {
    const TABLE: Table = Table::Epochs;
    type Row<'a> = &'a EpochRecord;
    const COLUMNS: &'static [Column<Epochs>] = &[
        Column {
            name: "run_id",
            kind: Kind::Text,
            unit: "",
            meaning: "The run",
            cell: |row| Cell::text(&row.run_id),
        },
        Column {
            name: "epoch",
            kind: Kind::Integer,
            unit: "",
            meaning: "The epoch, from 0; null for all ideas of a policy without epochs",
            cell: |row| Cell::count(row.epoch.map(u64::from)),
        },
        Column {
            name: "ideas",
            kind: Kind::Integer,
            unit: "",
            meaning: "Ideas that were asked for",
            cell: |row| Cell::count(Some(row.ideas)),
        },
        Column {
            name: "exploit",
            kind: Kind::Integer,
            unit: "",
            meaning: "Of these, refining what beat the baseline",
            cell: |row| Cell::count(Some(row.exploit)),
        },
        Column {
            name: "exploit_ratio",
            kind: Kind::Number,
            unit: "",
            meaning: "Their share",
            cell: |row| Cell::Number(row.exploit_ratio),
        },
        Column {
            name: "implemented",
            kind: Kind::Integer,
            unit: "",
            meaning: "Ideas of which code came that could be applied",
            cell: |row| Cell::count(Some(row.implemented)),
        },
        Column {
            name: "completion_rate",
            kind: Kind::Number,
            unit: "",
            meaning: "Their share of the ideas of which it is known",
            cell: |row| Cell::number(row.completion_rate),
        },
        Column {
            name: "measured",
            kind: Kind::Integer,
            unit: "",
            meaning: "Ideas with a score",
            cell: |row| Cell::count(Some(row.measured)),
        },
        Column {
            name: "better_than_baseline",
            kind: Kind::Integer,
            unit: "",
            meaning: "Of these, better than the baseline",
            cell: |row| Cell::count(Some(row.better_than_baseline)),
        },
        Column {
            name: "statuses",
            kind: Kind::Text,
            unit: "",
            meaning: "How many ideas became what, as a JSON object",
            cell: |row| statuses(row),
        },
        Column {
            name: "best",
            kind: Kind::Number,
            unit: "metric's",
            meaning: "The best value",
            cell: |row| Cell::number(row.best),
        },
        Column {
            name: "best_node",
            kind: Kind::Integer,
            unit: "",
            meaning: "The node that has it",
            cell: |row| Cell::count(row.best_node.map(u64::from)),
        },
        Column {
            name: "mean",
            kind: Kind::Number,
            unit: "metric's",
            meaning: "The mean of the values",
            cell: |row| Cell::number(row.mean),
        },
        Column {
            name: "standard_error",
            kind: Kind::Number,
            unit: "metric's",
            meaning: "Standard error of that mean; null below two values",
            cell: |row| Cell::number(row.standard_error),
        },
        Column {
            name: "similarity",
            kind: Kind::Number,
            unit: "",
            meaning: "How much ideas have in common: the mean Jaccard similarity of their texts' runs of five words over all pairs",
            cell: |row| Cell::number(row.similarity),
        },
        Column {
            name: "late",
            kind: Kind::Integer,
            unit: "",
            meaning: "Results that came after the next epoch had begun",
            cell: |row| Cell::count(Some(row.late)),
        },
        Column {
            name: "cost_usd",
            kind: Kind::Number,
            unit: "US dollars",
            meaning: "What having and implementing ideas has cost",
            cell: |row| Cell::Number(row.cost_usd),
        },
        Column {
            name: "tokens",
            kind: Kind::Integer,
            unit: "tokens",
            meaning: "Tokens of that",
            cell: |row| Cell::count(Some(row.tokens)),
        },
        Column {
            name: "wall_ms",
            kind: Kind::Integer,
            unit: "ms",
            meaning: "Wall time of executions",
            cell: |row| Cell::count(Some(row.wall_ms)),
        },
        Column {
            name: "queue_ms",
            kind: Kind::Integer,
            unit: "ms",
            meaning: "Time in a cluster's queue",
            cell: |row| Cell::count(Some(row.queue_ms)),
        },
    ];
}

fn statuses<'a>(row: &EpochRecord) -> Cell<'a> {
    serde_json::to_string(&row.statuses).map_or(Cell::Null, |text| Cell::Text(Cow::Owned(text)))
}
