//! `cost_summary.json` of both adapters: the same sums under different names.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{dollars, milliseconds};
use crate::model::Usage;
use crate::record::{ModelUse, RunRecord};

/// What is read of it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Costs {
    total_cost_usd: Option<f64>,
    inherited_cost_usd: Option<f64>,
    model: Option<String>,
    total_turns: Option<u64>,
    /// The Claude adapter's.
    total_tokens: Option<Tokens>,
    /// The Codex adapter's.
    total_input_tokens: Option<u64>,
    total_output_tokens: Option<u64>,
    total_cached_tokens: Option<u64>,
    time: Option<Times>,
    /// The Codex adapter's.
    pub status: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Tokens {
    input: u64,
    output: u64,
    cache_read: u64,
    cache_write: u64,
    reasoning: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Times {
    wall_clock_seconds: Option<f64>,
    active_seconds: Option<f64>,
}

/// Tokens of one model as Inspect names them.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ModelUsage {
    input_tokens: u64,
    output_tokens: u64,
    input_tokens_cache_read: Option<u64>,
    input_tokens_cache_write: Option<u64>,
    reasoning_tokens: Option<u64>,
}

/// Usage by model.
pub(super) type Models = BTreeMap<String, ModelUsage>;

impl Costs {
    /// Takes the sums over.
    pub(super) fn book(self, record: &mut RunRecord) {
        record.usage.cost = dollars(self.total_cost_usd);
        let time = self.time.unwrap_or_default();
        record.usage.wall_ms = milliseconds(time.wall_clock_seconds, 1000.0);
        record.usage.working_ms = milliseconds(time.active_seconds, 1000.0);
        if self.inherited_cost_usd.is_some_and(|inherited| inherited > 0.0) {
            record.left_out.push("the cost holds that of the run that was resumed".to_owned());
        }
        let usage = match self.total_tokens {
            // Anthropic counts what a cache holds beside the rest of the prompt.
            Some(tokens) => Usage {
                input: tokens.input.saturating_add(tokens.cache_read).saturating_add(tokens.cache_write),
                cache_read: tokens.cache_read,
                cache_write_5m: tokens.cache_write,
                output: tokens.output,
                reasoning: tokens.reasoning,
                ..Usage::default()
            },
            None => Usage {
                input: self.total_input_tokens.unwrap_or(0),
                cache_read: self.total_cached_tokens.unwrap_or(0),
                output: self.total_output_tokens.unwrap_or(0),
                ..Usage::default()
            },
        };
        if let Some(model) = self.model {
            record
                .usage
                .models
                .insert(model.clone(), ModelUse { calls: self.total_turns.unwrap_or(0), usage });
            record.model.get_or_insert(model);
        }
    }
}

impl ModelUsage {
    /// In our terms.
    pub(super) fn usage(self) -> Usage {
        let (read, write) =
            (self.input_tokens_cache_read.unwrap_or(0), self.input_tokens_cache_write.unwrap_or(0));
        Usage {
            input: self.input_tokens.saturating_add(read).saturating_add(write),
            cache_read: read,
            cache_write_5m: write,
            output: self.output_tokens,
            reasoning: self.reasoning_tokens.unwrap_or(0),
            ..Usage::default()
        }
    }
}
