//! From a model's name to an [`Endpoint`]: which provider serves it, where that is, in which form it is spoken to, with
//! which key, and what it costs.
//!
//! Everything is looked up once, when the registry is made; a run keeps what it was started with as a [`ModelSpec`]. A
//! resumed one looks up again where its provider is and the key: a record may be a stranger's, and a key goes nowhere but
//! where the present settings say. Nothing is asked of a provider here.
//!
//! Longer than other files: every way to an endpoint stands beside the others, so that none of them forgets a key's owner.

mod consent;
mod error;
mod prices;
mod provider;
mod providers;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use researchgym_core::action::Body;
use researchgym_core::model::embedding::has_embeddings;
use researchgym_core::model::redact::Redactor;
use researchgym_core::model::{ModelFacts, Price, Target, Wire};
use researchgym_core::nearest::nearest;
use researchgym_core::spec::ModelSpec;
use serde_json::{Map, Value};

pub use self::error::ModelError;
use self::prices::Prices;
pub use self::prices::{PriceFlagError, price_flag, read_prices};
use self::provider::Provider;
use super::cassette::Cassette;
use super::endpoint::{Backend, Endpoint, Scripted};
use super::keys::{self, FoundKey, Variables};
use super::scripted::Script;
use super::settings::{Merged, is_trusted};

/// The provider whose models are scripts.
const SCRIPTED: &str = "scripted";

/// What is given for one command beside the settings.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The folder that relative paths start from.
    pub here: PathBuf,
    /// `--price`: what the model costs, whatever the lists say.
    pub price: Option<Price>,
    /// `--prices`: a price list that wins over all others.
    pub prices: Option<PathBuf>,
    /// `--key-file`: the key of the model's provider, before all other places.
    pub key_file: Option<PathBuf>,
    /// `--cassette`: where answers are recorded or come from.
    pub cassette: Option<PathBuf>,
    /// `--trust-project-settings`: keys may go where the project's settings file says.
    pub trusts_project: bool,
}

/// All that is known of providers and models.
#[derive(Debug)]
pub struct Registry {
    options: Options,
    providers: BTreeMap<String, Provider>,
    prices: Prices,
    /// Further keys of requests, by model.
    requests: BTreeMap<String, Map<String, Value>>,
    given_key: Option<FoundKey>,
    trusts_project: bool,
    redactor: Redactor,
    cassettes: Mutex<BTreeMap<PathBuf, Arc<Cassette>>>,
}

/// A model as far as it is known, for people to look at.
#[derive(Clone, Debug)]
pub struct Description {
    /// The endpoint, without its key.
    pub endpoint: Endpoint,
    /// Where the address was found.
    pub base_url_origin: String,
    /// Where the key was found, or what is wrong with it; `None` if there is none.
    pub key: Option<Result<String, String>>,
    /// The variables that are looked at for the key.
    pub key_variables: Vec<String>,
    /// Whether the provider asks for a key.
    pub needs_key: bool,
}

/// A model with a price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// `provider/model`.
    pub name: String,
    /// What it costs and holds.
    pub facts: ModelFacts,
    /// Where the price comes from.
    pub source: String,
    /// Whether its provider can be asked: its key is there, or none is needed.
    pub has_key: bool,
}

/// Whether the key of `--key-file` is that of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum GivenKey {
    Belongs,
    IsOfAnother,
}

/// A provider, where its key was found or what is wrong with it, and the variables that are looked at.
pub type KeyOf = (String, Option<Result<String, String>>, Vec<String>);

