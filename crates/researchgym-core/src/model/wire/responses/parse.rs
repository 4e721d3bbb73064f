//! A client's request, to be answered by a model that may speak another wire.

use std::collections::BTreeSet;

use serde_json::Value;

use super::decode::parts_of;
use crate::model::wire::openai::{CallIds, Fields, Results, picture, place};
use crate::model::wire::{Parsed, format, lost};
use crate::model::{Input, Message, Reasoning, Request, RequestSettings, Tool, ToolChoice, Turn, WireError};

/// Keys that change the answer and that this form does not have.
const LOST: [&str; 6] = ["frequency_penalty", "logit_bias", "presence_penalty", "seed", "stop", "top_k"];

/// Understands a client's request. Keys that do not change the answer and have no meaning here go nowhere.
///
/// # Errors
/// It is malformed, or asks for something that only the provider itself can do.
pub fn parse_request(body: &Value) -> Result<Parsed, WireError> {
    let fields = Fields::of(body, "the request")?;
    lost::refuse(&LOST, fields.object)?;
    for key in ["previous_response_id", "conversation", "prompt"] {
        if fields.get(key).is_some() {
            let what = format!("`{key}`: nothing is stored here, send the whole conversation");
            return Err(fields.wrong(&what));
        }
    }
    if fields.truth("background")?.unwrap_or(false) {
        return Err(fields.wrong("`background` cannot be had"));
    }
    Ok(Parsed {
        model: fields.needed_text("model")?.to_owned(),
        stream: fields.truth("stream")?.unwrap_or(false),
        // This wire always tells it.
        include_usage: true,
        request: Request { messages: messages(&fields)?, settings: settings(&fields)? },
    })
}

fn messages(request: &Fields<'_>) -> Result<Vec<Message>, WireError> {
    let mut conversation = Conversation::default();
    conversation.system.extend(request.text("instructions")?.map(str::to_owned));
    match request.get("input") {
        None => return Err(request.wrong("`input` is missing")),
        Some(Value::String(text)) => conversation.messages.push(Message::user(text)),
        Some(Value::Array(items)) => {
            for (index, item) in items.iter().enumerate() {
                conversation.push(item, index)?;
            }
        }
        Some(_) => return Err(request.wrong("`input` is neither a text nor a list")),
    }
    Ok(conversation.finish())
}

/// The items so far. What an assistant wrote without a break is one turn, and so are results.
#[derive(Default)]
struct Conversation<'a> {
    /// Instructions at the head; later ones can only be said by the user.
    system: Vec<String>,
    messages: Vec<Message>,
    turn: Option<(Turn, CallIds<'a>)>,
    results: Results,
}

impl<'a> Conversation<'a> {
    fn push(&mut self, value: &'a Value, index: usize) -> Result<(), WireError> {
        let item = Fields::of(value, place("input", index))?;
        match (item.text("type")?.unwrap_or("message"), item.text("role")?) {
            ("message", Some("assistant")) | ("reasoning" | "function_call", _) => {
                self.end_results();
                let new = || (Turn::default(), CallIds::new(value, index));
                let (turn, ids) = self.turn.get_or_insert_with(new);
                turn.parts.extend(parts_of(&item, ids)?);
            }
            ("function_call_output", _) => {
                self.end_turn();
                self.results.push(item.needed_text("call_id")?, inputs(&item, "output")?)?;
            }
            ("message", role) => {
                self.end_turn();
                self.end_results();
                match role {
                    Some("user") => {
                        self.messages.push(Message::User { content: inputs(&item, "content")? });
                    }
                    Some("system" | "developer") => {
                        let text = plain_text(&item)?;
                        match self.messages.is_empty() {
                            true => self.system.push(text),
                            false => self.messages.push(Message::user(text)),
                        }
                    }
                    Some(other) => {
                        return Err(item.wrong(&format!("the role `{other}` is not understood")));
                    }
                    None => return Err(item.wrong("`role` is missing")),
                }
            }
            (other, _) => {
                return Err(item.wrong(&format!("an item of type `{other}` is not understood")));
            }
        }
        Ok(())
    }

    fn end_turn(&mut self) {
        if let Some((turn, _)) = self.turn.take() {
            self.results.expect(&turn);
            self.messages.push(Message::Assistant(turn));
        }
    }

    fn end_results(&mut self) {
        self.messages.extend(self.results.take().map(|results| Message::Tool { results }));
    }

    fn finish(mut self) -> Vec<Message> {
        self.end_turn();
        self.end_results();
        if !self.system.is_empty() {
            self.messages.insert(0, Message::System { text: self.system.join("\n\n") });
        }
        self.messages
    }
}

