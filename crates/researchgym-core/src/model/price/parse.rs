//! Reads our own form of price table: TOML, prices in US dollars per million tokens.
//!
//! Numbers are taken from the text and never pass through a float. The first mistake ends the reading.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::decimal::{Excess, scaled};
use super::table::{Listing, PriceTable};
use super::{LongContext, ModelFacts, Price};
use crate::nearest::nearest;

/// The version of the form that this program reads.
const SCHEMA: u64 = 1;

const TOP_KEYS: [&str; 3] = ["schema", "date", "models"];
const RATE_KEYS: [&str; 5] = ["input", "output", "cache_read", "cache_write_5m", "cache_write_1h"];
const MODEL_KEYS: [&str; 11] = [
    "input",
    "output",
    "cache_read",
    "cache_write_5m",
    "cache_write_1h",
    "long_context",
    "context_window",
    "max_output",
    "embedding",
    "source",
    "date",
];
const LONG_KEYS: [&str; 6] =
    ["above_input_tokens", "input", "output", "cache_read", "cache_write_5m", "cache_write_1h"];

/// A price table is not what its form says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct PriceError {
    /// Counted from 1, where it is known.
    pub line: Option<usize>,
    /// The model, if it is about one.
    pub model: Option<String>,
    /// The key, if it is about one.
    pub key: Option<String>,
    /// What is wrong, and what to do if that can be said.
    pub message: String,
}

impl fmt::Display for PriceError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(formatter, "line {line}: ")?;
        }
        if let Some(model) = &self.model {
            write!(formatter, "model `{model}`: ")?;
        }
        if let Some(key) = &self.key {
            write!(formatter, "key `{key}`: ")?;
        }
        formatter.write_str(&self.message)
    }
}

/// A table of the file, with what is needed to say where a mistake is.
struct Section<'t> {
    text: &'t str,
    model: Option<String>,
    /// What stands before the names of this section's keys.
    prefix: &'static str,
    span: Range<usize>,
    table: &'t DeTable<'t>,
}

pub(super) fn parse(text: &str) -> Result<PriceTable, PriceError> {
    let root = DeTable::parse(text).map_err(|error| PriceError {
        line: Some(line_at(text, error.span().map_or(0, |span| span.start))),
        model: None,
        key: None,
        message: format!("not valid TOML: {}", error.message().replace('\n', ", ")),
    })?;
    let top = Section { text, model: None, prefix: "", span: 0..0, table: root.get_ref() };
    if let Some(schema) = top.number("schema")?.filter(|&schema| schema > SCHEMA) {
        let message = format!(
            "is {schema}: this table was written for a newer researchgym, this one reads schema {SCHEMA}"
        );
        return Err(top.problem("schema", message));
    }
    top.known(&TOP_KEYS)?;
    if top.number("schema")? != Some(SCHEMA) {
        return Err(top.problem("schema", format!("must be {SCHEMA}")));
    }
    let mut models = BTreeMap::new();
    if let Some(section) = top.section("models", "")? {
        for (name, value) in section.table {
            let (name, span) = (name.get_ref().to_string(), name.span());
            let DeValue::Table(table) = value.get_ref() else {
                return Err(section.problem(&name, "must be a table of prices"));
            };
            let model = Section { text, model: Some(name.clone()), prefix: "", span, table };
            models.insert(name, listing(&model)?);
        }
    }
    Ok(PriceTable { date: top.date("date")?, models })
}

fn listing(model: &Section<'_>) -> Result<Listing, PriceError> {
    let name = model.model.as_deref().unwrap_or_default();
    if !name.split_once('/').is_some_and(|(provider, model)| !provider.is_empty() && !model.is_empty()) {
        return Err(model.broken("is not of the form \"provider/model\""));
    }
    model.known(&MODEL_KEYS)?;
    let is_embedding = model.truth("embedding")?;
    let facts = ModelFacts {
        price: price(model, is_embedding)?,
        context_window: model.number("context_window")?,
        max_output: model.number("max_output")?,
        is_embedding,
    };
    Ok(Listing { facts, source: model.string("source")?, date: model.date("date")? })
}

fn price(model: &Section<'_>, is_embedding: bool) -> Result<Option<Price>, PriceError> {
    let long = model.section("long_context", "long_context.")?;
    if RATE_KEYS.iter().all(|key| !model.table.contains_key(*key)) && long.is_none() {
        return Ok(None);
    }
    let long_context = long.map(|long| long_context(&long)).transpose()?;
    // There is no answer that could cost something.
    let output = model.dollars("output")?.or(is_embedding.then_some(0));
    Ok(Some(Price {
        input: model.required(model.dollars("input")?, "input")?,
        output: model.required(output, "output")?,
        cache_read: model.dollars("cache_read")?,
        cache_write_5m: model.dollars("cache_write_5m")?,
        cache_write_1h: model.dollars("cache_write_1h")?,
        long_context,
    }))
}

