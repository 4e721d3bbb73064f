//! A client's request in the form of Gemini.
//!
//! Keys may be in either spelling, `systemInstruction` or `system_instruction`. Those that have no form in [`Request`]
//! go nowhere if they do not change the answer. Those that do, and content that has no form, are refused: a model must not
//! answer to less than it was asked. Thoughts in the history are skipped, since only the model that wrote them may see
//! them again.

use serde_json::{Map, Value};

use super::super::calls::arguments_of;
use super::super::fields::{array, array_or_empty, malformed, object, optional, text};
use super::super::{Parsed, WireError, format, lost};
use super::encode::JSON;
use super::schema::to_json_schema;
use crate::model::{
    Input, Message, Part, Reasoning, Request, RequestSettings, ResponseFormat, Tool, ToolChoice, ToolResult,
    Turn,
};

/// Reads a request's body; the address tells the model and whether the answer is to be a stream.
///
/// # Errors
/// A key is missing or has the wrong type, or the request asks for what only the provider itself can do.
pub fn parse_request(body: &Value, model: &str, stream: bool) -> Result<Parsed, WireError> {
    let body = object(body, "the request")?;
    lost::refuse(&["cachedContent", "cached_content"], body)?;
    let mut history = History::default();
    if let Some(system) = field(body, "systemInstruction").filter(|system| !system.is_null()) {
        let text = system_text(system)?;
        if !text.is_empty() {
            history.messages.push(Message::System { text });
        }
    }
    for (index, content) in array(body.get("contents"), "`contents`")?.iter().enumerate() {
        history.add(content, &format!("content {index}"))?;
    }
    Ok(Parsed {
        model: model.to_owned(),
        stream,
        include_usage: true,
        request: Request { messages: history.messages, settings: settings(body)? },
    })
}

/// A key in either spelling.
fn field<'a>(map: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    map.get(name).or_else(|| {
        let snake = name.chars().flat_map(|character| {
            let is_upper = character.is_ascii_uppercase();
            is_upper.then_some('_').into_iter().chain([character.to_ascii_lowercase()])
        });
        map.get(&snake.collect::<String>())
    })
}

fn field_of<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    field(value.as_object()?, name)
}

fn system_text(system: &Value) -> Result<String, WireError> {
    if let Value::String(text) = system {
        return Ok(text.clone());
    }
    let parts = array(system.get("parts"), "`parts` of `systemInstruction`")?;
    let texts = parts.iter().map(|part| text(part.get("text"), "`text` of `systemInstruction`"));
    Ok(texts.collect::<Result<Vec<_>, _>>()?.join("\n\n"))
}

fn settings(body: &Map<String, Value>) -> Result<RequestSettings, WireError> {
    let mut tools = Vec::new();
    for tool in array_or_empty(body.get("tools"), "`tools`")? {
        declarations(tool, &mut tools)?;
    }
    let none = Map::new();
    let config = match field(body, "generationConfig") {
        None | Some(Value::Null) => &none,
        Some(config) => object(config, "`generationConfig`")?,
    };
    let choices: Option<u64> = optional(field(config, "candidateCount"), "`candidateCount`")?;
    if choices.is_some_and(|choices| choices != 1) {
        return malformed("`candidateCount`: one candidate alone can be had");
    }
    let modalities = array_or_empty(field(config, "responseModalities"), "`responseModalities`")?;
    lost::refuse_modalities("responseModalities", modalities)?;
    let wants_logprobs = optional(field(config, "responseLogprobs"), "`responseLogprobs`")?.unwrap_or(false);
    let alternatives: Option<u64> = optional(field(config, "logprobs"), "`logprobs`")?;
    Ok(RequestSettings {
        tools,
        tool_choice: tool_choice(field(body, "toolConfig"))?,
        max_output_tokens: optional(field(config, "maxOutputTokens"), "`maxOutputTokens`")?,
        temperature: optional(field(config, "temperature"), "`temperature`")?,
        top_p: optional(field(config, "topP"), "`topP`")?,
        top_k: optional(field(config, "topK"), "`topK`")?,
        frequency_penalty: optional(field(config, "frequencyPenalty"), "`frequencyPenalty`")?,
        presence_penalty: optional(field(config, "presencePenalty"), "`presencePenalty`")?,
        stop: optional(field(config, "stopSequences"), "`stopSequences`")?.unwrap_or_default(),
        // A negative seed is as good as any.
        seed: optional::<i64>(field(config, "seed"), "`seed`")?.map(i64::unsigned_abs),
        response_format: response_format(config)?,
        logprobs: wants_logprobs.then(|| alternatives.unwrap_or(0)),
        reasoning: match field(config, "thinkingConfig") {
            None | Some(Value::Null) => None,
            Some(thinking) => Some(reasoning(thinking)?),
        },
        ..RequestSettings::default()
    })
}

