//! A whole answer of `POST /v1/responses`.

use serde_json::Value;

use crate::model::wire::fields::whole;
use crate::model::wire::openai::{CallIds, Fields, arguments_of, error_in, place};
use crate::model::{Part, Raw, Reply, Stop, Target, Tokens, Turn, Usage, Wire, WireError};

/// Decodes a whole answer.
///
/// # Errors
/// It is no answer, or it reports an error.
pub fn decode(body: &Value, target: &Target) -> Result<Reply, WireError> {
    let answer = Fields::of(body, "the answer")?;
    if let Some(error) = error_in(answer.object) {
        return Err(error);
    }
    let status = answer.text("status")?;
    if status == Some("failed") {
        let message = "the answer failed without a reason".to_owned();
        return Err(WireError::Provider { kind: String::new(), message });
    }
    let output = answer.needed("output", answer.list("output")?)?;
    let mut ids = CallIds::new(body, 0);
    let mut parts = Vec::new();
    let mut logprobs = Vec::new();
    for (index, item) in output.iter().enumerate() {
        let item = Fields::of(item, place("output", index))?;
        parts.extend(parts_of(&item, &mut ids)?);
        for piece in item.get("content").and_then(Value::as_array).into_iter().flatten() {
            logprobs.extend(piece.get("logprobs").and_then(Value::as_array).cloned().unwrap_or_default());
        }
    }
    let raw = Raw { wire: Wire::Responses, model: target.name.clone(), items: Value::Array(output.to_vec()) };
    let tokens = Tokens { logprobs, ..Tokens::default() };
    Ok(Reply {
        stop: stop_of(&answer, status, &parts)?,
        turn: Turn { parts, raw: Some(raw) },
        usage: usage_of(body),
        id: answer.text("id")?.map(str::to_owned),
        model: answer.text("model")?.map(str::to_owned),
        tokens: (tokens != Tokens::default()).then_some(tokens),
    })
}

/// Reads the usage in a whole answer or in one event of a stream.
pub fn usage_of(value: &Value) -> Option<Usage> {
    let places = ["/usage", "/response/usage"];
    let usage = places.iter().find_map(|place| value.pointer(place).filter(|usage| usage.is_object()))?;
    let number = |pointer: &str| usage.pointer(pointer).and_then(whole);
    // A usage that does not tell both tells nothing: taken for zero, the other would be free.
    let (input, output) = (number("/input_tokens")?, number("/output_tokens")?);
    Some(Usage {
        input,
        cache_read: number("/input_tokens_details/cached_tokens").unwrap_or(0),
        cache_write_5m: number("/input_tokens_details/cache_write_tokens").unwrap_or(0),
        cache_write_1h: 0,
        output,
        reasoning: number("/output_tokens_details/reasoning_tokens").unwrap_or(0),
    })
}

/// Reads an item that a model wrote, in an answer or in a client's request.
pub(super) fn parts_of(item: &Fields<'_>, ids: &mut CallIds<'_>) -> Result<Vec<Part>, WireError> {
    let part = match item.text("type")?.unwrap_or("message") {
        "message" => return message_parts(item),
        "reasoning" => {
            let summary = texts(item.list("summary")?);
            let text = if summary.is_empty() { texts(item.list("content")?) } else { summary };
            Part::Thinking { text: text.join("\n\n") }
        }
        "function_call" => Part::Call {
            id: ids.claim(item.text("call_id")?),
            name: item.needed_text("name")?.to_owned(),
            arguments: arguments_of(item.object),
        },
        other => Part::Other { kind: other.to_owned() },
    };
    Ok(vec![part])
}

fn texts(pieces: Option<&[Value]>) -> Vec<&str> {
    pieces.unwrap_or_default().iter().filter_map(|piece| piece.get("text")?.as_str()).collect()
}

fn message_parts(message: &Fields<'_>) -> Result<Vec<Part>, WireError> {
    let pieces = match message.get("content") {
        None => return Ok(Vec::new()),
        Some(Value::String(text)) => return Ok(vec![Part::Text { text: text.clone() }]),
        Some(Value::Array(pieces)) => pieces,
        Some(_) => return Err(message.wrong("`content` is neither a text nor a list")),
    };
    let mut parts = Vec::with_capacity(pieces.len());
    for (index, piece) in pieces.iter().enumerate() {
        let piece = Fields::of(piece, place("content", index))?;
        parts.push(match piece.needed_text("type")? {
            "output_text" | "input_text" | "text" => match piece.needed_text("text")? {
                "" => continue,
                text => Part::Text { text: text.to_owned() },
            },
            "refusal" => Part::Refusal { text: piece.needed_text("refusal")?.to_owned() },
            other => Part::Other { kind: other.to_owned() },
        });
    }
    Ok(parts)
}

fn stop_of(answer: &Fields<'_>, status: Option<&str>, parts: &[Part]) -> Result<Stop, WireError> {
    let has_calls = parts.iter().any(|part| matches!(part, Part::Call { .. }));
    let has_refusal = parts.iter().any(|part| matches!(part, Part::Refusal { .. }));
    Ok(match status {
        None | Some("completed") if has_calls => Stop::ToolCalls,
        None | Some("completed") if has_refusal => Stop::Refusal,
        None | Some("completed") => Stop::EndTurn,
        Some("incomplete") => {
            let details = answer.fields("incomplete_details")?;
            match details.as_ref().map(|details| details.text("reason")).transpose()?.flatten() {
                Some("max_output_tokens") => Stop::MaxTokens,
                Some("content_filter") => Stop::Refusal,
                other => Stop::Other(other.unwrap_or("incomplete").to_owned()),
            }
        }
        Some(other) => Stop::Other(other.to_owned()),
    })
}
