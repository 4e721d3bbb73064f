//! Which events belong to scoring, and are no steps of the agent: those in a span of scorers, or between old marks of one.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::json::text;

/// What of scoring is under way.
#[derive(Debug, Default)]
pub(super) struct Scoring {
    /// Spans of scorers, and those in them.
    spans: BTreeSet<String>,
    /// Old marks: how many steps of scorers are open.
    depth: usize,
}

impl Scoring {
    /// Takes an event in.
    pub(super) fn see(&mut self, kind: &str, event: &Value) {
        let is_scorer = matches!(event["type"].as_str(), Some("scorers" | "scorer"));
        match kind {
            "span_begin" => {
                let is_within = text(event, "parent_id").is_some_and(|parent| self.spans.contains(parent));
                if let Some(id) = text(event, "id").filter(|_| is_scorer || is_within) {
                    self.spans.insert(id.to_owned());
                }
            }
            "step" if is_scorer => match event["action"].as_str() {
                Some("begin") => self.depth += 1,
                _ => self.depth = self.depth.saturating_sub(1),
            },
            _ => {}
        }
    }

    /// Whether an event belongs to it.
    pub(super) fn is_on(&self, event: &Value) -> bool {
        self.depth > 0 || text(event, "span_id").is_some_and(|span| self.spans.contains(span))
    }
}
