//! The shape of a request: digests of its parts, which find it again and tell what differs, and hold none of its text.

use std::collections::BTreeMap;

use researchgym_core::digest::Digest;
use researchgym_core::model::Wire;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Keys of a body that say nothing of what is answered and may differ from run to run.
const VOLATILE: [&str; 4] = ["metadata", "user", "prompt_cache_key", "safety_identifier"];
/// Hexadecimal digits of a part's digest: enough to tell parts of one cassette apart.
const DIGITS: usize = 16;

/// Digests of a request's parts: of the kind of call, of each key, and of each element of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Shape(BTreeMap<String, String>);

impl Shape {
    /// Takes the part of the address that names the call, and the body.
    pub(super) fn of(call: &str, body: &str) -> Shape {
        let mut parts = BTreeMap::from([("call".to_owned(), call.to_owned())]);
        let mut add = |name: String, text: &str| {
            let digest = Digest::of(text.as_bytes()).to_string();
            parts.insert(name, digest[..DIGITS].to_owned());
        };
        match serde_json::from_str(body) {
            Ok(Value::Object(object)) => {
                for (key, value) in object.into_iter().filter(|(key, _)| !VOLATILE.contains(&key.as_str())) {
                    match canonical(value) {
                        Value::Array(list) if !list.is_empty() => {
                            for (index, element) in list.iter().enumerate() {
                                add(format!("{key}[{index}]"), &element.to_string());
                            }
                        }
                        value => add(key, &value.to_string()),
                    }
                }
            }
            Ok(_) | Err(_) => add("body".to_owned(), body),
        }
        Shape(parts)
    }

    /// The whole shape in one digest.
    pub(super) fn digest(&self, wire: Wire) -> Digest {
        let parts = self.0.iter().flat_map(|(name, digest)| [name.as_bytes(), digest.as_bytes()]);
        let parts: Vec<&[u8]> = std::iter::once(wire.name().as_bytes()).chain(parts).collect();
        Digest::of_parts(&parts)
    }

    /// The names of the parts in which two shapes differ.
    pub(super) fn differences(&self, other: &Shape) -> Vec<String> {
        let names: std::collections::BTreeSet<&String> = self.0.keys().chain(other.0.keys()).collect();
        names
            .into_iter()
            .filter(|name| self.0.get(*name) != other.0.get(*name))
            .map(|name| format!("`{name}`"))
            .collect()
    }
}

/// The value with the keys of all its objects in order, whatever order the map type keeps.
fn canonical(value: Value) -> Value {
    match value {
        Value::Object(object) => {
            let sorted: BTreeMap<String, Value> =
                object.into_iter().map(|(key, value)| (key, canonical(value))).collect();
            Value::Object(sorted.into_iter().collect())
        }
        Value::Array(list) => Value::Array(list.into_iter().map(canonical).collect()),
        other => other,
    }
}
