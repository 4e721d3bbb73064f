//! Counting the tokens of a prompt: by the provider, for nothing, if it speaks the client's form; else the bound that a
//! call would be granted on.
//!
//! Such questions are neither granted nor recorded, as they cost nothing. So that they cost the provider's patience
//! neither, there is a limit on how many pass in a minute, and on how long one takes.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use hyper::header::{HeaderMap, RETRY_AFTER};
use researchgym_core::model::bound::input_tokens_bound;
use researchgym_core::model::{ModelFailure, Wire};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use super::answer::{Answer, Content, answer, error, final_error, json as json_answer};
use super::ask::Arrived;
use super::body::parsed;
use super::failures::{broken, redacted};
use super::fetched::{FETCHED, is_fetched};
use super::headers::{back, onward};
use super::server::Work;
use super::splice::set;
use crate::model::Endpoint;

/// The longest answer that is read.
const MOST_BYTES: usize = 1 << 20;

/// How questions for a count are passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counting {
    /// How long the provider may take.
    pub time: Duration,
    /// How many are passed on in a minute.
    pub in_a_minute: u32,
}

impl Counting {
    /// What programs of all kinds get along with.
    pub const USUAL: Counting = Counting { time: Duration::from_secs(30), in_a_minute: 120 };
}

/// Questions of the minute that goes on.
#[derive(Debug, Default)]
pub(super) struct Minute(Mutex<Option<(Instant, u32)>>);

impl Minute {
    /// Takes one of so many places of this minute; else tells how far off the next minute is.
    fn take(&self, places: u32) -> Result<(), Duration> {
        const MINUTE: Duration = Duration::from_secs(60);
        let mut minute = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let (began, taken) = minute.filter(|(began, _)| now - *began < MINUTE).unwrap_or((now, 0));
        if taken >= places {
            return Err(MINUTE - (now - began));
        }
        *minute = Some((began, taken + 1));
        Ok(())
    }
}

/// Counts.
pub(super) async fn count(work: &Work, arrived: Arrived) -> Answer {
    let Arrived { dialect, in_path, headers, bytes } = arrived;
    let body = match parsed(&bytes) {
        Ok(body @ Value::Object(_)) => body,
        Ok(_) => return final_error(dialect, 400, "the body is not a JSON object"),
        Err(error) => return final_error(dialect, 400, &error.to_string()),
    };
    if !work.service.may_fetch && is_fetched(&body) {
        return final_error(dialect, 400, FETCHED);
    }
    let named = match &in_path {
        Some((named, _)) => named.as_str(),
        None => body["model"].as_str().unwrap_or_default(),
    };
    let endpoint = match work.service.served.find(named, dialect) {
        Ok(endpoint) => endpoint,
        Err(error) => return final_error(dialect, 404, &error.to_string()),
    };
    let Some(url) = counting_url(endpoint).filter(|_| endpoint.wire == dialect) else {
        return estimated(dialect, &body, endpoint);
    };
    let model = Value::from(endpoint.target.model.as_str()).to_string();
    let bytes = match dialect {
        Wire::Messages if body["model"] != endpoint.target.model => set(&bytes, &["model"], &model).into(),
        _ => bytes,
    };
    let Counting { time, in_a_minute } = work.service.counting;
    if let Err(wait) = work.counts.take(in_a_minute) {
        let message = format!("no more than {in_a_minute} counts are asked for in a minute");
        let mut answer = error(dialect, 429, &message);
        answer.headers_mut().insert(RETRY_AFTER, (wait.as_secs() + 1).into());
        return answer;
    }
    match timeout(time, relayed(work, endpoint, &url, &onward(&headers, dialect), bytes)).await {
        Err(_) => error(dialect, 504, &format!("the provider did not count within {} s", time.as_secs_f64())),
        Ok(Ok(answer)) => answer,
        Ok(Err(failure)) => error(dialect, 502, &format!("the provider does not count: {}", failure.message)),
    }
}

async fn relayed(
    work: &Work,
    endpoint: &Endpoint,
    url: &str,
    headers: &HeaderMap,
    bytes: Bytes,
) -> Result<Answer, ModelFailure> {
    let mut answered = work.service.client.send(endpoint, url, headers, bytes).await?;
    let mut body = Vec::new();
    while let Some(chunk) = answered.chunk().await? {
        body.extend_from_slice(&chunk);
        if body.len() > MOST_BYTES {
            return Err(broken("it is too long"));
        }
    }
    let content = Content::Whole(Some(redacted(&body, endpoint)));
    Ok(answer(answered.status, back(&answered.headers), content))
}

/// Where the provider counts, if its form has a place for it.
pub(crate) fn counting_url(endpoint: &Endpoint) -> Option<String> {
    let url = endpoint.url(false);
    match endpoint.wire {
        Wire::Messages => Some(url.replacen("/messages", "/messages/count_tokens", 1)),
        Wire::Gemini => Some(url.replacen(":generateContent", ":countTokens", 1)),
        Wire::Chat | Wire::Responses => None,
    }
}

fn estimated(dialect: Wire, body: &Value, endpoint: &Endpoint) -> Answer {
    // No number that a client would read as negative or inexact.
    let most = endpoint.facts.context_window.unwrap_or(u64::from(u32::MAX));
    let tokens = input_tokens_bound(body).min(most);
    let key = if dialect == Wire::Gemini { "totalTokens" } else { "input_tokens" };
    json_answer(200, &json!({key: tokens}))
}
