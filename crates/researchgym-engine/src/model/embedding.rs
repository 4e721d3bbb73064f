//! One attempt to have texts embedded: encode, send, read, decode, and say what must be paid for. As in
//! [`super::attempt`], there is no loop here, and what a provider does not tell is booked at its bound.

use std::time::{Duration, Instant};

use bytes::Bytes;
use reqwest::header::HeaderMap;
use researchgym_core::model::embedding::{Embedded, decode, encode, tokens_bound, usage_of};
use researchgym_core::model::retry::ProviderFailure;
use researchgym_core::model::{FailureKind, Usage, WireError};
use serde_json::Value;

use super::attempt::{MAX_ANSWER, as_it_is, broken, malformed, refusal};
use super::client::{Client, NoAnswer};
use super::endpoint::{Backend, Endpoint};

/// How long an answer may take. Embeddings are made in one pass: a provider that is silent for longer is not well.
const PATIENCE: Duration = Duration::from_secs(120);

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct EmbeddingAttempted {
    /// A vector for each text, or why there is none.
    pub result: Result<Vec<Vec<f32>>, ProviderFailure>,
    /// The tokens that must be booked; `None` if the provider bills nothing.
    pub billed: Option<Usage>,
    /// Whether the provider reported them; if not, they are bounds.
    pub usage_reported: bool,
    /// From sending to the end.
    pub latency: Duration,
    /// From sending to the first byte of the answer.
    pub first_byte: Option<Duration>,
}

impl EmbeddingAttempted {
    fn unbilled(failure: ProviderFailure) -> EmbeddingAttempted {
        let (latency, first_byte) = (Duration::ZERO, None);
        EmbeddingAttempted { result: Err(failure), billed: None, usage_reported: true, latency, first_byte }
    }

    /// The provider has worked, and nobody can use what it made; or may have worked.
    pub(crate) fn spoilt(failure: ProviderFailure, told: Option<Usage>, bound: u64) -> EmbeddingAttempted {
        let billed = Some(told.unwrap_or(Usage { input: bound, ..Usage::default() }));
        EmbeddingAttempted { billed, usage_reported: told.is_some(), ..EmbeddingAttempted::unbilled(failure) }
    }

    fn embedded(embedded: Embedded, bound: u64) -> EmbeddingAttempted {
        let Embedded { vectors, usage } = embedded;
        EmbeddingAttempted {
            result: Ok(vectors),
            billed: Some(usage.unwrap_or(Usage { input: bound, ..Usage::default() })),
            usage_reported: usage.is_some(),
            latency: Duration::ZERO,
            first_byte: None,
        }
    }
}

/// Asks once. `position` is for scripted models: how many attempts of the run at this one came to an end before.
pub async fn embed(
    client: &Client,
    endpoint: &Endpoint,
    texts: &[String],
    position: u64,
) -> EmbeddingAttempted {
    let sent = Instant::now();
    let bound = tokens_bound(texts, endpoint.facts.context_window);
    let asking = async {
        match &endpoint.backend {
            Backend::Scripted(scripted) => match scripted.script.embed(texts, position, &scripted.secrets) {
                Ok(said) => {
                    super::scripted::pause(said.delay).await;
                    match said.result {
                        Ok(embedded) => EmbeddingAttempted::embedded(embedded, bound),
                        Err(failure) => EmbeddingAttempted::unbilled(failure),
                    }
                }
                Err(refused) => {
                    let failure = ProviderFailure::new(FailureKind::BadRequest, refused.to_string());
                    EmbeddingAttempted::unbilled(ProviderFailure { status: Some(400), ..failure })
                }
            },
            Backend::Http | Backend::Cassette(_) => over_http(client, endpoint, texts, bound, sent).await,
        }
    };
    let mut attempted = tokio::time::timeout(PATIENCE, asking).await.unwrap_or_else(|_| {
        let silent = format!("no embeddings came within {} s", PATIENCE.as_secs());
        EmbeddingAttempted::spoilt(ProviderFailure::new(FailureKind::Timeout, silent), None, bound)
    });
    if let (Err(failure), Some(key)) = (&mut attempted.result, &endpoint.key) {
        // Some repeat the key that they refuse.
        failure.message = failure.message.replace(key.expose(), "[redacted]");
    }
    attempted.latency = sent.elapsed();
    attempted
}

async fn over_http(
    client: &Client,
    endpoint: &Endpoint,
    texts: &[String],
    bound: u64,
    sent: Instant,
) -> EmbeddingAttempted {
    let Some(url) = endpoint.embedding_url() else {
        let message = format!("the dialect {} has no embeddings", endpoint.wire.name());
        return EmbeddingAttempted::unbilled(ProviderFailure::new(FailureKind::BadRequest, message));
    };
    let body = encode(endpoint.wire, &endpoint.target, texts, &endpoint.request);
    let body = Bytes::from(serde_json::to_vec(&body).expect("a value is always JSON"));
    let mut answer = match client.send(endpoint, &url, &HeaderMap::new(), body).await {
        Ok(answer) => answer,
        // The provider may have worked on it all the while.
        Err(NoAnswer::Lost(failure)) => {
            return EmbeddingAttempted::spoilt(as_it_is(failure), None, bound);
        }
        Err(NoAnswer::Unsent(failure)) => return EmbeddingAttempted::unbilled(as_it_is(failure)),
    };
    if !(200..300).contains(&answer.status) {
        let refused = EmbeddingAttempted::unbilled(too_long(refusal(answer).await));
        return EmbeddingAttempted { first_byte: Some(sent.elapsed()), ..refused };
    }
    let mut bytes = Vec::new();
    let mut first_byte = None;
    let attempted = loop {
        match answer.chunk().await {
            Ok(Some(chunk)) => {
                first_byte.get_or_insert_with(|| sent.elapsed());
                bytes.extend_from_slice(&chunk);
                if bytes.len() > MAX_ANSWER {
                    let failure = malformed(format!("the answer has more than {MAX_ANSWER} bytes"));
                    break EmbeddingAttempted::spoilt(failure, None, bound);
                }
            }
            Ok(None) => break read(endpoint, &bytes, texts.len(), bound),
            Err(failure) => break EmbeddingAttempted::spoilt(broken(failure), None, bound),
        }
    };
    EmbeddingAttempted { first_byte, ..attempted }
}

/// llama.cpp says with status 500 that a text is longer than its batch: asking again is of no use.
fn too_long(failure: ProviderFailure) -> ProviderFailure {
    match failure.message.contains("too large to process") {
        true => ProviderFailure { kind: FailureKind::ContextLength, retryable: false, ..failure },
        false => failure,
    }
}

fn read(endpoint: &Endpoint, bytes: &[u8], texts: usize, bound: u64) -> EmbeddingAttempted {
    let value = match serde_json::from_slice::<Value>(bytes) {
        Ok(value) => value,
        Err(error) => {
            let failure = malformed(format!("the answer is not JSON: {error}"));
            return EmbeddingAttempted::spoilt(failure, None, bound);
        }
    };
    match decode(endpoint.wire, &value, texts) {
        Ok(embedded) => EmbeddingAttempted::embedded(embedded, bound),
        // An error in place of an answer: nothing was made that could be billed.
        Err(error @ WireError::Provider { .. }) => {
            EmbeddingAttempted::unbilled(ProviderFailure::from_wire(&error))
        }
        Err(error @ (WireError::Malformed(_) | WireError::CutOff)) => {
            let told = usage_of(endpoint.wire, &value);
            EmbeddingAttempted::spoilt(ProviderFailure::from_wire(&error), told, bound)
        }
    }
}
