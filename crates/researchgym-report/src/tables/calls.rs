//! The table of calls: a row a call of a model. Where single calls are not known, a row is the sum of a model's calls in a run.

use researchgym_core::model::{Stop, Usage};
use researchgym_core::record::RunRecord;
use researchgym_core::spec::MicroUsd;

use super::Table;
use super::column::{Cell, Column, Kind, Schema};
use crate::story::Call;

/// The table of calls.
#[derive(Debug)]
pub struct Calls;

/// A call of a model, or the sum of several, with the run that it is of.
#[derive(Clone, Copy, Debug)]
pub struct CallRow<'a> {
    /// The run's id.
    pub run_id: &'a str,
    /// The call's number in the run, from 1; absent for a sum.
    pub number: Option<u64>,
    /// How many calls the row stands for.
    pub calls: u64,
    /// The model.
    pub model: &'a str,
    /// When it was asked.
    pub time: Option<&'a str>,
    /// Steps that had begun before.
    pub after_steps: Option<u64>,
    /// Why the answer ended.
    pub stop: Option<&'a Stop>,
    /// Why there is no answer.
    pub failure: Option<&'a str>,
    /// Tokens.
    pub usage: Option<Usage>,
    /// What it cost.
    pub cost: Option<MicroUsd>,
    /// Milliseconds to the end of its answer.
    pub took_ms: Option<u64>,
}

/// The rows of a run: its calls, if they are known one by one, else a sum for each model.
pub fn calls_of<'a>(run: &'a RunRecord, calls: &'a [Call]) -> impl Iterator<Item = CallRow<'a>> {
    let singles = calls.iter().zip(1..).map(|(call, number)| CallRow {
        run_id: &run.run_id,
        number: Some(number),
        calls: 1,
        model: &call.model,
        time: call.time.as_deref(),
        after_steps: Some(call.after_steps),
        stop: call.stop.as_ref(),
        failure: call.failure.as_deref(),
        usage: call.usage,
        cost: call.cost,
        took_ms: call.took_ms,
    });
    let sums = calls.is_empty().then(|| run.usage.models.iter()).into_iter().flatten();
    singles.chain(sums.map(|(model, used)| CallRow {
        run_id: &run.run_id,
        number: None,
        calls: used.calls,
        model,
        time: None,
        after_steps: None,
        stop: None,
        failure: None,
        usage: Some(used.usage),
        cost: None,
        took_ms: None,
    }))
}

impl CallRow<'_> {
    fn tokens(&self, of: fn(Usage) -> u64) -> Cell<'_> {
        Cell::count(self.usage.map(of))
    }
}

impl Schema for Calls {
    const TABLE: Table = Table::Calls;
    type Row<'a> = CallRow<'a>;
    const COLUMNS: &'static [Column<Calls>] = &[
        Column {
            name: "run_id",
            kind: Kind::Text,
            unit: "",
            meaning: "The run",
            cell: |row| Cell::text(row.run_id),
        },
        Column {
            name: "call",
            kind: Kind::Integer,
            unit: "",
            meaning: "The call's number in the run, from 1; null if the row is the sum of a model's calls",
            cell: |row| Cell::count(row.number),
        },
        Column {
            name: "calls",
            kind: Kind::Integer,
            unit: "",
            meaning: "How many calls the row stands for",
            cell: |row| Cell::count(Some(row.calls)),
        },
        Column {
            name: "model",
            kind: Kind::Text,
            unit: "",
            meaning: "The model",
            cell: |row| Cell::text(row.model),
        },
        Column {
            name: "time",
            kind: Kind::Time,
            unit: "UTC",
            meaning: "When it was asked",
            cell: |row| Cell::time(row.time),
        },
        Column {
            name: "after_steps",
            kind: Kind::Integer,
            unit: "",
            meaning: "Steps that had begun before",
            cell: |row| Cell::count(row.after_steps),
        },
        Column {
            name: "stop",
            kind: Kind::Text,
            unit: "",
            meaning: "Why the answer ended: `end_turn`, `tool_calls`, `max_tokens`, `stop_sequence`, `refusal`, `context_length`, `pause`, or the provider's word",
            cell: |row| match row.stop {
                Some(Stop::Other(word)) => Cell::text(word),
                stop => Cell::word(stop),
            },
        },
        Column {
            name: "failure",
            kind: Kind::Text,
            unit: "",
            meaning: "Why there is no answer; null if there is one",
            cell: |row| Cell::maybe_text(row.failure),
        },
        Column {
            name: "input_tokens",
            kind: Kind::Integer,
            unit: "tokens",
            meaning: "Tokens of the prompt, cached or not",
            cell: |row| row.tokens(|usage| usage.input),
        },
        Column {
            name: "cache_read_tokens",
            kind: Kind::Integer,
            unit: "tokens",
            meaning: "Of these, read from a cache",
            cell: |row| row.tokens(|usage| usage.cache_read),
        },
        Column {
            name: "cache_write_5m_tokens",
            kind: Kind::Integer,
            unit: "tokens",
            meaning: "Of these, written to a cache that lives for five minutes, or of no stated life",
            cell: |row| row.tokens(|usage| usage.cache_write_5m),
        },
        Column {
            name: "cache_write_1h_tokens",
            kind: Kind::Integer,
            unit: "tokens",
            meaning: "Of these, written to a cache that lives for an hour",
            cell: |row| row.tokens(|usage| usage.cache_write_1h),
        },
        Column {
            name: "output_tokens",
            kind: Kind::Integer,
            unit: "tokens",
            meaning: "Tokens of the answer, thinking included",
            cell: |row| row.tokens(|usage| usage.output),
        },
        Column {
            name: "reasoning_tokens",
            kind: Kind::Integer,
            unit: "tokens",
            meaning: "Of these, thinking, where the provider tells",
            cell: |row| row.tokens(|usage| usage.reasoning),
        },
        Column {
            name: "cost_micro_usd",
            kind: Kind::Integer,
            unit: "millionths of a US dollar",
            meaning: "What it cost; null for a sum",
            cell: |row| Cell::count(row.cost.map(|cost| cost.0)),
        },
        Column {
            name: "took_ms",
            kind: Kind::Integer,
            unit: "ms",
            meaning: "Time to the end of its answer",
            cell: |row| Cell::count(row.took_ms),
        },
    ];
}
