//! A client's request in the form of the Messages API.
//!
//! Keys that have no form in [`Request`] go nowhere if they do not change the answer. Those that do, and content that has
//! no form, are refused: a model must not answer to less than it was asked. Thinking in the history is skipped, since only the model that wrote it may see it again.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::super::calls::arguments_of;
use super::super::fields::{array, array_or_empty, malformed, object, optional, text};
use super::super::{Parsed, WireError, format, lost};
use crate::model::{
    Input, Message, Part, Reasoning, Request, RequestSettings, ResponseFormat, Tool, ToolChoice, ToolResult,
    Turn,
};

/// Reads a request's body.
///
/// # Errors
/// A key is missing or has the wrong type, or the request asks for what only the provider itself can do.
pub fn parse_request(body: &Value) -> Result<Parsed, WireError> {
    let body = object(body, "the request")?;
    lost::refuse(&["container", "mcp_servers"], body)?;
    let mut history = History::default();
    if let Some(system) = body.get("system").filter(|system| !system.is_null()) {
        let text = texts(system, "`system`")?.join("\n\n");
        if !text.is_empty() {
            history.messages.push(Message::System { text });
        }
    }
    for (index, message) in array(body.get("messages"), "`messages`")?.iter().enumerate() {
        history.add(message, &format!("message {index}"))?;
    }
    Ok(Parsed {
        model: text(body.get("model"), "`model`")?.to_owned(),
        stream: optional(body.get("stream"), "`stream`")?.unwrap_or(false),
        include_usage: true,
        request: Request { messages: history.messages, settings: settings(body)? },
    })
}

fn settings(body: &Map<String, Value>) -> Result<RequestSettings, WireError> {
    let choice = body.get("tool_choice").unwrap_or(&Value::Null);
    let tools = array_or_empty(body.get("tools"), "`tools`")?;
    Ok(RequestSettings {
        tools: tools.iter().map(tool).collect::<Result<_, _>>()?,
        tool_choice: tool_choice(choice)?,
        parallel_tool_calls: optional::<bool>(
            choice.get("disable_parallel_tool_use"),
            "`disable_parallel_tool_use` of `tool_choice`",
        )?
        .map(|is_disabled| !is_disabled),
        max_output_tokens: optional(body.get("max_tokens"), "`max_tokens`")?,
        temperature: optional(body.get("temperature"), "`temperature`")?,
        top_p: optional(body.get("top_p"), "`top_p`")?,
        top_k: optional(body.get("top_k"), "`top_k`")?,
        stop: optional(body.get("stop_sequences"), "`stop_sequences`")?.unwrap_or_default(),
        reasoning: reasoning(body)?,
        response_format: response_format(body)?,
        cache: asks_for_cache(body),
        ..RequestSettings::default()
    })
}

fn tool(tool: &Value) -> Result<Tool, WireError> {
    if let Some(kind) = tool.get("type").and_then(Value::as_str).filter(|&kind| kind != "custom") {
        return malformed(format!("tools of type `{kind}` have no form in another dialect"));
    }
    let name = text(tool.get("name"), "`name` of a tool")?;
    let schema = tool.get("input_schema").unwrap_or(&Value::Null);
    object(schema, &format!("`input_schema` of the tool `{name}`"))?;
    let description: Option<String> = optional(tool.get("description"), "`description` of a tool")?;
    Ok(Tool {
        name: name.to_owned(),
        description: description.unwrap_or_default(),
        parameters: schema.clone(),
    })
}

fn tool_choice(choice: &Value) -> Result<ToolChoice, WireError> {
    if choice.is_null() {
        return Ok(ToolChoice::Auto);
    }
    match text(choice.get("type"), "`type` of `tool_choice`")? {
        "auto" => Ok(ToolChoice::Auto),
        "none" => Ok(ToolChoice::None),
        "any" => Ok(ToolChoice::Required),
        "tool" => Ok(ToolChoice::Named(text(choice.get("name"), "`name` of `tool_choice`")?.to_owned())),
        other => malformed(format!("`tool_choice` of type `{other}` is not known")),
    }
}

