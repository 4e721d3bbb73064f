//! The providers that are known without settings: one row each.

use researchgym_core::model::Wire;

use crate::model::endpoint::Auth;

/// One known provider.
pub(super) struct Row {
    /// Its name, then its other names.
    pub(super) names: &'static [&'static str],
    pub(super) wire: Wire,
    /// Empty if each user has an address of their own.
    pub(super) base_url: &'static str,
    /// Variables that hold another address, best first.
    pub(super) base_variables: &'static [&'static str],
    /// How such a variable is written.
    pub(super) base_style: BaseStyle,
    /// Variables that hold the key, best first.
    pub(super) key_variables: &'static [&'static str],
    pub(super) auth: Auth,
    pub(super) headers: &'static [(&'static str, &'static str)],
    /// Whether it runs on the user's own machine: no key is needed and nothing is paid.
    pub(super) is_local: bool,
    /// Whether it is known to have no embeddings, whatever its wire may have.
    pub(super) lacks_embeddings: bool,
}

/// How a variable writes a provider's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BaseStyle {
    /// With the version, as it is used.
    Whole,
    /// With or without this version behind it.
    Versioned(&'static str),
    /// The resource alone: what follows depends on `AZURE_OPENAI_API_VERSION`.
    Azure,
    /// `host`, `host:port` or an address, as Ollama's server reads it.
    Ollama,
}

const BEARER: Row = Row {
    names: &[],
    wire: Wire::Chat,
    base_url: "",
    base_variables: &[],
    base_style: BaseStyle::Whole,
    key_variables: &[],
    auth: Auth::Bearer,
    headers: &[],
    is_local: false,
    lacks_embeddings: false,
};

pub(super) const ROWS: [Row; 12] = [
    Row {
        names: &["openai"],
        wire: Wire::Responses,
        base_url: OPENAI,
        base_variables: &["OPENAI_BASE_URL", "OPENAI_API_BASE"],
        key_variables: &["OPENAI_API_KEY"],
        ..BEARER
    },
    Row {
        names: &["anthropic"],
        wire: Wire::Messages,
        base_url: "https://api.anthropic.com/v1",
        base_variables: &["ANTHROPIC_BASE_URL"],
        base_style: BaseStyle::Versioned("v1"),
        key_variables: &["ANTHROPIC_API_KEY"],
        auth: Auth::Header("x-api-key"),
        headers: &[("anthropic-version", "2023-06-01")],
        lacks_embeddings: true,
        ..BEARER
    },
    Row {
        names: &["google", "gemini"],
        wire: Wire::Gemini,
        base_url: "https://generativelanguage.googleapis.com/v1beta",
        base_variables: &["GOOGLE_GEMINI_BASE_URL"],
        base_style: BaseStyle::Versioned("v1beta"),
        key_variables: &["GEMINI_API_KEY", "GOOGLE_API_KEY"],
        auth: Auth::Header("x-goog-api-key"),
        ..BEARER
    },
    Row {
        names: &["azure"],
        wire: Wire::Responses,
        base_variables: &["AZURE_OPENAI_ENDPOINT"],
        base_style: BaseStyle::Azure,
        key_variables: &["AZURE_OPENAI_API_KEY"],
        auth: Auth::Header("api-key"),
        ..BEARER
    },
    Row {
        names: &["openrouter"],
        base_url: "https://openrouter.ai/api/v1",
        base_variables: &["OPENROUTER_BASE_URL"],
        key_variables: &["OPENROUTER_API_KEY"],
        ..BEARER
    },
    Row {
        names: &["deepseek"],
        base_url: "https://api.deepseek.com/v1",
        key_variables: &["DEEPSEEK_API_KEY"],
        lacks_embeddings: true,
        ..BEARER
    },
    Row {
        names: &["mistral"],
        base_url: "https://api.mistral.ai/v1",
        key_variables: &["MISTRAL_API_KEY"],
        ..BEARER
    },
    Row {
        names: &["groq"],
        base_url: "https://api.groq.com/openai/v1",
        key_variables: &["GROQ_API_KEY"],
        lacks_embeddings: true,
        ..BEARER
    },
    Row {
        names: &["together"],
        base_url: "https://api.together.xyz/v1",
        key_variables: &["TOGETHER_API_KEY"],
        ..BEARER
    },
    Row { names: &["xai"], base_url: "https://api.x.ai/v1", key_variables: &["XAI_API_KEY"], ..BEARER },
    Row {
        names: &["ollama"],
        base_url: "http://localhost:11434/v1",
        base_variables: &["OLLAMA_HOST"],
        base_style: BaseStyle::Ollama,
        key_variables: &["OLLAMA_API_KEY"],
        is_local: true,
        ..BEARER
    },
    Row {
        names: &["vllm"],
        base_url: "http://localhost:8000/v1",
        base_variables: &["VLLM_BASE_URL"],
        key_variables: &["VLLM_API_KEY"],
        is_local: true,
        ..BEARER
    },
];

/// Where OpenAI itself is; elsewhere, few servers speak its responses.
pub(super) const OPENAI: &str = "https://api.openai.com/v1";

/// The row of a provider.
pub(super) fn row(name: &str) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.names.contains(&name))
}

/// All names, other names included.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    ROWS.iter().flat_map(|row| row.names.iter().copied())
}

/// An address as a variable writes it, made whole. `api_version` is Azure's.
pub(super) fn whole_base(style: BaseStyle, written: &str, api_version: Option<&str>) -> String {
    let written = written.trim().trim_end_matches('/');
    match style {
        BaseStyle::Whole => written.to_owned(),
        BaseStyle::Versioned(version) => {
            let last = written.rsplit('/').next().unwrap_or_default();
            let is_version = last
                .strip_prefix('v')
                .is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()));
            if is_version { written.to_owned() } else { format!("{written}/{version}") }
        }
        BaseStyle::Azure => {
            let resource = written.trim_end_matches("/v1").trim_end_matches("/openai");
            match api_version {
                Some(_) => format!("{resource}/openai/deployments"),
                None => format!("{resource}/openai/v1"),
            }
        }
        BaseStyle::Ollama => {
            let (scheme, rest) = written.split_once("://").unwrap_or(("http", written));
            let rest = rest.strip_suffix("/v1").unwrap_or(rest);
            // A server that listens everywhere is reached here.
            let rest = match rest.strip_prefix("0.0.0.0") {
                Some(port) => format!("127.0.0.1{port}"),
                None => rest.to_owned(),
            };
            let has_port = rest.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
            let port = if has_port || scheme == "https" { "" } else { ":11434" };
            format!("{scheme}://{rest}{port}/v1")
        }
    }
}
