//! Answering a client: requests as real clients write them.

use serde_json::{Value, json};

use super::super::super::{Parsed, WireError};
use super::super::{parse_request, render_error, render_reply, render_stream};
use super::{call, data, text};
use crate::model::{
    Input, Message, Part, Reasoning, Reply, Request, RequestSettings, ResponseFormat, Stop, Tool, ToolChoice,
    ToolResult, Turn, Usage,
};

/// As Gemini CLI asks, shortened, and with some keys in the other spelling.
#[test]
fn a_client_is_understood() {
    let body = json!({
        "system_instruction": {"role": "user", "parts": [{"text": "You are an agent."}, {"text": "Be brief."}]},
        "contents": [
            {"role": "user", "parts": [{"text": "Look."}]},
            {"role": "model", "parts": [
                {"text": "hm", "thought": true},
                {"text": "I look.", "thoughtSignature": "s"},
                {"functionCall": {"name": "read", "args": {"path": "a.png"}}},
                {"functionCall": {"id": "x", "name": "run", "args": {}}},
                {"functionCall": {"name": "read", "args": {"path": "b"}}},
                {"thoughtSignature": "s"},
            ]},
            {"role": "user", "parts": [
                {"functionResponse": {"name": "read", "response": {"output": "a picture"}}},
                {"inline_data": {"mime_type": "image/png", "data": "AAAA"}},
                {"functionResponse": {"id": "x", "name": "run", "response": {"error": "exit 1"}}},
                {"functionResponse": {"name": "read", "response": {"lines": 3}, "parts": [
                    {"fileData": {"mimeType": "image/png", "fileUri": "https://a.org/b.png"}},
                ]}},
                {"text": "Hurry."},
                {"inlineData": {"mimeType": "image/jpeg", "data": "BBBB"}},
            ]},
        ],
        "tools": [{"functionDeclarations": [
            {"name": "read", "description": "Reads.", "parametersJsonSchema": {"type": "object"}},
            {"name": "run", "parameters": {"type": "OBJECT", "properties": {"line": {"type": "STRING"}}}},
            {"name": "wait"},
        ]}],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["read", "run"]}},
        "generationConfig": {
            "maxOutputTokens": 9, "temperature": 0, "topP": 0.5, "topK": 64, "stopSequences": ["END"], "seed": -3,
            "frequencyPenalty": 0.5, "presence_penalty": 0, "response_mime_type": "application/json",
            "responseSchema": {"type": "OBJECT", "properties": {"next": {"type": "STRING"}}},
            "responseModalities": ["TEXT"], "mediaResolution": "MEDIA_RESOLUTION_LOW",
            "responseLogprobs": true, "thinkingConfig": {"includeThoughts": true, "thinking_level": "HIGH"},
        },
        "safetySettings": [],
    });
    let said = |text: &str| Input::Text { text: text.into() };
    let picture =
        |media_type: &str, data: &str| Input::Image { media_type: media_type.into(), data: data.into() };
    let result = |id: &str, name: &str, content, is_error| ToolResult {
        call_id: id.into(),
        name: name.into(),
        content,
        is_error,
    };
    let tool = |name: &str, description: &str, parameters| Tool {
        name: name.into(),
        description: description.into(),
        parameters,
    };
    let parts = vec![
        text("I look."),
        call("call_1", "read", r#"{"path":"a.png"}"#),
        call("x", "run", "{}"),
        call("call_2", "read", r#"{"path":"b"}"#),
    ];
    let link = Input::ImageUrl { url: "https://a.org/b.png".into() };
    let expected = Parsed {
        model: "gemini-3-pro".into(),
        stream: true,
        include_usage: true,
        request: Request {
            messages: vec![
                Message::System { text: "You are an agent.\n\nBe brief.".into() },
                Message::user("Look."),
                Message::Assistant(Turn { parts, raw: None }),
                Message::Tool {
                    results: vec![
                        result(
                            "call_1",
                            "read",
                            vec![said("a picture"), picture("image/png", "AAAA")],
                            false,
                        ),
                        result("x", "run", vec![said("exit 1")], true),
                        result("call_2", "read", vec![said(r#"{"lines":3}"#), link], false),
                    ],
                },
                Message::User { content: vec![said("Hurry."), picture("image/jpeg", "BBBB")] },
            ],
            settings: RequestSettings {
                tools: vec![
                    tool("read", "Reads.", json!({"type": "object"})),
                    tool("run", "", json!({"type": "object", "properties": {"line": {"type": "string"}}})),
                    tool("wait", "", json!({"type": "object", "properties": {}})),
                ],
                tool_choice: ToolChoice::Required,
                max_output_tokens: Some(9),
                temperature: Some(0.0),
                top_p: Some(0.5),
                top_k: Some(64),
                frequency_penalty: Some(0.5),
                presence_penalty: Some(0.0),
                response_format: Some(ResponseFormat::JsonSchema {
                    name: "answer".into(),
                    schema: json!({"type": "object", "properties": {"next": {"type": "string"}}}),
                    strict: true,
                }),
                stop: vec!["END".into()],
                seed: Some(3),
                reasoning: Some(Reasoning { effort: Some("high".into()), budget_tokens: None }),
                logprobs: Some(0),
                ..RequestSettings::default()
            },
        },
    };
    assert_eq!(parse_request(&body, "gemini-3-pro", true), Ok(expected));
}

#[test]
fn what_is_malformed_is_named() {
    let user = |part: Value| json!({"contents": [{"parts": [part]}]});
    let with = |key: &str, value: Value| {
        let mut body = user(json!({"text": "a"}));
        body[key] = value;
        body
    };
    let cases = [
        (json!(1), "the request is not an object"),
        (json!({}), "`contents` is missing"),
        (json!({"contents": [{}]}), "`parts` of content 0 is missing"),
        (json!({"contents": [{"role": "system", "parts": []}]}), "content 0 has the role `system`"),
        (
            user(json!({"executableCode": {}})),
            "content 0 holds a part of the kind `executableCode`, which has no form here",
        ),
        (
            user(json!({"inlineData": {"mimeType": "audio/wav", "data": ""}})),
            "content 0 holds data of the type `audio/wav`; only pictures have a form here",
        ),
        (
            user(json!({"functionResponse": {"name": "f"}})),
            "content 0 holds a result of `f`, which was not called",
        ),
        (
            with("tools", json!([{"googleSearch": {}}])),
            "tools of the kind `googleSearch` have no form in another dialect",
        ),
        (
            with("toolConfig", json!({"functionCallingConfig": {"mode": "MANY"}})),
            "the mode `MANY` of `functionCallingConfig` is not known",
        ),
        (
            with("generationConfig", json!({"temperature": "hot"})),
            "`temperature`: invalid type: string \"hot\", expected f64",
        ),
        (
            with("cachedContent", json!("cachedContents/a")),
            "`cachedContent` has no form in another dialect, and the answer hangs on it",
        ),
        (
            with("generationConfig", json!({"responseModalities": ["TEXT", "IMAGE"]})),
            "`responseModalities`: text alone can be had",
        ),
        (
            with("generationConfig", json!({"responseMimeType": "text/x.enum", "responseSchema": {}})),
            "answers of the type `text/x.enum` have no form in another dialect",
        ),
        (
            with("generationConfig", json!({"candidate_count": 2})),
            "`candidateCount`: one candidate alone can be had",
        ),
    ];
    for (body, message) in cases {
        assert_eq!(parse_request(&body, "m", false), Err(WireError::Malformed(message.into())), "{body}");
    }
}

#[test]
fn an_answer_is_written_as_the_provider_writes_it() {
    let reply = Reply {
        turn: Turn {
            parts: vec![
                Part::Thinking { text: "hm".into() },
                text("I look."),
                text("Twice."),
                Part::Other { kind: "web_search_call".into() },
                call("t1", "read", r#"{"path": "a"}"#),
                call("t2", "read", ""),
            ],
            raw: None,
        },
        stop: Stop::ToolCalls,
        usage: Some(Usage { input: 12, cache_read: 5, output: 7, reasoning: 2, ..Usage::default() }),
        id: None,
        model: None,
        tokens: None,
    };
    let parts = [
        json!({"text": "hm", "thought": true}),
        json!({"text": "I look."}),
        json!({"text": "Twice."}),
        json!({"functionCall": {"id": "t1", "name": "read", "args": {"path": "a"}}}),
        json!({"functionCall": {"id": "t2", "name": "read", "args": {}}}),
    ];
    let chunk = |parts: &[Value]| {
        json!({
            "candidates": [{"content": {"role": "model", "parts": parts}, "index": 0}],
            "modelVersion": "m", "responseId": "r1",
        })
    };
    let end = |mut chunk: Value| {
        chunk["candidates"][0]["finishReason"] = json!("STOP");
        chunk["usageMetadata"] = json!({
            "promptTokenCount": 12, "cachedContentTokenCount": 5, "candidatesTokenCount": 5, "thoughtsTokenCount": 2,
            "totalTokenCount": 19,
        });
        chunk
    };
    assert_eq!(render_reply(&reply, "m", "r1", 0), end(chunk(&parts)));
    let chunks = [chunk(&parts[..1]), chunk(&parts[1..3]), end(chunk(&parts[3..]))];
    assert_eq!(render_stream(&reply, "m", "r1", 0, true), chunks.map(|chunk| data(&chunk)));

    let bare = Reply { turn: Turn::default(), stop: Stop::Other("content_filter".into()), ..reply };
    let mut expected = chunk(&[]);
    expected["candidates"][0]["finishReason"] = json!("OTHER");
    assert_eq!(render_stream(&bare, "m", "r1", 0, false), [data(&expected)]);
}

#[test]
fn errors_have_the_kind_of_their_status() {
    let cases = [
        (400, "", "INVALID_ARGUMENT"),
        (402, "budget_exhausted", "FAILED_PRECONDITION"),
        (429, "rate_limit_error", "RESOURCE_EXHAUSTED"),
        (529, "", "UNAVAILABLE"),
        (500, "", "INTERNAL"),
        (402, "RESOURCE_EXHAUSTED", "RESOURCE_EXHAUSTED"),
    ];
    for (status, kind, expected) in cases {
        let error = json!({"error": {"code": status, "message": "No.", "status": expected}});
        assert_eq!(render_error(status, kind, None, "No."), error, "of {status} {kind:?}");
    }
    let details = json!([{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "spent"}]);
    assert_eq!(render_error(402, "", Some("spent"), "No.")["error"]["details"], details);
}
