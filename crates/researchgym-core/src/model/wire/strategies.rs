//! What the properties of the wires are tried on.

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::{
    Input, Message, Part, Reasoning, Request, RequestSettings, ResponseFormat, Stop, Tool, ToolChoice,
    ToolResult, Turn, Usage,
};

/// JSON of any shape, made of the words that matter to a wire and others.
pub(super) fn any_json(words: &'static [&'static str]) -> impl Strategy<Value = Value> {
    let word = proptest::sample::select(words);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (0u64..3).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word.clone().prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(8, 64, 8, move |inner| {
        let key = prop_oneof![4 => word.clone().prop_map(str::to_owned), 1 => "[a-z]{0,3}"];
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::from),
            btree_map(key, inner, 0..8).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Arguments of a call: mostly objects, written as `serde_json` writes them.
fn arguments() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        any::<i32>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        vec(any::<bool>(), 0..3).prop_map(|list| json!({ "list": list })),
    ];
    prop_oneof![
        4 => btree_map("[a-z_]{1,6}", value, 0..4).prop_map(|map| json!(map).to_string()),
        1 => "[a-z{\\[\"]{1,8}",
    ]
}

fn said() -> impl Strategy<Value = String> {
    "[a-zäé☃\"\\\\<][a-zäé☃\"\\\\<\n ]{0,20}"
}

/// Parts of the forms that all wires have, each call with an id of its own.
pub(super) fn parts() -> impl Strategy<Value = Vec<Part>> {
    let part = prop_oneof![
        said().prop_map(|text| Part::Text { text }),
        said().prop_map(|text| Part::Thinking { text }),
        ("[a-z_]{1,8}", arguments()).prop_map(|(name, arguments)| Part::Call {
            id: String::new(),
            name,
            arguments
        }),
    ];
    vec(part, 0..7).prop_map(|mut parts| {
        for (index, part) in parts.iter_mut().enumerate() {
            if let Part::Call { id, .. } = part {
                *id = format!("call-{index}");
            }
        }
        parts
    })
}

/// Counts that are possible: no part is larger than its whole.
pub(super) fn usage() -> impl Strategy<Value = Usage> {
    (0u64..1 << 40, 0u64..1000, 0u64..1000, 0u64..1000, 0u64..1000, 0u64..1000).prop_map(
        |(uncached, cache_read, cache_write_5m, cache_write_1h, said, reasoning)| Usage {
            input: uncached + cache_read + cache_write_5m + cache_write_1h,
            cache_read,
            cache_write_5m,
            cache_write_1h,
            output: said + reasoning,
            reasoning,
        },
    )
}

/// The stop that goes with these parts when nothing else is wrong.
pub(super) fn natural_stop(parts: &[Part]) -> Stop {
    let has_calls = parts.iter().any(|part| matches!(part, Part::Call { .. }));
    if has_calls { Stop::ToolCalls } else { Stop::EndTurn }
}

fn picture() -> impl Strategy<Value = Input> {
    prop_oneof![
        "[A-Za-z0-9+/]{4}".prop_map(|data| Input::Image { media_type: "image/png".into(), data }),
        "https://[a-z]{1,8}\\.org/[a-z]{1,4}(\\.png)?".prop_map(|url| Input::ImageUrl { url }),
    ]
}

fn user() -> impl Strategy<Value = Message> {
    let input = prop_oneof![said().prop_map(|text| Input::Text { text }), picture()];
    vec(input, 1..4).prop_map(|content| Message::User { content })
}

/// The content and failure of one result; no tool here gives more than one text, and it comes first.
fn outcome() -> impl Strategy<Value = (Vec<Input>, bool)> {
    (option::of(said()), vec(picture(), 0..2), any::<bool>()).prop_map(|(text, pictures, is_error)| {
        let text = text.map(|text| Input::Text { text });
        (text.into_iter().chain(pictures).collect(), is_error)
    })
}

