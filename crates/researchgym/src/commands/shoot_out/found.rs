//! Which searches of a shoot-out there are already: runs of the store with the same word and the same specification.

use researchgym_core::event::Event;
use researchgym_core::record::Cause;
use researchgym_core::result::Progress;
use researchgym_core::spec::{ModelSpec, RunSpec};
use researchgym_engine::records::{Kept, Library};
use researchgym_engine::store::{LogReader, RunFolder};

use super::asked::{Asked, Search};
use crate::error::CommandError;
use crate::output::Printer;

/// Where a search stands.
pub(super) enum Standing {
    /// There is none yet.
    New,
    /// It was cut off, stopped or has failed.
    GoesOn(RunFolder),
    /// It has ended.
    Over(RunFolder),
}

/// Where each search stands, in their order.
pub(super) fn standings(asked: &Asked, printer: &Printer) -> Result<Vec<Standing>, CommandError> {
    let library = Library::read(&asked.prepared.settings.runs);
    for broken in &library.broken {
        printer.warn(&format!(
            "{}: {}; whether it is one of these searches cannot be known",
            broken.run, broken.error
        ));
    }
    let known: Vec<(Kept, RunSpec)> = library
        .runs
        .into_iter()
        .filter(|kept| kept.is_own() && kept.record.tags.contains(&asked.tag))
        .filter_map(|kept| specification(&kept.folder).map(|spec| (kept, spec)))
        .collect();
    asked.searches.iter().map(|search| standing(search, &known)).collect()
}

fn standing(search: &Search, known: &[(Kept, RunSpec)]) -> Result<Standing, CommandError> {
    let wanted = comparable(&search.spec);
    let own: Vec<&Kept> = known
        .iter()
        .filter(|(kept, spec)| comparable(spec) == wanted && !has_more(kept, spec))
        .map(|(kept, _)| kept)
        .collect();
    let is_over = |kept: &&&Kept| {
        let cause = kept.record.ending.cause;
        kept.record.state == Progress::Ended
            && !matches!(cause, Some(Cause::Cancelled | Cause::Failed) | None)
    };
    if let Some(over) = own.iter().find(is_over) {
        return Ok(Standing::Over(over.folder.clone()));
    }
    match own.first() {
        Some(kept) if kept.folder.is_locked() => Err(CommandError::input(format!(
            "run {} of this shoot-out is being worked on ({}, seed {})",
            kept.folder.id(),
            search.policy,
            search.spec.seed
        ))
        .hinted("wait until it has ended, or stop it where it was started")),
        Some(kept) => Ok(Standing::GoesOn(kept.folder.clone())),
        None => Ok(Standing::New),
    }
}

/// Whether somebody has let a search go on beyond what it was to make: it cannot be compared any more.
fn has_more(kept: &Kept, spec: &RunSpec) -> bool {
    let made = kept.record.search.as_ref().map_or(0, |search| search.candidates);
    spec.limits.steps.is_some_and(|steps| made > steps)
}

/// What a run was asked to be, from the first line of its log.
fn specification(folder: &RunFolder) -> Option<RunSpec> {
    match LogReader::open(folder).ok()?.next()?.ok()?.event {
        Event::RunStarted(started) => Some(started.spec),
        _ => None,
    }
}

/// A specification as far as searches must be alike to be the same one. What the word of the setting stands for already, and
/// looks different once it has been recorded, is left out.
fn comparable(spec: &RunSpec) -> RunSpec {
    let model_spec =
        spec.model_spec.as_ref().map(|model| Box::new(ModelSpec { script: None, ..(**model).clone() }));
    RunSpec { task_dir: String::new(), image: None, model_spec, ..spec.clone() }
}
