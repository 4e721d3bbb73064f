//! `run`: what works on which task, for how long, and with what.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{GpuArguments, ModelArguments, NetworkArguments, Places, SearchArguments, place};

#[derive(Clone, Debug, Default, Args)]
pub(crate) struct RunArguments {
    /// A task's name (see `researchgym task list`) or folder
    #[arg(required_unless_present_any = ["resume", "fork"])]
    pub(crate) task: Option<String>,
    /// basic-agent (also rg-agent), search, tuner, scripted, human, replay, or an external agent: a name in ./agents or a .toml file
    #[arg(required_unless_present_any = ["resume", "fork"])]
    pub(crate) agent: Option<String>,
    /// A variant that the task declares
    #[arg(long, value_name = "V")]
    pub(crate) variant: Option<String>,
    /// The language model, as provider/model: see `researchgym model list`
    #[arg(long, value_name = "MODEL")]
    pub(crate) model: Option<String>,
    /// Working time in hours, or `unlimited` [default: the task's]
    #[arg(long, aliases = ["basic-hours", "claude-hours", "codex-hours", "ai-hours"], value_name = "H", allow_negative_numbers = true)]
    pub(crate) hours: Option<String>,
    /// Actions of the agent (of a search: candidates), or `unlimited` [default: unlimited]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) steps: Option<String>,
    /// US dollars for model calls, or `unlimited` [default: 10]
    #[arg(long, alias = "budget-limit", value_name = "USD", allow_negative_numbers = true)]
    pub(crate) budget: Option<String>,
    /// Tokens of model calls, prompts and answers together, or `unlimited` [default: unlimited]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) tokens: Option<String>,
    /// Makes the run reproducible, grading included; a small number can be guessed by a hostile submission
    /// [default: drawn at random]
    #[arg(long, value_name = "S", allow_negative_numbers = true, value_parser = seed)]
    pub(crate) seed: Option<u64>,
    /// A word by which `list`, `report` and `leaderboard` find the run again; may be given several times
    #[arg(long, value_name = "TAG", value_parser = tag)]
    pub(crate) tag: Vec<String>,
    /// Do K runs and print an array of results
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub(crate) repeat: Option<u64>,
    /// Runs at the same time [default: 1; on a cluster all]
    #[arg(long, value_name = "P", value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub(crate) parallel: Option<u64>,
    /// Who carries runs out, or a search's evaluations: `local` (this machine) or `slurm` (jobs of a cluster, which `[slurm]` of
    /// the settings describes) [default: local]
    #[arg(long, value_enum)]
    pub(crate) executor: Option<ExecutorName>,
    /// Where commands run: `local` (isolated; `uv` is the same), `docker` (a container of Docker or Podman) or `host` (no
    /// isolation, marked in the result) [default: local]
    #[arg(long, value_enum)]
    pub(crate) runtime: Option<RuntimeName>,
    /// The containers' image, with `--runtime docker` [default: the task's, else `docker.image` of the settings]
    #[arg(long, value_name = "NAME")]
    pub(crate) image: Option<String>,
    #[command(flatten)]
    pub(crate) gpus: GpuArguments,
    #[command(flatten)]
    pub(crate) reach: NetworkArguments,
    /// Print the plan and start nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Go on with a run that was cut off, stopped or killed, or follow its job: its id or folder; may be given several times
    #[arg(long, value_name = "RUN")]
    pub(crate) resume: Vec<String>,
    /// Begin a new run with the history of another up to one of its steps; --model and limits may differ. Of a search with so
    /// many of its candidates, or as RUN with all of them; policy, operators and all else of a search may differ too
    #[arg(long, value_name = "RUN@STEP", conflicts_with = "resume")]
    pub(crate) fork: Option<String>,
    /// basic-agent: tell it the task's hint at an idea (the file idea_hint.txt of the task's folder)
    #[arg(long, env = "RG_IDEA_HINT", hide_env = true, value_parser = clap::builder::FalseyValueParser::new())]
    pub(crate) idea_hint: bool,
    /// basic-agent: a plain loop that asks for the next step each time
    #[arg(long, alias = "basic-iterative")]
    pub(crate) iterative: bool,
    /// basic-agent: it works until a limit and cannot end the run itself
    #[arg(long, alias = "basic-disallow-submit")]
    pub(crate) no_submit: bool,
    /// basic-agent: how much the model is to think, in the provider's word (`low`, `medium`, `high`, ...)
    #[arg(long, value_name = "EFFORT")]
    pub(crate) reasoning_effort: Option<String>,
    /// basic-agent: tokens for thinking, for models that take a number
    #[arg(long, value_name = "N", conflicts_with = "reasoning_effort")]
    pub(crate) reasoning_tokens: Option<u64>,
    /// basic-agent, search: sampling temperature [default: the provider's]
    #[arg(long, value_name = "T")]
    pub(crate) temperature: Option<f64>,
    #[command(flatten)]
    pub(crate) models: ModelArguments,
    /// scripted: the file of actions, one JSON object a line
    #[arg(long, value_name = "FILE")]
    pub(crate) script: Option<PathBuf>,
    /// replay: the run whose actions are done again
    #[arg(long, value_name = "RUN")]
    pub(crate) from: Option<String>,
    /// tuner: how many candidates are validated [default: the task's]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) trials: Option<u64>,
    /// tuner: how candidates are drawn [default: tpe]
    #[arg(long, value_enum)]
    pub(crate) sampler: Option<SamplerName>,
    #[command(flatten, next_help_heading = "Search")]
    pub(crate) search: SearchArguments,
    /// Your own copies of the task's datasets
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// External agents, looked up before ./agents
    #[arg(long, env = "RESEARCHGYM_AGENTS", value_name = "DIR", hide_env_values = true, value_parser = place())]
    pub(crate) agents_dir: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) places: Places,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RuntimeName {
    /// Isolated by bubblewrap
    #[value(alias = "uv")]
    Local,
    /// Isolated by a container engine of this machine
    Docker,
    /// No isolation
    Host,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExecutorName {
    /// Processes of this machine
    Local,
    /// Jobs of a Slurm cluster
    Slurm,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SamplerName {
    /// Tree-structured Parzen estimator
    Tpe,
    /// Uniform random search
    Random,
}

/// A word that can stand in tables and file names.
pub(super) fn tag(text: &str) -> Result<String, String> {
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/".contains(&byte);
    match text.bytes().all(is_good) && (1..=64).contains(&text.len()) {
        true => Ok(text.to_owned()),
        false => Err("write up to 64 letters, digits and -_.:/".to_owned()),
    }
}

fn seed(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("write a whole number from 0 to {}", u64::MAX))
}
