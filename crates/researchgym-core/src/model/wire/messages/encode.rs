//! A request as the Messages API takes it.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::super::calls::object_of;
use super::super::{Target, Wire, format};
use crate::digest::Digest;
use crate::model::{
    Input, Message, Part, Reasoning, Request, RequestSettings, ResponseFormat, Tool, ToolChoice, ToolResult,
    Turn,
};

/// The cap on output when the request has none: the API demands one.
const DEFAULT_MAX_TOKENS: u64 = 4096;

/// With a smaller budget for thinking the API refuses the request.
const LEAST_BUDGET: u64 = 1024;

/// Asks for an object of JSON, for which the API has no key.
const ASKS_FOR_OBJECT: &str = "Answer with one JSON object and nothing else.";

/// Stands where a message has nothing to say: the API refuses empty ones.
const EMPTY: &str = "(empty)";

/// Writes the request's body.
pub fn encode(request: &Request, target: &Target, stream: bool) -> Value {
    let settings = &request.settings;
    let mut conversation = Conversation::default();
    for message in &request.messages {
        conversation.add(message, target);
    }
    if settings.response_format == Some(ResponseFormat::JsonObject) {
        conversation.system.extend(text_block(ASKS_FOR_OBJECT));
    }
    let mut tools: Vec<Value> = settings.tools.iter().map(tool).collect();
    if settings.cache {
        conversation.mark_for_cache();
        tools.last_mut().into_iter().for_each(mark);
    }

    let mut body = Map::new();
    body.insert("model".into(), json!(target.model));
    body.insert("messages".into(), conversation.entries.into_iter().map(Entry::into_message).collect());
    if !conversation.system.is_empty() {
        body.insert("system".into(), conversation.system.into());
    }
    if !tools.is_empty() {
        body.insert("tools".into(), tools.into());
        if let Some(choice) = tool_choice(settings) {
            body.insert("tool_choice".into(), choice);
        }
    }
    sampling(settings, &mut body);
    if stream {
        body.insert("stream".into(), json!(true));
    }
    body.extend(settings.extra.clone());
    Value::Object(body)
}

fn tool(tool: &Tool) -> Value {
    let mut value = json!({"name": tool.name, "input_schema": tool.parameters});
    if !tool.description.is_empty() {
        value["description"] = json!(tool.description);
    }
    value
}

fn tool_choice(settings: &RequestSettings) -> Option<Value> {
    let mut choice = match &settings.tool_choice {
        ToolChoice::Auto => json!({"type": "auto"}),
        ToolChoice::None => return Some(json!({"type": "none"})),
        ToolChoice::Required => json!({"type": "any"}),
        ToolChoice::Named(name) => json!({"type": "tool", "name": name}),
    };
    match settings.parallel_tool_calls {
        Some(parallel) => choice["disable_parallel_tool_use"] = json!(!parallel),
        None if settings.tool_choice == ToolChoice::Auto => return None,
        None => {}
    }
    Some(choice)
}

/// The cap, thinking and sampling. Temperature, `top_k` and a low `top_p` are refused together with thinking.
fn sampling(settings: &RequestSettings, body: &mut Map<String, Value>) {
    let cap = settings.max_output_tokens;
    let thinking = settings.reasoning.as_ref().and_then(|reasoning| thinking(reasoning, cap));
    let is_thinking = thinking.as_ref().is_some_and(|thinking| thinking["type"] != "disabled");
    // Thinking counts against the cap, which must be above its budget.
    let budget = thinking.as_ref().and_then(|thinking| thinking["budget_tokens"].as_u64()).unwrap_or(0);
    let max_tokens = cap.unwrap_or(DEFAULT_MAX_TOKENS.saturating_add(budget));
    body.insert("max_tokens".into(), json!(max_tokens));
    if let Some(thinking) = thinking {
        body.insert("thinking".into(), thinking);
    }
    let mut output = Map::new();
    if is_thinking && let Some(effort) = settings.reasoning.as_ref().and_then(|it| it.effort.as_ref()) {
        output.insert("effort".into(), json!(effort));
    }
    if let Some(ResponseFormat::JsonSchema { schema, .. }) = &settings.response_format {
        output.insert("format".into(), json!({"type": "json_schema", "schema": format::bare(schema)}));
    }
    if !output.is_empty() {
        body.insert("output_config".into(), output.into());
    }
    if !is_thinking && let Some(temperature) = settings.temperature {
        body.insert("temperature".into(), json!(temperature));
    }
    if !is_thinking && let Some(top_k) = settings.top_k {
        body.insert("top_k".into(), json!(top_k));
    }
    if let Some(top_p) = settings.top_p.filter(|&top_p| !is_thinking || top_p >= 0.95) {
        body.insert("top_p".into(), json!(top_p));
    }
    if !settings.stop.is_empty() {
        body.insert("stop_sequences".into(), json!(settings.stop));
    }
}

/// Models up to Claude 4.5 take a budget, later ones refuse it and take an effort: the settings say which.
/// There is none if the cap has no room for the least budget and an answer.
fn thinking(reasoning: &Reasoning, cap: Option<u64>) -> Option<Value> {
    match (reasoning.budget_tokens, reasoning.effort.as_deref()) {
        (Some(0), _) | (None, Some("none")) => Some(json!({"type": "disabled"})),
        (Some(budget), _) => {
            let most = cap.map_or(u64::MAX, |cap| cap.saturating_sub(1));
            let budget = budget.max(LEAST_BUDGET).min(most);
            (budget >= LEAST_BUDGET).then(|| json!({"type": "enabled", "budget_tokens": budget}))
        }
        (None, _) => Some(json!({"type": "adaptive"})),
    }
}

