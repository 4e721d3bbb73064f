//! What is answered to a request, what is wrong with it, and what it costs.

use researchgym_core::model::redact::Redactor;
use researchgym_core::model::sse::{Splitter, SseEvent};
use researchgym_core::model::wire::{Parsed, Shown, WireStream};
use researchgym_core::model::{Part, Reply, Target, Usage, Wire};
use serde_json::Value;

use super::http::{Manner, Outgoing, Received};
use super::{Fault, Progress, State, embedding};
use crate::model::scripted::Said;

/// The moment that all answers bear.
const CREATED: u64 = 1_700_000_000;

/// Answers one request and books it.
pub(super) fn answer(state: &State, received: &Received) -> Outgoing {
    let mut progress = state.locked();
    let number = progress.requests;
    progress.requests += 1;
    progress.bill.requests += 1;
    let body: Value = serde_json::from_slice(&received.body).unwrap_or(Value::Null);
    progress.bodies.push(body.clone());
    if let Some((wire, model)) = embedding::route(&received.path) {
        return embedding::answer(state, &mut progress, received, (wire, &model, number), &body);
    }
    let Some((wire, model, is_stream)) = route(&received.path) else {
        return refused(&mut progress, Wire::Chat, 404, format!("there is nothing at {}", received.path));
    };
    if received.method != "POST" || received.header("content-type") != Some("application/json") {
        return refused(&mut progress, wire, 400, "a request is a POST of application/json".to_owned());
    }
    let key = state.conduct.key.as_deref();
    if key.is_some() && shown_key(wire, received) != key {
        return refused(&mut progress, wire, 401, "the key is missing or wrong".to_owned());
    }
    let parsed = match wire.parse_request(&body, &model, is_stream) {
        Ok(parsed) => parsed,
        Err(error) => return refused(&mut progress, wire, 400, error.to_string()),
    };
    let fault = state.conduct.faults.get(&number);
    if let Some(Fault::Status { status, headers, message }) = fault {
        let body = wire.render_error(*status, "", None, message);
        let headers = headers.iter().cloned().chain([json_type()]).collect();
        return Outgoing { status: *status, headers, body: body.to_string().into(), manner: Manner::Whole };
    }
    // No key may be in the conversation.
    let secrets = Redactor::new(state.conduct.key.as_deref());
    let target = Target { name: format!("fake/{}", parsed.model), model: parsed.model.clone() };
    let said = state.conduct.script.ask(&parsed.request, &target, progress.position, &secrets);
    match said {
        Err(violation) => refused(&mut progress, wire, 400, violation.to_string()),
        Ok(Said { result: Err(failure), .. }) => {
            progress.position += 1;
            let status = failure.status.unwrap_or(500);
            let wait =
                failure.retry_after.map(|wait| ("retry-after-ms".to_owned(), wait.as_millis().to_string()));
            Outgoing {
                status,
                headers: wait.into_iter().chain([json_type()]).collect(),
                body: wire.render_error(status, "", None, &failure.message).to_string().into(),
                manner: Manner::Whole,
            }
        }
        Ok(Said { result: Ok(reply), .. }) => {
            let served = Served { wire, parsed: &parsed, reply, fault };
            if !served.is_spoilt() {
                progress.position += 1;
            }
            let (outgoing, billed) = served.render();
            if let Some(usage) = billed {
                progress.bill.billed += 1;
                progress.bill.usage = sum(progress.bill.usage, usage);
            }
            outgoing
        }
    }
}

/// An answer of the script, to be given to a request.
struct Served<'a> {
    wire: Wire,
    parsed: &'a Parsed,
    reply: Reply,
    fault: Option<&'a Fault>,
}

