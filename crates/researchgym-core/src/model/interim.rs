//! Interim.
use std::time::Duration;

use super::{Message, ModelFailure, RequestSettings};

/// Rules of trying again.
#[derive(Debug, Default)]
pub struct RetryPolicy {}
impl RetryPolicy {
    /// The wait.
    pub fn next_wait(
        &self,
        _: &ModelFailure,
        after: Option<Duration>,
        attempt: u32,
        _: f64,
    ) -> Option<Duration> {
        (attempt < 5).then(|| after.unwrap_or_default())
    }
}
/// Bound.
pub fn message_bound(message: &Message) -> u64 {
    serde_json::to_vec(message).map_or(0, |bytes| bytes.len() as u64)
}
/// Bound.
pub fn settings_bound(settings: &RequestSettings) -> u64 {
    serde_json::to_vec(settings).map_or(0, |bytes| bytes.len() as u64)
}
