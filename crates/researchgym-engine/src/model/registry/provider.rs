//! One provider with everything that rows, settings, variables and files say of it.

use researchgym_core::model::Wire;
use researchgym_core::web::has_plain_host;

use super::error::ModelError;
use super::providers::{self, OPENAI, whole_base};
use crate::model::endpoint::Auth;
use crate::model::keys::{self, FoundKey, Origin, Variables};
use crate::model::settings::{AuthName, Merged, ProviderSettings, shown_key};

/// The headers of a provider whose values nobody should see.
const SECRET_HEADERS: [&str; 5] = ["authorization", "key", "token", "secret", "cookie"];

/// What people copy along with an address: the paths of single calls.
const CALLS: [&str; 4] = ["/chat/completions", "/completions", "/responses", "/messages"];

/// A provider.
#[derive(Debug)]
pub(super) struct Provider {
    name: String,
    pub(super) wire: Wire,
    base: Result<Base, BaseProblem>,
    base_variables: Vec<String>,
    pub(super) key: Option<Result<FoundKey, ModelError>>,
    pub(super) key_variables: Vec<String>,
    pub(super) auth: Auth,
    pub(super) headers: Vec<(String, String)>,
    pub(super) query: Vec<(String, String)>,
    pub(super) is_local: bool,
    /// Whether each model has an address of its own behind the base.
    pub(super) has_deployments: bool,
    pub(super) in_project: InProject,
}

/// What a project's files say of a provider: the places where they do.
#[derive(Debug)]
pub(super) struct InProject {
    /// Its settings file, where it is.
    pub(super) base_url: Option<String>,
    /// Its settings file, which variable holds the key, if that is not the usual one.
    pub(super) key_env: Option<String>,
    /// Its settings file, which file holds the key.
    pub(super) key_file: Option<String>,
    /// Its `.env`, where it is.
    pub(super) base_in_dotenv: Option<String>,
}

/// Where a provider is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Base {
    pub(super) url: String,
    pub(super) origin: String,
}

#[derive(Debug)]
enum BaseProblem {
    Missing,
    Wrong { origin: String, problem: String },
}

impl Provider {
    /// Puts together what is known of a provider: its row, its settings, its variables, its key file.
    pub(super) fn gather(name: &str, merged: &Merged, variables: &Variables<'_>) -> Provider {
        let row = providers::row(name);
        let other_names = row.map_or(&[][..], |row| row.names).iter().copied();
        // Settings may use any of the names; those of the first one win.
        let mut sections = other_names
            .chain([name])
            .filter_map(|section| Some((section, merged.settings.providers.get(section)?)));
        let (section, settings) = sections
            .next()
            .map_or((name, ProviderSettings::default()), |(section, settings)| (section, settings.clone()));
        let api_version = (name == "azure").then(|| variables.get("AZURE_OPENAI_API_VERSION")).flatten();
        let api_version = api_version.map(|(version, _)| version.trim().to_owned());
        let base_variables: Vec<&str> = row.map_or(Vec::new(), |row| row.base_variables.to_vec());
        let from_settings = settings.base_url.as_ref().map(|url| {
            let keys = [format!("providers.{section}.base_url"), format!("providers.{section:?}.base_url")];
            let place = keys.iter().find_map(|key| merged.source_of(key));
            (url.trim_end_matches('/').to_owned(), place.unwrap_or_else(|| "the settings".to_owned()))
        });
        let usual_variables = row.map_or(&[][..], |row| row.key_variables);
        let is_usual_variable =
            settings.key_env.as_deref().is_some_and(|variable| usual_variables.contains(&variable));
        let place = |key: &str| merged.source_in_project(&format!("providers.{}.{key}", shown_key(section)));
        let base_in_dotenv = match variables.first(base_variables.iter().copied()) {
            Some((_, origin @ Origin::Dotenv(_))) if settings.base_url.is_none() => Some(origin.to_string()),
            Some(_) | None => None,
        };
        let from_variable = || {
            let (written, origin) = variables.first(base_variables.iter().copied())?;
            let style = row.map(|row| row.base_style)?;
            Some((whole_base(style, &written, api_version.as_deref()), origin.to_string()))
        };
        let from_row = || {
            let row = row.filter(|row| !row.base_url.is_empty())?;
            Some((row.base_url.to_owned(), Origin::BuiltIn.to_string()))
        };
        let is_own_base = settings.base_url.is_some();
        let base = match from_settings.or_else(from_variable).or_else(from_row) {
            None => Err(BaseProblem::Missing),
            Some((url, origin)) => match url_problem(&url) {
                Some(problem) if is_own_base => {
                    let origin = format!("`base_url` of [providers.{section}] in {origin}");
                    Err(BaseProblem::Wrong { origin, problem })
                }
                Some(problem) => Err(BaseProblem::Wrong { origin, problem }),
                None => Ok(Base { url, origin }),
            },
        };
        let has_deployments = name == "azure" && api_version.is_some() && !is_own_base;
        let wire = settings.wire.unwrap_or(match (row, &base) {
            (Some(_), _) if has_deployments => Wire::Chat,
            (Some(row), Ok(base)) if row.names[0] == "openai" && base.url != OPENAI => Wire::Chat,
            (Some(row), _) => row.wire,
            (None, _) => Wire::Chat,
        });
        let key_variables: Vec<String> = match &settings.key_env {
            Some(variable) => vec![variable.clone()],
            None => row
                .map_or(Vec::new(), |row| row.key_variables.iter().map(|name| (*name).to_owned()).collect()),
        };
        let key = variables
            .first(key_variables.iter().map(String::as_str))
            .map(|(value, origin)| keys::key(&value, origin))
            .or_else(|| settings.key_file.as_ref().map(|path| keys::key_file(path)));
        let row_headers = row.map_or(&[][..], |row| row.headers);
        let mut headers: Vec<(String, String)> =
            settings.headers.iter().map(|(name, value)| (name.to_lowercase(), value.clone())).collect();
        for (name, value) in row_headers {
            if !headers.iter().any(|(given, _)| given == name) {
                headers.push(((*name).to_owned(), (*value).to_owned()));
            }
        }
        let mut query: Vec<(String, String)> = settings.query.clone().into_iter().collect();
        if let Some(version) =
            api_version.filter(|_| has_deployments && !settings.query.contains_key("api-version"))
        {
            query.push(("api-version".to_owned(), version));
        }
        Provider {
            name: name.to_owned(),
            wire,
            base,
            base_variables: base_variables.into_iter().map(str::to_owned).collect(),
            key,
            key_variables,
            auth: settings.auth.map_or(row.map_or(Auth::Bearer, |row| row.auth), auth),
            headers,
            query,
            is_local: settings.local.unwrap_or(row.is_some_and(|row| row.is_local)),
            has_deployments,
            in_project: InProject {
                base_url: place("base_url"),
                key_env: place("key_env").filter(|_| !is_usual_variable),
                key_file: place("key_file"),
                base_in_dotenv,
            },
        }
    }

