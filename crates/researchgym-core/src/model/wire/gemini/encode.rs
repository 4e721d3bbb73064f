//! A request as Gemini takes it.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::super::calls::object_of;
use super::super::{Target, Wire, format};
use crate::model::{
    Input, Message, Part, Reasoning, Request, RequestSettings, ResponseFormat, Tool, ToolChoice, ToolResult,
    Turn,
};

/// Stands where a content has nothing to say: the API refuses empty ones.
const EMPTY: &str = "(empty)";

/// The type of answers that are JSON.
pub(super) const JSON: &str = "application/json";

/// Stands in for the signature of a call that another model made: Gemini 3 refuses calls of the running turn without
/// one, and its documentation gives this word for histories that come from elsewhere.
const FOREIGN_SIGNATURE: &str = "skip_thought_signature_validator";

/// Writes the request's body; whether the answer is a stream is said by the address.
pub fn encode(request: &Request, target: &Target, _stream: bool) -> Value {
    let settings = &request.settings;
    let mut conversation =
        Conversation { is_third: is_third_generation(&target.model), ..Default::default() };
    for message in &request.messages {
        conversation.add(message, target);
    }

    let mut body = Map::new();
    body.insert("contents".into(), conversation.contents.into());
    if !conversation.system.is_empty() {
        body.insert("systemInstruction".into(), json!({"parts": conversation.system}));
    }
    if !settings.tools.is_empty() {
        let declarations: Vec<Value> = settings.tools.iter().map(declaration).collect();
        body.insert("tools".into(), json!([{"functionDeclarations": declarations}]));
        if let Some(calling) = calling(&settings.tool_choice) {
            body.insert("toolConfig".into(), json!({"functionCallingConfig": calling}));
        }
    }
    let generation = generation(settings);
    if !generation.is_empty() {
        body.insert("generationConfig".into(), generation.into());
    }
    for (key, value) in &settings.extra {
        match (key.as_str(), body.get_mut(key)) {
            ("generationConfig", Some(old)) => merge(old, value),
            _ => {
                body.insert(key.clone(), value.clone());
            }
        }
    }
    Value::Object(body)
}

/// Whether the model is of the third generation or later, which demands signatures and takes pictures within the
/// results of tools. Names without a number, such as `gemini-flash-latest`, stand for the newest.
fn is_third_generation(model: &str) -> bool {
    let Some((_, version)) = model.rsplit_once("gemini-") else { return false };
    let digits: String = version.chars().take_while(char::is_ascii_digit).collect();
    !matches!(digits.as_str(), "1" | "2")
}

/// The schema goes under `parametersJsonSchema`: the older key `parameters` refuses much of JSON Schema.
fn declaration(tool: &Tool) -> Value {
    let schema = format::bare(&tool.parameters);
    json!({"name": tool.name, "description": tool.description, "parametersJsonSchema": schema})
}

fn calling(choice: &ToolChoice) -> Option<Value> {
    match choice {
        ToolChoice::Auto => None,
        ToolChoice::None => Some(json!({"mode": "NONE"})),
        ToolChoice::Required => Some(json!({"mode": "ANY"})),
        ToolChoice::Named(name) => Some(json!({"mode": "ANY", "allowedFunctionNames": [name]})),
    }
}

fn generation(settings: &RequestSettings) -> Map<String, Value> {
    let stop = (!settings.stop.is_empty()).then(|| json!(settings.stop));
    let format = settings.response_format.as_ref();
    let schema = format.and_then(|format| match format {
        ResponseFormat::JsonObject => None,
        ResponseFormat::JsonSchema { schema, .. } => Some(format::bare(schema)),
    });
    let fields = [
        ("maxOutputTokens", settings.max_output_tokens.map(Value::from)),
        ("temperature", settings.temperature.map(Value::from)),
        ("topP", settings.top_p.map(Value::from)),
        ("topK", settings.top_k.map(Value::from)),
        ("frequencyPenalty", settings.frequency_penalty.map(Value::from)),
        ("presencePenalty", settings.presence_penalty.map(Value::from)),
        ("stopSequences", stop),
        // The API's seed has 32 bits and a sign.
        ("seed", settings.seed.map(|seed| json!(seed & 0x7fff_ffff))),
        ("responseMimeType", format.map(|_| json!(JSON))),
        ("responseJsonSchema", schema),
        ("responseLogprobs", settings.logprobs.map(|_| json!(true))),
        ("logprobs", settings.logprobs.filter(|&count| count > 0).map(Value::from)),
        ("thinkingConfig", settings.reasoning.as_ref().map(thinking)),
    ];
    fields.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
}

/// A budget and a level together are refused: the budget wins.
fn thinking(reasoning: &Reasoning) -> Value {
    match (reasoning.budget_tokens, reasoning.effort.as_deref()) {
        (Some(0), _) | (None, Some("none")) => json!({"thinkingBudget": 0}),
        (Some(budget), _) => json!({"thinkingBudget": budget, "includeThoughts": true}),
        (None, Some(effort)) => json!({"thinkingLevel": effort.to_uppercase(), "includeThoughts": true}),
        (None, None) => json!({"includeThoughts": true}),
    }
}

fn merge(old: &mut Value, new: &Value) {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            for (key, value) in new {
                merge(old.entry(key).or_insert(Value::Null), value);
            }
        }
        (old, new) => *old = new.clone(),
    }
}

