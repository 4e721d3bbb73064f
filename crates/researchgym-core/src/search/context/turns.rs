//! What is said to a model after an answer of its own.

use super::room::one_line;
use super::template::{TURNS, fill, part};
use crate::model::Message;

/// Sends the exact error of an answer back that could not be used. `attempt` counts the answers so far, from 1.
pub fn repair(error: &str, attempt: u32) -> Message {
    let name = if attempt <= 1 { "repair" } else { "repair-again" };
    Message::user(fill(part(&TURNS, name), &[("error", error.trim()), ("attempt", &attempt.to_string())]))
}

/// Asks for the ideas that are still missing after an answer that had some.
pub fn more_ideas(had: usize, missing: usize) -> Message {
    let values = [("had", had.to_string()), ("missing", missing.to_string())];
    Message::user(fill(
        part(&TURNS, "more-ideas"),
        &values.each_ref().map(|(name, value)| (*name, value.as_str())),
    ))
}

/// Asks for another idea in place of one that says what an earlier one says.
pub fn again_idea(reason: &str) -> Message {
    let reason = one_line(reason, 2000);
    Message::user(fill(part(&TURNS, "again-idea"), &[("reason", reason.trim_end_matches('.'))]))
}

/// Asks for the ideas that are still missing after an answer of which some were not taken.
pub fn other_ideas(reasons: &[&str], had: usize, missing: usize) -> Message {
    let listed: Vec<String> = reasons.iter().map(|reason| format!("- {}", one_line(reason, 500))).collect();
    let values = [
        ("count", reasons.len().to_string()),
        ("reasons", listed.join("\n")),
        ("had", had.to_string()),
        ("missing", missing.to_string()),
    ];
    Message::user(fill(
        part(&TURNS, "other-ideas"),
        &values.each_ref().map(|(name, value)| (*name, value.as_str())),
    ))
}

/// Asks for another candidate in place of one that a gate refuses, such as `it equals candidate 12`.
pub fn again(reason: &str) -> Message {
    let reason = one_line(reason, 2000);
    Message::user(fill(part(&TURNS, "again"), &[("reason", reason.trim_end_matches('.'))]))
}
