//! What failures of providers are for the log, and whether a call is sent again.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use hyper::HeaderMap;
use researchgym_core::model::redact::Redactor;
use researchgym_core::model::retry::{ProviderFailure, RetryPolicy, classify};
use researchgym_core::model::{FailureKind, ModelFailure, WireError};

use crate::model::Endpoint;

/// A failed attempt.
pub(super) struct Failed {
    /// For the log.
    pub(super) failure: ModelFailure,
    judged: ProviderFailure,
}

impl Failed {
    /// How long to wait before another attempt, if one helps.
    pub(super) fn next_wait(&self, policy: &RetryPolicy, attempts: u32) -> Option<Duration> {
        policy.next_wait(&self.judged, attempts, random())
    }
}

/// An answer that is an error.
pub(super) fn of_answer(status: u16, headers: &HeaderMap, body: &[u8]) -> Failed {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let judged = classify(status, header, &String::from_utf8_lossy(body), now);
    Failed { failure: logged(&judged), judged }
}

/// An attempt without an answer.
pub(super) fn of_client(failure: ModelFailure) -> Failed {
    let judged = ProviderFailure::new(failure.kind, &failure.message);
    Failed { failure, judged }
}

/// What went wrong within an answer.
pub(super) fn of_wire(error: &WireError) -> ModelFailure {
    logged(&ProviderFailure::from_wire(error))
}

/// An answer that broke off.
pub(super) fn broken(message: &str) -> ModelFailure {
    ModelFailure { kind: FailureKind::BrokenStream, status: None, message: message.to_owned() }
}

/// A text without the key of an endpoint.
pub(super) fn redacted(text: &[u8], endpoint: &Endpoint) -> Bytes {
    let key = endpoint.key.iter().map(|key| key.expose());
    let headers = endpoint.headers.iter().map(|(_, value)| value.as_str());
    let redactor = Redactor::new(key.chain(headers.filter(|value| value.len() >= SECRET_LENGTH)));
    Bytes::from(redactor.redact_bytes(text).into_owned())
}

/// Headers of an endpoint that are as long as this may be keys; versions and names of features are shorter.
const SECRET_LENGTH: usize = 24;

/// What the log keeps of a failure.
pub(super) fn logged(judged: &ProviderFailure) -> ModelFailure {
    ModelFailure { kind: judged.kind, status: judged.status, message: judged.message.clone() }
}

/// From 0 to 1. Without random numbers many callers come back together, which is no failure.
fn random() -> f64 {
    let mut bytes = [0; 4];
    let filled = getrandom::fill(&mut bytes);
    filled.map_or(0.5, |()| f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX))
}
