//! Bodies of the four wires.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::model::{Raw, Tool, ToolResult, Turn, Wire};

/// The bound of a body, and what it is beyond the bytes of the body without its media.
fn check(body: Value, media: u64) {
    let bound = input_tokens_bound(&body);
    let low = media.saturating_add(PREAMBLE_TOKENS);
    let high = low.saturating_add(600);
    assert!((low..=high).contains(&bound), "{bound} is not in {low}..={high}: {body}");
}

#[test]
fn pictures_count_the_same_in_every_wire() {
    let data = "A".repeat(300_000);
    let url = format!("data:image/png;base64,{data}");
    let chat = json!({"type": "image_url", "image_url": {"url": url, "detail": "high"}});
    check(json!({"model": "m", "messages": [{"role": "user", "content": [chat]}]}), PICTURE_TOKENS);
    let responses = json!({"type": "input_image", "image_url": url});
    check(json!({"model": "m", "input": [{"role": "user", "content": [responses]}]}), PICTURE_TOKENS);
    let messages =
        json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}});
    check(json!({"model": "m", "messages": [{"role": "user", "content": [messages]}]}), PICTURE_TOKENS);
    let result = json!({"type": "tool_result", "tool_use_id": "t", "content": [messages, messages]});
    check(json!({"model": "m", "messages": [{"role": "user", "content": [result]}]}), 2 * PICTURE_TOKENS);
    let gemini = json!({"inlineData": {"mimeType": "image/png", "data": data}});
    check(json!({"contents": [{"role": "user", "parts": [gemini]}]}), PICTURE_TOKENS);
    let snake = json!({"inline_data": {"mime_type": "image/png", "data": "AA=="}});
    check(json!({"contents": [{"role": "user", "parts": [snake]}]}), PICTURE_TOKENS);
}

#[test]
fn tools_that_the_provider_describes_count_more_than_their_names() {
    let tool = |kind: &str| json!({"type": kind, "name": "a"});
    check(json!({"messages": [], "tools": [tool("custom"), {"name": "b"}]}), 0);
    let named = [tool("bash_20250124"), tool("text_editor_20250728"), tool("computer_20250124")];
    check(json!({"messages": [], "tools": named}), 3 * PREAMBLE_TOKENS);
}

