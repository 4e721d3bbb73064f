//! What an agent did in a sample: from its events if there are any, else from its messages.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::super::json::{milliseconds, text};
use super::super::steps::{Call, push_call, push_words};
use super::super::time::{Moment, normal};
use super::OURS;
use super::scores::Scores;
use super::scoring::Scoring;
use crate::record::{AttemptRecord, Foreign};
use crate::score::AttemptKind;

/// Events that tell nothing which a record would hold: frames around others, and copies of what stands elsewhere.
const FRAMES: [&str; 9] = [
    "span_begin",
    "span_end",
    "sample_init",
    "sample_limit",
    "step",
    "state",
    "store",
    "error",
    "checkpoint",
];

/// A sample that is being read into a run.
pub(super) struct Reading<'v> {
    run: &'v mut Foreign,
    attachments: &'v Value,
    /// What tools answered, by call.
    answers: BTreeMap<&'v str, &'v Value>,
    /// Calls that have events of their own, and become steps there.
    evented: BTreeSet<&'v str>,
    /// What was said before such calls, and by which model.
    said: BTreeMap<&'v str, (Option<String>, Option<String>)>,
    /// Scores told since the last step, by scorer, and the working time of the first.
    told: Vec<(&'v str, &'v Value)>,
    told_ms: Option<u64>,
}

impl<'v> Reading<'v> {
    pub(super) fn new(run: &'v mut Foreign, sample: &'v Value) -> Reading<'v> {
        let answers = list(&sample["messages"]).iter().filter(|message| message["role"] == "tool");
        let evented = list(&sample["events"]).iter().filter(|event| event["event"] == "tool");
        Reading {
            run,
            attachments: &sample["attachments"],
            said: said(sample),
            answers: answers.filter_map(|message| Some((text(message, "tool_call_id")?, message))).collect(),
            evented: evented.filter_map(|event| text(event, "id")).collect(),
            told: Vec::new(),
            told_ms: None,
        }
    }

    /// Reads events: steps, attempts on the way, calls by model.
    pub(super) fn events(mut self, events: &'v [Value]) {
        let mut scoring = Scoring::default();
        let mut others = BTreeSet::new();
        for event in events.iter().filter(|event| event["pending"] != true) {
            let kind = text(event, "event").unwrap_or_default();
            scoring.see(kind, event);
            let is_scoring = scoring.is_on(event);
            match kind {
                "score" if event["intermediate"] == true => self.scored(event),
                "score" => {}
                "model" => {
                    if let Some(model) = text(event, "model") {
                        self.called(model);
                    }
                    if !is_scoring {
                        self.attempt();
                        self.answered(event, &event["output"]["choices"][0]["message"]);
                    }
                }
                "tool" if is_scoring => {}
                "tool" => {
                    self.attempt();
                    self.used(event);
                }
                "info" if event["source"] == OURS => {
                    self.attempt();
                    let words = content(&event["data"], self.attachments);
                    push_words(self.run, &words, text(event, "timestamp").and_then(normal), None);
                }
                _ if FRAMES.contains(&kind) => {}
                _ => {
                    others.insert(kind);
                }
            }
        }
        self.attempt();
        if !others.is_empty() {
            let others: Vec<&str> = others.into_iter().collect();
            self.run
                .record
                .left_out
                .push(format!("events of other kinds were left out: {}", others.join(", ")));
        }
    }

    /// Reads messages, where there are no events.
    pub(super) fn messages(mut self, messages: &'v [Value]) {
        for message in messages.iter().filter(|message| message["role"] == "assistant") {
            if let Some(model) = text(message, "model") {
                self.called(model);
            }
            self.answered(&Value::Null, message);
        }
    }

    fn called(&mut self, model: &str) {
        self.run.record.usage.models.entry(model.to_owned()).or_default().calls += 1;
    }

    /// One answer of a model: words, or calls.
    fn answered(&mut self, event: &'v Value, message: &'v Value) {
        let words = content(&message["content"], self.attachments);
        let mut thought = Some(words).filter(|words| !words.trim().is_empty());
        let model = text(event, "model").or_else(|| text(message, "model")).map(str::to_owned);
        let time = text(event, "timestamp").and_then(normal);
        let calls = list(&message["tool_calls"]);
        if calls.is_empty()
            && let Some(words) = &thought
        {
            push_words(self.run, words, time.clone(), model.clone());
        }
        for call in calls {
            let id = text(call, "id").unwrap_or_default();
            if self.evented.contains(id) {
                self.said.insert(id, (thought.take(), model.clone()));
                continue;
            }
            let answer = self.answers.get(id).copied().unwrap_or(&Value::Null);
            let error = text(&answer["error"], "message");
            let call = Call {
                function: text(call, "function").unwrap_or_default().to_owned(),
                arguments: resolved(&call["arguments"], self.attachments),
                thought: thought.take(),
                observation: joined(content(&answer["content"], self.attachments), error),
                is_refused: error.is_some(),
                took_ms: None,
                time: time.clone(),
                model: model.clone(),
            };
            push_call(self.run, call);
        }
    }

    /// A tool was used.
    fn used(&mut self, event: &'v Value) {
        let (thought, model) = text(event, "id").and_then(|id| self.said.remove(id)).unwrap_or_default();
        let (time, completed) = (text(event, "timestamp"), text(event, "completed"));
        let passed = || Moment::read(completed?)?.since(Moment::read(time?)?);
        let error = text(&event["error"], "message");
        let call = Call {
            function: text(event, "function").unwrap_or_default().to_owned(),
            arguments: resolved(&event["arguments"], self.attachments),
            thought,
            observation: joined(content(&event["result"], self.attachments), error),
            is_refused: event["error"].is_object() || event["failed"] == true,
            took_ms: milliseconds(&event["working_time"]).or_else(passed),
            time: time.and_then(normal),
            model,
        };
        push_call(self.run, call);
    }

    /// A score on the way. Scores without a step between them are one attempt, unless a scorer scores again.
    fn scored(&mut self, event: &'v Value) {
        let scorer = text(event, "scorer").unwrap_or("score");
        if self.told.iter().any(|(other, _)| *other == scorer) {
            self.attempt();
        }
        if self.told.is_empty() {
            self.told_ms = milliseconds(&event["working_start"]);
        }
        self.told.push((scorer, &event["score"]));
    }

    fn attempt(&mut self) {
        if self.told.is_empty() {
            return;
        }
        let scores = Scores::read(&self.told);
        self.told.clear();
        let after_steps = Some(self.run.steps.len() as u64);
        let attempts = &mut self.run.record.attempts;
        let kind = AttemptKind::Validate;
        attempts.push(attempt(attempts.len() as u64 + 1, kind, scores, after_steps, self.told_ms.take()));
    }
}

