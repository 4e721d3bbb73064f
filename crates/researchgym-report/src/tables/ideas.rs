//! The table of ideas: a row an idea of a search, with all that became of it.

use std::borrow::Cow;

use researchgym_core::record::IdeaRecord;

use super::Table;
use super::column::{Cell, Column, Kind, Schema};

/// The table of ideas.
#[derive(Debug)]
pub struct Ideas;

impl Schema for Ideas {
    const TABLE: Table = Table::Ideas;
    type Row<'a> = &'a IdeaRecord;
    const COLUMNS: &'static [Column<Ideas>] = &[
        Column {
            name: "run_id",
            kind: Kind::Text,
            unit: "",
            meaning: "The run",
            cell: |row| Cell::text(&row.run_id),
        },
        Column {
            name: "task",
            kind: Kind::Text,
            unit: "",
            meaning: "Its task",
            cell: |row| Cell::text(&row.task),
        },
        Column {
            name: "epoch",
            kind: Kind::Integer,
            unit: "",
            meaning: "The epoch, from 0; null where the policy has none",
            cell: |row| Cell::count(row.epoch.map(u64::from)),
        },
        Column {
            name: "idea_id",
            kind: Kind::Integer,
            unit: "",
            meaning: "The idea's number in its epoch, from 0; where there are no epochs, in the run",
            cell: |row| Cell::count(Some(u64::from(row.idea_id))),
        },
        Column {
            name: "node",
            kind: Kind::Integer,
            unit: "",
            meaning: "The node's number in the run",
            cell: |row| Cell::count(Some(u64::from(row.node))),
        },
        Column {
            name: "idea",
            kind: Kind::Text,
            unit: "",
            meaning: "The idea in words",
            cell: |row| Cell::maybe_text(row.idea.as_deref()),
        },
        Column {
            name: "kind",
            kind: Kind::Text,
            unit: "",
            meaning: "`initial`, `exploit` or `explore`; where there are no epochs, the operator",
            cell: |row| Cell::text(&row.kind),
        },
        Column {
            name: "shown",
            kind: Kind::Text,
            unit: "",
            meaning: "Nodes whose ideas and scores were shown to who had it, as a JSON list; null if there were none",
            cell: |row| Cell::list(&row.shown),
        },
        Column {
            name: "code_parent",
            kind: Kind::Integer,
            unit: "",
            meaning: "The node whose code it changes; 0 is the baseline",
            cell: |row| Cell::count(Some(u64::from(row.code_parent))),
        },
        Column {
            name: "diff",
            kind: Kind::Text,
            unit: "",
            meaning: "What it changes in that code, as a unified diff; null if there is no candidate",
            cell: |row| Cell::maybe_text(row.diff.as_deref()),
        },
        Column {
            name: "attempts",
            kind: Kind::Integer,
            unit: "",
            meaning: "How often the change was tried",
            cell: |row| Cell::count(Some(u64::from(row.attempts))),
        },
        Column {
            name: "status",
            kind: Kind::Text,
            unit: "",
            meaning: "What became of it: `measured`, `failed`, `screened`, `quarantined`, `not_implemented`, `duplicate`, `refused`, `not_tried`, `lost` or `open`",
            cell: |row| Cell::text(row.status.name()),
        },
        Column {
            name: "implemented",
            kind: Kind::Truth,
            unit: "",
            meaning: "Whether code came of it that could be applied",
            cell: |row| Cell::Truth(row.implemented),
        },
        Column {
            name: "failure",
            kind: Kind::Text,
            unit: "",
            meaning: "Which gate refused it, or how its execution failed; null if neither",
            cell: |row| Cell::maybe_text(row.failure.as_deref()),
        },
        Column {
            name: "reason",
            kind: Kind::Text,
            unit: "",
            meaning: "Why, in a sentence",
            cell: |row| Cell::maybe_text(row.reason.as_deref()),
        },
        Column {
            name: "stage",
            kind: Kind::Text,
            unit: "",
            meaning: "The stage of its evaluation that it reached last; null if it was not executed",
            cell: |row| Cell::maybe_text(row.stage.as_deref()),
        },
        Column {
            name: "metric",
            kind: Kind::Text,
            unit: "",
            meaning: "The primary metric",
            cell: |row| Cell::text(&row.metric),
        },
        Column {
            name: "direction",
            kind: Kind::Text,
            unit: "",
            meaning: "`maximize` or `minimize`",
            cell: |row| Cell::word(Some(&row.direction)),
        },
        Column {
            name: "value",
            kind: Kind::Number,
            unit: "metric's",
            meaning: "The mean of its measurements, or the value with which it was screened out",
            cell: |row| Cell::number(row.value),
        },
        Column {
            name: "n",
            kind: Kind::Integer,
            unit: "",
            meaning: "How many measurements",
            cell: |row| Cell::count(Some(row.n)),
        },
        Column {
            name: "standard_error",
            kind: Kind::Number,
            unit: "metric's",
            meaning: "Standard error of the mean; null below two measurements",
            cell: |row| Cell::number(row.standard_error),
        },
        Column {
            name: "metrics",
            kind: Kind::Text,
            unit: "",
            meaning: "All metrics of its first measurement as a JSON object; null if there are none",
            cell: |row| metrics(row),
        },
        Column {
            name: "better_than_baseline",
            kind: Kind::Truth,
            unit: "",
            meaning: "Whether it is better than the baseline; null if it has no value",
            cell: |row| row.better_than_baseline.map_or(Cell::Null, Cell::Truth),
        },
        Column {
            name: "late",
            kind: Kind::Truth,
            unit: "",
            meaning: "Whether its result came after the next epoch had begun",
            cell: |row| Cell::Truth(row.late),
        },
        Column {
            name: "cost_usd",
            kind: Kind::Number,
            unit: "US dollars",
            meaning: "What having and implementing it has cost",
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
            name: "calls",
            kind: Kind::Integer,
            unit: "",
            meaning: "Model calls for it; where several ideas share one, the first has it",
            cell: |row| Cell::count(Some(row.calls)),
        },
        Column {
            name: "idea_model",
            kind: Kind::Text,
            unit: "",
            meaning: "The model that had the idea",
            cell: |row| Cell::maybe_text(row.idea_model.as_deref()),
        },
        Column {
            name: "code_model",
            kind: Kind::Text,
            unit: "",
            meaning: "The model that wrote the code",
            cell: |row| Cell::maybe_text(row.code_model.as_deref()),
        },
        Column {
            name: "wall_ms",
            kind: Kind::Integer,
            unit: "ms",
            meaning: "Wall time of its executions, without time in a queue",
            cell: |row| Cell::count(Some(row.wall_ms)),
        },
        Column {
            name: "queue_ms",
            kind: Kind::Integer,
            unit: "ms",
            meaning: "Time in a cluster's queue",
            cell: |row| Cell::count(Some(row.queue_ms)),
        },
        Column {
            name: "cpu_ms",
            kind: Kind::Integer,
            unit: "ms",
            meaning: "Processor time of its executions",
            cell: |row| Cell::count(Some(row.cpu_ms)),
        },
        Column {
            name: "planned_ms",
            kind: Kind::Integer,
            unit: "ms",
            meaning: "Working time of the run when it was planned",
            cell: |row| Cell::count(Some(row.planned_ms)),
        },
        Column {
            name: "settled_ms",
            kind: Kind::Integer,
            unit: "ms",
            meaning: "Working time of the run when nothing more was to come of it; null until then",
            cell: |row| Cell::count(row.settled_ms),
        },
        Column {
            name: "log",
            kind: Kind::Text,
            unit: "",
            meaning: "What its last execution printed, head and tail",
            cell: |row| Cell::maybe_text(row.log.as_deref()),
        },
    ];
}

fn metrics<'a>(row: &IdeaRecord) -> Cell<'a> {
    match row.metrics.is_empty() {
        true => Cell::Null,
        false => serde_json::to_string(&row.metrics).map_or(Cell::Null, |text| Cell::Text(Cow::Owned(text))),
    }
}
