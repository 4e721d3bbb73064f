//! Namespaces of functions, in which Codex CLI groups the tools of MCP servers.
//!
//! Other wires have flat names, so a request is understood with the group's functions under their own names. Codex finds
//! a function only by both names together, so the answer's calls are given theirs back.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::model::sse::SseEvent;

/// The namespace of each function of a request that is in one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Namespaces(BTreeMap<String, String>);

/// Reads the namespaces in a client's request.
pub fn namespaces(body: &Value) -> Namespaces {
    let tools = body.get("tools").and_then(Value::as_array).into_iter().flatten();
    let groups = tools.filter(|tool| tool.get("type").and_then(Value::as_str) == Some("namespace"));
    let mut namespaces = BTreeMap::new();
    for group in groups {
        let Some(namespace) = group.get("name").and_then(Value::as_str) else { continue };
        let functions = group.get("tools").and_then(Value::as_array).into_iter().flatten();
        for name in functions.filter_map(|function| function.get("name")?.as_str()) {
            namespaces.insert(name.to_owned(), namespace.to_owned());
        }
    }
    Namespaces(namespaces)
}

impl Namespaces {
    /// Puts the namespaces into the calls of a rendered answer.
    pub fn restore(&self, answer: &mut Value) {
        for item in answer.get_mut("output").and_then(Value::as_array_mut).into_iter().flatten() {
            self.restore_item(item);
        }
    }

    /// Puts the namespaces into the calls of a rendered stream.
    pub fn restore_stream(&self, events: &mut [SseEvent]) {
        if self.0.is_empty() {
            return;
        }
        for event in events {
            let Ok(mut value) = serde_json::from_str::<Value>(&event.data) else { continue };
            if let Some(item) = value.get_mut("item") {
                self.restore_item(item);
            }
            if let Some(response) = value.get_mut("response") {
                self.restore(response);
            }
            event.data = value.to_string();
        }
    }

    fn restore_item(&self, item: &mut Value) {
        if item.get("type").and_then(Value::as_str) != Some("function_call") {
            return;
        }
        let namespace = item.get("name").and_then(Value::as_str).and_then(|name| self.0.get(name));
        if let (Some(namespace), Some(item)) = (namespace, item.as_object_mut()) {
            item.insert("namespace".to_owned(), namespace.as_str().into());
        }
    }
}
