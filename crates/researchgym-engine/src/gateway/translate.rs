//! Answers of a provider that speaks another form than the client: read whole, then written in the client's form.
//!
//! A client that asked for a stream gets signs of life while the provider works and all events at the end: pieces of
//! one form cannot always be told as pieces of another.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use hyper::HeaderMap;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use researchgym_core::model::sse::SseEvent;
use researchgym_core::model::wire::Shown;
use researchgym_core::model::{ModelFailure, Reply, Wire};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use super::answer::{Content, answer, error, json as json_answer};
use super::ask::{Client, Question};
use super::booking::Booking;
use super::failures::{broken, of_wire};
use super::meter::Meter;
use super::passage::Array;
use super::relay::{AFTER_THE_END, Next, Outlet, is_events, next, read_whole};
use super::route::Delivery;
use super::server::Work;
use crate::model;

/// Gives an answer in the client's form.
pub(super) async fn translate(
    work: &Work,
    question: &Question,
    answered: model::Answer,
    booking: Booking,
    client: Client,
) {
    let endpoint = &question.endpoint;
    let meter = if is_events(question, &answered) {
        Meter::events(endpoint.wire, &endpoint.target)
    } else {
        Meter::plain(endpoint.wire, &endpoint.target)
    };
    if question.asking.delivery == Delivery::Plain {
        whole(question, answered, meter, booking, client).await;
    } else {
        stream(work, question, answered, meter, booking, client).await;
    }
}

async fn whole(
    question: &Question,
    mut answered: model::Answer,
    mut meter: Meter,
    booking: Booking,
    mut client: Client,
) {
    let call = booking.call();
    let read = read_whole(&mut answered, &mut meter, &mut client).await;
    let reply = match read {
        Ok(()) => booked(meter, booking).await,
        Err(failure) => {
            let (usage, output_bytes) = meter.so_far();
            booking.broke_off(failure.clone(), usage, output_bytes).await;
            Err(failure)
        }
    };
    let shown = match reply {
        Ok(reply) => json_answer(200, &question.rendered(&reply, shown(question, &id(&reply, call)))),
        Err(failure) => error(question.dialect, 502, &failure.message),
    };
    // A client that has gone needs no answer.
    let _ = client.send(shown);
}

async fn stream(
    work: &Work,
    question: &Question,
    mut answered: model::Answer,
    mut meter: Meter,
    booking: Booking,
    client: Client,
) {
    let delivery = question.asking.delivery;
    let (pieces, content) = Content::pieces();
    let kind = if delivery == Delivery::Array { "application/json" } else { "text/event-stream" };
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))]);
    let _ = client.send(answer(200, headers, content));
    let mut outlet = Outlet::new(pieces);
    let ended = read(work.service.keep_alive, question, &mut answered, &mut meter, &mut outlet).await;
    let call = booking.call();
    let reply = match ended {
        Ok(()) => booked(meter, booking).await,
        Err(failure) => {
            let (usage, output_bytes) = meter.so_far();
            booking.broke_off(failure.clone(), usage, output_bytes).await;
            Err(failure)
        }
    };
    let events = match reply {
        Ok(reply) => question.rendered_events(&reply, shown(question, &id(&reply, call))),
        Err(failure) => vec![error_event(question.dialect, &failure)],
    };
    outlet.put(written(&events, delivery)).await;
}

/// Reads an answer to its end, with signs of life for the client.
async fn read(
    keep_alive: Duration,
    question: &Question,
    answered: &mut model::Answer,
    meter: &mut Meter,
    outlet: &mut Outlet,
) -> Result<(), ModelFailure> {
    let mut sign_due = Instant::now() + keep_alive;
    loop {
        if meter.is_complete() {
            // Connections are kept open by some; what they may still say is at most how much was used.
            while let Ok(Ok(Some(chunk))) = timeout(AFTER_THE_END, answered.chunk()).await {
                meter.push(&chunk);
            }
            answered.end();
            return Ok(());
        }
        let until = outlet.until();
        let due = until.map_or(sign_due, |until| until.min(sign_due));
        match next(answered, outlet, Some(due)).await {
            Next::Chunk(chunk) => match chunk? {
                Some(chunk) => meter.push(&chunk),
                None => return Ok(()),
            },
            Next::HungUp => {}
            Next::Late => {
                if until.is_some_and(|until| until <= Instant::now()) {
                    return Err(broken("it went on for too long after the client had hung up"));
                }
                sign_due = Instant::now() + keep_alive;
                outlet.put(sign_of_life(question.dialect)).await;
            }
        }
    }
}

/// Books an answer that has come to its end and gives it.
async fn booked(meter: Meter, booking: Booking) -> Result<Reply, ModelFailure> {
    let reading = meter.conclude();
    booking.ended(&reading).await;
    reading.reply.map_err(|error| of_wire(&error))
}

/// The answer's id; one of ours where the provider gives none.
pub(super) fn id(reply: &Reply, call: u64) -> String {
    reply.id.clone().unwrap_or_else(|| format!("call-{call}"))
}

/// How an answer is shown to this client.
pub(super) fn shown<'a>(question: &'a Question, id: &'a str) -> Shown<'a> {
    let created = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    Shown { model: &question.asking.named, id, created }
}

/// What clients of the form skip.
fn sign_of_life(dialect: Wire) -> Bytes {
    match dialect {
        Wire::Messages => Bytes::from_static(b"event: ping\ndata: {\"type\": \"ping\"}\n\n"),
        Wire::Chat | Wire::Responses => Bytes::from_static(b": the model is at work\n\n"),
        // Google's clients take every line that is not empty for data; in an array it is white space.
        Wire::Gemini => Bytes::from_static(b"\n"),
    }
}

fn error_event(dialect: Wire, failure: &ModelFailure) -> SseEvent {
    let rendered = dialect.render_error(502, "", None, &failure.message);
    match dialect {
        Wire::Messages => SseEvent::named("error", rendered.to_string()),
        Wire::Responses => {
            let error: Value = json!({
                "type": "error",
                "code": "server_error",
                "message": failure.message,
                "param": null,
                "sequence_number": 0,
            });
            SseEvent::named("error", error.to_string())
        }
        Wire::Chat | Wire::Gemini => SseEvent::data(rendered.to_string()),
    }
}

/// Events as they are delivered.
pub(super) fn written(events: &[SseEvent], delivery: Delivery) -> Bytes {
    let mut bytes = Vec::new();
    events.iter().for_each(|event| event.write(&mut bytes));
    if delivery == Delivery::Array {
        let mut array = Array::default();
        let mut elements = array.take(&bytes);
        elements.extend_from_slice(&array.end());
        return elements.into();
    }
    bytes.into()
}
