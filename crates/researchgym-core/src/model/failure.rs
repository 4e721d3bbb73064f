//! Failures of providers, as the log keeps them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What kind of failure it is, whoever the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// Too many requests or tokens at the moment.
    RateLimited,
    /// The provider is overloaded.
    Overloaded,
    /// The provider broke.
    Server,
    /// It took too long.
    Timeout,
    /// Another request was in the way.
    Conflict,
    /// The conversation is longer than the model's context.
    ContextLength,
    /// No key, or a wrong one.
    Authentication,
    /// The provider has no such model.
    ModelNotFound,
    /// The account has no credit.
    Quota,
    /// The provider does not take the request.
    BadRequest,
    /// The provider declines the content.
    Refused,
    /// No connection could be made: the provider never had the request.
    Unreachable,
    /// The connection broke after the request was sent, before the answer or in its midst.
    BrokenStream,
    /// The answer is not what the wire says.
    Malformed,
    /// The run ended while the call was under way.
    Stopped,
}

impl FailureKind {
    /// Whether the same request may succeed later.
    pub fn is_passing(self) -> bool {
        match self {
            FailureKind::RateLimited
            | FailureKind::Overloaded
            | FailureKind::Server
            | FailureKind::Timeout
            | FailureKind::Conflict
            | FailureKind::Unreachable
            | FailureKind::BrokenStream => true,
            FailureKind::ContextLength
            | FailureKind::Authentication
            | FailureKind::ModelNotFound
            | FailureKind::Quota
            | FailureKind::BadRequest
            | FailureKind::Refused
            | FailureKind::Malformed
            | FailureKind::Stopped => false,
        }
    }
}

/// A failure of a provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelFailure {
    /// What kind.
    pub kind: FailureKind,
    /// The status of the answer, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The provider's words, bounded.
    pub message: String,
}