fn long_context(long: &Section<'_>) -> Result<LongContext, PriceError> {
    long.known(&LONG_KEYS)?;
    Ok(LongContext {
        above_input_tokens: long.required(long.number("above_input_tokens")?, "above_input_tokens")?,
        input: long.required(long.dollars("input")?, "input")?,
        output: long.required(long.dollars("output")?, "output")?,
        cache_read: long.dollars("cache_read")?,
        cache_write_5m: long.dollars("cache_write_5m")?,
        cache_write_1h: long.dollars("cache_write_1h")?,
    })
}

impl<'t> Section<'t> {
    fn known(&self, keys: &[&str]) -> Result<(), PriceError> {
        for key in self.table.keys() {
            if !keys.contains(&key.get_ref().as_ref()) {
                let advice = match nearest(key.get_ref(), keys.iter().copied()) {
                    Some(known) => format!("did you mean `{known}`?"),
                    None => format!("the keys here are {}", keys.join(", ")),
                };
                return Err(self.problem(key.get_ref(), format!("not known; {advice}")));
            }
        }
        Ok(())
    }

    fn required<T>(&self, value: Option<T>, key: &str) -> Result<T, PriceError> {
        value.ok_or_else(|| self.broken(&format!("needs the key `{}{key}`", self.prefix)))
    }

    fn section(&self, key: &str, prefix: &'static str) -> Result<Option<Section<'t>>, PriceError> {
        match self.table.get_key_value(key).map(|(key, value)| (key.span(), value.get_ref())) {
            None => Ok(None),
            Some((span, DeValue::Table(table))) => {
                Ok(Some(Section { text: self.text, model: self.model.clone(), prefix, span, table }))
            }
            Some(_) => Err(self.problem(key, "must be a table")),
        }
    }

    /// A price in micro-dollars.
    fn dollars(&self, key: &str) -> Result<Option<u64>, PriceError> {
        let text = match self.value(key) {
            None => return Ok(None),
            Some(DeValue::Float(number)) => number.as_str(),
            Some(DeValue::Integer(number)) if number.radix() == 10 => number.as_str(),
            Some(DeValue::String(text)) => text.as_ref(),
            Some(_) => {
                return Err(
                    self.problem(key, "must be US dollars per million tokens, such as 1.25 or \"1.25\"")
                );
            }
        };
        scaled(text, 6, Excess::Refuse).map(Some).map_err(|error| self.problem(key, format!("is {error}")))
    }

    fn number(&self, key: &str) -> Result<Option<u64>, PriceError> {
        match self.value(key) {
            None => Ok(None),
            Some(DeValue::Integer(number)) => match u64::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) => Ok(Some(number)),
                Err(_) => Err(self.problem(key, "must be a whole number that is not negative")),
            },
            Some(_) => Err(self.problem(key, "must be a whole number")),
        }
    }

    fn truth(&self, key: &str) -> Result<bool, PriceError> {
        match self.value(key) {
            None => Ok(false),
            Some(DeValue::Boolean(truth)) => Ok(*truth),
            Some(_) => Err(self.problem(key, "must be true or false")),
        }
    }

    fn string(&self, key: &str) -> Result<Option<String>, PriceError> {
        match self.value(key) {
            None => Ok(None),
            Some(DeValue::String(text)) => Ok(Some(text.to_string())),
            Some(_) => Err(self.problem(key, "must be text")),
        }
    }

    fn date(&self, key: &str) -> Result<Option<String>, PriceError> {
        let text = match self.value(key) {
            None => return Ok(None),
            Some(DeValue::Datetime(date)) => date.to_string(),
            Some(DeValue::String(text)) => text.to_string(),
            Some(_) => String::new(),
        };
        let form = |(position, byte): (usize, u8)| match position {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        };
        if text.len() != 10 || !text.bytes().enumerate().all(form) {
            return Err(self.problem(key, "must be a day, such as \"2026-11-25\""));
        }
        Ok(Some(text))
    }

    fn value(&self, key: &str) -> Option<&'t DeValue<'t>> {
        self.table.get(key).map(Spanned::get_ref)
    }

    /// A mistake at a key.
    fn problem(&self, key: &str, message: impl Into<String>) -> PriceError {
        let span = self.table.get_key_value(key).map_or(self.span.clone(), |(key, _)| key.span());
        PriceError {
            line: Some(line_at(self.text, span.start)),
            model: self.model.clone(),
            key: Some(format!("{}{key}", self.prefix)),
            message: message.into(),
        }
    }

    /// A mistake of the whole section.
    fn broken(&self, message: &str) -> PriceError {
        PriceError {
            line: Some(line_at(self.text, self.span.start)),
            model: self.model.clone(),
            key: None,
            message: message.to_owned(),
        }
    }
}

fn line_at(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|&byte| byte == b'\n').count() + 1
}
