use serde_json::{Value, json};

use crate::model::sse::SseEvent;
use crate::model::wire::openai::samples::target;
use crate::model::wire::responses::{encode, namespaces, parse_request};
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

fn result(call_id: &str, name: &str, content: Vec<Input>) -> ToolResult {
    ToolResult { call_id: call_id.to_owned(), name: name.to_owned(), content, is_error: false }
}

fn shell() -> Tool {
    let parameters = json!({ "type": "object", "properties": { "command": { "type": "string" } } });
    Tool { name: "shell".to_owned(), description: "Runs.".to_owned(), parameters }
}

#[test]
fn a_whole_request() {
    let parts = vec![
        Part::Text { text: "Looking.".to_owned() },
        Part::Thinking { text: "Two at once.".to_owned() },
        call("c1", "shell"),
        Part::Refusal { text: "Not that.".to_owned() },
        call("c2", "view"),
    ];
    let messages = vec![
        Message::System { text: "Be brief.".to_owned() },
        Message::user("What is here?"),
        Message::Assistant(Turn { parts, raw: None }),
        Message::Tool {
            results: vec![
                result("c1", "shell", vec![input("a.png")]),
                result("c2", "view", vec![input("It:"), picture()]),
            ],
        },
        Message::System { text: "Hurry.".to_owned() },
        Message::User { content: vec![Input::ImageUrl { url: "https://a.b/c.png".to_owned() }] },
    ];
    let settings = RequestSettings {
        tools: vec![shell()],
        tool_choice: ToolChoice::Named("shell".to_owned()),
        parallel_tool_calls: Some(true),
        max_output_tokens: Some(4096),
        temperature: Some(0.5),
        top_p: Some(0.9),
        top_k: Some(40),
        frequency_penalty: Some(0.25),
        presence_penalty: Some(-0.25),
        stop: vec!["END".to_owned()],
        seed: Some(7),
        response_format: Some(ResponseFormat::JsonSchema {
            name: "verdict".to_owned(),
            schema: json!({ "type": "object" }),
            strict: true,
        }),
        reasoning: Some(Reasoning { effort: Some("high".to_owned()), budget_tokens: Some(1024) }),
        logprobs: Some(3),
        cache: true,
        extra: json!({ "service_tier": "flex", "store": true }).as_object().unwrap().clone(),
    };
    let message = |piece: Value| json!({ "type": "message", "role": "assistant", "content": [piece] });
    let expected = json!({
        "model": "gpt-5",
        "instructions": "Be brief.",
        "input": [
            { "type": "message", "role": "user", "content": [{ "type": "input_text", "text": "What is here?" }] },
            message(json!({ "type": "output_text", "text": "Looking." })),
            { "type": "function_call", "call_id": "c1", "name": "shell", "arguments": "{}" },
            message(json!({ "type": "refusal", "refusal": "Not that." })),
            { "type": "function_call", "call_id": "c2", "name": "view", "arguments": "{}" },
            { "type": "function_call_output", "call_id": "c1", "output": "a.png" },
            { "type": "function_call_output", "call_id": "c2", "output": [
                { "type": "input_text", "text": "It:" },
                { "type": "input_image", "image_url": "data:image/png;base64,iVBO", "detail": "auto" },
            ] },
            { "type": "message", "role": "developer", "content": "Hurry." },
            { "type": "message", "role": "user", "content": [
                { "type": "input_image", "image_url": "https://a.b/c.png", "detail": "auto" },
            ] },
        ],
        "store": true,
        "include": ["reasoning.encrypted_content", "message.output_text.logprobs"],
        "tools": [{
            "type": "function",
            "name": "shell",
            "description": "Runs.",
            "parameters": { "type": "object", "properties": { "command": { "type": "string" } } },
            "strict": false,
        }],
        "tool_choice": { "type": "function", "name": "shell" },
        "parallel_tool_calls": true,
        "max_output_tokens": 4096,
        "temperature": 0.5,
        "top_p": 0.9,
        "top_logprobs": 3,
        "reasoning": { "effort": "high", "summary": "auto" },
        "text": { "format": {
            "type": "json_schema", "name": "verdict", "schema": { "type": "object" }, "strict": true,
        } },
        "stream": true,
        "service_tier": "flex",
    });
    assert_eq!(encode(&Request { messages, settings }, &target("openai/gpt-5"), true), expected);
}

#[test]
fn encrypted_thinking_is_asked_of_models_that_may_think() {
    let request = Request { messages: Vec::new(), settings: RequestSettings::default() };
    let body = |name: &str, include: Value| json!({ "model": name, "input": [], "store": false, "include": include });
    for (name, include) in [
        ("gpt-5", json!(["reasoning.encrypted_content"])),
        ("o3", json!(["reasoning.encrypted_content"])),
        ("my-deployment", json!(["reasoning.encrypted_content"])),
        ("gpt-4o-mini", json!([])),
        ("gpt-4.1", json!([])),
    ] {
        let sent = encode(&request, &target(&format!("openai/{name}")), false);
        assert_eq!(sent, body(name, include));
    }
}

