//! What a request would have the provider fetch: pictures and recordings that are given by their address.
//!
//! In a run nobody may: a provider that fetches addresses is a way to the network, which the agent's sandbox has not, and
//! past what the task blocks.

use serde_json::{Map, Value};

/// What a client is told whose request names an address.
pub(super) const FETCHED: &str =
    "nothing is fetched from addresses here: send pictures in the request, as data: addresses or base64";

/// Whether the provider would fetch something to read this request.
pub(super) fn is_fetched(body: &Value) -> bool {
    ["messages", "input", "contents"].iter().any(|key| any_content(&body[*key], &by_address))
}

/// Whether this is so of any message, of any part of one, or of any part of what a tool gave.
pub(super) fn any_content(value: &Value, is_such: &dyn Fn(&Value) -> bool) -> bool {
    const INNER: [&str; 5] = ["content", "parts", "output", "functionResponse", "function_response"];
    match value {
        Value::Array(values) => values.iter().any(|value| any_content(value, is_such)),
        Value::Object(object) => {
            let mut inner = INNER.iter().filter_map(|key| object.get(*key));
            is_such(value) || inner.any(|value| any_content(value, is_such))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn by_address(part: &Value) -> bool {
    let Value::Object(part) = part else { return false };
    let is_named = |key: &str| key.ends_with("_url") || matches!(key, "fileData" | "file_data");
    part.iter().any(|(key, value)| match value {
        Value::String(address) => key.ends_with("_url") && !is_data(address),
        Value::Object(inner) if is_named(key) => addresses(inner).any(|address| !is_data(address)),
        Value::Object(source) if key == "source" => source.get("type").is_some_and(|kind| kind == "url"),
        _ => false,
    })
}

fn addresses(object: &Map<String, Value>) -> impl Iterator<Item = &str> {
    ["url", "fileUri", "file_uri"].iter().filter_map(|key| object.get(*key)?.as_str())
}

fn is_data(address: &str) -> bool {
    address.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(part: Value, expected: bool) {
        for body in [
            json!({"messages": [{"role": "user", "content": [part.clone()]}]}),
            json!({"messages": [{"content": [{"type": "tool_result", "content": [part.clone()]}]}]}),
            json!({"input": [{"type": "function_call_output", "output": [part.clone()]}]}),
            json!({"contents": [{"parts": [{"functionResponse": {"parts": [part.clone()]}}]}]}),
        ] {
            assert_eq!(is_fetched(&body), expected, "{body}");
        }
    }

    #[test]
    fn addresses_are_fetched_and_data_is_not() {
        check(json!({"type": "image_url", "image_url": {"url": "https://x.org/a.png"}}), true);
        check(json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}), false);
        check(json!({"type": "video_url", "video_url": {"url": "file:///etc/passwd"}}), true);
        check(json!({"type": "input_image", "image_url": "http://169.254.169.254/"}), true);
        check(json!({"type": "input_image", "image_url": "DATA:image/png;base64,AA"}), false);
        check(json!({"type": "image", "source": {"type": "url", "url": "https://x.org"}}), true);
        check(json!({"type": "image", "source": {"type": "base64", "data": "AA"}}), false);
        check(json!({"fileData": {"fileUri": "https://x.org/a.png"}}), true);
        check(json!({"inlineData": {"mimeType": "image/png", "data": "AA"}}), false);
        check(json!({"type": "text", "text": "https://x.org"}), false);
    }

    #[test]
    fn a_call_that_names_an_address_fetches_nothing() {
        let used = json!({"type": "tool_use", "name": "a", "input": {"image_url": "https://x.org"}});
        check(used, false);
    }
}
