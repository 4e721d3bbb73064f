//! Calls that a script answers in place of a provider: a scripted model, served in every form.

use bytes::Bytes;
use hyper::HeaderMap;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use researchgym_core::model::retry::ProviderFailure;
use researchgym_core::model::{FailureKind, Reply, Request};
use serde_json::Value;

use super::answer::{Content, answer, error, json as json_answer};
use super::ask::{Client, Question};
use super::booking::Booking;
use super::meter::Reading;
use super::route::Delivery;
use super::translate::{id, shown, written};
use crate::model::Scripted;

/// Answers with the reply at `position` of the script.
pub(super) async fn answer_from(
    scripted: &Scripted,
    question: &Question,
    request: &Request,
    position: u64,
    mut booking: Booking,
    client: Client,
) {
    booking.sending();
    let said = scripted.script.ask(request, &question.endpoint.target, position, &scripted.secrets);
    let said = match said {
        Ok(said) => {
            tokio::time::sleep(said.delay).await;
            said.result
        }
        Err(refused) => Err(ProviderFailure::new(FailureKind::BadRequest, refused.to_string())),
    };
    let reply = match said {
        Ok(reply) => reply,
        Err(failure) => {
            let failed = error(question.dialect, failure.status.unwrap_or(400), &failure.message);
            booking.unbilled(failure.into()).await;
            return drop(client.send(failed));
        }
    };
    booking.answering();
    let call = booking.call();
    let named = id(&reply, call);
    let dialect = question.dialect;
    let whole = dialect.render_reply(&reply, shown(question, &named));
    let shown = match question.asking.delivery {
        Delivery::Plain => json_answer(200, &whole),
        delivery => {
            let events = dialect.render_stream(&reply, shown(question, &named), question.includes_usage());
            streamed(written(&events, delivery), delivery)
        }
    };
    booking.ended(&reading(reply, &whole)).await;
    // A client that has gone needs no answer.
    let _ = client.send(shown);
}

fn streamed(bytes: Bytes, delivery: Delivery) -> super::answer::Answer {
    let kind = if delivery == Delivery::Array { "application/json" } else { "text/event-stream" };
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))]);
    answer(200, headers, Content::Whole(Some(bytes)))
}

fn reading(reply: Reply, whole: &Value) -> Reading {
    let bytes = Bytes::from(whole.to_string());
    Reading { output_bytes: bytes.len() as u64, bytes, usage: reply.usage, reply: Ok(reply) }
}
