//! A run's way to its model: the endpoint, the client and the rules of trying again.

use std::time::Duration;

use researchgym_core::failure::{Boundary, Failure};
use researchgym_core::model::redact::Redactor;
use researchgym_core::model::retry::ProviderFailure;
use researchgym_core::model::{FailureKind, ModelFailure, Request, RetryPolicy};

use super::attempt::{Attempted, Question, ask, next_step};
use super::embedding::{EmbeddingAttempted, embed};
use super::endpoint::Backend;
use super::{Client, Endpoint};

/// A run's way to its model. Shared by all runs of a process that ask the same one.
#[derive(Debug)]
pub struct Door {
    /// Sends.
    pub client: Client,
    /// To whom.
    pub endpoint: std::sync::Arc<Endpoint>,
    /// When another attempt is made.
    pub policy: RetryPolicy,
    /// Takes keys out of whatever a provider says before it is kept or shown.
    pub redactor: Redactor,
}

impl Door {
    /// Sends one attempt. `exchanges`: how many attempts of the run at this model came to an end before.
    pub(crate) async fn attempt(&self, request: &Request, exchanges: u64) -> Attempted {
        let question = Question { request, stream: true, position: exchanges };
        ask(&self.client, &self.endpoint, question, &mut |_| {}).await
    }

    /// Sends one attempt to have texts embedded.
    pub(crate) async fn embed(&self, texts: &[String], exchanges: u64) -> EmbeddingAttempted {
        embed(&self.client, &self.endpoint, texts, exchanges).await
    }

    /// How long is waited before another attempt after a failure, if one is made. `attempt` counts from 1.
    pub(crate) fn wait_after(&self, failure: &ProviderFailure, attempt: u32) -> Option<Duration> {
        self.policy.next_wait(failure, attempt, random())
    }

    /// What is missing on the cassette that records the answers, if something is.
    pub(crate) fn unrecorded(&self) -> Option<String> {
        match &self.endpoint.backend {
            Backend::Cassette(cassette) => cassette.problem(),
            Backend::Http | Backend::Scripted(_) => None,
        }
    }

    /// How long is waited before another attempt, if one is made. `attempt` counts from 1.
    pub(crate) fn wait_before(&self, attempted: &Attempted, attempt: u32) -> Option<Duration> {
        next_step(&self.policy, attempted, attempt, random())
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
            FailureKind::BadRequest if matches!(self.endpoint.backend, Backend::Scripted(_)) => failed.hinted(
                "a run keeps the script that it began with: mend the file and begin anew, or go on from a step with \
                 `researchgym run --fork RUN@STEP --model scripted/FILE`",
            ),
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
