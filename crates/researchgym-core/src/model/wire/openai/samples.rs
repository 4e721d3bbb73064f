//! Requests, answers and hostile values for the property tests of both OpenAI wires.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::model::sse::SseEvent;
use crate::model::wire::strategies::{rarer_sampling, response_format};
use crate::model::{
    Input, Message, Part, Reasoning, Reply, Request, RequestSettings, Stop, Target, Tokens, Tool, ToolChoice,
    ToolResult, Turn, Usage, Wire,
};

pub(in crate::model::wire) fn target(name: &str) -> Target {
    Target { name: name.to_owned(), model: name.rsplit('/').next().unwrap().to_owned() }
}

/// Events without names, as a stream of values.
pub(in crate::model::wire) fn events(values: &[Value]) -> Vec<SseEvent> {
    values.iter().map(|value| SseEvent::data(value.to_string())).collect()
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z ,.]{1,30}", "\\PC{1,20}", "[\n\t\"\\\\{}\u{1F600}é ]{1,10}"]
}

fn arguments() -> impl Strategy<Value = String> {
    prop_oneof![
        text().prop_map(|text| json!({ "command": text, "count": 3 }).to_string()),
        Just("{}".to_owned()),
        Just(String::new()),
        text(),
    ]
}

fn part(wire: Wire, may_think: bool) -> BoxedStrategy<Part> {
    let call = ("[a-zA-Z0-9_-]{1,20}", arguments()).prop_map(|(name, arguments)| Part::Call {
        id: String::new(),
        name,
        arguments,
    });
    let shortest = usize::from(wire == Wire::Chat);
    let thinking = vec(text(), shortest..2).prop_map(|texts| Part::Thinking { text: texts.concat() });
    prop_oneof![
        4 => text().prop_map(|text| Part::Text { text }),
        1 => text().prop_map(|text| Part::Refusal { text }),
        4 => call,
        if may_think { 3 } else { 0 } => thinking,
    ]
    .boxed()
}

/// Parts in an order that the wire can express.
fn parts(wire: Wire, may_think: bool) -> impl Strategy<Value = Vec<Part>> {
    let rank = |part: &Part| match part {
        Part::Thinking { .. } => 0,
        Part::Text { .. } => 1,
        Part::Refusal { .. } => 2,
        Part::Call { .. } => 3,
        Part::Other { .. } => 4,
    };
    vec(part(wire, may_think), 1..6).prop_map(move |mut parts| {
        if wire == Wire::Chat {
            parts.sort_by_key(rank);
            parts.dedup_by(|one, other| rank(one) < 3 && rank(one) == rank(other));
        }
        for (index, part) in parts.iter_mut().enumerate() {
            if let Part::Call { id, .. } = part {
                *id = format!("call_{index}");
            }
        }
        parts
    })
}

fn stop(parts: &[Part]) -> BoxedStrategy<Stop> {
    let has = |wanted: fn(&Part) -> bool| parts.iter().any(wanted);
    let end = if has(|part| matches!(part, Part::Call { .. })) {
        vec![Stop::ToolCalls, Stop::MaxTokens]
    } else if has(|part| matches!(part, Part::Refusal { .. })) {
        vec![Stop::Refusal, Stop::MaxTokens]
    } else {
        vec![Stop::EndTurn, Stop::MaxTokens, Stop::Refusal]
    };
    proptest::sample::select(end).boxed()
}

fn usage() -> impl Strategy<Value = Usage> {
    any::<[u32; 5]>().prop_map(|[input, cache_read, cache_write, output, reasoning]| Usage {
        input: input.into(),
        cache_read: cache_read.into(),
        cache_write_5m: cache_write.into(),
        cache_write_1h: 0,
        output: output.into(),
        reasoning: reasoning.into(),
    })
}

fn tokens(wire: Wire) -> impl Strategy<Value = Tokens> {
    let logprob = (text(), -20.0..0.0).prop_map(
        |(token, logprob)| json!({ "token": token, "bytes": null, "logprob": logprob, "top_logprobs": [] }),
    );
    let ids =
        move || option::of(vec(any::<u64>(), 0..4)).prop_map(move |ids| ids.filter(|_| wire == Wire::Chat));
    (ids(), ids(), vec(logprob, 1..4)).prop_map(|(prompt_ids, ids, logprobs)| Tokens {
        prompt_ids,
        ids,
        logprobs,
    })
}

/// Answers that the wire can express whole.
pub(in crate::model::wire) fn replies(wire: Wire) -> impl Strategy<Value = Reply> {
    let parts = parts(wire, true).prop_flat_map(|parts| (stop(&parts), Just(parts)));
    (parts, option::of(usage()), option::of(tokens(wire))).prop_map(move |((stop, parts), usage, tokens)| {
        let has_text = parts.iter().any(|part| matches!(part, Part::Text { .. }));
        Reply {
            turn: Turn { parts, raw: None },
            stop,
            usage,
            id: Some("resp_7".to_owned()),
            model: Some("gpt-9".to_owned()),
            tokens: tokens.filter(|_| has_text || wire == Wire::Chat),
        }
    })
}

/// The reply without the raw items, which decoding adds.
pub(in crate::model::wire) fn without_raw(reply: &Reply) -> Reply {
    let mut reply = reply.clone();
    reply.turn.raw = None;
    reply
}

fn input() -> impl Strategy<Value = Input> {
    prop_oneof![
        text().prop_map(|text| Input::Text { text }),
        ("image/(png|jpeg)", "[A-Za-z0-9+/]{4,20}")
            .prop_map(|(media_type, data)| Input::Image { media_type, data }),
        "https://[a-z./]{1,20}".prop_map(|url| Input::ImageUrl { url }),
    ]
}

