//! Which searches of a shoot-out there are already: runs of the store with the same word and the same specification.

use researchgym_core::event::{Ending, Event};
use researchgym_core::record::Cause;
use researchgym_core::result::Progress;
use researchgym_core::spec::{Limits, ModelSpec, RunSpec};
use researchgym_engine::records::{Kept, Library};
use researchgym_engine::session::{Change, LimitChanges};
use researchgym_engine::store::{LogReader, RunFolder};

use super::asked::{Asked, Search};
use crate::error::CommandError;
use crate::output::Printer;

/// Where a search stands.
pub(super) enum Standing {
    /// There is none yet.
    New,
    /// It was cut off, stopped, ended early by lower limits than were asked for, or has failed. It goes on under those.
    GoesOn(RunFolder, LimitChanges),
    /// It has ended.
    Over(RunFolder),
}

/// A run of the store that may be a search of this shoot-out.
struct Known {
    kept: Kept,
    /// What it was asked to be.
    spec: RunSpec,
    /// Its limits at last, which its user may have changed.
    limits: Limits,
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
    let known: Vec<Known> = library
        .runs
        .into_iter()
        .filter(|kept| kept.is_own() && kept.record.tags.contains(&asked.tag))
        .filter_map(|kept| {
            let (spec, limits) = asked_and_last(&kept.folder)?;
            Some(Known { kept, spec, limits })
        })
        .collect();
    asked.searches.iter().map(|search| standing(search, &known)).collect()
}

fn standing(search: &Search, known: &[Known]) -> Result<Standing, CommandError> {
    let wanted = comparable(&search.spec);
    let own: Vec<&Known> =
        known.iter().filter(|known| comparable(&known.spec) == wanted && !known.has_more()).collect();
    if let Some(over) = own.iter().find(|known| known.is_over()) {
        return Ok(Standing::Over(over.kept.folder.clone()));
    }
    match own.first() {
        Some(known) if known.kept.folder.is_locked() => Err(CommandError::input(format!(
            "run {} of this shoot-out is being worked on ({}, seed {})",
            known.kept.folder.id(),
            search.policy,
            search.spec.seed
        ))
        .hinted("wait until it has ended, or stop it where it was started")),
        Some(known) => Ok(Standing::GoesOn(known.kept.folder.clone(), known.as_asked())),
        None => Ok(Standing::New),
    }
}

impl Known {
    /// Whether it has ended as one that is compared.
    fn is_over(&self) -> bool {
        let cause = self.kept.record.ending.cause;
        let is_whole = match cause {
            None | Some(Cause::Cancelled | Cause::Failed) => false,
            Some(cause) => !is_short(cause, &self.limits, &self.spec.limits),
        };
        is_whole && self.kept.record.state == Progress::Ended
    }

    /// Whether somebody has let it go on beyond what it was to make or to use: it cannot be compared any more.
    fn has_more(&self) -> bool {
        let (record, asked) = (&self.kept.record, &self.spec.limits);
        let made = record.search.as_ref().map_or(0, |search| search.candidates);
        let (used, last) = (&record.usage, &self.limits);
        let is_beyond = |used: Option<u64>, last: Option<u64>, asked: Option<u64>| {
            last != asked && used.zip(asked).is_some_and(|(used, asked)| used > asked)
        };
        asked.steps.is_some_and(|steps| made > steps)
            || is_beyond(used.working_ms, last.working_ms, asked.working_ms)
            || is_beyond(used.cost.map(|cost| cost.0), micro_usd(last), micro_usd(asked))
    }

    /// What makes its limits those again that were asked for.
    fn as_asked(&self) -> LimitChanges {
        let (last, asked) = (&self.limits, &self.spec.limits);
        let back = |last: Option<u64>, asked: Option<u64>| {
            (last != asked).then_some(asked.map_or(Change::Unlimited, Change::To))
        };
        LimitChanges {
            working_ms: back(last.working_ms, asked.working_ms),
            steps: back(last.steps, asked.steps),
            budget: back(micro_usd(last), micro_usd(asked)),
            tokens: back(last.tokens, asked.tokens),
        }
    }
}

/// Whether a search that has ended was ended by a lower limit than was asked for: `limit` can set one while it works.
pub(super) fn was_cut_short(folder: &RunFolder, ending: Ending) -> bool {
    asked_and_last(folder).is_some_and(|(spec, last)| is_short(ending.into(), &last, &spec.limits))
}

/// Whether what has ended a search is a limit that was less than was asked for.
fn is_short(cause: Cause, last: &Limits, asked: &Limits) -> bool {
    let is_less = |last: Option<u64>, asked: Option<u64>| {
        last.is_some_and(|last| asked.is_none_or(|asked| last < asked))
    };
    match cause {
        Cause::StepLimit => is_less(last.steps, asked.steps),
        Cause::TimeLimit => is_less(last.working_ms, asked.working_ms),
        Cause::Budget => is_less(micro_usd(last), micro_usd(asked)),
        Cause::TokenLimit => is_less(last.tokens, asked.tokens),
        _ => false,
    }
}

fn micro_usd(limits: &Limits) -> Option<u64> {
    limits.budget.map(|budget| budget.0)
}

/// What a run was asked to be, from the first line of its log, and what its limits are at last.
fn asked_and_last(folder: &RunFolder) -> Option<(RunSpec, Limits)> {
    let mut lines = LogReader::open(folder).ok()?.map_while(Result::ok);
    let Event::RunStarted(started) = lines.next()?.event else { return None };
    let spec = started.spec;
    let limits = lines.filter_map(|line| match line.event {
        Event::LimitsChanged { limits } | Event::RunExtended { limits } => Some(limits),
        _ => None,
    });
    let limits = limits.last().unwrap_or_else(|| spec.limits.clone());
    Some((spec, limits))
}

/// A specification as far as searches must be alike to be the same one. What the word of the setting stands for already, and
/// looks different once it has been recorded, is left out.
fn comparable(spec: &RunSpec) -> RunSpec {
    let model_spec =
        spec.model_spec.as_ref().map(|model| Box::new(ModelSpec { script: None, ..(**model).clone() }));
    RunSpec { task_dir: String::new(), image: None, model_spec, ..spec.clone() }
}