fn reasoning(body: &Map<String, Value>) -> Result<Option<Reasoning>, WireError> {
    let output = body.get("output_config");
    let effort: Option<String> =
        optional(output.and_then(|output| output.get("effort")), "`effort` of `output_config`")?;
    let Some(thinking) = body.get("thinking").filter(|thinking| !thinking.is_null()) else {
        return Ok(effort.map(|effort| Reasoning { effort: Some(effort), budget_tokens: None }));
    };
    let budget_tokens = optional(thinking.get("budget_tokens"), "`budget_tokens` of `thinking`")?;
    match text(thinking.get("type"), "`type` of `thinking`")? {
        "enabled" => Ok(Some(Reasoning { effort, budget_tokens })),
        "disabled" => Ok(Some(Reasoning { effort: Some("none".to_owned()), budget_tokens: None })),
        _ => Ok(Some(Reasoning { effort, budget_tokens: None })),
    }
}

/// The format, also under the key that it had while it was a beta.
fn response_format(body: &Map<String, Value>) -> Result<Option<ResponseFormat>, WireError> {
    let current = body.get("output_config").and_then(|output| output.get("format"));
    let is_there = |format: &&Value| !format.is_null();
    let Some(format) = current.filter(is_there).or(body.get("output_format").filter(is_there)) else {
        return Ok(None);
    };
    match text(format.get("type"), "`type` of `format`")? {
        "json_schema" => {
            let schema = format.get("schema").unwrap_or(&Value::Null);
            object(schema, "`schema` of `format`")?;
            Ok(Some(format::unnamed(schema.clone())))
        }
        other => malformed(format!("a format of type `{other}` is not known")),
    }
}

/// Whether the client has set a breakpoint for caching anywhere that it can.
fn asks_for_cache(body: &Map<String, Value>) -> bool {
    let is_marked = |item: &Value| item.get("cache_control").is_some_and(|mark| !mark.is_null());
    let any_marked = |list: &Value| list.as_array().is_some_and(|items| items.iter().any(is_marked));
    let messages = body.get("messages").and_then(Value::as_array);
    body.get("cache_control").is_some_and(|mark| !mark.is_null())
        || [body.get("system"), body.get("tools")].into_iter().flatten().any(any_marked)
        || messages.is_some_and(|all| all.iter().filter_map(|message| message.get("content")).any(any_marked))
}

#[derive(Default)]
struct History {
    messages: Vec<Message>,
    /// Which tool each call was for.
    tools_called: HashMap<String, String>,
}

impl History {
    fn add(&mut self, message: &Value, what: &str) -> Result<(), WireError> {
        let content = message.get("content").unwrap_or(&Value::Null);
        match text(message.get("role"), &format!("`role` of {what}"))? {
            "assistant" => self.add_turn(content, what),
            "user" => self.add_user(content, what),
            // Instructions in the midst of a conversation have no form of their own.
            "system" => self.add_user(content, what),
            other => malformed(format!("{what} has the role `{other}`")),
        }
    }

    fn add_user(&mut self, content: &Value, what: &str) -> Result<(), WireError> {
        let mut results = Vec::new();
        let mut inputs = Vec::new();
        for block in blocks(content, what)? {
            match block {
                Block::Text(text) => inputs.push(Input::Text { text: text.to_owned() }),
                Block::Other("tool_result", block) => results.push(self.tool_result(block, what)?),
                Block::Other(kind, block) => inputs.push(input(kind, block, what)?),
            }
        }
        let has_results = !results.is_empty();
        if has_results {
            match self.messages.last_mut() {
                Some(Message::Tool { results: before }) => before.extend(results),
                _ => self.messages.push(Message::Tool { results }),
            }
        }
        if !inputs.is_empty() || !has_results {
            match self.messages.last_mut() {
                Some(Message::User { content }) => content.extend(inputs),
                _ => self.messages.push(Message::User { content: inputs }),
            }
        }
        Ok(())
    }

