//! One run with all that is known of it, as exports take it: its record, its steps, and what it said to models.
//!
//! The first two are there for every run. Messages and calls are there for runs of ours that asked models through the
//! session; whoever makes a story of such a run reads them from the log. What is not known is absent, never made up.

use researchgym_core::model::{Message, Stop, Tool, Usage};
use researchgym_core::record::{RunRecord, StepRecord};
use researchgym_core::spec::MicroUsd;

/// A run with all that is known of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Story {
    /// What analysis sees of it.
    pub record: RunRecord,
    /// Its steps in order.
    pub steps: Vec<StepRecord>,
    /// The conversation of its agent with the model, as it was at its end; absent if it is not known.
    pub messages: Option<Vec<Message>>,
    /// The tools that the model was offered, if that is known.
    pub tools: Vec<Tool>,
    /// Calls of models in order, as far as they are known one by one.
    pub calls: Vec<Call>,
    /// The version of the program that ran it, if known.
    pub version: Option<String>,
    /// The limit that ended it, in its own unit (milliseconds, steps, micro-dollars, tokens), if one did and it is known.
    pub limit: Option<u64>,
}

/// One call of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The model as it was named.
    pub model: String,
    /// When it was asked, RFC 3339 in UTC, if known.
    pub time: Option<String>,
    /// Which of [`Story::messages`] is its answer; absent if it failed, or if its answer was dropped from the conversation.
    pub answer: Option<usize>,
    /// Steps that had begun before.
    pub after_steps: u64,
    /// Why the answer ended; absent if there is none.
    pub stop: Option<Stop>,
    /// Why there is no answer, if there is none.
    pub failure: Option<String>,
    /// Tokens, if known.
    pub usage: Option<Usage>,
    /// What it cost, if known.
    pub cost: Option<MicroUsd>,
    /// Milliseconds to the end of its answer, if known.
    pub took_ms: Option<u64>,
}

impl Story {
    /// The story of a run of which only record and steps are known.
    pub fn of(record: RunRecord, steps: Vec<StepRecord>) -> Story {
        Story {
            record,
            steps,
            messages: None,
            tools: Vec::new(),
            calls: Vec::new(),
            version: None,
            limit: None,
        }
    }
}

#[cfg(test)]
pub(crate) mod samples;