fn plain_text(item: &Fields<'_>) -> Result<String, WireError> {
    let mut texts = Vec::new();
    for input in inputs(item, "content")? {
        match input {
            Input::Text { text } => texts.push(text),
            Input::Image { .. } | Input::ImageUrl { .. } => {
                return Err(item.wrong("instructions cannot hold a picture"));
            }
        }
    }
    Ok(texts.join("\n"))
}

fn inputs(item: &Fields<'_>, key: &str) -> Result<Vec<Input>, WireError> {
    let pieces = match item.get(key) {
        None => return Err(item.wrong(&format!("`{key}` is missing"))),
        Some(Value::String(text)) => return Ok(vec![Input::Text { text: text.clone() }]),
        Some(Value::Array(pieces)) => pieces,
        Some(_) => return Err(item.wrong(&format!("`{key}` is neither a text nor a list"))),
    };
    let mut inputs = Vec::with_capacity(pieces.len());
    for (index, piece) in pieces.iter().enumerate() {
        let piece = Fields::of(piece, place(key, index))?;
        inputs.push(match piece.needed_text("type")? {
            "input_text" | "output_text" | "text" => {
                Input::Text { text: piece.needed_text("text")?.to_owned() }
            }
            "input_image" => picture(piece.needed_text("image_url")?),
            other => return Err(item.wrong(&format!("content of type `{other}` is not understood"))),
        });
    }
    Ok(inputs)
}

fn settings(request: &Fields<'_>) -> Result<RequestSettings, WireError> {
    let include = request.list("include")?.unwrap_or_default();
    let wants_logprobs = include.iter().any(|key| key == "message.output_text.logprobs");
    let alternatives = request.whole("top_logprobs")?;
    let reasoning = match request.fields("reasoning")? {
        Some(reasoning) => {
            let effort = reasoning.text("effort")?.map(str::to_owned);
            Some(Reasoning { effort, ..Reasoning::default() })
        }
        None => None,
    };
    let format = match request.fields("text")? {
        Some(text) => text.fields("format")?,
        None => None,
    };
    Ok(RequestSettings {
        tools: tools(request)?,
        tool_choice: tool_choice(request)?,
        parallel_tool_calls: request.truth("parallel_tool_calls")?,
        max_output_tokens: request.whole("max_output_tokens")?,
        temperature: request.number("temperature")?,
        top_p: request.number("top_p")?,
        reasoning,
        response_format: match format {
            Some(format) => format::parse(&format)?,
            None => None,
        },
        logprobs: alternatives.or(wants_logprobs.then_some(0)),
        ..RequestSettings::default()
    })
}

fn tools(request: &Fields<'_>) -> Result<Vec<Tool>, WireError> {
    let mut tools = Vec::new();
    push_tools(request, true, &mut tools)?;
    let mut names = BTreeSet::new();
    match tools.iter().find(|tool| !names.insert(tool.name.as_str())) {
        Some(tool) => Err(request.wrong(&format!("two tools are called `{}`", tool.name))),
        None => Ok(tools),
    }
}

fn push_tools(owner: &Fields<'_>, is_outermost: bool, tools: &mut Vec<Tool>) -> Result<(), WireError> {
    for (index, tool) in owner.list("tools")?.unwrap_or_default().iter().enumerate() {
        let tool = Fields::of(tool, place("tools", index))?;
        match tool.needed_text("type")? {
            "function" => tools.push(tool.tool()?),
            "namespace" if is_outermost => push_tools(&tool, false, tools)?,
            other => return Err(tool.wrong(&format!("a tool of type `{other}` is not understood"))),
        }
    }
    Ok(())
}

fn tool_choice(request: &Fields<'_>) -> Result<ToolChoice, WireError> {
    match request.get("tool_choice") {
        None => Ok(ToolChoice::Auto),
        Some(Value::String(word)) => match word.as_str() {
            "auto" => Ok(ToolChoice::Auto),
            "none" => Ok(ToolChoice::None),
            "required" => Ok(ToolChoice::Required),
            other => Err(request.wrong(&format!("`tool_choice`: `{other}` is not understood"))),
        },
        Some(value) => {
            let choice = Fields::of(value, "tool_choice")?;
            match choice.needed_text("type")? {
                "function" => Ok(ToolChoice::Named(choice.needed_text("name")?.to_owned())),
                other => Err(choice.wrong(&format!("the type `{other}` is not understood"))),
            }
        }
    }
}
