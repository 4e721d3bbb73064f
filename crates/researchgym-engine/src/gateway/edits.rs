//! The few values of a client's request that are changed on its way to a provider of the same form.

use bytes::Bytes;
use researchgym_core::model::Wire;
use serde_json::Value;

use super::asking::Asking;
use super::route::Delivery;
use super::splice::{rename, set};
use crate::model::Endpoint;

/// The body as it is sent, with a cap on the output of each choice: the client's own bytes if nothing must be changed.
pub(super) fn edited(bytes: &Bytes, body: &Value, asking: &Asking, endpoint: &Endpoint, cap: u64) -> Bytes {
    let mut text = bytes.clone();
    let mut put = |path: &[&str], value: &str| text = set(&text, path, value).into();
    let wire = endpoint.wire;
    if wire != Wire::Gemini && asking.named != endpoint.target.model {
        put(&["model"], &Value::from(endpoint.target.model.as_str()).to_string());
    }
    if wire == Wire::Chat && asking.delivery != Delivery::Plain && !asking.include_usage {
        put(&["stream_options", "include_usage"], "true");
    }
    if asking.output.is_none_or(|wanted| wanted > cap) {
        for path in caps(wire, body, endpoint) {
            put(&path, &cap.to_string());
        }
    }
    if wire == Wire::Chat && !knows_newer_cap(endpoint) && is_given(body, NEWER_CAP) {
        // A server that does not know a cap answers without one.
        match body.get("max_tokens") {
            None => text = rename(&text, NEWER_CAP, "max_tokens").into(),
            Some(Value::Null) => {
                let output = asking.output.map_or(cap, |wanted| wanted.min(cap));
                text = set(&text, &["max_tokens"], &output.to_string()).into();
            }
            Some(_) => {}
        }
    }
    text
}

const NEWER_CAP: &str = "max_completion_tokens";

/// Only OpenAI's own models insist on the newer name, and not all other servers know it.
fn knows_newer_cap(endpoint: &Endpoint) -> bool {
    ["openai/", "azure/"].iter().any(|own| endpoint.target.name.starts_with(own))
}

fn is_given(body: &Value, key: &str) -> bool {
    body.get(key).is_some_and(|value| !value.is_null())
}

/// Where the cap on output stands, or is put.
fn caps(wire: Wire, body: &Value, endpoint: &Endpoint) -> Vec<Vec<&'static str>> {
    match wire {
        Wire::Chat => {
            let given = [NEWER_CAP, "max_tokens"].into_iter().filter(|key| is_given(body, key));
            let given: Vec<Vec<&str>> = given.map(|key| vec![key]).collect();
            let own = if knows_newer_cap(endpoint) { NEWER_CAP } else { "max_tokens" };
            if given.is_empty() { vec![vec![own]] } else { given }
        }
        Wire::Responses => vec![vec!["max_output_tokens"]],
        Wire::Messages => vec![vec!["max_tokens"]],
        Wire::Gemini => {
            let config = if body.get("generation_config").is_some() {
                "generation_config"
            } else {
                "generationConfig"
            };
            let is_snake = body[config].get("max_output_tokens").is_some();
            vec![vec![config, if is_snake { "max_output_tokens" } else { "maxOutputTokens" }]]
        }
    }
}

#[cfg(test)]
mod tests {
    use researchgym_core::model::{ModelFacts, Target};

    use super::*;
    use crate::gateway::asking::read;
    use crate::model::{Auth, Backend};

    fn check(wire: Wire, name: &str, body: &'static str, cap: u64, expected: &str) {
        let endpoint = Endpoint {
            target: Target { name: name.to_owned(), model: "m".to_owned() },
            wire,
            base_url: String::new(),
            key: None,
            auth: Auth::Bearer,
            headers: Vec::new(),
            query: Vec::new(),
            facts: ModelFacts::default(),
            price_source: String::new(),
            request: Default::default(),
            backend: Backend::Http,
        };
        let value = serde_json::from_str(body).unwrap();
        let asking = read(wire, &value).unwrap();
        let sent = edited(&Bytes::from_static(body.as_bytes()), &value, &asking, &endpoint, cap);
        assert_eq!(std::str::from_utf8(&sent).unwrap(), expected);
    }

    #[test]
    fn nothing_is_changed_without_need() {
        let same = |wire, body| check(wire, "p/m", body, 9, body);
        same(Wire::Chat, r#"{ "max_tokens":9, "model" : "m" }"#);
        same(
            Wire::Chat,
            r#"{"stream":true,"max_tokens":9,"model":"m","stream_options":{"include_usage":true}}"#,
        );
        same(Wire::Responses, r#"{"model":"m","stream":true,"max_output_tokens":3}"#);
        same(Wire::Messages, r#"{"model":"m","stream":true,"max_tokens":1}"#);
        same(Wire::Gemini, r#"{"generationConfig":{"maxOutputTokens":9}}"#);
    }

    #[test]
    fn caps_names_and_the_usage_of_streams_are_put_in() {
        check(Wire::Chat, "openai/m", r#"{"model":"m"}"#, 9, r#"{"model":"m","max_completion_tokens":9}"#);
        check(Wire::Chat, "vllm/m", r#"{"model":"x"}"#, 9, r#"{"model":"m","max_tokens":9}"#);
        check(
            Wire::Chat,
            "vllm/m",
            r#"{"max_completion_tokens":10,"max_tokens":12,"model":"m","stream":true}"#,
            9,
            r#"{"max_completion_tokens":9,"max_tokens":9,"model":"m","stream":true,"stream_options":{"include_usage":true}}"#,
        );
        check(
            Wire::Chat,
            "vllm/m",
            r#"{"max_completion_tokens":5,"model":"m"}"#,
            9,
            r#"{"max_tokens":5,"model":"m"}"#,
        );
        check(
            Wire::Chat,
            "vllm/m",
            r#"{"max_completion_tokens":50,"max_tokens":null,"model":"m"}"#,
            9,
            r#"{"max_completion_tokens":9,"max_tokens":9,"model":"m"}"#,
        );
        let newer = r#"{"max_completion_tokens":5,"model":"m"}"#;
        check(Wire::Chat, "openai/m", newer, 9, newer);
        check(Wire::Chat, "azure/m", newer, 9, newer);
        check(Wire::Responses, "p/m", r#"{"model":"m"}"#, 9, r#"{"model":"m","max_output_tokens":9}"#);
        check(
            Wire::Messages,
            "p/m",
            r#"{"model":"x","max_tokens":10}"#,
            9,
            r#"{"model":"m","max_tokens":9}"#,
        );
        check(Wire::Gemini, "p/m", "{}", 9, r#"{"generationConfig":{"maxOutputTokens":9}}"#);
        check(
            Wire::Gemini,
            "p/m",
            r#"{"generation_config":{"max_output_tokens":10}}"#,
            9,
            r#"{"generation_config":{"max_output_tokens":9}}"#,
        );
    }
}
