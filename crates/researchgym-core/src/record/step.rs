//! One step of a run, whoever ran it: what exports, `show` and `inspect` take.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Category;

/// One step: what was thought, done and seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StepRecord {
    /// From 1.
    pub number: u64,
    /// What it is for.
    pub category: Category,
    /// The tool that was used: `bash`, `edit`, `validate`, a function's name.
    pub tool: String,
    /// What the agent said before it acted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thought: Option<String>,
    /// What was done: shell text, a call's arguments as JSON, a path.
    pub action: String,
    /// What came of it, as far as it was kept.
    pub observation: String,
    /// Bytes of the observation that were left out.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dropped_bytes: u64,
    /// How long it took, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_ms: Option<u64>,
    /// Exit code, if it was a command and that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// Whether it was refused, or failed as a whole.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_refused: bool,
    /// When, RFC 3339 in UTC, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// The model that decided on it, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Files that it wrote with a tool for that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
}

/// A file that was written, or was to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// As it was named.
    pub path: String,
    /// What was written: all of it, or the part that is new.
    pub content: Option<String>,
    /// Whether it happened.
    pub is_applied: bool,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// The longest text of a step that a record keeps, in bytes.
pub const MAX_TEXT_BYTES: usize = 64 << 10;

impl StepRecord {
    /// A step of which nothing else is known.
    pub fn new(
        number: u64,
        category: Category,
        tool: impl Into<String>,
        action: impl Into<String>,
    ) -> StepRecord {
        StepRecord {
            number,
            category,
            tool: tool.into(),
            thought: None,
            action: action.into(),
            observation: String::new(),
            dropped_bytes: 0,
            took_ms: None,
            exit_code: None,
            is_refused: false,
            time: None,
            model: None,
            changes: Vec::new(),
        }
    }

    /// The same with what came of it, of which head and tail are kept if it is longer than [`MAX_TEXT_BYTES`].
    pub fn seen(mut self, observation: &str) -> StepRecord {
        let (text, dropped) = bounded(observation);
        self.observation = text;
        self.dropped_bytes = dropped;
        self
    }
}

/// A text, or its head and tail with a line between them that tells what is missing, and the bytes left out.
pub fn bounded(text: &str) -> (String, u64) {
    if text.len() <= MAX_TEXT_BYTES {
        return (text.to_owned(), 0);
    }
    let head = text.floor_char_boundary(MAX_TEXT_BYTES / 2);
    let tail = text.ceil_char_boundary(text.len() - MAX_TEXT_BYTES / 2);
    let dropped = (tail - head) as u64;
    (format!("{}\n[... {dropped} bytes left out ...]\n{}", &text[..head], &text[tail..]), dropped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_keep_head_and_tail() {
        let text = format!("head{}tail", "é".repeat(MAX_TEXT_BYTES));
        let (kept, dropped) = bounded(&text);
        assert!(kept.starts_with("head") && kept.ends_with("tail"));
        assert_eq!(
            kept.len() - format!("\n[... {dropped} bytes left out ...]\n").len() + dropped as usize,
            text.len()
        );
        assert_eq!(bounded("short"), ("short".to_owned(), 0));
    }
}
