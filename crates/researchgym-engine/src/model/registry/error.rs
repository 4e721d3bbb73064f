//! Why a model cannot be used, and what the user can do.

use std::path::PathBuf;

use crate::model::cassette::CassetteError;
use crate::model::scripted::ScriptError;

/// A model cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The name has no slash.
    #[error("`{name}` names no provider: a model is named `provider/model`")]
    NoProvider {
        /// The name.
        name: String,
        /// A known model that may be meant.
        meant: Option<String>,
    },
    /// Nobody knows the provider.
    #[error("there is no provider `{provider}`")]
    UnknownProvider {
        /// The provider.
        provider: String,
        /// A known one that may be meant.
        meant: Option<String>,
        /// All known ones.
        known: Vec<String>,
    },
    /// No key was found.
    #[error("there is no key for the provider `{provider}`")]
    MissingKey {
        /// The provider.
        provider: String,
        /// The variables that were looked at.
        variables: Vec<String>,
    },
    /// The key has characters that no header can carry, or none at all.
    #[error("{origin} does not hold a key: it is empty, or has characters that no key has")]
    BadKey {
        /// Where it was found.
        origin: String,
    },
    /// A project says where a key goes, and the user has not consented.
    #[error("{place} says where a key goes: that of `{provider}`, from {key}, would be sent to {host}")]
    Unconsented {
        /// Who says so.
        place: String,
        /// The provider.
        provider: String,
        /// Where the key was found.
        key: String,
        /// Where it would go.
        host: String,
    },
    /// The provider has no address.
    #[error("there is no address for the provider `{provider}`: it has no `base_url`")]
    MissingBaseUrl {
        /// The provider.
        provider: String,
        /// The variables that were looked at.
        variables: Vec<String>,
    },
    /// An address is none.
    #[error("the address of the provider `{provider}`, from {origin}, {problem}")]
    BadBaseUrl {
        /// The provider.
        provider: String,
        /// Where it was found.
        origin: String,
        /// What is wrong; follows the rest as a verb.
        problem: String,
    },
    /// Nobody knows what the model costs.
    #[error("nobody knows what `{model}` costs")]
    UnknownPrice {
        /// The model.
        model: String,
        /// A model with a price that may be meant.
        meant: Option<String>,
    },
    /// It is asked as others are, and makes embeddings alone.
    #[error("`{model}` makes embeddings and answers no questions")]
    MakesEmbeddings {
        /// The model.
        model: String,
    },
    /// It is to make embeddings, and cannot.
    #[error("`{model}` makes no embeddings: {why}")]
    NoEmbeddings {
        /// The model.
        model: String,
        /// Why that is known.
        why: String,
    },
    /// The settings give one of two prices.
    #[error(
        "{place}: [models.\"{model}\"] gives `{given}` but not {missing}, and no list knows what the model costs: \
         `input` and `output` are both needed"
    )]
    HalfAPrice {
        /// The model.
        model: String,
        /// File and line of what it gives.
        place: String,
        /// What it gives.
        given: &'static str,
        /// What it does not give.
        missing: &'static str,
    },
    /// A file cannot be read.
    #[error("{what} {}: {problem}", path.display())]
    File {
        /// What kind of file.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A script is none.
    #[error("script {}: {error}", path.display())]
    Script {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: ScriptError,
    },
    /// The record of a run does not say what a model needs.
    #[error("the record of `{model}` is not complete: {problem}")]
    Record {
        /// The model.
        model: String,
        /// What is missing.
        problem: String,
    },
    /// A cassette cannot be used.
    #[error(transparent)]
    Cassette(#[from] CassetteError),
}

impl ModelError {
    /// What to do next.
    pub fn advice(&self) -> Option<String> {
        let did_you_mean = |meant: &Option<String>| {
            meant.as_ref().map(|meant| format!("did you mean `{meant}`? ")).unwrap_or_default()
        };
        match self {
            ModelError::NoProvider { meant, .. } => Some(format!(
                "{}`researchgym model list` shows the known models",
                did_you_mean(meant)
            )),
            ModelError::UnknownProvider { meant, known, .. } => Some(format!(
                "{}known are {}; others are declared in [providers.NAME] of researchgym.toml",
                did_you_mean(meant),
                known.join(", ")
            )),
            ModelError::MissingKey { variables, .. } => Some(match variables.as_slice() {
                [] => "name a file that holds it with --key-file, or a variable with `key_env` in researchgym.toml".to_owned(),
                variables => format!(
                    "set {}, put it into .env, or name a file with --key-file",
                    variables.join(" or ")
                ),
            }),
            ModelError::Unconsented { .. } => Some(
                "if you trust it, give --trust-project-settings, or add this folder to `trusted_projects` in your own \
                 settings file, which `researchgym config show` names"
                    .to_owned(),
            ),
            ModelError::MissingBaseUrl { provider, variables } => Some(match variables.as_slice() {
                [] => format!("set `base_url` in [providers.{provider}] of researchgym.toml"),
                variables => format!(
                    "set {}, or `base_url` in [providers.{provider}] of researchgym.toml",
                    variables.join(" or ")
                ),
            }),
            ModelError::BadBaseUrl { .. } => {
                Some("write it with its version and nothing behind it, such as https://api.example.com/v1".to_owned())
            }
            ModelError::UnknownPrice { model, meant } => Some(format!(
                "{}a budget can only be kept with a price: give --price INPUT,OUTPUT in US dollars per million tokens, \
                 set `input` and `output` in [models.\"{model}\"] of researchgym.toml, or name a price file there with `prices`",
                did_you_mean(meant)
            )),
            ModelError::MakesEmbeddings { .. } => Some("a search uses it with --embedding-model".to_owned()),
            ModelError::NoEmbeddings { .. } => Some(
                "name one of a provider that has them, such as openai/text-embedding-3-small or a model of your own \
                 machine under ollama/ or vllm/"
                    .to_owned(),
            ),
            ModelError::Script { .. } => Some("the format is in docs/reference/scripted-model.md".to_owned()),
            ModelError::Cassette(CassetteError::Line { .. }) => {
                Some("if it is a cassette, delete it to record it again; else name another file".to_owned())
            }
            ModelError::Cassette(CassetteError::File { .. }) => {
                Some("name a file in a folder that is there and that you may write".to_owned())
            }
            ModelError::BadKey { .. }
            | ModelError::HalfAPrice { .. }
            | ModelError::File { .. }
            | ModelError::Record { .. } => None,
        }
    }
}