/// What messages say before calls: events of models tell it better, where there are any.
fn said(sample: &Value) -> BTreeMap<&str, (Option<String>, Option<String>)> {
    let mut said = BTreeMap::new();
    for message in list(&sample["messages"]).iter().filter(|message| message["role"] == "assistant") {
        let words = content(&message["content"], &sample["attachments"]);
        let mut thought = Some(words).filter(|words| !words.trim().is_empty());
        let model = text(message, "model").map(str::to_owned);
        for id in list(&message["tool_calls"]).iter().filter_map(|call| text(call, "id")) {
            said.insert(id, (thought.take(), model.clone()));
        }
    }
    said
}

/// An attempt with these scores.
pub(super) fn attempt(
    number: u64,
    kind: AttemptKind,
    scores: Scores,
    after_steps: Option<u64>,
    after_ms: Option<u64>,
) -> AttemptRecord {
    let unscored = || scores.explanation.unwrap_or_else(|| "no score of it is a number".to_owned());
    let invalid = scores.metrics.is_empty().then(unscored);
    AttemptRecord {
        number,
        kind: Some(kind),
        split: None,
        metrics: scores.metrics,
        invalid,
        after_steps,
        after_ms,
        after_cost: None,
        artefact: None,
    }
}

pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn joined(result: String, error: Option<&str>) -> String {
    match error {
        Some(error) if result.is_empty() => error.to_owned(),
        Some(error) => format!("{result}\n{error}"),
        None => result,
    }
}

/// The text of a content: a text, or parts of which texts and thoughts are taken, and others named.
fn content(value: &Value, attachments: &Value) -> String {
    match value {
        Value::String(text) => attached(text, attachments).to_owned(),
        Value::Array(parts) => {
            let texts = parts.iter().filter_map(|part| match part["type"].as_str() {
                Some("text") => Some(attached(text(part, "text")?, attachments).to_owned()),
                Some("reasoning") if part["redacted"] == true => text(part, "summary").map(str::to_owned),
                Some("reasoning") => {
                    let thought = text(part, "reasoning").or_else(|| text(part, "summary"))?;
                    Some(attached(thought, attachments).to_owned())
                }
                Some(other) => Some(format!("[{other}]")),
                None => part.as_str().map(str::to_owned),
            });
            texts.collect::<Vec<_>>().join("\n")
        }
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// A text, or the attachment that it names.
fn attached<'v>(text: &'v str, attachments: &'v Value) -> &'v str {
    let key = text.strip_prefix("attachment://");
    key.and_then(|key| attachments.get(key)?.as_str()).unwrap_or(text)
}

/// Arguments with attachments in place of their names.
fn resolved(value: &Value, attachments: &Value) -> Value {
    match value {
        Value::String(text) => Value::from(attached(text, attachments)),
        Value::Array(items) => items.iter().map(|item| resolved(item, attachments)).collect(),
        Value::Object(object) => {
            object.iter().map(|(key, value)| (key.clone(), resolved(value, attachments))).collect()
        }
        other => other.clone(),
    }
}
