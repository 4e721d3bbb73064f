//! Embeddings: texts in, one vector for each out. The request and its answer in the two forms that providers have, in both
//! directions, and how many tokens the texts can have at most.
//!
//! `POST /embeddings` of OpenAI (also vLLM, Ollama, LiteLLM, llama.cpp, Mistral and others) belongs to the wires `chat` and
//! `responses`, `:batchEmbedContents` to `gemini`. Anthropic's API has no embeddings. Vectors are asked for as lists of
//! numbers: the form that every server has.

use serde_json::{Map, Value, json};

use super::reply::Usage;
use super::wire::{Target, Wire, WireError};

/// The most texts of one request: what OpenAI takes.
pub const MOST_TEXTS: usize = 2048;
/// The most numbers of one vector that are read.
pub const MOST_DIMENSIONS: usize = 65_536;

/// What the marks around a text count: the first and the last token of some tokenizers, and room.
const TEXT_TOKENS: u64 = 16;

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Embedded {
    /// A vector for each text, in their order.
    pub vectors: Vec<Vec<f32>>,
    /// What it used, if the provider told.
    pub usage: Option<Usage>,
}

/// Whether a provider that is spoken to in this form can have embeddings.
pub fn has_embeddings(wire: Wire) -> bool {
    match wire {
        Wire::Chat | Wire::Responses | Wire::Gemini => true,
        Wire::Messages => false,
    }
}

/// The part of the address that follows the provider's base; `None` if there are no embeddings.
pub fn call(wire: Wire, model: &str) -> Option<String> {
    match wire {
        Wire::Chat | Wire::Responses => Some("/embeddings".to_owned()),
        Wire::Gemini => Some(format!("/models/{model}:batchEmbedContents")),
        Wire::Messages => None,
    }
}

/// The most tokens that the texts can have: a token has at least one byte (see [`super::bound`]). `window` is the most that
/// the model takes of one text.
pub fn tokens_bound(texts: &[String], window: Option<u64>) -> u64 {
    let tokens = texts.iter().map(|text| {
        let bytes = (text.len() as u64).saturating_add(TEXT_TOKENS);
        window.map_or(bytes, |window| bytes.min(window.max(TEXT_TOKENS)))
    });
    tokens.fold(0, u64::saturating_add)
}

/// The body of a request. `extra` are keys that go into it as they are, such as `dimensions`.
pub fn encode(wire: Wire, target: &Target, texts: &[String], extra: &Map<String, Value>) -> Value {
    match wire {
        Wire::Gemini => {
            let model = format!("models/{}", target.model);
            let request = |text: &String| {
                let mut request = extra.clone();
                request.insert("model".to_owned(), json!(model));
                request.insert("content".to_owned(), json!({ "parts": [{ "text": text }] }));
                Value::Object(request)
            };
            json!({ "requests": texts.iter().map(request).collect::<Vec<_>>() })
        }
        Wire::Chat | Wire::Responses | Wire::Messages => {
            let mut body = extra.clone();
            body.insert("model".to_owned(), json!(target.model));
            body.insert("input".to_owned(), json!(texts));
            Value::Object(body)
        }
    }
}

/// Reads an answer to a request with so many texts.
///
/// # Errors
/// It is not what the form says, or its vectors are none that can be compared: another number of them than of texts, of
/// different lengths, without a number or with one that is not finite, or all zeros.
pub fn decode(wire: Wire, answer: &Value, texts: usize) -> Result<Embedded, WireError> {
    let (key, values) = match wire {
        Wire::Gemini => ("embeddings", "values"),
        Wire::Chat | Wire::Responses | Wire::Messages => ("data", "embedding"),
    };
    let malformed = |problem: String| Err(WireError::Malformed(problem));
    if let Some(error) = answer.get("error").filter(|error| !error.is_null()) {
        let text = |key: &str| error.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        return Err(WireError::Provider { kind: text("type"), message: text("message") });
    }
    let Some(entries) = answer.get(key).and_then(Value::as_array) else {
        return malformed(format!("the answer holds no list `{key}` of embeddings"));
    };
    if entries.len() != texts {
        return malformed(format!("{} embeddings came for {}", entries.len(), counted(texts)));
    }
    let mut vectors = vec![None; texts];
    for (position, entry) in entries.iter().enumerate() {
        // OpenAI numbers them; their order is that of the texts all the same.
        let place = match entry.get("index").and_then(Value::as_u64) {
            Some(index) => usize::try_from(index).unwrap_or(usize::MAX),
            None => position,
        };
        let vector = vector(entry.get(values)).map_err(|problem| {
            WireError::Malformed(format!("embedding {} of the answer {problem}", position + 1))
        })?;
        match vectors.get_mut(place) {
            Some(free @ None) => *free = Some(vector),
            Some(Some(_)) | None => return malformed(format!("an embedding has the `index` {place}")),
        }
    }
    let vectors: Vec<Vec<f32>> = vectors.into_iter().flatten().collect();
    if let Some(other) = vectors.iter().find(|vector| vector.len() != vectors[0].len()) {
        let lengths = (vectors[0].len(), other.len());
        return malformed(format!("embeddings of one answer have {} and {} numbers", lengths.0, lengths.1));
    }
    Ok(Embedded { vectors, usage: usage_of(wire, answer) })
}

