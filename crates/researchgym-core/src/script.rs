//! The `scripted` agent's file: UTF-8 JSON lines, one action each, checked whole before a run starts.

use std::time::Duration;

use base64::Engine as _;
use serde_json::{Map, Value};

use crate::action::{Action, Body};
use crate::web::{DEFAULT_RESULTS, MOST_RESULTS};

/// One line of a script.
#[derive(Clone, Debug, PartialEq)]
pub enum ScriptStep {
    /// An action: one step of the run.
    Act(Action),
    /// Thinking time, simulated on the host without holding a thread. Not a step.
    Sleep(Duration),
}

/// A line of a script is not what it must be.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("line {line}: {problem}")]
pub struct ScriptError {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong, and what is allowed.
    pub problem: String,
}

const KEYS: &str =
    "`exec`, `write`, `read`, `search`, `fetch`, `say`, `validate`, `submit`, `give_up` or `sleep_ms`";

/// Reads a script. Empty lines are passed over.
///
/// # Errors
/// The first line that is not UTF-8, not a JSON object, or has an unknown, missing or wrongly typed key.
pub fn parse(bytes: &[u8]) -> Result<Vec<ScriptStep>, ScriptError> {
    let mut steps = Vec::new();
    for (index, raw) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let at = |problem: String| ScriptError { line: index + 1, problem };
        let text = std::str::from_utf8(raw).map_err(|_| at("not UTF-8".into()))?;
        let text = if index == 0 { text.trim_start_matches('\u{feff}') } else { text };
        if text.trim().is_empty() {
            continue;
        }
        let value: Value = serde_json::from_str(text).map_err(|error| at(format!("not JSON: {error}")))?;
        let Value::Object(object) = value else {
            return Err(at(format!("not a JSON object; write one of {KEYS}")));
        };
        steps.push(step(object).map_err(at)?);
    }
    Ok(steps)
}

/// Writes actions as a script: the inverse of [`parse`] for actions whose bodies are inline.
pub fn format(steps: &[ScriptStep]) -> String {
    let mut text = String::new();
    for step in steps {
        text.push_str(&line(step).to_string());
        text.push('\n');
    }
    text
}

fn step(mut object: Map<String, Value>) -> Result<ScriptStep, String> {
    let timeout = object.remove("timeout_s");
    let mut keys = object.into_iter();
    let (Some((key, value)), None) = (keys.next(), keys.next()) else {
        return Err(format!("needs exactly one key: {KEYS} (`timeout_s` may stand beside `exec`)"));
    };
    if timeout.is_some() && key != "exec" {
        return Err(format!("`timeout_s` belongs to `exec`, not to `{key}`"));
    }
    let action = match key.as_str() {
        "exec" => Action::Exec { command: Body::Text(command(value)?), timeout_s: seconds(timeout)? },
        "write" => write(fields("write", value)?)?,
        "read" => {
            let mut fields = fields("read", value)?;
            let path = text("read.path", fields.remove("path"))?;
            nothing_left("read", &fields)?;
            Action::Read { path }
        }
        "search" => search(fields("search", value)?)?,
        "fetch" => {
            let mut fields = fields("fetch", value)?;
            let url = text("fetch.url", fields.remove("url"))?;
            nothing_left("fetch", &fields)?;
            Action::Fetch { url }
        }
        "say" => Action::Say { text: Body::Text(text("say", Some(value))?) },
        "validate" => nothing_left("validate", &fields("validate", value)?).map(|()| Action::Validate)?,
        "submit" => nothing_left("submit", &fields("submit", value)?).map(|()| Action::Submit)?,
        "give_up" => Action::GiveUp { reason: text("give_up", Some(value))? },
        "sleep_ms" => {
            let milliseconds =
                value.as_u64().ok_or("`sleep_ms` must be a whole number of milliseconds, 0 or more")?;
            return Ok(ScriptStep::Sleep(Duration::from_millis(milliseconds)));
        }
        unknown => return Err(format!("unknown key `{unknown}`; known are {KEYS}")),
    };
    Ok(ScriptStep::Act(action))
}

fn command(value: Value) -> Result<String, String> {
    let command = text("exec", Some(value))?;
    if command.contains('\0') {
        return Err("`exec` must not hold a NUL character".into());
    }
    Ok(command)
}

