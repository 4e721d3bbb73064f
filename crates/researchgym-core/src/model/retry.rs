//! What a failed call of a model means, and how long to wait before the next one.
//!
//! [`classify`] reads an answer that is no success, in any of the error forms of the four wires and of the servers that
//! speak them. [`RetryPolicy::next_wait`] decides. Both are pure: the clock and the random number are arguments.
//!
//! Limits: providers name few of their errors by codes, so much is told by their words. Words that are not known are
//! judged by the status alone, which errs towards asking again for 5xx and towards giving up for 4xx.

mod classify;
mod date;
mod words;

#[cfg(test)]
mod tests;

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::failure::{FailureKind, ModelFailure};
use super::wire::WireError;

pub use self::classify::classify;

/// The most characters that are kept of a provider's words.
pub const MAX_MESSAGE_CHARACTERS: usize = 2000;

/// A call that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, thiserror::Error)]
#[serde(deny_unknown_fields)]
#[error("{message}")]
pub struct ProviderFailure {
    /// What it means.
    pub kind: FailureKind,
    /// The HTTP status, if there was an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The provider's words, at most [`MAX_MESSAGE_CHARACTERS`].
    pub message: String,
    /// Whether to ask again: as the kind says, unless the provider said otherwise.
    pub retryable: bool,
    /// How long the provider wants to be left alone, in milliseconds when written.
    #[serde(
        default,
        rename = "retry_after_ms",
        skip_serializing_if = "Option::is_none",
        serialize_with = "write_milliseconds",
        deserialize_with = "read_milliseconds"
    )]
    #[schemars(with = "Option<u64>")]
    pub retry_after: Option<Duration>,
}

impl ProviderFailure {
    /// A failure without an answer to go by, such as [`FailureKind::Unreachable`].
    pub fn new(kind: FailureKind, message: impl AsRef<str>) -> ProviderFailure {
        let message = classify::bounded(message.as_ref());
        ProviderFailure { kind, status: None, message, retryable: kind.is_passing(), retry_after: None }
    }

    /// What went wrong within an answer that began well.
    pub fn from_wire(error: &WireError) -> ProviderFailure {
        match error {
            WireError::Malformed(_) => ProviderFailure::new(FailureKind::Malformed, error.to_string()),
            WireError::CutOff => ProviderFailure::new(FailureKind::BrokenStream, error.to_string()),
            WireError::Provider { kind, message } => {
                ProviderFailure::new(words::kind_in_stream(kind, message), message)
            }
        }
    }
}

impl From<ProviderFailure> for ModelFailure {
    fn from(failure: ProviderFailure) -> ModelFailure {
        let ProviderFailure { kind, status, message, retryable: _, retry_after: _ } = failure;
        ModelFailure { kind, status, message }
    }
}

fn write_milliseconds<S: Serializer>(wait: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    wait.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)).serialize(serializer)
}

fn read_milliseconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    Ok(Option::<u64>::deserialize(deserializer)?.map(Duration::from_millis))
}

/// How often to ask again, and how long to wait in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Calls in all, the first included.
    pub max_attempts: u32,
    /// The most that is waited before the second call.
    pub first_wait: Duration,
    /// The most that is waited before any call, unless the provider says how long.
    pub longest_wait: Duration,
    /// If the provider wants more than this, it is given up.
    pub longest_server_wait: Duration,
}

impl Default for RetryPolicy {
    /// Twenty calls over about ten minutes.
    fn default() -> RetryPolicy {
        RetryPolicy {
            max_attempts: 20,
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_secs(60),
            longest_server_wait: Duration::from_secs(600),
        }
    }
}

impl RetryPolicy {
    /// How long to wait after the `attempt`th call (counted from 1) failed; nothing if it was the last.
    ///
    /// What the provider asked for is waited in full. Otherwise it is a random part of a span that doubles with each
    /// call, so that many runs that failed together do not come back together; `random` is at least 0 and below 1.
    pub fn next_wait(&self, failure: &ProviderFailure, attempt: u32, random: f64) -> Option<Duration> {
        if !failure.retryable || attempt >= self.max_attempts {
            return None;
        }
        if let Some(wait) = failure.retry_after {
            return (wait <= self.longest_server_wait).then_some(wait);
        }
        let doubled = 2u32.saturating_pow(attempt.saturating_sub(1));
        let span = self.first_wait.saturating_mul(doubled).min(self.longest_wait);
        // Nothing in between is a number beyond `span`, whatever `random` is.
        Some(span.mul_f64(if random.is_finite() { random.clamp(0.0, 1.0) } else { 1.0 }))
    }
}
