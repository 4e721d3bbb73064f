//! Both directions against each other, and hostile input.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::super::Parsed;
use super::super::super::strategies::{any_json, natural_stop, parts, request, usage};
use super::super::{Stream, decode, encode, parse_request, render_reply, render_stream, usage_of};
use super::{data, stream, target};
use crate::model::{Message, Reply, Request, RequestSettings, ResponseFormat, Stop, Turn, Usage};

fn any_reply() -> impl Strategy<Value = Reply> {
    let abnormal = proptest::sample::select(vec![
        Stop::MaxTokens,
        Stop::Refusal,
        Stop::Other("MALFORMED_FUNCTION_CALL".into()),
    ]);
    (parts(), proptest::option::of(abnormal), proptest::option::of(usage())).prop_map(
        |(parts, abnormal, usage)| {
            Reply {
                stop: abnormal.unwrap_or_else(|| natural_stop(&parts)),
                turn: Turn { parts, raw: None },
                // Nobody asks this provider to write to a cache.
                usage: usage.map(|usage| Usage { cache_write_5m: 0, cache_write_1h: 0, ..usage }),
                id: Some("r1".into()),
                model: Some("m".into()),
                tokens: None,
            }
        },
    )
}

/// What the wire can say of settings.
fn sayable(mut settings: RequestSettings) -> RequestSettings {
    settings.cache = false;
    settings.parallel_tool_calls = None;
    if let Some(ResponseFormat::JsonSchema { name, strict, .. }) = &mut settings.response_format {
        (*name, *strict) = ("answer".into(), true);
    }
    if let Some(reasoning) = &mut settings.reasoning
        && reasoning.budget_tokens.is_some()
    {
        reasoning.effort = None;
    }
    settings
}

const WORDS: &[&str] = &[
    "candidates",
    "content",
    "contents",
    "parts",
    "text",
    "thought",
    "thoughtSignature",
    "functionCall",
    "args",
    "id",
    "name",
    "functionResponse",
    "response",
    "output",
    "error",
    "inlineData",
    "mimeType",
    "image/png",
    "data",
    "fileData",
    "fileUri",
    "role",
    "user",
    "model",
    "systemInstruction",
    "tools",
    "functionDeclarations",
    "parameters",
    "parametersJsonSchema",
    "type",
    "OBJECT",
    "properties",
    "nullable",
    "generationConfig",
    "thinkingConfig",
    "responseMimeType",
    "application/json",
    "responseSchema",
    "responseModalities",
    "thinkingBudget",
    "seed",
    "logprobs",
    "toolConfig",
    "functionCallingConfig",
    "mode",
    "finishReason",
    "STOP",
    "index",
    "usageMetadata",
    "promptTokenCount",
    "promptFeedback",
    "blockReason",
    "logprobsResult",
    "chosenCandidates",
    "topCandidates",
    "tokenId",
    "_invalid_arguments",
];

proptest! {
    #[test]
    fn a_written_answer_is_read_again(reply in any_reply()) {
        let read = decode(&render_reply(&reply, "m", "r1", 0), &target()).unwrap();
        let without_raw = Reply { turn: Turn { raw: None, ..read.turn.clone() }, ..read.clone() };
        prop_assert_eq!(without_raw, reply.clone());
        let streamed = stream(&render_stream(&reply, "m", "r1", 0, true)).unwrap();
        prop_assert_eq!(streamed, read);
    }

    #[test]
    fn a_written_request_is_read_again(request in request(), streams in any::<bool>()) {
        let body = encode(&request, &target(), streams);
        let expected = Parsed {
            model: "gemini-3-pro".into(),
            stream: streams,
            include_usage: true,
            request: Request { settings: sayable(request.settings), messages: request.messages },
        };
        prop_assert_eq!(parse_request(&body, "gemini-3-pro", streams).unwrap(), expected);
    }

    #[test]
    fn hostile_json_does_not_panic(values in proptest::collection::vec(any_json(WORDS), 1..6)) {
        let mut stream = Stream::new(&target());
        for value in values {
            try_everything(&value, &mut stream);
            try_everything(&json!({"candidates": [{"content": {"parts": [value]}}]}), &mut stream);
            try_everything(&json!({"contents": [{"role": "model", "parts": [value]}, {"parts": [value]}]}), &mut stream);
            try_everything(&json!({"contents": [], "tools": [value], "generationConfig": value}), &mut stream);
        }
        let _ = stream.push(&data(&json!({"candidates": [{"finishReason": "STOP"}]})));
        let _ = stream.finish();
    }

    #[test]
    fn hostile_text_does_not_panic(text in "\\PC{0,60}") {
        let _ = Stream::new(&target()).push(&crate::model::sse::SseEvent::data(text));
    }
}

fn try_everything(value: &Value, stream: &mut Stream) {
    let _ = parse_request(value, "m", false);
    let _ = usage_of(value);
    let _ = stream.push(&data(value));
    if let Ok(reply) = decode(value, &target()) {
        let request = Request { messages: vec![Message::Assistant(reply.turn)], ..Request::default() };
        encode(&request, &target(), false);
    }
}
