//! `prune`: runs that go, told first and removed with `--yes`. Exit code 1 if something could not be removed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use jiff::Timestamp;
use researchgym_core::record::RunRecord;
use researchgym_core::result::Progress;
use researchgym_core::spec::SCHEMA;
use researchgym_engine::prune::{self, Candidate, Criteria, Plan, Unfinished};
use researchgym_engine::records::Library;
use researchgym_engine::store::{RunFolder, event_time};
use serde_json::{Value, json};

use super::export::stoppable;
use super::list::library;
use crate::arguments::{PruneArguments, PruneState};
use crate::error::CommandError;
use crate::output::{Outcome, Printer, PrunedRun};
use crate::settings::Settings;

/// A folder without a log that is younger may be one that is about to get it, in seconds.
const YOUNG_S: u64 = 60;

pub(crate) fn prune(arguments: &PruneArguments, printer: &Printer) -> Outcome {
    let query = arguments.filters.query();
    let criteria = Criteria { older_than: arguments.older_than, keep_bytes: arguments.keep_size };
    if query.is_empty() && criteria == Criteria::default() && arguments.state.is_empty() {
        return Err(CommandError::input("it is not said which runs should go")
            .hinted("give --older-than, --keep-size, --state or a filter such as --task"));
    }
    let settings = Settings::resolve(&arguments.places)?;
    let library = library(&settings, arguments.places.names_runs(), printer)?;
    let now = SystemTime::now();
    let (may_go, others) = split(library, arguments, now);
    let described: BTreeMap<PathBuf, PrunedRun> = may_go
        .iter()
        .map(|(candidate, record)| (candidate.folder.root().to_owned(), shown(candidate, record.as_ref())))
        .collect();
    let plan =
        prune::plan(may_go.into_iter().map(|(candidate, _)| candidate).collect(), &others, criteria, now);
    let goes: Vec<PrunedRun> =
        plan.goes.iter().filter_map(|candidate| described.get(candidate.folder.root()).cloned()).collect();
    let unfinished = prune::unfinished(&settings.runs);
    if !arguments.yes {
        match printer.is_json() {
            true => printer.json(&object(true, &goes, &plan, &unfinished)),
            false => printer.would_prune(&goes, &plan, &unfinished),
        }
        return Ok(0);
    }
    let done = stoppable(printer, |is_stopped| remove(&settings.runs, &plan, &unfinished, is_stopped))?;
    if printer.is_json() {
        let mut object = object(false, &goes, &plan, &unfinished);
        let failed: Vec<Value> =
            done.failed.iter().map(|(run, reason)| json!({ "run": run, "reason": reason })).collect();
        object["removed"] = json!(done.removed);
        object["failed"] = failed.into();
        printer.json(&object);
    } else {
        printer.pruned(&done.removed, &done.failed);
    }
    Ok(match done.is_stopped {
        true => 130,
        false => u8::from(!done.failed.is_empty()),
    })
}

/// A run that may go, with its record if it has one.
type Known = (Candidate, Option<RunRecord>);

/// The runs that may go, and those that stay.
fn split(library: Library, arguments: &PruneArguments, now: SystemTime) -> (Vec<Known>, Vec<Candidate>) {
    let query = arguments.filters.query();
    let states = match arguments.state.as_slice() {
        [] => &[PruneState::Ended, PruneState::Interrupted],
        given => given,
    };
    let (mut may_go, mut others) = (Vec::new(), Vec::new());
    for kept in library.runs {
        let Some(candidate) = prune::look(&kept.folder) else { continue };
        let is_wanted = match kept.record.state {
            Progress::Queued | Progress::Running | Progress::Paused | Progress::NotStarted => false,
            Progress::Interrupted => states.contains(&PruneState::Interrupted),
            Progress::Ended => states.contains(&PruneState::Ended),
        };
        match is_wanted && query.matches(&kept.record) && !kept.folder.is_locked() {
            true => may_go.push((candidate, Some(kept.record))),
            false => others.push(candidate),
        }
    }
    for broken in library.broken {
        let Some(candidate) = RunFolder::open(Path::new(&broken.run)).ok().and_then(|run| prune::look(&run))
        else {
            continue;
        };
        let age = now.duration_since(candidate.written).unwrap_or_default();
        // What cannot be read passes no filter.
        let is_wanted = states.contains(&PruneState::Broken) && query.is_empty();
        match is_wanted && age.as_secs() >= YOUNG_S && !candidate.folder.is_locked() {
            true => may_go.push((candidate, None)),
            false => others.push(candidate),
        }
    }
    (may_go, others)
}

fn shown(candidate: &Candidate, record: Option<&RunRecord>) -> PrunedRun {
    PrunedRun {
        run: candidate.folder.root().display().to_string(),
        run_id: candidate.folder.id().to_owned(),
        task: record.map(|record| record.task.id.clone()),
        contender: record.map(RunRecord::contender),
        state: record.map(|record| record.state),
        written: Timestamp::try_from(candidate.written).map(event_time).unwrap_or_default(),
        bytes: candidate.size.bytes(),
    }
}

fn object(is_dry: bool, goes: &[PrunedRun], plan: &Plan, unfinished: &[Unfinished]) -> Value {
    let unfinished: Vec<Value> =
        unfinished.iter().map(|one| json!({ "path": one.path, "bytes": one.bytes })).collect();
    json!({
        "schema": SCHEMA, "dry_run": is_dry, "runs": goes, "frees_bytes": plan.frees, "taken_bytes": plan.taken,
        "unfinished": unfinished,
    })
}

/// What a pruning did.
#[derive(Default)]
struct Done {
    removed: Vec<String>,
    failed: Vec<(String, String)>,
    is_stopped: bool,
}

fn remove(runs: &Path, plan: &Plan, unfinished: &[Unfinished], is_stopped: &dyn Fn() -> bool) -> Done {
    let mut done = Done::default();
    for one in unfinished {
        if let Err(error) = prune::finish(one) {
            done.failed.push((one.path.display().to_string(), error.to_string()));
        }
    }
    for candidate in &plan.goes {
        if is_stopped() {
            done.is_stopped = true;
            break;
        }
        let run = candidate.folder.root().display().to_string();
        match prune::remove(runs, &candidate.folder, Timestamp::now()) {
            Ok(()) => done.removed.push(run),
            Err(error) => done.failed.push((run, error.to_string())),
        }
    }
    done
}
