//! What a request asks of the gateway, by its method, path and query.
//!
//! Any prefix may stand before the paths, so that a base address can name a run; the version may be missing.

use hyper::Method;
use researchgym_core::model::Wire;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// Whether anybody is there.
    Health,
    /// A model's answer, in a form that names model and stream in the body.
    Ask(Wire),
    /// A model's answer, in Gemini's form, which names them in the path.
    AskGemini {
        /// The model.
        model: String,
        /// In which form the answer comes.
        delivery: Delivery,
    },
    /// How many tokens a prompt has.
    Count(Wire, Option<String>),
    /// The models, or one of them.
    Models {
        /// In Gemini's form; else the headers decide.
        is_gemini: bool,
        /// Which; all if absent.
        one: Option<String>,
    },
    /// A path that is known with another method.
    WrongMethod(Wire),
    /// Nothing that is known.
    Unknown(Wire),
}

/// In which form Gemini's answer comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delivery {
    /// One object.
    Plain,
    /// Server-sent events.
    Events,
    /// A JSON array that grows: what streams are without `alt=sse`.
    Array,
}

/// Finds out what a request asks.
pub(super) fn route(method: &Method, path: &str, query: Option<&str>) -> Route {
    let path = path.trim_end_matches('/');
    if path.is_empty() || path.ends_with("/health") {
        return Route::Health;
    }
    let posted = |wire, route| if method == Method::POST { route } else { Route::WrongMethod(wire) };
    if path.ends_with("/chat/completions") {
        return posted(Wire::Chat, Route::Ask(Wire::Chat));
    }
    if path.ends_with("/responses") {
        return posted(Wire::Responses, Route::Ask(Wire::Responses));
    }
    if path.ends_with("/messages") {
        return posted(Wire::Messages, Route::Ask(Wire::Messages));
    }
    if path.ends_with("/messages/count_tokens") {
        return posted(Wire::Messages, Route::Count(Wire::Messages, None));
    }
    models(method, path, query).unwrap_or_else(|| Route::Unknown(likely(path)))
}

fn models(method: &Method, path: &str, query: Option<&str>) -> Option<Route> {
    let (before, rest) = match path.split_once("/models/") {
        Some((before, rest)) => (before, Some(decoded(rest))),
        None => (path.strip_suffix("/models")?, None),
    };
    let is_gemini = before.ends_with("/v1beta") || before.ends_with("/v1alpha");
    let listed_by = if is_gemini { Wire::Gemini } else { Wire::Chat };
    let Some(rest) = rest else {
        let list = Route::Models { is_gemini, one: None };
        return Some(if method == Method::GET { list } else { Route::WrongMethod(listed_by) });
    };
    if let Some((model, verb)) = rest.rsplit_once(':') {
        let model = model.to_owned();
        let is_events = query.is_some_and(|query| query.split('&').any(|pair| pair == "alt=sse"));
        let found = match verb {
            "generateContent" => Some(Route::AskGemini { model, delivery: Delivery::Plain }),
            "streamGenerateContent" => {
                let delivery = if is_events { Delivery::Events } else { Delivery::Array };
                Some(Route::AskGemini { model, delivery })
            }
            "countTokens" => Some(Route::Count(Wire::Gemini, Some(model))),
            _ => None,
        };
        if let Some(route) = found {
            return Some(if method == Method::POST { route } else { Route::WrongMethod(Wire::Gemini) });
        }
    }
    let one = Route::Models { is_gemini, one: Some(rest) };
    (method == Method::GET).then_some(one)
}

/// In which form somebody who asks for an unknown path most likely understands an answer.
fn likely(path: &str) -> Wire {
    if path.contains("/messages") || path.contains("/complete") {
        Wire::Messages
    } else if path.contains("/v1beta") || path.contains(':') {
        Wire::Gemini
    } else {
        Wire::Chat
    }
}

/// Takes percent-encoding off; names of models may hold slashes and colons.
pub(super) fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let digits = after.get(..2).filter(|_| first == b'%');
        let mut byte = [0];
        if let Some(digits) = digits
            && hex::decode_to_slice(digits, &mut byte).is_ok()
        {
            bytes.push(byte[0]);
            rest = &after[2..];
        } else {
            bytes.push(first);
            rest = after;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(request: &str, expected: Route) {
        let (method, address) = request.split_once(' ').unwrap();
        let (path, query) =
            address.split_once('?').map_or((address, None), |(path, query)| (path, Some(query)));
        assert_eq!(route(&method.parse().unwrap(), path, query), expected, "{request}");
    }

    fn gemini(model: &str, delivery: Delivery) -> Route {
        Route::AskGemini { model: model.to_owned(), delivery }
    }

    fn models(is_gemini: bool, one: Option<&str>) -> Route {
        Route::Models { is_gemini, one: one.map(str::to_owned) }
    }

    #[test]
    fn every_path_with_and_without_prefix_and_version() {
        check("HEAD /", Route::Health);
        check("GET /health", Route::Health);
        check("POST /v1/chat/completions", Route::Ask(Wire::Chat));
        check("POST /chat/completions", Route::Ask(Wire::Chat));
        check("POST /runs/7/v1/responses", Route::Ask(Wire::Responses));
        check("POST /v1/messages?beta=true", Route::Ask(Wire::Messages));
        check("POST /v1/messages/", Route::Ask(Wire::Messages));
        check("POST /v1/messages/count_tokens?beta=true", Route::Count(Wire::Messages, None));
        check("POST /v1/models/m:generateContent", gemini("m", Delivery::Plain));
        check("POST /p/v1beta/models/m:streamGenerateContent?alt=sse", gemini("m", Delivery::Events));
        check("POST /v1beta/models/m:streamGenerateContent", gemini("m", Delivery::Array));
        check(
            "POST /v1beta/models/ollama%2Fllama3:8b:generateContent",
            gemini("ollama/llama3:8b", Delivery::Plain),
        );
        check("POST /v1beta/models/m:countTokens", Route::Count(Wire::Gemini, Some("m".to_owned())));
        check("GET /v1/models", models(false, None));
        check("GET /v1beta/models?pageSize=5", models(true, None));
        check("GET /v1/models/openai/gpt", models(false, Some("openai/gpt")));
        check("GET /models/llama3:8b", models(false, Some("llama3:8b")));
        check("GET /v1beta/models/m", models(true, Some("m")));
    }

    #[test]
    fn what_is_not_known_is_refused_in_the_likely_form() {
        check("GET /v1/messages", Route::WrongMethod(Wire::Messages));
        check("PUT /v1/responses", Route::WrongMethod(Wire::Responses));
        check("GET /v1beta/models/m:generateContent", Route::WrongMethod(Wire::Gemini));
        check("DELETE /v1/models", Route::WrongMethod(Wire::Chat));
        check("POST /v1/messages/batches", Route::Unknown(Wire::Messages));
        check("POST /v1beta/models/m:embedContent", Route::Unknown(Wire::Gemini));
        check("POST /v1/embeddings", Route::Unknown(Wire::Chat));
        check("POST /v1/responsesx", Route::Unknown(Wire::Chat));
    }
}
