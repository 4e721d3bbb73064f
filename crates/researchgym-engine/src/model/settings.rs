//! The settings file: providers, prices of models, price lists. The user's file first, then the project's; the later one
//! wins key by key, and each value knows where it stands.
//!
//! Keys of providers never stand in it: it names variables and files that hold them. Unknown keys are warned of and have
//! no effect, so that a file for a newer program can be read.

mod merge;

pub(super) use self::merge::shown_key;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use researchgym_core::executor::SlurmSpec;
use researchgym_core::model::{Wire, price};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// What a settings file may hold.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Settings {
    /// Providers by name: new ones, or changes to known ones.
    pub providers: BTreeMap<String, ProviderSettings>,
    /// Prices and sizes of models by `provider/model`.
    pub models: BTreeMap<String, ModelSettings>,
    /// Projects' folders whose settings files may say where keys go. Only in the user's own file.
    pub trusted_projects: Vec<PathBuf>,
    /// Further price lists, relative to the settings file: `.toml` in our own form, `.json` in LiteLLM's.
    pub prices: Vec<PathBuf>,
    /// Containers.
    pub docker: DockerSettings,
    /// What jobs of a Slurm cluster ask for, with `--executor slurm`.
    pub slurm: SlurmSpec,
}

/// What `--runtime docker` goes by.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default)]
pub struct DockerSettings {
    /// The image of tasks that declare none.
    pub image: Option<String>,
}

/// One provider.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ProviderSettings {
    /// Where it is, with its version: `https://api.example.com/v1`.
    pub base_url: Option<String>,
    /// The form in which it is spoken to; `chat` if it is a new provider.
    pub wire: Option<Wire>,
    /// The variable that holds the key.
    pub key_env: Option<String>,
    /// A file that holds the key alone, relative to the settings file.
    pub key_file: Option<PathBuf>,
    /// How the key is shown; `bearer` if it is a new provider.
    pub auth: Option<AuthName>,
    /// Further headers of each request.
    pub headers: BTreeMap<String, String>,
    /// Further query parameters of each request.
    pub query: BTreeMap<String, String>,
    /// Whether it runs on machines of your own: no key is needed and its models cost nothing.
    pub local: Option<bool>,
}

/// How a key is shown to a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AuthName {
    /// `authorization: Bearer KEY`
    Bearer,
    /// `x-api-key: KEY`
    XApiKey,
    /// `api-key: KEY`
    ApiKey,
    /// `x-goog-api-key: KEY`
    XGoogApiKey,
}

/// One model. What is not given is what the price lists say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ModelSettings {
    /// US dollars for a million tokens of prompt.
    pub input: Option<UsdPerMillion>,
    /// US dollars for a million tokens of answer.
    pub output: Option<UsdPerMillion>,
    /// US dollars for a million tokens of prompt that come from a cache.
    pub cache_read: Option<UsdPerMillion>,
    /// US dollars for a million tokens of prompt that go to a cache of five minutes.
    pub cache_write_5m: Option<UsdPerMillion>,
    /// US dollars for a million tokens of prompt that go to a cache of an hour.
    pub cache_write_1h: Option<UsdPerMillion>,
    /// The most tokens that a prompt may have.
    pub context_window: Option<u64>,
    /// The most tokens that an answer may have.
    pub max_output: Option<u64>,
    /// Whether it makes embeddings: then `output` is 0 unless it is given.
    pub embedding: Option<bool>,
    /// Further keys that go into every request of our agents as they are, such as `return_token_ids = true` (vLLM).
    pub request: Map<String, Value>,
}

/// US dollars for a million tokens, exact: a number or a decimal text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(with = "WrittenUsd")]
pub struct UsdPerMillion(pub u64);

#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
enum WrittenUsd {
    Whole(u64),
    Number(f64),
    Text(String),
}

impl<'de> Deserialize<'de> for UsdPerMillion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<UsdPerMillion, D::Error> {
        // A float's shortest text is the one that was written, for any price that there is.
        let text = match WrittenUsd::deserialize(deserializer) {
            Ok(WrittenUsd::Whole(number)) => number.to_string(),
            Ok(WrittenUsd::Number(number)) => number.to_string(),
            Ok(WrittenUsd::Text(text)) => text,
            Err(_) => {
                return Err(serde::de::Error::custom("expected US dollars as a number or a decimal text"));
            }
        };
        let micro = price::usd_per_million(&text)
            .map_err(|error| serde::de::Error::custom(format!("the price {text:?} is {error}")))?;
        Ok(UsdPerMillion(micro))
    }
}

