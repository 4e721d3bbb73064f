//! Requests for embeddings: held to the same invariants, answered by the script's words, spoilt where a fault says so.

use researchgym_core::model::embedding::{Embedded, parse_request, render};
use researchgym_core::model::redact::Redactor;
use researchgym_core::model::{Usage, Wire};
use serde_json::Value;

use super::answer::{json_type, part_of, refused, shown_key, sum};
use super::http::{Manner, Outgoing, Received};
use super::{Fault, Progress, State};

/// Whether a path asks for embeddings: in which form, and for Gemini's of which model.
pub(super) fn route(path: &str) -> Option<(Wire, String)> {
    let path = path.split('?').next().unwrap_or(path);
    if path.ends_with("/embeddings") {
        return Some((Wire::Chat, String::new()));
    }
    let (model, call) = path.rsplit_once("/models/")?.1.split_once(':')?;
    (call == "batchEmbedContents").then(|| (Wire::Gemini, model.to_owned()))
}

/// Answers one request and books it.
pub(super) fn answer(
    state: &State,
    progress: &mut Progress,
    received: &Received,
    (wire, model, number): (Wire, &str, u64),
    body: &Value,
) -> Outgoing {
    if received.method != "POST" || received.header("content-type") != Some("application/json") {
        return refused(progress, wire, 400, "a request is a POST of application/json".to_owned());
    }
    let key = state.conduct.key.as_deref();
    if key.is_some() && shown_key(wire, received) != key {
        return refused(progress, wire, 401, "the key is missing or wrong".to_owned());
    }
    let parsed = match parse_request(wire, body, model) {
        Ok(parsed) => parsed,
        Err(error) => return refused(progress, wire, 400, error.to_string()),
    };
    let whole = |status, body: Value, more: &[(String, String)]| Outgoing {
        status,
        headers: more.iter().cloned().chain([json_type()]).collect(),
        body: body.to_string().into(),
        manner: Manner::Whole,
    };
    let fault = state.conduct.faults.get(&number);
    if let Some(Fault::Status { status, headers, message }) = fault {
        return whole(*status, wire.render_error(*status, "", None, message), headers);
    }
    let secrets = Redactor::new(key);
    let embedded = match state.conduct.script.embed(&parsed.texts, progress.position, &secrets) {
        Err(violation) => return refused(progress, wire, 400, violation.to_string()),
        Ok(said) => match said.result {
            Ok(embedded) => embedded,
            Err(failure) => {
                progress.position += 1;
                let status = failure.status.unwrap_or(500);
                return whole(status, wire.render_error(status, "", None, &failure.message), &[]);
            }
        },
    };
    if let Some(Fault::ErrorEvent { kind, message, .. }) = fault {
        return whole(200, wire.render_error(529, kind, None, message), &[]);
    }
    progress.position += 1;
    let billed = embedded.usage.unwrap_or_default();
    progress.bill.billed += 1;
    progress.bill.usage = sum(progress.bill.usage, billed);
    spoilt(whole(200, told(wire, &parsed.model, embedded, fault), &[]), fault)
}

fn told(wire: Wire, model: &str, embedded: Embedded, fault: Option<&Fault>) -> Value {
    let usage: Option<Usage> = match fault {
        Some(Fault::NoUsage | Fault::HalfUsage) => None,
        _ => embedded.usage,
    };
    let mut body = render(wire, model, &Embedded { usage, ..embedded });
    if let Some(Fault::Vectors(vectors)) = fault {
        let (list, values) =
            if wire == Wire::Gemini { ("embeddings", "values") } else { ("data", "embedding") };
        let entries = vectors.iter().map(|vector| serde_json::json!({ values: vector }));
        body[list] = entries.collect();
    }
    body
}

fn spoilt(outgoing: Outgoing, fault: Option<&Fault>) -> Outgoing {
    let length = outgoing.body.len();
    match fault {
        Some(Fault::HangUp) => Outgoing { manner: Manner::HangUp, ..outgoing },
        Some(Fault::Reset(share)) => Outgoing { manner: Manner::Reset(part_of(length, *share)), ..outgoing },
        Some(Fault::Truncated(share)) => {
            let mut body = outgoing.body;
            body.truncate(part_of(length, *share));
            Outgoing { body, ..outgoing }
        }
        Some(Fault::Garbage) => Outgoing { body: b"<html>this is no JSON</html>".to_vec(), ..outgoing },
        Some(Fault::Drip { bytes, pause }) => {
            Outgoing { manner: Manner::Drip { bytes: *bytes, pause: *pause }, ..outgoing }
        }
        Some(
            Fault::Status { .. }
            | Fault::NoUsage
            | Fault::HalfUsage
            | Fault::SameIds
            | Fault::ErrorEvent { .. }
            | Fault::Vectors(_),
        )
        | None => outgoing,
    }
}
