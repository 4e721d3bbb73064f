//! Answers of a provider that speaks the client's own form: the bytes pass as they are, and the meter reads along.
//!
//! The end of an answer is given to the client when the call is booked, so that a client that asks again finds the books
//! in order. When a client hangs up, the answer is read to its end for the books.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use researchgym_core::model::{ModelFailure, Wire};
use tokio::time::{Instant, timeout, timeout_at};

use super::answer::{Content, Pieces, answer, error};
use super::ask::{Client, Question};
use super::booking::Booking;
use super::failures::broken;
use super::headers::back;
use super::meter::Meter;
use super::passage::{Array, Events, Passage};
use super::route::Delivery;
use super::server::Work;
use crate::model;

/// How long an answer is read on for the books alone, and how long a client may let its answer lie.
pub(super) const PATIENCE: Duration = Duration::from_secs(600);
/// How long the bytes after the end of an answer may take.
pub(super) const AFTER_THE_END: Duration = Duration::from_secs(1);
/// The longest answer.
const MOST_BYTES: usize = 256 << 20;

/// Passes an answer on.
pub(super) async fn relay(
    work: &Work,
    question: &Question,
    answer: model::Answer,
    booking: Booking,
    client: Client,
) {
    if is_events(question, &answer) {
        stream(work, question, answer, booking, client).await;
    } else {
        whole(question, answer, booking, client).await;
    }
}

/// Whether the answer comes as events: what it says itself, and else what was asked for.
pub(super) fn is_events(question: &Question, answer: &model::Answer) -> bool {
    let kind = answer.headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    if kind.starts_with(b"text/event-stream") {
        return true;
    }
    question.asking.delivery != Delivery::Plain && !kind.starts_with(b"application/json")
}

async fn whole(question: &Question, mut answered: model::Answer, booking: Booking, mut client: Client) {
    let endpoint = &question.endpoint;
    let mut meter = Meter::plain(endpoint.wire, &endpoint.target);
    match read_whole(&mut answered, &mut meter, &mut client).await {
        Ok(()) => {
            let reading = meter.conclude();
            booking.ended(&reading).await;
            let content = Content::Whole(Some(reading.bytes));
            // A client that has gone needs no answer.
            let _ = client.send(answer(answered.status, back(&answered.headers), content));
        }
        Err(failure) => {
            let message = format!("the provider's answer broke off: {}", failure.message);
            booking.lost(failure).await;
            let _ = client.send(error(question.dialect, 502, &message));
        }
    }
}

/// Reads an answer to its end; for the books alone, if the client hangs up.
pub(super) async fn read_whole(
    answered: &mut model::Answer,
    meter: &mut Meter,
    client: &mut Client,
) -> Result<(), ModelFailure> {
    let mut until = None;
    loop {
        let chunk = match until {
            Some(until) => {
                let late = broken("it went on for too long after the client had hung up");
                timeout_at(until, answered.chunk()).await.unwrap_or(Err(late))?
            }
            None => tokio::select! {
                chunk = answered.chunk() => chunk?,
                () = client.closed() => {
                    until = Some(Instant::now() + PATIENCE);
                    continue;
                }
            },
        };
        let Some(chunk) = chunk else { return Ok(()) };
        meter.push(&chunk);
        if meter.length() > MOST_BYTES {
            return Err(broken("it is too long"));
        }
    }
}

async fn stream(
    work: &Work,
    question: &Question,
    mut answered: model::Answer,
    booking: Booking,
    client: Client,
) {
    let endpoint = &question.endpoint;
    let mut meter = Meter::events(endpoint.wire, &endpoint.target);
    let mut passage = match (endpoint.wire, question.asking.delivery) {
        (Wire::Gemini, Delivery::Array) => Passage::Array(Array::default()),
        (Wire::Chat, _) if !question.asking.include_usage => Passage::WithoutUsage(Events::default()),
        _ => Passage::Untouched,
    };
    let (pieces, content) = Content::pieces();
    let mut headers = back(&answered.headers);
    if matches!(passage, Passage::Array(_)) {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    let _ = client.send(answer(answered.status, headers, content));
    let mut outlet = Outlet::new(pieces);
    let mut rest = Vec::new();
    let ended = loop {
        let until = if meter.is_complete() { Some(Instant::now() + AFTER_THE_END) } else { outlet.until() };
        let chunk = match next(&mut answered, &mut outlet, until).await {
            Next::Chunk(Ok(Some(chunk))) => chunk,
            Next::Chunk(Ok(None)) => break Ok(()),
            Next::Chunk(Err(_)) | Next::Late if meter.is_complete() => {
                answered.end();
                break Ok(());
            }
            Next::Chunk(Err(failure)) => break Err(failure),
            Next::Late => break Err(broken("it went on for too long after the client had hung up")),
            Next::HungUp => continue,
        };
        meter.push(&chunk);
        if meter.length() > MOST_BYTES {
            break Err(broken("it is too long"));
        }
        let passed = passage.pass(chunk);
        if meter.is_complete() {
            rest.extend_from_slice(&passed);
        } else {
            outlet.put(passed).await;
        }
    };
    match ended {
        Ok(()) => {
            booking.ended(&meter.conclude()).await;
            rest.extend_from_slice(&passage.end());
            outlet.put(rest.into()).await;
        }
        Err(failure) => {
            let (usage, output_bytes) = meter.so_far();
            booking.broke_off(failure, usage, output_bytes).await;
            outlet.cut().await;
        }
    }
    // The work is done when the client's side is: a gateway that ends waits for it.
    let _ = work;
}

/// The client's side of a stream.
pub(super) struct Outlet {
    pieces: Pieces,
    gone: Option<Instant>,
}

impl Outlet {
    pub(super) fn new(pieces: Pieces) -> Outlet {
        Outlet { pieces, gone: None }
    }

    /// Until when the provider is listened to, if the client is gone.
    pub(super) fn until(&self) -> Option<Instant> {
        self.gone.map(|gone| gone + PATIENCE)
    }

    /// Gives a piece to the client, if it is there and takes it.
    pub(super) async fn put(&mut self, bytes: Bytes) {
        if self.gone.is_some() || bytes.is_empty() {
            return;
        }
        if !matches!(timeout(PATIENCE, self.pieces.send(Ok(bytes))).await, Ok(Ok(()))) {
            self.gone = Some(Instant::now());
        }
    }

    /// Cuts the connection: an end would look as if the answer were whole.
    pub(super) async fn cut(mut self) {
        if self.gone.take().is_none() {
            let broken = io::Error::other("the provider's answer broke off");
            let _ = timeout(PATIENCE, self.pieces.send(Err(broken))).await;
        }
    }
}

/// What happens next to a stream.
pub(super) enum Next {
    /// Something came, or ended.
    Chunk(Result<Option<Bytes>, ModelFailure>),
    /// The client hung up just now.
    HungUp,
    /// The time is over.
    Late,
}

/// Waits for bytes of the provider, and for the client to hang up.
pub(super) async fn next(answered: &mut model::Answer, outlet: &mut Outlet, until: Option<Instant>) -> Next {
    let is_there = outlet.gone.is_none();
    let chunk = async {
        match until {
            Some(until) => timeout_at(until, answered.chunk()).await.map_or(Next::Late, Next::Chunk),
            None => Next::Chunk(answered.chunk().await),
        }
    };
    tokio::select! {
        biased;
        chunk = chunk => chunk,
        () = outlet.pieces.closed(), if is_there => {
            outlet.gone = Some(Instant::now());
            Next::HungUp
        }
    }
}
