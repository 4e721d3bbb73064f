use serde_json::{Value, json};

use crate::model::wire::chat::{encode, parse_request};
use crate::model::wire::openai::samples::target;
use crate::model::{
    Input, Message, Part, Raw, Reasoning, Request, RequestSettings, ResponseFormat, Tool, ToolChoice,
    ToolResult, Turn, Wire, WireError,
};

fn input(text: &str) -> Input {
    Input::Text { text: text.to_owned() }
}

fn picture() -> Input {
    Input::Image { media_type: "image/png".to_owned(), data: "iVBO".to_owned() }
}

fn call(id: &str, name: &str) -> Part {
    Part::Call { id: id.to_owned(), name: name.to_owned(), arguments: "{}".to_owned() }
}

fn conversation() -> Vec<Message> {
    let turn = vec![
        Part::Thinking { text: "Two at once.".to_owned() },
        Part::Text { text: "Looking.".to_owned() },
        call("c1", "shell"),
        call("c2", "view"),
    ];
    let result = |call_id: &str, name: &str, content: Vec<Input>| ToolResult {
        call_id: call_id.to_owned(),
        name: name.to_owned(),
        content,
        is_error: false,
    };
    vec![
        Message::System { text: "Be brief.".to_owned() },
        Message::user("What is here?"),
        Message::Assistant(Turn { parts: turn, raw: None }),
        Message::Tool {
            results: vec![
                result("c1", "shell", vec![input("a.png"), input("b.txt")]),
                result("c2", "view", vec![picture()]),
            ],
        },
        Message::User {
            content: vec![input("And this?"), Input::ImageUrl { url: "https://a.b/c.png".to_owned() }],
        },
    ]
}

fn settings() -> RequestSettings {
    let parameters = json!({ "type": "object", "properties": { "command": { "type": "string" } } });
    RequestSettings {
        tools: vec![Tool { name: "shell".to_owned(), description: "Runs.".to_owned(), parameters }],
        tool_choice: ToolChoice::Named("shell".to_owned()),
        parallel_tool_calls: Some(false),
        max_output_tokens: Some(4096),
        temperature: Some(0.5),
        top_p: Some(0.9),
        top_k: Some(40),
        frequency_penalty: Some(0.25),
        presence_penalty: Some(-0.25),
        stop: vec!["END".to_owned()],
        seed: Some(7),
        response_format: Some(verdict()),
        reasoning: Some(Reasoning { effort: Some("high".to_owned()), budget_tokens: Some(1024) }),
        logprobs: Some(3),
        cache: true,
        extra: json!({ "service_tier": "flex", "temperature": 1.0 }).as_object().unwrap().clone(),
    }
}

fn verdict() -> ResponseFormat {
    ResponseFormat::JsonSchema {
        name: "verdict".to_owned(),
        schema: json!({ "type": "object" }),
        strict: false,
    }
}