fn write(mut fields: Map<String, Value>) -> Result<Action, String> {
    let path = text("write.path", fields.remove("path"))?;
    let content = match (fields.remove("content"), fields.remove("content_base64")) {
        (Some(content), None) => Body::Text(text("write.content", Some(content))?),
        (None, Some(content)) => {
            let content = text("write.content_base64", Some(content))?;
            let bytes = base64::engine::general_purpose::STANDARD
                .decode(&content)
                .map_err(|error| format!("`write.content_base64` is not standard base64: {error}"))?;
            match String::from_utf8(bytes) {
                Ok(text) => Body::Text(text),
                Err(_) => Body::Base64(content),
            }
        }
        _ => return Err("`write` needs exactly one of `content` and `content_base64`".into()),
    };
    let mode = fields.remove("mode").map(permission_bits).transpose()?;
    nothing_left("write", &fields)?;
    Ok(Action::Write { path, content, mode })
}

fn search(mut fields: Map<String, Value>) -> Result<Action, String> {
    let query = text("search.query", fields.remove("query"))?;
    let results = match fields.remove("results") {
        None => DEFAULT_RESULTS,
        Some(value) => {
            let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
            number.filter(|number| (1..=MOST_RESULTS).contains(number)).ok_or_else(|| {
                format!("`search.results` must be a number from 1 to {MOST_RESULTS}, not {value}")
            })?
        }
    };
    nothing_left("search", &fields)?;
    Ok(Action::Search { query, results })
}

fn permission_bits(value: Value) -> Result<u32, String> {
    let bits = match &value {
        Value::Number(number) => number.as_u64().and_then(|bits| u32::try_from(bits).ok()),
        Value::String(octal) => u32::from_str_radix(octal.trim_start_matches("0o"), 8).ok(),
        _ => None,
    };
    bits.filter(|bits| *bits <= 0o777).ok_or_else(|| {
        format!("`write.mode` must be permission bits, such as \"0755\" or the number 493, not {value}")
    })
}

fn fields(key: &str, value: Value) -> Result<Map<String, Value>, String> {
    match value {
        Value::Object(fields) => Ok(fields),
        other => Err(format!("`{key}` must be an object, not {other}")),
    }
}

fn nothing_left(key: &str, fields: &Map<String, Value>) -> Result<(), String> {
    match fields.keys().next() {
        None => Ok(()),
        Some(unknown) => Err(format!("unknown key `{key}.{unknown}`")),
    }
}

fn text(key: &str, value: Option<Value>) -> Result<String, String> {
    match value {
        Some(Value::String(text)) => Ok(text),
        Some(other) => Err(format!("`{key}` must be a text, not {other}")),
        None => Err(format!("`{key}` is missing")),
    }
}

fn seconds(value: Option<Value>) -> Result<Option<f64>, String> {
    let Some(value) = value else { return Ok(None) };
    match value.as_f64() {
        Some(seconds) if seconds > 0.0 && seconds.is_finite() => Ok(Some(seconds)),
        _ => Err(format!("`timeout_s` must be a number of seconds above 0, not {value}")),
    }
}

