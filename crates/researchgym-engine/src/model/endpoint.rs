//! A model that can be asked: who serves it, where, and with which key.

use std::sync::Arc;

use researchgym_core::model::redact::Redactor;
use researchgym_core::model::{ModelFacts, Target, Wire, embedding};
use serde_json::{Map, Value};

use super::cassette::Cassette;
use super::scripted::Script;

/// A key. Never printed, never serialised.
#[derive(Clone)]
pub struct Secret {
    key: Arc<str>,
    /// Finds it in answers, if it is long enough to be no word.
    finder: Option<Redactor>,
}

/// A shorter key may be a word (`password`, say), which models may use.
const LONGER_THAN_WORDS: usize = 16;

impl Secret {
    /// Takes a key.
    pub fn new(key: &str) -> Secret {
        let finder = (key.len() >= LONGER_THAN_WORDS).then(|| Redactor::new([key]));
        Secret { key: key.into(), finder }
    }

    /// For the header of a request, and for the redactor.
    pub fn expose(&self) -> &str {
        &self.key
    }

    /// Takes it out of what a provider answers.
    pub(super) fn finder(&self) -> Option<&Redactor> {
        self.finder.as_ref()
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Secret) -> bool {
        self.key == other.key
    }
}

impl Eq for Secret {}

impl std::fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Secret(..)")
    }
}

/// How a key is shown to a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// `authorization: Bearer KEY`.
    Bearer,
    /// A header that holds the key alone, such as `x-api-key`.
    Header(&'static str),
}

/// One model at one provider.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Its names.
    pub target: Target,
    /// The form in which the provider is spoken to.
    pub wire: Wire,
    /// Where the provider is, with its version and without a slash at the end: `https://api.openai.com/v1`.
    pub base_url: String,
    /// The key, if one is needed.
    pub key: Option<Secret>,
    /// How it is shown.
    pub auth: Auth,
    /// Further headers, such as `anthropic-version`.
    pub headers: Vec<(String, String)>,
    /// Further query parameters, such as `api-version`.
    pub query: Vec<(String, String)>,
    /// Price, window, longest answer.
    pub facts: ModelFacts,
    /// Where the price comes from.
    pub price_source: String,
    /// Further keys that go into every request of our agents.
    pub request: Map<String, Value>,
    /// Who really answers.
    pub backend: Backend,
}

/// Who answers the questions to an endpoint.
#[derive(Clone, Debug)]
pub enum Backend {
    /// The provider, over HTTP.
    Http,
    /// A script.
    Scripted(Arc<Scripted>),
    /// The provider over HTTP while the cassette is recorded, and the cassette in its place when it is played.
    Cassette(Arc<Cassette>),
}

/// A script and what it may never be sent.
#[derive(Debug)]
pub struct Scripted {
    /// The answers.
    pub script: Script,
    /// Keys that no request may hold.
    pub secrets: Redactor,
}

impl Endpoint {
    /// The address of one kind of call, as the wire has it.
    pub fn url(&self, stream: bool) -> String {
        let base = &self.base_url;
        let model = &self.target.model;
        self.with_query(match (self.wire, stream) {
            (Wire::Chat, _) => format!("{base}/chat/completions"),
            (Wire::Responses, _) => format!("{base}/responses"),
            (Wire::Messages, _) => format!("{base}/messages"),
            (Wire::Gemini, false) => format!("{base}/models/{model}:generateContent"),
            (Wire::Gemini, true) => format!("{base}/models/{model}:streamGenerateContent?alt=sse"),
        })
    }

    /// The address at which texts are embedded; `None` if the wire has none.
    pub fn embedding_url(&self) -> Option<String> {
        let call = embedding::call(self.wire, &self.target.model)?;
        Some(self.with_query(format!("{}{call}", self.base_url)))
    }

    fn with_query(&self, mut url: String) -> String {
        for (name, value) in &self.query {
            url.push(if url.contains('?') { '&' } else { '?' });
            url.push_str(&format!("{name}={value}"));
        }
        url
    }
}