#[test]
fn a_whole_request() {
    let calls = json!([
        { "id": "c1", "type": "function", "function": { "name": "shell", "arguments": "{}" } },
        { "id": "c2", "type": "function", "function": { "name": "view", "arguments": "{}" } },
    ]);
    let mut expected = json!({
        "model": "gpt-5",
        "messages": [
            { "role": "system", "content": "Be brief." },
            { "role": "user", "content": "What is here?" },
            { "role": "assistant", "content": "Looking.", "tool_calls": calls },
            { "role": "tool", "tool_call_id": "c1", "content": "a.png\nb.txt" },
            { "role": "tool", "tool_call_id": "c2", "content": "The result is a picture; it follows." },
            { "role": "user", "content": [
                { "type": "text", "text": "From the result of `view` (c2):" },
                { "type": "image_url", "image_url": { "url": "data:image/png;base64,iVBO" } },
            ] },
            { "role": "user", "content": [
                { "type": "text", "text": "And this?" },
                { "type": "image_url", "image_url": { "url": "https://a.b/c.png" } },
            ] },
        ],
        "tools": [{ "type": "function", "function": {
            "name": "shell",
            "description": "Runs.",
            "parameters": { "type": "object", "properties": { "command": { "type": "string" } } },
        } }],
        "tool_choice": { "type": "function", "function": { "name": "shell" } },
        "parallel_tool_calls": false,
        "max_completion_tokens": 4096,
        "temperature": 1.0,
        "top_p": 0.9,
        "frequency_penalty": 0.25,
        "presence_penalty": -0.25,
        "stop": ["END"],
        "seed": 7,
        "response_format": { "type": "json_schema", "json_schema": {
            "name": "verdict", "schema": { "type": "object" }, "strict": false,
        } },
        "reasoning_effort": "high",
        "logprobs": true,
        "top_logprobs": 3,
        "stream": true,
        "stream_options": { "include_usage": true },
        "service_tier": "flex",
    });
    let request = Request { messages: conversation(), settings: settings() };
    assert_eq!(encode(&request, &target("openai/gpt-5"), true), expected);

    let keys = expected.as_object_mut().unwrap();
    let cap = keys.remove("max_completion_tokens").unwrap();
    keys.insert("max_tokens".to_owned(), cap);
    keys.remove("stream");
    keys.remove("stream_options");
    keys.insert("top_k".to_owned(), json!(40));
    assert_eq!(encode(&request, &target("vllm/gpt-5"), false), expected);
}

#[test]
fn nothing_is_said_of_what_was_not_set() {
    let request = Request { messages: vec![Message::user("Hi")], settings: RequestSettings::default() };
    let expected = json!({ "model": "gpt-5", "messages": [{ "role": "user", "content": "Hi" }] });
    assert_eq!(encode(&request, &target("openai/gpt-5"), false), expected);
}

#[test]
fn a_turn_goes_back_to_its_model_as_it_came_and_to_others_in_parts() {
    let raw = json!({
        "role": "assistant",
        "content": "",
        "reasoning_details": [{ "type": "reasoning.encrypted", "data": "eyJ", "index": 0 }],
        "tool_calls": [
            { "index": 0, "id": "a", "type": "function", "function": { "name": "f", "arguments": "{ }" } },
        ],
    });
    let parts = vec![
        Part::Thinking { text: String::new() },
        Part::Call { id: "a".to_owned(), name: "f".to_owned(), arguments: "{ }".to_owned() },
    ];
    let items = Raw { wire: Wire::Chat, model: "openrouter/gemini".to_owned(), items: raw.clone() };
    let turn = Turn { parts, raw: Some(items) };
    let request = Request { messages: vec![Message::Assistant(turn)], settings: RequestSettings::default() };
    let sent = |name: &str| encode(&request, &target(name), false)["messages"][0].clone();
    assert_eq!(sent("openrouter/gemini"), raw);
    let plain = json!({
        "role": "assistant",
        "content": null,
        "tool_calls": [{ "id": "a", "type": "function", "function": { "name": "f", "arguments": "{ }" } }],
    });
    assert_eq!(sent("openrouter/other"), plain);
}

#[test]
fn calls_that_came_without_ids_go_back_with_those_that_the_results_name() {
    let function = json!({ "name": "f", "arguments": "{}" });
    let items = json!({ "role": "assistant", "tool_calls": [{ "id": "", "function": function }, {
        "id": "b", "function": function,
    }] });
    let raw = Raw { wire: Wire::Chat, model: "a/b".to_owned(), items };
    let turn = Turn { parts: vec![call("call_1", "f"), call("b", "f")], raw: Some(raw) };
    let request = Request { messages: vec![Message::Assistant(turn)], settings: RequestSettings::default() };
    let expected = json!({ "role": "assistant", "tool_calls": [{ "id": "call_1", "function": function }, {
        "id": "b", "function": function,
    }] });
    assert_eq!(encode(&request, &target("a/b"), false)["messages"][0], expected);
}

