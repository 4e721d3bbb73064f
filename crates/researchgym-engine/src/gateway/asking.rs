//! What a client's request says that bears on its cost: model, cap on output, stream. The rest is not looked at.

use researchgym_core::model::Wire;
use serde_json::Value;

use super::route::Delivery;
use super::unmetered::unmetered;

/// More choices than any provider gives for one prompt.
const MOST_CHOICES: u64 = 128;

/// What a request says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asking {
    /// The model's name as the client has it.
    pub(super) named: String,
    /// In which form the answer is wanted.
    pub(super) delivery: Delivery,
    /// Whether a stream is to tell the usage (chat).
    pub(super) include_usage: bool,
    /// The cap on the output of one choice, if there is one.
    pub(super) output: Option<u64>,
    /// How many choices are asked for.
    pub(super) choices: u64,
    /// With a lower cap than this the provider would refuse the request.
    pub(super) least_output: u64,
}

/// A request that is not sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unfit {
    /// It is not what its form says.
    #[error("{0}")]
    Malformed(String),
    /// Two readers could understand it in two ways.
    #[error("the key `{0}` is there twice")]
    Twice(&'static str),
    /// What it costs could not be known.
    #[error("{0} cannot be metered and is not available here")]
    Unmetered(String),
}

/// Reads a request.
///
/// # Errors
/// The request is not to be sent.
pub(super) fn read(dialect: Wire, body: &Value) -> Result<Asking, Unfit> {
    if !body.is_object() {
        return Err(malformed("the body is not a JSON object"));
    }
    if let Some(what) = unmetered(dialect, body) {
        return Err(Unfit::Unmetered(what));
    }
    let asking = match dialect {
        Wire::Chat => chat(body)?,
        Wire::Responses => openly(body, whole(body, "max_output_tokens")?)?,
        Wire::Messages => messages(body)?,
        Wire::Gemini => gemini(body)?,
    };
    if asking.choices == 0 || asking.choices > MOST_CHOICES {
        return Err(malformed(format!("from 1 to {MOST_CHOICES} choices can be asked for")));
    }
    Ok(asking)
}

/// For forms that name model and stream in the body.
fn openly(body: &Value, output: Option<u64>) -> Result<Asking, Unfit> {
    let named = body["model"].as_str().ok_or_else(|| malformed("`model` is missing or not a text"))?;
    let stream = match &body["stream"] {
        Value::Null => false,
        Value::Bool(stream) => *stream,
        _ => return Err(malformed("`stream` is neither true nor false")),
    };
    let delivery = if stream { Delivery::Events } else { Delivery::Plain };
    Ok(Asking {
        named: named.to_owned(),
        delivery,
        include_usage: false,
        output,
        choices: 1,
        least_output: 0,
    })
}

fn chat(body: &Value) -> Result<Asking, Unfit> {
    // Of two caps the looser one counts: servers differ in which they follow.
    let output = whole(body, "max_completion_tokens")?.max(whole(body, "max_tokens")?);
    let choices = whole(body, "n")?.unwrap_or(1).max(whole(body, "best_of")?.unwrap_or(1));
    let include_usage = body.pointer("/stream_options/include_usage") == Some(&Value::Bool(true));
    Ok(Asking { choices, include_usage, ..openly(body, output)? })
}

fn messages(body: &Value) -> Result<Asking, Unfit> {
    let thinking = whole(&body["thinking"], "budget_tokens")?;
    let asking = openly(body, whole(body, "max_tokens")?)?;
    Ok(Asking { least_output: thinking.map_or(0, |budget| budget.saturating_add(1)), ..asking })
}

/// The path holds the model and the form of the answer: the caller fills them in.
fn gemini(body: &Value) -> Result<Asking, Unfit> {
    let none = Value::Null;
    let config = match (body.get("generationConfig"), body.get("generation_config")) {
        (Some(_), Some(_)) => return Err(Unfit::Twice("generationConfig")),
        (Some(config), None) | (None, Some(config)) => config,
        (None, None) => &none,
    };
    let number = |camel: &'static str, snake: &str| match (whole(config, camel)?, whole(config, snake)?) {
        (Some(_), Some(_)) => Err(Unfit::Twice(camel)),
        (one, other) => Ok(one.or(other)),
    };
    Ok(Asking {
        named: String::new(),
        delivery: Delivery::Plain,
        include_usage: false,
        output: number("maxOutputTokens", "max_output_tokens")?,
        choices: number("candidateCount", "candidate_count")?.unwrap_or(1),
        least_output: 0,
    })
}

