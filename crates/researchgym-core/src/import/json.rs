//! Reading JSON that strangers wrote: with `NaN` and `Infinity`, with a mark at its head, broken off, in another encoding.
//!
//! What cannot be read is told with its place. A number that is none becomes the text `NaN`, `Infinity` or `-Infinity`, so that
//! whoever looks for a number finds none and can say so.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::score::Metrics;

/// Bytes are no JSON.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Not UTF-8.
    #[error("is no text in UTF-8 (byte {at}{seems})")]
    Encoding {
        /// The first byte that cannot be, from 0.
        at: usize,
        /// What it seems to be, with words before it; or nothing.
        seems: &'static str,
    },
    /// Its end is missing.
    #[error("breaks off at line {line}, column {column}")]
    BrokenOff {
        /// From 1.
        line: usize,
        /// From 1, in bytes.
        column: usize,
    },
    /// Not JSON, or not in the form that was expected.
    #[error("cannot be read at line {line}, column {column}: {what}")]
    Syntax {
        /// From 1.
        line: usize,
        /// From 1, in bytes.
        column: usize,
        /// What was met.
        what: String,
    },
}

/// Text that can be given to a strict reader.
#[derive(Debug)]
pub struct Readable<'a> {
    text: Cow<'a, str>,
    /// Where in the text words that are no numbers were put in quotes: two bytes more each.
    quoted: Vec<usize>,
}

/// Words for numbers that are none, longest first.
const NOT_NUMBERS: [&str; 3] = ["-Infinity", "Infinity", "NaN"];

impl<'a> Readable<'a> {
    /// Takes bytes as text: without a mark at their head, and with words that are no numbers in quotes.
    ///
    /// # Errors
    /// They are not UTF-8.
    pub fn new(bytes: &'a [u8]) -> Result<Readable<'a>, Unreadable> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let at = error.valid_up_to();
            // The last character may be cut in the middle.
            if error.error_len().is_none() && at > 0 {
                let text = std::str::from_utf8(&bytes[..at]).unwrap_or_default();
                let line_start = text.rfind('\n').map_or(0, |newline| newline + 1);
                return Unreadable::BrokenOff {
                    line: text.matches('\n').count() + 1,
                    column: at - line_start,
                };
            }
            Unreadable::Encoding { at, seems: seems(bytes) }
        })?;
        let mut quoted = Vec::new();
        let mut cleaned = String::new();
        let mut copied = 0;
        for (at, word) in not_numbers(text) {
            cleaned.push_str(&text[copied..at]);
            quoted.push(cleaned.len());
            cleaned.push('"');
            cleaned.push_str(word);
            cleaned.push('"');
            copied = at + word.len();
        }
        if quoted.is_empty() {
            return Ok(Readable { text: Cow::Borrowed(text), quoted });
        }
        cleaned.push_str(&text[copied..]);
        Ok(Readable { text: Cow::Owned(cleaned), quoted })
    }

    /// Reads with a seed.
    ///
    /// # Errors
    /// It is not JSON, or the seed does not accept it.
    pub fn read<'s, S: DeserializeSeed<'s>>(&'s self, seed: S) -> Result<S::Value, Unreadable> {
        let mut reader = serde_json::Deserializer::from_str(&self.text);
        let value = seed.deserialize(&mut reader).map_err(|error| self.told(&error))?;
        reader.end().map_err(|error| self.told(&error))?;
        Ok(value)
    }

    fn told(&self, error: &serde_json::Error) -> Unreadable {
        let (line, mut column) = (error.line(), error.column());
        let start = match line {
            0 | 1 => 0,
            _ => self.text.match_indices('\n').nth(line - 2).map_or(0, |(at, _)| at + 1),
        };
        let end = start + column;
        column -= 2 * self.quoted.iter().filter(|at| (start..end).contains(*at)).count().min(column / 2);
        if error.is_eof() {
            return Unreadable::BrokenOff { line, column };
        }
        let what = error.to_string();
        let what = what.split(" at line ").next().unwrap_or_default().to_owned();
        Unreadable::Syntax { line, column, what }
    }
}

