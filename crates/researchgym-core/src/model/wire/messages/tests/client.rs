//! Asking the provider: bodies and events as it writes them. Longer than other files: one long conversation is the sample of
//! all cases.

use serde_json::{Value, json};

use super::super::super::{Target, Wire, WireError};
use super::super::{Stream, decode, encode, usage_of};
use super::{delta, named, start, stream, target};
use crate::model::sse::SseEvent;
use crate::model::{
    Input, Message, Part, Raw, Reasoning, Reply, Request, RequestSettings, ResponseFormat, Stop, Tool,
    ToolChoice, ToolResult, Turn, Usage,
};

/// A turn with thinking before, between and without text, as models with interleaved thinking write it.
fn interleaved() -> Value {
    json!([
        {"type": "thinking", "thinking": "Two files matter.", "signature": "c2lnbmF0dXJlLTE="},
        {"type": "redacted_thinking", "data": "ZW5jcnlwdGVk"},
        {"type": "thinking", "thinking": "", "signature": "c2lnbmF0dXJlLTI="},
        {"type": "text", "text": "I read both."},
        {"type": "tool_use", "id": "t1", "name": "read", "input": {"path": "a.py"}},
        {"type": "thinking", "thinking": "And the second.", "signature": "c2lnbmF0dXJlLTM="},
        {"type": "tool_use", "id": "t2", "name": "list", "input": {}},
    ])
}

