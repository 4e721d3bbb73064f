//! Putting the deltas of a stream together to the message that a whole answer would have had.

use serde_json::{Map, Value, json};

use crate::model::wire::openai::Object;

/// Keys that name things: they are repeated, never continued.
const LABELS: [&str; 6] = ["id", "type", "role", "format", "index", "object"];

/// Continues a value by a delta: texts grow, lists grow, objects merge, everything else is replaced.
pub(super) fn append(slot: &mut Value, delta: &Value) {
    match (&mut *slot, delta) {
        (_, Value::Null) => {}
        (Value::String(text), Value::String(more)) => text.push_str(more),
        (Value::Array(pieces), Value::Array(more)) => {
            more.iter().for_each(|piece| append_piece(pieces, piece));
        }
        // Mistral changes from text to pieces and back within one message.
        (Value::Array(pieces), Value::String(more)) => {
            append_piece(pieces, &json!({ "type": "text", "text": more }));
        }
        (Value::String(text), Value::Array(more)) => {
            let mut pieces = Vec::new();
            if !text.is_empty() {
                pieces.push(json!({ "type": "text", "text": text }));
            }
            more.iter().for_each(|piece| append_piece(&mut pieces, piece));
            *slot = pieces.into();
        }
        (Value::Object(object), Value::Object(more)) => merge(object, more),
        (_, other) => *slot = other.clone(),
    }
}

/// Merges a delta's keys into an object.
pub(super) fn merge(object: &mut Object, delta: &Object) {
    for (key, value) in delta {
        match object.get_mut(key) {
            None => {
                object.insert(key.clone(), value.clone());
            }
            Some(_) if value.is_null() => {}
            Some(slot) if LABELS.contains(&key.as_str()) => *slot = value.clone(),
            Some(slot) => append(slot, value),
        }
    }
}

/// Continues the piece that has the same index and type (OpenRouter's reasoning details), or the last one if both are
/// text or thinking (Mistral's content); any other piece is a new one.
fn append_piece(pieces: &mut Vec<Value>, piece: &Value) {
    let (index, kind) = (piece.get("index"), piece.get("type"));
    let open = match (index, kind.and_then(Value::as_str)) {
        (Some(_), _) => {
            pieces.iter_mut().rev().find(|open| open.get("index") == index && open.get("type") == kind)
        }
        (None, Some("text" | "thinking")) => pieces.last_mut().filter(|open| open.get("type") == kind),
        (None, _) => None,
    };
    match (open, piece) {
        (Some(Value::Object(open)), Value::Object(piece)) => merge(open, piece),
        _ => pieces.push(piece.clone()),
    }
}

/// The calls of a stream, put together from deltas that say more or less clearly to which call they belong.
#[derive(Debug, Default)]
pub(super) struct Calls {
    calls: Vec<Object>,
    /// Which call an index of the stream means at present.
    places: Vec<(u64, usize)>,
}

impl Calls {
    /// Takes one entry of a delta's `tool_calls`.
    pub(super) fn push(&mut self, delta: &Object) {
        let index = delta.get("index").and_then(Value::as_u64);
        let open = match index {
            Some(index) => self.at_index(index, delta),
            None => self.without_index(delta),
        };
        let at = open.unwrap_or_else(|| {
            self.calls.push(Map::new());
            self.calls.len() - 1
        });
        if let Some(index) = index {
            self.places.retain(|(known, _)| *known != index);
            self.places.push((index, at));
        }
        continue_call(&mut self.calls[at], delta);
    }

    /// Gives the calls as a whole answer lists them.
    pub(super) fn into_values(self) -> Vec<Value> {
        self.calls.into_iter().map(Value::Object).collect()
    }

    /// Some servers send every call as index 0, whole: another id, or a name and arguments after complete ones, is
    /// another call.
    fn at_index(&self, index: u64, delta: &Object) -> Option<usize> {
        let (_, at) = *self.places.iter().find(|(known, _)| *known == index)?;
        let open = &self.calls[at];
        let (id, open_id) = (text(delta, "id"), text(open, "id"));
        let is_another = match (id.is_empty(), open_id.is_empty()) {
            (false, false) => id != open_id,
            (true, _) => is_complete(open) && has_arguments(delta),
            (false, true) => false,
        };
        (!is_another || !has_name(delta)).then_some(at)
    }

    /// Other servers send no index: a known id continues its call, unless that is complete and this one begins anew;
    /// without an id, another name or one after complete arguments begins a call.
    fn without_index(&self, delta: &Object) -> Option<usize> {
        let id = text(delta, "id");
        let at = match id {
            "" => self.calls.len().checked_sub(1)?,
            id => self.calls.iter().rposition(|call| text(call, "id") == id)?,
        };
        let open = &self.calls[at];
        let is_another = match id {
            "" => is_complete(open) || function_text(delta, "name") != function_text(open, "name"),
            _ => is_complete(open) && has_arguments(delta),
        };
        (!is_another || !has_name(delta)).then_some(at)
    }
}

fn continue_call(call: &mut Object, delta: &Object) {
    for (key, value) in delta {
        match (key.as_str(), value) {
            ("index", _) | (_, Value::Null) => {}
            ("id", Value::String(id)) if id.is_empty() => {}
            ("function", Value::Object(function)) => {
                let open = call.entry("function").or_insert_with(|| json!({}));
                if let Some(open) = open.as_object_mut() {
                    continue_function(open, function);
                }
            }
            ("id" | "type" | "function", _) => {
                call.insert(key.clone(), value.clone());
            }
            _ => append(call.entry(key.clone()).or_insert(Value::Null), value),
        }
    }
}

fn continue_function(open: &mut Object, delta: &Object) {
    for (key, value) in delta {
        let slot = open.entry(key.clone()).or_insert(Value::Null);
        match (key.as_str(), value) {
            // Repeated, not continued.
            ("name", name) if slot == name => {}
            ("arguments", Value::Object(_)) => append(slot, &value.to_string().into()),
            _ => append(slot, value),
        }
    }
}

fn text<'a>(object: &'a Object, key: &str) -> &'a str {
    object.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn function_text<'a>(call: &'a Object, key: &str) -> &'a str {
    call.get("function").and_then(|function| function.get(key)?.as_str()).unwrap_or_default()
}

fn has_name(delta: &Object) -> bool {
    !function_text(delta, "name").is_empty()
}

fn has_arguments(delta: &Object) -> bool {
    !function_text(delta, "arguments").is_empty()
}

fn is_complete(call: &Object) -> bool {
    serde_json::from_str::<Object>(function_text(call, "arguments")).is_ok()
}
