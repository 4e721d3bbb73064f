//! Answering a client: requests as real clients write them.

use serde_json::{Value, json};

use super::super::super::{Parsed, WireError};
use super::super::{decode, parse_request, render_error, render_reply, render_stream};
use super::{delta, named, start, target};
use crate::model::{
    Input, Message, Part, Reasoning, Reply, Request, RequestSettings, ResponseFormat, Stop, Tool, ToolResult,
    Turn, Usage,
};

#[test]
fn what_is_malformed_is_named() {
    let bodies = [
        (json!([]), "the answer is not an object"),
        (json!({}), "`content` is missing"),
        (json!({"content": "text"}), "`content` is not an array"),
        (json!({"content": [1]}), "`type` of block 0 of `content` is missing"),
        (json!({"content": [{"type": "text"}]}), "`text` of block 0 of `content` is missing"),
        (
            json!({"content": [{"type": "tool_use", "name": 1}]}),
            "`name` of block 0 of `content` is not a string",
        ),
    ];
    for (body, message) in bodies {
        assert_eq!(decode(&body, &target()), Err(WireError::Malformed(message.into())), "{body}");
    }
    let user = |content: Value| json!({"model": "m", "messages": [{"role": "user", "content": content}]});
    let with = |key: &str, value: Value| {
        let mut body = user(json!("a"));
        body[key] = value;
        body
    };
    let requests = [
        (json!({"messages": []}), "`model` is missing"),
        (json!({"model": "m"}), "`messages` is missing"),
        (user(json!(1)), "`content` of message 0 is neither a string nor an array"),
        (
            user(json!([{"type": "tool_result", "tool_use_id": "t"}])),
            "message 0 holds the result of the call `t`, which nobody made",
        ),
        (
            user(json!([{"type": "document", "source": {"type": "base64", "data": ""}}])),
            "message 0 holds a block of type `document` with a source of type `base64`, which has no form here",
        ),
        (
            with("tools", json!([{"type": "web_search_20260209", "name": "web_search"}])),
            "tools of type `web_search_20260209` have no form in another dialect",
        ),
        (
            with("tools", json!([{"type": "bash_20250124", "name": "bash"}])),
            "tools of type `bash_20250124` have no form in another dialect",
        ),
        (
            with("container", json!("c")),
            "`container` has no form in another dialect, and the answer hangs on it",
        ),
        (
            with("output_config", json!({"format": {"type": "grammar"}})),
            "a format of type `grammar` is not known",
        ),
        (
            with("output_config", json!({"format": {"type": "json_schema"}})),
            "`schema` of `format` is not an object",
        ),
        (with("tools", json!([{"name": "f"}])), "`input_schema` of the tool `f` is not an object"),
        (with("tool_choice", json!({"type": "many"})), "`tool_choice` of type `many` is not known"),
        (with("max_tokens", json!("7")), "`max_tokens`: invalid type: string \"7\", expected u64"),
    ];
    for (body, message) in requests {
        assert_eq!(parse_request(&body), Err(WireError::Malformed(message.into())), "{body}");
    }
}

fn answer() -> ResponseFormat {
    ResponseFormat::JsonSchema { name: "answer".into(), schema: json!({"type": "object"}), strict: true }
}

#[test]
fn a_format_may_be_where_it_was_as_a_beta() {
    let format = json!({"type": "json_schema", "schema": {"type": "object"}});
    for place in [
        json!({"output_format": format}),
        json!({"output_format": format, "output_config": {"format": null}}),
        json!({"output_format": {"type": "odd"}, "output_config": {"format": format}}),
    ] {
        let mut body = json!({"model": "m", "max_tokens": 9, "messages": []});
        body.as_object_mut().unwrap().extend(place.as_object().unwrap().clone());
        assert_eq!(parse_request(&body).unwrap().request.settings.response_format, Some(answer()), "{body}");
    }
}

