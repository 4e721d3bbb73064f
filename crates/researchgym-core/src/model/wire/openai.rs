//! What the two OpenAI wires share: the reading of fields, pictures as URIs, ids of calls, errors.

#[cfg(test)]
pub(super) mod samples;

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{Target, WireError};
use crate::digest::Digest;
use crate::model::{Input, Tool, ToolResult, Turn};

pub(super) type Object = Map<String, Value>;

/// Builds an error body as OpenAI's servers write it; an empty kind is filled in after the status.
pub fn render_error(status: u16, kind: &str, code: Option<&str>, message: &str) -> Value {
    let kind = match (kind, status) {
        ("", 401) => "authentication_error",
        ("", 403) => "permission_error",
        ("", 429) => "rate_limit_error",
        ("", 500..) => "server_error",
        ("", _) => "invalid_request_error",
        (kind, _) => kind,
    };
    json!({ "error": { "message": message, "type": kind, "param": null, "code": code } })
}

/// The error that a body reports instead of an answer.
pub(super) fn error_in(body: &Object) -> Option<WireError> {
    match body.get("error") {
        Some(Value::Object(error)) => Some(error_of(error)),
        Some(Value::String(message)) if !message.is_empty() => {
            Some(WireError::Provider { kind: String::new(), message: message.clone() })
        }
        // Older vLLM servers write the error flat.
        _ if body.get("object").and_then(Value::as_str) == Some("error") => Some(error_of(body)),
        _ => None,
    }
}

/// An error object's kind and words.
pub(super) fn error_of(error: &Object) -> WireError {
    let word = |key: &str| match error.get(key) {
        Some(Value::String(word)) if !word.is_empty() && word != "error" => Some(word.clone()),
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    };
    let message = word("message").unwrap_or_else(|| Value::Object(error.clone()).to_string());
    WireError::Provider { kind: word("type").or_else(|| word("code")).unwrap_or_default(), message }
}

/// Whether OpenAI itself answers, whose server takes keys that others refuse.
pub(super) fn is_openai(target: &Target) -> bool {
    matches!(target.name.split('/').next(), Some("openai" | "azure"))
}

/// Whether the server is known to take `top_k`, which OpenAI's form does not have and strict servers refuse.
pub(super) fn takes_top_k(target: &Target) -> bool {
    matches!(target.name.split('/').next(), Some("openrouter" | "together" | "vllm"))
}

pub(super) fn malformed(text: impl Into<String>) -> WireError {
    WireError::Malformed(text.into())
}

/// The keys of one object, read with their place in mind. A null is the same as an absent key.
pub(super) struct Fields<'a> {
    pub(super) object: &'a Object,
    place: String,
}

impl<'a> Fields<'a> {
    pub(super) fn of(value: &'a Value, place: impl Into<String>) -> Result<Fields<'a>, WireError> {
        let place = place.into();
        match value.as_object() {
            Some(object) => Ok(Fields { object, place }),
            None => Err(malformed(format!("{place} is not an object"))),
        }
    }

    pub(super) fn wrong(&self, what: &str) -> WireError {
        malformed(format!("{}: {what}", self.place))
    }

    pub(super) fn get(&self, key: &str) -> Option<&'a Value> {
        self.object.get(key).filter(|value| !value.is_null())
    }

    fn read<T>(
        &self,
        key: &str,
        kind: &str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, WireError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        read(value).map(Some).ok_or_else(|| self.wrong(&format!("`{key}` is not {kind}")))
    }

    pub(super) fn text(&self, key: &str) -> Result<Option<&'a str>, WireError> {
        self.read(key, "a text", Value::as_str)
    }

    pub(super) fn whole(&self, key: &str) -> Result<Option<u64>, WireError> {
        self.read(key, "a whole number", Value::as_u64)
    }

    pub(super) fn number(&self, key: &str) -> Result<Option<f64>, WireError> {
        self.read(key, "a number", Value::as_f64)
    }

    pub(super) fn truth(&self, key: &str) -> Result<Option<bool>, WireError> {
        self.read(key, "true or false", Value::as_bool)
    }

    pub(super) fn list(&self, key: &str) -> Result<Option<&'a [Value]>, WireError> {
        self.read(key, "a list", |value| value.as_array().map(Vec::as_slice))
    }

    pub(super) fn fields(&self, key: &str) -> Result<Option<Fields<'a>>, WireError> {
        self.get(key).map(|value| Fields::of(value, format!("{}.{key}", self.place))).transpose()
    }

    pub(super) fn needed<T>(&self, key: &str, value: Option<T>) -> Result<T, WireError> {
        value.ok_or_else(|| self.wrong(&format!("`{key}` is missing")))
    }

    pub(super) fn needed_text(&self, key: &str) -> Result<&'a str, WireError> {
        self.needed(key, self.text(key)?)
    }

    pub(super) fn needed_fields(&self, key: &str) -> Result<Fields<'a>, WireError> {
        self.needed(key, self.fields(key)?)
    }

    /// Reads the function in a tool: its name, description and parameters.
    pub(super) fn tool(&self) -> Result<Tool, WireError> {
        let parameters = match self.get("parameters") {
            Some(value) if value.is_object() => value.clone(),
            Some(_) => return Err(self.wrong("`parameters` is not an object")),
            None => json!({ "type": "object", "properties": {} }),
        };
        let description = self.text("description")?.unwrap_or_default().to_owned();
        Ok(Tool { name: self.needed_text("name")?.to_owned(), description, parameters })
    }
}