impl Served<'_> {
    /// Whether the client cannot use the answer and will ask again.
    fn is_spoilt(&self) -> bool {
        match self.fault {
            None
            | Some(
                Fault::NoUsage | Fault::HalfUsage | Fault::SameIds | Fault::Drip { .. } | Fault::Vectors(_),
            ) => false,
            Some(
                Fault::Status { .. }
                | Fault::HangUp
                | Fault::Reset(_)
                | Fault::Truncated(_)
                | Fault::Garbage
                | Fault::ErrorEvent { .. },
            ) => true,
        }
    }

    /// The answer, and the tokens that are billed for it.
    fn render(mut self) -> (Outgoing, Option<Usage>) {
        let usage = self.reply.usage.unwrap_or_default();
        if self.fault == Some(&Fault::SameIds) {
            for part in &mut self.reply.turn.parts {
                if let Part::Call { id, .. } = part {
                    *id = "call_1".to_owned();
                }
            }
        }
        if let Some(Fault::ErrorEvent { kind, message, after }) = self.fault {
            return self.error_event(usage, kind, message, *after);
        }
        let mut body = if self.parsed.stream {
            let mut bytes = Vec::new();
            self.events().iter().for_each(|event| event.write(&mut bytes));
            bytes
        } else {
            let mut value = self.wire.render_reply(&self.reply, self.shown());
            self.withhold(&mut value);
            value.to_string().into()
        };
        let mut manner = Manner::Whole;
        let mut billed = usage;
        match self.fault {
            Some(Fault::Reset(share)) => {
                let sent = part_of(body.len(), *share);
                manner = Manner::Reset(sent);
                if self.parsed.stream {
                    billed = self.billed_part(usage, &body, sent);
                }
            }
            Some(Fault::Truncated(share)) => body.truncate(part_of(body.len(), *share)),
            Some(Fault::Garbage) if self.parsed.stream => body = b"data: {\"this is\": no JSON\n\n".to_vec(),
            Some(Fault::Garbage) => body = b"<html>this is no JSON</html>".to_vec(),
            Some(Fault::Drip { bytes, pause }) => manner = Manner::Drip { bytes: *bytes, pause: *pause },
            Some(Fault::HangUp) => manner = Manner::HangUp,
            Some(
                Fault::Status { .. }
                | Fault::NoUsage
                | Fault::HalfUsage
                | Fault::SameIds
                | Fault::ErrorEvent { .. }
                | Fault::Vectors(_),
            )
            | None => {}
        }
        (self.outgoing(body, manner), Some(billed))
    }

    fn error_event(&self, usage: Usage, kind: &str, message: &str, after: u8) -> (Outgoing, Option<Usage>) {
        // Status 529 is taken by Anthropic alone; for the others it is as good as 503.
        let error = self.wire.render_error(529, kind, None, message);
        if !self.parsed.stream {
            return (self.outgoing(error.to_string().into(), Manner::Whole), None);
        }
        let events = self.events();
        let kept = part_of(events.len(), after);
        let mut whole = Vec::new();
        events[..kept].iter().for_each(|event| event.write(&mut whole));
        let sent = whole.len();
        let mut bytes = whole.clone();
        events[kept..].iter().for_each(|event| event.write(&mut whole));
        let billed = self.billed_part(usage, &whole, sent);
        let name = if matches!(self.wire, Wire::Messages | Wire::Responses) { "error" } else { "" };
        SseEvent::named(name, error.to_string()).write(&mut bytes);
        (self.outgoing(bytes, Manner::Whole), (kept > 0).then_some(billed))
    }

    /// What is billed for the beginning of a stream: the prompt, and as much of the output as the client was sent.
    fn billed_part(&self, usage: Usage, stream: &[u8], sent: usize) -> Usage {
        let target = Target { name: "fake/fake".to_owned(), model: self.parsed.model.clone() };
        let output_bytes = |bytes: &[u8]| {
            let mut splitter = Splitter::default();
            let mut events = WireStream::new(self.wire, &target);
            // These are our own events: short, and in the form of the wire.
            let _ = splitter.push(bytes, |event| {
                let _ = events.push(&event);
            });
            events.output_bytes()
        };
        let output = usage.output * output_bytes(&stream[..sent]) / output_bytes(stream).max(1);
        Usage { output, reasoning: usage.reasoning.min(output), ..usage }
    }

    fn events(&self) -> Vec<SseEvent> {
        let mut events = self.wire.render_stream(&self.reply, self.shown(), self.parsed.include_usage);
        if matches!(self.fault, Some(Fault::NoUsage | Fault::HalfUsage)) {
            for event in &mut events {
                if let Ok(mut value) = serde_json::from_str(&event.data) {
                    self.withhold(&mut value);
                    event.data = value.to_string();
                }
            }
        }
        events
    }

    /// Takes out of an answer or an event what it is not to tell.
    fn withhold(&self, value: &mut Value) {
        match self.fault {
            Some(Fault::NoUsage) => remove_usage(value),
            // The Messages API counts the first token of output with the prompt.
            Some(Fault::HalfUsage) if value["type"] == "message_start" => {
                value["message"]["usage"]["output_tokens"] = 1.into();
            }
            Some(Fault::HalfUsage) if value["type"] == "message_delta" => remove_usage(value),
            Some(Fault::HalfUsage) => remove_output_count(value),
            Some(_) | None => {}
        }
    }

    fn shown(&self) -> Shown<'_> {
        Shown { model: &self.parsed.model, id: self.reply.id.as_deref().unwrap_or("fake"), created: CREATED }
    }

    fn outgoing(&self, body: Vec<u8>, manner: Manner) -> Outgoing {
        let kind = if self.parsed.stream { "text/event-stream" } else { "application/json" };
        let headers = vec![("content-type".to_owned(), kind.to_owned())];
        Outgoing { status: 200, headers, body, manner }
    }
}