/// As Claude Code asks, shortened.
#[test]
fn a_client_is_understood() {
    let ephemeral = json!({"type": "ephemeral"});
    let body = json!({
        "model": "claude-x", "max_tokens": 64000, "stream": true, "temperature": 1,
        "system": [
            {"type": "text", "text": "You are an agent."},
            {"type": "text", "text": "Be brief.", "cache_control": ephemeral},
        ],
        "messages": [
            {"role": "user", "content": [
                {"type": "text", "text": "<system-reminder>"}, {"type": "text", "text": "Look."},
            ]},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "hm", "signature": "s"},
                {"type": "text", "text": "I look."},
                {"type": "tool_use", "id": "t1", "name": "Read", "input": {"path": "a.png"}},
                {"type": "tool_use", "id": "t2", "name": "Bash", "input": {}},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "t1", "content": [
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
                ]},
                {"type": "tool_result", "tool_use_id": "t2", "content": "exit 1", "is_error": true},
                {"type": "text", "text": "Hurry."},
            ]},
        ],
        "tools": [
            {"name": "Read", "description": "Reads.", "input_schema": {"type": "object"}, "strict": true},
            {"type": "custom", "name": "Bash", "input_schema": {"type": "object"}},
        ],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": true},
        "thinking": {"type": "adaptive", "display": "summarized"},
        "output_config": {"effort": "high", "format": {"type": "json_schema", "schema": {"type": "object"}}},
        "top_k": 40, "mcp_servers": [], "service_tier": "auto", "inference_geo": "global",
        "metadata": {"user_id": "{}"},
        "context_management": {"edits": []},
    });
    let text = |text: &str| Input::Text { text: text.into() };
    let call = |id: &str, name: &str, arguments: &str| Part::Call {
        id: id.into(),
        name: name.into(),
        arguments: arguments.into(),
    };
    let tool = |name: &str, description: &str| Tool {
        name: name.into(),
        description: description.into(),
        parameters: json!({"type": "object"}),
    };
    let picture = Input::Image { media_type: "image/png".into(), data: "AAAA".into() };
    let result = |id: &str, name: &str, content, is_error| ToolResult {
        call_id: id.into(),
        name: name.into(),
        content,
        is_error,
    };
    let parts = vec![
        Part::Text { text: "I look.".into() },
        call("t1", "Read", r#"{"path":"a.png"}"#),
        call("t2", "Bash", "{}"),
    ];
    let expected = Parsed {
        model: "claude-x".into(),
        stream: true,
        include_usage: true,
        request: Request {
            messages: vec![
                Message::System { text: "You are an agent.\n\nBe brief.".into() },
                Message::User { content: vec![text("<system-reminder>"), text("Look.")] },
                Message::Assistant(Turn { parts, raw: None }),
                Message::Tool {
                    results: vec![
                        result("t1", "Read", vec![picture], false),
                        result("t2", "Bash", vec![text("exit 1")], true),
                    ],
                },
                Message::user("Hurry."),
            ],
            settings: RequestSettings {
                tools: vec![tool("Read", "Reads."), tool("Bash", "")],
                parallel_tool_calls: Some(false),
                max_output_tokens: Some(64000),
                temperature: Some(1.0),
                top_k: Some(40),
                response_format: Some(answer()),
                reasoning: Some(Reasoning { effort: Some("high".into()), budget_tokens: None }),
                cache: true,
                ..RequestSettings::default()
            },
        },
    };
    assert_eq!(parse_request(&body), Ok(expected));
}

#[test]
fn an_answer_is_written_as_the_provider_writes_it() {
    let reply = Reply {
        turn: Turn {
            parts: vec![
                Part::Thinking { text: "hm".into() },
                Part::Text { text: "I look.".into() },
                Part::Other { kind: "web_search_call".into() },
                Part::Call { id: "t1".into(), name: "Read".into(), arguments: r#"{"path": "a"}"#.into() },
            ],
            raw: None,
        },
        stop: Stop::ToolCalls,
        usage: Some(Usage { input: 12, cache_read: 5, output: 7, reasoning: 2, ..Usage::default() }),
        id: None,
        model: None,
        tokens: None,
    };
    let usage = |output: u64| {
        json!({
            "input_tokens": 7, "cache_read_input_tokens": 5, "cache_creation_input_tokens": 0,
            "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
            "output_tokens": output,
        })
    };
    let mut whole_usage = usage(7);
    whole_usage["output_tokens_details"] = json!({"thinking_tokens": 2});
    let mut message = json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "m",
        "content": [
            {"type": "thinking", "thinking": "hm", "signature": ""},
            {"type": "text", "text": "I look."},
            {"type": "tool_use", "id": "t1", "name": "Read", "input": {"path": "a"}},
        ],
        "stop_reason": "tool_use", "stop_sequence": null, "usage": whole_usage,
    });
    assert_eq!(render_reply(&reply, "m", "msg_1", 0), message);

    message["content"] = json!([]);
    message["stop_reason"] = json!(null);
    message["usage"] = usage(0);
    let stop = |index: u64| json!({"type": "content_block_stop", "index": index});
    let events = [
        json!({"type": "message_start", "message": message}),
        start(0, json!({"type": "thinking", "thinking": "", "signature": ""})),
        delta(0, json!({"type": "thinking_delta", "thinking": "hm"})),
        stop(0),
        start(1, json!({"type": "text", "text": ""})),
        delta(1, json!({"type": "text_delta", "text": "I look."})),
        stop(1),
        start(2, json!({"type": "tool_use", "id": "t1", "name": "Read", "input": {}})),
        delta(2, json!({"type": "input_json_delta", "partial_json": r#"{"path":"a"}"#})),
        stop(2),
        json!({"type": "message_delta", "delta": {"stop_reason": "tool_use", "stop_sequence": null},
            "usage": whole_usage}),
        json!({"type": "message_stop"}),
    ];
    assert_eq!(render_stream(&reply, "m", "msg_1", 0, true), events.map(named));
}

#[test]
fn errors_have_the_kind_of_their_status() {
    let cases = [
        (400, "", "invalid_request_error"),
        (402, "", "billing_error"),
        (429, "", "rate_limit_error"),
        (529, "", "overloaded_error"),
        (500, "", "api_error"),
        (402, "budget_error", "budget_error"),
    ];
    for (status, kind, expected) in cases {
        let error = json!({"type": "error", "error": {"type": expected, "message": "No."}});
        assert_eq!(render_error(status, kind, Some("spent"), "No."), error);
    }
}
