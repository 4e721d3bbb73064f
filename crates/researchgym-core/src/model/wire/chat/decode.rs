//! A whole answer of `POST /v1/chat/completions`.

use serde_json::Value;

use crate::model::wire::fields::whole;
use crate::model::wire::openai::{CallIds, Fields, Object, arguments_of, error_in, place};
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
    let choices = answer.needed("choices", answer.list("choices")?)?;
    let choice = choices.first().ok_or_else(|| answer.wrong("`choices` is empty"))?;
    let choice = Fields::of(choice, "choices[0]")?;
    if let Some(error) = error_in(choice.object) {
        return Err(error);
    }
    let message = choice.needed_fields("message")?;
    let parts = parts_of(&message, &mut CallIds::new(body, 0))?;
    let raw =
        Raw { wire: Wire::Chat, model: target.name.clone(), items: Value::Object(message.object.clone()) };
    Ok(Reply {
        stop: stop_of(&choice, &parts)?,
        turn: Turn { parts, raw: Some(raw) },
        usage: usage_of(body),
        id: answer.text("id")?.map(str::to_owned),
        model: answer.text("model")?.map(str::to_owned),
        tokens: tokens_of(&answer, &choice),
    })
}

/// Reads the usage in a whole answer or in one event of a stream.
pub fn usage_of(value: &Value) -> Option<Usage> {
    // Groq and Moonshot hide it in streams.
    let of_groq = value.get("x_groq").and_then(|hidden| hidden.get("usage"));
    let of_choice = value.get("choices").and_then(|choices| choices.get(0)?.get("usage"));
    let places = [value.get("usage"), of_groq, of_choice];
    let usage = places.into_iter().flatten().find(|usage| usage.is_object())?;
    let number = |pointer: &str| usage.pointer(pointer).and_then(whole);
    // A usage that does not tell both tells nothing: taken for zero, the other would be free.
    let input = number("/prompt_tokens")?;
    let output = number("/completion_tokens")?;
    let reasoning = number("/completion_tokens_details/reasoning_tokens").unwrap_or(0);
    // xAI does not count thinking as completion, only in the total.
    let apart = input.checked_add(output).and_then(|sum| sum.checked_add(reasoning));
    let is_apart = reasoning > 0 && apart.is_some() && apart == number("/total_tokens");
    // OpenAI, DeepSeek, Moonshot.
    let cached = ["/prompt_tokens_details/cached_tokens", "/prompt_cache_hit_tokens", "/cached_tokens"];
    Some(Usage {
        input,
        cache_read: cached.iter().find_map(|place| number(place)).unwrap_or(0),
        cache_write_5m: number("/prompt_tokens_details/cache_write_tokens").unwrap_or(0),
        cache_write_1h: 0,
        output: if is_apart { output.saturating_add(reasoning) } else { output },
        reasoning,
    })
}

/// Reads an assistant's message, of an answer or of a client's request. The wire is an object, so the order is that in
/// which models write: thinking, text, refusal, calls.
pub(super) fn parts_of(message: &Fields<'_>, ids: &mut CallIds<'_>) -> Result<Vec<Part>, WireError> {
    let mut parts = Vec::new();
    if let Some(text) = thinking_of(message.object) {
        parts.push(Part::Thinking { text });
    }
    match message.get("content") {
        None => {}
        Some(Value::String(text)) if text.is_empty() => {}
        Some(Value::String(text)) => parts.push(Part::Text { text: text.clone() }),
        Some(Value::Array(pieces)) => {
            for (index, piece) in pieces.iter().enumerate() {
                parts.extend(piece_of(&Fields::of(piece, place("content", index))?)?);
            }
        }
        Some(_) => return Err(message.wrong("`content` is neither a text nor a list")),
    }
    if let Some(text) = message.text("refusal")?.filter(|text| !text.is_empty()) {
        parts.push(Part::Refusal { text: text.to_owned() });
    }
    if message.get("audio").is_some() {
        parts.push(Part::Other { kind: "audio".to_owned() });
    }
    for (index, call) in message.list("tool_calls")?.unwrap_or_default().iter().enumerate() {
        let call = Fields::of(call, place("tool_calls", index))?;
        let kind = call.text("type")?.filter(|kind| !kind.is_empty());
        parts.push(match kind {
            None | Some("function") => {
                call_of(&call.needed_fields("function")?, ids.claim(call.text("id")?))?
            }
            Some(other) => Part::Other { kind: other.to_owned() },
        });
    }
    if let Some(function) = message.fields("function_call")? {
        parts.push(call_of(&function, ids.claim(None))?);
    }
    Ok(parts)
}

