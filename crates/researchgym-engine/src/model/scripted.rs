//! The model `scripted/FILE`: answers from a file of JSON lines, in order, without a network.
//!
//! It is for tests and demonstrations of everything around a model: loops, budgets, tools, gateways. It holds every
//! request to the invariants of `model/invariants.rs` and to what the script expects of it. It does not look at what it
//! is asked to choose an answer: the position in the script is the caller's.

mod embedding;
mod format;

use std::time::Duration;

use researchgym_core::model::redact::Redactor;
use researchgym_core::model::retry::ProviderFailure;
use researchgym_core::model::{FailureKind, ModelFacts, Part, Reply, Request, Stop, Target, Turn, Usage};
use serde_json::Value;

pub use self::embedding::SaidVectors;
pub use self::format::ScriptError;
use self::format::{Expectation, Header, Line};
use super::invariants;

/// Characters that count as one token where a script states no usage.
const CHARACTERS_PER_TOKEN: u64 = 4;

/// A script, checked whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Script {
    text: String,
    header: Header,
    lines: Vec<Line>,
}

/// What the model does at one position of its script.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    /// The answer or the failure.
    pub result: Result<Reply, ProviderFailure>,
    /// How long it takes to come.
    pub delay: Duration,
}

/// Waits as long as an answer takes to come. The shortest wait of a timer is a millisecond, and most take none.
pub(crate) async fn pause(delay: Duration) {
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
}

/// A request that the script does not answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is not what every request must be.
    #[error("the request breaks an invariant: {0}")]
    Invariant(String),
    /// It is not what the script expects.
    #[error("line {line} of the script: {unmet}")]
    Unexpected {
        /// The line that expects it, counted from 1.
        line: usize,
        /// What is not as expected.
        unmet: String,
    },
    /// All answers have been given.
    #[error(
        "the script is asked for more than its answers ({0}); add lines to it, or `\"repeat_last\": true` to its first one"
    )]
    AtEnd(u64),
}

impl Script {
    /// Reads a script. Empty lines are passed over.
    ///
    /// # Errors
    /// The first line that is not what it must be.
    pub fn parse(text: &str) -> Result<Script, ScriptError> {
        let (header, lines) = format::parse(text)?;
        Ok(Script { text: text.to_owned(), header, lines })
    }

    /// The text that was parsed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What the script says that the model costs and holds; free if it says nothing.
    pub fn facts(&self) -> ModelFacts {
        self.header.facts
    }

    /// How many answers and failures there are.
    pub fn positions(&self) -> u64 {
        self.lines.len() as u64
    }

    /// Answers a request. `position` is how often this model has answered or failed before, in this run; a request that
    /// was refused does not count.
    ///
    /// # Errors
    /// The request breaks an invariant or is not what the script expects, or the script is at its end.
    pub fn ask(
        &self,
        request: &Request,
        target: &Target,
        position: u64,
        secrets: &Redactor,
    ) -> Result<Said, Refused> {
        if self.makes_embeddings() {
            return Err(Refused::Invariant(
                "the script makes embeddings and answers no questions".to_owned(),
            ));
        }
        if let Some(broken) = invariants::broken(request, secrets) {
            return Err(Refused::Invariant(broken));
        }
        let line = self.line(position).ok_or(Refused::AtEnd(self.positions()))?;
        let unmet = line.expect.as_ref().and_then(|expect| expect.unmet(&invariants::texts(request)));
        if let Some(unmet) = unmet {
            return Err(Refused::Unexpected { line: line.number, unmet });
        }
        Ok(self.say(line, request, target, position))
    }

