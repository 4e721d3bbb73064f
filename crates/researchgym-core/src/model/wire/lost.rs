//! What of a client's request would be lost if a model behind another wire answered it.
//!
//! What has a form in our request is carried. What has none and changes the answer is refused, at reading if no wire but
//! the client's has it, or else by [`Parsed::lost_at`] once the provider is known; our own agents by
//! [`RequestSettings::lost_at`]. Everything else goes nowhere; so do
//! `top_k` and the ban on parallel calls, which real clients send by default, where a provider has no key for them. Both
//! lists are in `docs/reference/gateway.md`.

use serde_json::{Map, Value};

use super::fields::malformed;
use super::{Parsed, Wire, WireError};
use crate::model::RequestSettings;

/// Refuses a request that has one of these keys, unless its value is the same as none.
pub(super) fn refuse(keys: &[&str], request: &Map<String, Value>) -> Result<(), WireError> {
    let is_asked = |key: &&&str| request.get(**key).is_some_and(|value| !is_neutral(key, value));
    match keys.iter().find(is_asked) {
        Some(key) => malformed(format!("`{key}` has no form in another dialect, and the answer hangs on it")),
        None => Ok(()),
    }
}

/// Refuses answers that are more than text.
pub(super) fn refuse_modalities(key: &str, modalities: &[Value]) -> Result<(), WireError> {
    let is_text = |modality: &Value| modality.as_str().is_some_and(|name| name.eq_ignore_ascii_case("text"));
    if modalities.iter().all(is_text) {
        return Ok(());
    }
    malformed(format!("`{key}`: text alone can be had"))
}

fn is_neutral(key: &str, value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        // These are factors.
        Value::Number(number) if matches!(key, "length_penalty" | "repetition_penalty") => {
            number.as_f64() == Some(1.0)
        }
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(entries) => entries.is_empty(),
    }
}

impl RequestSettings {
    /// Names the first setting that the provider's wire has no form for.
    pub fn lost_at(&self, provider: Wire) -> Option<&'static str> {
        let is_set = |penalty: Option<f64>| penalty.is_some_and(|penalty| penalty != 0.0);
        let (has_stop, has_seed, has_penalties) = match provider {
            Wire::Chat | Wire::Gemini => (true, true, true),
            Wire::Messages => (true, false, false),
            Wire::Responses => (false, false, false),
        };
        let settings = [
            ("stop", !has_stop && !self.stop.is_empty()),
            ("seed", !has_seed && self.seed.is_some()),
            ("frequency_penalty", !has_penalties && is_set(self.frequency_penalty)),
            ("presence_penalty", !has_penalties && is_set(self.presence_penalty)),
        ];
        settings.into_iter().find(|(_, is_lost)| *is_lost).map(|(name, _)| name)
    }
}

impl Parsed {
    /// Names the first setting that the provider's wire has no form for, or whose answer the client's has none for.
    pub fn lost_at(&self, client: Wire, provider: Wire) -> Option<&'static str> {
        let settings = &self.request.settings;
        // Only here does the answer tell them as the client reads them, and not in a stream.
        let has_logprobs = (client, provider, self.stream) == (Wire::Chat, Wire::Responses, false);
        let loses_logprobs = !has_logprobs && client != provider && settings.logprobs.is_some();
        settings.lost_at(provider).or(loses_logprobs.then_some("logprobs"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::Request;

    #[test]
    fn a_value_that_asks_for_nothing_is_not_refused() {
        let check = |value: Value, expected: Result<(), &str>| {
            let found = refuse(&["logit_bias", "repetition_penalty"], value.as_object().unwrap());
            assert_eq!(found, expected.map_err(|text| WireError::Malformed(text.to_owned())), "{value}");
        };
        for nothing in [json!(null), json!({}), json!([]), json!(""), json!(false), json!(0), json!(0.0)] {
            check(json!({ "logit_bias": nothing }), Ok(()));
        }
        check(json!({ "repetition_penalty": 1, "metadata": { "a": 1 } }), Ok(()));
        check(
            json!({ "logit_bias": { "50256": -100 } }),
            Err("`logit_bias` has no form in another dialect, and the answer hangs on it"),
        );
        check(
            json!({ "repetition_penalty": 0 }),
            Err("`repetition_penalty` has no form in another dialect, and the answer hangs on it"),
        );
    }

    #[test]
    fn what_the_provider_cannot_be_asked_is_named() {
        use Wire::{Chat, Gemini, Messages, Responses};
        let check = |settings: RequestSettings, stream, (client, provider), expected: Option<&str>| {
            let request = Request { messages: Vec::new(), settings: settings.clone() };
            let parsed = Parsed { model: "m".to_owned(), stream, include_usage: false, request };
            assert_eq!(parsed.lost_at(client, provider), expected, "{settings:?} {client:?} {provider:?}");
        };
        let default = RequestSettings::default;
        let stop = RequestSettings { stop: vec!["END".to_owned()], ..default() };
        check(stop.clone(), false, (Messages, Responses), Some("stop"));
        check(stop, false, (Chat, Messages), None);
        let seed = RequestSettings { seed: Some(0), ..default() };
        check(seed.clone(), false, (Gemini, Messages), Some("seed"));
        check(seed, false, (Gemini, Chat), None);
        let frequency = RequestSettings { frequency_penalty: Some(0.1), ..default() };
        check(frequency.clone(), false, (Chat, Responses), Some("frequency_penalty"));
        check(frequency, false, (Chat, Gemini), None);
        let presence = |penalty| RequestSettings { presence_penalty: Some(penalty), ..default() };
        check(presence(0.1), false, (Gemini, Messages), Some("presence_penalty"));
        check(presence(0.0), false, (Gemini, Messages), None);
        let logprobs = RequestSettings { logprobs: Some(2), ..default() };
        check(logprobs.clone(), false, (Chat, Responses), None);
        check(logprobs.clone(), true, (Chat, Responses), Some("logprobs"));
        check(logprobs.clone(), false, (Responses, Chat), Some("logprobs"));
        check(logprobs, true, (Gemini, Gemini), None);
        let top_k = RequestSettings { top_k: Some(64), parallel_tool_calls: Some(false), ..default() };
        for provider in [Chat, Messages, Responses] {
            check(top_k.clone(), true, (Gemini, provider), None);
        }
    }
}