/// A conversation without raw items: the calls of each turn are answered in the next message.
fn messages() -> impl Strategy<Value = Vec<Message>> {
    let turn = (parts(), vec(outcome(), 7), option::of(user()), user());
    (option::of(said()), user(), vec(turn, 0..4)).prop_map(|(system, first, turns)| {
        let mut messages: Vec<Message> = system.map(|text| Message::System { text }).into_iter().collect();
        messages.push(first);
        for (number, (parts, outcomes, after_results, after_text)) in turns.into_iter().enumerate() {
            let mut parts: Vec<Part> =
                parts.into_iter().filter(|part| !matches!(part, Part::Thinking { .. })).collect();
            if parts.is_empty() {
                parts.push(Part::Text { text: "nothing".into() });
            }
            for part in &mut parts {
                if let Part::Call { id, .. } = part {
                    *id = format!("{id}-{number}");
                }
            }
            let turn = Turn { parts, raw: None };
            let results = turn.calls().zip(outcomes).map(|((id, name, _), (content, is_error))| ToolResult {
                call_id: id.to_owned(),
                name: name.to_owned(),
                content,
                is_error,
            });
            let results: Vec<ToolResult> = results.collect();
            messages.push(Message::Assistant(turn));
            if results.is_empty() {
                messages.push(after_text);
            } else {
                messages.push(Message::Tool { results });
                messages.extend(after_results);
            }
        }
        messages
    })
}

pub(super) fn response_format() -> impl Strategy<Value = ResponseFormat> {
    let schema = |name: &str| json!({"type": "object", "properties": {name: {"type": "string"}}});
    prop_oneof![
        Just(ResponseFormat::JsonObject),
        ("[a-z_]{1,8}", any::<bool>()).prop_map(move |(name, strict)| ResponseFormat::JsonSchema {
            schema: schema(&name),
            name,
            strict
        }),
    ]
}

/// `top_k` and the two penalties.
pub(super) fn rarer_sampling() -> impl Strategy<Value = (Option<u64>, Option<f64>, Option<f64>)> {
    (option::of(1u64..200), option::of(-2.0..2.0f64), option::of(-2.0..2.0f64))
}

fn settings() -> impl Strategy<Value = RequestSettings> {
    let tool = ("[a-z_]{1,10}", "[a-z ]{0,10}").prop_map(|(name, description)| Tool {
        name,
        description,
        parameters: json!({"type": "object", "properties": {"type": {"type": "string"}}}),
    });
    let choice = prop_oneof![
        Just(ToolChoice::Auto),
        Just(ToolChoice::None),
        Just(ToolChoice::Required),
        "[a-z_]{1,10}".prop_map(ToolChoice::Named),
    ];
    let effort = proptest::sample::select(vec!["low", "medium", "high"]);
    let reasoning = (option::of(effort), option::of(1u64..100_000))
        .prop_map(|(effort, budget_tokens)| Reasoning { effort: effort.map(str::to_owned), budget_tokens });
    let sampling =
        (option::of(0.0..2.0f64), option::of(0.0..1.0f64), option::of(0u64..1 << 31), option::of(0u64..20));
    let tools = (vec(tool, 0..3), choice, option::of(any::<bool>()));
    let cap = prop_oneof![1u64..4096, 1u64..1 << 50];
    let answer = (vec(said(), 0..3), option::of(response_format()));
    let sampling = (sampling, rarer_sampling());
    (tools, cap, sampling, answer, option::of(reasoning), any::<bool>()).prop_map(
        |(
            (tools, tool_choice, parallel_tool_calls),
            cap,
            ((temperature, top_p, seed, logprobs), (top_k, frequency_penalty, presence_penalty)),
            (stop, response_format),
            reasoning,
            cache,
        )| {
            let mut settings = RequestSettings {
                tools,
                max_output_tokens: Some(cap),
                temperature,
                top_p,
                top_k,
                frequency_penalty,
                presence_penalty,
                stop,
                response_format,
                seed,
                reasoning,
                logprobs,
                cache,
                ..RequestSettings::default()
            };
            if !settings.tools.is_empty() {
                settings.tool_choice = tool_choice;
                settings.parallel_tool_calls = parallel_tool_calls;
            }
            settings
        },
    )
}

pub(super) fn request() -> impl Strategy<Value = Request> {
    (messages(), settings()).prop_map(|(messages, settings)| Request { messages, settings })
}