    /// Where it is.
    pub(super) fn base(&self) -> Result<&Base, ModelError> {
        self.base.as_ref().map_err(|problem| match problem {
            BaseProblem::Missing => ModelError::MissingBaseUrl {
                provider: self.name.clone(),
                variables: self.base_variables.clone(),
            },
            BaseProblem::Wrong { origin, problem } => ModelError::BadBaseUrl {
                provider: self.name.clone(),
                origin: origin.clone(),
                problem: problem.clone(),
            },
        })
    }

    /// Where the key was found, or what is wrong with it.
    pub(super) fn key_state(&self) -> Option<Result<String, String>> {
        Some(match self.key.as_ref()? {
            Ok(found) => Ok(found.origin.to_string()),
            Err(error) => Err(error.to_string()),
        })
    }

    /// What is wrong with the key, for the one who needs it.
    pub(super) fn key_error(&self) -> ModelError {
        match &self.key {
            Some(Err(ModelError::BadKey { origin })) => ModelError::BadKey { origin: origin.clone() },
            Some(Err(ModelError::File { what, path, problem })) => {
                ModelError::File { what, path: path.clone(), problem: problem.clone() }
            }
            Some(_) | None => {
                ModelError::MissingKey { provider: self.name.clone(), variables: self.key_variables.clone() }
            }
        }
    }

    /// Values of headers that may be keys.
    pub(super) fn secret_headers(&self) -> impl Iterator<Item = &str> {
        let is_secret = |name: &str| SECRET_HEADERS.iter().any(|word| name.contains(word));
        self.headers.iter().filter(move |(name, _)| is_secret(name)).map(|(_, value)| value.as_str())
    }
}

fn auth(name: AuthName) -> Auth {
    match name {
        AuthName::Bearer => Auth::Bearer,
        AuthName::XApiKey => Auth::Header("x-api-key"),
        AuthName::ApiKey => Auth::Header("api-key"),
        AuthName::XGoogApiKey => Auth::Header("x-goog-api-key"),
    }
}

/// What is wrong with an address, as a verb that follows its name. The address itself may hold a password.
fn url_problem(written: &str) -> Option<String> {
    // The parser of this program must not be asked about other hosts.
    if !has_plain_host(written) {
        return Some("names a host in letters beyond ASCII; write it as `xn--...`".to_owned());
    }
    let Ok(url) = reqwest::Url::parse(written) else { return Some("is not an address".to_owned()) };
    if !["http", "https"].contains(&url.scheme()) {
        return Some(format!("begins with `{}:`, not with http: or https:", url.scheme()));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Some("names no host".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Some("holds a user's name or password".to_owned());
    }
    if let Some(call) = CALLS.iter().find(|call| url.path().trim_end_matches('/').ends_with(**call)) {
        return Some(format!("ends with `{call}`, which this program adds itself"));
    }
    (url.query().is_some() || url.fragment().is_some())
        .then(|| "has something behind a `?` or `#`".to_owned())
}