#[derive(Default)]
struct Conversation {
    is_third: bool,
    system: Vec<Value>,
    contents: Vec<Value>,
    /// For each call of the last turn, the id that it was sent with, if any.
    sent_ids: HashMap<String, Option<String>>,
}

impl Conversation {
    fn add(&mut self, message: &Message, target: &Target) {
        match message {
            Message::System { text } => self.system.extend(text_part(text)),
            Message::User { content } => self.push("user", content.iter().filter_map(input).collect()),
            Message::Tool { results } => self.add_results(results),
            Message::Assistant(turn) => {
                let parts = self.turn(turn, target);
                self.push("model", parts);
            }
        }
    }

    fn push(&mut self, role: &str, mut parts: Vec<Value>) {
        if parts.is_empty() {
            parts.push(json!({"text": EMPTY}));
        }
        self.contents.push(json!({"role": role, "parts": parts}));
    }

    /// All results of a turn are one content that holds nothing else: the API counts its parts. Pictures are within
    /// the results, or in a content behind them for models that refuse them there.
    fn add_results(&mut self, results: &[ToolResult]) {
        let mut parts = Vec::new();
        let mut pictures = Vec::new();
        for result in results {
            let mut response = response(result);
            let media = result.content.iter().filter(|input| !matches!(input, Input::Text { .. }));
            let media: Vec<Value> = media.filter_map(input).collect();
            if self.is_third && !media.is_empty() {
                response["parts"] = media.into();
            } else {
                pictures.extend(media);
            }
            match self.sent_ids.get(&result.call_id) {
                Some(Some(id)) => response["id"] = json!(id),
                Some(None) => {}
                None => response["id"] = json!(result.call_id),
            }
            parts.push(json!({"functionResponse": response}));
        }
        match self.contents.last_mut().filter(|last| is_of_results(last)) {
            Some(last) => match &mut last["parts"] {
                Value::Array(before) => before.extend(parts),
                other => *other = parts.into(),
            },
            None => self.push("user", parts),
        }
        if !pictures.is_empty() {
            self.push("user", pictures);
        }
    }

    /// The turn's parts: its own as they are but for ids that do not tell calls apart, or else made of its normalised
    /// ones.
    fn turn(&mut self, turn: &Turn, target: &Target) -> Vec<Value> {
        self.sent_ids.clear();
        if let Some(Value::Array(parts)) = turn.raw_for(Wire::Gemini, target) {
            let mut parts = parts.clone();
            let written = parts.iter_mut().filter_map(|part| part.get_mut("functionCall"));
            for ((id, ..), call) in turn.calls().zip(written) {
                let is_given = call["id"].as_str().is_some_and(|id| !id.is_empty());
                // The same was given twice: a result must name one call alone. Where none is given, order tells.
                if is_given && call["id"] != id {
                    call["id"] = json!(id);
                }
                self.sent_ids.insert(id.to_owned(), is_given.then(|| id.to_owned()));
            }
            return parts;
        }
        let parts = turn.parts.iter().filter_map(|part| match part {
            Part::Text { text } | Part::Refusal { text } => text_part(text),
            Part::Call { id, name, arguments } => {
                Some(json!({"functionCall": {"id": id, "name": name, "args": object_of(arguments)}}))
            }
            Part::Thinking { .. } | Part::Other { .. } => None,
        });
        let mut parts: Vec<Value> = parts.collect();
        if self.is_third
            && let Some(call) = parts.iter_mut().find(|part| part.get("functionCall").is_some())
        {
            call["thoughtSignature"] = json!(FOREIGN_SIGNATURE);
        }
        parts
    }
}

fn is_of_results(content: &Value) -> bool {
    content["role"] == "user" && content["parts"][0].get("functionResponse").is_some()
}

fn response(result: &ToolResult) -> Value {
    let texts = result.content.iter().filter_map(|input| match input {
        Input::Text { text } => Some(text.as_str()),
        Input::Image { .. } | Input::ImageUrl { .. } => None,
    });
    let text = texts.collect::<Vec<_>>().join("\n");
    let key = if result.is_error { "error" } else { "output" };
    json!({"name": result.name, "response": {key: text}})
}

fn input(input: &Input) -> Option<Value> {
    match input {
        Input::Text { text } => text_part(text),
        Input::Image { media_type, data } => {
            Some(json!({"inlineData": {"mimeType": media_type, "data": data}}))
        }
        Input::ImageUrl { url } => {
            let mut file = json!({"fileUri": url});
            if let Some(media_type) = media_type_of(url) {
                file["mimeType"] = json!(media_type);
            }
            Some(json!({"fileData": file}))
        }
    }
}

/// The type that the address tells by its ending.
fn media_type_of(url: &str) -> Option<&'static str> {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    match path.rsplit('.').next()?.to_ascii_lowercase().as_str() {
        "png" => Some("image/png"),
        "jpg" | "jpeg" => Some("image/jpeg"),
        "webp" => Some("image/webp"),
        "gif" => Some("image/gif"),
        "heic" => Some("image/heic"),
        _ => None,
    }
}

fn text_part(text: &str) -> Option<Value> {
    (!text.is_empty()).then(|| json!({"text": text}))
}