impl Registry {
    /// Gathers providers, prices and keys.
    ///
    /// # Errors
    /// A price file or the file of `--key-file` cannot be used, or the settings give half a price. What is wrong with one
    /// provider is said when it is asked for.
    pub fn new(
        settings: &Merged,
        options: Options,
        variables: &Variables<'_>,
    ) -> Result<Registry, ModelError> {
        let search_keys: Vec<String> = crate::web::keys(variables).collect();
        let given_prices = options.prices.as_ref().map(|path| options.here.join(path));
        let prices = Prices::gather(settings, given_prices.as_deref())?;
        let given_key =
            options.key_file.as_ref().map(|path| keys::key_file(&options.here.join(path))).transpose()?;
        let declared = settings.settings.providers.keys().map(String::as_str);
        let names: Vec<&str> = providers::ROWS.iter().map(|row| row.names[0]).chain(declared).collect();
        let providers: BTreeMap<String, Provider> = names
            .into_iter()
            .map(canonical_provider)
            .map(|name| (name.to_owned(), Provider::gather(name, settings, variables)))
            .collect();
        let found = providers.values().filter_map(|provider| provider.key.as_ref()?.as_ref().ok());
        let secrets: Vec<&str> = found.chain(&given_key).map(|found| found.key.expose()).collect();
        let headers = providers.values().flat_map(Provider::secret_headers);
        let redactor = Redactor::new(
            secrets
                .into_iter()
                .chain(headers)
                .chain(variables.secrets())
                .chain(search_keys.iter().map(String::as_str)),
        );
        let trusts_project =
            options.trusts_project || is_trusted(&options.here, &settings.settings.trusted_projects);
        let models = settings.settings.models.iter();
        let requests = models.map(|(name, model)| (name.clone(), model.request.clone())).collect();
        Ok(Registry {
            options,
            providers,
            requests,
            prices,
            given_key,
            trusts_project,
            redactor,
            cassettes: Mutex::default(),
        })
    }

    /// Takes all keys that were found, and what `.env` marks as secret, out of texts.
    pub fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// Resolves `provider/model` to an endpoint that can be asked.
    ///
    /// # Errors
    /// The name, the address, the key or the price is not there or not right; a script or cassette cannot be used.
    pub fn resolve(&self, name: &str) -> Result<Endpoint, ModelError> {
        let endpoint = match self.split(name)? {
            (SCRIPTED, path) => self.scripted(path)?,
            (provider, model) => {
                let (endpoint, _) = self.endpoint(provider, model)?;
                endpoint
            }
        };
        if endpoint.facts.is_embedding {
            return Err(ModelError::MakesEmbeddings { model: endpoint.target.name });
        }
        self.with_key(self.priced(endpoint)?, GivenKey::Belongs)
    }

    /// Resolves the `provider/model` that makes embeddings beside a run's own model. What a command gives for that one
    /// (`--price`, and `--key-file` if the provider is another) does not belong to this one.
    ///
    /// # Errors
    /// As [`Registry::resolve`]; or the provider, or what the script says, has no embeddings.
    pub fn resolve_embedding(&self, name: &str, beside: &str) -> Result<Endpoint, ModelError> {
        let none = |why: &str| Err(ModelError::NoEmbeddings { model: name.to_owned(), why: why.to_owned() });
        let endpoint = match self.split(name)? {
            (SCRIPTED, path) => {
                let endpoint = self.scripted(path)?;
                let facts = match &endpoint.backend {
                    Backend::Scripted(scripted) => scripted.script.facts(),
                    Backend::Http | Backend::Cassette(_) => endpoint.facts,
                };
                if !facts.is_embedding {
                    return none("the script's first line has no `embedding`");
                }
                Endpoint { facts, price_source: "the script".to_owned(), ..endpoint }
            }
            (provider, model) => {
                let (endpoint, _) = self.endpoint(provider, model)?;
                if providers::row(provider).is_some_and(|row| row.lacks_embeddings) {
                    return none("its provider makes none");
                }
                if !has_embeddings(endpoint.wire) {
                    return none("there are none in its provider's dialect, `messages`");
                }
                let (facts, price_source) =
                    self.prices.get(&endpoint.target.name, self.provider(provider)?.is_local);
                Endpoint { facts, price_source, ..endpoint }
            }
        };
        self.with_key(self.priced(endpoint)?, self.given_key_for(name, beside))
    }