fn interleaved_reply() -> Reply {
    let thinking = |text: &str| Part::Thinking { text: text.into() };
    let call = |id: &str, name: &str, arguments: &str| Part::Call {
        id: id.into(),
        name: name.into(),
        arguments: arguments.into(),
    };
    Reply {
        turn: Turn {
            parts: vec![
                thinking("Two files matter."),
                thinking(""),
                thinking(""),
                Part::Text { text: "I read both.".into() },
                call("t1", "read", r#"{"path":"a.py"}"#),
                thinking("And the second."),
                call("t2", "list", "{}"),
            ],
            raw: Some(Raw { wire: Wire::Messages, model: "anthropic/claude-x".into(), items: interleaved() }),
        },
        stop: Stop::ToolCalls,
        usage: Some(Usage {
            input: 1560,
            cache_read: 1000,
            cache_write_5m: 300,
            cache_write_1h: 200,
            output: 90,
            reasoning: 33,
        }),
        id: Some("msg_01".into()),
        model: Some("claude-x-20260901".into()),
        tokens: None,
    }
}

fn interleaved_body() -> Value {
    json!({
        "id": "msg_01", "type": "message", "role": "assistant", "model": "claude-x-20260901",
        "content": interleaved(), "stop_reason": "tool_use", "stop_sequence": null,
        "usage": {
            "input_tokens": 60, "cache_read_input_tokens": 1000, "cache_creation_input_tokens": 500,
            "cache_creation": {"ephemeral_5m_input_tokens": 300, "ephemeral_1h_input_tokens": 200},
            "output_tokens": 90, "output_tokens_details": {"thinking_tokens": 33},
            "service_tier": "standard", "server_tool_use": null,
        },
        "container": null, "a_key_to_come": [1],
    })
}

fn interleaved_events() -> Vec<SseEvent> {
    let events = [
        json!({"type": "message_start", "message": {
            "id": "msg_01", "type": "message", "role": "assistant", "model": "claude-x-20260901", "content": [],
            "stop_reason": null, "stop_sequence": null,
            "usage": {
                "input_tokens": 60, "cache_read_input_tokens": 1000, "cache_creation_input_tokens": 500,
                "cache_creation": {"ephemeral_5m_input_tokens": 300, "ephemeral_1h_input_tokens": 200},
                "output_tokens": 1,
            },
        }}),
        start(0, json!({"type": "thinking", "thinking": "", "signature": ""})),
        json!({"type": "ping"}),
        delta(0, json!({"type": "thinking_delta", "thinking": "Two files "})),
        delta(0, json!({"type": "thinking_delta", "thinking": "matter."})),
        delta(0, json!({"type": "signature_delta", "signature": "c2lnbmF0dXJlLTE="})),
        json!({"type": "content_block_stop", "index": 0}),
        start(1, json!({"type": "redacted_thinking", "data": "ZW5jcnlwdGVk"})),
        json!({"type": "content_block_stop", "index": 1}),
        start(2, json!({"type": "thinking", "thinking": "", "signature": ""})),
        delta(2, json!({"type": "signature_delta", "signature": "c2lnbmF0dXJlLTI="})),
        json!({"type": "content_block_stop", "index": 2}),
        start(3, json!({"type": "text", "text": ""})),
        delta(3, json!({"type": "text_delta", "text": "I read "})),
        delta(3, json!({"type": "text_delta", "text": "both."})),
        json!({"type": "content_block_stop", "index": 3}),
        start(4, json!({"type": "tool_use", "id": "t1", "name": "read", "input": {}})),
        delta(4, json!({"type": "input_json_delta", "partial_json": ""})),
        delta(4, json!({"type": "input_json_delta", "partial_json": "{\"path\":"})),
        delta(4, json!({"type": "input_json_delta", "partial_json": "\"a.py\"}"})),
        json!({"type": "content_block_stop", "index": 4}),
        start(5, json!({"type": "thinking", "thinking": "", "signature": ""})),
        delta(5, json!({"type": "thinking_delta", "thinking": "And the second."})),
        delta(5, json!({"type": "signature_delta", "signature": "c2lnbmF0dXJlLTM="})),
        json!({"type": "content_block_stop", "index": 5}),
        start(6, json!({"type": "tool_use", "id": "t2", "name": "list", "input": {}})),
        delta(6, json!({"type": "input_json_delta", "partial_json": ""})),
        json!({"type": "content_block_stop", "index": 6}),
        json!({"type": "message_delta", "delta": {"stop_reason": "tool_use", "stop_sequence": null},
            "usage": {"output_tokens": 90, "output_tokens_details": {"thinking_tokens": 33}}}),
        json!({"type": "message_stop"}),
    ];
    events.into_iter().map(named).collect()
}

#[test]
fn a_turn_goes_back_in_the_order_and_words_in_which_it_came() {
    let streamed = stream(&interleaved_events()).unwrap();
    let whole = decode(&interleaved_body(), &target()).unwrap();
    assert_eq!(whole, interleaved_reply());
    assert_eq!(streamed, interleaved_reply());

    let result = |id: &str, name: &str, text: &str, is_error: bool| ToolResult {
        call_id: id.into(),
        name: name.into(),
        content: vec![Input::Text { text: text.into() }],
        is_error,
    };
    let request = Request {
        messages: vec![
            Message::System { text: "Be brief.".into() },
            Message::user("What is in there?"),
            Message::Assistant(streamed.turn),
            Message::Tool {
                results: vec![
                    result("t1", "read", "x = 1", false),
                    result("t2", "list", "no such folder", true),
                ],
            },
            Message::user("Go on."),
        ],
        settings: RequestSettings {
            tools: ["read", "list"]
                .map(|name| Tool {
                    name: name.into(),
                    description: String::new(),
                    parameters: json!({"type": "object"}),
                })
                .into(),
            cache: true,
            ..RequestSettings::default()
        },
    };
    let mark = json!({"type": "ephemeral"});
    let expected = json!({
        "model": "claude-x",
        "max_tokens": 4096,
        "stream": true,
        "system": [{"type": "text", "text": "Be brief.", "cache_control": mark}],
        "tools": [
            {"name": "read", "input_schema": {"type": "object"}},
            {"name": "list", "input_schema": {"type": "object"}, "cache_control": mark},
        ],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "What is in there?", "cache_control": mark}]},
            {"role": "assistant", "content": interleaved()},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "x = 1"}]},
                {"type": "tool_result", "tool_use_id": "t2", "is_error": true,
                    "content": [{"type": "text", "text": "no such folder"}]},
                {"type": "text", "text": "Go on.", "cache_control": mark},
            ]},
        ],
    });
    assert_eq!(encode(&request, &target(), true), expected);
}

