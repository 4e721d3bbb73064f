//! What can be typed. The help texts are these doc comments. All of them stand in this one file, though it is long: `--help` is
//! read and kept consistent as one text.

mod check;
mod gpus;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

pub(crate) use self::check::{CheckPlace, IsolatedRuntime};
pub(crate) use self::gpus::GpuArguments;
use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};

/// Lets AI research agents work on research tasks in isolated sandboxes, and scores what they submit.
#[derive(Debug, Parser)]
#[command(
    name = "researchgym",
    version,
    max_term_width = 100,
    after_help = "A first run, without a key and without a container engine:\n\n  researchgym run blotto tuner"
)]
pub(crate) struct Arguments {
    /// How results are printed on standard output. Progress is always on standard error.
    #[arg(long, global = true, value_enum, default_value_t = OutputFormat::Text)]
    pub(crate) output: OutputFormat,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    /// For people.
    Text,
    /// For programs: JSON only.
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Let an agent work on a task, and grade what it submits
    Run(Box<RunArguments>),
    /// List the runs in the runs folder
    List(ListArguments),
    /// Show one run: result, attempts, what is kept apart
    Show(ShowArguments),
    /// Print a run again as it looked while it worked
    Replay(OneRun),
    /// Grade a run's attempts again with the same artefacts and seeds
    Grade(GradeArguments),
    /// Check a run's event log: chain, schema and blobs
    Verify(OneRun),
    /// Work with tasks: list, show, check, new, fetch
    #[command(subcommand)]
    Task(TaskCommand),
    /// Look at models: what they cost, where they are asked, which keys are there
    #[command(subcommand)]
    Model(ModelCommand),
    /// Look at the settings: what holds, and where it stands
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Serve models to programs that are not ours, within a budget
    Gateway(Box<GatewayArguments>),
    /// Say what this machine offers for isolation, what is missing and what to install
    Doctor(Places),
    /// Inside a run: score the current artefacts
    Validate,
    /// Inside a run: score the current artefacts and end the run
    Submit,
    /// Inside a run: say what is left of time, steps and validations
    Status,
    /// Stop a live run's clock and everything in its sandbox
    Pause(OneRun),
    /// Let a paused run go on
    Unpause(OneRun),
    /// Change the totals of a live run
    Limit(LimitArguments),
    /// Tell the agent of a live run something before its next question to the model
    Note(NoteArguments),
    /// Print a JSON Schema of what researchgym reads or writes
    Schema(SchemaArguments),
}

/// Where things are.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Places {
    /// Cache: datasets, environments, scratch [default: ~/.cache/researchgym]
    #[arg(long, env = "RESEARCHGYM_HOME", value_name = "DIR", hide_env_values = true, value_parser = place())]
    pub(crate) home: Option<PathBuf>,
    /// Runs [default: ./runs]
    #[arg(long, env = "RESEARCHGYM_RUNS", value_name = "DIR", hide_env_values = true, value_parser = place())]
    pub(crate) runs_dir: Option<PathBuf>,
    /// Tasks, looked up before ./tasks
    #[arg(long, env = "RESEARCHGYM_TASKS", value_name = "DIR", hide_env_values = true, value_parser = place())]
    pub(crate) tasks_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// A task's name (see `researchgym task list`) or folder
    #[arg(required_unless_present_any = ["resume", "fork"])]
    pub(crate) task: Option<String>,
    /// basic-agent (also rg-agent), tuner, scripted, human, replay, or an external agent: a name in ./agents or a .toml file
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
    /// Actions of the agent, or `unlimited` [default: unlimited]
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
    /// Do K runs and print an array of results
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub(crate) repeat: Option<u64>,
    /// Runs at the same time
    #[arg(long, value_name = "P", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub(crate) parallel: u64,
    /// Where commands run: `local` (isolated; `uv` is the same), `docker` (a container of Docker or Podman) or `host` (no
    /// isolation, marked in the result) [default: local]
    #[arg(long, value_enum)]
    pub(crate) runtime: Option<RuntimeName>,
    /// The containers' image, with `--runtime docker` [default: the task's, else `docker.image` of the settings]
    #[arg(long, value_name = "NAME")]
    pub(crate) image: Option<String>,
    #[command(flatten)]
    pub(crate) gpus: GpuArguments,
    /// Print the plan and start nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Go on with a run that was cut off, stopped or killed: its id or folder
    #[arg(long, value_name = "RUN")]
    pub(crate) resume: Option<String>,
    /// Begin a new run with the history of another up to one of its steps; --model and limits may differ
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
    /// basic-agent: sampling temperature [default: the provider's]
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
    /// Your own copies of the task's datasets
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// External agents, looked up before ./agents
    #[arg(long, env = "RESEARCHGYM_AGENTS", value_name = "DIR", hide_env_values = true, value_parser = place())]
    pub(crate) agents_dir: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) places: Places,
}

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
pub(crate) enum SamplerName {
    /// Tree-structured Parzen estimator
    Tpe,
    /// Uniform random search
    Random,
}

#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    /// Only runs of this task
    #[arg(long, value_name = "TASK")]
    pub(crate) task: Option<String>,
    #[command(flatten)]
    pub(crate) places: Places,
}

#[derive(Debug, Args)]
pub(crate) struct OneRun {
    /// The run's id, a unique beginning of it, or its folder
    pub(crate) run: String,
    #[command(flatten)]
    pub(crate) places: Places,
}

