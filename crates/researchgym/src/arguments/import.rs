//! `import`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::Places;

#[derive(Debug, Args)]
pub(crate) struct ImportArguments {
    /// Files, folders, or archives (.tar, .tar.zst, .zip)
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// Whose files they are
    #[arg(long, value_enum, default_value_t = ImportFormat::Auto, value_name = "FORMAT")]
    pub(crate) format: ImportFormat,
    /// A word that each run is given, to find it by; may be repeated
    #[arg(long = "tag", value_name = "TAG")]
    pub(crate) tags: Vec<String>,
    #[command(flatten)]
    pub(crate) places: Places,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ImportFormat {
    /// By their names and how they begin
    Auto,
    /// MLGym: results.json and .traj
    Mlgym,
    /// Run folders of the first ResearchGym: rg-agent, claude-code, codex
    Researchgym,
    /// Logs of Inspect: .eval and .json
    Inspect,
    /// Trajectories of Harbor (ATIF)
    Atif,
    /// Checkpoints of OpenEvolve
    Openevolve,
    /// Searches over ideas: lists of ideas, database.json, ranked_ideas.json, diffs
    Ideas,
}
