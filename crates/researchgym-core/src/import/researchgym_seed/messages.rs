//! `transcript.json` of `rg-agent`: messages as Inspect dumps them, and the stream of times and tokens beside it.
//!
//! After a hand-off the older messages are gone from the file. Only Inspect's own log keeps them: it can be imported by itself.

use std::collections::HashMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::costs::Models;
use super::{Reader, milliseconds, push_call, push_words};
use crate::import::steps::Call;
use crate::import::time::Moment;
use crate::record::ModelUse;

#[derive(Debug, Deserialize)]
struct Message {
    role: String,
    #[serde(default)]
    content: Content,
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    tool_calls: Option<Vec<ToolCall>>,
    #[serde(default)]
    tool_call_id: Option<String>,
    #[serde(default)]
    error: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct ToolCall {
    #[serde(default)]
    id: Option<String>,
    function: String,
    #[serde(default)]
    arguments: Value,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<Part>),
    Other(IgnoredAny),
}

impl Default for Content {
    fn default() -> Content {
        Content::Text(String::new())
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Part {
    text: Option<String>,
    reasoning: Option<String>,
    summary: Option<String>,
}

impl Content {
    fn words(&self) -> String {
        match self {
            Content::Text(text) => text.trim().to_owned(),
            Content::Parts(parts) => {
                let words = parts.iter().filter_map(|part| {
                    let thought =
                        part.reasoning.as_ref().filter(|text| !text.is_empty()).or(part.summary.as_ref());
                    part.text.as_ref().or(thought).map(|text| text.trim())
                });
                words.filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n\n")
            }
            Content::Other(_) => String::new(),
        }
    }
}

/// A line of `metadata_stream.jsonl`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Streamed {
    run_started_at: Option<Value>,
    elapsed_seconds: Option<f64>,
    status: Option<String>,
    model_usage: Option<Models>,
}

impl Reader<'_> {
    /// Takes the messages as steps, and gives how the run ended if the stream or a call tells.
    pub(super) fn messages(&mut self) -> Option<String> {
        let messages: Vec<Message> = self.json("transcript.json").unwrap_or_default();
        let outcomes: HashMap<&str, &Message> = messages
            .iter()
            .filter(|message| message.role == "tool")
            .filter_map(|message| Some((message.tool_call_id.as_deref()?, message)))
            .collect();
        let mut has_ended = false;
        let mut calls: u64 = 0;
        for message in messages.iter().filter(|message| message.role == "assistant") {
            calls += 1;
            let words = message.content.words();
            if let Some(model) = &message.model {
                self.run.record.model.get_or_insert_with(|| model.clone());
            }
            let Some(tool_calls) = message.tool_calls.as_deref().filter(|calls| !calls.is_empty()) else {
                push_words(&mut self.run, &words, None, message.model.clone());
                continue;
            };
            for (index, call) in tool_calls.iter().enumerate() {
                let outcome = call.id.as_deref().and_then(|id| outcomes.get(id));
                has_ended |= call.function == "end_task";
                push_call(
                    &mut self.run,
                    Call {
                        function: call.function.clone(),
                        arguments: call.arguments.clone(),
                        thought: (index == 0 && !words.is_empty()).then(|| words.clone()),
                        observation: outcome.map(|outcome| outcome.content.words()).unwrap_or_default(),
                        is_refused: outcome.is_some_and(|outcome| outcome.error.is_some()),
                        model: message.model.clone(),
                        ..Call::default()
                    },
                );
            }
        }
        let mut last = Streamed::default();
        self.lines("logs/metadata_stream.jsonl", |_, line: Streamed| {
            last = Streamed {
                run_started_at: line.run_started_at.or(last.run_started_at.take()),
                elapsed_seconds: line.elapsed_seconds.or(last.elapsed_seconds),
                status: line.status.or(last.status.take()),
                model_usage: line.model_usage.or(last.model_usage.take()),
            };
        });
        let started = match &last.run_started_at {
            Some(Value::String(text)) => Moment::read(text),
            Some(Value::Number(seconds)) => seconds.as_f64().and_then(Moment::of_unix),
            _ => None,
        };
        if let Some(started) = started {
            self.begun(started);
        }
        self.run.record.usage.working_ms = milliseconds(last.elapsed_seconds, 1000.0);
        let models = last.model_usage.unwrap_or_default();
        // The number of calls is known if one model answered all.
        let calls = if models.len() == 1 { calls } else { 0 };
        for (model, usage) in models {
            self.run.record.model.get_or_insert_with(|| model.clone());
            self.run.record.usage.models.insert(model, ModelUse { calls, usage: usage.usage() });
        }
        if has_ended { Some("end_task".to_owned()) } else { last.status.filter(|status| status != "running") }
    }
}
