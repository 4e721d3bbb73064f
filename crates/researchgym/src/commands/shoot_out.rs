//! `shoot-out`: searches that differ in their policies and seeds alone, run as ordinary runs, and compared.
//!
//! What is over is found again by the runs' own specifications, so the same command goes on where it was stopped. Nothing is kept
//! beside the runs.

mod asked;
mod found;
mod running;

use std::path::Path;

use researchgym_core::search::SearchSpec;
use researchgym_core::spec::AgentSpec;
use researchgym_core::statistics::sample::{median, sorted};
use researchgym_core::statistics::shoot_out::{Resampling, Searched, Setting, ShootOut};
use researchgym_engine::records::{RecordError, measured_of, record_of};
use researchgym_engine::store::{RunFolder, verify};
use researchgym_report::{Figure, shoot_out_figures, shoot_out_markdown};

use self::asked::Asked;
use self::found::{Standing, standings};
use super::folder::{self, Contents};
use super::on_runtime;
use crate::arguments::ShootOutArguments;
use crate::error::CommandError;
use crate::output::{Outcome, Printer};

/// The file by which a folder is known to be a shoot-out's.
const MARK: &str = "shoot-out.json";
/// The exit code where some searches are not compared.
const NOT_ALL: u8 = 3;
/// The share of resamples that an interval holds.
const CONFIDENCE: f64 = 0.95;

pub(crate) fn shoot_out(arguments: &ShootOutArguments, printer: &Printer) -> Outcome {
    if let Some(out) = &arguments.out {
        folder::may_be_written(out, MARK, "a shoot-out")?;
    }
    on_runtime(compare(arguments, printer))
}

async fn compare(arguments: &ShootOutArguments, printer: &Printer) -> Outcome {
    let mut asked = Asked::of(arguments, printer)?;
    let standings = standings(&asked, printer)?;
    printer.shoot_out_plan(&asked.plan(&standings), arguments.dry_run);
    if arguments.dry_run {
        return Ok(0);
    }
    let is_open = standings.iter().any(|standing| !matches!(standing, Standing::Over(_)));
    let mut ran = match is_open {
        true => running::run(&mut asked, standings, arguments.parallel, printer).await?,
        false => running::Ran::nothing_to_do(standings),
    };
    let mut searches = Vec::new();
    let mut exit_code = ran.exit_code;
    ran.over.retain(|(number, folder)| {
        match tokio::task::block_in_place(|| searched(folder, &asked.searches[*number].policy)) {
            Ok(search) => searches.extend(search),
            Err(error) => {
                printer.warn(&format!("run {} is not compared: {error}", folder.id()));
                exit_code = exit_code.max(NOT_ALL);
                return false;
            }
        }
        true
    });
    let policies: Vec<String> = asked.policies.iter().map(|policy| policy.name.clone()).collect();
    let resampling = Resampling { resamples: arguments.resamples, seed: 0, confidence: CONFIDENCE };
    let shoot_out = ShootOut::of(setting(&asked, &ran, arguments), resampling, &policies, searches);
    if let Some(out) = &arguments.out {
        write(out, &shoot_out)?;
    }
    printer.shoot_out(&shoot_out, arguments.out.as_deref());
    Ok(exit_code)
}

/// A search that is over, as it is compared.
///
/// # Errors
/// It cannot be read, or is not what was recorded.
fn searched(folder: &RunFolder, policy: &str) -> Result<Option<Searched>, CommandError> {
    let verification = verify(folder).map_err(|error| CommandError::input(error.to_string()))?;
    if let Some(problem) = verification.problems.first() {
        return Err(CommandError::input(format!("{problem}; `verify` lists all that is wrong with it")));
    }
    let unread = |error: RecordError| CommandError::input(error.to_string());
    let (record, _) = record_of(folder).map_err(unread)?;
    let measured = measured_of(folder).map_err(unread)?;
    Ok(Searched::of(&record, policy, measured))
}

/// What all searches have in common.
fn setting(asked: &Asked, ran: &running::Ran, arguments: &ShootOutArguments) -> Setting {
    let spec = &asked.prepared.spec;
    let task = &asked.prepared.task;
    let records = ran.over.iter().filter_map(|(_, folder)| record_of(folder).ok());
    let measured = sorted(records.filter_map(|(record, _)| record.search?.baseline));
    let search = asked.searches.first().and_then(|search| as_search(&search.spec.agent));
    Setting {
        task: task.id.clone(),
        variant: spec.variant.clone(),
        primary: task.primary(),
        noise_floor: task.baseline.as_ref().map_or(0.0, |baseline| baseline.noise_floor),
        baseline: median(&measured),
        operators: search.map(|search| search.operators.clone()).unwrap_or_default(),
        model: spec.model.clone(),
        candidates: spec.limits.steps,
        working_ms: spec.limits.working_ms,
        budget: spec.limits.budget,
        slots: arguments.slots,
        target: arguments.target,
        tag: asked.tag.clone(),
        asked: asked.searches.len() as u64,
    }
}

fn as_search(agent: &AgentSpec) -> Option<&SearchSpec> {
    match agent {
        AgentSpec::Search(search) => Some(search),
        _ => None,
    }
}

fn write(out: &Path, shoot_out: &ShootOut) -> Result<(), CommandError> {
    let json = serde_json::to_string(shoot_out).unwrap_or_default();
    let markdown = shoot_out_markdown(shoot_out);
    let figures: Vec<Figure> = shoot_out_figures(shoot_out);
    let contents = Contents {
        documents: vec![("shoot-out.md", &markdown), (MARK, &json)],
        figures: &figures,
        earlier: ["course", "bands", "seeds", "fates"].map(|name| format!("shoot-out-{name}")).into(),
    };
    tokio::task::block_in_place(|| folder::write(out, &contents, &|| false)).map(drop)
}