/// The format, whose schema is JSON Schema or in the dialect of schemas.
fn response_format(config: &Map<String, Value>) -> Result<Option<ResponseFormat>, WireError> {
    let media_type: Option<String> = optional(field(config, "responseMimeType"), "`responseMimeType`")?;
    let schema_at = |key: &str| field(config, key).filter(|schema| !schema.is_null());
    let json_schema = schema_at("responseJsonSchema").or_else(|| schema_at("_responseJsonSchema")).cloned();
    let schema = json_schema.or_else(|| schema_at("responseSchema").map(to_json_schema));
    match (media_type.as_deref(), schema) {
        (None | Some("" | "text/plain"), None) => Ok(None),
        (Some(JSON), None) => Ok(Some(ResponseFormat::JsonObject)),
        (None | Some(JSON), Some(schema)) => {
            object(&schema, "the schema of the answer")?;
            Ok(Some(format::unnamed(schema)))
        }
        (Some(other), _) => {
            malformed(format!("answers of the type `{other}` have no form in another dialect"))
        }
    }
}

fn reasoning(thinking: &Value) -> Result<Reasoning, WireError> {
    let level: Option<String> = optional(field_of(thinking, "thinkingLevel"), "`thinkingLevel`")?;
    let budget: Option<i64> = optional(field_of(thinking, "thinkingBudget"), "`thinkingBudget`")?;
    Ok(Reasoning {
        effort: level.map(|level| level.to_lowercase()),
        // -1 leaves it to the model.
        budget_tokens: budget.and_then(|budget| u64::try_from(budget).ok()),
    })
}

fn declarations(tool: &Value, tools: &mut Vec<Tool>) -> Result<(), WireError> {
    let tool = object(tool, "an item of `tools`")?;
    let is_declarations = |key: &str| matches!(key, "functionDeclarations" | "function_declarations");
    if let Some((kind, _)) = tool.iter().find(|(key, value)| !is_declarations(key) && !value.is_null()) {
        return malformed(format!("tools of the kind `{kind}` have no form in another dialect"));
    }
    for declaration in array_or_empty(field(tool, "functionDeclarations"), "`functionDeclarations`")? {
        let name = text(declaration.get("name"), "`name` of a function")?;
        let description: Option<String> =
            optional(declaration.get("description"), "`description` of a function")?;
        let parameters = match (field_of(declaration, "parametersJsonSchema"), declaration.get("parameters"))
        {
            (Some(schema), _) if !schema.is_null() => schema.clone(),
            (_, Some(schema)) if !schema.is_null() => to_json_schema(schema),
            _ => serde_json::json!({"type": "object", "properties": {}}),
        };
        object(&parameters, &format!("the schema of the function `{name}`"))?;
        tools.push(Tool { name: name.to_owned(), description: description.unwrap_or_default(), parameters });
    }
    Ok(())
}

fn tool_choice(config: Option<&Value>) -> Result<ToolChoice, WireError> {
    let Some(calling) = config.and_then(|config| field_of(config, "functionCallingConfig")) else {
        return Ok(ToolChoice::Auto);
    };
    let mode: Option<String> = optional(calling.get("mode"), "`mode` of `functionCallingConfig`")?;
    let allowed: Vec<String> =
        optional(field_of(calling, "allowedFunctionNames"), "`allowedFunctionNames`")?.unwrap_or_default();
    match (mode.map(|mode| mode.to_uppercase()).as_deref(), allowed.as_slice()) {
        (Some("NONE"), _) => Ok(ToolChoice::None),
        (Some("ANY"), [name]) => Ok(ToolChoice::Named(name.clone())),
        (Some("ANY"), _) => Ok(ToolChoice::Required),
        (None | Some("AUTO" | "VALIDATED" | "MODE_UNSPECIFIED"), _) => Ok(ToolChoice::Auto),
        (Some(other), _) => malformed(format!("the mode `{other}` of `functionCallingConfig` is not known")),
    }
}

#[derive(Default)]
struct History {
    messages: Vec<Message>,
    /// The calls that no result has answered yet: id and tool.
    open_calls: Vec<(String, String)>,
    made_up: usize,
}

impl History {
    fn add(&mut self, content: &Value, what: &str) -> Result<(), WireError> {
        let parts = array(content.get("parts"), &format!("`parts` of {what}"))?;
        match content.get("role").and_then(Value::as_str).unwrap_or("user") {
            "model" => self.add_turn(parts, what),
            "user" | "function" | "tool" => self.add_user(parts, what),
            other => malformed(format!("{what} has the role `{other}`")),
        }
    }

