//! A run's way to its model: the endpoint, the client and the rules of trying again.

use std::time::Duration;

use researchgym_core::failure::{Boundary, Failure};
use researchgym_core::ledger::Grant;
use researchgym_core::model::{FailureKind, ModelFailure, Reply, RetryPolicy, Usage};

use super::{Client, Endpoint};

/// What came of one attempt.
#[derive(Clone, Debug)]
pub struct Attempted {
    /// The answer, or why there is none.
    pub result: Result<Reply, ModelFailure>,
    /// Of a failure: tokens that are paid for all the same.
    pub billed: Option<Usage>,
    /// Whether the provider reported them.
    pub usage_reported: bool,
    /// From sending to the first byte.
    pub first_byte: Option<Duration>,
    /// How long the provider asks us to wait.
    pub retry_after: Option<Duration>,
}

impl Attempted {
    /// The run ended while the answer was under way: it may be paid for in full.
    pub(crate) fn stopped(grant: Grant) -> Attempted {
        let failure = ModelFailure {
            kind: FailureKind::Stopped,
            status: None,
            message: "the run ended while the answer was under way".to_owned(),
        };
        let input = grant.hold.tokens.saturating_sub(grant.output);
        let usage = Usage { input, output: grant.output, ..Usage::default() };
        Attempted {
            result: Err(failure),
            billed: Some(usage),
            usage_reported: false,
            first_byte: None,
            retry_after: None,
        }
    }
}

/// A run's way to its model. Shared by all runs of a process that ask the same one.
#[derive(Debug)]
pub struct Door {
    /// Sends.
    pub client: Client,
    /// To whom.
    pub endpoint: std::sync::Arc<Endpoint>,
    /// When another attempt is made.
    pub policy: RetryPolicy,
}

impl Door {
    /// Sends one attempt. `exchanges`: how many attempts of the run came to an end before.
    pub(crate) async fn attempt(
        &self,
        request: &researchgym_core::model::Request,
        exchanges: u64,
    ) -> Attempted {
        let _ = (request, exchanges);
        std::future::pending().await
    }

    /// How long is waited before another attempt, if one is made. `attempt` counts from 1.
    pub(crate) fn wait_before(
        &self,
        failure: &ModelFailure,
        retry_after: Option<Duration>,
        attempt: u32,
    ) -> Option<Duration> {
        self.policy.next_wait(failure, retry_after, attempt, random())
    }

    /// The failure of a run whose model cannot be asked, with advice.
    pub(crate) fn failure(&self, failure: &ModelFailure) -> Failure {
        let name = &self.endpoint.target.name;
        let status = failure.status.map_or_else(String::new, |status| format!(" (status {status})"));
        let failed = Failure::new(Boundary::Model, format!("{name}{status}: {}", failure.message));
        match failure.kind {
            FailureKind::Authentication => failed.hinted("check the provider's key, then resume the run"),
            FailureKind::ModelNotFound => {
                failed.hinted("check the model's name: `researchgym model list` shows those that are known")
            }
            FailureKind::Quota => {
                failed.hinted("the provider's account has no credit; top it up, then resume the run")
            }
            FailureKind::Unreachable => {
                failed.hinted("check the network and the provider's address, then resume the run")
            }
            FailureKind::RateLimited
            | FailureKind::Overloaded
            | FailureKind::Server
            | FailureKind::Timeout
            | FailureKind::Conflict
            | FailureKind::BrokenStream
            | FailureKind::Malformed => failed.hinted("the provider is not well; resume the run later"),
            FailureKind::ContextLength
            | FailureKind::BadRequest
            | FailureKind::Refused
            | FailureKind::Stopped => failed,
        }
    }
}

fn random() -> f64 {
    let mut bytes = [0; 4];
    // Without randomness the waits are only less well spread.
    let _ = getrandom::fill(&mut bytes);
    f64::from(u32::from_ne_bytes(bytes)) / f64::from(u32::MAX)
}