/// The messages under way.
#[derive(Default)]
struct Conversation {
    system: Vec<Value>,
    entries: Vec<Entry>,
    /// For each call of the last turn, the id that it was sent with.
    sent_ids: HashMap<String, String>,
}

/// One message of the API.
struct Entry {
    role: &'static str,
    /// Results of tools, which must come before everything else.
    results: Vec<Value>,
    rest: Vec<Value>,
}

impl Entry {
    fn into_message(mut self) -> Value {
        let mut content = self.results;
        content.append(&mut self.rest);
        if content.is_empty() {
            content.push(json!({"type": "text", "text": EMPTY}));
        }
        json!({"role": self.role, "content": content})
    }
}

impl Conversation {
    fn add(&mut self, message: &Message, target: &Target) {
        match message {
            Message::System { text } => self.system.extend(text_block(text)),
            Message::User { content } => {
                self.entry("user").rest.extend(content.iter().filter_map(input));
            }
            Message::Tool { results } => {
                let blocks: Vec<Value> = results.iter().map(|result| self.tool_result(result)).collect();
                self.entry("user").results.extend(blocks);
            }
            Message::Assistant(turn) => {
                let blocks = self.turn(turn, target);
                self.entry("assistant").rest.extend(blocks);
            }
        }
    }

    /// The message that is being written: the API wants the roles to alternate.
    fn entry(&mut self, role: &'static str) -> &mut Entry {
        if self.entries.last().is_none_or(|last| last.role != role) {
            self.entries.push(Entry { role, results: Vec::new(), rest: Vec::new() });
        }
        let last = self.entries.len() - 1;
        &mut self.entries[last]
    }

    fn tool_result(&self, result: &ToolResult) -> Value {
        let id = self.sent_ids.get(&result.call_id).cloned().unwrap_or_else(|| sendable_id(&result.call_id));
        let content: Vec<Value> = result.content.iter().filter_map(input).collect();
        let mut block = json!({"type": "tool_result", "tool_use_id": id});
        if !content.is_empty() {
            block["content"] = content.into();
        }
        if result.is_error {
            block["is_error"] = json!(true);
        }
        block
    }

    /// The turn's blocks: its own as they are but for ids that do not tell calls apart, or else made of its parts. Thinking without a signature is refused, so
    /// it is left out of the latter.
    fn turn(&mut self, turn: &Turn, target: &Target) -> Vec<Value> {
        self.sent_ids.clear();
        if let Some(Value::Array(blocks)) = turn.raw_for(Wire::Messages, target) {
            let mut blocks = blocks.clone();
            let written = blocks.iter_mut().filter(|block| block["type"] == "tool_use");
            for ((id, ..), block) in turn.calls().zip(written) {
                // The provider gave none, or the same twice: a result must name one call alone.
                if block["id"] != id {
                    block["id"] = json!(sendable_id(id));
                }
                if let Some(sent) = block["id"].as_str() {
                    self.sent_ids.insert(id.to_owned(), sent.to_owned());
                }
            }
            return blocks;
        }
        let blocks = turn.parts.iter().filter_map(|part| match part {
            Part::Text { text } | Part::Refusal { text } => text_block(text),
            Part::Call { id, name, arguments } => Some(json!({
                "type": "tool_use", "id": sendable_id(id), "name": name, "input": object_of(arguments),
            })),
            Part::Thinking { .. } | Part::Other { .. } => None,
        });
        blocks.collect()
    }

    /// Puts breakpoints after the system prompt and the last two user messages; with the one after the tools they are
    /// four, which is the most that the API takes. What is marked in the last message but one is read in this call and
    /// what is marked in the last is written for the next.
    fn mark_for_cache(&mut self) {
        self.system.last_mut().into_iter().for_each(mark);
        for entry in self.entries.iter_mut().rev().filter(|entry| entry.role == "user").take(2) {
            entry.rest.last_mut().or(entry.results.last_mut()).into_iter().for_each(mark);
        }
    }
}

fn mark(block: &mut Value) {
    block["cache_control"] = json!({"type": "ephemeral"});
}

fn input(input: &Input) -> Option<Value> {
    match input {
        Input::Text { text } => text_block(text),
        Input::Image { media_type, data } => Some(json!({
            "type": "image", "source": {"type": "base64", "media_type": media_type, "data": data},
        })),
        Input::ImageUrl { url } => Some(json!({"type": "image", "source": {"type": "url", "url": url}})),
    }
}

/// Blank text is refused by the API.
fn text_block(text: &str) -> Option<Value> {
    (!text.trim().is_empty()).then(|| json!({"type": "text", "text": text}))
}

/// Ids of other providers may hold what the API refuses: it takes letters, digits, `_` and `-`.
fn sendable_id(id: &str) -> String {
    let fits = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-');
    if !id.is_empty() && id.chars().all(fits) {
        return id.to_owned();
    }
    let kept: String = id.chars().map(|character| if fits(character) { character } else { '_' }).collect();
    format!("{kept}_{}", &Digest::of(id.as_bytes()).to_string()[..8])
}
