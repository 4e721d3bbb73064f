//! The table of nodes: a row a candidate of a search.

use researchgym_core::record::NodeRecord;

use super::Table;
use super::column::{Cell, Column, Kind, Schema};

/// The table of nodes.
#[derive(Debug)]
pub struct Nodes;

/// A node with the run that it is of.
#[derive(Clone, Copy, Debug)]
pub struct NodeRow<'a> {
    /// The run's id.
    pub run_id: &'a str,
    /// The node.
    pub node: &'a NodeRecord,
}

impl Schema for Nodes {
    const TABLE: Table = Table::Nodes;
    type Row<'a> = NodeRow<'a>;
    const COLUMNS: &'static [Column<Nodes>] = &[
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
            meaning: "The node's number in the run; 0 is the baseline",
            cell: |row| Cell::count(Some(u64::from(row.node.node))),
        },
        Column {
            name: "inherited",
            kind: Kind::Truth,
            unit: "",
            meaning: "Whether it was planned by the search that this one was forked from, among whose nodes it is a row too",
            cell: |row| Cell::Truth(row.node.inherited),
        },
        Column {
            name: "operator",
            kind: Kind::Text,
            unit: "",
            meaning: "How it was made, such as `improve`; `baseline` for the starter as it is",
            cell: |row| Cell::text(row.node.operator.name()),
        },
        Column {
            name: "parents",
            kind: Kind::Text,
            unit: "",
            meaning: "Its code parents as a JSON list, the base first; null if it has none",
            cell: |row| Cell::list(&row.node.parents),
        },
        Column {
            name: "shown",
            kind: Kind::Text,
            unit: "",
            meaning: "The nodes that were shown to who made it, as a JSON list; null if there were none",
            cell: |row| Cell::list(&row.node.shown),
        },
        Column {
            name: "island",
            kind: Kind::Integer,
            unit: "",
            meaning: "The policy's mark: on which island it was made",
            cell: |row| Cell::count(row.node.tag.island.map(u64::from)),
        },
        Column {
            name: "epoch",
            kind: Kind::Integer,
            unit: "",
            meaning: "The policy's mark: in which epoch",
            cell: |row| Cell::count(row.node.tag.epoch.map(u64::from)),
        },
        Column {
            name: "stage",
            kind: Kind::Integer,
            unit: "",
            meaning: "The policy's mark: in which of its stages, from 1",
            cell: |row| Cell::count(row.node.tag.stage.map(u64::from)),
        },
        Column {
            name: "kind",
            kind: Kind::Text,
            unit: "",
            meaning: "The policy's mark: what it had in mind, such as `explore`",
            cell: |row| Cell::maybe_text(row.node.tag.kind.as_deref()),
        },
        Column {
            name: "status",
            kind: Kind::Text,
            unit: "",
            meaning: "`proposed`, `built`, `dropped`, `failed`, `lost`, `screened`, `measured` or `quarantined`",
            cell: |row| Cell::text(&row.node.status),
        },
        Column {
            name: "failure",
            kind: Kind::Text,
            unit: "",
            meaning: "Which gate refused it, or how it failed; null if it did neither",
            cell: |row| Cell::maybe_text(row.node.failure.as_deref()),
        },
        Column {
            name: "reason",
            kind: Kind::Text,
            unit: "",
            meaning: "Why, in a sentence",
            cell: |row| Cell::maybe_text(row.node.reason.as_deref()),
        },
        Column {
            name: "value",
            kind: Kind::Number,
            unit: "metric's",
            meaning: "The mean of its measurements by the primary metric, or the value with which it was screened out",
            cell: |row| Cell::number(row.node.value),
        },
        Column {
            name: "n",
            kind: Kind::Integer,
            unit: "",
            meaning: "How many measurements, its own and its replicates'",
            cell: |row| Cell::count(Some(row.node.n)),
        },
        Column {
            name: "standard_error",
            kind: Kind::Number,
            unit: "metric's",
            meaning: "Standard error of that mean; null below two measurements",
            cell: |row| Cell::number(row.node.standard_error),
        },
        Column {
            name: "attempts",
            kind: Kind::Integer,
            unit: "",
            meaning: "How often making it was tried",
            cell: |row| Cell::count(Some(u64::from(row.node.attempts))),
        },
        Column {
            name: "calls",
            kind: Kind::Integer,
            unit: "",
            meaning: "Model calls for making it",
            cell: |row| Cell::count(Some(row.node.spent.calls)),
        },
        Column {
            name: "tokens",
            kind: Kind::Integer,
            unit: "tokens",
            meaning: "Tokens of these, prompts and answers",
            cell: |row| Cell::count(Some(row.node.spent.tokens)),
        },
        Column {
            name: "cost_micro_usd",
            kind: Kind::Integer,
            unit: "millionths of a US dollar",
            meaning: "Their cost",
            cell: |row| Cell::count(Some(row.node.spent.cost.0)),
        },
        Column {
            name: "evaluation_ms",
            kind: Kind::Integer,
            unit: "ms",
            meaning: "Wall time in its evaluations",
            cell: |row| Cell::count(Some(row.node.evaluation_ms)),
        },
        Column {
            name: "planned_ms",
            kind: Kind::Integer,
            unit: "ms",
            meaning: "Working time of the run when it was planned",
            cell: |row| Cell::count(Some(row.node.planned_ms)),
        },
        Column {
            name: "settled_ms",
            kind: Kind::Integer,
            unit: "ms",
            meaning: "Working time of the run when nothing more was to come of it; null until then",
            cell: |row| Cell::count(row.node.settled_ms),
        },
        Column {
            name: "idea",
            kind: Kind::Text,
            unit: "",
            meaning: "The idea behind it, in words",
            cell: |row| Cell::maybe_text(row.node.idea.as_deref()),
        },
        Column {
            name: "model",
            kind: Kind::Text,
            unit: "",
            meaning: "The model that made it; null if none did",
            cell: |row| Cell::maybe_text(row.node.model.as_deref()),
        },
        Column {
            name: "artefact",
            kind: Kind::Text,
            unit: "",
            meaning: "SHA-256 of the whole candidate: equal hashes are equal candidates; null if there is none",
            cell: |row| {
                row.node
                    .artefact
                    .map_or(Cell::Null, |hash| Cell::Text(std::borrow::Cow::Owned(hash.to_string())))
            },
        },
        Column {
            name: "size",
            kind: Kind::Integer,
            unit: "bytes",
            meaning: "Bytes of its editable files",
            cell: |row| Cell::count(Some(row.node.size)),
        },
    ];
}
