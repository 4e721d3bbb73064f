//! Asking the provider: bodies and events as it writes them.

use serde_json::{Value, json};

use super::super::super::{Target, Wire, WireError};
use super::super::{Stream, decode, encode, usage_of};
use super::{call, data, stream, target, text};
use crate::model::{
    Input, Message, Part, Raw, Reasoning, Reply, Request, RequestSettings, ResponseFormat, Stop, Tokens,
    Tool, ToolChoice, ToolResult, Turn, Usage,
};

/// Two calls at once: only the first is signed, and neither has an id.
fn signed() -> Value {
    json!([
        {"text": "Two files matter.", "thought": true},
        {"text": "I read both."},
        {"functionCall": {"name": "read", "args": {"path": "a.py"}}, "thoughtSignature": "c2lnMQ=="},
        {"functionCall": {"name": "list"}},
        {"text": "", "thoughtSignature": "c2lnMg=="},
    ])
}

const IDS: [&str; 2] = ["call_2072c1e09bf5deab_0", "call_2072c1e09bf5deab_1"];

fn signed_reply() -> Reply {
    Reply {
        turn: Turn {
            parts: vec![
                Part::Thinking { text: "Two files matter.".into() },
                text("I read both."),
                call(IDS[0], "read", r#"{"path":"a.py"}"#),
                call(IDS[1], "list", "{}"),
            ],
            raw: Some(Raw { wire: Wire::Gemini, model: "google/gemini-3-pro".into(), items: signed() }),
        },
        stop: Stop::ToolCalls,
        usage: Some(Usage { input: 110, cache_read: 80, output: 50, reasoning: 30, ..Usage::default() }),
        id: Some("r1".into()),
        model: Some("gemini-3-pro-002".into()),
        tokens: None,
    }
}

fn signed_body() -> Value {
    json!({
        "candidates": [
            {"content": {"role": "model", "parts": signed()}, "finishReason": "STOP", "index": 0, "safetyRatings": []},
            {"content": {"role": "model", "parts": [{"text": "another"}]}, "finishReason": "STOP", "index": 1},
        ],
        "usageMetadata": {
            "promptTokenCount": 100, "toolUsePromptTokenCount": 10, "cachedContentTokenCount": 80,
            "candidatesTokenCount": 20, "thoughtsTokenCount": 30, "totalTokenCount": 160,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 100}],
        },
        "modelVersion": "gemini-3-pro-002", "responseId": "r1",
    })
}

fn chunk(parts: Value, usage: Value) -> Value {
    json!({
        "candidates": [{"content": {"role": "model", "parts": parts}, "index": 0}],
        "usageMetadata": usage, "modelVersion": "gemini-3-pro-002", "responseId": "r1",
    })
}

fn signed_chunks() -> Vec<Value> {
    let early = json!({"promptTokenCount": 100, "cachedContentTokenCount": 80, "totalTokenCount": 100});
    let mut last = chunk(
        json!([{"text": "", "thoughtSignature": "c2lnMg=="}]),
        json!({
            "promptTokenCount": 100, "toolUsePromptTokenCount": 10, "candidatesTokenCount": 20,
            "thoughtsTokenCount": 30, "totalTokenCount": 160,
        }),
    );
    last["candidates"][0]["finishReason"] = json!("STOP");
    vec![
        chunk(json!([{"text": "Two files", "thought": true}]), early.clone()),
        chunk(json!([{"text": " matter.", "thought": true}]), early.clone()),
        chunk(json!([{"text": "I read"}]), early.clone()),
        chunk(json!([{"text": " both."}]), early.clone()),
        chunk(signed().as_array().unwrap()[2..4].into(), early),
        last,
    ]
}

