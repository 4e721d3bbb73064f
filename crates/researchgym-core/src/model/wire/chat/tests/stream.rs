use serde_json::{Value, json};

use crate::model::sse::SseEvent;
use crate::model::wire::chat::{Stream, decode};
use crate::model::wire::openai::samples::{events, target};
use crate::model::{Reply, Usage, WireError};

fn receive(chunks: &[Value]) -> Stream {
    let mut stream = Stream::new(&target("other/model"));
    events(chunks).iter().for_each(|event| stream.push(event).unwrap());
    stream
}

fn finish(chunks: &[Value]) -> Reply {
    let mut stream = receive(chunks);
    stream.push(&SseEvent::data("[DONE]")).unwrap();
    stream.finish().unwrap()
}

fn delta(delta: Value) -> Value {
    json!({ "id": "c1", "model": "m", "choices": [{ "index": 0, "delta": delta, "finish_reason": null }] })
}

fn end(finish_reason: &str) -> Value {
    json!({ "id": "c1", "model": "m", "choices": [{ "index": 0, "delta": {}, "finish_reason": finish_reason }] })
}

fn whole(message: Value, finish_reason: &str) -> Reply {
    let choice = json!({ "index": 0, "message": message, "finish_reason": finish_reason });
    decode(&json!({ "id": "c1", "model": "m", "choices": [choice] }), &target("other/model")).unwrap()
}

fn function(name: &str, arguments: &str) -> Value {
    json!({ "name": name, "arguments": arguments })
}

