//! A whole answer of Gemini.

use serde_json::{Map, Value, json};

use super::super::calls::{arguments_of, settle_ids};
use super::super::fields::{are_counts, array, array_or_empty, count, malformed, object, text};
use super::super::{Target, Wire, WireError};
use crate::model::{Part, Raw, Reply, Stop, Tokens, Turn, Usage};

/// Reads a whole answer.
///
/// # Errors
/// The body is an error, or not an answer of this wire.
pub fn decode(body: &Value, target: &Target) -> Result<Reply, WireError> {
    let mut answer = Answer::default();
    let mut parts = Vec::new();
    answer.note(body, |new| parts.extend_from_slice(new))?;
    if !answer.has_candidate && answer.block_reason.is_none() {
        return malformed("`candidates` is missing or empty");
    }
    answer.reply(parts, target)
}

/// Finds the usage in a whole answer or in one chunk of a stream, where it is the usage so far.
pub fn usage_of(value: &Value) -> Option<Usage> {
    value.get("usageMetadata")?.as_object().and_then(usage)
}

/// Everything of an answer but its parts, from one body or several chunks.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) usage: Option<Usage>,
    /// Whether the usage was told with the end or after it, output included.
    is_usage_whole: bool,
    /// Whether something has come that is no thought: it is counted apart.
    has_said: bool,
    id: Option<String>,
    model: Option<String>,
    has_candidate: bool,
    finish_reason: Option<String>,
    block_reason: Option<String>,
    logprobs: Vec<Value>,
}

impl Answer {
    /// Takes over what a body or chunk says and hands on its parts.
    pub(super) fn note(&mut self, body: &Value, on_parts: impl FnOnce(&[Value])) -> Result<(), WireError> {
        let body = object(body, "the answer")?;
        if let Some(error) = body.get("error").filter(|error| !error.is_null()) {
            return Err(provider_error(error));
        }
        for (key, field) in [("responseId", &mut self.id), ("modelVersion", &mut self.model)] {
            if let Some(Value::String(value)) = body.get(key) {
                *field = Some(value.clone());
            }
        }
        let blocked = body.get("promptFeedback").and_then(|feedback| feedback.get("blockReason"));
        if let Some(Value::String(reason)) = blocked {
            self.block_reason = Some(reason.clone());
        }
        self.note_candidate(body, on_parts)?;
        if let Some(Value::Object(told)) = body.get("usageMetadata")
            && let Some(new) = usage(told)
        {
            self.usage = Some(largest(self.usage.unwrap_or_default(), new));
            let tells_output = told.get("candidatesTokenCount").is_some_and(|count| !count.is_null());
            self.is_usage_whole |= self.is_complete() && (tells_output || !self.has_said);
        }
        Ok(())
    }

    fn note_candidate(
        &mut self,
        body: &Map<String, Value>,
        on_parts: impl FnOnce(&[Value]),
    ) -> Result<(), WireError> {
        let candidates = array_or_empty(body.get("candidates"), "`candidates`")?;
        let first = |candidate: &&Value| candidate.get("index").is_none_or(|index| count(Some(index)) == 0);
        let Some(candidate) = candidates.iter().find(first) else { return Ok(()) };
        let candidate = object(candidate, "a candidate")?;
        self.has_candidate = true;
        if let Some(Value::String(reason)) = candidate.get("finishReason") {
            self.finish_reason = Some(reason.clone());
        }
        self.logprobs.extend(candidate.get("logprobsResult").into_iter().flat_map(logprobs));
        match candidate.get("content") {
            None | Some(Value::Null) => {}
            Some(content) => {
                let content = object(content, "`content` of a candidate")?;
                let parts = array_or_empty(content.get("parts"), "`parts` of a candidate")?;
                self.has_said |= parts.iter().any(says);
                on_parts(parts);
            }
        }
        Ok(())
    }

    /// Whether the provider has said why it ended.
    pub(super) fn is_complete(&self) -> bool {
        self.finish_reason.is_some() || self.block_reason.is_some()
    }

    pub(super) fn reply(self, items: Vec<Value>, target: &Target) -> Result<Reply, WireError> {
        let mut turn = Turn::default();
        if self.has_candidate {
            for (index, item) in items.iter().enumerate() {
                turn.parts.extend(part(item, index)?);
            }
            let items = Value::Array(items);
            settle_ids(&mut turn.parts, || format!("{:?}{items}", self.id));
            turn.raw = Some(Raw { wire: Wire::Gemini, model: target.name.clone(), items });
        }
        let stop = match (&self.finish_reason, &self.block_reason) {
            (None, Some(_)) => Stop::Refusal,
            (reason, _) => stop(reason.as_deref(), &turn),
        };
        let ids = self.logprobs.iter().map(|entry| entry.get("tokenId").and_then(Value::as_u64));
        let tokens = (!self.logprobs.is_empty()).then(|| Tokens {
            prompt_ids: None,
            ids: ids.collect(),
            logprobs: self.logprobs.clone(),
        });
        let usage = self.usage.filter(|_| self.is_usage_whole);
        Ok(Reply { turn, stop, usage, id: self.id, model: self.model, tokens })
    }
}

