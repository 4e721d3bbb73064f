//! Which model answers under which name.

use std::collections::BTreeMap;
use std::sync::Arc;

use researchgym_core::model::Wire;
use researchgym_core::nearest::nearest;

use crate::model::Endpoint;

/// Which model answers under which name.
#[derive(Clone, Debug, Default)]
pub struct Served {
    /// By `provider/model` and by alias.
    pub models: BTreeMap<String, Arc<Endpoint>>,
    /// The one that answers under every other name: in a run, the run's model.
    pub all: Option<Arc<Endpoint>>,
}

/// No model answers under this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no model is served as `{named}`{}", advice(.nearest, *.served))]
pub struct NotServed {
    /// The name.
    pub named: String,
    /// The name that was most likely meant.
    pub nearest: Option<String>,
    /// How many names there are.
    pub served: usize,
}

fn advice(nearest: &Option<String>, served: usize) -> String {
    match (nearest, served) {
        (Some(nearest), _) => format!("; did you mean `{nearest}`?"),
        (None, 0) => "; no model is served here".to_owned(),
        (None, _) => "; GET /v1/models lists those that are".to_owned(),
    }
}

impl Served {
    /// A run's one model, under every name.
    pub fn one(endpoint: Arc<Endpoint>) -> Served {
        Served { models: BTreeMap::new(), all: Some(endpoint) }
    }

    /// Finds the model for a name in a client's request: exactly, or as a plain name of the provider whose form the
    /// client speaks, or as a plain name that one model alone has.
    ///
    /// # Errors
    /// No model answers under this name.
    pub fn find(&self, named: &str, dialect: Wire) -> Result<&Arc<Endpoint>, NotServed> {
        let named = named.strip_prefix("models/").unwrap_or(named);
        let own = format!("{}/{named}", own_provider(dialect));
        let found = self.models.get(named).or_else(|| self.models.get(&own));
        let found = found.or_else(|| {
            let mut alike = self.models.values().filter(|endpoint| endpoint.target.model == named);
            let first = alike.next()?;
            alike.all(|other| Arc::ptr_eq(first, other)).then_some(first)
        });
        found.or(self.all.as_ref()).ok_or_else(|| NotServed {
            named: named.chars().take(100).collect(),
            nearest: nearest(named, self.models.keys().map(String::as_str)).map(str::to_owned),
            served: self.models.len(),
        })
    }

    /// The names that are shown, in order.
    pub fn names(&self) -> Vec<String> {
        let all = self.all.iter().map(|endpoint| endpoint.target.name.clone());
        let mut names: Vec<String> = self.models.keys().cloned().chain(all).collect();
        names.sort();
        names.dedup();
        names
    }
}

/// The provider that a plain name belongs to.
fn own_provider(dialect: Wire) -> &'static str {
    match dialect {
        Wire::Chat | Wire::Responses => "openai",
        Wire::Messages => "anthropic",
        Wire::Gemini => "google",
    }
}

#[cfg(test)]
mod tests {
    use researchgym_core::model::{ModelFacts, Target};

    use super::*;
    use crate::model::{Auth, Backend};

    fn endpoint(name: &str) -> Arc<Endpoint> {
        let (_, model) = name.split_once('/').unwrap();
        Arc::new(Endpoint {
            target: Target { name: name.to_owned(), model: model.to_owned() },
            wire: Wire::Chat,
            base_url: String::new(),
            key: None,
            auth: Auth::Bearer,
            headers: Vec::new(),
            query: Vec::new(),
            facts: ModelFacts::default(),
            price_source: String::new(),
            request: Default::default(),
            backend: Backend::Http,
        })
    }

    fn served() -> Served {
        let names = ["openai/gpt", "anthropic/gpt", "anthropic/opus", "vllm/qwen"];
        let mut models: BTreeMap<String, Arc<Endpoint>> =
            names.iter().map(|name| ((*name).to_owned(), endpoint(name))).collect();
        models.insert("fast".to_owned(), Arc::clone(&models["vllm/qwen"]));
        Served { models, all: None }
    }

    fn check(named: &str, dialect: Wire, expected: Result<&str, &str>) {
        let served = served();
        let found = served.find(named, dialect).map(|endpoint| endpoint.target.name.as_str());
        assert_eq!(found.map_err(|error| error.to_string()), expected.map_err(str::to_owned));
    }

    #[test]
    fn names_are_exact_or_the_dialects_own_or_unique() {
        check("openai/gpt", Wire::Messages, Ok("openai/gpt"));
        check("gpt", Wire::Messages, Ok("anthropic/gpt"));
        check("gpt", Wire::Responses, Ok("openai/gpt"));
        check("models/fast", Wire::Gemini, Ok("vllm/qwen"));
        check("qwen", Wire::Gemini, Ok("vllm/qwen"));
        check("gpt", Wire::Gemini, Err("no model is served as `gpt`; did you mean `openai/gpt`?"));
        check(
            "opsu",
            Wire::Messages,
            Err("no model is served as `opsu`; GET /v1/models lists those that are"),
        );
    }

    #[test]
    fn in_a_run_every_name_is_the_runs_model() {
        let served = Served::one(endpoint("vllm/qwen"));
        assert_eq!(served.find("claude", Wire::Messages).unwrap().target.name, "vllm/qwen");
        assert_eq!(served.names(), ["vllm/qwen"]);
    }
}