    fn say(&self, line: &Line, request: &Request, target: &Target, position: u64) -> Said {
        let delay = Duration::from_millis(line.delay_ms);
        if let Some(error) = &line.error {
            return Said { result: Err(error.failure()), delay };
        }
        let usage = line.usage.unwrap_or_else(|| line.computed_usage(&invariants::texts(request)));
        if let Some(window) = self.header.facts.context_window.filter(|window| usage.input > *window) {
            let message =
                format!("a prompt of {} tokens does not fit into a window of {window}", usage.input);
            let failure = ProviderFailure::new(FailureKind::ContextLength, message);
            return Said { result: Err(ProviderFailure { status: Some(400), ..failure }), delay };
        }
        let caps = [request.settings.max_output_tokens, self.header.facts.max_output];
        let cap = caps.into_iter().flatten().min();
        let reply = match cap.filter(|cap| usage.output > *cap) {
            Some(cap) => line.cut_reply(usage, cap, target, position),
            None => line.reply(usage, target, position),
        };
        Said { result: Ok(reply), delay }
    }

    fn line(&self, position: u64) -> Option<&Line> {
        let asked = usize::try_from(position).unwrap_or(usize::MAX);
        let last = self.lines.last().filter(|_| self.header.repeat_last);
        self.lines.get(asked).or(last)
    }
}

impl Line {
    fn parts(&self, position: u64) -> Vec<Part> {
        let thinking = self.thinking.iter().map(|text| Part::Thinking { text: text.clone() });
        let text = self.text.iter().map(|text| Part::Text { text: text.clone() });
        let calls = self.calls.iter().enumerate().map(|(index, call)| Part::Call {
            id: format!("call_{}_{}", position + 1, index + 1),
            name: call.name.clone(),
            arguments: match &call.arguments {
                Value::String(text) => text.clone(),
                object => object.to_string(),
            },
        });
        thinking.chain(text).chain(calls).collect()
    }

    fn computed_usage(&self, request_texts: &str) -> Usage {
        let reasoning = tokens(self.thinking.as_deref().unwrap_or_default());
        let calls: u64 = self
            .parts(0)
            .iter()
            .map(|part| match part {
                Part::Call { name, arguments, .. } => tokens(name) + tokens(arguments),
                Part::Text { .. } | Part::Thinking { .. } | Part::Refusal { .. } | Part::Other { .. } => 0,
            })
            .sum();
        let output = reasoning + tokens(self.text.as_deref().unwrap_or_default()) + calls;
        Usage { input: tokens(request_texts), output, reasoning, ..Usage::default() }
    }

    fn reply(&self, usage: Usage, target: &Target, position: u64) -> Reply {
        let natural = if self.calls.is_empty() { Stop::EndTurn } else { Stop::ToolCalls };
        Reply {
            turn: Turn { parts: self.parts(position), raw: None },
            stop: self.stop.clone().unwrap_or(natural),
            usage: Some(usage),
            id: Some(format!("scripted_{}", position + 1)),
            model: Some(target.model.clone()),
            tokens: None,
        }
    }

    /// As a provider cuts an answer: the calls are lost, the text ends in its midst.
    fn cut_reply(&self, usage: Usage, cap: u64, target: &Target, position: u64) -> Reply {
        let mut left = usize::try_from(cap.saturating_mul(CHARACTERS_PER_TOKEN)).unwrap_or(usize::MAX);
        let mut keep = |text: &Option<String>| {
            let kept: String = text.as_ref()?.chars().take(left).collect();
            left -= kept.chars().count();
            (!kept.is_empty()).then_some(kept)
        };
        let (thinking, text) = (keep(&self.thinking), keep(&self.text));
        let cut = Line { thinking, text, calls: Vec::new(), stop: Some(Stop::MaxTokens), ..self.clone() };
        let usage = Usage { output: cap, reasoning: usage.reasoning.min(cap), ..usage };
        cut.reply(usage, target, position)
    }
}

impl Expectation {
    fn unmet(&self, texts: &str) -> Option<String> {
        let missing = self.contains.iter().find(|wanted| !texts.contains(wanted.as_str()));
        let present = self.not_contains.iter().find(|unwanted| texts.contains(unwanted.as_str()));
        missing.map(|wanted| format!("the request was expected to contain {wanted:?}")).or_else(|| {
            present.map(|unwanted| format!("the request was expected not to contain {unwanted:?}"))
        })
    }
}

fn tokens(text: &str) -> u64 {
    (text.chars().count() as u64).div_ceil(CHARACTERS_PER_TOKEN)
}

#[cfg(test)]
mod tests;