#[derive(Debug, Args)]
pub(crate) struct LimitArguments {
    #[command(flatten)]
    pub(crate) run: OneRun,
    /// Working time in hours: a total, +H, -H or `unlimited`
    #[arg(long, value_name = "H", allow_hyphen_values = true)]
    pub(crate) hours: Option<String>,
    /// US dollars for model calls: a total, +USD, -USD or `unlimited`
    #[arg(long, value_name = "USD", allow_hyphen_values = true)]
    pub(crate) budget: Option<String>,
    /// Steps: a total, +N, -N or `unlimited`
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub(crate) steps: Option<String>,
    /// Tokens of model calls: a total, +N, -N or `unlimited`
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub(crate) tokens: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct NoteArguments {
    #[command(flatten)]
    pub(crate) run: OneRun,
    /// What the agent is told
    pub(crate) text: String,
}

#[derive(Debug, Args)]
pub(crate) struct ShowArguments {
    #[command(flatten)]
    pub(crate) run: OneRun,
}

#[derive(Debug, Args)]
pub(crate) struct GradeArguments {
    #[command(flatten)]
    pub(crate) run: OneRun,
    /// Your own copies of the task's datasets
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TaskCommand {
    /// List the tasks that can be run
    List(Places),
    /// Show one task: what is measured, what is to be beaten, its variants
    Show {
        /// A task's name or folder
        task: String,
        #[command(flatten)]
        places: Places,
    },
    /// Prove that a task is sound: baseline, oracle, cheats, empty submission, hidden files
    Check {
        /// Names or folders
        #[arg(required_unless_present = "all")]
        tasks: Vec<String>,
        /// Check every task that `task list` shows
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        place: CheckPlace,
        /// Your own copies of the tasks' datasets
        #[arg(long, value_name = "DIR")]
        data_dir: Option<PathBuf>,
        #[command(flatten)]
        places: Places,
    },
    /// Make a folder with a small task that works and passes `task check`
    New {
        /// The new task's name: lower-case letters, digits and hyphens
        name: String,
        /// Where its folder is made [default: --tasks-dir, or ./tasks]
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
        #[command(flatten)]
        places: Places,
    },
    /// Fetch a task's datasets and make its Python environment, so that runs fetch nothing
    Fetch {
        /// A task's name or folder
        task: String,
        /// Your own copies of the task's datasets
        #[arg(long, value_name = "DIR")]
        data_dir: Option<PathBuf>,
        #[command(flatten)]
        places: Places,
    },
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

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print the merged settings with where each comes from; keys only as set or not
    Show,
}

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
}

/// Where the gateway listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Listen {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

#[derive(Debug, Args)]
pub(crate) struct SchemaArguments {
    /// Of what; all of them if absent
    #[arg(value_enum)]
    pub(crate) root: Option<SchemaRoot>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SchemaRoot {
    /// `task.toml`
    Task,
    /// A line of `events.jsonl`
    Event,
    /// The result object
    Result,
    /// `plan.json`
    Plan,
    /// `agents/*.toml`
    Agent,
    /// `researchgym.toml`
    Settings,
}

/// A folder; an empty word or variable means that none is given.
fn place() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().map(PathBuf::from)
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

fn seed(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("write a whole number from 0 to {}", u64::MAX))
}

/// The seed projects spelled flags with underscores; both spellings are accepted.
pub(crate) fn normalised(words: impl Iterator<Item = OsString>) -> Vec<OsString> {
    // In the seed project a budget of nothing is no limit.
    let mut words: Vec<OsString> = words.collect();
    let seeds_own = |word: &OsString| word == "--budget_limit";
    if let Some(at) = words.iter().position(seeds_own).filter(|at| words.get(at + 1).is_some_and(is_zero)) {
        words[at + 1] = "unlimited".into();
    }
    words
        .into_iter()
        .map(|word| match word.to_str().and_then(|text| text.strip_prefix("--")) {
            Some(flag) if flag.contains('_') => {
                let (name, value) =
                    flag.split_once('=').map_or((flag, None), |(name, value)| (name, Some(value)));
                let name = name.replace('_', "-");
                OsString::from(value.map_or(format!("--{name}"), |value| format!("--{name}={value}")))
            }
            _ => word,
        })
        .collect()
}

fn is_zero(word: &OsString) -> bool {
    word.to_str().and_then(|text| text.parse::<f64>().ok()) == Some(0.0)
}

/// Whether the command is `run`, whose usage errors are objects on standard output too.
pub(crate) fn is_run(words: &[OsString]) -> bool {
    words.iter().skip(1).any(|word| word == "run")
}

/// Whether JSON was asked for, as far as that can be seen in words that could not be understood.
pub(crate) fn wants_json(words: &[OsString]) -> bool {
    words.windows(2).any(|pair| pair[0] == "--output" && pair[1] == "json")
        || words.iter().any(|word| word == "--output=json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_sound() {
        use clap::CommandFactory as _;
        Arguments::command().debug_assert();
    }

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

    #[test]
    fn underscored_flags_are_the_same_flags() {
        let words = [
            "researchgym",
            "run",
            "a_task",
            "scripted",
            "--dry_run",
            "--basic_hours=0_1",
            "--data_dir",
            "my_data",
            "--budget_limit",
            "0",
        ];
        let words = normalised(words.iter().map(OsString::from));
        let expected = [
            "researchgym",
            "run",
            "a_task",
            "scripted",
            "--dry-run",
            "--basic-hours=0_1",
            "--data-dir",
            "my_data",
            "--budget-limit",
            "unlimited",
        ];
        assert_eq!(words, expected.iter().map(OsString::from).collect::<Vec<_>>());
    }
}
