use serde_json::{Value, json};

use crate::model::wire::chat::{decode, render_error, render_reply, usage_of};
use crate::model::wire::openai::samples::target;
use crate::model::{Part, Raw, Reply, Stop, Tokens, Turn, Usage, Wire, WireError};

fn text(text: &str) -> Part {
    Part::Text { text: text.to_owned() }
}

fn thinking(text: &str) -> Part {
    Part::Thinking { text: text.to_owned() }
}

fn call(id: &str, name: &str, arguments: &str) -> Part {
    Part::Call { id: id.to_owned(), name: name.to_owned(), arguments: arguments.to_owned() }
}

fn answer(message: Value, finish_reason: &str) -> Value {
    json!({ "choices": [{ "index": 0, "message": message, "finish_reason": finish_reason }] })
}

fn parts_and_stop(body: &Value) -> (Vec<Part>, Stop) {
    let reply = decode(body, &target("other/model")).unwrap();
    (reply.turn.parts, reply.stop)
}

#[test]
fn an_answer_of_openai_with_parallel_calls() {
    let message = json!({
        "role": "assistant",
        "content": null,
        "tool_calls": [
            { "id": "call_a", "type": "function", "function": { "name": "shell", "arguments": "{\"command\":\"ls\"}" } },
            { "id": "call_b", "type": "function", "function": { "name": "submit", "arguments": "{}" } },
        ],
        "refusal": null,
        "annotations": [],
    });
    let body = json!({
        "id": "chatcmpl-B9",
        "object": "chat.completion",
        "created": 1741570283,
        "model": "gpt-5-2025-08-07",
        "choices": [{ "index": 0, "message": message, "logprobs": null, "finish_reason": "tool_calls" }],
        "usage": {
            "prompt_tokens": 2006,
            "completion_tokens": 300,
            "total_tokens": 2306,
            "prompt_tokens_details": { "cached_tokens": 1920, "audio_tokens": 0 },
            "completion_tokens_details": {
                "reasoning_tokens": 256,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        },
        "service_tier": "default",
        "system_fingerprint": "fp_1",
    });
    let expected = Reply {
        turn: Turn {
            parts: vec![call("call_a", "shell", r#"{"command":"ls"}"#), call("call_b", "submit", "{}")],
            raw: Some(Raw { wire: Wire::Chat, model: "openai/gpt-5".to_owned(), items: message }),
        },
        stop: Stop::ToolCalls,
        usage: Some(Usage { input: 2006, cache_read: 1920, output: 300, reasoning: 256, ..Usage::default() }),
        id: Some("chatcmpl-B9".to_owned()),
        model: Some("gpt-5-2025-08-07".to_owned()),
        tokens: None,
    };
    assert_eq!(decode(&body, &target("openai/gpt-5")), Ok(expected));
}

#[test]
fn token_ids_and_log_probabilities_of_vllm() {
    let logprob = json!({ "token": "Hi", "bytes": [72, 105], "logprob": -0.5, "top_logprobs": [] });
    let message = json!({ "role": "assistant", "content": "Hi", "reasoning": "Greet.", "tool_calls": [] });
    let body = json!({
        "id": "chatcmpl-7",
        "model": "Qwen/Qwen3-8B",
        "choices": [{
            "index": 0,
            "message": message,
            "logprobs": { "content": [logprob] },
            "finish_reason": "stop",
            "stop_reason": null,
            "token_ids": [13048, 151645],
        }],
        "usage": { "prompt_tokens": 3, "total_tokens": 5, "completion_tokens": 2, "prompt_tokens_details": null },
        "prompt_logprobs": null,
        "prompt_token_ids": [151644, 872, 198],
    });
    let expected = Reply {
        turn: Turn {
            parts: vec![thinking("Greet."), text("Hi")],
            raw: Some(Raw { wire: Wire::Chat, model: "vllm/qwen".to_owned(), items: message }),
        },
        stop: Stop::EndTurn,
        usage: Some(Usage { input: 3, output: 2, ..Usage::default() }),
        id: Some("chatcmpl-7".to_owned()),
        model: Some("Qwen/Qwen3-8B".to_owned()),
        tokens: Some(Tokens {
            prompt_ids: Some(vec![151_644, 872, 198]),
            ids: Some(vec![13_048, 151_645]),
            logprobs: vec![logprob],
        }),
    };
    assert_eq!(decode(&body, &target("vllm/qwen")), Ok(expected));
}

#[test]
fn messages_of_many_servers() {
    let call_message = json!({ "function": { "name": "f", "arguments": { "a": 1 } }, "id": "x" });
    let cases = [
        (json!({ "content": "Yes." }), "stop", vec![text("Yes.")], Stop::EndTurn),
        (json!({ "content": "Ye" }), "length", vec![text("Ye")], Stop::MaxTokens),
        (json!({ "content": "" }), "content_filter", vec![], Stop::Refusal),
        (json!({ "content": "" }), "insufficient_system_resource", vec![], {
            Stop::Other("insufficient_system_resource".to_owned())
        }),
        (
            json!({ "content": null, "refusal": "I can't help with that." }),
            "stop",
            vec![Part::Refusal { text: "I can't help with that.".to_owned() }],
            Stop::Refusal,
        ),
        (
            json!({ "reasoning_content": "Hm.", "content": "4" }),
            "stop",
            vec![thinking("Hm."), text("4")],
            Stop::EndTurn,
        ),
        (
            json!({ "content": [
                { "type": "thinking", "thinking": [{ "type": "text", "text": "Hm." }] },
                { "type": "text", "text": "4" },
                { "type": "reference", "reference_ids": [1] },
            ] }),
            "stop",
            vec![thinking("Hm."), text("4"), Part::Other { kind: "reference".to_owned() }],
            Stop::EndTurn,
        ),
        (
            json!({ "content": "4", "reasoning_details": [
                { "type": "reasoning.encrypted", "data": "eyJ", "index": 0 },
            ] }),
            "stop",
            vec![thinking(""), text("4")],
            Stop::EndTurn,
        ),
        // A call is a call, whatever the server says about its end and its arguments.
        (
            json!({ "tool_calls": [call_message] }),
            "stop",
            vec![call("x", "f", r#"{"a":1}"#)],
            Stop::ToolCalls,
        ),
        (json!({ "tool_calls": [call_message] }), "", vec![call("x", "f", r#"{"a":1}"#)], Stop::ToolCalls),
    ];
    for (message, finish_reason, parts, stop) in cases {
        let body = answer(message, finish_reason);
        assert_eq!(parts_and_stop(&body), (parts, stop), "{body}");
    }
    let mut stopped = answer(json!({ "content": "a" }), "stop");
    stopped["choices"][0]["stop_reason"] = "\n\n".into();
    assert_eq!(parts_and_stop(&stopped), (vec![text("a")], Stop::StopSequence));
}

#[test]
fn every_call_has_an_id_of_its_own() {
    let function = json!({ "name": "f", "arguments": "{}" });
    let body = answer(
        json!({ "tool_calls": [
            { "id": "same", "function": function },
            { "id": "same", "function": function },
            { "function": function },
            { "id": "", "function": function },
        ] }),
        "tool_calls",
    );
    let reply = decode(&body, &target("other/model")).unwrap();
    let ids: Vec<&str> = reply.turn.calls().map(|(id, _, _)| id).collect();
    let made_up = ids[2];
    assert_eq!(ids, ["same", "same_2", made_up, &format!("{made_up}_2")]);
    assert!(made_up.starts_with("call_") && made_up.len() == 29, "{made_up}");
}

#[test]
fn usage_in_all_its_places() {
    let usage = |value: Value| usage_of(&value);
    let deepseek = json!({ "usage": {
        "prompt_tokens": 100, "completion_tokens": 7, "total_tokens": 107,
        "prompt_cache_hit_tokens": 64, "prompt_cache_miss_tokens": 36,
    } });
    assert_eq!(usage(deepseek), Some(Usage { input: 100, cache_read: 64, output: 7, ..Usage::default() }));
    // xAI counts thinking beside the completion.
    let xai = json!({ "usage": {
        "prompt_tokens": 10120, "completion_tokens": 1499, "total_tokens": 14428,
        "prompt_tokens_details": { "cached_tokens": 128 },
        "completion_tokens_details": { "reasoning_tokens": 2809 },
    } });
    let expected = Usage { input: 10120, cache_read: 128, output: 4308, reasoning: 2809, ..Usage::default() };
    assert_eq!(usage(xai), Some(expected));
    let plain = json!({ "prompt_tokens": 1, "completion_tokens": 2 });
    let expected = Some(Usage { input: 1, output: 2, ..Usage::default() });
    assert_eq!(usage(json!({ "x_groq": { "id": "r", "usage": plain } })), expected);
    assert_eq!(usage(json!({ "choices": [{ "index": 0, "usage": plain }], "usage": null })), expected);
    assert_eq!(usage(json!({ "usage": null })), None);
    assert_eq!(usage(json!({ "usage": {} })), None);
    // Half a usage is none.
    assert_eq!(usage(json!({ "usage": { "prompt_tokens": 1 } })), None);
    assert_eq!(usage(json!({ "usage": { "prompt_tokens": 1, "completion_tokens": null } })), None);
    let floats = json!({ "usage": { "prompt_tokens": 1.0, "completion_tokens": 2.0 } });
    assert_eq!(usage(floats), expected);
    for nonsense in [
        json!({ "prompt_tokens": -1, "completion_tokens": 2 }),
        json!({ "prompt_tokens": "1", "completion_tokens": 2 }),
        json!({ "prompt_tokens": 1, "completion_tokens": "2" }),
        json!({ "prompt_tokens": 1, "completion_tokens": 1e30 }),
        json!({ "prompt_tokens": 0.5, "completion_tokens": 2 }),
        json!({ "completion_tokens": 2 }),
    ] {
        assert_eq!(usage(json!({ "usage": nonsense })), None, "{nonsense}");
    }
}

#[test]
fn what_is_no_answer() {
    let malformed = |text: &str| WireError::Malformed(text.to_owned());
    let provider = |kind: &str, message: &str| WireError::Provider {
        kind: kind.to_owned(),
        message: message.to_owned(),
    };
    let cases = [
        (json!([]), malformed("the answer is not an object")),
        (json!({}), malformed("the answer: `choices` is missing")),
        (json!({ "choices": {} }), malformed("the answer: `choices` is not a list")),
        (json!({ "choices": [] }), malformed("the answer: `choices` is empty")),
        (json!({ "choices": [{}] }), malformed("choices[0]: `message` is missing")),
        (
            answer(json!({ "content": 7 }), "stop"),
            malformed("choices[0].message: `content` is neither a text nor a list"),
        ),
        (
            answer(json!({ "tool_calls": [{ "id": "a" }] }), "stop"),
            malformed("tool_calls[0]: `function` is missing"),
        ),
        (
            answer(json!({ "tool_calls": [{ "id": "a", "function": {} }] }), "stop"),
            malformed("tool_calls[0].function: `name` is missing"),
        ),
        (
            json!({ "error": { "message": "Overloaded", "type": "server_error", "code": 503 } }),
            provider("server_error", "Overloaded"),
        ),
        (json!({ "error": { "message": "Bad gateway", "code": 502 } }), provider("502", "Bad gateway")),
        (json!({ "error": "no such model" }), provider("", "no such model")),
        (
            json!({ "object": "error", "message": "too long", "type": "BadRequestError", "code": 400 }),
            provider("BadRequestError", "too long"),
        ),
        (
            json!({ "choices": [{ "error": { "code": 502, "message": "upstream" }, "finish_reason": "error" }] }),
            provider("502", "upstream"),
        ),
    ];
    for (body, expected) in cases {
        assert_eq!(decode(&body, &target("other/model")), Err(expected), "{body}");
    }
}

#[test]
fn an_answer_as_openai_writes_it() {
    let reply = Reply {
        turn: Turn { parts: vec![thinking("Look."), text("So."), call("c1", "shell", "{}")], raw: None },
        stop: Stop::ToolCalls,
        usage: Some(Usage {
            input: 10,
            cache_read: 4,
            cache_write_5m: 2,
            cache_write_1h: 1,
            output: 5,
            reasoning: 3,
        }),
        id: None,
        model: None,
        tokens: None,
    };
    let expected = json!({
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "alias",
        "choices": [{
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "So.",
                "refusal": null,
                "reasoning_content": "Look.",
                "tool_calls": [
                    { "id": "c1", "type": "function", "function": { "name": "shell", "arguments": "{}" } },
                ],
            },
            "logprobs": null,
            "finish_reason": "tool_calls",
        }],
        "usage": {
            "prompt_tokens": 10,
            "completion_tokens": 5,
            "total_tokens": 15,
            "prompt_tokens_details": { "cached_tokens": 4, "cache_write_tokens": 3 },
            "completion_tokens_details": { "reasoning_tokens": 3 },
        },
    });
    assert_eq!(render_reply(&reply, "alias", "chatcmpl-1", 1_700_000_000), expected);
}

#[test]
fn errors_as_openai_writes_them() {
    let expected = json!({ "error": {
        "message": "the budget is spent", "type": "insufficient_quota", "param": null, "code": "insufficient_quota",
    } });
    let body = render_error(429, "insufficient_quota", Some("insufficient_quota"), "the budget is spent");
    assert_eq!(body, expected);
    for (status, kind) in [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (403, "permission_error"),
        (429, "rate_limit_error"),
        (500, "server_error"),
        (529, "server_error"),
    ] {
        let expected = json!({ "error": { "message": "no", "type": kind, "param": null, "code": null } });
        assert_eq!(render_error(status, "", None, "no"), expected);
    }
}