/// All settings files together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Merged {
    /// What they say.
    pub settings: Settings,
    /// Each value with where it stands, in the order of the keys.
    pub entries: Vec<Entry>,
    /// What has no effect.
    pub warnings: Vec<String>,
}

/// One value of the merged settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its key, with dots.
    pub key: String,
    /// As TOML. Headers and query parameters may hold what nobody should see: of these only that they are set.
    pub value: String,
    /// The file.
    pub file: PathBuf,
    /// The line of its key, counted from 1.
    pub line: usize,
}

impl Merged {
    /// Where a value stands, in words.
    pub fn source_of(&self, key: &str) -> Option<String> {
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        Some(format!("{}:{}", entry.file.display(), entry.line))
    }

    /// What jobs of a cluster ask for. A project's file may say which queue they go to, but not which program runs on the
    /// nodes, with which options, and where prompts go, unless the project in the folder `here` is trusted: by
    /// `trusts_project`, or by the user's own settings.
    ///
    /// # Errors
    /// It does say so, and is not trusted.
    pub fn slurm(&self, here: &Path, trusts_project: bool) -> Result<&SlurmSpec, UntrustedSlurm> {
        const OF_THE_USER: [&str; 5] = ["program", "options", "home", "gateway", "gateway_listen"];
        let is_trusted = trusts_project || is_trusted(here, &self.settings.trusted_projects);
        let said = OF_THE_USER.iter().find_map(|key| {
            let place = self.source_in_project(&format!("slurm.{key}"))?;
            Some(UntrustedSlurm { place, key })
        });
        match said {
            Some(said) if !is_trusted => Err(said),
            _ => Ok(&self.settings.slurm),
        }
    }

    /// Where a value stands, if it stands in a project's file.
    pub(super) fn source_in_project(&self, key: &str) -> Option<String> {
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        is_of_project(&entry.file).then(|| format!("{}:{}", entry.file.display(), entry.line))
    }
}

/// A project's file says of a cluster's jobs what only the user may say.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: `{key}` of [slurm] has an effect in a project's file only if the project is trusted")]
pub struct UntrustedSlurm {
    /// The file and the line.
    place: String,
    key: &'static str,
}

/// Whether the folder is one of the trusted ones.
pub(super) fn is_trusted(here: &Path, trusted: &[PathBuf]) -> bool {
    let whole = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    trusted.iter().any(|path| whole(path) == whole(here))
}

/// The name of a project's settings file.
pub(super) const PROJECT_FILE: &str = "researchgym.toml";

/// A settings file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{}: {problem}", file.display(), line.map_or_else(String::new, |line| format!(":{line}")))]
pub struct SettingsError {
    /// The file.
    pub file: PathBuf,
    /// The line, counted from 1, if one is at fault.
    pub line: Option<usize>,
    /// What is wrong.
    pub problem: String,
}

/// Where settings files are looked for: the user's, then the project's. `variable` looks up the environment.
pub fn files(variable: &dyn Fn(&str) -> Option<String>, here: &Path) -> Vec<PathBuf> {
    let folder = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let user = folder("XDG_CONFIG_HOME").or_else(|| folder("HOME").map(|home| home.join(".config")));
    let user = user.map(|folder| folder.join("researchgym").join("settings.toml"));
    user.into_iter().chain([here.join(PROJECT_FILE)]).collect()
}

/// Whether a settings file is a project's, not the user's own.
fn is_of_project(file: &Path) -> bool {
    file.file_name().is_some_and(|name| name == PROJECT_FILE)
}

/// Reads the files that are there; the later one wins.
///
/// # Errors
/// The first file that cannot be read or is not what it must be.
pub fn load(files: &[PathBuf]) -> Result<Merged, SettingsError> {
    let mut texts = Vec::new();
    for file in files {
        match std::fs::read_to_string(file) {
            Ok(text) => texts.push((file.clone(), text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => {
                return Err(SettingsError { file: file.clone(), line: None, problem: error.to_string() });
            }
        }
    }
    merge::merge(&texts)
}

#[cfg(test)]
mod tests;