#[test]
fn a_refusal_is_its_own_key_for_openai_and_text_for_others() {
    let turn = Turn { parts: vec![Part::Refusal { text: "No.".to_owned() }], raw: None };
    let request = Request { messages: vec![Message::Assistant(turn)], settings: RequestSettings::default() };
    let sent = |name: &str| encode(&request, &target(name), false)["messages"][0].clone();
    assert_eq!(sent("azure/gpt-5"), json!({ "role": "assistant", "content": null, "refusal": "No." }));
    assert_eq!(sent("vllm/qwen"), json!({ "role": "assistant", "content": "No." }));
}

#[test]
fn a_request_as_clients_write_it() {
    let body = json!({
        "model": "gw-model",
        "messages": [
            { "role": "system", "content": "Be brief." },
            { "role": "developer", "content": [{ "type": "text", "text": "Use tools." }] },
            { "role": "user", "content": [
                { "type": "text", "text": "Look:" },
                { "type": "image_url", "image_url": { "url": "data:image/png;base64,iVBO", "detail": "auto" } },
            ] },
            { "role": "assistant", "content": null, "reasoning_content": "Hm.", "tool_calls": [
                { "id": "c1", "type": "function", "function": { "name": "shell", "arguments": "{}" } },
                { "id": "c2", "type": "function", "function": { "name": "view", "arguments": "{}" } },
            ] },
            { "role": "tool", "tool_call_id": "c2", "content": "second" },
            { "role": "tool", "tool_call_id": "c1", "content": [{ "type": "text", "text": "first" }] },
            { "role": "system", "content": "Hurry." },
        ],
        "tools": [{ "type": "function", "function": { "name": "shell" } }],
        "tool_choice": "required",
        "max_tokens": 100,
        "stop": "END",
        "stream": true,
        "stream_options": { "include_usage": true },
        "temperature": null,
        "user": "someone",
        "metadata": { "a": "b" },
    });
    let parsed = parse_request(&body).unwrap();
    let result = |call_id: &str, name: &str, text: &str| ToolResult {
        call_id: call_id.to_owned(),
        name: name.to_owned(),
        content: vec![input(text)],
        is_error: false,
    };
    let parts = vec![Part::Thinking { text: "Hm.".to_owned() }, call("c1", "shell"), call("c2", "view")];
    let expected = Request {
        messages: vec![
            Message::System { text: "Be brief.\n\nUse tools.".to_owned() },
            Message::User { content: vec![input("Look:"), picture()] },
            Message::Assistant(Turn { parts, raw: None }),
            Message::Tool { results: vec![result("c1", "shell", "first"), result("c2", "view", "second")] },
            Message::user("Hurry."),
        ],
        settings: RequestSettings {
            tools: vec![Tool {
                name: "shell".to_owned(),
                description: String::new(),
                parameters: json!({ "type": "object", "properties": {} }),
            }],
            tool_choice: ToolChoice::Required,
            max_output_tokens: Some(100),
            stop: vec!["END".to_owned()],
            ..RequestSettings::default()
        },
    };
    assert_eq!(parsed.request, expected);
    assert_eq!((parsed.model.as_str(), parsed.stream, parsed.include_usage), ("gw-model", true, true));
}

#[test]
fn formats_are_understood() {
    let check = |format: Value, expected: Option<ResponseFormat>| {
        let body = json!({ "model": "m", "messages": [], "response_format": format });
        assert_eq!(parse_request(&body).unwrap().request.settings.response_format, expected, "{body}");
    };
    let schema = |schema: Value, strict| ResponseFormat::JsonSchema { name: "a".to_owned(), schema, strict };
    check(json!({ "type": "text" }), None);
    check(json!({ "type": "json_object" }), Some(ResponseFormat::JsonObject));
    check(
        json!({ "type": "json_schema", "json_schema": { "name": "a", "schema": {}, "strict": null } }),
        Some(schema(json!({}), false)),
    );
    check(
        json!({ "type": "json_schema", "json_schema": {
            "name": "a", "description": "A verdict.", "schema": { "type": "object" }, "strict": true,
        } }),
        Some(schema(json!({ "type": "object", "description": "A verdict." }), true)),
    );
    check(
        json!({ "type": "json_object", "schema": { "type": "object" } }),
        Some(ResponseFormat::JsonSchema {
            name: "answer".to_owned(),
            schema: json!({ "type": "object" }),
            strict: true,
        }),
    );
}