    fn tool_result(&self, block: &Value, what: &str) -> Result<ToolResult, WireError> {
        let call_id = text(block.get("tool_use_id"), &format!("`tool_use_id` in {what}"))?;
        let Some(name) = self.tools_called.get(call_id) else {
            return malformed(format!("{what} holds the result of the call `{call_id}`, which nobody made"));
        };
        let mut content = Vec::new();
        if let Some(inner) = block.get("content").filter(|inner| !inner.is_null()) {
            for block in blocks(inner, what)? {
                content.push(match block {
                    Block::Text(text) => Input::Text { text: text.to_owned() },
                    Block::Other(kind, block) => input(kind, block, what)?,
                });
            }
        }
        Ok(ToolResult {
            call_id: call_id.to_owned(),
            name: name.clone(),
            content,
            is_error: optional(block.get("is_error"), "`is_error`")?.unwrap_or(false),
        })
    }

    fn add_turn(&mut self, content: &Value, what: &str) -> Result<(), WireError> {
        let mut parts = Vec::new();
        for block in blocks(content, what)? {
            match block {
                Block::Text(text) => parts.push(Part::Text { text: text.to_owned() }),
                Block::Other("thinking" | "redacted_thinking", _) => {}
                Block::Other("tool_use", block) => {
                    let id = text(block.get("id"), &format!("`id` of a call in {what}"))?.to_owned();
                    let name = text(block.get("name"), &format!("`name` of a call in {what}"))?.to_owned();
                    self.tools_called.insert(id.clone(), name.clone());
                    parts.push(Part::Call { id, name, arguments: arguments_of(block.get("input")) });
                }
                Block::Other(kind, _) => parts.push(Part::Other { kind: kind.to_owned() }),
            }
        }
        match self.messages.last_mut() {
            Some(Message::Assistant(turn)) => turn.parts.extend(parts),
            _ => self.messages.push(Message::Assistant(Turn { parts, raw: None })),
        }
        Ok(())
    }
}

enum Block<'a> {
    Text(&'a str),
    /// Its type and itself.
    Other(&'a str, &'a Value),
}

/// The blocks of a content, of which a string is a short form.
fn blocks<'a>(content: &'a Value, what: &str) -> Result<Vec<Block<'a>>, WireError> {
    let items = match content {
        Value::String(text) => return Ok(vec![Block::Text(text)]),
        Value::Array(items) => items,
        _ => return malformed(format!("`content` of {what} is neither a string nor an array")),
    };
    let each =
        items.iter().map(|item| match text(item.get("type"), &format!("`type` of a block of {what}"))? {
            "text" => Ok(Block::Text(text(item.get("text"), &format!("`text` of a block of {what}"))?)),
            kind => Ok(Block::Other(kind, item)),
        });
    each.collect()
}

fn texts<'a>(content: &'a Value, what: &str) -> Result<Vec<&'a str>, WireError> {
    let each = blocks(content, what)?.into_iter().map(|block| match block {
        Block::Text(text) => Ok(text),
        Block::Other(kind, _) => malformed(format!("{what} holds a block of type `{kind}`")),
    });
    each.collect()
}

/// A picture, or a document that is text.
fn input(kind: &str, block: &Value, what: &str) -> Result<Input, WireError> {
    let source = block.get("source").unwrap_or(&Value::Null);
    let field =
        |key: &str| text(source.get(key), &format!("`{key}` of a source in {what}")).map(str::to_owned);
    match (kind, source.get("type").and_then(Value::as_str).unwrap_or_default()) {
        ("image", "base64") => Ok(Input::Image { media_type: field("media_type")?, data: field("data")? }),
        ("image", "url") => Ok(Input::ImageUrl { url: field("url")? }),
        ("document", "text") => Ok(Input::Text { text: field("data")? }),
        (kind, source) => malformed(format!(
            "{what} holds a block of type `{kind}` with a source of type `{source}`, which has no form here"
        )),
    }
}
