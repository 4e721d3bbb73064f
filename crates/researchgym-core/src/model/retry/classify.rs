//! Reads an answer that is no success.

use std::time::Duration;

use serde_json::Value;

use super::date::http_date;
use super::{MAX_MESSAGE_CHARACTERS, ProviderFailure, words};

/// How deep an error may stand inside another one's words; gateways wrap what they are told.
const MAX_WRAPPED: usize = 4;

/// What an error says, whatever its form.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) message: String,
    /// Types, codes and states in small letters.
    pub(super) codes: Vec<String>,
    /// Gemini's names of the limits that were met, in small letters.
    pub(super) quotas: Vec<String>,
    pub(super) retry_delay: Option<Duration>,
}

/// What an answer with a status other than 2xx means. `header` gives a header by its name in small letters; `now_unix_s`
/// is the time in seconds since 1970.
pub fn classify(
    status: u16,
    header: impl Fn(&str) -> Option<String>,
    body: &str,
    now_unix_s: u64,
) -> ProviderFailure {
    let report = Report::read(body);
    let kind = words::kind(status, &report);
    let retryable = match header("x-should-retry").as_deref().map(str::trim) {
        Some("true") => true,
        Some("false") => false,
        Some(_) | None => kind.is_passing(),
    };
    let message = match report.message.as_str() {
        "" => format!("status {status} without a message"),
        message => bounded(message),
    };
    let retry_after = retry_after(header, now_unix_s).or(report.retry_delay).filter(|wait| !wait.is_zero());
    ProviderFailure { kind, status: Some(status), message, retryable, retry_after }
}

/// The text without space around it, cut if it is too long.
pub(super) fn bounded(text: &str) -> String {
    let text = text.trim();
    if text.chars().nth(MAX_MESSAGE_CHARACTERS).is_none() {
        return text.to_owned();
    }
    text.chars().take(MAX_MESSAGE_CHARACTERS - 1).chain(['…']).collect()
}

fn retry_after(header: impl Fn(&str) -> Option<String>, now_unix_s: u64) -> Option<Duration> {
    if let Some(milliseconds) = header("retry-after-ms").and_then(|text| text.trim().parse::<f64>().ok()) {
        return Duration::try_from_secs_f64(milliseconds / 1000.0).ok();
    }
    let text = header("retry-after")?;
    match text.trim().parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).ok(),
        Err(_) => http_date(text.trim()).map(|date| Duration::from_secs(date.saturating_sub(now_unix_s))),
    }
}

impl Report {
    pub(super) fn read(body: &str) -> Report {
        let mut report = Report::default();
        match serde_json::from_str(body) {
            Ok(value) => report.value(&value, MAX_WRAPPED),
            Err(_) => {
                report.message =
                    page_title(body).unwrap_or(body).split_whitespace().collect::<Vec<_>>().join(" ")
            }
        }
        report
    }

    fn value(&mut self, value: &Value, depth: usize) {
        match value {
            Value::Array(values) => {
                if let Some(first) = values.first() {
                    self.value(first, depth);
                }
            }
            Value::String(text) => self.words(text, depth),
            Value::Object(object) => {
                match object.get("error").or_else(|| object.get("errors")) {
                    Some(error) if depth > 0 => self.value(error, depth - 1),
                    Some(_) | None => {
                        let words = ["message", "detail", "msg"].iter().find_map(|key| object.get(*key));
                        words.iter().for_each(|words| self.value_of_words(words, depth));
                    }
                }
                for key in ["type", "code", "status", "reason"] {
                    match object.get(key) {
                        Some(Value::String(code)) => self.codes.push(code.to_lowercase()),
                        Some(Value::Number(code)) => self.codes.push(code.to_string()),
                        Some(_) | None => {}
                    }
                }
                if let Some(details) = object.get("details").and_then(Value::as_array) {
                    details.iter().for_each(|detail| self.detail(detail));
                }
                // OpenRouter tells what the provider behind it said.
                if let Some(raw) = object.get("metadata").and_then(|metadata| metadata.get("raw")) {
                    self.value_of_words(raw, depth);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn value_of_words(&mut self, value: &Value, depth: usize) {
        match value {
            Value::String(text) => self.words(text, depth),
            Value::Array(_) | Value::Object(_) if depth > 0 => self.value(value, depth - 1),
            other => self.message = other.to_string(),
        }
    }

    /// A message, or an error that was put into one.
    fn words(&mut self, text: &str, depth: usize) {
        match serde_json::from_str::<Value>(text) {
            Ok(inner @ (Value::Object(_) | Value::Array(_))) if depth > 0 => {
                self.value(&inner, depth - 1);
                if self.message.is_empty() {
                    self.message = text.to_owned();
                }
            }
            Ok(_) | Err(_) => self.message = text.to_owned(),
        }
    }

    /// Gemini's details: how long to wait, which limits were met, and why.
    fn detail(&mut self, detail: &Value) {
        let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_lowercase);
        if let Some(delay) = text(detail, "retryDelay") {
            let seconds = delay.strip_suffix('s').and_then(|seconds| seconds.parse::<f64>().ok());
            self.retry_delay = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        }
        let violations = detail.get("violations").and_then(Value::as_array).into_iter().flatten();
        self.quotas.extend(violations.filter_map(|violation| text(violation, "quotaId")));
        self.codes.extend(text(detail, "reason"));
    }
}

/// The title, if the text is a web page of some machine in between.
fn page_title(body: &str) -> Option<&str> {
    if !body.trim_start().starts_with('<') {
        return None;
    }
    let (_, rest) = body.split_once("<title>")?;
    rest.split_once("</title>").map(|(title, _)| title)
}
