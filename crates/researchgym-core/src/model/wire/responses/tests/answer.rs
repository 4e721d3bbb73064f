use serde_json::{Value, json};

use crate::model::wire::openai::samples::target;
use crate::model::wire::responses::{decode, render_reply, usage_of};
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

fn message(piece: Value) -> Value {
    json!({ "type": "message", "id": "msg_1", "status": "completed", "role": "assistant", "content": [piece] })
}

#[test]
fn an_answer_with_thinking_between_its_calls() {
    let output = json!([
        {
            "type": "reasoning", "id": "rs_1", "encrypted_content": "gAAAA1",
            "summary": [
                { "type": "summary_text", "text": "**Looking**" },
                { "type": "summary_text", "text": "Then reading." },
            ],
        },
        {
            "type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "shell", "status": "completed",
            "arguments": "{\"command\":\"ls\"}",
        },
        { "type": "reasoning", "id": "rs_2", "encrypted_content": "gAAAA2", "summary": [] },
        {
            "type": "function_call", "id": "fc_2", "call_id": "call_2", "name": "view", "status": "completed",
            "arguments": "{}",
        },
        { "type": "web_search_call", "id": "ws_1", "status": "completed" },
        message(json!({ "type": "output_text", "text": "On it.", "annotations": [], "logprobs": [] })),
    ]);
    let body = json!({
        "id": "resp_1",
        "object": "response",
        "created_at": 1741476777,
        "status": "completed",
        "error": null,
        "incomplete_details": null,
        "model": "gpt-5-2025-08-07",
        "output": output,
        "usage": {
            "input_tokens": 3281,
            "input_tokens_details": { "cached_tokens": 3072, "cache_write_tokens": 100 },
            "output_tokens": 512,
            "output_tokens_details": { "reasoning_tokens": 448 },
            "total_tokens": 3793,
        },
    });
    let expected = Reply {
        turn: Turn {
            parts: vec![
                thinking("**Looking**\n\nThen reading."),
                call("call_1", "shell", r#"{"command":"ls"}"#),
                thinking(""),
                call("call_2", "view", "{}"),
                Part::Other { kind: "web_search_call".to_owned() },
                text("On it."),
            ],
            raw: Some(Raw { wire: Wire::Responses, model: "openai/gpt-5".to_owned(), items: output }),
        },
        stop: Stop::ToolCalls,
        usage: Some(Usage {
            input: 3281,
            cache_read: 3072,
            cache_write_5m: 100,
            cache_write_1h: 0,
            output: 512,
            reasoning: 448,
        }),
        id: Some("resp_1".to_owned()),
        model: Some("gpt-5-2025-08-07".to_owned()),
        tokens: None,
    };
    assert_eq!(decode(&body, &target("openai/gpt-5")), Ok(expected));
}

#[test]
fn log_probabilities_stand_beside_their_texts() {
    let entry = |token: &str| json!({ "token": token, "bytes": [97], "logprob": -0.1, "top_logprobs": [] });
    let piece = |token: &str| json!({ "type": "output_text", "text": token, "annotations": [], "logprobs": [entry(token)] });
    let body = json!({ "status": "completed", "output": [message(piece("a")), message(piece("b"))] });
    let reply = decode(&body, &target("openai/gpt-4o")).unwrap();
    let tokens = Tokens { logprobs: vec![entry("a"), entry("b")], ..Tokens::default() };
    assert_eq!((reply.turn.parts, reply.tokens), (vec![text("a"), text("b")], Some(tokens)));
}

#[test]
fn how_answers_end() {
    let said = message(json!({ "type": "output_text", "text": "So", "annotations": [] }));
    let declined = message(json!({ "type": "refusal", "refusal": "I can't help with that." }));
    let called = json!({ "type": "function_call", "call_id": "c", "name": "f", "arguments": "{}" });
    let cases = [
        (json!({ "status": "completed", "output": [said] }), Stop::EndTurn),
        (json!({ "output": [said] }), Stop::EndTurn),
        (json!({ "status": "completed", "output": [said, called] }), Stop::ToolCalls),
        (json!({ "status": "completed", "output": [declined] }), Stop::Refusal),
        (
            json!({ "status": "incomplete", "incomplete_details": { "reason": "max_output_tokens" }, "output": [said] }),
            Stop::MaxTokens,
        ),
        (
            json!({ "status": "incomplete", "incomplete_details": { "reason": "content_filter" }, "output": [] }),
            Stop::Refusal,
        ),
        (
            json!({ "status": "incomplete", "incomplete_details": { "reason": "steered" }, "output": [] }),
            Stop::Other("steered".to_owned()),
        ),
        (json!({ "status": "incomplete", "output": [] }), Stop::Other("incomplete".to_owned())),
        (json!({ "status": "cancelled", "output": [] }), Stop::Other("cancelled".to_owned())),
    ];
    for (body, stop) in cases {
        assert_eq!(decode(&body, &target("openai/gpt-5")).map(|reply| reply.stop), Ok(stop), "{body}");
    }
}

#[test]
fn calls_without_ids_get_one() {
    let item = json!({ "type": "function_call", "name": "f", "arguments": "{}" });
    let reply = decode(&json!({ "output": [item, item] }), &target("other/model")).unwrap();
    let ids: Vec<&str> = reply.turn.calls().map(|(id, _, _)| id).collect();
    assert_eq!((ids.len(), ids[1]), (2, format!("{}_2", ids[0]).as_str()));
}

#[test]
fn usage_in_whole_answers_and_events() {
    let usage = json!({ "input_tokens": 5, "output_tokens": 2, "total_tokens": 7 });
    let expected = Some(Usage { input: 5, output: 2, ..Usage::default() });
    assert_eq!(usage_of(&json!({ "usage": usage })), expected);
    assert_eq!(usage_of(&json!({ "type": "response.completed", "response": { "usage": usage } })), expected);
    assert_eq!(usage_of(&json!({ "type": "response.created", "response": { "usage": null } })), None);
    for nonsense in [
        json!({ "input_tokens": -5, "output_tokens": 2 }),
        json!({ "input_tokens": 5, "output_tokens": "2" }),
        json!({ "output_tokens": 2 }),
        json!({ "input_tokens": 5 }),
        json!({ "input_tokens": 5, "output_tokens": null }),
    ] {
        assert_eq!(usage_of(&json!({ "usage": nonsense })), None, "{nonsense}");
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
        (json!("no"), malformed("the answer is not an object")),
        (json!({ "status": "completed" }), malformed("the answer: `output` is missing")),
        (json!({ "output": "no" }), malformed("the answer: `output` is not a list")),
        (json!({ "output": [7] }), malformed("output[0] is not an object")),
        (json!({ "output": [{ "type": "function_call" }] }), malformed("output[0]: `name` is missing")),
        (
            json!({ "output": [{ "type": "message", "content": [{ "type": "output_text" }] }] }),
            malformed("content[0]: `text` is missing"),
        ),
        (
            json!({ "error": { "message": "Quota", "type": "insufficient_quota", "code": "insufficient_quota" } }),
            provider("insufficient_quota", "Quota"),
        ),
        (
            json!({ "status": "failed", "output": [], "error": { "code": "server_error", "message": "Oops" } }),
            provider("server_error", "Oops"),
        ),
        (
            json!({ "status": "failed", "output": [], "error": null }),
            provider("", "the answer failed without a reason"),
        ),
    ];
    for (body, expected) in cases {
        assert_eq!(decode(&body, &target("openai/gpt-5")), Err(expected), "{body}");
    }
}

#[test]
fn an_answer_as_openai_writes_it() {
    let reply = Reply {
        turn: Turn {
            parts: vec![
                thinking("Look."),
                call("c1", "shell", "{}"),
                Part::Other { kind: "server_tool_use".to_owned() },
                text("So"),
            ],
            raw: None,
        },
        stop: Stop::MaxTokens,
        usage: Some(Usage { input: 10, output: 5, reasoning: 3, ..Usage::default() }),
        id: None,
        model: None,
        tokens: None,
    };
    let body = render_reply(&reply, "alias", "resp_9", 1_700_000_000);
    let expected = json!({
        "id": "resp_9",
        "object": "response",
        "created_at": 1_700_000_000,
        "status": "incomplete",
        "background": false,
        "error": null,
        "incomplete_details": { "reason": "max_output_tokens" },
        "instructions": null,
        "max_output_tokens": null,
        "metadata": {},
        "model": "alias",
        "output": [
            { "id": "rs_9_0", "type": "reasoning", "summary": [{ "type": "summary_text", "text": "Look." }] },
            {
                "id": "fc_9_1", "type": "function_call", "status": "completed",
                "call_id": "c1", "name": "shell", "arguments": "{}",
            },
            {
                "id": "msg_9_2", "type": "message", "status": "incomplete", "role": "assistant",
                "content": [{ "type": "output_text", "text": "So", "annotations": [], "logprobs": [] }],
            },
        ],
        "parallel_tool_calls": true,
        "previous_response_id": null,
        "reasoning": { "effort": null, "summary": null },
        "store": false,
        "temperature": null,
        "text": { "format": { "type": "text" } },
        "tool_choice": "auto",
        "tools": [],
        "top_p": null,
        "truncation": "disabled",
        "usage": {
            "input_tokens": 10,
            "input_tokens_details": { "cached_tokens": 0, "cache_write_tokens": 0 },
            "output_tokens": 5,
            "output_tokens_details": { "reasoning_tokens": 3 },
            "total_tokens": 15,
        },
        "user": null,
    });
    assert_eq!(body, expected);
}
