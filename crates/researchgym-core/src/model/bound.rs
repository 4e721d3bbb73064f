//! How many tokens a prompt can have at most, told from its bytes before it is sent.
//!
//! Tokenizers are many, unpublished or changed without notice; bytes are certain. Tokenizers that work on bytes (all of
//! OpenAI's, see the `tiktoken` repository) or fall back to them (SentencePiece with byte fallback, as in Gemma and Llama)
//! make no token of less than a byte of text, so a request has no more tokens than its JSON has bytes, keys and braces
//! included. Added to that are 16 tokens a message for the marks around it and 1024 once for what a provider puts in front
//! (Anthropic's instructions for tools take a few hundred, after its "Tool use" page). Text comes out three to four times
//! too high: the bound is for reserving money, not for showing.
//!
//! A picture is not billed by its bytes. The most that any provider documents is 48 169 tokens, for the largest picture at
//! gpt-4o-mini (2833 and 5667 for each of 8 tiles, OpenAI's page "Images and vision"); others stay below 25 000
//! (10 000 patches times 2.46 there; Anthropic about 5 000; Gemini 258 a tile). Each counts [`PICTURE_TOKENS`].
//!
//! Limits, where the bound is not one: files that are only named; tools that run at the provider's, whose results it adds
//! to the prompt; tokenizers that first replace characters by longer ones. Where a model's context window is known, no
//! prompt exceeds it, and the smaller of both is a bound again. What its bytes do not bound at all counts [`u64::MAX`]: a
//! request that goes on from what the provider has stored, and files that are neither pictures, sounds nor text (a
//! compressed PDF can have more text than bytes, a video is billed by its length).

use std::io;

use serde::Serialize;
use serde_json::{Map, Value};

use super::message::{Input, Message, Part};
use super::request::RequestSettings;

/// What each picture counts, however it is given.
pub const PICTURE_TOKENS: u64 = 65_536;

/// What a file counts at least that is no picture.
pub const FILE_TOKENS: u64 = 65_536;

/// What the marks around a message count.
const MESSAGE_TOKENS: u64 = 16;

/// What a provider puts in front.
const PREAMBLE_TOKENS: u64 = 1024;

/// What the JSON around a part of a message counts, in the longest of the four wires.
const PART_TOKENS: u64 = 128;

/// Keys whose values are the model's or the caller's own JSON: what looks like a picture in there is billed as text.
const OPAQUE: [&str; 14] = [
    "tools",
    "arguments",
    "args",
    "response",
    "parameters",
    "input_schema",
    "schema",
    "response_format",
    "responseSchema",
    "response_schema",
    "responseJsonSchema",
    "response_json_schema",
    "_responseJsonSchema",
    "metadata",
];

/// Keys that name what the provider has stored of earlier requests.
const STORED: [&str; 5] =
    ["previous_response_id", "conversation", "prompt", "cachedContent", "cached_content"];

/// The most tokens that the prompt of a request can have, whose body is in any of the four wires.
pub fn input_tokens_bound(body: &Value) -> u64 {
    let Value::Object(request) = body else { return json_bytes(body).saturating_add(PREAMBLE_TOKENS) };
    if STORED.iter().any(|key| request.get(*key).is_some_and(|stored| !stored.is_null()))
        || names_stored_item(request)
    {
        return u64::MAX;
    }
    let messages = ["messages", "input", "contents"].iter().filter_map(|key| request.get(*key));
    let count: usize = messages.map(|messages| messages.as_array().map_or(1, Vec::len)).sum();
    PREAMBLE_TOKENS
        .saturating_mul(1 + known_tools(request))
        .saturating_add(MESSAGE_TOKENS.saturating_mul(count as u64))
        .saturating_add(object_tokens(request, true))
}

/// The most tokens that a message can add to a prompt.
pub fn message_bound(message: &Message) -> u64 {
    let content = match message {
        Message::System { text } => text_bytes(text),
        Message::User { content } => inputs(content),
        Message::Assistant(turn) => {
            let parts = turn.parts.iter().map(part);
            // Its own model is sent the raw items instead of the parts.
            parts.fold(0, u64::saturating_add).max(turn.raw.as_ref().map_or(0, |raw| json_bytes(&raw.items)))
        }
        Message::Tool { results } => results
            .iter()
            .map(|result| {
                let names = json_bytes(&result.call_id).saturating_add(json_bytes(&result.name));
                // Some wires have a message for each result.
                names.saturating_add(inputs(&result.content)).saturating_add(PART_TOKENS + MESSAGE_TOKENS)
            })
            .fold(0, u64::saturating_add),
    };
    content.saturating_add(MESSAGE_TOKENS + PART_TOKENS)
}

/// The most tokens that everything but the messages can add to a prompt, what a provider puts in front included.
pub fn settings_bound(settings: &RequestSettings) -> u64 {
    let around = PART_TOKENS.saturating_mul(settings.tools.len() as u64);
    json_bytes(settings).saturating_add(around).saturating_add(PREAMBLE_TOKENS)
}

fn inputs(content: &[Input]) -> u64 {
    let tokens = content.iter().map(|input| match input {
        Input::Text { text } => text_bytes(text).saturating_add(PART_TOKENS),
        Input::Image { .. } => PICTURE_TOKENS + PART_TOKENS,
        Input::ImageUrl { url } => json_bytes(url).saturating_add(PICTURE_TOKENS + PART_TOKENS),
    });
    tokens.fold(0, u64::saturating_add)
}

