//! Both directions against each other, and hostile input.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::super::Parsed;
use super::super::super::strategies::{any_json, natural_stop, parts, request, usage};
use super::super::{Stream, decode, encode, parse_request, render_reply, render_stream, usage_of};
use super::{delta, named, start, stream, target};
use crate::model::sse::SseEvent;
use crate::model::{
    Message, Reasoning, Reply, Request, RequestSettings, ResponseFormat, Stop, ToolChoice, Turn,
};

fn any_reply() -> impl Strategy<Value = Reply> {
    let abnormal = proptest::sample::select(vec![
        Stop::MaxTokens,
        Stop::StopSequence,
        Stop::Refusal,
        Stop::ContextLength,
        Stop::Pause,
    ]);
    (parts(), proptest::option::of(abnormal), usage()).prop_map(|(parts, abnormal, usage)| Reply {
        stop: abnormal.unwrap_or_else(|| natural_stop(&parts)),
        turn: Turn { parts, raw: None },
        usage: Some(usage),
        id: Some("msg_1".into()),
        model: Some("m".into()),
        tokens: None,
    })
}

/// What the wire can say of settings.
fn sayable(mut settings: RequestSettings) -> RequestSettings {
    settings.seed = None;
    settings.logprobs = None;
    settings.frequency_penalty = None;
    settings.presence_penalty = None;
    settings.response_format = settings.response_format.and_then(|format| match format {
        ResponseFormat::JsonObject => None,
        ResponseFormat::JsonSchema { schema, .. } => {
            Some(ResponseFormat::JsonSchema { name: "answer".into(), schema, strict: true })
        }
    });
    if let (Some(Reasoning { budget_tokens: Some(budget), .. }), Some(cap)) =
        (&mut settings.reasoning, settings.max_output_tokens)
    {
        *budget = (*budget).max(1024).min(cap - 1);
        if cap <= 1024 {
            settings.reasoning = None;
        }
    }
    if settings.tool_choice == ToolChoice::None {
        settings.parallel_tool_calls = None;
    }
    if settings.reasoning.is_some() {
        settings.temperature = None;
        settings.top_k = None;
        settings.top_p = settings.top_p.filter(|&top_p| top_p >= 0.95);
    }
    settings
}

/// What the wire says of a conversation: that an object is asked for is said to the model alone.
fn said(request: &Request) -> Vec<Message> {
    const ASKS: &str = "Answer with one JSON object and nothing else.";
    let mut messages = request.messages.clone();
    if request.settings.response_format == Some(ResponseFormat::JsonObject) {
        match messages.first_mut() {
            Some(Message::System { text }) => *text = format!("{text}\n\n{ASKS}"),
            _ => messages.insert(0, Message::System { text: ASKS.into() }),
        }
    }
    messages
}

const WORDS: &[&str] = &[
    "type",
    "role",
    "user",
    "assistant",
    "content",
    "messages",
    "model",
    "system",
    "text",
    "thinking",
    "tool_use",
    "tool_result",
    "tool_use_id",
    "id",
    "name",
    "input",
    "image",
    "source",
    "url",
    "base64",
    "tools",
    "input_schema",
    "tool_choice",
    "max_tokens",
    "output_config",
    "format",
    "json_schema",
    "schema",
    "usage",
    "input_tokens",
    "cache_creation",
    "output_tokens",
    "message",
    "message_start",
    "message_delta",
    "message_stop",
    "content_block",
    "content_block_start",
    "content_block_delta",
    "delta",
    "text_delta",
    "input_json_delta",
    "partial_json",
    "signature_delta",
    "signature",
    "citations_delta",
    "citations",
    "index",
    "stop_reason",
    "error",
    "_invalid_arguments",
];

proptest! {
    #[test]
    fn a_written_answer_is_read_again(reply in any_reply()) {
        let read = decode(&render_reply(&reply, "m", "msg_1", 0), &target()).unwrap();
        let without_raw = Reply { turn: Turn { raw: None, ..read.turn.clone() }, ..read.clone() };
        prop_assert_eq!(without_raw, reply.clone());
        let streamed = stream(&render_stream(&reply, "m", "msg_1", 0, true)).unwrap();
        prop_assert_eq!(streamed, read);
    }

    #[test]
    fn a_written_request_is_read_again(request in request(), streams in any::<bool>()) {
        let read = parse_request(&encode(&request, &target(), streams)).unwrap();
        let expected = Parsed {
            model: "claude-x".into(),
            stream: streams,
            include_usage: true,
            request: Request { messages: said(&request), settings: sayable(request.settings) },
        };
        prop_assert_eq!(read, expected);
    }

    #[test]
    fn at_most_four_breakpoints_are_set(request in request()) {
        let body = encode(&request, &target(), false).to_string();
        let marks = body.matches("\"cache_control\":{\"type\":\"ephemeral\"}").count();
        prop_assert!(if request.settings.cache { (1..=4).contains(&marks) } else { marks == 0 }, "{}", body);
    }

    #[test]
    fn hostile_json_does_not_panic(values in proptest::collection::vec(any_json(WORDS), 1..6)) {
        let mut stream = Stream::new(&target());
        for value in &values {
            let _ = parse_request(value);
            let _ = usage_of(value);
            if let Ok(reply) = decode(value, &target()) {
                let request = Request { messages: vec![Message::Assistant(reply.turn)], ..Request::default() };
                encode(&request, &target(), false);
            }
            let _ = stream.push(&SseEvent::data(value.to_string()));
        }
        let _ = stream.push(&named(json!({"type": "message_stop"})));
        let _ = stream.finish();
    }

    #[test]
    fn hostile_blocks_do_not_panic(
        blocks in proptest::collection::vec((0u64..3, any_json(WORDS), any_json(WORDS)), 1..6),
        kinds in proptest::collection::vec(proptest::sample::select(WORDS), 6),
    ) {
        let mut stream = Stream::new(&target());
        for ((index, block, piece), kind) in blocks.into_iter().zip(kinds) {
            let typed = |mut value: Value| {
                if let Value::Object(map) = &mut value {
                    map.insert("type".into(), json!(kind));
                }
                value
            };
            let _ = stream.push(&named(start(index, typed(block))));
            let _ = stream.push(&named(delta(index, typed(piece))));
        }
        let _ = stream.push(&named(json!({"type": "message_stop"})));
        if let Ok(reply) = stream.finish() {
            prop_assert_eq!(reply.turn.parts.len(), reply.turn.raw.unwrap().items.as_array().unwrap().len());
        }
    }

    #[test]
    fn hostile_text_does_not_panic(data in "\\PC{0,60}") {
        let _ = Stream::new(&target()).push(&SseEvent::data(data));
    }
}
