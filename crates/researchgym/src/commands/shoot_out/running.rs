//! The searches of a shoot-out that are not over: new ones are begun, others go on.

use std::sync::Arc;

use researchgym_core::event::Ending;
use researchgym_core::result::{RunResult, worst_exit_code};
use researchgym_core::spec::RunSpec;
use researchgym_engine::runner::{OpenRun, Reopened};
use researchgym_engine::store::RunFolder;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::asked::{Asked, Search};
use super::found::{Standing, was_cut_short};
use crate::commands::run::Running;
use crate::error::CommandError;
use crate::output::{Console, Printer};

/// What came of the searches.
pub(super) struct Ran {
    /// Those that are over, by their number.
    pub(super) over: Vec<(usize, RunFolder)>,
    pub(super) exit_code: u8,
}

impl Ran {
    /// All of them were over before.
    pub(super) fn nothing_to_do(standings: Vec<Standing>) -> Ran {
        let over = standings.into_iter().enumerate().filter_map(|(number, standing)| match standing {
            Standing::Over(folder) => Some((number, folder)),
            Standing::New | Standing::GoesOn(..) => None,
        });
        Ran { over: over.collect(), exit_code: 0 }
    }
}

/// Works on what is not over, `parallel` searches at a time. One that fails does not stop the others.
pub(super) async fn run(
    asked: &mut Asked,
    standings: Vec<Standing>,
    parallel: u64,
    printer: &Printer,
) -> Result<Ran, CommandError> {
    let total = standings.len();
    let open = standings.iter().filter(|standing| !matches!(standing, Standing::Over(_))).count() as u64;
    // Of one alone each candidate would be told.
    let console = || Console::new(printer, open.max(2), true);
    let running = asked.prepared.set_up(parallel.min(open), console, printer).await?;
    let permits = Arc::new(Semaphore::new(parallel as usize));
    let mut works = JoinSet::new();
    let mut over = Vec::new();
    let mut ended: Vec<(usize, RunResult)> = Vec::new();
    let mut failed = None;
    for (number, standing) in standings.into_iter().enumerate() {
        if let Standing::Over(folder) = standing {
            over.push((number, folder));
            continue;
        }
        let Ok(permit) = permits.clone().acquire_owned().await else { break };
        while let Some(Ok(result)) = works.try_join_next() {
            ended.push(result);
        }
        if failed.is_some() || *running.runner.cancelled.borrow() {
            // What is over further on still counts.
            continue;
        }
        let search = &asked.searches[number];
        let opened = match opened(&running, asked, search, standing) {
            Ok(Opened::GoesOn(open)) => open,
            Ok(Opened::Over(result)) => {
                ended.push((number, *result));
                continue;
            }
            Err(error) => {
                failed = Some(error);
                continue;
            }
        };
        let id = opened.path().file_name().map(|name| name.to_string_lossy().into_owned());
        printer.talk(&format!(
            "{}  {}, seed {} ({} of {total})",
            id.unwrap_or_default(),
            search.policy,
            search.spec.seed,
            number + 1
        ));
        let runner = running.runner.clone();
        let mut surroundings = running.surroundings();
        works.spawn(async move {
            let result = runner.run(*opened, &mut surroundings).await;
            drop(permit);
            (number, result)
        });
    }
    while let Some(joined) = works.join_next().await {
        ended.extend(joined);
    }
    running.console.finish();
    if let Some(error) = failed {
        // Nothing of what has been done is lost: the same command goes on from here.
        if over.is_empty() && ended.is_empty() {
            return Err(error);
        }
        printer.warn(&format!("not all searches could be made: {error}"));
        return Ok(Ran { exit_code: concluded(&mut over, ended, printer).max(error.exit_code()), over });
    }
    let is_cancelled = *running.runner.cancelled.borrow();
    let worst = concluded(&mut over, ended, printer);
    Ok(Ran { exit_code: if is_cancelled { 130 } else { worst }, over })
}

/// Takes those that have ended over, and says how bad the worst ending was. That a search has no score is a finding here;
/// one that has failed, by its policy's own program too, or that somebody has given lower limits, is not compared.
fn concluded(over: &mut Vec<(usize, RunFolder)>, ended: Vec<(usize, RunResult)>, printer: &Printer) -> u8 {
    let has_failed = |result: &RunResult| result.ending == Some(Ending::Failed);
    let mut worst = worst_exit_code(ended.iter().map(|(_, result)| match result.exit_code() {
        1 if has_failed(result) => 3,
        1 => 0,
        code => code,
    }));
    let counts = |result: &RunResult| matches!(result.exit_code(), 0 | 1) && !has_failed(result);
    for (number, result) in ended.into_iter().filter(|(_, result)| counts(result)) {
        let Ok(folder) = RunFolder::open(std::path::Path::new(&result.run)) else { continue };
        if result.ending.is_some_and(|ending| was_cut_short(&folder, ending)) {
            printer.warn(&format!(
                "{}: lower limits than were asked for have ended it; it is not compared, and the same command lets it go on",
                folder.id()
            ));
            worst = worst.max(3);
            continue;
        }
        over.push((number, folder));
    }
    worst
}

enum Opened {
    GoesOn(Box<OpenRun>),
    Over(Box<RunResult>),
}

fn opened(
    running: &Running,
    asked: &Asked,
    search: &Search,
    standing: Standing,
) -> Result<Opened, CommandError> {
    let Asked { prepared, .. } = asked;
    Ok(match standing {
        Standing::GoesOn(folder, limits) => match running.runner.reopen(folder, &limits)? {
            Reopened::GoesOn(open) => Opened::GoesOn(open),
            Reopened::Over(result) => Opened::Over(result),
        },
        Standing::New | Standing::Over(_) => {
            // The image is known only now.
            let spec = RunSpec { image: prepared.spec.image.clone(), ..search.spec.clone() };
            Opened::GoesOn(Box::new(running.runner.create(&prepared.settings.runs, prepared.new_run(spec))?))
        }
    })
}