    /// The endpoint of a run's embeddings that goes on. See [`Registry::endpoint_of`].
    ///
    /// # Errors
    /// As there.
    pub fn embedding_endpoint_of(&self, spec: &ModelSpec, beside: &str) -> Result<Endpoint, ModelError> {
        self.recorded_endpoint(spec, self.given_key_for(&spec.name, beside))
    }

    /// Whether the key that a command gives is that of this model's provider, too.
    fn given_key_for(&self, name: &str, beside: &str) -> GivenKey {
        let provider = |name: &str| self.split(name).map(|(provider, _)| provider.to_owned()).ok();
        match provider(name) == provider(beside) {
            true => GivenKey::Belongs,
            false => GivenKey::IsOfAnother,
        }
    }

    /// The endpoint with the cassette of this command, if there is one; its price must be known.
    fn priced(&self, mut endpoint: Endpoint) -> Result<Endpoint, ModelError> {
        if endpoint.facts.price.is_none() {
            let meant = self.prices.nearest(&endpoint.target.name);
            return Err(ModelError::UnknownPrice { model: endpoint.target.name, meant });
        }
        if let (Backend::Http, Some(path)) = (&endpoint.backend, &self.options.cassette) {
            endpoint.backend = Backend::Cassette(self.cassette(&self.options.here.join(path))?);
        }
        Ok(endpoint)
    }

    /// The endpoint of a run that goes on: model, price and request as they were recorded. Where the provider is, how it is
    /// spoken to and its key are looked up again, unless nothing is sent.
    ///
    /// # Errors
    /// The provider is not known any more or has no address, the key is not there, the script is not in the record, or the
    /// cassette cannot be used.
    pub fn endpoint_of(&self, spec: &ModelSpec) -> Result<Endpoint, ModelError> {
        self.recorded_endpoint(spec, GivenKey::Belongs)
    }

    fn recorded_endpoint(&self, spec: &ModelSpec, given_key: GivenKey) -> Result<Endpoint, ModelError> {
        if let Some(script) = &spec.script {
            let Body::Text(text) = script else {
                let problem = "its script is kept elsewhere".to_owned();
                return Err(ModelError::Record { model: spec.name.clone(), problem });
            };
            let script = Script::parse(text)
                .map_err(|error| ModelError::Script { path: PathBuf::from(&spec.name), error })?;
            let endpoint = self.scripted_endpoint(spec.name.clone(), script, spec.price_source.clone());
            return Ok(Endpoint { facts: spec.facts, ..endpoint });
        }
        let (name, model) = self.split(&spec.name)?;
        let provider = self.provider(name)?;
        let backend = match &spec.cassette {
            Some(path) if spec.is_recorded => {
                let cassette = Cassette::record_on(Path::new(path), self.redactor.clone())?;
                Backend::Cassette(Arc::new(cassette))
            }
            Some(path) => Backend::Cassette(self.cassette(Path::new(path))?),
            None => Backend::Http,
        };
        let recorded = Endpoint {
            target: Target { name: spec.name.clone(), model: model.to_owned() },
            wire: spec.wire,
            base_url: spec.base_url.clone(),
            key: None,
            auth: provider.auth,
            headers: provider.headers.clone(),
            query: spec.query.clone().into_iter().collect(),
            facts: spec.facts,
            price_source: spec.price_source.clone(),
            request: spec.request.clone(),
            backend,
        };
        if matches!(&recorded.backend, Backend::Cassette(cassette) if cassette.is_played()) {
            return Ok(recorded);
        }
        let (present, _) = self.endpoint(name, model)?;
        match present.base_url == recorded.base_url {
            true => self.with_key(recorded, given_key),
            false => {
                let (wire, base_url, query) = (present.wire, present.base_url, present.query);
                self.with_key(Endpoint { wire, base_url, query, ..recorded }, given_key)
            }
        }
    }