fn line(step: &ScriptStep) -> Value {
    fn content(body: &Body) -> (&'static str, String) {
        match body {
            Body::Text(text) => ("content", text.clone()),
            Body::Base64(text) => ("content_base64", text.clone()),
            Body::Blob { sha256, .. } => ("content", format!("[blob {sha256}]")),
        }
    }
    match step {
        ScriptStep::Sleep(duration) => serde_json::json!({ "sleep_ms": duration.as_millis() as u64 }),
        ScriptStep::Act(Action::Exec { command, timeout_s: None }) => {
            serde_json::json!({ "exec": content(command).1 })
        }
        ScriptStep::Act(Action::Exec { command, timeout_s: Some(seconds) }) => {
            serde_json::json!({ "exec": content(command).1, "timeout_s": seconds })
        }
        ScriptStep::Act(Action::Write { path, content: body, mode }) => {
            let (key, body) = content(body);
            let mut fields = serde_json::json!({ "path": path, key: body });
            if let Some(mode) = mode {
                fields["mode"] = serde_json::json!(format!("{mode:04o}"));
            }
            serde_json::json!({ "write": fields })
        }
        ScriptStep::Act(Action::Read { path }) => serde_json::json!({ "read": { "path": path } }),
        ScriptStep::Act(Action::Search { query, results }) => {
            serde_json::json!({ "search": { "query": query, "results": results } })
        }
        ScriptStep::Act(Action::Fetch { url }) => serde_json::json!({ "fetch": { "url": url } }),
        ScriptStep::Act(Action::Say { text }) => serde_json::json!({ "say": content(text).1 }),
        ScriptStep::Act(Action::Validate) => serde_json::json!({ "validate": {} }),
        ScriptStep::Act(Action::Submit) => serde_json::json!({ "submit": {} }),
        ScriptStep::Act(Action::GiveUp { reason }) => serde_json::json!({ "give_up": reason }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn problem(script: &str) -> String {
        parse(script.as_bytes()).expect_err("must be refused").to_string()
    }

    #[test]
    fn every_documented_line_is_read() {
        let script = concat!(
            "{\"exec\": \"echo hi\", \"timeout_s\": 10}\n\n",
            "{\"write\": {\"path\": \"a/b\", \"content\": \"x\", \"mode\": \"0755\"}}\n",
            "{\"write\": {\"path\": \"c\", \"content_base64\": \"/w==\"}}\n",
            "{\"read\": {\"path\": \"a/b\"}}\n{\"say\": \"text\"}\n{\"validate\": {}}\n",
            "{\"search\": {\"query\": \"a b\", \"results\": 3}}\n{\"search\": {\"query\": \"c\"}}\n",
            "{\"fetch\": {\"url\": \"https://example.org/\"}}\n",
            "{\"sleep_ms\": 200}\n{\"give_up\": \"tired\"}\n{\"submit\": {}}",
        );
        let text = |text: &str| Body::Text(text.into());
        assert_eq!(
            parse(script.as_bytes()),
            Ok(vec![
                ScriptStep::Act(Action::Exec { command: text("echo hi"), timeout_s: Some(10.0) }),
                ScriptStep::Act(Action::Write { path: "a/b".into(), content: text("x"), mode: Some(0o755) }),
                ScriptStep::Act(Action::Write {
                    path: "c".into(),
                    content: Body::Base64("/w==".into()),
                    mode: None
                }),
                ScriptStep::Act(Action::Read { path: "a/b".into() }),
                ScriptStep::Act(Action::Say { text: text("text") }),
                ScriptStep::Act(Action::Validate),
                ScriptStep::Act(Action::Search { query: "a b".into(), results: 3 }),
                ScriptStep::Act(Action::Search { query: "c".into(), results: 5 }),
                ScriptStep::Act(Action::Fetch { url: "https://example.org/".into() }),
                ScriptStep::Sleep(Duration::from_millis(200)),
                ScriptStep::Act(Action::GiveUp { reason: "tired".into() }),
                ScriptStep::Act(Action::Submit),
            ])
        );
    }

    #[test]
    fn bad_lines_are_named() {
        assert_eq!(
            problem("{\"exec\": \"a\"}\n{\"run\": \"b\"}"),
            "line 2: unknown key `run`; known are `exec`, `write`, `read`, `search`, `fetch`, `say`, `validate`, `submit`, `give_up` or `sleep_ms`"
        );
        assert_eq!(problem("{\"exec\": 5}"), "line 1: `exec` must be a text, not 5");
        assert_eq!(
            problem("{\"exec\": \"a\", \"timeout_s\": 0}"),
            "line 1: `timeout_s` must be a number of seconds above 0, not 0"
        );
        assert_eq!(
            problem("{\"read\": {\"path\": \"a\", \"offset\": 1}}"),
            "line 1: unknown key `read.offset`"
        );
        assert_eq!(
            problem("{\"search\": {\"query\": \"a\", \"results\": 11}}"),
            "line 1: `search.results` must be a number from 1 to 10, not 11"
        );
        assert_eq!(problem("{\"fetch\": {\"page\": 1}}"), "line 1: `fetch.url` is missing");
        assert_eq!(problem("{\"submit\": {\"now\": 1}}"), "line 1: unknown key `submit.now`");
        assert_eq!(
            problem("{\"write\": {\"path\": \"a\"}}"),
            "line 1: `write` needs exactly one of `content` and `content_base64`"
        );
        assert_eq!(
            problem("[1]"),
            "line 1: not a JSON object; write one of `exec`, `write`, `read`, `search`, `fetch`, `say`, `validate`, `submit`, `give_up` or `sleep_ms`"
        );
        assert!(problem("{\"exec\": \"a\"").starts_with("line 1: not JSON"));
        assert!(problem("{}").starts_with("line 1: needs exactly one key"));
        assert_eq!(parse(b"{\"say\": \"\xff\"}").expect_err("not UTF-8").to_string(), "line 1: not UTF-8");
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn what_is_written_is_read_back(command in "[^\0]{0,40}", path in ".{1,20}", mode in proptest::option::of(0u32..=0o777), results in 1u32..=10) {
            let steps = vec![
                ScriptStep::Act(Action::Exec { command: Body::Text(command.clone()), timeout_s: Some(2.5) }),
                ScriptStep::Act(Action::Write { path: path.clone(), content: Body::Text(command), mode }),
                ScriptStep::Act(Action::Search { query: path.clone(), results }),
                ScriptStep::Act(Action::Fetch { url: path }),
                ScriptStep::Sleep(Duration::from_millis(7)),
            ];
            prop_assert_eq!(parse(format(&steps).as_bytes()), Ok(steps));
        }
    }
}