#[test]
fn what_the_provider_fetches_counts_as_much() {
    let parts = [
        json!({"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}),
        json!({"type": "input_image", "file_id": "file-1"}),
        json!({"type": "input_file", "file_url": "https://example.org/a.pdf"}),
        json!({"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}}),
        json!({"type": "document", "source": {"type": "file", "file_id": "file_1"}}),
        json!({"fileData": {"mimeType": "video/mp4", "fileUri": "https://example.org/a"}}),
    ];
    for part in parts {
        check(json!({"messages": [{"role": "user", "content": [part]}]}), 65_536);
    }
}

#[test]
fn sounds_and_texts_count_their_bytes_and_other_files_are_not_bounded() {
    let data = "A".repeat(300_000);
    let pdf = |data: &str| json!({"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": data}});
    check(json!({"messages": [{"role": "user", "content": [pdf("AA==")]}]}), u64::MAX);
    let file = json!({"type": "input_file", "file_data": format!("data:application/pdf;base64,{data}")});
    check(json!({"input": [{"role": "user", "content": [file]}]}), u64::MAX);
    let video = json!({"inlineData": {"mimeType": "video/mp4", "data": "AA=="}});
    check(json!({"contents": [{"role": "user", "parts": [video]}]}), u64::MAX);
    let text = json!({"inlineData": {"mimeType": "text/plain", "data": "AA=="}});
    check(json!({"contents": [{"role": "user", "parts": [text]}]}), FILE_TOKENS);
    let audio = json!({"type": "input_audio", "input_audio": {"data": data, "format": "wav"}});
    check(json!({"messages": [{"role": "user", "content": [audio]}]}), 300_000);
}

#[test]
fn what_only_looks_like_a_picture_is_text() {
    let data = "A".repeat(300_000);
    let url = format!("data:image/png;base64,{data}");
    let source = json!({"type": "base64", "media_type": "image/png", "data": data});
    check(json!({"messages": [{"role": "user", "content": url}]}), 300_000);
    check(json!({"messages": [{"role": "user", "content": [{"type": "text", "text": url}]}]}), 300_000);
    let call =
        json!({"type": "tool_use", "id": "t", "name": "n", "input": {"source": source, "image_url": "x"}});
    check(json!({"messages": [{"role": "assistant", "content": [call]}]}), 300_000);
    let call = json!({"functionCall": {"name": "n", "args": {"image_url": url}}});
    check(json!({"contents": [{"role": "model", "parts": [call]}]}), 300_000);
    check(
        json!({"messages": [], "tools": [{"name": "n", "input_schema": {"default": {"image_url": url}}}]}),
        300_000,
    );
    let document =
        json!({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": data}});
    check(json!({"messages": [{"role": "user", "content": [document]}]}), 300_000);
}

#[test]
fn what_is_stored_elsewhere_has_no_bound() {
    for body in [
        json!({"input": "go on", "previous_response_id": "resp_1"}),
        json!({"input": "go on", "conversation": {"id": "conv_1"}}),
        json!({"input": "go on", "prompt": {"id": "pmpt_1"}}),
        json!({"input": [{"type": "item_reference", "id": "msg_1"}]}),
        json!({"contents": [], "cachedContent": "cachedContents/1"}),
    ] {
        assert_eq!(input_tokens_bound(&body), u64::MAX, "{body}");
    }
    check(json!({"input": "go on", "previous_response_id": null}), 0);
}

#[test]
fn odd_bodies_count_their_bytes() {
    assert_eq!(input_tokens_bound(&json!(null)), PREAMBLE_TOKENS + 4);
    assert_eq!(input_tokens_bound(&json!({})), PREAMBLE_TOKENS + 2);
    assert_eq!(
        input_tokens_bound(&json!({"messages": [{}, {}], "input": "x"})),
        PREAMBLE_TOKENS + 3 * MESSAGE_TOKENS + 34
    );
}

fn check_message(message: Message, content: u64) {
    let bound = message_bound(&message);
    let (low, high) = (content, content + 1000);
    assert!((low..=high).contains(&bound), "{bound} is not in {low}..={high}");
}

#[test]
fn our_own_messages_are_bounded_alike() {
    let text = "é".repeat(10_000);
    check_message(Message::System { text: text.clone() }, 20_000);
    check_message(Message::user(text.clone()), 20_000);
    let image = Input::Image { media_type: "image/png".into(), data: "A".repeat(300_000) };
    let url = Input::ImageUrl { url: "https://example.org".into() };
    check_message(Message::User { content: vec![image.clone(), url] }, 2 * PICTURE_TOKENS);
    let result = ToolResult { call_id: "c".into(), name: "n".into(), content: vec![image], is_error: false };
    check_message(Message::Tool { results: vec![result] }, PICTURE_TOKENS);
    let parts =
        vec![Part::Call { id: "c".into(), name: "n".into(), arguments: text.clone() }, Part::Text { text }];
    let turn = Turn { parts: parts.clone(), raw: None };
    check_message(Message::Assistant(turn), 40_000);
    let raw = Raw { wire: Wire::Messages, model: "m".into(), items: json!(["A".repeat(90_000)]) };
    check_message(Message::Assistant(Turn { parts, raw: Some(raw) }), 90_000);
}

#[test]
fn settings_count_their_tools() {
    let bare = settings_bound(&RequestSettings::default());
    assert!((PREAMBLE_TOKENS..PREAMBLE_TOKENS + 100).contains(&bare), "{bare}");
    let tool =
        Tool { name: "n".into(), description: "d".repeat(5000), parameters: json!({"type": "object"}) };
    let settings = RequestSettings { tools: vec![tool], ..RequestSettings::default() };
    assert!(settings_bound(&settings) >= bare + 5000 + PART_TOKENS);
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        let key = prop_oneof![
            "[a-z]{0,5}",
            Just("type".to_owned()),
            Just("data".to_owned()),
            Just("image_url".to_owned())
        ];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::vec((key, inner), 0..5)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn a_body_never_counts_less_than_its_bytes(body in json_value()) {
        // No string here is longer than what a picture counts.
        prop_assert!(input_tokens_bound(&body) >= body.to_string().len() as u64);
    }

    #[test]
    fn a_message_never_counts_less_than_its_text(texts in proptest::collection::vec("\\PC{0,40}", 0..5)) {
        let bytes: usize = texts.iter().map(String::len).sum();
        let content = texts.into_iter().map(|text| Input::Text { text }).collect();
        let bound = message_bound(&Message::User { content });
        prop_assert!(bound >= bytes as u64 + MESSAGE_TOKENS);
    }

    #[test]
    fn a_longer_conversation_never_counts_less(one in "\\PC{0,40}", two in "\\PC{0,40}") {
        let message = |text: &str| json!({"role": "user", "content": text});
        let short = input_tokens_bound(&json!({"messages": [message(&one)]}));
        let long = input_tokens_bound(&json!({"messages": [message(&one), message(&two)]}));
        prop_assert!(long >= short + MESSAGE_TOKENS + two.len() as u64);
    }
}
