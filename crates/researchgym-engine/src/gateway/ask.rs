//! One call from a client's bytes to the books: read, granted, sent (again, if that helps), answered, booked.
//!
//! From the grant on a call is worked on in a task of its own, so that a client that hangs up changes nothing about
//! what is booked. One that hangs up before anything was sent costs nothing.

use std::sync::Arc;

use bytes::Bytes;
use hyper::HeaderMap;
use researchgym_core::model::bound::input_tokens_bound;
use researchgym_core::model::sse::SseEvent;
use researchgym_core::model::wire::responses::namespaces;
use researchgym_core::model::wire::{Parsed, Shown};
use researchgym_core::model::{FailureKind, ModelFailure, Reply, Request, Wire};
use serde_json::Value;
use tokio::sync::oneshot;

use super::answer::{Answer, error, final_error, refusal};
use super::asking::{Asking, read};
use super::body::parsed;
use super::booking::{Booking, Bounds};
use super::edits::edited;
use super::fetched::{FETCHED, is_fetched};
use super::headers::onward;
use super::route::Delivery;
use super::send::{Sent, send};
use super::server::Work;
use super::teller::{Asked, Refused};
use super::{relay, scripted, translate};
use crate::model::{Backend, Endpoint};

/// A client's request as it arrived.
pub(super) struct Arrived {
    /// The client's form.
    pub(super) dialect: Wire,
    /// What the path says, in Gemini's form.
    pub(super) in_path: Option<(String, Delivery)>,
    /// The client's headers.
    pub(super) headers: HeaderMap,
    /// The body.
    pub(super) bytes: Bytes,
}

/// A request that is understood.
pub(super) struct Question {
    pub(super) dialect: Wire,
    pub(super) asking: Asking,
    pub(super) endpoint: Arc<Endpoint>,
    headers: HeaderMap,
    bytes: Bytes,
    body: Value,
    /// The request in our form, if the provider's form is another one.
    translated: Option<Parsed>,
}

/// Why a request is not understood.
struct Unasked {
    status: u16,
    message: String,
}

/// Where a client waits for its answer.
pub(super) type Client = oneshot::Sender<Answer>;

/// Answers a request.
pub(super) async fn ask(work: Work, arrived: Arrived) -> Answer {
    let dialect = arrived.dialect;
    let question = match Question::of(&work, arrived) {
        Ok(question) => question,
        Err(Unasked { status, message }) => return final_error(dialect, status, &message),
    };
    let (client, answer) = oneshot::channel();
    tokio::spawn(question.work_on(work, client));
    answer.await.unwrap_or_else(|_| error(dialect, 500, "the gateway failed at this call"))
}

impl Question {
    fn of(work: &Work, arrived: Arrived) -> Result<Question, Unasked> {
        let Arrived { dialect, in_path, headers, bytes } = arrived;
        let refused = |message: String| Unasked { status: 400, message };
        let body = parsed(&bytes).map_err(|error| refused(error.to_string()))?;
        if !work.service.may_fetch && is_fetched(&body) {
            return Err(refused(FETCHED.to_owned()));
        }
        let mut asking = read(dialect, &body).map_err(|error| refused(error.to_string()))?;
        if let Some((named, delivery)) = in_path {
            asking = Asking { named, delivery, ..asking };
        }
        let found = work.service.served.find(&asking.named, dialect);
        let endpoint =
            Arc::clone(found.map_err(|error| Unasked { status: 404, message: error.to_string() })?);
        let is_scripted = matches!(endpoint.backend, Backend::Scripted(_));
        let translated = if endpoint.wire == dialect && !is_scripted {
            None
        } else {
            let is_stream = asking.delivery != Delivery::Plain;
            let parsed = dialect.parse_request(&body, &asking.named, is_stream);
            let parsed = parsed.map_err(|error| refused(error.to_string()))?;
            if let Some(lost) = parsed.lost_at(dialect, endpoint.wire).filter(|_| !is_scripted) {
                let wire = endpoint.wire.name();
                return Err(refused(format!("`{lost}` has no form in the dialect of the model, {wire}")));
            }
            Some(parsed)
        };
        let headers = if endpoint.wire == dialect { onward(&headers, dialect) } else { HeaderMap::new() };
        Ok(Question { dialect, asking, endpoint, headers, bytes, body, translated })
    }