fn whole(object: &Value, key: &str) -> Result<Option<u64>, Unfit> {
    match object.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            value.as_u64().map(Some).ok_or_else(|| malformed(format!("`{key}` is not a whole number")))
        }
    }
}

fn malformed(message: impl Into<String>) -> Unfit {
    Unfit::Malformed(message.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(dialect: Wire, body: &str, expected: Result<Asking, &str>) {
        let value = serde_json::from_str(body).unwrap();
        let found = read(dialect, &value).map_err(|error| error.to_string());
        assert_eq!(found, expected.map_err(str::to_owned), "{body}");
    }

    fn asking(named: &str, output: Option<u64>) -> Asking {
        Asking {
            named: named.to_owned(),
            delivery: Delivery::Plain,
            include_usage: false,
            output,
            choices: 1,
            least_output: 0,
        }
    }

    #[test]
    fn what_bears_on_the_cost_is_found_in_all_forms() {
        check(Wire::Chat, r#"{"model":"m"}"#, Ok(asking("m", None)));
        check(
            Wire::Chat,
            r#"{"model":"m","max_tokens":5,"max_completion_tokens":9}"#,
            Ok(asking("m", Some(9))),
        );
        check(
            Wire::Chat,
            r#"{"model":"m","stream":true,"stream_options":{"include_usage":true},"n":3,"max_tokens":null}"#,
            Ok(Asking { delivery: Delivery::Events, include_usage: true, choices: 3, ..asking("m", None) }),
        );
        check(Wire::Responses, r#"{"model":"m","max_output_tokens":5}"#, Ok(asking("m", Some(5))));
        check(
            Wire::Messages,
            r#"{"model":"m","max_tokens":9000,"thinking":{"budget_tokens":4000}}"#,
            Ok(Asking { least_output: 4001, ..asking("m", Some(9000)) }),
        );
        check(
            Wire::Gemini,
            r#"{"generationConfig":{"maxOutputTokens":5,"candidateCount":2}}"#,
            Ok(Asking { choices: 2, ..asking("", Some(5)) }),
        );
        check(Wire::Gemini, r#"{"generation_config":{"max_output_tokens":5}}"#, Ok(asking("", Some(5))));
    }

    #[test]
    fn what_could_be_understood_in_two_ways_is_refused() {
        check(Wire::Chat, "[]", Err("the body is not a JSON object"));
        check(Wire::Chat, r#"{"messages":[]}"#, Err("`model` is missing or not a text"));
        check(Wire::Chat, r#"{"model":"m","max_tokens":1.5}"#, Err("`max_tokens` is not a whole number"));
        check(Wire::Chat, r#"{"model":"m","max_tokens":-1}"#, Err("`max_tokens` is not a whole number"));
        check(Wire::Chat, r#"{"model":"m","n":1000}"#, Err("from 1 to 128 choices can be asked for"));
        check(
            Wire::Chat,
            r#"{"model":"m","n":0,"best_of":0}"#,
            Err("from 1 to 128 choices can be asked for"),
        );
        check(Wire::Chat, r#"{"model":"m","stream":1}"#, Err("`stream` is neither true nor false"));
        check(
            Wire::Gemini,
            r#"{"generationConfig":{"maxOutputTokens":5,"max_output_tokens":9}}"#,
            Err("the key `maxOutputTokens` is there twice"),
        );
        check(
            Wire::Gemini,
            r#"{"generationConfig":{},"generation_config":{}}"#,
            Err("the key `generationConfig` is there twice"),
        );
        check(
            Wire::Responses,
            r#"{"model":"m","background":true}"#,
            Err("`background` cannot be metered and is not available here"),
        );
    }
}