fn call_of(function: &Fields<'_>, id: String) -> Result<Part, WireError> {
    let name = function.needed_text("name")?.to_owned();
    Ok(Part::Call { id, name, arguments: arguments_of(function.object) })
}

/// DeepSeek, vLLM and others write `reasoning_content`, newer vLLM, Groq and OpenRouter `reasoning`; some both.
fn thinking_of(message: &Object) -> Option<String> {
    let texts = ["reasoning_content", "reasoning"].into_iter().filter_map(|key| message.get(key)?.as_str());
    if let Some(text) = texts.into_iter().find(|text| !text.is_empty()) {
        return Some(text.to_owned());
    }
    let details = message.get("reasoning_details")?.as_array().filter(|details| !details.is_empty())?;
    let texts = details.iter().filter_map(|detail| detail.get("text").or_else(|| detail.get("summary")));
    Some(texts.filter_map(Value::as_str).collect::<Vec<_>>().join("\n"))
}

/// Reads a piece of content in list form; Mistral's models think in such pieces.
fn piece_of(piece: &Fields<'_>) -> Result<Option<Part>, WireError> {
    Ok(Some(match piece.needed_text("type")? {
        "text" => match piece.needed_text("text")? {
            "" => return Ok(None),
            text => Part::Text { text: text.to_owned() },
        },
        "refusal" => Part::Refusal { text: piece.needed_text("refusal")?.to_owned() },
        "thinking" => Part::Thinking {
            text: match piece.get("thinking") {
                Some(Value::Array(thoughts)) => {
                    thoughts.iter().filter_map(|thought| thought.get("text")?.as_str()).collect()
                }
                other => other.and_then(Value::as_str).unwrap_or_default().to_owned(),
            },
        },
        other => Part::Other { kind: other.to_owned() },
    }))
}

fn stop_of(choice: &Fields<'_>, parts: &[Part]) -> Result<Stop, WireError> {
    let has_calls = parts.iter().any(|part| matches!(part, Part::Call { .. }));
    let has_refusal = parts.iter().any(|part| matches!(part, Part::Refusal { .. }));
    Ok(match choice.text("finish_reason")?.filter(|reason| !reason.is_empty()) {
        // OpenAI itself says `stop` when the request named the tool.
        None | Some("stop" | "tool_calls" | "function_call") if has_calls => Stop::ToolCalls,
        None | Some("stop") if has_refusal => Stop::Refusal,
        // vLLM: the stop text, or the number of a stop token.
        Some("stop") if choice.get("stop_reason").is_some_and(Value::is_string) => Stop::StopSequence,
        None | Some("stop") => Stop::EndTurn,
        Some("tool_calls" | "function_call") => Stop::ToolCalls,
        Some("length") => Stop::MaxTokens,
        // Mistral.
        Some("model_length") => Stop::ContextLength,
        Some("content_filter") => Stop::Refusal,
        Some(other) => Stop::Other(other.to_owned()),
    })
}

fn tokens_of(answer: &Fields<'_>, choice: &Fields<'_>) -> Option<Tokens> {
    let ids = |value: Option<&Value>| -> Option<Vec<u64>> {
        value?.as_array()?.iter().map(Value::as_u64).collect()
    };
    let logprobs = choice.get("logprobs").and_then(|logprobs| logprobs.get("content")?.as_array());
    let tokens = Tokens {
        prompt_ids: ids(answer.get("prompt_token_ids").or_else(|| choice.get("prompt_token_ids"))),
        ids: ids(choice.get("token_ids")),
        logprobs: logprobs.cloned().unwrap_or_default(),
    };
    (tokens != Tokens::default()).then_some(tokens)
}
