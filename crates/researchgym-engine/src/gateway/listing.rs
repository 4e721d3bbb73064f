//! The list of models, in the form of whoever asks: OpenAI's, Anthropic's or Gemini's.

use researchgym_core::model::Wire;
use serde_json::{Value, json};

use super::answer::{Answer, final_error, json};
use super::served::Served;
use crate::model::Endpoint;

/// Lists the models, or shows one.
pub(super) fn models(served: &Served, form: Wire, one: Option<&str>) -> Answer {
    match one {
        Some(name) => match served.find(name, form) {
            Ok(endpoint) => json(200, &shown(form, name, endpoint)),
            Err(error) => final_error(form, 404, &error.to_string()),
        },
        None => {
            let names = served.names();
            let found = names.iter().filter_map(|name| Some((name, served.find(name, form).ok()?)));
            let models: Vec<Value> = found.map(|(name, endpoint)| shown(form, name, endpoint)).collect();
            json(200, &list(form, &names, models))
        }
    }
}

fn list(form: Wire, names: &[String], models: Vec<Value>) -> Value {
    match form {
        Wire::Gemini => json!({"models": models}),
        Wire::Messages => json!({
            "data": models,
            "has_more": false,
            "first_id": names.first(),
            "last_id": names.last(),
        }),
        Wire::Chat | Wire::Responses => json!({"object": "list", "data": models}),
    }
}

fn shown(form: Wire, name: &str, endpoint: &Endpoint) -> Value {
    let facts = &endpoint.facts;
    let provider = endpoint.target.name.split('/').next().unwrap_or_default();
    match form {
        Wire::Gemini => {
            let mut model = json!({
                "name": format!("models/{}", name.strip_prefix("models/").unwrap_or(name)),
                "displayName": name,
                "supportedGenerationMethods": ["generateContent", "streamGenerateContent", "countTokens"],
            });
            if let Some(window) = facts.context_window {
                model["inputTokenLimit"] = window.into();
            }
            if let Some(output) = facts.max_output {
                model["outputTokenLimit"] = output.into();
            }
            model
        }
        Wire::Messages => json!({
            "type": "model",
            "id": name,
            "display_name": name,
            "created_at": "1970-01-01T00:00:00Z",
        }),
        Wire::Chat | Wire::Responses => {
            json!({"id": name, "object": "model", "created": 0, "owned_by": provider})
        }
    }
}
