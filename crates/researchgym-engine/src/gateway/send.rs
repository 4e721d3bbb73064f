//! Sending a call, again after failures that pass, until an answer begins or it does not help any more.

use std::time::Duration;

use bytes::Bytes;
use hyper::HeaderMap;
use researchgym_core::model::ModelFailure;

use super::answer::{Answer, Content, answer, error};
use super::ask::{Client, Question};
use super::booking::Booking;
use super::failures::{Failed, of_answer, of_client, redacted};
use super::headers::back;
use super::server::Work;
use crate::model::{self, NoAnswer};

/// How often a call is sent at most: the clients try again by themselves.
const ATTEMPTS: u32 = 4;
/// A client is not kept waiting for longer than this before another attempt: it is told to come back instead.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// The longest error that is read.
const ERROR_BYTES: usize = 1 << 20;
/// How long the rest of an error may take.
const ERROR_TIME: Duration = Duration::from_secs(30);

/// What came of sending a call.
pub(super) enum Sent {
    /// An answer begins.
    Answered(model::Answer),
    /// The provider does not answer, and the client gets this.
    Refused(ModelFailure, Answer),
    /// The provider may have had the call, and no answer began.
    Lost(ModelFailure),
    /// The client is gone and nothing is under way.
    HungUp,
}

/// Sends a call until an answer begins or another attempt would not help.
pub(super) async fn send(
    work: &Work,
    question: &Question,
    url: String,
    body: Bytes,
    booking: &mut Booking,
    client: &mut Client,
) -> Sent {
    let endpoint = &question.endpoint;
    loop {
        if client.is_closed() {
            return Sent::HungUp;
        }
        booking.sending();
        let sent = work.service.client.send(endpoint, &url, question.headers(), body.clone()).await;
        let (failed, last) = match sent {
            Ok(answer) if (200..300).contains(&answer.status) => {
                booking.answering();
                return Sent::Answered(answer);
            }
            Ok(mut answer) => {
                let text = redacted(&error_body(&mut answer).await, endpoint);
                let failed = of_answer(answer.status, &answer.headers, &text);
                let shown = shown(question, answer.status, &answer.headers, text, &failed.failure);
                (failed, shown)
            }
            // Whoever asks again is granted and pays again: that is the client's to decide.
            Err(NoAnswer::Lost(failure)) => return Sent::Lost(failure),
            Err(NoAnswer::Unsent(failure)) => {
                let message = format!("the provider does not answer: {}", failure.message);
                (of_client(failure), error(question.dialect, 502, &message))
            }
        };
        let wait = next_wait(work, &failed, booking.attempts());
        let Some(wait) = wait else { return Sent::Refused(failed.failure, last) };
        booking.retrying(failed.failure, wait).await;
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = client.closed() => return Sent::HungUp,
        }
    }
}

fn next_wait(work: &Work, failed: &Failed, attempts: u32) -> Option<Duration> {
    if attempts >= ATTEMPTS {
        return None;
    }
    failed.next_wait(&work.service.retry, attempts).filter(|wait| *wait <= LONGEST_WAIT)
}

/// The provider's error as the client gets it: its own bytes, or its words in the client's form.
fn shown(
    question: &Question,
    status: u16,
    headers: &HeaderMap,
    text: Bytes,
    failure: &ModelFailure,
) -> Answer {
    if question.is_relayed() {
        return answer(status, back(headers), Content::Whole(Some(text)));
    }
    let mut answer = error(question.dialect, status, &failure.message);
    for name in ["retry-after", "retry-after-ms", "x-should-retry"] {
        if let Some(value) = headers.get(name) {
            answer.headers_mut().insert(name, value.clone());
        }
    }
    answer
}

/// What can be read of an error.
async fn error_body(answer: &mut model::Answer) -> Vec<u8> {
    let mut body = Vec::new();
    let reading = async {
        while let Ok(Some(chunk)) = answer.chunk().await {
            body.extend_from_slice(&chunk);
            if body.len() > ERROR_BYTES {
                break;
            }
        }
    };
    // What has come says enough.
    let _ = tokio::time::timeout(ERROR_TIME, reading).await;
    body.truncate(ERROR_BYTES);
    body
}