/// Whether a part is output that is no thought.
fn says(part: &Value) -> bool {
    let Some(part) = part.as_object() else { return false };
    let is_kind = |(key, value): (&String, &Value)| !NO_KINDS.contains(&key.as_str()) && value != "";
    !is_thought(part) && part.iter().any(is_kind)
}

/// A part's normalised form; none for one that holds but a signature or an empty text.
fn part(item: &Value, index: usize) -> Result<Option<Part>, WireError> {
    let what = format!("part {index}");
    let item = object(item, &what)?;
    if let Some(call) = item.get("functionCall") {
        return Ok(Some(Part::Call {
            id: call["id"].as_str().map(str::to_owned).unwrap_or_default(),
            name: text(call.get("name"), &format!("`name` of the call in {what}"))?.to_owned(),
            arguments: arguments_of(call.get("args")),
        }));
    }
    if let Some(said) = item.get("text") {
        let text = text(Some(said), &format!("`text` of {what}"))?.to_owned();
        return Ok(match (is_thought(item), text.is_empty()) {
            (_, true) => None,
            (true, false) => Some(Part::Thinking { text }),
            (false, false) => Some(Part::Text { text }),
        });
    }
    let kind = item.keys().find(|key| !NO_KINDS.contains(&key.as_str()));
    Ok(kind.map(|kind| Part::Other { kind: kind.clone() }))
}

/// Keys of a part that say something about it rather than what it is.
const NO_KINDS: [&str; 6] =
    ["thought", "thoughtSignature", "videoMetadata", "partMetadata", "mediaResolution", "speechMetadata"];

pub(super) fn is_thought(part: &Map<String, Value>) -> bool {
    part.get("thought").and_then(Value::as_bool).unwrap_or(false)
}

fn stop(reason: Option<&str>, turn: &Turn) -> Stop {
    match reason {
        None | Some("STOP") if turn.calls().next().is_some() => Stop::ToolCalls,
        None | Some("STOP") => Stop::EndTurn,
        Some("MAX_TOKENS") => Stop::MaxTokens,
        Some(
            "SAFETY"
            | "RECITATION"
            | "BLOCKLIST"
            | "PROHIBITED_CONTENT"
            | "SPII"
            | "MODEL_ARMOR"
            | "ESCALATION"
            | "IMAGE_SAFETY"
            | "IMAGE_PROHIBITED_CONTENT"
            | "IMAGE_RECITATION",
        ) => Stop::Refusal,
        Some(other) => Stop::Other(other.to_owned()),
    }
}

/// One entry a token: the chosen candidate, with the alternatives of its place under `topCandidates`.
fn logprobs(result: &Value) -> Vec<Value> {
    let list = |key: &str| array(result.get(key), key).unwrap_or_default();
    let alternatives = list("topCandidates");
    let entries = list("chosenCandidates").iter().enumerate().map(|(index, chosen)| {
        let mut entry = chosen.clone();
        if let (Value::Object(entry), Some(place)) = (&mut entry, alternatives.get(index)) {
            entry.insert("topCandidates".into(), place.get("candidates").cloned().unwrap_or(json!([])));
        }
        entry
    });
    entries.collect()
}

/// Thoughts and results of the provider's own tools are counted apart. Nothing if it holds what is no count, or none.
pub(super) fn usage(usage: &Map<String, Value>) -> Option<Usage> {
    const COUNTS: [&str; 5] = [
        "promptTokenCount",
        "toolUsePromptTokenCount",
        "cachedContentTokenCount",
        "candidatesTokenCount",
        "thoughtsTokenCount",
    ];
    let told = COUNTS.map(|key| usage.get(key));
    if !are_counts(told) || told.iter().all(Option::is_none) {
        return None;
    }
    let count = |key: &str| count(usage.get(key));
    Some(Usage {
        input: count("promptTokenCount").saturating_add(count("toolUsePromptTokenCount")),
        cache_read: count("cachedContentTokenCount"),
        cache_write_5m: 0,
        cache_write_1h: 0,
        output: count("candidatesTokenCount").saturating_add(count("thoughtsTokenCount")),
        reasoning: count("thoughtsTokenCount"),
    })
}

/// Counts only grow from chunk to chunk, but some chunks leave out what an earlier one has told.
fn largest(old: Usage, new: Usage) -> Usage {
    Usage {
        input: old.input.max(new.input),
        cache_read: old.cache_read.max(new.cache_read),
        cache_write_5m: 0,
        cache_write_1h: 0,
        output: old.output.max(new.output),
        reasoning: old.reasoning.max(new.reasoning),
    }
}

fn provider_error(error: &Value) -> WireError {
    let field = |key: &str| error.get(key).and_then(Value::as_str).map(str::to_owned);
    WireError::Provider {
        kind: field("status").unwrap_or_default(),
        message: field("message").unwrap_or_else(|| error.to_string()),
    }
}