#[test]
fn a_turn_goes_back_to_its_model_as_it_came_and_to_others_in_parts() {
    let items = json!([
        { "type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAA1" },
        { "type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f", "arguments": "{}" },
        { "type": "reasoning", "id": "rs_2", "summary": [], "encrypted_content": "gAAAA2" },
        { "type": "function_call", "id": "fc_2", "call_id": "c2", "name": "g", "arguments": "{}" },
    ]);
    let thinking = || Part::Thinking { text: String::new() };
    let parts = vec![thinking(), call("c1", "f"), thinking(), call("c2", "g")];
    let raw = Raw { wire: Wire::Responses, model: "openai/gpt-5".to_owned(), items: items.clone() };
    let turn = Turn { parts, raw: Some(raw) };
    let request = Request { messages: vec![Message::Assistant(turn)], settings: RequestSettings::default() };
    let sent = |name: &str| encode(&request, &target(name), false)["input"].clone();
    assert_eq!(sent("openai/gpt-5"), items);
    let plain = json!([
        { "type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}" },
        { "type": "function_call", "call_id": "c2", "name": "g", "arguments": "{}" },
    ]);
    assert_eq!(sent("openai/o3"), plain);
}

#[test]
fn a_request_as_codex_writes_it() {
    let body = json!({
        "model": "gw-model",
        "instructions": "You are Codex.",
        "input": [
            { "type": "message", "role": "developer", "content": [{ "type": "input_text", "text": "No network." }] },
            { "type": "message", "role": "user", "content": [
                { "type": "input_text", "text": "Look:" },
                { "type": "input_image", "image_url": "data:image/png;base64,iVBO" },
            ] },
            { "type": "reasoning", "id": "rs_1", "summary": [{ "type": "summary_text", "text": "Hm." }],
              "content": null, "encrypted_content": null },
            { "type": "message", "role": "assistant", "content": [{ "type": "output_text", "text": "Wait." }] },
            { "type": "function_call", "name": "shell", "arguments": "{}", "call_id": "c1" },
            { "type": "function_call", "name": "probe", "namespace": "mcp__arena", "arguments": "{}",
              "call_id": "c2" },
            { "type": "function_call_output", "call_id": "c2", "output": [{ "type": "input_text", "text": "two" }] },
            { "type": "function_call_output", "call_id": "c1", "output": "one" },
            { "role": "user", "content": "Go on." },
            { "type": "message", "role": "developer", "content": "Hurry." },
        ],
        "tools": [
            { "type": "function", "name": "shell", "description": "Runs.", "strict": false,
              "parameters": { "type": "object", "properties": { "command": { "type": "string" } } } },
            { "type": "namespace", "name": "mcp__arena", "description": "Tools of arena.", "tools": [
                { "type": "function", "name": "probe", "description": "Probes.", "strict": false,
                  "parameters": { "type": "object", "properties": {} } },
            ] },
        ],
        "tool_choice": "auto",
        "parallel_tool_calls": false,
        "reasoning": { "effort": "medium", "summary": "auto" },
        "store": false,
        "stream": true,
        "include": ["reasoning.encrypted_content"],
        "prompt_cache_key": "7",
        "client_metadata": {},
    });
    let parsed = parse_request(&body).unwrap();
    let parts = vec![
        Part::Thinking { text: "Hm.".to_owned() },
        Part::Text { text: "Wait.".to_owned() },
        call("c1", "shell"),
        call("c2", "probe"),
    ];
    let expected = Request {
        messages: vec![
            Message::System { text: "You are Codex.\n\nNo network.".to_owned() },
            Message::User { content: vec![input("Look:"), picture()] },
            Message::Assistant(Turn { parts, raw: None }),
            Message::Tool {
                results: vec![
                    result("c1", "shell", vec![input("one")]),
                    result("c2", "probe", vec![input("two")]),
                ],
            },
            Message::user("Go on."),
            Message::user("Hurry."),
        ],
        settings: RequestSettings {
            tools: vec![
                shell(),
                Tool {
                    name: "probe".to_owned(),
                    description: "Probes.".to_owned(),
                    parameters: json!({ "type": "object", "properties": {} }),
                },
            ],
            parallel_tool_calls: Some(false),
            reasoning: Some(Reasoning { effort: Some("medium".to_owned()), budget_tokens: None }),
            ..RequestSettings::default()
        },
    };
    assert_eq!(parsed.request, expected);
    assert_eq!((parsed.model.as_str(), parsed.stream, parsed.include_usage), ("gw-model", true, true));
}