#[test]
fn another_model_is_shown_the_parts() {
    let mut turn = interleaved_reply().turn;
    turn.parts.push(Part::Other { kind: "server_tool_use".into() });
    turn.parts.push(Part::Call {
        id: "functions.run:0".into(),
        name: "run".into(),
        arguments: "{\"a\": ".into(),
    });
    let messages = vec![
        Message::Assistant(turn),
        Message::Tool {
            results: vec![ToolResult {
                call_id: "functions.run:0".into(),
                name: "run".into(),
                content: vec![Input::Text { text: " ".into() }],
                is_error: false,
            }],
        },
        Message::Assistant(Turn { parts: vec![Part::Thinking { text: "hm".into() }], raw: None }),
    ];
    let other = Target { name: "anthropic/claude-y".into(), model: "claude-y".into() };
    let body = encode(&Request { messages, settings: RequestSettings::default() }, &other, false);
    let expected = json!({"model": "claude-y", "max_tokens": 4096, "messages": [
        {"role": "assistant", "content": [
            {"type": "text", "text": "I read both."},
            {"type": "tool_use", "id": "t1", "name": "read", "input": {"path": "a.py"}},
            {"type": "tool_use", "id": "t2", "name": "list", "input": {}},
            {"type": "tool_use", "id": "functions_run_0_96745173", "name": "run",
                "input": {"_invalid_arguments": "{\"a\": "}},
        ]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "functions_run_0_96745173"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "(empty)"}]},
    ]});
    assert_eq!(body, expected);
}

/// The keys that the settings add to the body of a bare request.
fn added(settings: RequestSettings) -> Value {
    let mut body = encode(&Request { messages: vec![Message::user("a")], settings }, &target(), false);
    let bare =
        encode(&Request { messages: vec![Message::user("a")], ..Request::default() }, &target(), false);
    body.as_object_mut().unwrap().retain(|key, value| bare.get(key) != Some(value));
    body
}