    fn add_turn(&mut self, items: &[Value], what: &str) -> Result<(), WireError> {
        let mut parts = Vec::new();
        for item in items {
            let item = object(item, &format!("a part of {what}"))?;
            if let Some(call) = field(item, "functionCall") {
                let name = text(call.get("name"), &format!("`name` of a call in {what}"))?.to_owned();
                let id: Option<String> = optional(call.get("id"), &format!("`id` of a call in {what}"))?;
                let id = id.filter(|id| !id.is_empty()).unwrap_or_else(|| self.new_id());
                self.open_calls.push((id.clone(), name.clone()));
                parts.push(Part::Call { id, name, arguments: arguments_of(call.get("args")) });
            } else if item.get("thought").and_then(Value::as_bool).unwrap_or(false) {
            } else if let Some(said) = item.get("text") {
                let text = text(Some(said), &format!("`text` of a part of {what}"))?;
                if !text.is_empty() {
                    parts.push(Part::Text { text: text.to_owned() });
                }
            } else if let Some(kind) = item.keys().find(|key| !key.starts_with("thought")) {
                parts.push(Part::Other { kind: kind.clone() });
            }
        }
        match self.messages.last_mut() {
            Some(Message::Assistant(turn)) => turn.parts.extend(parts),
            _ => self.messages.push(Message::Assistant(Turn { parts, raw: None })),
        }
        Ok(())
    }

    /// An id of its own for a call without one.
    fn new_id(&mut self) -> String {
        self.made_up += 1;
        format!("call_{}", self.made_up)
    }

    fn add_user(&mut self, items: &[Value], what: &str) -> Result<(), WireError> {
        let mut results: Vec<ToolResult> = Vec::new();
        let mut inputs = Vec::new();
        let mut is_behind_result = false;
        for item in items {
            let item = object(item, &format!("a part of {what}"))?;
            if let Some(response) = field(item, "functionResponse") {
                results.push(self.result(response, what)?);
                is_behind_result = true;
                continue;
            }
            let input = input(item, what)?;
            is_behind_result &= !matches!(input, Input::Text { .. });
            match results.last_mut().filter(|_| is_behind_result) {
                // Clients of models before the third generation put a result's pictures behind it.
                Some(result) => result.content.push(input),
                None => inputs.push(input),
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
            self.messages.push(Message::User { content: inputs });
        }
        Ok(())
    }

    /// A result belongs to the call with its id, or without an id to the first open call of its tool.
    fn result(&mut self, response: &Value, what: &str) -> Result<ToolResult, WireError> {
        let name = text(response.get("name"), &format!("`name` of a result in {what}"))?;
        let id: Option<String> = optional(response.get("id"), &format!("`id` of a result in {what}"))?;
        let id = id.filter(|id| !id.is_empty());
        let by_id = |(open, _): &(String, String)| id.as_ref() == Some(open);
        let at = self
            .open_calls
            .iter()
            .position(by_id)
            .or_else(|| self.open_calls.iter().position(|(_, tool)| tool == name));
        let Some(at) = at else {
            return malformed(format!("{what} holds a result of `{name}`, which was not called"));
        };
        let (call_id, name) = self.open_calls.remove(at);
        let mut content = Vec::new();
        let (text, is_error) = output(response.get("response"));
        if !text.is_empty() {
            content.push(Input::Text { text });
        }
        for part in array_or_empty(response.get("parts"), &format!("`parts` of a result in {what}"))? {
            content.push(input(object(part, &format!("a part of {what}"))?, what)?);
        }
        Ok(ToolResult { call_id, name, content, is_error })
    }
}

/// What a tool returned: the value of `output` or `error`, if the object has one alone, or else the object.
fn output(response: Option<&Value>) -> (String, bool) {
    let as_text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let Some(response) = response.filter(|response| !response.is_null()) else {
        return (String::new(), false);
    };
    let only =
        |key: &str| response.get(key).filter(|_| response.as_object().is_some_and(|all| all.len() == 1));
    match (only("output"), only("error")) {
        (Some(output), _) => (as_text(output), false),
        (_, Some(error)) => (as_text(error), true),
        (None, None) => (as_text(response), false),
    }
}

fn input(item: &Map<String, Value>, what: &str) -> Result<Input, WireError> {
    let read = |value: &Value, key: &str| {
        text(field_of(value, key), &format!("`{key}` in {what}")).map(str::to_owned)
    };
    if let Some(said) = item.get("text") {
        return Ok(Input::Text {
            text: text(Some(said), &format!("`text` of a part of {what}"))?.to_owned(),
        });
    }
    if let Some(blob) = field(item, "inlineData") {
        let media_type = read(blob, "mimeType")?;
        is_picture(&media_type, what)?;
        return Ok(Input::Image { media_type, data: read(blob, "data")? });
    }
    if let Some(file) = field(item, "fileData") {
        if let Some(media_type) = field_of(file, "mimeType").and_then(Value::as_str) {
            is_picture(media_type, what)?;
        }
        return Ok(Input::ImageUrl { url: read(file, "fileUri")? });
    }
    let kind = item.keys().next().map_or("nothing", String::as_str);
    malformed(format!("{what} holds a part of the kind `{kind}`, which has no form here"))
}

fn is_picture(media_type: &str, what: &str) -> Result<(), WireError> {
    if media_type.starts_with("image/") {
        return Ok(());
    }
    malformed(format!("{what} holds data of the type `{media_type}`; only pictures have a form here"))
}