fn part(part: &Part) -> u64 {
    let text = match part {
        Part::Text { text } | Part::Thinking { text } | Part::Refusal { text } => text_bytes(text),
        Part::Call { id, name, arguments } => {
            json_bytes(id).saturating_add(json_bytes(name)).saturating_add(json_bytes(arguments))
        }
        Part::Other { kind } => json_bytes(kind),
    };
    text.saturating_add(PART_TOKENS)
}

/// How many tools are only named: the provider knows what they are and describes them to the model itself (Anthropic's
/// text editor and computer in some 700 tokens each, after its "Tool use" page).
fn known_tools(request: &Map<String, Value>) -> u64 {
    let tools = request.get("tools").and_then(Value::as_array).into_iter().flatten();
    let is_described = |tool: &&Value| {
        let kind = tool.get("type").and_then(Value::as_str);
        !matches!(kind, None | Some("function" | "custom" | "namespace"))
    };
    tools.filter(is_described).count() as u64
}

/// Whether an item of the prompt is only named by an id.
fn names_stored_item(request: &Map<String, Value>) -> bool {
    let items = request.get("input").and_then(Value::as_array).into_iter().flatten();
    items.into_iter().any(|item| item.get("type").and_then(Value::as_str) == Some("item_reference"))
}

/// `media` tells whether pictures can be in there.
fn tokens(value: &Value, media: bool) -> u64 {
    match value {
        Value::Object(object) => object_tokens(object, media),
        Value::Array(values) => {
            values.iter().map(|value| tokens(value, media).saturating_add(1)).fold(2, u64::saturating_add)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => json_bytes(value),
    }
}

fn object_tokens(object: &Map<String, Value>, media: bool) -> u64 {
    let kind = object.get("type").and_then(Value::as_str).unwrap_or_default();
    let fields = object.iter().map(|(key, value)| {
        let counted = media.then(|| media_tokens(object, kind, key, value)).flatten();
        let own_json = OPAQUE.contains(&key.as_str()) || (key == "input" && kind.ends_with("tool_use"));
        let content = counted.unwrap_or_else(|| tokens(value, media && !own_json));
        content.saturating_add(json_bytes(key)).saturating_add(2)
    });
    fields.fold(2, u64::saturating_add)
}

/// What a value counts that is a picture or another file.
fn media_tokens(object: &Map<String, Value>, kind: &str, key: &str, value: &Value) -> Option<u64> {
    let text = |key: &str| object.get(key).and_then(Value::as_str);
    match (key, value) {
        ("image_url", Value::String(_)) => Some(PICTURE_TOKENS),
        ("image_url", Value::Object(image)) if image.contains_key("url") => {
            let others = image.iter().filter(|(key, _)| *key != "url");
            let around = others.map(|(key, value)| json_bytes(key).saturating_add(json_bytes(value)));
            Some(around.fold(PICTURE_TOKENS, u64::saturating_add))
        }
        ("url", Value::String(_)) if kind == "url" => Some(PICTURE_TOKENS.max(FILE_TOKENS)),
        ("data", Value::String(data))
            if kind == "base64" || text("mimeType").or(text("mime_type")).is_some() =>
        {
            let media_type =
                text("media_type").or(text("mimeType")).or(text("mime_type")).unwrap_or_default();
            Some(match media_type.split('/').next() {
                Some("image") => PICTURE_TOKENS,
                Some("audio" | "text") => file(data),
                Some(_) | None => u64::MAX,
            })
        }
        ("data", Value::String(data)) if text("format").is_some() => Some(file(data)),
        ("file_data", Value::String(_)) => Some(u64::MAX),
        ("file_id" | "file_url" | "fileUri" | "file_uri", Value::String(_)) => Some(FILE_TOKENS),
        _ => None,
    }
}

fn file(data: &str) -> u64 {
    (data.len() as u64).max(FILE_TOKENS)
}

/// The length of a text as JSON, with its quotes.
fn text_bytes(text: &str) -> u64 {
    escaped_bytes(text) + 2
}

/// The length of a text as JSON, without quotes: `serde_json` escapes quotation marks, backslashes and the characters
/// below the space, those with a short escape in two bytes and the others in six.
pub fn escaped_bytes(text: &str) -> u64 {
    // In parts whose additions fit into a byte, which compilers count many bytes at a time.
    let parts = text.as_bytes().chunks(48).map(|part| {
        let added = part.iter().fold(0, |added: u8, byte| added + added_by_escape(*byte));
        u64::from(added) + part.len() as u64
    });
    parts.sum()
}

/// At most five.
fn added_by_escape(byte: u8) -> u8 {
    let has_short = matches!(byte, b'\n' | b'\r' | b'\t' | 0x08 | 0x0c);
    u8::from(byte < 0x20) * 5 - u8::from(has_short) * 4 + u8::from(byte == b'"' || byte == b'\\')
}

/// The length of the value as JSON.
fn json_bytes<T: Serialize + ?Sized>(value: &T) -> u64 {
    let mut counter = Counter(0);
    serde_json::to_writer(&mut counter, value).expect("counting does not fail, and all keys are text");
    counter.0
}

struct Counter(u64);

impl io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