/// Reads a value.
///
/// # Errors
/// The bytes are no JSON.
pub fn parse(bytes: &[u8]) -> Result<Value, Unreadable> {
    Readable::new(bytes)?.read(std::marker::PhantomData::<Value>)
}

/// Reads a value without what stands under some paths.
///
/// # Errors
/// The bytes are no JSON.
pub fn parse_without(bytes: &[u8], paths: &[&[&str]]) -> Result<Value, Unreadable> {
    Readable::new(bytes)?.read(Without::new(paths))
}

/// What bytes that are no text begin like.
fn seems(bytes: &[u8]) -> &'static str {
    match bytes {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "; it seems to be UTF-16",
        [0x1f, 0x8b, ..] => "; it seems to be compressed by gzip",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "; it seems to be compressed by Zstandard",
        [b'P', b'K', 3, 4, ..] => "; it seems to be a zip archive",
        _ => "",
    }
}

/// The words that are no numbers and stand outside of texts, with their places.
fn not_numbers(text: &str) -> impl Iterator<Item = (usize, &'static str)> {
    let bytes = text.as_bytes();
    let mut at = 0;
    let mut is_text = false;
    std::iter::from_fn(move || {
        while at < bytes.len() {
            let here = at;
            at += 1;
            match bytes[here] {
                b'\\' if is_text => at += 1,
                b'"' => is_text = !is_text,
                b'N' | b'I' | b'-' if !is_text => {
                    if let Some(word) =
                        NOT_NUMBERS.into_iter().find(|word| bytes[here..].starts_with(word.as_bytes()))
                    {
                        at = here + word.len();
                        return Some((here, word));
                    }
                }
                _ => {}
            }
        }
        None
    })
}

/// Reads a value without what stands under some paths of keys; lists on the way are passed through. What is dropped is never
/// held in memory.
#[derive(Clone, Debug)]
pub struct Without<'p> {
    paths: Vec<&'p [&'p str]>,
}

impl<'p> Without<'p> {
    /// Drops these paths, none of them empty.
    pub fn new(paths: &[&'p [&'p str]]) -> Without<'p> {
        Without { paths: paths.to_vec() }
    }
}

impl<'de> DeserializeSeed<'de> for Without<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        if self.paths.is_empty() {
            return Value::deserialize(deserializer);
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Without<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self.clone())? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let tails =
                self.paths.iter().filter_map(|path| path.split_first()).filter(|(first, _)| **first == key);
            let tails: Vec<_> = tails.map(|(_, tail)| tail).collect();
            if tails.iter().any(|tail| tail.is_empty()) {
                entries.next_value::<IgnoredAny>()?;
                continue;
            }
            let value = entries.next_value_seed(Without { paths: tails })?;
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

/// A text under a key, if it is there and not empty.
pub fn text<'v>(value: &'v Value, key: &str) -> Option<&'v str> {
    value.get(key)?.as_str().filter(|text| !text.is_empty())
}

/// A number, if it is one and finite.
pub fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64().filter(|number| number.is_finite()),
        Value::Bool(is_true) => Some(f64::from(u8::from(*is_true))),
        _ => None,
    }
}

