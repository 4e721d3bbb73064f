//! What can be typed. The help texts are these doc comments: of the program and its commands here, of each command's flags in
//! its own file.

mod check;
mod doctor;
mod export;
mod filters;
mod gateway;
mod gpus;
mod import;
mod inspect;
mod model;
mod network;
mod prune;
mod report;
mod run;
mod runs;
mod search;
mod shoot_out;
mod task;
mod typed;
mod words;

use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use self::check::{CheckPlace, IsolatedRuntime};
pub(crate) use self::doctor::DoctorArguments;
pub(crate) use self::export::{ExportArguments, ExportFormat, UnpackArguments};
pub(crate) use self::filters::Filters;
pub(crate) use self::gateway::{GatewayArguments, Listen};
pub(crate) use self::gpus::GpuArguments;
pub(crate) use self::import::{ImportArguments, ImportFormat};
pub(crate) use self::inspect::InspectArguments;
pub(crate) use self::model::{ModelArguments, ModelCommand};
pub(crate) use self::network::{NetworkArguments, PolicyName};
pub(crate) use self::prune::{PruneArguments, PruneState};
pub(crate) use self::report::{Comparison, LeaderboardArguments, ReportArguments};
pub(crate) use self::run::{ExecutorName, RunArguments, RuntimeName, SamplerName};
pub(crate) use self::runs::{
    Against, GradeArguments, LimitArguments, ListArguments, NoteArguments, OneRun, ShowArguments,
    VerifyArguments,
};
pub(crate) use self::search::{FormName, InheritName, SearchArguments, SelectName};
pub(crate) use self::shoot_out::ShootOutArguments;
pub(crate) use self::task::TaskCommand;
pub(crate) use self::typed::error_as_typed;
pub(crate) use self::words::{is_run, normalised, wants_json};

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
    /// `report` and `leaderboard`: Markdown.
    Md,
    /// `report` and `leaderboard`: a page.
    Html,
    /// `report` and `leaderboard`: comma-separated values.
    Csv,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Let an agent work on a task, and grade what it submits
    Run(Box<RunArguments>),
    /// List the runs in the runs folder
    List(ListArguments),
    /// Show one run: result, attempts, what is kept apart
    Show(ShowArguments),
    /// Compare runs: a folder with a page, figures and tables
    ///
    /// With --output json, md, html or csv the analysis, the text, the page or the leaderboard goes to standard output.
    Report(Box<ReportArguments>),
    /// Compare runs in a line a contender
    Leaderboard(Box<LeaderboardArguments>),
    /// Compare policies of searches: the same task, operators and budget, several seeds
    ///
    /// The searches are ordinary runs. The same command goes on where it was stopped, and what is over is not run again. Exit code 0:
    /// all searches are over; 3: some failed; 130: stopped.
    ShootOut(Box<ShootOutArguments>),
    /// Print a run again as it looked while it worked
    Replay(OneRun),
    /// Grade a run's attempts again with the same artefacts and seeds
    Grade(GradeArguments),
    /// Check a run's event log, or a bundle: chain, schema and blobs
    Verify(VerifyArguments),
    /// Hand runs on: tables, conversations, or one whole run as a file
    Export(Box<ExportArguments>),
    /// Make a run of a bundle that `export --bundle` wrote
    Unpack(UnpackArguments),
    /// Remove runs by age, size, task or state; without --yes only tell which
    Prune(PruneArguments),
    /// Take runs of other systems into the runs folder, read-only
    ///
    /// Exit code 0: all runs were taken or were there already; 1: some files are broken, the rest was taken; 2: there is nothing
    /// to take; 130: stopped, what was imported is kept.
    Import(ImportArguments),
    /// Look for what speaks against a run's score: rules first, then a model if one is named
    Inspect(Box<InspectArguments>),
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
    /// Say what this machine offers for isolation, what is missing, and what runs have left on it
    Doctor(DoctorArguments),
    /// Inside a run: score the current artefacts
    Validate,
    /// Inside a run: score the current artefacts and end the run
    Submit,
    /// Inside a run: say what is left of time, steps and validations
    Status,
    /// Stop a live run's clock and everything in its sandbox
    ///
    /// A grading that is under way is waited for: its time is not working time either.
    Pause(OneRun),
    /// Let a paused run go on
    Unpause(OneRun),
    /// Change the totals of a live run
    ///
    /// A total below what the run has used is refused. A total of 0 lets the run use no more: it ends before its next step or
    /// paid question, and what is in place is graded.
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

impl Places {
    /// Whether the runs folder was named on the command line: then it has to be there.
    pub(crate) fn names_runs(&self) -> bool {
        let variable = std::env::var_os("RESEARCHGYM_RUNS");
        self.runs_dir.as_ref().is_some_and(|runs| variable.as_deref() != Some(runs.as_os_str()))
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print the merged settings with where each comes from; keys only as set or not
    Show,
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
    /// `inspection_report.json`
    Inspection,
    /// The first line of `imported.jsonl`: a run as analysis sees it
    Record,
    /// The other lines of `imported.jsonl`
    Step,
    /// `analysis` in `report.json`
    Analysis,
    /// What `shoot-out` prints
    ShootOut,
}

/// A folder; an empty word or variable means that none is given.
fn place() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_sound() {
        use clap::CommandFactory as _;
        Arguments::command().debug_assert();
    }
}
