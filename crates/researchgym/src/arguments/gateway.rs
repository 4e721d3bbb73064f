//! `gateway`, and how its addresses and aliases are written.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct GatewayArguments {
    /// An address, or `unix:PATH` for a socket that only you can open; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080", value_parser = listen)]
    pub(crate) listen: Listen,
    /// A model that is served, as `provider/model`; may be given again [default: all known ones whose key is there]
    #[arg(long = "model", value_name = "MODEL")]
    pub(crate) models: Vec<String>,
    /// Another name for a model, as `NAME=provider/model`; may be given again
    #[arg(long = "alias", value_name = "NAME=MODEL", value_parser = alias)]
    pub(crate) aliases: Vec<(String, String)>,
    /// US dollars for all calls together, or `unlimited` [default: unlimited]
    #[arg(long, value_name = "USD", allow_negative_numbers = true)]
    pub(crate) budget: Option<String>,
    /// Tokens for all calls together, prompts and answers [default: unlimited]
    #[arg(long, value_name = "N")]
    pub(crate) tokens: Option<u64>,
    /// Record all calls there; given again, its totals go on
    #[arg(long, value_name = "DIR")]
    pub(crate) log: Option<PathBuf>,
    /// A file with the token that clients show as their API key [default: drawn and printed; none for a socket]
    #[arg(long, value_name = "FILE", conflicts_with = "no_token")]
    pub(crate) token_file: Option<PathBuf>,
    /// Serve everybody who can connect
    #[arg(long)]
    pub(crate) no_token: bool,
    /// A table of prices, before all others
    #[arg(long, value_name = "FILE")]
    pub(crate) prices: Option<PathBuf>,
    /// Let keys go where this folder's own researchgym.toml or .env says
    #[arg(long)]
    pub(crate) trust_project_settings: bool,
}

/// Where the gateway listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Listen {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

fn listen(text: &str) -> Result<Listen, String> {
    if let Some(path) = text.strip_prefix("unix:").filter(|path| !path.is_empty()) {
        return Ok(Listen::Unix(PathBuf::from(path)));
    }
    let numeric = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    let address = numeric.as_deref().unwrap_or(text).parse();
    address.map(Listen::Tcp).map_err(|_| "write an address such as 127.0.0.1:8080, or unix:PATH".to_owned())
}

fn alias(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once('=').filter(|(name, model)| !name.is_empty() && !model.is_empty());
    let (name, model) = parts.ok_or("write NAME=provider/model")?;
    Ok((name.to_owned(), model.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_aliases_are_understood_or_refused() {
        let local = |port| Ok(Listen::Tcp(SocketAddr::from(([127, 0, 0, 1], port))));
        assert_eq!(listen("127.0.0.1:0"), local(0));
        assert_eq!(listen("localhost:8080"), local(8080));
        assert_eq!(listen("unix:a/b"), Ok(Listen::Unix(PathBuf::from("a/b"))));
        assert!(listen("unix:").is_err() && listen("8080").is_err());
        assert_eq!(alias("fast=vllm/a=b"), Ok(("fast".to_owned(), "vllm/a=b".to_owned())));
        assert!(alias("fast").is_err() && alias("=vllm/a").is_err() && alias("fast=").is_err());
    }
}