#[test]
fn settings_become_keys() {
    let default = RequestSettings::default;
    let thinking = |effort: Option<&str>, budget_tokens| {
        Some(Reasoning { effort: effort.map(str::to_owned), budget_tokens })
    };
    let tool = Tool { name: "f".into(), description: "Does.".into(), parameters: json!({"type": "object"}) };
    let tools = json!([{"name": "f", "description": "Does.", "input_schema": {"type": "object"}}]);
    let choice = |tool_choice, parallel_tool_calls| RequestSettings {
        tools: vec![tool.clone()],
        tool_choice,
        parallel_tool_calls,
        ..default()
    };
    let schema = Some(ResponseFormat::JsonSchema {
        name: "verdict".into(),
        schema: json!({"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object"}),
        strict: false,
    });
    let cases = [
        (RequestSettings { max_output_tokens: Some(7), ..default() }, json!({"max_tokens": 7})),
        (
            RequestSettings {
                temperature: Some(0.5),
                top_p: Some(0.9),
                stop: vec!["END".into()],
                ..default()
            },
            json!({"temperature": 0.5, "top_p": 0.9, "stop_sequences": ["END"]}),
        ),
        (
            RequestSettings {
                temperature: Some(0.5),
                top_p: Some(0.9),
                reasoning: thinking(None, Some(2048)),
                ..default()
            },
            json!({"max_tokens": 6144, "thinking": {"type": "enabled", "budget_tokens": 2048}}),
        ),
        (
            RequestSettings { top_p: Some(0.95), reasoning: thinking(Some("xhigh"), None), ..default() },
            json!({"top_p": 0.95, "thinking": {"type": "adaptive"}, "output_config": {"effort": "xhigh"}}),
        ),
        (
            RequestSettings { temperature: Some(1.0), reasoning: thinking(Some("none"), None), ..default() },
            json!({"temperature": 1.0, "thinking": {"type": "disabled"}}),
        ),
        (RequestSettings { seed: Some(1), logprobs: Some(2), ..default() }, json!({})),
        (RequestSettings { top_k: Some(40), ..default() }, json!({"top_k": 40})),
        (
            RequestSettings { top_k: Some(40), reasoning: thinking(None, None), ..default() },
            json!({"thinking": {"type": "adaptive"}}),
        ),
        (
            RequestSettings { reasoning: thinking(None, Some(5)), ..default() },
            json!({"max_tokens": 5120, "thinking": {"type": "enabled", "budget_tokens": 1024}}),
        ),
        (
            RequestSettings {
                max_output_tokens: Some(3000),
                reasoning: thinking(None, Some(5000)),
                ..default()
            },
            json!({"max_tokens": 3000, "thinking": {"type": "enabled", "budget_tokens": 2999}}),
        ),
        (
            RequestSettings {
                max_output_tokens: Some(1025),
                reasoning: thinking(None, Some(5)),
                ..default()
            },
            json!({"max_tokens": 1025, "thinking": {"type": "enabled", "budget_tokens": 1024}}),
        ),
        (
            RequestSettings {
                max_output_tokens: Some(1024),
                temperature: Some(0.5),
                reasoning: thinking(Some("high"), Some(5000)),
                ..default()
            },
            json!({"max_tokens": 1024, "temperature": 0.5}),
        ),
        (
            RequestSettings { response_format: Some(ResponseFormat::JsonObject), ..default() },
            json!({"system": [{"type": "text", "text": "Answer with one JSON object and nothing else."}]}),
        ),
        (
            RequestSettings { reasoning: thinking(Some("low"), None), response_format: schema, ..default() },
            json!({"thinking": {"type": "adaptive"}, "output_config":
                {"effort": "low", "format": {"type": "json_schema", "schema": {"type": "object"}}}}),
        ),
        (choice(ToolChoice::Auto, None), json!({"tools": tools})),
        (
            choice(ToolChoice::Auto, Some(false)),
            json!({"tools": tools, "tool_choice": {"type": "auto", "disable_parallel_tool_use": true}}),
        ),
        (choice(ToolChoice::None, Some(false)), json!({"tools": tools, "tool_choice": {"type": "none"}})),
        (choice(ToolChoice::Required, None), json!({"tools": tools, "tool_choice": {"type": "any"}})),
        (
            choice(ToolChoice::Named("f".into()), Some(true)),
            json!({"tools": tools,
                "tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": false}}),
        ),
        (
            RequestSettings {
                extra: json!({"max_tokens": 9, "metadata": {"user_id": "u"}}).as_object().unwrap().clone(),
                ..default()
            },
            json!({"max_tokens": 9, "metadata": {"user_id": "u"}}),
        ),
    ];
    for (settings, expected) in cases {
        assert_eq!(added(settings.clone()), expected, "of {settings:?}");
    }
}

#[test]
fn unknown_blocks_are_kept_and_twice_given_ids_told_apart() {
    let content = json!([
        {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "q"}},
        {"type": "web_search_tool_result", "tool_use_id": "s1", "content": [{"url": "u"}]},
        {"type": "text", "text": "Found.", "citations": [{"type": "web_search_result_location", "url": "u"}]},
        {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}},
        {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 2}},
    ]);
    let reply = decode(&json!({"content": content, "stop_reason": "compaction"}), &target()).unwrap();
    let call = |id: &str, arguments: &str| Part::Call {
        id: id.into(),
        name: "f".into(),
        arguments: arguments.into(),
    };
    let expected = Reply {
        turn: Turn {
            parts: vec![
                Part::Other { kind: "server_tool_use".into() },
                Part::Other { kind: "web_search_tool_result".into() },
                Part::Text { text: "Found.".into() },
                call("t", r#"{"a":1}"#),
                call("t_2", r#"{"a":2}"#),
            ],
            raw: Some(Raw { wire: Wire::Messages, model: target().name, items: content.clone() }),
        },
        stop: Stop::Other("compaction".into()),
        usage: None,
        id: None,
        model: None,
        tokens: None,
    };
    assert_eq!(reply, expected);

    let result =
        |id: &str| ToolResult { call_id: id.into(), name: "f".into(), content: vec![], is_error: false };
    let messages =
        vec![Message::Assistant(reply.turn), Message::Tool { results: vec![result("t"), result("t_2")] }];
    let body = encode(&Request { messages, ..Request::default() }, &target(), false);
    let mut told_apart = content.clone();
    told_apart[4]["id"] = json!("t_2");
    let expected = json!([
        {"role": "assistant", "content": told_apart},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "t"},
            {"type": "tool_result", "tool_use_id": "t_2"},
        ]},
    ]);
    assert_eq!(body["messages"], expected);
}

