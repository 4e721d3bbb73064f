//! Models: how a run finds and pays one, and `model`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// How models are found, paid and reached.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ModelArguments {
    /// The model's price in US dollars per million tokens, prompt and answer, such as 1.25,10
    #[arg(long, value_name = "IN,OUT")]
    pub(crate) price: Option<String>,
    /// Prices: a table of ours or LiteLLM's public file; its entries win over the built-in ones
    #[arg(long, value_name = "FILE")]
    pub(crate) prices: Option<PathBuf>,
    /// A file that holds the provider's key and nothing else
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
    /// Record all exchanges with the provider in this file, or answer from it if it exists
    #[arg(long, value_name = "FILE")]
    pub(crate) cassette: Option<PathBuf>,
    /// Let keys go where this folder's own researchgym.toml or .env says, and jobs of a cluster run what it says
    #[arg(long)]
    pub(crate) trust_project_settings: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ModelCommand {
    /// List the models whose prices are known
    List {
        /// Only those of one provider
        #[arg(long, value_name = "NAME")]
        provider: Option<String>,
    },
    /// Show one model: wire, address, price, and where its key is from
    Show {
        /// `provider/model`
        model: String,
    },
}