/// Keys that clients send by default, or that others do not need.
#[test]
fn keys_that_do_not_change_the_answer_go_nowhere() {
    let body = json!({
        "model": "m", "messages": [{ "role": "user", "content": "Hi" }],
        "user": "u", "store": false, "metadata": { "a": "b" }, "service_tier": "default", "verbosity": "low",
        "prompt_cache_key": "k", "safety_identifier": "s", "modalities": ["text"], "logit_bias": {}, "min_p": 0,
        "presence_penalty": 0, "provider": { "sort": "price" }, "repetition_penalty": 1.0,
    });
    let settings = RequestSettings { presence_penalty: Some(0.0), ..RequestSettings::default() };
    assert_eq!(
        parse_request(&body).unwrap().request,
        Request { messages: vec![Message::user("Hi")], settings }
    );
}

#[test]
fn what_cannot_be_asked_is_named() {
    let with = |changes: Value| {
        let mut body = json!({ "model": "m", "messages": [{ "role": "user", "content": "Hi" }] });
        body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        body
    };
    let message = |message: Value| with(json!({ "messages": [message] }));
    let cases = [
        (json!("Hi"), "the request is not an object"),
        (json!({ "messages": [] }), "the request: `model` is missing"),
        (json!({ "model": "m" }), "the request: `messages` is missing"),
        (with(json!({ "n": 2 })), "the request: `n`: one choice alone can be had"),
        (with(json!({ "functions": [] })), "the request: `functions` are not understood: use `tools`"),
        (
            with(json!({ "logit_bias": { "50256": -100 } })),
            "`logit_bias` has no form in another dialect, and the answer hangs on it",
        ),
        (
            with(json!({ "guided_regex": "[ab]" })),
            "`guided_regex` has no form in another dialect, and the answer hangs on it",
        ),
        (with(json!({ "modalities": ["text", "image"] })), "`modalities`: text alone can be had"),
        (
            with(json!({ "response_format": { "type": "grammar" } })),
            "the request.response_format: a format of type `grammar` is not understood",
        ),
        (
            with(json!({ "response_format": { "type": "json_schema", "json_schema": { "name": "a" } } })),
            "the request.response_format.json_schema: `schema` is missing",
        ),
        (with(json!({ "temperature": "hot" })), "the request: `temperature` is not a number"),
        (with(json!({ "stop": [1] })), "the request: `stop` is neither a text nor a list of texts"),
        (with(json!({ "tool_choice": "maybe" })), "the request: `tool_choice`: `maybe` is not understood"),
        (
            with(json!({ "tools": [{ "type": "custom", "custom": { "name": "patch" } }] })),
            "tools[0]: a tool of type `custom` is not understood",
        ),
        (
            with(json!({ "tools": [{ "type": "function", "function": { "name": "a", "parameters": 1 } }] })),
            "tools[0].function: `parameters` is not an object",
        ),
        (
            message(json!({ "role": "function", "content": "1" })),
            "messages[0]: the role `function` is not understood",
        ),
        (message(json!({ "role": "user" })), "messages[0]: `content` is missing"),
        (
            message(json!({ "role": "user", "content": [{ "type": "input_audio" }] })),
            "messages[0]: content of type `input_audio` is not understood",
        ),
        (
            message(json!({ "role": "tool", "tool_call_id": "x", "content": "1" })),
            "a tool result for the unknown call `x`",
        ),
    ];
    for (body, expected) in cases {
        assert_eq!(parse_request(&body), Err(WireError::Malformed(expected.to_owned())), "{body}");
    }
}