#[test]
fn a_stream_gives_what_the_whole_answer_would() {
    let events = [
        start(0, json!({"type": "server_tool_use", "id": "s1", "name": "web_search"})),
        delta(0, json!({"type": "input_json_delta", "partial_json": "{\"query\": \"q\"}"})),
        start(1, json!({"type": "text", "text": "", "citations": null})),
        delta(1, json!({"type": "citations_delta", "citation": {"url": "u"}})),
        delta(1, json!({"type": "citations_delta", "citation": {"url": "v"}})),
        delta(1, json!({"type": "text_delta", "text": "Found."})),
        start(2, json!({"type": "compaction", "content": ""})),
        delta(2, json!({"type": "compaction_delta", "content": "So far."})),
        start(3, json!({"type": "tool_use", "id": "t", "name": "f"})),
        start(4, json!({"type": "tool_use", "id": "u", "name": "f", "input": {}})),
        delta(4, json!({"type": "input_json_delta", "partial_json": "{ \"b\": 1, \"a\": 1e2"})),
        json!({"type": "message_delta", "delta": {"stop_reason": "max_tokens"}, "usage": {"output_tokens": 5}}),
        json!({"type": "message_stop"}),
    ];
    let events: Vec<SseEvent> = events.into_iter().map(named).collect();
    let reply = stream(&events).unwrap();
    let items = json!([
        {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "q"}},
        {"type": "text", "text": "Found.", "citations": [{"url": "u"}, {"url": "v"}]},
        {"type": "compaction", "content": "So far."},
        {"type": "tool_use", "id": "t", "name": "f", "input": {}},
        {"type": "tool_use", "id": "u", "name": "f", "input": {"_invalid_arguments": "{ \"b\": 1, \"a\": 1e2"}},
    ]);
    assert_eq!(reply.turn.raw.as_ref().unwrap().items, items);
    let calls: Vec<_> = reply.turn.calls().collect();
    assert_eq!(calls, [("t", "f", "{}"), ("u", "f", "{ \"b\": 1, \"a\": 1e2")]);
    assert_eq!((reply.stop, reply.usage), (Stop::MaxTokens, Some(Usage { output: 5, ..Usage::default() })));

    let mut complete = events;
    complete.insert(11, named(delta(4, json!({"type": "input_json_delta", "partial_json": "}"}))));
    let reply = stream(&complete).unwrap();
    let calls: Vec<_> = reply.turn.calls().map(|(_, _, arguments)| arguments).collect();
    assert_eq!(calls, ["{}", "{ \"b\": 1, \"a\": 1e2}"], "as the model wrote it");
    assert_eq!(reply.turn.raw.unwrap().items[4]["input"], json!({"a": 100.0, "b": 1}));
}

#[test]
fn a_stream_whose_end_tells_no_output_tells_no_usage() {
    let told = |output: Value| Some(json!({"output_tokens": output}));
    let nothing = [None, Some(json!(null)), Some(json!({}))];
    let no_count = [told(json!(null)), told(json!(0)), told(json!(-5)), told(json!("90"))];
    for at_end in nothing.into_iter().chain(no_count) {
        let mut events = Vec::new();
        for event in interleaved_events() {
            let mut value: Value = serde_json::from_str(&event.data).unwrap();
            if value["type"] == "message_delta" {
                value.as_object_mut().unwrap().remove("usage");
                if let Some(at_end) = &at_end {
                    value["usage"] = at_end.clone();
                }
            }
            events.push(named(value));
        }
        assert_eq!(stream(&events), Ok(Reply { usage: None, ..interleaved_reply() }), "{at_end:?}");
    }
}

