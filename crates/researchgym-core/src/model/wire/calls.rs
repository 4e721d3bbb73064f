//! Tool calls of the wires whose arguments are JSON objects rather than text: between the two forms, and ids where a
//! provider gives none or the same twice.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::super::message::Part;
use crate::digest::Digest;

/// The key under which arguments that are no JSON object are sent back as they were.
const INVALID: &str = "_invalid_arguments";

/// The arguments as an object; text that is none is wrapped into one.
pub(super) fn object_of(arguments: &str) -> Value {
    if arguments.trim().is_empty() {
        return json!({});
    }
    match serde_json::from_str(arguments) {
        Ok(object @ Value::Object(_)) => object,
        Ok(_) | Err(_) => json!({ INVALID: arguments }),
    }
}

/// The arguments as text, wrapped ones unwrapped.
pub(super) fn arguments_of(input: Option<&Value>) -> String {
    match input {
        None | Some(Value::Null) => "{}".to_owned(),
        Some(input) => wrapped(input).map_or_else(|| input.to_string(), str::to_owned),
    }
}

/// Text that [`object_of`] wraps into just this object.
pub(super) fn wrapped(input: &Value) -> Option<&str> {
    let text = input.get(INVALID)?.as_str()?;
    (object_of(text) == *input).then_some(text)
}

/// Gives a new id to each call that has none (an empty one) or one that an earlier call has. What is made up follows
/// from `seed`, so that the same answer gives the same ids, streamed or not.
pub(super) fn settle_ids(parts: &mut [Part], seed: impl FnOnce() -> String) {
    let mut ids = Vec::new();
    for part in parts {
        if let Part::Call { id, .. } = part {
            ids.push(id);
        }
    }
    let given: HashSet<String> = ids.iter().map(|id| id.to_string()).collect();
    if given.len() == ids.len() && !given.contains("") {
        return;
    }
    let seed = Digest::of(seed().as_bytes()).to_string();
    let mut taken: HashSet<String> = HashSet::new();
    for (index, id) in ids.into_iter().enumerate() {
        let stem = if id.is_empty() { format!("call_{}_{index}", &seed[..16]) } else { id.clone() };
        let mut candidate = stem.clone();
        let mut number = 1;
        while taken.contains(&candidate) || (candidate != *id && given.contains(&candidate)) {
            number += 1;
            candidate = format!("{stem}_{number}");
        }
        taken.insert(candidate.clone());
        *id = candidate;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn arguments_that_are_no_object_survive_as_they_were() {
        let cases = [
            ("", json!({}), "{}"),
            (" \n", json!({}), "{}"),
            (r#"{"b": 1}"#, json!({"b": 1}), r#"{"b":1}"#),
            (r#"{"b": "#, json!({"_invalid_arguments": "{\"b\": "}), r#"{"b": "#),
            ("[1]", json!({"_invalid_arguments": "[1]"}), "[1]"),
            ("null", json!({"_invalid_arguments": "null"}), "null"),
            (
                r#"{"_invalid_arguments":"{}"}"#,
                json!({"_invalid_arguments": "{}"}),
                r#"{"_invalid_arguments":"{}"}"#,
            ),
        ];
        for (arguments, object, text) in cases {
            assert_eq!(object_of(arguments), object, "of {arguments:?}");
            assert_eq!(arguments_of(Some(&object)), text, "of {object}");
        }
        assert_eq!(arguments_of(None), "{}");
        assert_eq!(arguments_of(Some(&Value::Null)), "{}");
    }

    fn settle(ids: &[&str]) -> Vec<String> {
        let mut parts: Vec<Part> = ids
            .iter()
            .map(|&id| Part::Call { id: id.to_owned(), name: "f".to_owned(), arguments: "{}".to_owned() })
            .collect();
        settle_ids(&mut parts, || "seed".to_owned());
        let ids = parts.into_iter().map(|part| match part {
            Part::Call { id, .. } => id,
            other => panic!("{other:?}"),
        });
        ids.collect()
    }

    #[test]
    fn ids_are_kept_where_they_can_be() {
        assert_eq!(settle(&["a", "b"]), ["a", "b"]);
        assert_eq!(settle(&["a", "a", "a_2", "a"]), ["a", "a_3", "a_2", "a_4"]);
        assert_eq!(settle(&["", "a", ""]), ["call_19b25856e1c150ca_0", "a", "call_19b25856e1c150ca_2"]);
    }

    proptest! {
        #[test]
        fn ids_come_out_unique(ids in proptest::collection::vec("(a|b|)(_2|_3|)", 0..12)) {
            let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
            let settled = settle(&ids);
            prop_assert_eq!(settled.iter().collect::<HashSet<_>>().len(), ids.len());
            prop_assert!(settled.iter().all(|id| !id.is_empty()));
        }
    }
}