#[test]
fn a_turn_goes_back_in_the_order_and_words_in_which_it_came() {
    let chunks: Vec<_> = signed_chunks().iter().map(data).collect();
    let streamed = stream(&chunks).unwrap();
    assert_eq!(decode(&signed_body(), &target()).unwrap(), signed_reply());
    assert_eq!(streamed, signed_reply());

    let result = |id: &str, name: &str, content, is_error| ToolResult {
        call_id: id.into(),
        name: name.into(),
        content,
        is_error,
    };
    let said = |text: &str| Input::Text { text: text.into() };
    let picture = Input::Image { media_type: "image/png".into(), data: "AAAA".into() };
    let mut request = Request {
        messages: vec![
            Message::System { text: "Be brief.".into() },
            Message::user("What is in there?"),
            Message::Assistant(streamed.turn),
            Message::Tool {
                results: vec![
                    result(IDS[0], "read", vec![said("x = 1"), picture], false),
                    result(IDS[1], "list", vec![said("no such folder")], true),
                ],
            },
            Message::user("Go on."),
        ],
        settings: RequestSettings::default(),
    };
    let expected = json!({
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "contents": [
            {"role": "user", "parts": [{"text": "What is in there?"}]},
            {"role": "model", "parts": signed()},
            {"role": "user", "parts": [
                {"functionResponse": {"name": "read", "response": {"output": "x = 1"},
                    "parts": [{"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]}},
                {"functionResponse": {"name": "list", "response": {"error": "no such folder"}}},
            ]},
            {"role": "user", "parts": [{"text": "Go on."}]},
        ],
    });
    assert_eq!(encode(&request, &target(), true), expected);

    let second = Target { name: "google/gemini-2.5-flash".into(), model: "gemini-2.5-flash".into() };
    request.messages.remove(4);
    let expected = json!([
        {"role": "user", "parts": [{"text": "What is in there?"}]},
        {"role": "model", "parts": [
            {"text": "I read both."},
            {"functionCall": {"id": IDS[0], "name": "read", "args": {"path": "a.py"}}},
            {"functionCall": {"id": IDS[1], "name": "list", "args": {}}},
        ]},
        {"role": "user", "parts": [
            {"functionResponse": {"id": IDS[0], "name": "read", "response": {"output": "x = 1"}}},
            {"functionResponse": {"id": IDS[1], "name": "list", "response": {"error": "no such folder"}}},
        ]},
        {"role": "user", "parts": [{"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]},
    ]);
    assert_eq!(encode(&request, &second, true)["contents"], expected, "as the parts, for another model");
}

#[test]
fn calls_of_another_model_pass_for_signed() {
    let parts = vec![Part::Thinking { text: "hm".into() }, call("a", "f", "{"), call("b", "f", "")];
    let messages = vec![Message::Assistant(Turn { parts, raw: None }), Message::Assistant(Turn::default())];
    let body = encode(&Request { messages, ..Request::default() }, &target(), false);
    let expected = json!({"contents": [
        {"role": "model", "parts": [
            {"functionCall": {"id": "a", "name": "f", "args": {"_invalid_arguments": "{"}},
                "thoughtSignature": "skip_thought_signature_validator"},
            {"functionCall": {"id": "b", "name": "f", "args": {}}},
        ]},
        {"role": "model", "parts": [{"text": "(empty)"}]},
    ]});
    assert_eq!(body, expected);
}

#[test]
fn ids_that_the_provider_gave_go_back_and_those_given_twice_are_told_apart() {
    let called = |id: &str| json!({"functionCall": {"id": id, "name": "f", "args": {}}});
    let items = [called("x"), called("x")];
    let body = json!({"candidates": [{"content": {"parts": items}, "finishReason": "STOP"}]});
    let turn = decode(&body, &target()).unwrap().turn;
    let ids: Vec<_> = turn.calls().map(|(id, ..)| id.to_owned()).collect();
    assert_eq!(ids, ["x", "x_2"]);
    let results = ids.into_iter().map(|call_id| ToolResult {
        call_id,
        name: "f".into(),
        content: vec![],
        is_error: false,
    });
    let messages = vec![Message::Tool { results: results.collect() }];
    let messages = [vec![Message::Assistant(turn)], messages].concat();
    let body = encode(&Request { messages, ..Request::default() }, &target(), false);
    let response =
        |id: &str| json!({"functionResponse": {"id": id, "name": "f", "response": {"output": ""}}});
    let expected = json!([
        {"role": "model", "parts": [called("x"), called("x_2")]},
        {"role": "user", "parts": [response("x"), response("x_2")]},
    ]);
    assert_eq!(body["contents"], expected);
}

fn settings_of(settings: RequestSettings) -> Value {
    let mut body = encode(&Request { messages: vec![], settings }, &target(), false);
    body.as_object_mut().unwrap().remove("contents");
    body
}

#[test]
fn settings_become_keys() {
    let default = RequestSettings::default;
    let reasoning = |effort: Option<&str>, budget_tokens| RequestSettings {
        reasoning: Some(Reasoning { effort: effort.map(str::to_owned), budget_tokens }),
        ..default()
    };
    let thinking = |config: Value| json!({"generationConfig": {"thinkingConfig": config}});
    let tool = Tool {
        name: "f".into(),
        description: "Does.".into(),
        parameters: json!({"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object"}),
    };
    let tools = json!([{"functionDeclarations": [
        {"name": "f", "description": "Does.", "parametersJsonSchema": {"type": "object"}},
    ]}]);
    let choice = |tool_choice| RequestSettings { tools: vec![tool.clone()], tool_choice, ..default() };
    let cases = [
        (default(), json!({})),
        (
            RequestSettings {
                max_output_tokens: Some(7),
                temperature: Some(0.5),
                top_p: Some(0.9),
                top_k: Some(64),
                frequency_penalty: Some(0.25),
                presence_penalty: Some(-0.25),
                stop: vec!["END".into()],
                seed: Some(1 << 40 | 3),
                logprobs: Some(2),
                cache: true,
                parallel_tool_calls: Some(false),
                ..default()
            },
            json!({"generationConfig": {
                "maxOutputTokens": 7, "temperature": 0.5, "topP": 0.9, "topK": 64, "frequencyPenalty": 0.25,
                "presencePenalty": -0.25, "stopSequences": ["END"], "seed": 3,
                "responseLogprobs": true, "logprobs": 2,
            }}),
        ),
        (
            RequestSettings { logprobs: Some(0), ..default() },
            json!({"generationConfig": {"responseLogprobs": true}}),
        ),
        (
            RequestSettings { response_format: Some(ResponseFormat::JsonObject), ..default() },
            json!({"generationConfig": {"responseMimeType": "application/json"}}),
        ),
        (
            RequestSettings {
                response_format: Some(ResponseFormat::JsonSchema {
                    name: "verdict".into(),
                    schema: json!({"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object"}),
                    strict: false,
                }),
                ..default()
            },
            json!({"generationConfig":
                {"responseMimeType": "application/json", "responseJsonSchema": {"type": "object"}}}),
        ),
        (reasoning(None, None), thinking(json!({"includeThoughts": true}))),
        (reasoning(Some("high"), None), thinking(json!({"thinkingLevel": "HIGH", "includeThoughts": true}))),
        (reasoning(Some("high"), Some(9)), thinking(json!({"thinkingBudget": 9, "includeThoughts": true}))),
        (reasoning(Some("none"), None), thinking(json!({"thinkingBudget": 0}))),
        (reasoning(None, Some(0)), thinking(json!({"thinkingBudget": 0}))),
        (choice(ToolChoice::Auto), json!({"tools": tools})),
        (
            choice(ToolChoice::None),
            json!({"tools": tools, "toolConfig": {"functionCallingConfig": {"mode": "NONE"}}}),
        ),
        (
            choice(ToolChoice::Required),
            json!({"tools": tools, "toolConfig": {"functionCallingConfig": {"mode": "ANY"}}}),
        ),
        (
            choice(ToolChoice::Named("f".into())),
            json!({"tools": tools, "toolConfig": {"functionCallingConfig":
                {"mode": "ANY", "allowedFunctionNames": ["f"]}}}),
        ),
        (
            RequestSettings {
                extra: json!({
                    "generationConfig": {"topK": 4, "thinkingConfig": {"includeThoughts": false}},
                    "safetySettings": [],
                })
                .as_object()
                .unwrap()
                .clone(),
                ..reasoning(None, Some(9))
            },
            json!({
                "generationConfig": {"topK": 4, "thinkingConfig": {"thinkingBudget": 9, "includeThoughts": false}},
                "safetySettings": [],
            }),
        ),
    ];
    for (settings, expected) in cases {
        assert_eq!(settings_of(settings.clone()), expected, "of {settings:?}");
    }
}

#[test]
fn texts_join_only_where_no_signature_stands_between() {
    let parts = [
        json!([{"text": "a"}]),
        json!([{"text": "b", "thoughtSignature": "s"}]),
        json!([{"text": "c"}, {"text": "d"}]),
        json!([{"text": "e"}]),
        json!([{"text": "f", "thought": true}]),
        json!([{"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]),
        json!([]),
    ];
    let mut chunks: Vec<Value> = parts.into_iter().map(|parts| chunk(parts, json!(null))).collect();
    chunks.push(json!({"candidates": [{"finishReason": "MAX_TOKENS"}]}));
    let chunks: Vec<_> = chunks.iter().map(data).collect();
    let reply = stream(&chunks).unwrap();
    let items = json!([
        {"text": "a"},
        {"text": "b", "thoughtSignature": "s"},
        {"text": "c"},
        {"text": "de"},
        {"text": "f", "thought": true},
        {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
    ]);
    assert_eq!(reply.turn.raw.unwrap().items, items);
    let thinking = Part::Thinking { text: "f".into() };
    let picture = Part::Other { kind: "inlineData".into() };
    assert_eq!(reply.turn.parts, [text("a"), text("b"), text("c"), text("de"), thinking, picture]);
    assert_eq!((reply.stop, reply.usage), (Stop::MaxTokens, None));
}

#[test]
fn a_broken_stream_tells_what_it_used() {
    let mut so_far = Stream::new(&target());
    assert_eq!((so_far.usage(), so_far.output_bytes()), (None, 0));
    for chunk in &signed_chunks()[..5] {
        so_far.push(&data(chunk)).unwrap();
    }
    assert_eq!(so_far.usage(), Some(Usage { input: 100, cache_read: 80, ..Usage::default() }));
    assert_eq!(so_far.output_bytes(), "Two files matter.I read both.{\"path\":\"a.py\"}".len() as u64);
    assert!(!so_far.is_complete());
    assert_eq!(so_far.finish(), Err(WireError::CutOff));

    let error = json!({"error": {"code": 503, "message": "Overloaded", "status": "UNAVAILABLE"}});
    let overloaded = WireError::Provider { kind: "UNAVAILABLE".into(), message: "Overloaded".into() };
    assert_eq!(Stream::new(&target()).push(&data(&error)), Err(overloaded.clone()));
    assert_eq!(decode(&error, &target()), Err(overloaded));
    assert_eq!(usage_of(&signed_body()), signed_reply().usage);
    assert_eq!(usage_of(&error), None);
    for nonsense in [
        json!({}),
        json!({"promptTokenCount": -4}),
        json!({"promptTokenCount": 4, "thoughtsTokenCount": "9"}),
    ] {
        assert_eq!(usage_of(&json!({"usageMetadata": nonsense})), None, "{nonsense}");
    }
}

#[test]
fn a_usage_is_whole_only_with_the_end_and_with_the_output() {
    let part = |text: &str| json!([{ "text": text }]);
    let chunk = |parts: Value, finish: Option<&str>, usage: Value| {
        let mut chunk = json!({ "candidates": [{ "content": { "parts": parts } }], "usageMetadata": usage });
        chunk["candidates"][0]["finishReason"] = json!(finish);
        chunk
    };
    let prompt = || json!({ "promptTokenCount": 4 });
    let whole = || json!({ "promptTokenCount": 4, "candidatesTokenCount": 2, "thoughtsTokenCount": 3 });
    let thought = json!({ "promptTokenCount": 4, "thoughtsTokenCount": 3 });
    let told = Some(Usage { input: 4, output: 5, reasoning: 3, ..Usage::default() });
    let check = |chunks: &[Value], expected: Option<Usage>| {
        let mut stream = Stream::new(&target());
        chunks.iter().for_each(|chunk| stream.push(&data(chunk)).unwrap());
        assert_eq!(stream.finish().unwrap().usage, expected, "{chunks:?}");
    };
    let stop = Some("STOP");
    check(&[chunk(part("a"), None, prompt()), chunk(part("b"), stop, whole())], told);
    check(&[chunk(part("a"), stop, json!(null)), json!({ "usageMetadata": whole() })], told);
    check(&[chunk(part("a"), None, whole()), chunk(part("b"), stop, json!(null))], None);
    check(&[chunk(part("a"), None, prompt()), chunk(part("b"), stop, thought.clone())], None);
    // Nothing was said but thoughts.
    let hidden = Some(Usage { input: 4, output: 3, reasoning: 3, ..Usage::default() });
    check(&[chunk(part(""), Some("MAX_TOKENS"), thought.clone())], hidden);
    let half = decode(&chunk(part("a"), stop, thought), &target()).unwrap();
    assert_eq!(half.usage, None);
}

#[test]
fn a_refused_prompt_is_an_empty_turn() {
    let body = json!({
        "promptFeedback": {"blockReason": "PROHIBITED_CONTENT"},
        "usageMetadata": {"promptTokenCount": 4, "totalTokenCount": 4},
        "responseId": "r1",
    });
    let expected = Reply {
        turn: Turn::default(),
        stop: Stop::Refusal,
        usage: Some(Usage { input: 4, ..Usage::default() }),
        id: Some("r1".into()),
        model: None,
        tokens: None,
    };
    assert_eq!(decode(&body, &target()), Ok(expected.clone()));
    assert_eq!(stream(&[data(&body)]), Ok(expected));
}

#[test]
fn finish_reasons() {
    let called = json!([{"functionCall": {"name": "f"}}]);
    let cases = [
        (json!("STOP"), json!([]), Stop::EndTurn),
        (json!("STOP"), called.clone(), Stop::ToolCalls),
        (json!("MAX_TOKENS"), called.clone(), Stop::MaxTokens),
        (json!("SAFETY"), json!(null), Stop::Refusal),
        (json!("RECITATION"), json!(null), Stop::Refusal),
        (json!("MALFORMED_FUNCTION_CALL"), json!([]), Stop::Other("MALFORMED_FUNCTION_CALL".into())),
        (json!(null), json!([]), Stop::EndTurn),
        (json!(null), called, Stop::ToolCalls),
    ];
    for (reason, parts, stop) in cases {
        let body = json!({"candidates": [{"content": {"parts": parts}, "finishReason": reason}]});
        assert_eq!(decode(&body, &target()).unwrap().stop, stop, "of {reason}");
    }
}

#[test]
fn log_probabilities_are_kept_by_token() {
    let candidate = |token: &str, id: u64| json!({"token": token, "tokenId": id, "logProbability": -0.5});
    let body = json!({"candidates": [{
        "content": {"parts": [{"text": "ab"}]}, "finishReason": "STOP",
        "logprobsResult": {
            "chosenCandidates": [candidate("a", 7), candidate("b", 8)],
            "topCandidates": [{"candidates": [candidate("a", 7), candidate("c", 9)]}],
        },
    }]});
    let mut first = candidate("a", 7);
    first["topCandidates"] = json!([candidate("a", 7), candidate("c", 9)]);
    let expected =
        Tokens { prompt_ids: None, ids: Some(vec![7, 8]), logprobs: vec![first, candidate("b", 8)] };
    assert_eq!(decode(&body, &target()).unwrap().tokens, Some(expected.clone()));
    assert_eq!(stream(&[data(&body)]).unwrap().tokens, Some(expected));
}

#[test]
fn what_is_malformed_is_named() {
    let parts = |parts: Value| json!({"candidates": [{"content": {"parts": parts}}]});
    let bodies = [
        (json!("a"), "the answer is not an object"),
        (json!({}), "`candidates` is missing or empty"),
        (json!({"candidates": {}}), "`candidates` is not an array"),
        (json!({"candidates": [1]}), "a candidate is not an object"),
        (parts(json!({})), "`parts` of a candidate is not an array"),
        (parts(json!([1])), "part 0 is not an object"),
        (parts(json!([{"text": 1}])), "`text` of part 0 is not a string"),
        (parts(json!([{"functionCall": {"args": {}}}])), "`name` of the call in part 0 is missing"),
    ];
    for (body, message) in bodies {
        assert_eq!(decode(&body, &target()), Err(WireError::Malformed(message.into())), "{body}");
    }
}