/// A whole number from 0, also if it is written as a fraction or a text.
pub fn count(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64().or_else(|| {
            let float = number.as_f64()?;
            (float >= 0.0 && float < 2f64.powi(53)).then_some(float as u64)
        }),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// Seconds as milliseconds, if they can be a time that passed.
pub fn milliseconds(value: &Value) -> Option<u64> {
    let seconds = number(value)?;
    (0.0..1e12).contains(&seconds).then(|| (seconds * 1000.0).round() as u64)
}

/// Dollars as micro-dollars, if they can be a price that was paid.
pub fn micro_usd(value: &Value) -> Option<crate::spec::MicroUsd> {
    let dollars = number(value)?;
    (0.0..1e12).contains(&dollars).then(|| crate::spec::MicroUsd((dollars * 1e6).round() as u64))
}

/// The numbers of an object by name, those of objects in it as `outer/inner`; and the names of what are no finite numbers.
pub fn metrics(value: &Value) -> (Metrics, Vec<String>) {
    let mut metrics = Metrics::new();
    let mut others = Vec::new();
    collect("", value, &mut metrics, &mut others);
    (metrics, others)
}

fn collect(name: &str, value: &Value, metrics: &mut Metrics, others: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                let name = if name.is_empty() { key.clone() } else { format!("{name}/{key}") };
                collect(&name, value, metrics, others);
            }
        }
        _ => match number(value) {
            Some(number) => {
                metrics.insert(name.to_owned(), number);
            }
            None => others.push(name.to_owned()),
        },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_no_number_is_a_text() {
        let read = parse(
            b"\xef\xbb\xbf{\"NaN\": NaN, \"b\": [-Infinity, Infinity, -1], \"c\\\"\": \"NaN Infinity\"}",
        );
        let expected = json!({ "NaN": "NaN", "b": ["-Infinity", "Infinity", -1], "c\"": "NaN Infinity" });
        assert_eq!(read, Ok(expected));
    }

    #[test]
    fn damage_is_told_with_its_place() {
        let told = |bytes: &[u8]| parse(bytes).unwrap_err().to_string();
        assert_eq!(told(b"{\"a\": 1,\n \"b\": [1, 2"), "breaks off at line 2, column 11");
        assert_eq!(
            told("{\"a\": \"\u{e9}".as_bytes().split_last().unwrap().1),
            "breaks off at line 1, column 7"
        );
        assert_eq!(told(b""), "breaks off at line 1, column 0");
        assert_eq!(told(b"\xff\xfe{\0}\0"), "is no text in UTF-8 (byte 0; it seems to be UTF-16)");
        assert_eq!(told(b"{\"a\": \"caf\xe9\"}"), "is no text in UTF-8 (byte 10)");
        assert_eq!(told(b"[NaN, Infinity, ?]"), "cannot be read at line 1, column 17: expected value");
        assert_eq!(told(b"{} {}"), "cannot be read at line 1, column 4: trailing characters");
        let deep = "[".repeat(100_000);
        assert_eq!(told(deep.as_bytes()), "cannot be read at line 1, column 128: recursion limit exceeded");
    }

    #[test]
    fn dropped_paths_are_dropped_where_they_are_and_nowhere_else() {
        let text = br#"{"events": [{"input": [1], "output": {"input": 2}}, {"call": {}}], "input": 3, "store": {"a": 1}}"#;
        let read = parse_without(text, &[&["events", "input"], &["events", "call"], &["store"]]);
        assert_eq!(read, Ok(json!({ "events": [{ "output": { "input": 2 } }, {}], "input": 3 })));
    }

    #[test]
    fn numbers_are_collected_by_name() {
        let value =
            json!({ "score": 0.5, "is_valid": true, "eval": { "loss": 2, "error": "NaN" }, "note": "x" });
        let expected = Metrics::from([
            ("eval/loss".to_owned(), 2.0),
            ("is_valid".to_owned(), 1.0),
            ("score".to_owned(), 0.5),
        ]);
        assert_eq!(metrics(&value), (expected, vec!["eval/error".to_owned(), "note".to_owned()]));
    }

    proptest! {
        #[test]
        fn what_is_json_is_read_as_it_is(texts in proptest::collection::vec("\\PC{0,12}|NaN|-Infinity\"\\\\", 0..6), number in any::<f64>()) {
            let value = json!({ "texts": texts, "number": number, "none": null });
            prop_assert_eq!(parse(value.to_string().as_bytes()), Ok(value));
        }

        #[test]
        fn any_bytes_are_judged(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = parse(&bytes);
        }
    }
}
