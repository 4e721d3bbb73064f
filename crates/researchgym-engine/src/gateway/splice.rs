//! Changing single values in a client's JSON without touching any other byte: the order of keys in a tool's schema and
//! the way in which numbers are written are part of what a model reads.

use std::ops::Range;

/// Sets the value at a path of keys to JSON text, making objects on the way where there are none. The text must be a
/// valid JSON object.
pub(super) fn set(text: &[u8], path: &[&str], value: &str) -> Vec<u8> {
    let Some((key, deeper)) = path.split_first() else { return value.as_bytes().to_vec() };
    let members = members(text);
    let found = members.iter().rev().find(|member| member.key == *key);
    if let Some(member) = found {
        let old = &text[member.value.clone()];
        let new = if deeper.is_empty() || old.first() == Some(&b'{') {
            set(old, deeper, value)
        } else {
            nested(deeper, value).into_bytes()
        };
        return [&text[..member.value.start], &new, &text[member.value.end..]].concat();
    }
    let end = text.iter().rposition(|&byte| byte == b'}').unwrap_or(text.len());
    let comma = if members.is_empty() { "" } else { "," };
    let member = format!("{comma}{}:{}", quoted(key), nested(deeper, value));
    [&text[..end], member.as_bytes(), &text[end..]].concat()
}

/// Gives a member of the object another key. The text must be a valid JSON object.
pub(super) fn rename(text: &[u8], from: &str, to: &str) -> Vec<u8> {
    match members(text).into_iter().rev().find(|member| member.key == from) {
        Some(Member { name, .. }) => [&text[..name.start], quoted(to).as_bytes(), &text[name.end..]].concat(),
        None => text.to_vec(),
    }
}

struct Member {
    key: String,
    /// Where the key stands, with its quotes.
    name: Range<usize>,
    value: Range<usize>,
}

fn nested(path: &[&str], value: &str) -> String {
    path.iter().rev().fold(value.to_owned(), |inner, key| format!("{{{}:{inner}}}", quoted(key)))
}

fn quoted(key: &str) -> String {
    serde_json::Value::from(key).to_string()
}

/// The members of the object that the text is. The text is known to be valid JSON.
fn members(text: &[u8]) -> Vec<Member> {
    let mut members = Vec::new();
    let mut at = text.iter().position(|&byte| byte == b'{').map_or(text.len(), |start| start + 1);
    loop {
        at = skip(text, at, |byte| byte.is_ascii_whitespace() || byte == b',');
        if text.get(at) != Some(&b'"') {
            return members;
        }
        let key_end = value_end(text, at);
        let name = at..key_end;
        let key = serde_json::from_slice(&text[name.clone()]).unwrap_or_default();
        let start = skip(text, key_end, |byte| byte.is_ascii_whitespace() || byte == b':');
        at = value_end(text, start);
        members.push(Member { key, name, value: start..at });
    }
}

fn skip(text: &[u8], from: usize, what: impl Fn(u8) -> bool) -> usize {
    from + text[from..].iter().take_while(|&&byte| what(byte)).count()
}

/// Where the value that starts here ends.
fn value_end(text: &[u8], start: usize) -> usize {
    let mut depth = 0usize;
    let mut at = start;
    while let Some(&byte) = text.get(at) {
        match byte {
            b'"' => {
                at = string_end(text, at + 1);
                if depth == 0 {
                    return at;
                }
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth == 0 => return at,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            b',' if depth == 0 => return at,
            byte if depth == 0 && byte.is_ascii_whitespace() => return at,
            _ => {}
        }
        at += 1;
    }
    at
}

/// Where a string ends whose text starts here. Nearly all bytes of a request are in strings.
fn string_end(text: &[u8], start: usize) -> usize {
    let mut at = start;
    while let Some(rest) = text.get(at..)
        && let Some(length) = rest.iter().position(|&byte| byte == b'"' || byte == b'\\')
    {
        match rest[length] {
            b'"' => return at + length + 1,
            _ => at += length + 2,
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    use super::*;

    fn check(text: &str, path: &[&str], expected: &str) {
        assert_eq!(String::from_utf8(set(text.as_bytes(), path, "7")).unwrap(), expected, "{text}");
    }

    #[test]
    fn only_the_value_changes() {
        check(r#"{"a":1,"b":2}"#, &["b"], r#"{"a":1,"b":7}"#);
        check(r#" { "b" : "x}\",{" , "a" : [ {"b":1} ] } "#, &["b"], r#" { "b" : 7 , "a" : [ {"b":1} ] } "#);
        check(r#"{"a":{"b":1}}"#, &["b"], r#"{"a":{"b":1},"b":7}"#);
        check("{}", &["b"], r#"{"b":7}"#);
        check(r#"{"\u0062":1.50}"#, &["b"], r#"{"\u0062":7}"#);
        check(r#"{"a":{"c":null}}"#, &["a", "b"], r#"{"a":{"c":null,"b":7}}"#);
        check(r#"{"a":null}"#, &["a", "b"], r#"{"a":{"b":7}}"#);
        check(r#"{"c":1}"#, &["a", "b"], r#"{"c":1,"a":{"b":7}}"#);
    }

    #[test]
    fn only_the_key_changes() {
        let check = |text: &str, expected: &str| {
            assert_eq!(String::from_utf8(rename(text.as_bytes(), "a", "c")).unwrap(), expected, "{text}");
        };
        check(r#"{"b":{"a":1}, "\u0061" : 1.50 }"#, r#"{"b":{"a":1}, "c" : 1.50 }"#);
        check(r#"{"b":"a"}"#, r#"{"b":"a"}"#);
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            "\\PC{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 20, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map("[a-c\"\\\\]{1,2}", inner, 0..4)
                    .prop_map(|map| Value::Object(Map::from_iter(map))),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_rest_of_the_object_stays(
            object in proptest::collection::btree_map("[a-c\"\\\\]{1,2}", value(), 0..5),
            key in "[a-c\"\\\\]{1,2}",
            inner in "[a-c]",
            is_pretty in any::<bool>(),
        ) {
            let mut expected = Value::Object(Map::from_iter(object));
            let text = if is_pretty { format!("{expected:#}") } else { expected.to_string() };
            let changed: Value = serde_json::from_slice(&set(text.as_bytes(), &[&key, &inner], "[7]")).unwrap();
            if !expected[&key].is_object() {
                expected[&key] = json!({});
            }
            expected[&key][&inner] = json!([7]);
            prop_assert_eq!(changed, expected);
        }
    }
}
