//! What calls cost.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::reply::Usage;
use crate::spec::MicroUsd;

/// Micro-dollars per million tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Price {
    /// Prompt.
    pub input: u64,
    /// Answer.
    pub output: u64,
}

impl Price {
    /// What a call cost.
    pub fn cost(&self, usage: Usage) -> MicroUsd {
        self.bound(usage.input, usage.output)
    }

    /// The most that a call can cost.
    pub fn bound(&self, input_tokens: u64, output_tokens: u64) -> MicroUsd {
        let sum = u128::from(self.input) * u128::from(input_tokens)
            + u128::from(self.output) * u128::from(output_tokens);
        MicroUsd(u64::try_from(sum.div_ceil(1_000_000)).unwrap_or(u64::MAX))
    }
}

/// What is known of a model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ModelFacts {
    /// What it costs; absent if nobody knows.
    pub price: Option<Price>,
    /// Tokens of prompt and answer together.
    pub context_window: Option<u64>,
    /// The most tokens of an answer.
    pub max_output: Option<u64>,
}
