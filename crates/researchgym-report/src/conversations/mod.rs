//! Conversations for supervised fine-tuning: JSON Lines, one run a line, in the form of OpenAI's chat completions.
//!
//! A line is `{"messages": [...], "tools": [...], "metadata": {...}}`. The messages are those of the run's conversation, if it is
//! known; else they are made from its steps, and the metadata says so. What models thought and the pictures that they were shown
//! are not in it; how many there were is in the metadata. Which runs are worth learning from is [`Selection`]'s question.

mod from_messages;
mod from_steps;
mod selection;
#[cfg(test)]
mod tests;

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Value;

pub use self::selection::{Selection, Unfit};
use crate::story::Story;

/// The version of the lines' metadata.
pub const CONVERSATIONS_SCHEMA: u32 = 1;

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Conversation {
    /// The messages in order.
    pub messages: Vec<Value>,
    /// The tools that they call.
    pub tools: Vec<Value>,
    /// What is known of the run.
    pub metadata: Metadata,
}

/// What is known of a conversation's run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Metadata {
    /// Version of this object: 1.
    pub schema: u32,
    /// The run's id.
    pub run_id: String,
    /// The task's id.
    pub task: String,
    /// The task's variant.
    pub variant: String,
    /// The agent's name.
    pub agent: String,
    /// The model's name, if one was asked.
    pub model: Option<String>,
    /// The primary metric's name.
    pub metric: Option<String>,
    /// The primary metric of the final submission, if it is valid.
    pub score: Option<f64>,
    /// The baseline's primary metric.
    pub baseline: Option<f64>,
    /// By how much the score is better than the baseline; negative if it is worse.
    pub gain: Option<f64>,
    /// Whether its score must not be used.
    pub is_flagged: bool,
    /// What the messages were made from: `messages` of the conversation, or `steps` of the run.
    pub made_from: &'static str,
    /// What of the conversation is not in the line.
    pub left_out: LeftOut,
}

/// What a line does not hold, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// Pieces that models thought.
    pub thoughts: u64,
    /// Pictures.
    pub pictures: u64,
    /// Pieces that have no form here, such as calls of a provider's own tools.
    pub others: u64,
    /// Bytes of observations that the run's steps do not hold.
    pub observation_bytes: u64,
}

impl Conversation {
    /// The conversation of a run; nothing if the run has neither messages nor steps.
    pub fn of(story: &Story) -> Option<Conversation> {
        let messages = story.messages.as_deref().filter(|messages| !messages.is_empty());
        let (made, made_from) = match messages {
            Some(messages) => (from_messages::made(messages, &story.tools), "messages"),
            None if story.steps.is_empty() => return None,
            None => (from_steps::made(story), "steps"),
        };
        let metadata = Metadata::of(story, made_from, made.left_out);
        Some(Conversation { messages: made.messages, tools: made.tools, metadata })
    }

    /// Writes it as one line.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        serde_json::to_writer(&mut *out, self)?;
        out.write_all(b"\n")
    }
}

impl Metadata {
    fn of(story: &Story, made_from: &'static str, left_out: LeftOut) -> Metadata {
        let record = &story.record;
        Metadata {
            schema: CONVERSATIONS_SCHEMA,
            run_id: record.run_id.clone(),
            task: record.task.id.clone(),
            variant: record.task.variant.clone(),
            agent: record.agent.clone(),
            model: record.model.clone(),
            metric: record.task.primary.as_ref().map(|primary| primary.name.clone()),
            score: record.submission_value(),
            baseline: record.baseline_value(),
            gain: selection::gain(record),
            is_flagged: record.is_flagged(),
            made_from,
            left_out,
        }
    }
}

/// Messages and tools, before it is known whose they are.
#[derive(Default)]
struct Made {
    messages: Vec<Value>,
    tools: Vec<Value>,
    left_out: LeftOut,
}