/// What an answer tells of its usage.
pub fn usage_of(wire: Wire, answer: &Value) -> Option<Usage> {
    let place = match wire {
        Wire::Gemini => "/usageMetadata/promptTokenCount",
        Wire::Chat | Wire::Responses | Wire::Messages => "/usage/prompt_tokens",
    };
    let input = answer.pointer(place).and_then(Value::as_u64).filter(|input| *input > 0)?;
    Some(Usage { input, ..Usage::default() })
}

/// Reads numbers that can be compared by their direction.
fn vector(values: Option<&Value>) -> Result<Vec<f32>, String> {
    let Some(values) = values.and_then(Value::as_array) else {
        return Err("is no list of numbers".to_owned());
    };
    if values.is_empty() || values.len() > MOST_DIMENSIONS {
        return Err(format!("has {} numbers", values.len()));
    }
    let number = |(position, value): (usize, &Value)| {
        let number = value.as_f64().map(|number| number as f32).filter(|number| number.is_finite());
        // Servers write what is not a number as null.
        number.ok_or_else(|| format!("holds {value} at position {position}, which is no finite number"))
    };
    let numbers = values.iter().enumerate().map(number).collect::<Result<Vec<f32>, String>>()?;
    match numbers.iter().all(|number| *number == 0.0) {
        true => Err("is all zeros".to_owned()),
        false => Ok(numbers),
    }
}

fn counted(texts: usize) -> String {
    if texts == 1 { "1 text".to_owned() } else { format!("{texts} texts") }
}

/// A client's request, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParsedTexts {
    /// The model that is asked for.
    pub model: String,
    /// The texts.
    pub texts: Vec<String>,
}

/// Reads a request as a server does. `model` is the one that the address names.
///
/// # Errors
/// It names no model or no texts.
pub fn parse_request(wire: Wire, body: &Value, model: &str) -> Result<ParsedTexts, WireError> {
    let malformed = |problem: &str| WireError::Malformed(problem.to_owned());
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    match wire {
        Wire::Gemini => {
            let requests = body.get("requests").and_then(Value::as_array);
            let requests = requests.ok_or_else(|| malformed("`requests` is no list"))?;
            let named = format!("models/{model}");
            let one = |request: &Value| {
                if request.get("model").and_then(Value::as_str) != Some(&named) {
                    return Err(malformed("a request names another model than the address"));
                }
                let text = text(request.pointer("/content/parts/0/text"));
                text.ok_or_else(|| malformed("a request has no text"))
            };
            Ok(ParsedTexts {
                model: model.to_owned(),
                texts: requests.iter().map(one).collect::<Result<_, _>>()?,
            })
        }
        Wire::Chat | Wire::Responses | Wire::Messages => {
            let model = text(body.get("model")).ok_or_else(|| malformed("`model` is no text"))?;
            let texts = match body.get("input") {
                Some(Value::String(text)) => vec![text.clone()],
                Some(Value::Array(texts)) => texts
                    .iter()
                    .map(|value| text(Some(value)).ok_or_else(|| malformed("`input` holds what is no text")))
                    .collect::<Result<_, _>>()?,
                _ => return Err(malformed("`input` is neither a text nor a list of them")),
            };
            Ok(ParsedTexts { model, texts })
        }
    }
}