#[test]
fn a_stream_of_openai_with_parallel_calls() {
    let usage = json!({ "prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14 });
    let chunks = [
        delta(json!({ "role": "assistant", "content": null, "refusal": null, "tool_calls": [
            { "index": 0, "id": "a", "type": "function", "function": function("shell", "") },
        ] })),
        delta(json!({ "tool_calls": [{ "index": 0, "function": { "arguments": "{\"comm" } }] })),
        delta(json!({ "tool_calls": [{ "index": 0, "function": { "arguments": "and\":1}" } }] })),
        delta(json!({ "tool_calls": [
            { "index": 1, "id": "b", "type": "function", "function": function("submit", "") },
        ] })),
        delta(json!({ "tool_calls": [{ "index": 1, "function": { "arguments": "{}" } }] })),
        end("tool_calls"),
    ];
    let stream = receive(&chunks);
    assert_eq!((stream.is_complete(), stream.usage(), stream.output_bytes()), (false, None, 26));
    assert_eq!(stream.finish(), Err(WireError::CutOff));

    let mut stream = receive(&chunks);
    let last = json!({ "id": "c1", "model": "m", "choices": [], "usage": usage });
    stream.push(&SseEvent::data(last.to_string())).unwrap();
    let known = Some(Usage { input: 9, output: 5, ..Usage::default() });
    assert_eq!((stream.is_complete(), stream.usage()), (true, known));
    let message = json!({ "role": "assistant", "content": null, "refusal": null, "tool_calls": [
        { "id": "a", "type": "function", "function": function("shell", "{\"command\":1}") },
        { "id": "b", "type": "function", "function": function("submit", "{}") },
    ] });
    let expected = Reply { usage: known, ..whole(message, "tool_calls") };
    assert_eq!(stream.finish(), Ok(expected));
}

#[test]
fn a_usage_after_which_more_came_is_none() {
    let usage = |output: u64| json!({ "prompt_tokens": 9, "completion_tokens": output });
    let with = |mut chunk: Value, output: u64| {
        chunk["usage"] = usage(output);
        chunk
    };
    let known = |output: u64| Some(Usage { input: 9, output, ..Usage::default() });
    let said = || delta(json!({ "content": "4" }));
    let last = json!({ "id": "c1", "model": "m", "choices": [], "usage": usage(5) });
    let done = json!({ "id": "c1", "model": "m", "choices": [] });
    for (chunks, expected) in [
        (vec![with(said(), 1), said(), end("stop"), last.clone()], known(5)),
        (vec![with(said(), 1), with(said(), 2), with(end("stop"), 3)], known(3)),
        (vec![said(), with(end("stop"), 3), done.clone()], known(3)),
        (vec![with(said(), 1), said(), end("stop")], None),
        (vec![with(said(), 1), end("stop"), done], None),
    ] {
        assert_eq!(receive(&chunks).finish().unwrap().usage, expected, "{chunks:?}");
    }
}

#[test]
fn thinking_and_unknown_texts_are_put_together() {
    let reply = finish(&[
        delta(json!({ "role": "assistant", "content": "", "reasoning_content": "Let" })),
        delta(json!({ "reasoning_content": " me.", "content": null, "signature": "ab" })),
        delta(json!({ "content": "4", "reasoning_content": null, "signature": "cd" })),
        delta(json!({ "content": "2" })),
        end("stop"),
    ]);
    let message = json!({
        "role": "assistant", "content": "42", "reasoning_content": "Let me.", "signature": "abcd",
    });
    assert_eq!(reply, whole(message, "stop"));
}

#[test]
fn reasoning_details_of_openrouter() {
    let detail = |text: &str, signature: Value| json!([{ "type": "reasoning.text", "text": text, "index": 0, "format": "x", "signature": signature }]);
    let reply = finish(&[
        delta(
            json!({ "role": "assistant", "reasoning": "So", "reasoning_details": detail("So", Value::Null) }),
        ),
        delta(json!({ "reasoning": " be it", "reasoning_details": detail(" be it", Value::Null) })),
        delta(json!({ "reasoning_details": [
            { "type": "reasoning.text", "signature": "sig", "index": 0, "format": "x" },
            { "type": "reasoning.encrypted", "data": "eyJ", "index": 1 },
        ] })),
        delta(json!({ "content": "Yes" })),
        end("stop"),
    ]);
    let message = json!({
        "role": "assistant",
        "content": "Yes",
        "reasoning": "So be it",
        "reasoning_details": [
            { "type": "reasoning.text", "text": "So be it", "index": 0, "format": "x", "signature": "sig" },
            { "type": "reasoning.encrypted", "data": "eyJ", "index": 1 },
        ],
    });
    assert_eq!(reply, whole(message, "stop"));
}

#[test]
fn pieces_of_mistral() {
    let thought = |text: &str| json!({ "content": [{ "type": "thinking", "thinking": [{ "type": "text", "text": text }] }] });
    let reply = finish(&[
        delta(json!({ "role": "assistant", "content": "" })),
        delta(thought("Hm")),
        delta(thought(".")),
        delta(json!({ "content": "4" })),
        delta(json!({ "content": "2" })),
        end("stop"),
    ]);
    let message = json!({ "role": "assistant", "content": [
        { "type": "thinking", "thinking": [{ "type": "text", "text": "Hm." }] },
        { "type": "text", "text": "42" },
    ] });
    assert_eq!(reply, whole(message, "stop"));
}

/// The deltas of calls as servers send them, and what they mean: id, name, arguments.
#[test]
fn calls_of_servers_that_say_little_about_which_is_which() {
    type Case = (&'static str, Vec<Value>, Vec<(&'static str, &'static str, &'static str)>);
    let cases: Vec<Case> = vec![
        (
            "all at index 0, whole",
            vec![
                json!({ "index": 0, "id": "a", "function": function("f", "{}") }),
                json!({ "index": 0, "id": "b", "function": function("f", "{\"x\":1}") }),
            ],
            vec![("a", "f", "{}"), ("b", "f", "{\"x\":1}")],
        ),
        (
            "the name and the id repeated after the arguments",
            vec![
                json!({ "id": "a", "function": function("f", "{}") }),
                json!({ "id": "a", "function": function("f", "") }),
            ],
            vec![("a", "f", "{}")],
        ),
        (
            "no index, whole",
            vec![
                json!({ "id": "a", "function": function("f", "{}") }),
                json!({ "id": "b", "function": function("g", "{}") }),
            ],
            vec![("a", "f", "{}"), ("b", "g", "{}")],
        ),
        (
            "no index, the id repeated",
            vec![
                json!({ "id": "a", "function": function("f", "{\"x\"") }),
                json!({ "id": "a", "function": function("f", ":1}") }),
                json!({ "id": "b", "function": function("f", "{}") }),
            ],
            vec![("a", "f", "{\"x\":1}"), ("b", "f", "{}")],
        ),
        (
            "no index, the id at the beginning alone",
            vec![
                json!({ "id": "a", "function": function("f", "") }),
                json!({ "function": { "arguments": "{\"x\"" } }),
                json!({ "function": { "arguments": ":1}" } }),
                json!({ "id": "b", "function": function("g", "{}") }),
            ],
            vec![("a", "f", "{\"x\":1}"), ("b", "g", "{}")],
        ),
        (
            "no index, one id for all",
            vec![
                json!({ "id": "a", "function": function("f", "{\"x\":1}") }),
                json!({ "id": "a", "function": function("f", "{\"x\":2}") }),
            ],
            vec![("a", "f", "{\"x\":1}"), ("a_2", "f", "{\"x\":2}")],
        ),
        (
            "index, one id for all",
            vec![
                json!({ "index": 0, "id": "a", "function": function("f", "{}") }),
                json!({ "index": 1, "id": "a", "function": function("g", "{}") }),
            ],
            vec![("a", "f", "{}"), ("a_2", "g", "{}")],
        ),
        (
            "index, id and name repeated",
            vec![
                json!({ "index": 0, "id": "a", "function": function("f", "{\"x\"") }),
                json!({ "index": 0, "id": "a", "function": function("f", ":1}") }),
            ],
            vec![("a", "f", "{\"x\":1}")],
        ),
        (
            "arguments as an object",
            vec![json!({ "index": 0, "id": "a", "function": { "name": "f", "arguments": { "x": 1 } } })],
            vec![("a", "f", "{\"x\":1}")],
        ),
        (
            "empty ids after the first",
            vec![
                json!({ "index": 0, "id": "a", "function": function("f", "{") }),
                json!({ "index": 0, "id": "", "function": { "name": null, "arguments": "}" } }),
            ],
            vec![("a", "f", "{}")],
        ),
    ];
    for (what, deltas, expected) in cases {
        let mut chunks: Vec<Value> =
            deltas.into_iter().map(|call| delta(json!({ "tool_calls": [call] }))).collect();
        chunks.push(end("tool_calls"));
        let reply = finish(&chunks);
        assert_eq!(reply.turn.calls().collect::<Vec<_>>(), expected, "{what}");
    }
}

#[test]
fn calls_without_any_id_get_one() {
    let reply = finish(&[
        delta(json!({ "tool_calls": [{ "function": function("f", "{}") }] })),
        delta(json!({ "tool_calls": [{ "function": function("f", "{}") }] })),
        delta(json!({ "tool_calls": [{ "index": 0, "function": function("f", "{}") }] })),
        delta(json!({ "tool_calls": [{ "index": 0, "function": function("f", "{}") }] })),
        end("tool_calls"),
    ]);
    let ids: Vec<&str> = reply.turn.calls().map(|(id, _, _)| id).collect();
    let copies = [2, 3, 4].map(|copy| format!("{}_{copy}", ids[0]));
    assert_eq!(ids[1..], copies);
}

#[test]
fn a_signature_beside_a_call_is_kept() {
    let signature = json!({ "google": { "thought_signature": "sig" } });
    let reply = finish(&[
        delta(json!({ "role": "assistant", "tool_calls": [
            { "index": 0, "id": "a", "type": "function", "function": function("f", "{}"), "extra_content": signature },
        ] })),
        end("tool_calls"),
    ]);
    let message = json!({ "role": "assistant", "content": null, "tool_calls": [
        { "id": "a", "type": "function", "function": function("f", "{}"), "extra_content": signature },
    ] });
    assert_eq!(reply, whole(message, "tool_calls"));
}

#[test]
fn token_ids_and_log_probabilities_are_joined() {
    let entry = |token: &str| json!({ "token": token, "logprob": -0.1, "top_logprobs": [] });
    let chunk = |text: &str, ids: Value| {
        let logprobs = json!({ "content": [entry(text)] });
        json!({ "choices": [{
            "index": 0, "delta": { "content": text }, "logprobs": logprobs, "token_ids": ids,
        }] })
    };
    let mut first = delta(json!({ "role": "assistant", "content": "" }));
    first["prompt_token_ids"] = json!([5, 6]);
    let reply = finish(&[first, chunk("a", json!([1])), chunk("b", json!([2, 3])), end("length")]);
    let expected = decode(
        &json!({
            "id": "c1",
            "model": "m",
            "prompt_token_ids": [5, 6],
            "choices": [{
                "message": { "role": "assistant", "content": "ab" },
                "logprobs": { "content": [entry("a"), entry("b")] },
                "token_ids": [1, 2, 3],
                "finish_reason": "length",
            }],
        }),
        &target("other/model"),
    );
    assert_eq!(Ok(reply), expected);
}

#[test]
fn what_is_no_stream() {
    let provider = |kind: &str, message: &str| {
        Err(WireError::Provider { kind: kind.to_owned(), message: message.to_owned() })
    };
    let push = |event: SseEvent| Stream::new(&target("other/model")).push(&event);
    let error = json!({ "error": { "message": "busy", "type": "overloaded" } });
    assert_eq!(push(SseEvent::data(error.to_string())), provider("overloaded", "busy"));
    assert_eq!(push(SseEvent::named("error", r#"{"message":"busy","code":429}"#)), provider("429", "busy"));
    let malformed = |text: &str| Err(WireError::Malformed(text.to_owned()));
    assert_eq!(push(SseEvent::data("7")), malformed("a chunk is not an object"));
    assert_eq!(
        push(SseEvent::data(r#"{"choices":[{"delta":[]}]}"#)),
        malformed("a chunk's choice.delta is not an object")
    );
    assert!(matches!(push(SseEvent::data("{")), Err(WireError::Malformed(_))));
    assert_eq!(push(SseEvent::data("")), Ok(()));
    assert_eq!(receive(&[delta(json!({ "content": "a" }))]).finish(), Err(WireError::CutOff));
    let mut empty = Stream::new(&target("other/model"));
    empty.push(&SseEvent::data("[DONE]")).unwrap();
    assert_eq!(empty.finish().map(|_| ()), malformed("the stream held no choice"));
}
