//! Events in Inspect's form: what happened in a sample, in order.
//!
//! Every event must have a time and a working time. Where ours are not known they are those of the event before.

use serde_json::{Value, json};

use researchgym_core::import::inspect::OURS;
use researchgym_core::import::time::Moment;
use researchgym_core::model::Stop;
use researchgym_core::record::AttemptRecord;
use researchgym_core::score::Primary;

use super::messages;
use super::sample::usage;
use crate::dialogue::{Entry, Said, Words};
use crate::story::{Call, Story};

/// The messages and events of a sample.
pub(super) struct Transcript<'s> {
    story: &'s Story,
    pub(super) messages: Vec<Value>,
    pub(super) events: Vec<Value>,
    /// The output of the last turn.
    pub(super) output: Option<Value>,
    time: String,
    working_s: f64,
}

const AGENT: &str = "agent";
const SCORERS: &str = "scorers";

impl<'s> Transcript<'s> {
    /// Of a story; `time` stands where nothing better is known.
    pub(super) fn of(story: &'s Story, entries: Vec<Entry<'s>>, time: &str) -> Transcript<'s> {
        let time = story.record.started_at.clone().unwrap_or_else(|| time.to_owned());
        let (messages, events) = (Vec::new(), Vec::new());
        let mut transcript = Transcript { story, messages, events, output: None, time, working_s: 0.0 };
        transcript.push(json!({
            "event": "span_begin", "id": AGENT, "type": "agent", "name": story.record.agent,
        }));
        for entry in entries {
            match entry {
                Entry::System(text) => transcript.message(|number| messages::system(number, text)),
                Entry::User(told) => transcript.message(|number| messages::user(number, &told)),
                Entry::Agent(said) => transcript.turn(&said),
                Entry::Lost(call) => {
                    let event = transcript.model_event(call, &json!([]));
                    transcript.push_at(call.time.as_deref(), event);
                }
                Entry::Attempt(attempt) if Some(attempt.number) == story.record.submission => {}
                Entry::Attempt(attempt) => transcript.scored(attempt, true),
            }
        }
        transcript.push(json!({ "event": "span_end", "id": AGENT }));
        transcript
    }

    /// Adds the limit that ended it, the scores that count, and the error.
    pub(super) fn end(&mut self, limit: Option<Value>, error: Option<&Value>) {
        if let Some(mut limit) = limit {
            limit["event"] = json!("sample_limit");
            self.push(limit);
        }
        let submission = self.story.record.submission;
        let counts = self.story.record.attempts.iter().find(|attempt| Some(attempt.number) == submission);
        if let Some(attempt) = counts {
            self.push(json!({ "event": "span_begin", "id": SCORERS, "type": "scorers", "name": "scorers" }));
            self.scored(attempt, false);
            self.push(json!({ "event": "span_end", "id": SCORERS }));
        }
        if let Some(error) = error {
            self.push(json!({ "event": "error", "error": error }));
        }
    }

    fn message(&mut self, make: impl FnOnce(usize) -> Value) {
        self.messages.push(make(self.messages.len() + 1));
    }

    fn turn(&mut self, said: &Said<'_>) {
        let message = messages::assistant(self.messages.len() + 1, said);
        if let Some(call) = said.asked {
            let choice = json!([{ "message": message, "stop_reason": stop(call.stop.as_ref()) }]);
            let event = self.model_event(call, &choice);
            self.output = Some(event["output"].clone());
            self.push_at(call.time.as_deref(), event);
        } else {
            let model = said.model.unwrap_or_default();
            self.output = Some(
                json!({ "model": model, "choices": [{ "message": message, "stop_reason": "unknown" }] }),
            );
            if said.deeds.is_empty() {
                let words: Vec<&str> = said.words.iter().filter_map(text).collect();
                self.push(json!({ "event": "info", "source": OURS, "data": words.join("\n") }));
            }
        }
        self.messages.push(message);
        for deed in &said.deeds {
            let result = messages::tool(self.messages.len() + 1, deed);
            let mut event = json!({
                "event": "tool", "type": "function", "id": deed.id, "function": deed.function,
                "arguments": deed.arguments, "result": messages::result(deed), "events": [],
                "message_id": result["id"],
            });
            if let Some(error) = messages::error(deed) {
                event["error"] = error;
            }
            if let Some(step) = deed.step {
                event["metadata"] = json!({
                    OURS: { "step": step.number, "category": step.category, "exit_code": step.exit_code,
                            "dropped_bytes": step.dropped_bytes },
                });
                if let Some(took) = step.took_ms {
                    event["working_time"] = json!(took as f64 / 1000.0);
                    let start = step.time.as_deref().and_then(Moment::read);
                    if let Some(start) = start {
                        event["completed"] = json!(start.later(took).to_string());
                    }
                }
            }
            self.push_at(deed.step.and_then(|step| step.time.as_deref()), event);
            self.messages.push(result);
        }
    }

    /// A call of a model. What it was asked are the first messages, which stand in the sample's pool once.
    fn model_event(&self, call: &Call, choices: &Value) -> Value {
        let mut output = json!({ "model": call.model, "choices": choices });
        if let Some(used) = call.usage {
            output["usage"] = usage(&used, call.cost);
        }
        if let Some(took) = call.took_ms {
            output["time"] = json!(took as f64 / 1000.0);
        }
        let tools: Vec<Value> = self
            .story
            .tools
            .iter()
            .map(|tool| {
                let mut parameters = tool.parameters.clone();
                // Inspect asks for these two.
                if let Some(object) = parameters.as_object_mut() {
                    object.entry("type").or_insert(json!("object"));
                    object.entry("properties").or_insert(json!({}));
                }
                json!({ "name": tool.name, "description": tool.description, "parameters": parameters })
            })
            .collect();
        let mut event = json!({
            "event": "model", "model": call.model, "input": [], "input_refs": [[0, self.messages.len()]],
            "tools": tools, "tool_choice": "auto", "config": {}, "output": output,
        });
        if let Some(failure) = &call.failure {
            event["error"] = json!(failure);
        }
        if let Some(took) = call.took_ms {
            event["working_time"] = json!(took as f64 / 1000.0);
            if let Some(start) = call.time.as_deref().and_then(Moment::read) {
                event["completed"] = json!(start.later(took).to_string());
            }
        }
        event
    }

    /// An event for each metric. A null is the value of what could not be scored: Inspect reads it so in events.
    fn scored(&mut self, attempt: &AttemptRecord, is_intermediate: bool) {
        if let Some(after) = attempt.after_ms {
            self.working_s = self.working_s.max(after as f64 / 1000.0);
        }
        let about = about(attempt);
        let mut told: Vec<(&str, Value)> = Vec::new();
        for (name, value) in &attempt.metrics {
            told.push((name, json!({ "value": value, "metadata": about })));
        }
        if told.is_empty() {
            let name = name_of(self.story.record.task.primary.as_ref());
            told.push((name, json!({ "value": null, "explanation": attempt.invalid, "metadata": about })));
        }
        for (scorer, score) in told {
            let mut event = json!({
                "event": "score", "scorer": scorer, "score": score, "intermediate": is_intermediate,
            });
            if !is_intermediate {
                event["span_id"] = json!(SCORERS);
            }
            self.push(event);
        }
    }

    fn push_at(&mut self, time: Option<&str>, event: Value) {
        if let Some(time) = time {
            time.clone_into(&mut self.time);
        }
        self.push(event);
    }

    fn push(&mut self, mut event: Value) {
        let is_scoring = event["event"] == "score" && event["intermediate"] != true;
        event["uuid"] = json!(format!("{}-{}", self.story.record.run_id, self.events.len() + 1));
        event["timestamp"] = json!(self.time);
        event["working_start"] = json!(self.working_s);
        if !is_scoring && event["span_id"].is_null() {
            let span = if event["id"] == SCORERS { SCORERS } else { AGENT };
            event["span_id"] = json!(span);
        }
        self.events.push(event);
    }
}

/// What a score says of its attempt.
pub(super) fn about(attempt: &AttemptRecord) -> Value {
    json!({
        "attempt": attempt.number, "kind": attempt.kind, "split": attempt.split, "artefact": attempt.artefact,
        "after_steps": attempt.after_steps,
        "after_cost_usd": attempt.after_cost.map(|cost| cost.as_usd()),
    })
}

/// The name of a score that has no metric.
pub(super) fn name_of(primary: Option<&Primary>) -> &str {
    primary.map_or("score", |primary| primary.name.as_str())
}

fn text<'w>(words: &Words<'w>) -> Option<&'w str> {
    match words {
        Words::Text(text) | Words::Thinking(text) | Words::Refusal(text) => Some(text),
        Words::Other(_) => None,
    }
}

fn stop(stop: Option<&Stop>) -> &'static str {
    match stop {
        Some(Stop::EndTurn | Stop::StopSequence) => "stop",
        Some(Stop::ToolCalls) => "tool_calls",
        Some(Stop::MaxTokens) => "max_tokens",
        Some(Stop::ContextLength) => "model_length",
        Some(Stop::Refusal) => "content_filter",
        Some(Stop::Pause | Stop::Other(_)) | None => "unknown",
    }
}
