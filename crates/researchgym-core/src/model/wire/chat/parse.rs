//! A client's request, to be answered by a model that may speak another wire.

use serde_json::Value;

use super::decode::parts_of;
use crate::model::wire::openai::{CallIds, Fields, Results, malformed, picture, place};
use crate::model::wire::{Parsed, format, lost};
use crate::model::{Input, Message, Reasoning, Request, RequestSettings, Tool, ToolChoice, Turn, WireError};

/// Keys that change the answer and have no form in [`Request`].
const LOST: [&str; 27] = [
    "audio",
    "bad_words",
    "chat_template",
    "chat_template_kwargs",
    "continue_final_message",
    "ebnf",
    "grammar",
    "guided_choice",
    "guided_grammar",
    "guided_json",
    "guided_regex",
    "ignore_eos",
    "length_penalty",
    "logit_bias",
    "min_p",
    "min_tokens",
    "plugins",
    "prompt_logprobs",
    "regex",
    "repetition_penalty",
    "return_token_ids",
    "stop_token_ids",
    "structured_outputs",
    "top_a",
    "typical_p",
    "use_beam_search",
    "web_search_options",
];

/// Understands a client's request. Keys that do not change the answer and have no meaning here go nowhere.
///
/// # Errors
/// It is malformed, or asks for something that only the provider itself can do.
pub fn parse_request(body: &Value) -> Result<Parsed, WireError> {
    let fields = Fields::of(body, "the request")?;
    if fields.whole("n")?.unwrap_or(1) != 1 {
        return Err(fields.wrong("`n`: one choice alone can be had"));
    }
    lost::refuse(&LOST, fields.object)?;
    lost::refuse_modalities("modalities", fields.list("modalities")?.unwrap_or_default())?;
    if fields.get("functions").is_some() {
        return Err(fields.wrong("`functions` are not understood: use `tools`"));
    }
    let include_usage = match fields.fields("stream_options")? {
        Some(options) => options.truth("include_usage")?.unwrap_or(false),
        None => false,
    };
    Ok(Parsed {
        model: fields.needed_text("model")?.to_owned(),
        stream: fields.truth("stream")?.unwrap_or(false),
        include_usage,
        request: Request { messages: messages(&fields)?, settings: settings(&fields)? },
    })
}

/// Instructions at the head become the system message; later ones can only be said by the user.
fn messages(request: &Fields<'_>) -> Result<Vec<Message>, WireError> {
    let list = request.needed("messages", request.list("messages")?)?;
    let mut messages = Vec::new();
    let mut system: Vec<String> = Vec::new();
    let mut results = Results::default();
    for (index, value) in list.iter().enumerate() {
        let message = Fields::of(value, place("messages", index))?;
        let role = message.needed_text("role")?;
        if role != "tool" {
            messages.extend(results.take().map(|results| Message::Tool { results }));
        }
        match role {
            "system" | "developer" if messages.is_empty() => system.push(plain_text(&message)?),
            "system" | "developer" => messages.push(Message::user(plain_text(&message)?)),
            "user" => messages.push(Message::User { content: inputs(&message)? }),
            "assistant" => {
                let parts = parts_of(&message, &mut CallIds::new(value, index))?;
                let turn = Turn { parts, raw: None };
                results.expect(&turn);
                messages.push(Message::Assistant(turn));
            }
            "tool" => results.push(message.needed_text("tool_call_id")?, inputs(&message)?)?,
            other => return Err(message.wrong(&format!("the role `{other}` is not understood"))),
        }
    }
    messages.extend(results.take().map(|results| Message::Tool { results }));
    if !system.is_empty() {
        messages.insert(0, Message::System { text: system.join("\n\n") });
    }
    Ok(messages)
}

fn plain_text(message: &Fields<'_>) -> Result<String, WireError> {
    let mut texts = Vec::new();
    for input in inputs(message)? {
        match input {
            Input::Text { text } => texts.push(text),
            Input::Image { .. } | Input::ImageUrl { .. } => {
                return Err(message.wrong("instructions cannot hold a picture"));
            }
        }
    }
    Ok(texts.join("\n"))
}

fn inputs(message: &Fields<'_>) -> Result<Vec<Input>, WireError> {
    let pieces = match message.get("content") {
        None => return Err(message.wrong("`content` is missing")),
        Some(Value::String(text)) => return Ok(vec![Input::Text { text: text.clone() }]),
        Some(Value::Array(pieces)) => pieces,
        Some(_) => return Err(message.wrong("`content` is neither a text nor a list")),
    };
    let mut inputs = Vec::with_capacity(pieces.len());
    for (index, piece) in pieces.iter().enumerate() {
        let piece = Fields::of(piece, place("content", index))?;
        inputs.push(match piece.needed_text("type")? {
            "text" => Input::Text { text: piece.needed_text("text")?.to_owned() },
            "image_url" => picture(match piece.get("image_url") {
                Some(Value::String(url)) => url,
                _ => piece.needed_fields("image_url")?.needed_text("url")?,
            }),
            other => return Err(message.wrong(&format!("content of type `{other}` is not understood"))),
        });
    }
    Ok(inputs)
}

fn settings(request: &Fields<'_>) -> Result<RequestSettings, WireError> {
    let cap = request.whole("max_completion_tokens")?;
    let logprobs = request.truth("logprobs")?.unwrap_or(false);
    let alternatives = request.whole("top_logprobs")?.unwrap_or(0);
    let effort = request.text("reasoning_effort")?;
    Ok(RequestSettings {
        tools: tools(request)?,
        tool_choice: tool_choice(request)?,
        parallel_tool_calls: request.truth("parallel_tool_calls")?,
        max_output_tokens: cap.map_or_else(|| request.whole("max_tokens"), |cap| Ok(Some(cap)))?,
        temperature: request.number("temperature")?,
        top_p: request.number("top_p")?,
        top_k: request.whole("top_k")?,
        frequency_penalty: request.number("frequency_penalty")?,
        presence_penalty: request.number("presence_penalty")?,
        stop: stop(request)?,
        seed: request.whole("seed")?,
        reasoning: effort.map(|effort| Reasoning { effort: Some(effort.to_owned()), ..Reasoning::default() }),
        response_format: match request.fields("response_format")? {
            Some(format) => format::parse(&format)?,
            None => None,
        },
        logprobs: logprobs.then_some(alternatives),
        ..RequestSettings::default()
    })
}

fn tools(request: &Fields<'_>) -> Result<Vec<Tool>, WireError> {
    let mut tools = Vec::new();
    for (index, tool) in request.list("tools")?.unwrap_or_default().iter().enumerate() {
        let tool = Fields::of(tool, place("tools", index))?;
        match tool.needed_text("type")? {
            "function" => tools.push(tool.needed_fields("function")?.tool()?),
            other => return Err(tool.wrong(&format!("a tool of type `{other}` is not understood"))),
        }
    }
    Ok(tools)
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
                "function" => {
                    let function = choice.needed_fields("function")?;
                    Ok(ToolChoice::Named(function.needed_text("name")?.to_owned()))
                }
                other => Err(choice.wrong(&format!("the type `{other}` is not understood"))),
            }
        }
    }
}

fn stop(request: &Fields<'_>) -> Result<Vec<String>, WireError> {
    let wrong = || malformed("the request: `stop` is neither a text nor a list of texts");
    match request.get("stop") {
        None => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(vec![text.clone()]),
        Some(Value::Array(texts)) => {
            texts.iter().map(|text| text.as_str().map(str::to_owned).ok_or_else(wrong)).collect()
        }
        Some(_) => Err(wrong()),
    }
}