/// A place in a list, for messages.
pub(super) fn place(list: &str, index: usize) -> String {
    format!("{list}[{index}]")
}

/// The arguments of a call as JSON text; some servers send them as an object.
pub(super) fn arguments_of(function: &Object) -> String {
    match function.get("arguments") {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// A picture's address, or the picture itself as a `data:` URI; nothing for text.
pub(super) fn picture_url(input: &Input) -> Option<String> {
    match input {
        Input::Text { .. } => None,
        Input::Image { media_type, data } => Some(format!("data:{media_type};base64,{data}")),
        Input::ImageUrl { url } => Some(url.clone()),
    }
}

/// The picture that [`picture_url`] wrote.
pub(super) fn picture(url: &str) -> Input {
    let embedded = url.strip_prefix("data:").and_then(|rest| rest.split_once(";base64,"));
    match embedded {
        Some((media_type, data)) => Input::Image { media_type: media_type.to_owned(), data: data.to_owned() },
        None => Input::ImageUrl { url: url.to_owned() },
    }
}

/// Gives each call of an answer an id that no other call of it has.
pub(super) struct CallIds<'a> {
    seed: &'a Value,
    salt: usize,
    taken: BTreeSet<String>,
}

impl<'a> CallIds<'a> {
    /// Ids that are made up are derived from the answer (or message) and its place.
    pub(super) fn new(seed: &'a Value, salt: usize) -> CallIds<'a> {
        CallIds { seed, salt, taken: BTreeSet::new() }
    }

    /// The provider's id if it is one and is free, else one of ours.
    pub(super) fn claim(&mut self, given: Option<&str>) -> String {
        let given = given.filter(|id| !id.is_empty());
        let mut id = match given {
            Some(given) => given.to_owned(),
            None => {
                let digest = Digest::of_parts(&[self.seed.to_string().as_bytes(), &self.salt.to_le_bytes()]);
                format!("call_{}", hex::encode(&digest.as_bytes()[..12]))
            }
        };
        let first = id.clone();
        let mut copy = 1_usize;
        while !self.taken.insert(id.clone()) {
            copy += 1;
            id = format!("{first}_{copy}");
        }
        id
    }
}

/// Puts the ids that the results will name into calls that had none, or the same, in a provider's own items. Items of
/// a provider that gives proper ids stay as they are.
pub(super) fn settle_ids<'a>(calls: impl Iterator<Item = &'a mut Object>, key: &str, turn: &Turn) {
    for (call, (id, _, _)) in calls.zip(turn.calls()) {
        if call.get(key).and_then(Value::as_str) != Some(id) {
            call.insert(key.to_owned(), id.into());
        }
    }
}

/// Collects the results that follow a turn in a client's request: named after its calls and in their order.
#[derive(Default)]
pub(super) struct Results {
    calls: Vec<(String, String)>,
    results: Vec<(usize, ToolResult)>,
}

impl Results {
    /// Notes the calls of a turn that came later than all before.
    pub(super) fn expect(&mut self, turn: &Turn) {
        self.calls.extend(turn.calls().map(|(id, name, _)| (id.to_owned(), name.to_owned())));
    }

    /// Takes a result.
    ///
    /// # Errors
    /// No turn before called for it.
    pub(super) fn push(&mut self, call_id: &str, content: Vec<Input>) -> Result<(), WireError> {
        let at = self.calls.iter().rposition(|(id, _)| id == call_id);
        let at = at.ok_or_else(|| malformed(format!("a tool result for the unknown call `{call_id}`")))?;
        let name = self.calls[at].1.clone();
        self.results.push((at, ToolResult { call_id: call_id.to_owned(), name, content, is_error: false }));
        Ok(())
    }

    /// Gives the results since the last call of this, in the order of their calls.
    pub(super) fn take(&mut self) -> Option<Vec<ToolResult>> {
        let mut results = std::mem::take(&mut self.results);
        results.sort_by_key(|(at, _)| *at);
        (!results.is_empty()).then(|| results.into_iter().map(|(_, result)| result).collect())
    }
}
