//! What a model answers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::message::Turn;

/// One answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reply {
    /// What was said, thought and called.
    pub turn: Turn,
    /// Why it ended there.
    pub stop: Stop,
    /// What it used; absent if the provider did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// The provider's id of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The model's exact name as the provider reported it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Token ids and log-probabilities, if the provider returned any: training needs them, and they cannot be had later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<Tokens>,
}

impl Reply {
    /// What it used, if the provider told it and it can be true: no answer is made without a prompt, and none that says
    /// something without output.
    pub fn reported_usage(&self) -> Option<Usage> {
        let says_nothing = self.turn.parts.is_empty();
        self.usage.filter(|usage| usage.tells_prompt() && (usage.output > 0 || says_nothing))
    }
}

/// Token-level detail, in the provider's own form.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tokens {
    /// Ids of the prompt's tokens (vLLM `prompt_token_ids`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_ids: Option<Vec<u64>>,
    /// Ids of the answer's tokens (vLLM `token_ids`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ids: Option<Vec<u64>>,
    /// One entry a token, as the provider wrote it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logprobs: Vec<Value>,
}

/// Why an answer ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// The model was done.
    EndTurn,
    /// It waits for the results of its calls.
    ToolCalls,
    /// The cap on output was reached.
    MaxTokens,
    /// One of the request's stop texts came.
    StopSequence,
    /// The model declined, or the provider's filter cut it off.
    Refusal,
    /// The context window was full.
    ContextLength,
    /// The provider paused a long turn of its own tools; sent back as it is, it goes on.
    Pause,
    /// Something else, in the provider's word.
    Other(String),
}

/// Tokens of one call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Usage {
    /// All of the prompt, cached or not.
    pub input: u64,
    /// Of these, read from a cache.
    #[serde(skip_serializing_if = "is_zero")]
    pub cache_read: u64,
    /// Of these, written to a cache that lives for five minutes (or of no stated life).
    #[serde(skip_serializing_if = "is_zero")]
    pub cache_write_5m: u64,
    /// Of these, written to a cache that lives for an hour.
    #[serde(skip_serializing_if = "is_zero")]
    pub cache_write_1h: u64,
    /// All of the answer, thinking included.
    pub output: u64,
    /// Of these, thinking, where the provider tells.
    #[serde(skip_serializing_if = "is_zero")]
    pub reasoning: u64,
}

impl Usage {
    /// Whether it tells the prompt: some providers report zero until the answer ends.
    pub fn tells_prompt(self) -> bool {
        self.input > 0
    }

    /// Both together.
    pub fn plus(self, other: Usage) -> Usage {
        Usage {
            input: self.input.saturating_add(other.input),
            cache_read: self.cache_read.saturating_add(other.cache_read),
            cache_write_5m: self.cache_write_5m.saturating_add(other.cache_write_5m),
            cache_write_1h: self.cache_write_1h.saturating_add(other.cache_write_1h),
            output: self.output.saturating_add(other.output),
            reasoning: self.reasoning.saturating_add(other.reasoning),
        }
    }

    /// Tokens that count against a limit on tokens.
    pub fn total(self) -> u64 {
        self.input.saturating_add(self.output)
    }
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Part;

    #[test]
    fn a_usage_that_cannot_be_true_is_not_reported() {
        let check = |input: u64, output: u64, parts: Vec<Part>, is_reported: bool| {
            let usage = Usage { input, output, ..Usage::default() };
            let turn = Turn { parts, raw: None };
            let (id, model, tokens) = (None, None, None);
            let reply = Reply { turn, stop: Stop::EndTurn, usage: Some(usage), id, model, tokens };
            assert_eq!(reply.reported_usage(), Some(usage).filter(|_| is_reported), "{reply:?}");
        };
        let said = || vec![Part::Text { text: "a".into() }];
        check(1, 1, said(), true);
        check(1, 0, Vec::new(), true);
        check(1, 0, said(), false);
        check(0, 1, said(), false);
        check(0, 0, Vec::new(), false);
    }
}