#[test]
fn calls_into_a_namespace_get_it_back() {
    let namespaces = namespaces(&json!({ "tools": [
        { "type": "function", "name": "shell" },
        { "type": "namespace", "name": "mcp__arena", "tools": [{ "type": "function", "name": "probe" }] },
    ] }));
    let plain =
        |name: &str| json!({ "type": "function_call", "call_id": "c", "name": name, "arguments": "{}" });
    let mut probe = plain("probe");
    probe["namespace"] = "mcp__arena".into();
    let mut answer =
        json!({ "output": [plain("shell"), plain("probe"), { "type": "message", "name": "probe" }] });
    namespaces.restore(&mut answer);
    let output = json!([plain("shell"), probe, { "type": "message", "name": "probe" }]);
    assert_eq!(answer, json!({ "output": output }));

    let event = |value: Value| SseEvent::named("e", value.to_string());
    let mut events = [
        event(json!({ "item": plain("probe") })),
        event(json!({ "response": { "output": [plain("shell"), plain("probe")] } })),
        event(json!({ "delta": "{}" })),
        SseEvent::data("[DONE]"),
    ];
    namespaces.restore_stream(&mut events);
    let expected = [
        event(json!({ "item": probe })),
        event(json!({ "response": { "output": [plain("shell"), probe] } })),
        event(json!({ "delta": "{}" })),
        SseEvent::data("[DONE]"),
    ];
    assert_eq!(events, expected);
}

#[test]
fn formats_are_understood() {
    let check = |text: Value, expected: Option<ResponseFormat>| {
        let body = json!({ "model": "m", "input": "Hi", "text": text });
        assert_eq!(parse_request(&body).unwrap().request.settings.response_format, expected, "{body}");
    };
    check(json!({ "verbosity": "low" }), None);
    check(json!({ "format": { "type": "text" }, "verbosity": "medium" }), None);
    check(json!({ "format": { "type": "json_object" } }), Some(ResponseFormat::JsonObject));
    check(
        json!({ "format": { "type": "json_schema", "name": "a", "schema": { "type": "object" }, "strict": true } }),
        Some(ResponseFormat::JsonSchema {
            name: "a".to_owned(),
            schema: json!({ "type": "object" }),
            strict: true,
        }),
    );
}

#[test]
fn what_cannot_be_asked_is_named() {
    let with = |changes: Value| {
        let mut body = json!({ "model": "m", "input": "Hi" });
        body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        body
    };
    let item = |item: Value| with(json!({ "input": [item] }));
    let function = json!({ "type": "function", "name": "a" });
    let cases = [
        (json!(null), "the request is not an object"),
        (json!({ "input": "Hi" }), "the request: `model` is missing"),
        (json!({ "model": "m" }), "the request: `input` is missing"),
        (
            with(json!({ "previous_response_id": "resp_1" })),
            "the request: `previous_response_id`: nothing is stored here, send the whole conversation",
        ),
        (
            with(json!({ "stop": ["END"] })),
            "`stop` has no form in another dialect, and the answer hangs on it",
        ),
        (
            with(json!({ "text": { "format": { "type": "grammar" } } })),
            "the request.text.format: a format of type `grammar` is not understood",
        ),
        (with(json!({ "background": true })), "the request: `background` cannot be had"),
        (
            with(json!({ "tools": [{ "type": "web_search" }] })),
            "tools[0]: a tool of type `web_search` is not understood",
        ),
        (
            with(json!({ "tools": [{ "type": "namespace", "name": "n", "tools": [{ "type": "custom" }] }] })),
            "tools[0]: a tool of type `custom` is not understood",
        ),
        (
            with(json!({ "tools": [function, { "type": "namespace", "name": "n", "tools": [function] }] })),
            "the request: two tools are called `a`",
        ),
        (
            with(json!({ "tool_choice": { "type": "allowed_tools" } })),
            "tool_choice: the type `allowed_tools` is not understood",
        ),
        (
            item(json!({ "type": "item_reference", "id": "x" })),
            "input[0]: an item of type `item_reference` is not understood",
        ),
        (item(json!({ "content": "Hi" })), "input[0]: `role` is missing"),
        (
            item(json!({ "role": "user", "content": [{ "type": "input_file", "file_id": "f" }] })),
            "input[0]: content of type `input_file` is not understood",
        ),
        (
            item(json!({ "role": "user", "content": [{ "type": "input_image", "file_id": "f" }] })),
            "content[0]: `image_url` is missing",
        ),
        (
            item(json!({ "type": "function_call_output", "call_id": "x", "output": "1" })),
            "a tool result for the unknown call `x`",
        ),
    ];
    for (body, expected) in cases {
        assert_eq!(parse_request(&body), Err(WireError::Malformed(expected.to_owned())), "{body}");
    }
}