#[test]
fn a_broken_stream_tells_what_it_used() {
    let events = interleaved_events();
    let mut so_far = Stream::new(&target());
    assert_eq!((so_far.usage(), so_far.output_bytes()), (None, 0));
    for event in &events[..20] {
        so_far.push(event).unwrap();
    }
    let known = Usage {
        input: 1560,
        cache_read: 1000,
        cache_write_5m: 300,
        cache_write_1h: 200,
        output: 1,
        reasoning: 0,
    };
    assert_eq!(so_far.usage(), Some(known));
    assert_eq!(so_far.output_bytes(), "Two files matter.I read both.{\"path\":\"a.py\"}".len() as u64);
    assert!(!so_far.is_complete());
    assert_eq!(so_far.finish(), Err(WireError::CutOff));

    let error = json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}});
    let overloaded = WireError::Provider { kind: "overloaded_error".into(), message: "Overloaded".into() };
    assert_eq!(Stream::new(&target()).push(&named(error.clone())), Err(overloaded.clone()));
    assert_eq!(decode(&error, &target()), Err(overloaded));
}

#[test]
fn usage_is_found_in_answers_and_events() {
    let event = |index: usize| serde_json::from_str::<Value>(&interleaved_events()[index].data).unwrap();
    let whole = interleaved_reply().usage.unwrap();
    assert_eq!(usage_of(&interleaved_body()), Some(whole));
    assert_eq!(usage_of(&event(0)), Some(Usage { output: 1, reasoning: 0, ..whole }));
    assert_eq!(usage_of(&event(28)), Some(Usage { output: 90, reasoning: 33, ..Usage::default() }));
    assert_eq!(usage_of(&event(3)), None);
    let no_split =
        json!({"usage": {"input_tokens": 1, "cache_creation_input_tokens": 5, "output_tokens": 2}});
    assert_eq!(
        usage_of(&no_split),
        Some(Usage { input: 6, cache_write_5m: 5, output: 2, ..Usage::default() })
    );
    // Half a usage is none.
    assert_eq!(usage_of(&json!({"usage": {"input_tokens": 1, "output_tokens": null}})), None);
    assert_eq!(usage_of(&json!({"usage": {"input_tokens": 1}})), None);
    for nonsense in [
        json!({}),
        json!({"input_tokens": -1, "output_tokens": 2}),
        json!({"input_tokens": 1, "output_tokens": "2"}),
        json!({"input_tokens": 1, "cache_creation": {"ephemeral_1h_input_tokens": -3}}),
    ] {
        assert_eq!(usage_of(&json!({"usage": nonsense})), None, "{nonsense}");
    }
}

#[test]
fn stop_reasons() {
    let call = json!({"type": "tool_use", "id": "t", "name": "f", "input": {}});
    let cases = [
        (json!("end_turn"), json!([]), Stop::EndTurn),
        (json!("tool_use"), json!([call]), Stop::ToolCalls),
        (json!("max_tokens"), json!([call]), Stop::MaxTokens),
        (json!("stop_sequence"), json!([]), Stop::StopSequence),
        (json!("refusal"), json!([]), Stop::Refusal),
        (json!("pause_turn"), json!([]), Stop::Pause),
        (json!("model_context_window_exceeded"), json!([]), Stop::ContextLength),
        (json!("new_reason"), json!([]), Stop::Other("new_reason".into())),
        (json!(null), json!([]), Stop::EndTurn),
        (json!(null), json!([call]), Stop::ToolCalls),
    ];
    for (reason, content, stop) in cases {
        let body = json!({"content": content, "stop_reason": reason});
        assert_eq!(decode(&body, &target()).unwrap().stop, stop, "of {reason}");
    }
}