    /// What a run records of its model. Never a key.
    pub fn spec_of(endpoint: &Endpoint) -> ModelSpec {
        let (script, cassette) = match &endpoint.backend {
            Backend::Http => (None, None),
            Backend::Scripted(scripted) => (Some(Body::Text(scripted.script.text().to_owned())), None),
            Backend::Cassette(cassette) => (None, Some(cassette.path().display().to_string())),
        };
        ModelSpec {
            name: endpoint.target.name.clone(),
            wire: endpoint.wire,
            base_url: endpoint.base_url.clone(),
            query: endpoint.query.iter().cloned().collect(),
            facts: endpoint.facts,
            price_source: endpoint.price_source.clone(),
            script,
            cassette,
            is_recorded: matches!(&endpoint.backend, Backend::Cassette(cassette) if !cassette.is_played()),
            request: endpoint.request.clone(),
        }
    }

    /// Says what is known of a model, however incomplete.
    ///
    /// # Errors
    /// The name or the address is not right, or a script cannot be used.
    pub fn describe(&self, name: &str) -> Result<Description, ModelError> {
        let (provider, model) = self.split(name)?;
        if provider == SCRIPTED {
            return Ok(Description {
                endpoint: self.scripted(model)?,
                base_url_origin: String::new(),
                key: None,
                key_variables: Vec::new(),
                needs_key: false,
            });
        }
        let (endpoint, base_url_origin) = self.endpoint(provider, model)?;
        let provider = self.provider(provider)?;
        let given = self.given_key.as_ref().map(|found| Ok(found.origin.to_string()));
        Ok(Description {
            endpoint,
            base_url_origin,
            key: given.or_else(|| provider.key_state()),
            key_variables: provider.key_variables.clone(),
            needs_key: !provider.is_local,
        })
    }

    /// All models with a price, in the order of their names.
    pub fn known(&self) -> Vec<Known> {
        let has_key = |name: &str| {
            let provider = name.split_once('/').and_then(|(provider, _)| self.providers.get(provider));
            provider.is_some_and(|provider| provider.is_local || matches!(provider.key, Some(Ok(_))))
        };
        self.prices
            .iter()
            .map(|(name, facts, source)| Known {
                name: name.to_owned(),
                facts,
                source: source.to_owned(),
                has_key: has_key(name),
            })
            .collect()
    }

