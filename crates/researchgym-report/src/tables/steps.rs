//! The table of steps: a row a step.

use researchgym_core::record::StepRecord;

use super::Table;
use super::column::{Cell, Column, Kind, Schema};

/// The table of steps.
#[derive(Debug)]
pub struct Steps;

/// A step with the run that it is of.
#[derive(Clone, Copy, Debug)]
pub struct StepRow<'a> {
    /// The run's id.
    pub run_id: &'a str,
    /// The step.
    pub step: &'a StepRecord,
}

impl Schema for Steps {
    const TABLE: Table = Table::Steps;
    type Row<'a> = StepRow<'a>;
    const COLUMNS: &'static [Column<Steps>] = &[
        Column {
            name: "run_id",
            kind: Kind::Text,
            unit: "",
            meaning: "The run",
            cell: |row| Cell::text(row.run_id),
        },
        Column {
            name: "step",
            kind: Kind::Integer,
            unit: "",
            meaning: "The step's number in the run, from 1",
            cell: |row| Cell::count(Some(row.step.number)),
        },
        Column {
            name: "category",
            kind: Kind::Text,
            unit: "",
            meaning: "What it is for: `edit`, `view`, `validate`, `submit`, `search`, `python`, `bash`, `web`, `talk` or `other`",
            cell: |row| Cell::word(Some(&row.step.category)),
        },
        Column {
            name: "tool",
            kind: Kind::Text,
            unit: "",
            meaning: "The tool that was used",
            cell: |row| Cell::text(&row.step.tool),
        },
        Column {
            name: "thought",
            kind: Kind::Text,
            unit: "",
            meaning: "What the agent said before it acted",
            cell: |row| Cell::maybe_text(row.step.thought.as_deref()),
        },
        Column {
            name: "action",
            kind: Kind::Text,
            unit: "",
            meaning: "What was done: shell text, a call's arguments as JSON, a path",
            cell: |row| Cell::text(&row.step.action),
        },
        Column {
            name: "observation",
            kind: Kind::Text,
            unit: "",
            meaning: "What came of it, as far as it was kept",
            cell: |row| Cell::text(&row.step.observation),
        },
        Column {
            name: "dropped_bytes",
            kind: Kind::Integer,
            unit: "bytes",
            meaning: "How much of the observation was left out",
            cell: |row| Cell::count(Some(row.step.dropped_bytes)),
        },
        Column {
            name: "took_ms",
            kind: Kind::Integer,
            unit: "ms",
            meaning: "How long it took",
            cell: |row| Cell::count(row.step.took_ms),
        },
        Column {
            name: "exit_code",
            kind: Kind::Integer,
            unit: "",
            meaning: "The command's exit code, if it was one and that is known",
            cell: |row| row.step.exit_code.map_or(Cell::Null, |code| Cell::Integer(code.into())),
        },
        Column {
            name: "is_refused",
            kind: Kind::Truth,
            unit: "",
            meaning: "Whether it was refused, or failed as a whole",
            cell: |row| Cell::Truth(row.step.is_refused),
        },
        Column {
            name: "time",
            kind: Kind::Time,
            unit: "UTC",
            meaning: "When it began",
            cell: |row| Cell::time(row.step.time.as_deref()),
        },
        Column {
            name: "model",
            kind: Kind::Text,
            unit: "",
            meaning: "The model that decided on it",
            cell: |row| Cell::maybe_text(row.step.model.as_deref()),
        },
        Column {
            name: "changes",
            kind: Kind::Text,
            unit: "",
            meaning: "Files that it wrote with a tool for that, as a JSON list of objects with `path`, `content` and `is_applied`; null if none",
            cell: |row| Cell::list(&row.step.changes),
        },
    ];
}