    async fn work_on(self, work: Work, mut client: Client) {
        let input = self.input_bound();
        let asked = Asked {
            endpoint: Arc::clone(&self.endpoint),
            named: self.asking.named.clone(),
            dialect: self.dialect,
            body: self.bytes.clone(),
            input_bound: input,
            output_wanted: self.asking.output.map(|output| output.saturating_mul(self.asking.choices)),
            retry_of: None,
        };
        let granted = match work.service.teller.ask(asked).await {
            Ok(granted) => granted,
            Err(refused) => return drop(client.send(refusal(self.dialect, &refused))),
        };
        let choices = self.asking.choices;
        let bounds = Bounds { input, output: granted.max_output_tokens, choices };
        let teller = work.service.teller.clone();
        let mut booking = Booking::new(teller, Arc::clone(&self.endpoint), granted.call, &bounds);
        let cap = granted.max_output_tokens / choices;
        if cap < self.asking.least_output.max(1) {
            let refused = Refused::TooLittle { granted: cap, needed: self.asking.least_output.max(1) };
            booking.unbilled(failure(FailureKind::BadRequest, refused.to_string())).await;
            return drop(client.send(refusal(self.dialect, &refused)));
        }
        if let (Backend::Scripted(_), Some(parsed)) = (&self.endpoint.backend, &self.translated) {
            let request = capped(&parsed.request, cap);
            return scripted::answer(&work, &self, &request, granted.position, booking, client).await;
        }
        let is_stream = self.asking.delivery != Delivery::Plain;
        let body = self.body_for(cap);
        let sent = send(&work, &self, self.endpoint.url(is_stream), body, &mut booking, &mut client).await;
        match sent {
            Sent::Answered(answer) if self.translated.is_none() => {
                relay::relay(&work, &self, answer, booking, client).await;
            }
            Sent::Answered(answer) => translate::translate(&work, &self, answer, booking, client).await,
            Sent::Refused(failure, answer) => {
                booking.unbilled(failure).await;
                // A client that has gone needs no answer.
                let _ = client.send(answer);
            }
            Sent::Lost(failure) => {
                let status = if failure.kind == FailureKind::Timeout { 504 } else { 502 };
                let answer = error(self.dialect, status, &failure.message);
                booking.lost(failure).await;
                let _ = client.send(answer);
            }
            Sent::HungUp => {
                let message = "the client hung up before anything was sent".to_owned();
                booking.unbilled(failure(FailureKind::Unreachable, message)).await;
            }
        }
    }

    /// The most tokens that the prompt can have.
    fn input_bound(&self) -> u64 {
        let own = input_tokens_bound(&self.body);
        let translated = self.translated.as_ref().map(|parsed| {
            input_tokens_bound(&self.endpoint.wire.encode(&parsed.request, &self.endpoint.target, false))
        });
        let window = self.endpoint.facts.context_window.filter(|_| !widens_context(&self.headers));
        let window = window.unwrap_or(u64::MAX);
        translated.map_or(own, |translated| translated.max(own)).min(window)
    }

    fn body_for(&self, cap: u64) -> Bytes {
        let Some(parsed) = &self.translated else {
            return edited(&self.bytes, &self.body, &self.asking, &self.endpoint, cap);
        };
        let request = capped(&parsed.request, cap);
        let is_stream = self.asking.delivery != Delivery::Plain;
        self.endpoint.wire.encode(&request, &self.endpoint.target, is_stream).to_string().into()
    }

    /// The client's headers that are passed on.
    pub(super) fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// An answer in the client's form.
    pub(super) fn rendered(&self, reply: &Reply, shown: Shown<'_>) -> Value {
        let mut rendered = self.dialect.render_reply(reply, shown);
        if self.dialect == Wire::Responses {
            namespaces(&self.body).restore(&mut rendered);
        }
        rendered
    }

    /// An answer as a stream in the client's form.
    pub(super) fn rendered_events(&self, reply: &Reply, shown: Shown<'_>) -> Vec<SseEvent> {
        let includes_usage = self.translated.as_ref().is_none_or(|parsed| parsed.include_usage);
        let mut events = self.dialect.render_stream(reply, shown, includes_usage);
        if self.dialect == Wire::Responses {
            namespaces(&self.body).restore_stream(&mut events);
        }
        events
    }

    /// Whether the provider is spoken to in the client's own form.
    pub(super) fn is_relayed(&self) -> bool {
        self.translated.is_none()
    }
}

/// Whether the client asks for a longer context than the model's usual one: `context-1m-2025-08-07` among Anthropic's
/// features.
fn widens_context(headers: &HeaderMap) -> bool {
    let features = headers
        .get_all("anthropic-beta")
        .iter()
        .flat_map(|value| value.as_bytes().split(|&byte| byte == b','));
    let mut lengths = features.filter_map(|feature| feature.trim_ascii().strip_prefix(b"context-"));
    lengths.any(|length| length.first().is_some_and(u8::is_ascii_digit))
}

fn capped(request: &Request, cap: u64) -> Request {
    let mut request = request.clone();
    let wanted = request.settings.max_output_tokens;
    request.settings.max_output_tokens = Some(wanted.map_or(cap, |wanted| wanted.min(cap)));
    request
}

fn failure(kind: FailureKind, message: String) -> ModelFailure {
    ModelFailure { kind, status: None, message }
}