    /// A provider by the first of its names.
    ///
    /// # Errors
    /// There is none of this name.
    pub fn provider_name<'n>(&self, name: &'n str) -> Result<&'n str, ModelError> {
        let name = canonical_provider(name);
        if name != SCRIPTED {
            self.provider(name)?;
        }
        Ok(name)
    }

    /// The keys of all providers.
    pub fn keys(&self) -> Vec<KeyOf> {
        let keys = self.providers.iter();
        keys.map(|(name, provider)| (name.clone(), provider.key_state(), provider.key_variables.clone()))
            .collect()
    }

    /// Cuts a name into provider and model; `openai/azure/X` is `azure/X`.
    fn split<'n>(&self, name: &'n str) -> Result<(&'n str, &'n str), ModelError> {
        let parts =
            name.split_once('/').filter(|(provider, model)| !provider.is_empty() && !model.is_empty());
        let Some((provider, model)) = parts else {
            return Err(ModelError::NoProvider { name: name.to_owned(), meant: self.prices.nearest(name) });
        };
        match model.strip_prefix("azure/") {
            Some(deployment) if provider == "openai" && !deployment.is_empty() => Ok(("azure", deployment)),
            Some(_) | None => Ok((canonical_provider(provider), model)),
        }
    }

    fn provider(&self, name: &str) -> Result<&Provider, ModelError> {
        self.providers.get(name).ok_or_else(|| {
            let mut known: Vec<String> = self.providers.keys().cloned().collect();
            known.push(SCRIPTED.to_owned());
            let other_names = providers::names().map(str::to_owned);
            let all: Vec<String> = known.iter().cloned().chain(other_names).collect();
            let meant = nearest(name, all.iter().map(String::as_str)).map(str::to_owned);
            ModelError::UnknownProvider { provider: name.to_owned(), meant, known }
        })
    }

    /// The endpoint without its key, and where its address was found.
    fn endpoint(&self, provider_name: &str, model: &str) -> Result<(Endpoint, String), ModelError> {
        let provider = self.provider(provider_name)?;
        let base = provider.base()?;
        let name = format!("{provider_name}/{model}");
        let (facts, price_source) = self.prices.get(&name, provider.is_local);
        let (facts, price_source) = match self.options.price {
            Some(price) => (ModelFacts { price: Some(price), ..facts }, "--price".to_owned()),
            None => (facts, price_source),
        };
        let endpoint = Endpoint {
            wire: provider.wire,
            base_url: if provider.has_deployments {
                format!("{}/{model}", base.url)
            } else {
                base.url.clone()
            },
            key: None,
            auth: provider.auth,
            headers: provider.headers.clone(),
            query: provider.query.clone(),
            request: self.requests.get(&name).cloned().unwrap_or_default(),
            target: Target { name, model: model.to_owned() },
            facts,
            price_source,
            backend: Backend::Http,
        };
        Ok((endpoint, base.origin.clone()))
    }

    /// Puts the key in. A cassette that is played and a model of one's own machine go without.
    fn with_key(&self, mut endpoint: Endpoint, given_key: GivenKey) -> Result<Endpoint, ModelError> {
        let name = endpoint.target.name.split('/').next().unwrap_or_default().to_owned();
        match &endpoint.backend {
            Backend::Scripted(_) => return Ok(endpoint),
            Backend::Cassette(cassette) if cassette.is_played() => return Ok(endpoint),
            Backend::Cassette(_) | Backend::Http => {}
        }
        let provider = self.provider(&name)?;
        let given = self.given_key.as_ref().filter(|_| given_key == GivenKey::Belongs);
        endpoint.key = match (given, &provider.key) {
            (Some(found), _) | (None, Some(Ok(found))) => {
                if !self.trusts_project {
                    consent::needed(provider, &endpoint, found, &self.options.here)?;
                }
                Some(found.key.clone())
            }
            (None, Some(Err(_))) => return Err(provider.key_error()),
            (None, None) if provider.is_local => None,
            (None, None) => {
                return Err(ModelError::MissingKey {
                    provider: name,
                    variables: provider.key_variables.clone(),
                });
            }
        };
        Ok(endpoint)
    }

    fn scripted(&self, path: &str) -> Result<Endpoint, ModelError> {
        let file = self.options.here.join(path);
        let text = std::fs::read_to_string(&file).map_err(|error| ModelError::File {
            what: "script",
            path: file.clone(),
            problem: error.to_string(),
        })?;
        let script = Script::parse(&text).map_err(|error| ModelError::Script { path: file, error })?;
        Ok(self.scripted_endpoint(format!("{SCRIPTED}/{path}"), script, "the script".to_owned()))
    }

    fn scripted_endpoint(&self, name: String, script: Script, price_source: String) -> Endpoint {
        let facts = script.facts();
        let (facts, price_source) = match self.options.price {
            Some(price) => (ModelFacts { price: Some(price), ..facts }, "--price".to_owned()),
            None => (facts, price_source),
        };
        let model = name.strip_prefix("scripted/").unwrap_or(&name).to_owned();
        Endpoint {
            target: Target { name, model },
            wire: Wire::Chat,
            base_url: String::new(),
            key: None,
            auth: super::endpoint::Auth::Bearer,
            headers: Vec::new(),
            query: Vec::new(),
            facts,
            price_source,
            request: Map::new(),
            backend: Backend::Scripted(Arc::new(Scripted { script, secrets: self.redactor.clone() })),
        }
    }

    /// Opens a cassette once, however many runs use it.
    fn cassette(&self, path: &Path) -> Result<Arc<Cassette>, ModelError> {
        let mut open = self.cassettes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cassette) = open.get(path) {
            return Ok(cassette.clone());
        }
        let cassette = Arc::new(Cassette::open(path, self.redactor.clone())?);
        open.insert(path.to_owned(), cassette.clone());
        Ok(cassette)
    }
}

/// The first of a provider's names.
fn canonical_provider(name: &str) -> &str {
    providers::row(name).map_or(name, |row| row.names[0])
}

#[cfg(test)]
mod tests;
