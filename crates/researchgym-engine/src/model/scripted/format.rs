//! The form of a script: which keys its lines have, and what is wrong with one that has others.

use std::time::Duration;

use researchgym_core::model::retry::{self, ProviderFailure};
use researchgym_core::model::{ModelFacts, Price, Stop, Usage};
use serde::Deserialize;
use serde_json::Value;

use super::embedding;

/// A line of a script is not what it must be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct ScriptError {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong.
    pub problem: String,
}

/// What holds for the whole script.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Header {
    pub(super) facts: ModelFacts,
    pub(super) repeat_last: bool,
    /// How many numbers its embeddings have, if it makes them.
    pub(super) dimensions: Option<usize>,
}

/// One answer or failure.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Line {
    #[serde(skip)]
    pub(super) number: usize,
    #[serde(default)]
    pub(super) text: Option<String>,
    #[serde(default)]
    pub(super) thinking: Option<String>,
    #[serde(default)]
    pub(super) calls: Vec<ScriptedCall>,
    #[serde(default)]
    pub(super) usage: Option<Usage>,
    #[serde(default)]
    pub(super) stop: Option<Stop>,
    #[serde(default)]
    pub(super) error: Option<ScriptedError>,
    #[serde(default)]
    pub(super) delay_ms: u64,
    #[serde(default)]
    pub(super) expect: Option<Expectation>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ScriptedCall {
    pub(super) name: String,
    /// An object, or a text that is sent as it is.
    pub(super) arguments: Value,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ScriptedError {
    pub(super) status: u16,
    pub(super) message: String,
    #[serde(default)]
    pub(super) retry_after_ms: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expectation {
    #[serde(default)]
    pub(super) contains: Texts,
    #[serde(default)]
    pub(super) not_contains: Texts,
}

/// One text or several.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Texts(Vec<String>);

impl Texts {
    pub(super) fn iter(&self) -> impl Iterator<Item = &String> {
        self.0.iter()
    }
}

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Texts, D::Error> {
        let texts = match Value::deserialize(deserializer)? {
            Value::String(text) => vec![text],
            list => serde_json::from_value(list)
                .map_err(|_| serde::de::Error::custom("expected a text or a list of texts"))?,
        };
        if texts.iter().any(String::is_empty) {
            return Err(serde::de::Error::custom("an empty text is in every request"));
        }
        Ok(Texts(texts))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenHeader {
    script: u64,
    #[serde(default)]
    price: Option<WrittenPrice>,
    #[serde(default)]
    context_window: Option<u64>,
    #[serde(default)]
    max_output: Option<u64>,
    #[serde(default)]
    repeat_last: bool,
    #[serde(default)]
    embedding: Option<WrittenEmbedding>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenEmbedding {
    dimensions: u64,
}

/// US dollars per million tokens.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenPrice {
    input: Value,
    output: Value,
    #[serde(default)]
    cache_read: Option<Value>,
    #[serde(default)]
    cache_write_5m: Option<Value>,
    #[serde(default)]
    cache_write_1h: Option<Value>,
}

impl ScriptedError {
    /// The failure, judged as a provider's answer of this status and these words is.
    pub(super) fn failure(&self) -> ProviderFailure {
        let failure = retry::classify(self.status, |_| None, &self.message, 0);
        let retry_after = self.retry_after_ms.map(Duration::from_millis).or(failure.retry_after);
        ProviderFailure { retry_after, ..failure }
    }
}

pub(super) fn parse(text: &str) -> Result<(Header, Vec<Line>), ScriptError> {
    let mut header = None;
    let mut lines = Vec::new();
    for (index, text) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let at = |problem: String| ScriptError { line: index + 1, problem };
        if text.trim().is_empty() {
            continue;
        }
        let value: Value = serde_json::from_str(text).map_err(|error| at(format!("not JSON: {error}")))?;
        if !value.is_object() {
            return Err(at("not a JSON object".to_owned()));
        }
        if value.get("script").is_some() {
            if header.is_some() || !lines.is_empty() {
                return Err(at("the line with `script` must be the first".to_owned()));
            }
            header = Some(read_header(value).map_err(at)?);
        } else {
            let embeds = header.as_ref().is_some_and(|header: &Header| header.dimensions.is_some());
            lines.push(read_line(value, index + 1, embeds).map_err(at)?);
        }
    }
    let embeds = header.as_ref().is_some_and(|header| header.dimensions.is_some());
    if lines.is_empty() && !embeds {
        return Err(ScriptError { line: 1, problem: "the script holds no answer".to_owned() });
    }
    let free = Header {
        facts: ModelFacts { price: Some(Price::FREE), ..ModelFacts::default() },
        repeat_last: false,
        dimensions: None,
    };
    Ok((header.unwrap_or(free), lines))
}

fn read_header(value: Value) -> Result<Header, String> {
    let written: WrittenHeader = serde_json::from_value(value).map_err(|error| error.to_string())?;
    if written.script != 1 {
        return Err(format!("`script` is {}; this program reads version 1", written.script));
    }
    let price = match written.price {
        None => Price::FREE,
        Some(price) => Price {
            input: usd("price.input", &price.input)?,
            output: usd("price.output", &price.output)?,
            cache_read: price.cache_read.map(|value| usd("price.cache_read", &value)).transpose()?,
            cache_write_5m: price
                .cache_write_5m
                .map(|value| usd("price.cache_write_5m", &value))
                .transpose()?,
            cache_write_1h: price
                .cache_write_1h
                .map(|value| usd("price.cache_write_1h", &value))
                .transpose()?,
            long_context: None,
        },
    };
    let facts = ModelFacts {
        price: Some(price),
        context_window: written.context_window,
        max_output: written.max_output,
        is_embedding: written.embedding.is_some(),
    };
    let dimensions =
        written.embedding.map(|written| embedding::dimensions(written.dimensions)).transpose()?;
    Ok(Header { facts, repeat_last: written.repeat_last, dimensions })
}

fn usd(key: &str, value: &Value) -> Result<u64, String> {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    researchgym_core::model::price::usd_per_million(&text).map_err(|error| format!("`{key}`: {error}"))
}

fn read_line(value: Value, number: usize, embeds: bool) -> Result<Line, String> {
    let line: Line = serde_json::from_value(value).map_err(|error| error.to_string())?;
    let says = line.text.is_some() || line.thinking.is_some() || !line.calls.is_empty();
    if embeds && (says || line.usage.is_some() || line.stop.is_some()) {
        let allowed = "its lines hold `error`, `delay_ms` and `expect`";
        return Err(format!("a script with `embedding` says nothing: {allowed}"));
    }
    match &line.error {
        None if embeds => {}
        None if !says => return Err("needs one of `text`, `thinking`, `calls` and `error`".to_owned()),
        Some(_) if says || line.usage.is_some() || line.stop.is_some() => {
            return Err("`error` stands alone, with `delay_ms` and `expect` at most".to_owned());
        }
        Some(error) if !(400..=599).contains(&error.status) => {
            return Err(format!("`error.status` is {}; failures have 400 to 599", error.status));
        }
        None | Some(_) => {}
    }
    if let Some(usage) = line.usage {
        let cached =
            usage.cache_read.saturating_add(usage.cache_write_5m).saturating_add(usage.cache_write_1h);
        if cached > usage.input || usage.reasoning > usage.output {
            return Err("`usage`: `input` counts cached tokens in, `output` counts `reasoning` in".to_owned());
        }
    }
    let wrong = |call: &&ScriptedCall| {
        call.name.is_empty() || !(call.arguments.is_object() || call.arguments.is_string())
    };
    if line.calls.iter().any(|call| wrong(&call)) {
        return Err("`calls`: each has a `name`, and `arguments` that are an object or a text".to_owned());
    }
    Ok(Line { number, ..line })
}