/// Which wire a path belongs to; for Gemini's also the model and whether a stream is asked for.
fn route(path: &str) -> Option<(Wire, String, bool)> {
    let path = path.split('?').next().unwrap_or(path);
    let ends =
        [("/chat/completions", Wire::Chat), ("/responses", Wire::Responses), ("/messages", Wire::Messages)];
    if let Some((_, wire)) = ends.into_iter().find(|(end, _)| path.ends_with(end)) {
        return Some((wire, String::new(), false));
    }
    let (model, call) = path.rsplit_once("/models/")?.1.split_once(':')?;
    match call {
        "generateContent" => Some((Wire::Gemini, model.to_owned(), false)),
        "streamGenerateContent" => Some((Wire::Gemini, model.to_owned(), true)),
        _ => None,
    }
}

/// The key that a request shows, where its wire shows it. Azure's header is as good as a bearer token.
pub(super) fn shown_key(wire: Wire, received: &Received) -> Option<&str> {
    let bearer = || received.header("authorization")?.strip_prefix("Bearer ");
    match wire {
        Wire::Chat | Wire::Responses => bearer().or_else(|| received.header("api-key")),
        Wire::Messages => received.header("x-api-key"),
        Wire::Gemini => received.header("x-goog-api-key"),
    }
}

pub(super) fn refused(progress: &mut Progress, wire: Wire, status: u16, violation: String) -> Outgoing {
    let body = wire.render_error(status, "", None, &violation).to_string().into();
    progress.violations.push(violation);
    Outgoing { status, headers: vec![json_type()], body, manner: Manner::Whole }
}

pub(super) fn json_type() -> (String, String) {
    ("content-type".to_owned(), "application/json".to_owned())
}

/// Takes out what an answer or an event tells of its usage.
fn remove_usage(value: &mut Value) {
    let Some(object) = value.as_object_mut() else { return };
    object.remove("usage");
    object.remove("usageMetadata");
    for key in ["message", "response"] {
        if let Some(inner) = object.get_mut(key) {
            remove_usage(inner);
        }
    }
}

/// Takes out the tokens of output alone.
fn remove_output_count(value: &mut Value) {
    const COUNTS: [&str; 3] = ["completion_tokens", "output_tokens", "candidatesTokenCount"];
    for place in ["/usage", "/response/usage", "/usageMetadata"] {
        if let Some(Value::Object(usage)) = value.pointer_mut(place) {
            usage.retain(|key, _| !COUNTS.contains(&key.as_str()));
        }
    }
}

pub(super) fn part_of(whole: usize, hundredths: u8) -> usize {
    whole * usize::from(hundredths.min(100)) / 100
}

pub(super) fn sum(one: Usage, other: Usage) -> Usage {
    Usage {
        input: one.input + other.input,
        cache_read: one.cache_read + other.cache_read,
        cache_write_5m: one.cache_write_5m + other.cache_write_5m,
        cache_write_1h: one.cache_write_1h + other.cache_write_1h,
        output: one.output + other.output,
        reasoning: one.reasoning + other.reasoning,
    }
}
