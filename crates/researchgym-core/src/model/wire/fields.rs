//! Reading keys of a JSON object with errors that name the key.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::WireError;

pub(super) fn malformed<T>(message: impl Into<String>) -> Result<T, WireError> {
    Err(WireError::Malformed(message.into()))
}

pub(super) fn object<'a>(value: &'a Value, what: &str) -> Result<&'a Map<String, Value>, WireError> {
    value.as_object().map_or_else(|| malformed(format!("{what} is not an object")), Ok)
}

pub(super) fn array<'a>(value: Option<&'a Value>, what: &str) -> Result<&'a [Value], WireError> {
    match value {
        Some(Value::Array(items)) => Ok(items),
        Some(_) => malformed(format!("{what} is not an array")),
        None => malformed(format!("{what} is missing")),
    }
}

/// The same, where a missing or null array is an empty one.
pub(super) fn array_or_empty<'a>(value: Option<&'a Value>, what: &str) -> Result<&'a [Value], WireError> {
    match value {
        None | Some(Value::Null) => Ok(&[]),
        present => array(present, what),
    }
}

pub(super) fn text<'a>(value: Option<&'a Value>, what: &str) -> Result<&'a str, WireError> {
    match value {
        Some(Value::String(text)) => Ok(text),
        Some(_) => malformed(format!("{what} is not a string")),
        None => malformed(format!("{what} is missing")),
    }
}

/// A value of this type, or nothing where it is missing or null.
pub(super) fn optional<T: DeserializeOwned>(
    value: Option<&Value>,
    what: &str,
) -> Result<Option<T>, WireError> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match T::deserialize(value) {
            Ok(found) => Ok(Some(found)),
            Err(error) => malformed(format!("{what}: {error}")),
        },
    }
}

/// A count of tokens; one that is absent counts as zero. To be asked only of what [`are_counts`].
pub(super) fn count(value: Option<&Value>) -> u64 {
    value.and_then(whole).unwrap_or(0)
}

/// Whether these are counts of tokens or absent. A usage with a negative number, a text or a fraction in the place of a
/// count tells nothing: taken for zero it would make the call free.
pub(super) fn are_counts<'v>(values: impl IntoIterator<Item = Option<&'v Value>>) -> bool {
    values.into_iter().flatten().all(|value| value.is_null() || whole(value).is_some())
}

/// A whole number, though it be written as `12.0`.
pub(super) fn whole(value: &Value) -> Option<u64> {
    // Above this floats skip whole numbers.
    const LARGEST: f64 = 9_007_199_254_740_992.0;
    let float = || value.as_f64().filter(|float| float.fract() == 0.0 && (0.0..=LARGEST).contains(float));
    value.as_u64().or_else(|| float().map(|float| float as u64))
}
