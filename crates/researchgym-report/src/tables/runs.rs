//! The table of runs: a row a run.

use researchgym_core::model::Usage;
use researchgym_core::record::{Origin, RunRecord};

use super::Table;
use super::column::{Cell, Column, Kind, Schema};

/// The table of runs.
#[derive(Debug)]
pub struct Runs;

impl Schema for Runs {
    const TABLE: Table = Table::Runs;
    type Row<'a> = &'a RunRecord;
    const COLUMNS: &'static [Column<Runs>] = &[
        Column {
            name: "run_id",
            kind: Kind::Text,
            unit: "",
            meaning: "The run's id; the other tables name it",
            cell: |run| Cell::text(&run.run_id),
        },
        Column {
            name: "origin",
            kind: Kind::Text,
            unit: "",
            meaning: "`researchgym` for a run of ours, else the foreign program's format",
            cell: |run| match &run.origin {
                Origin::Researchgym { .. } => Cell::text("researchgym"),
                Origin::Foreign { program, .. } => Cell::text(program),
            },
        },
        Column {
            name: "source",
            kind: Kind::Text,
            unit: "",
            meaning: "What a foreign run was read from; null for a run of ours",
            cell: |run| match &run.origin {
                Origin::Researchgym { .. } => Cell::Null,
                Origin::Foreign { source, .. } => Cell::text(source),
            },
        },
        Column {
            name: "digest",
            kind: Kind::Text,
            unit: "",
            meaning: "SHA-256 of the log's last line (its `log_head`), or of what a foreign run was read from",
            cell: |run| match &run.origin {
                Origin::Researchgym { log_head } => Cell::word(Some(log_head)),
                Origin::Foreign { digest, .. } => Cell::word(Some(digest)),
            },
        },
        Column {
            name: "task",
            kind: Kind::Text,
            unit: "",
            meaning: "The task's id",
            cell: |run| Cell::text(&run.task.id),
        },
        Column {
            name: "variant",
            kind: Kind::Text,
            unit: "",
            meaning: "The task's variant",
            cell: |run| Cell::text(&run.task.variant),
        },
        Column {
            name: "task_digest",
            kind: Kind::Text,
            unit: "",
            meaning: "SHA-256 of the task's folder: equal ids with different digests are different versions",
            cell: |run| Cell::word(run.task.digest.as_ref()),
        },
        Column {
            name: "agent",
            kind: Kind::Text,
            unit: "",
            meaning: "The agent's name",
            cell: |run| Cell::text(&run.agent),
        },
        Column {
            name: "model",
            kind: Kind::Text,
            unit: "",
            meaning: "The model's name; null if none was asked",
            cell: |run| Cell::maybe_text(run.model.as_deref()),
        },
        Column {
            name: "seed",
            kind: Kind::Natural,
            unit: "",
            meaning: "The run's seed, or its number among its repetitions",
            cell: |run| run.seed.map_or(Cell::Null, Cell::Natural),
        },
        Column {
            name: "forked_from",
            kind: Kind::Text,
            unit: "",
            meaning: "RUN@STEP whose history the run goes on from, which all its numbers include",
            cell: |run| run.forked_from.as_deref().map_or(Cell::Null, Cell::text),
        },
        Column {
            name: "tags",
            kind: Kind::Text,
            unit: "",
            meaning: "The run's tags as a JSON list; null if there are none",
            cell: |run| Cell::list(&run.tags),
        },
        Column {
            name: "started_at",
            kind: Kind::Time,
            unit: "UTC",
            meaning: "When it began",
            cell: |run| Cell::time(run.started_at.as_deref()),
        },
        Column {
            name: "state",
            kind: Kind::Text,
            unit: "",
            meaning: "`running`, `interrupted` or `ended`",
            cell: |run| Cell::word(Some(&run.state)),
        },
        Column {
            name: "cause",
            kind: Kind::Text,
            unit: "",
            meaning: "Why it ended, such as `submitted` or `time_limit`; null while it has not",
            cell: |run| Cell::word(run.ending.cause.as_ref()),
        },
        Column {
            name: "told",
            kind: Kind::Text,
            unit: "",
            meaning: "Why it ended, in the words of the program that ran it",
            cell: |run| Cell::maybe_text(run.ending.told.as_deref()),
        },
        Column {
            name: "boundary",
            kind: Kind::Text,
            unit: "",
            meaning: "Whose failure it was: `task`, `sandbox`, `model`, `agent`, `grader`, `executor` or `store`; null if it did not fail",
            cell: |run| Cell::word(run.ending.boundary.as_ref()),
        },
        Column {
            name: "failure",
            kind: Kind::Text,
            unit: "",
            meaning: "The failure in a sentence; null if it did not fail",
            cell: |run| Cell::maybe_text(run.ending.failure.as_deref()),
        },
        Column {
            name: "metric",
            kind: Kind::Text,
            unit: "",
            meaning: "The primary metric: the one that decides",
            cell: |run| Cell::maybe_text(run.task.primary.as_ref().map(|primary| primary.name.as_str())),
        },
        Column {
            name: "direction",
            kind: Kind::Text,
            unit: "",
            meaning: "`maximize` or `minimize`",
            cell: |run| Cell::word(run.task.primary.as_ref().map(|primary| &primary.direction)),
        },
        Column {
            name: "baseline",
            kind: Kind::Number,
            unit: "metric's",
            meaning: "The baseline's primary metric",
            cell: |run| Cell::number(run.baseline_value()),
        },
        Column {
            name: "noise_floor",
            kind: Kind::Number,
            unit: "metric's",
            meaning: "Differences up to this are noise; 0 if unknown",
            cell: |run| Cell::Number(run.task.noise_floor),
        },
        Column {
            name: "attempts",
            kind: Kind::Integer,
            unit: "",
            meaning: "How often something was graded",
            cell: |run| Cell::count(Some(run.attempts.len() as u64)),
        },
        Column {
            name: "attempts_invalid",
            kind: Kind::Integer,
            unit: "",
            meaning: "Of these, without a valid score",
            cell: |run| {
                let invalid = run.attempts.iter().filter(|attempt| attempt.invalid.is_some());
                Cell::count(Some(invalid.count() as u64))
            },
        },
        Column {
            name: "best_attempt",
            kind: Kind::Integer,
            unit: "",
            meaning: "The number of the best valid attempt by the primary metric",
            cell: |run| Cell::count(run.best().map(|attempt| attempt.number)),
        },
        Column {
            name: "best_score",
            kind: Kind::Number,
            unit: "metric's",
            meaning: "Its primary metric",
            cell: |run| Cell::number(run.best_value()),
        },
        Column {
            name: "submission",
            kind: Kind::Integer,
            unit: "",
            meaning: "The number of the attempt that counts as the final submission; it may be invalid",
            cell: |run| Cell::count(run.submission),
        },
        Column {
            name: "submission_score",
            kind: Kind::Number,
            unit: "metric's",
            meaning: "Its primary metric; null if it is invalid or there is none",
            cell: |run| Cell::number(run.submission_value()),
        },
        Column {
            name: "submission_gain",
            kind: Kind::Number,
            unit: "metric's",
            meaning: "By how much the final submission is better than the baseline; negative if it is worse",
            cell: |run| {
                let primary = run.task.primary.as_ref();
                let values = primary.zip(run.submission_value()).zip(run.baseline_value());
                Cell::number(
                    values.map(|((primary, value), baseline)| primary.direction.gain(value, baseline)),
                )
            },
        },
        Column {
            name: "steps",
            kind: Kind::Integer,
            unit: "",
            meaning: "How many steps there were",
            cell: |run| Cell::count(run.actions.count()),
        },
        Column {
            name: "edits",
            kind: Kind::Integer,
            unit: "",
            meaning: "Edits tried",
            cell: |run| Cell::count(Some(run.actions.edits)),
        },
        Column {
            name: "edits_rejected",
            kind: Kind::Integer,
            unit: "",
            meaning: "Of these, refused: they changed nothing",
            cell: |run| Cell::count(Some(run.actions.edits_rejected)),
        },
        Column {
            name: "working_ms",
            kind: Kind::Integer,
            unit: "ms",
            meaning: "Working time",
            cell: |run| Cell::count(run.usage.working_ms),
        },
        Column {
            name: "wall_ms",
            kind: Kind::Integer,
            unit: "ms",
            meaning: "Wall time",
            cell: |run| Cell::count(run.usage.wall_ms),
        },
        Column {
            name: "cost_micro_usd",
            kind: Kind::Integer,
            unit: "millionths of a US dollar",
            meaning: "Money for model calls as it was recorded",
            cell: |run| Cell::count(run.usage.cost.map(|cost| cost.0)),
        },
        Column {
            name: "calls",
            kind: Kind::Integer,
            unit: "",
            meaning: "Model calls; null if none is recorded",
            cell: |run| {
                let models = &run.usage.models;
                let calls = models.values().fold(0u64, |sum, model| sum.saturating_add(model.calls));
                Cell::count((!models.is_empty()).then_some(calls))
            },
        },
        Column {
            name: "input_tokens",
            kind: Kind::Integer,
            unit: "tokens",
            meaning: "Tokens of all prompts, cached or not",
            cell: |run| tokens(run, |usage| usage.input),
        },
        Column {
            name: "cache_read_tokens",
            kind: Kind::Integer,
            unit: "tokens",
            meaning: "Of these, read from a cache",
            cell: |run| tokens(run, |usage| usage.cache_read),
        },
        Column {
            name: "output_tokens",
            kind: Kind::Integer,
            unit: "tokens",
            meaning: "Tokens of all answers, thinking included",
            cell: |run| tokens(run, |usage| usage.output),
        },
        Column {
            name: "findings",
            kind: Kind::Integer,
            unit: "",
            meaning: "What the grader and the runner found to speak against its scores",
            cell: |run| Cell::count(Some(run.integrity.len() as u64)),
        },
        Column {
            name: "verdict",
            kind: Kind::Text,
            unit: "",
            meaning: "The verdict of the newest inspection; null if there was none",
            cell: |run| Cell::word(run.verdict.as_ref()),
        },
        Column {
            name: "is_flagged",
            kind: Kind::Truth,
            unit: "",
            meaning: "Whether its score must not be used: a critical finding, or an inspection that says SUSPICIOUS",
            cell: |run| Cell::Truth(run.is_flagged()),
        },
        Column {
            name: "left_out",
            kind: Kind::Text,
            unit: "",
            meaning: "What of a foreign run could not be taken over, as a JSON list of sentences; null if nothing",
            cell: |run| Cell::list(&run.left_out),
        },
    ];
}

/// The sum over the run's models; null if no model is recorded.
fn tokens<'a>(run: &RunRecord, of: fn(&Usage) -> u64) -> Cell<'a> {
    let models = &run.usage.models;
    let sum = models.values().fold(0u64, |sum, model| sum.saturating_add(of(&model.usage)));
    Cell::count((!models.is_empty()).then_some(sum))
}
