//! Answers of a scripted model, which has no address and no bytes of its own: written in the client's form at once.
//!
//! The calls before it are the position in the script, so that a run with one model and one client reads it line by line.

use bytes::Bytes;
use hyper::HeaderMap;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use researchgym_core::model::Request;

use super::answer::{Content, answer as respond, error, json};
use super::ask::{Client, Question};
use super::booking::Booking;
use super::failures::logged;
use super::meter::Reading;
use super::route::Delivery;
use super::server::Work;
use super::translate::{id, shown, written};
use crate::model;

/// Gives the script's answer to this call.
pub(super) async fn answer(
    work: &Work,
    question: &Question,
    request: &Request,
    position: u64,
    mut booking: Booking,
    client: Client,
) {
    let delivery = question.asking.delivery;
    let call = booking.call();
    let stream = delivery != Delivery::Plain;
    let asked = model::Question { request, stream, position };
    booking.sending();
    let attempted = model::ask(&work.service.client, &question.endpoint, asked, &mut |_| {}).await;
    booking.answering();
    let reply = match attempted.result {
        Ok(reply) => reply,
        Err(failed) => {
            let shown = error(question.dialect, failed.status.unwrap_or(502), &failed.message);
            booking.unbilled(logged(&failed)).await;
            return drop(client.send(shown));
        }
    };
    let id = id(&reply, call);
    let shown = shown(question, &id);
    let answer = match delivery {
        Delivery::Plain => json(200, &question.rendered(&reply, shown)),
        Delivery::Events | Delivery::Array => {
            let events = question.rendered_events(&reply, shown);
            let kind = if delivery == Delivery::Array { "application/json" } else { "text/event-stream" };
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))]);
            respond(200, headers, Content::Whole(Some(written(&events, delivery))))
        }
    };
    let bytes = match answer.body() {
        Content::Whole(Some(bytes)) => bytes.clone(),
        Content::Whole(None) | Content::Pieces(_) => Bytes::new(),
    };
    let output_bytes = bytes.len() as u64;
    booking.ended(&Reading { bytes, usage: attempted.billed, output_bytes, reply: Ok(reply) }).await;
    // A client that has gone needs no answer.
    let _ = client.send(answer);
}