/// A user's message, the turn that answers it, and the results of its calls.
fn round(wire: Wire) -> impl Strategy<Value = Vec<Message>> {
    let content = match wire {
        Wire::Chat => vec(text().prop_map(|text| Input::Text { text }).boxed(), 1..2),
        Wire::Responses | Wire::Messages | Wire::Gemini => vec(input().boxed(), 1..3),
    };
    (vec(input(), 1..4), parts(wire, false), vec(content, 6)).prop_map(|(user, parts, mut contents)| {
        let turn = Turn { parts, raw: None };
        let results: Vec<ToolResult> = turn
            .calls()
            .map(|(id, name, _)| ToolResult {
                call_id: id.to_owned(),
                name: name.to_owned(),
                content: contents.pop().unwrap(),
                is_error: false,
            })
            .collect();
        let mut messages = vec![Message::User { content: user }, Message::Assistant(turn)];
        if !results.is_empty() {
            messages.push(Message::Tool { results });
        }
        messages
    })
}

fn settings(wire: Wire) -> impl Strategy<Value = RequestSettings> {
    let tools = vec(text(), 0..3).prop_map(|descriptions| {
        let tools = descriptions.into_iter().enumerate().map(|(index, description)| Tool {
            name: format!("tool_{index}"),
            description,
            parameters: json!({ "type": "object", "properties": { "command": { "type": "string" } } }),
        });
        tools.collect::<Vec<_>>()
    });
    let choices =
        [ToolChoice::Auto, ToolChoice::None, ToolChoice::Required, ToolChoice::Named("tool_0".to_owned())];
    let effort = option::of(option::of("low|high"));
    let is_chat = wire == Wire::Chat;
    let calling = (tools, proptest::sample::select(choices.to_vec()), any::<Option<bool>>());
    let sampling = (option::of(0.0..2.0), option::of(0.0..1.0), vec(text(), 0..3), any::<Option<u64>>());
    let sampling = (sampling, rarer_sampling(), option::of(response_format()));
    (calling, sampling, any::<Option<u64>>(), effort, option::of(0_u64..20)).prop_map(
        move |((tools, choice, parallel), (sampling, rarer, response_format), cap, effort, logprobs)| {
            let (temperature, top_p, stop, seed) = sampling;
            let (_, frequency_penalty, presence_penalty) = rarer;
            let has_tools = !tools.is_empty();
            RequestSettings {
                tools,
                tool_choice: if has_tools { choice } else { ToolChoice::Auto },
                parallel_tool_calls: parallel.filter(|_| has_tools),
                max_output_tokens: cap,
                temperature,
                top_p,
                frequency_penalty: frequency_penalty.filter(|_| is_chat),
                presence_penalty: presence_penalty.filter(|_| is_chat),
                response_format,
                stop: if is_chat { stop } else { Vec::new() },
                seed: seed.filter(|_| is_chat),
                reasoning: effort
                    .filter(|effort| effort.is_some() || !is_chat)
                    .map(|effort| Reasoning { effort, budget_tokens: None }),
                logprobs,
                ..RequestSettings::default()
            }
        },
    )
}

/// Requests that the wire can express whole.
pub(in crate::model::wire) fn requests(wire: Wire) -> impl Strategy<Value = Request> {
    (option::of(text()), vec(round(wire), 0..4), vec(input(), 1..3), settings(wire)).prop_map(
        |(system, rounds, last, settings)| {
            let mut messages: Vec<Message> =
                system.into_iter().map(|text| Message::System { text }).collect();
            messages.extend(rounds.into_iter().flatten());
            messages.push(Message::User { content: last });
            Request { messages, settings }
        },
    )
}

const WORDS: &[&str] = &[
    "arguments",
    "assistant",
    "call_id",
    "choices",
    "code",
    "completed",
    "content",
    "data",
    "delta",
    "developer",
    "error",
    "finish_reason",
    "function",
    "function_call",
    "function_call_output",
    "id",
    "image_url",
    "include",
    "incomplete",
    "incomplete_details",
    "index",
    "input",
    "input_image",
    "input_text",
    "instructions",
    "item",
    "logprobs",
    "message",
    "messages",
    "model",
    "name",
    "namespace",
    "object",
    "output",
    "output_index",
    "output_text",
    "parameters",
    "reasoning",
    "reasoning_content",
    "reasoning_details",
    "refusal",
    "response",
    "response.completed",
    "response.created",
    "response.output_item.done",
    "response.output_text.delta",
    "role",
    "status",
    "stop",
    "stream_options",
    "summary",
    "system",
    "text",
    "thinking",
    "token_ids",
    "tool",
    "tool_call_id",
    "tool_calls",
    "tool_choice",
    "tools",
    "type",
    "usage",
    "user",
    "",
];

fn word() -> impl Strategy<Value = String> {
    prop_oneof![9 => proptest::sample::select(WORDS).prop_map(str::to_owned), 1 => "\\PC{0,8}"]
}

/// Any JSON, made of the words that the wires know.
pub(in crate::model::wire) fn hostile() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-3_i64..4).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 60, 6, |inner| {
        let object = vec((word(), inner.clone()), 0..7)
            .prop_map(|pairs| Value::Object(pairs.into_iter().collect::<Map<_, _>>()));
        prop_oneof![1 => vec(inner, 0..4).prop_map(Value::from), 3 => object]
    })
}
