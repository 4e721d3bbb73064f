//! Reading a client's body: JSON that costs little memory and that everybody reads in the same way.
//!
//! A value takes many times its bytes once it is parsed (`[0,0,...`: sixteen times), so their number is bounded. An object
//! in which a key stands twice is refused at any depth: a reader that keeps the first would see another prompt than one
//! that keeps the last, and only one of them was counted.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// The most values in a body. The longest context of a model, a token a value, has fewer.
const MOST_VALUES: usize = 1 << 20;

/// A body that is not taken.
#[derive(Debug, thiserror::Error)]
#[error("the body is not taken: {0}")]
pub(super) struct Untaken(#[from] serde_json::Error);

/// Reads a body.
///
/// # Errors
/// It is not JSON, has too many values, or can be read in two ways.
pub(super) fn parsed(bytes: &[u8]) -> Result<Value, Untaken> {
    let mut left = MOST_VALUES;
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Reading { left: &mut left }.deserialize(&mut reader)?;
    reader.end()?;
    Ok(value)
}

/// Reads one value, and those in it.
struct Reading<'l> {
    /// How many values may still come.
    left: &'l mut usize,
}

impl<'de> DeserializeSeed<'de> for Reading<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        *self.left = self
            .left
            .checked_sub(1)
            .ok_or_else(|| D::Error::custom(format!("it has more than {MOST_VALUES} values")))?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reading<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = items.next_element_seed(Reading { left: &mut *self.left })? {
            values.push(value);
        }
        Ok(values.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = members.next_key::<String>()? {
            if object.contains_key(&key) {
                let shown: String = key.chars().take(80).collect();
                return Err(A::Error::custom(format!("the key `{shown}` is there twice")));
            }
            let value = members.next_value_seed(Reading { left: &mut *self.left })?;
            object.insert(key, value);
        }
        Ok(object.into())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expected: Result<(), &str>) {
        let found = parsed(text.as_bytes()).map_err(|error| error.to_string());
        let plain = || serde_json::from_str::<Value>(text).unwrap();
        let shown = &text[..text.len().min(80)];
        match (found, expected) {
            (Ok(body), Ok(())) => assert_eq!(body, plain(), "{shown}"),
            (Err(message), Err(beginning)) => assert!(message.starts_with(beginning), "{shown}: {message}"),
            (found, expected) => panic!("{shown}: {:?}, not {expected:?}", found.map(drop)),
        }
    }

    #[test]
    fn bodies_with_one_meaning_are_read() {
        check(
            r#"{"a":":{\"a\":1,","b":[{"a":"\\"},{"a":{}}],"c":[null,true,-1,1.5e3,18446744073709551615]}"#,
            Ok(()),
        );
        check(" [] ", Ok(()));
        check(
            r#"{"messages":[{"content":"long","content":"short"}]}"#,
            Err("the body is not taken: the key `content` is there twice at line 1"),
        );
        check(r#"{"a":{"b":1,"\u0062":1}}"#, Err("the body is not taken: the key `b` is there twice"));
        check(r#"{"a""#, Err("the body is not taken: EOF while parsing an object at line 1 column 4"));
        check("{}{}", Err("the body is not taken: trailing characters at line 1 column 3"));
    }

    #[test]
    fn what_would_fill_the_memory_or_the_stack_is_not_kept() {
        let many = |count: usize| format!("[{}0]", "0,".repeat(count - 2));
        check(&many(MOST_VALUES), Ok(()));
        check(&many(MOST_VALUES + 1), Err("the body is not taken: it has more than 1048576 values"));
        check(&"[".repeat(100_000), Err("the body is not taken: recursion limit exceeded"));
    }

    proptest! {
        #[test]
        fn whatever_is_read_is_what_the_parser_reads(bytes in "[\\[\\]{}:,\"\\\\a0. ]{0,40}") {
            let plain = serde_json::from_slice::<Value>(bytes.as_bytes());
            match parsed(bytes.as_bytes()) {
                Ok(body) => prop_assert_eq!(body, plain.unwrap()),
                Err(Untaken(error)) => {
                    prop_assert!(plain.is_err() || error.to_string().contains("is there twice"));
                }
            }
        }
    }
}
