//! One file per command; each takes its arguments and a printer and returns an exit code.

mod agents;
mod comparison;
mod config;
mod doctor;
mod export;
mod folder;
mod gateway;
mod gpus;
mod grade;
mod image;
mod import;
mod inside;
mod inspect;
mod leaderboard;
mod list;
mod live;
mod model;
mod models;
mod prune;
mod replay;
mod report;
mod run;
mod schema;
mod shoot_out;
mod show;
mod task;
mod verify;

pub(crate) use researchgym_engine::check::CheckReport;

pub(crate) use self::export::Told;

use crate::arguments::{Command, OutputFormat};
use crate::error::{CommandError, Kind};
use crate::output::{Outcome, Printer};

/// Runs one command.
pub(crate) fn dispatch(command: Command, printer: &Printer) -> Outcome {
    let is_document = !matches!(printer.format(), OutputFormat::Text | OutputFormat::Json);
    if is_document && !matches!(command, Command::Report(_) | Command::Leaderboard(_)) {
        return Err(CommandError::input("--output md, html and csv are for `report` and `leaderboard`")
            .hinted("every command knows --output text and --output json"));
    }
    match command {
        Command::Run(arguments) => run::run(*arguments, printer),
        Command::List(arguments) => list::list(&arguments, printer),
        Command::Show(arguments) => show::show(&arguments, printer),
        Command::Report(arguments) => report::report(&arguments, printer),
        Command::Leaderboard(arguments) => leaderboard::leaderboard(&arguments, printer),
        Command::ShootOut(arguments) => shoot_out::shoot_out(&arguments, printer),
        Command::Replay(arguments) => replay::replay(&arguments, printer),
        Command::Grade(arguments) => grade::grade(&arguments, printer),
        Command::Verify(arguments) => verify::verify(&arguments, printer),
        Command::Import(arguments) => import::import(&arguments, printer),
        Command::Export(arguments) => export::export(&arguments, printer),
        Command::Unpack(arguments) => export::unpack(&arguments, printer),
        Command::Prune(arguments) => prune::prune(&arguments, printer),
        Command::Inspect(arguments) => inspect::inspect(&arguments, printer),
        Command::Task(command) => task::task(command, printer),
        Command::Model(command) => model::model(command, printer),
        Command::Config(command) => config::config(&command, printer),
        Command::Gateway(arguments) => gateway::gateway(&arguments, printer),
        Command::Doctor(arguments) => doctor::doctor(&arguments, printer),
        Command::Validate => inside::request("validate", printer),
        Command::Submit => inside::request("submit", printer),
        Command::Status => inside::request("status", printer),
        Command::Pause(run) => live::pause(&run, printer),
        Command::Unpause(run) => live::unpause(&run, printer),
        Command::Limit(arguments) => live::limit(&arguments, printer),
        Command::Note(arguments) => live::note(&arguments, printer),
        Command::Schema(arguments) => schema::schema(arguments.root, printer),
    }
}

/// Runs a future to its end on a runtime of this process's own.
fn on_runtime<T>(future: impl Future<Output = Result<T, CommandError>>) -> Result<T, CommandError> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| CommandError {
            kind: Kind::Infrastructure,
            message: format!("no threads can be started: {error}"),
            hint: None,
        })?;
    runtime.block_on(future)
}