/// Writes an answer as a server does.
pub fn render(wire: Wire, model: &str, embedded: &Embedded) -> Value {
    match wire {
        Wire::Gemini => {
            let entries = embedded.vectors.iter().map(|vector| json!({ "values": vector }));
            let mut answer = json!({ "embeddings": entries.collect::<Vec<_>>() });
            if let Some(usage) = embedded.usage {
                answer["usageMetadata"] = json!({ "promptTokenCount": usage.input });
            }
            answer
        }
        Wire::Chat | Wire::Responses | Wire::Messages => {
            let entries = embedded.vectors.iter().enumerate();
            let entries = entries
                .map(|(index, vector)| json!({ "object": "embedding", "index": index, "embedding": vector }));
            let entries: Vec<Value> = entries.collect();
            let mut answer = json!({ "object": "list", "model": model, "data": entries });
            if let Some(usage) = embedded.usage {
                answer["usage"] = json!({ "prompt_tokens": usage.input, "total_tokens": usage.input });
            }
            answer
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> Target {
        Target { name: "fake/e".into(), model: "e".into() }
    }

    #[test]
    fn requests_and_answers_are_read_back_in_both_forms() {
        let texts = ["one".to_owned(), "two".to_owned()];
        let extra = Map::from_iter([("dimensions".to_owned(), json!(2))]);
        let chat = json!({"model": "e", "input": ["one", "two"], "dimensions": 2});
        assert_eq!(encode(Wire::Responses, &target(), &texts, &extra), chat);
        let gemini = json!({"requests": [
            {"model": "models/e", "content": {"parts": [{"text": "one"}]}},
            {"model": "models/e", "content": {"parts": [{"text": "two"}]}},
        ]});
        assert_eq!(encode(Wire::Gemini, &target(), &texts, &Map::new()), gemini);
        let usage = Some(Usage { input: 3, ..Usage::default() });
        let embedded = Embedded { vectors: vec![vec![0.5, -1.0], vec![2.0, 0.25]], usage };
        for (wire, body) in [(Wire::Chat, &chat), (Wire::Gemini, &gemini)] {
            let parsed = parse_request(wire, body, "e").unwrap();
            assert_eq!(parsed, ParsedTexts { model: "e".into(), texts: texts.to_vec() });
            assert_eq!(decode(wire, &render(wire, "e", &embedded), 2), Ok(embedded.clone()));
            let untold = Embedded { usage: None, ..embedded.clone() };
            assert_eq!(decode(wire, &render(wire, "e", &untold), 2), Ok(untold));
        }
        assert_eq!(call(Wire::Chat, "e").as_deref(), Some("/embeddings"));
        assert_eq!(call(Wire::Gemini, "e").as_deref(), Some("/models/e:batchEmbedContents"));
        assert_eq!((call(Wire::Messages, "e"), has_embeddings(Wire::Messages)), (None, false));
    }

    #[test]
    fn what_cannot_be_compared_is_refused_in_words() {
        let check = |answer: Value, expected: &str| {
            let error = decode(Wire::Chat, &answer, 2).unwrap_err();
            // How many signs an exponent has depends on the version of the library.
            assert_eq!(error.to_string().replace("e+300", "e300"), expected);
        };
        let entry = |values: Value| json!({ "embedding": values });
        let two = |one: Value, other: Value| json!({ "data": [entry(one), entry(other)] });
        check(json!({}), "the answer holds no list `data` of embeddings");
        check(json!({"data": [entry(json!([1.0]))]}), "1 embeddings came for 2 texts");
        check(two(json!([1.0]), json!("AAA=")), "embedding 2 of the answer is no list of numbers");
        check(two(json!([]), json!([1.0])), "embedding 1 of the answer has 0 numbers");
        check(
            two(json!([1.0, null]), json!([1.0, 2.0])),
            "embedding 1 of the answer holds null at position 1, which is no finite number",
        );
        check(
            two(json!([1e300]), json!([1.0])),
            "embedding 1 of the answer holds 1e300 at position 0, which is no finite number",
        );
        check(two(json!([0.0, 0]), json!([1.0, 2.0])), "embedding 1 of the answer is all zeros");
        check(two(json!([1.0]), json!([1.0, 2.0])), "embeddings of one answer have 1 and 2 numbers");
        let numbered = |index: u64| json!({ "index": index, "embedding": [1.0] });
        check(json!({"data": [numbered(1), numbered(1)]}), "an embedding has the `index` 1");
        check(json!({"data": [numbered(0), numbered(2)]}), "an embedding has the `index` 2");
        check(
            json!({"error": {"type": "overloaded_error", "message": "busy"}}),
            "the provider reported: busy",
        );
        let turned = json!({"data": [{"index": 1, "embedding": [1.0]}, {"index": 0, "embedding": [2.0]}]});
        assert_eq!(decode(Wire::Chat, &turned, 2).unwrap().vectors, [[2.0], [1.0]]);
    }

    #[test]
    fn tokens_are_bounded_by_bytes_and_by_what_the_model_takes() {
        let texts = ["größe".to_owned(), "x".repeat(1000)];
        assert_eq!(tokens_bound(&texts, None), 7 + 16 + 1000 + 16);
        assert_eq!(tokens_bound(&texts, Some(500)), 7 + 16 + 500);
        assert_eq!(tokens_bound(&[], None), 0);
    }
}
