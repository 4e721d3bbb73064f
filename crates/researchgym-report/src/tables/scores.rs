//! The table of scores: a row a metric of an attempt. An attempt without a valid score has one row without a metric.

use researchgym_core::record::{AttemptRecord, RunRecord};
use researchgym_core::score::Direction;

use super::Table;
use super::column::{Cell, Column, Kind, Schema};

/// The table of scores.
#[derive(Debug)]
pub struct Scores;

/// A metric of an attempt with the run that it is of.
#[derive(Clone, Copy, Debug)]
pub struct ScoreRow<'a> {
    /// The run.
    pub run: &'a RunRecord,
    /// What was graded.
    pub attempt: &'a AttemptRecord,
    /// One of its metrics; absent if it has none.
    pub metric: Option<(&'a str, f64)>,
}

/// The rows of a run.
pub fn scores_of(run: &RunRecord) -> impl Iterator<Item = ScoreRow<'_>> {
    run.attempts.iter().flat_map(move |attempt| {
        let without = attempt.metrics.is_empty().then_some(ScoreRow { run, attempt, metric: None });
        let metrics = attempt.metrics.iter();
        metrics
            .map(move |(name, value)| ScoreRow { run, attempt, metric: Some((name, *value)) })
            .chain(without)
    })
}

impl ScoreRow<'_> {
    fn is_primary(&self) -> Option<bool> {
        let (name, _) = self.metric?;
        Some(self.run.task.primary.as_ref()?.name == name)
    }

    fn direction(&self) -> Option<Direction> {
        let (name, _) = self.metric?;
        let primary = self.run.task.primary.as_ref().filter(|primary| primary.name == name);
        primary.map(|primary| primary.direction).or_else(|| self.run.task.directions.get(name).copied())
    }

    fn baseline(&self) -> Option<f64> {
        let (name, _) = self.metric?;
        self.run.task.baseline.as_ref()?.get(name).copied()
    }

    fn gain(&self) -> Option<f64> {
        let (_, value) = self.metric?;
        Some(self.direction()?.gain(value, self.baseline()?))
    }
}

impl Schema for Scores {
    const TABLE: Table = Table::Scores;
    type Row<'a> = ScoreRow<'a>;
    const COLUMNS: &'static [Column<Scores>] = &[
        Column {
            name: "run_id",
            kind: Kind::Text,
            unit: "",
            meaning: "The run",
            cell: |row| Cell::text(&row.run.run_id),
        },
        Column {
            name: "attempt",
            kind: Kind::Integer,
            unit: "",
            meaning: "The attempt's number in the run, from 1",
            cell: |row| Cell::count(Some(row.attempt.number)),
        },
        Column {
            name: "kind",
            kind: Kind::Text,
            unit: "",
            meaning: "Why it was graded: `validate`, `submit` or `auto`",
            cell: |row| Cell::word(row.attempt.kind.as_ref()),
        },
        Column {
            name: "split",
            kind: Kind::Text,
            unit: "",
            meaning: "On what: `validation` or `test`",
            cell: |row| Cell::word(row.attempt.split.as_ref()),
        },
        Column {
            name: "is_submission",
            kind: Kind::Truth,
            unit: "",
            meaning: "Whether it counts as the run's final submission",
            cell: |row| Cell::Truth(row.run.submission == Some(row.attempt.number)),
        },
        Column {
            name: "invalid",
            kind: Kind::Text,
            unit: "",
            meaning: "Why there is no valid score; null if there is one",
            cell: |row| Cell::maybe_text(row.attempt.invalid.as_deref()),
        },
        Column {
            name: "metric",
            kind: Kind::Text,
            unit: "",
            meaning: "The metric; null if there is none",
            cell: |row| Cell::maybe_text(row.metric.map(|(name, _)| name)),
        },
        Column {
            name: "value",
            kind: Kind::Number,
            unit: "metric's",
            meaning: "Its value",
            cell: |row| Cell::number(row.metric.map(|(_, value)| value)),
        },
        Column {
            name: "is_primary",
            kind: Kind::Truth,
            unit: "",
            meaning: "Whether it is the metric that decides; null if that is not known",
            cell: |row| row.is_primary().map_or(Cell::Null, Cell::Truth),
        },
        Column {
            name: "direction",
            kind: Kind::Text,
            unit: "",
            meaning: "`maximize` or `minimize`",
            cell: |row| Cell::word(row.direction().as_ref()),
        },
        Column {
            name: "baseline",
            kind: Kind::Number,
            unit: "metric's",
            meaning: "The baseline's value of this metric",
            cell: |row| Cell::number(row.baseline()),
        },
        Column {
            name: "gain",
            kind: Kind::Number,
            unit: "metric's",
            meaning: "By how much the value is better than the baseline's; negative if it is worse",
            cell: |row| Cell::number(row.gain()),
        },
        Column {
            name: "after_steps",
            kind: Kind::Integer,
            unit: "",
            meaning: "Steps that had begun before",
            cell: |row| Cell::count(row.attempt.after_steps),
        },
        Column {
            name: "after_ms",
            kind: Kind::Integer,
            unit: "ms",
            meaning: "Working time before",
            cell: |row| Cell::count(row.attempt.after_ms),
        },
        Column {
            name: "after_cost_micro_usd",
            kind: Kind::Integer,
            unit: "millionths of a US dollar",
            meaning: "Money spent before",
            cell: |row| Cell::count(row.attempt.after_cost.map(|cost| cost.0)),
        },
        Column {
            name: "artefact",
            kind: Kind::Text,
            unit: "",
            meaning: "What was graded: equal texts are equal artefacts",
            cell: |row| Cell::maybe_text(row.attempt.artefact.as_deref()),
        },
    ];
}
