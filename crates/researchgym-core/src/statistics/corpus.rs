//! What of the given records is analysed: which runs count, on which tasks, for which contenders, with which values.
//!
//! Nothing is dropped in silence: a run that does not count stands in `Corpus::left_out`, everything else that a reader must
//! know is a warning.

use std::collections::{BTreeSet, HashMap};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::options::{Flagged, Kind, Options};
use super::tasks::{Key, Task, labelled, settle_tasks, task_keys};
use crate::record::{Origin, RunRecord};
use crate::result::Progress;
use crate::score::Primary;

/// A run that does not count, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LeftOut {
    /// The run.
    pub run_id: String,
    /// Whose it is.
    pub contender: String,
    /// The task's id.
    pub task: String,
    /// Why it does not count.
    pub reason: Reason,
}

/// Why a run does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// A run with this id was there before.
    Duplicate,
    /// It has not ended.
    NotEnded,
    /// Something speaks against its score, and such runs were to be left out.
    Flagged,
}

impl Reason {
    /// The reason in words that go behind "was left out: ".
    pub fn words(self) -> &'static str {
        match self {
            Reason::Duplicate => "it was given twice",
            Reason::NotEnded => "it has not ended",
            Reason::Flagged => "something speaks against its score",
        }
    }
}

/// A run that counts.
pub(super) struct Entry<'a> {
    pub record: &'a RunRecord,
    /// Its own place among the entries.
    pub index: usize,
    pub contender: usize,
    pub task: usize,
    /// By [`Kind`].
    pub values: [Option<f64>; 2],
    /// The run's own baseline, or else its task's.
    pub baseline: Option<f64>,
}

/// What is analysed.
pub(super) struct Corpus<'a> {
    pub contenders: Vec<String>,
    pub tasks: Vec<Task>,
    /// By contender, task, seed and id.
    pub entries: Vec<Entry<'a>>,
    /// Where in `entries` the runs of a contender on a task are.
    cells: Vec<std::ops::Range<usize>>,
    pub left_out: Vec<LeftOut>,
    pub warnings: Vec<String>,
}

impl<'a> Corpus<'a> {
    pub(super) fn of(records: &'a [RunRecord], options: &Options) -> Corpus<'a> {
        let (mut counted, left_out) = chosen(records, options);
        let mut warnings = Vec::new();
        let keys = task_keys(&counted, options.group_by, &mut warnings);
        let contenders = contenders(&counted, options, &mut warnings);
        let places: HashMap<&str, usize> =
            contenders.iter().enumerate().map(|(place, name)| (name.as_str(), place)).collect();
        let task_list: Vec<Key> = keys.values().cloned().collect::<BTreeSet<Key>>().into_iter().collect();
        let task_places: HashMap<&Key, usize> =
            task_list.iter().enumerate().map(|(place, key)| (key, place)).collect();
        let mut tasks = labelled(&task_list);
        let place = |record: &RunRecord| {
            let task = task_places[&keys[record.run_id.as_str()]];
            (places[options.group_by.contender(record).as_str()], task)
        };
        counted.sort_by_cached_key(|record| {
            let (contender, task) = place(record);
            (contender, task, record.seed, record.run_id.clone())
        });
        let mut entries: Vec<Entry<'a>> = counted
            .into_iter()
            .enumerate()
            .map(|(index, record)| {
                let (contender, task) = place(record);
                let values = match &tasks[task].primary {
                    Some(primary) => values(record, primary),
                    None => [None, None],
                };
                Entry { record, index, contender, task, values, baseline: None }
            })
            .collect();
        settle_tasks(&mut tasks, &mut entries, &mut warnings);
        let cells = ranges(&entries, contenders.len(), tasks.len());
        doubts(records, &entries, &tasks, &mut warnings);
        told_left_out(&left_out, &mut warnings);
        Corpus { contenders, tasks, entries, cells, left_out, warnings }
    }

    /// The runs of a contender on a task.
    pub(super) fn cell(&self, contender: usize, task: usize) -> &[Entry<'a>] {
        &self.entries[self.cells[contender * self.tasks.len() + task].clone()]
    }
}

/// The runs that count, and those that do not.
fn chosen<'a>(records: &'a [RunRecord], options: &Options) -> (Vec<&'a RunRecord>, Vec<LeftOut>) {
    let mut seen = BTreeSet::new();
    let mut heads = BTreeSet::new();
    let (mut counted, mut left_out) = (Vec::new(), Vec::new());
    for record in records {
        let is_new_log = match &record.origin {
            Origin::Researchgym { log_head } => heads.insert(*log_head),
            Origin::Foreign { .. } => true,
        };
        let reason = if !seen.insert(record.run_id.as_str()) || !is_new_log {
            Some(Reason::Duplicate)
        } else if record.state != Progress::Ended {
            Some(Reason::NotEnded)
        } else if options.flagged == Flagged::LeftOut && record.is_flagged() {
            Some(Reason::Flagged)
        } else {
            None
        };
        match reason {
            None => counted.push(record),
            Some(reason) => left_out.push(LeftOut {
                run_id: record.run_id.clone(),
                contender: options.group_by.contender(record),
                task: record.task.id.clone(),
                reason,
            }),
        }
    }
    left_out.sort_by(|one, other| (one.reason, &one.run_id).cmp(&(other.reason, &other.run_id)));
    (counted, left_out)
}

fn contenders(records: &[&RunRecord], options: &Options, warnings: &mut Vec<String>) -> Vec<String> {
    let mut found: BTreeSet<String> =
        records.iter().map(|record| options.group_by.contender(record)).collect();
    let mut order = Vec::new();
    for name in &options.order {
        if found.remove(name) {
            order.push(name.clone());
        } else if !order.contains(name) {
            warnings.push(format!("{name} stands in the order of contenders, but has no run that counts"));
        }
    }
    order.extend(found);
    order
}

/// The value of the best valid attempt, of equals the first, and that of the final submission.
fn values(record: &RunRecord, primary: &Primary) -> [Option<f64>; 2] {
    let finite = |value: f64| Some(value).filter(|value| value.is_finite());
    let valued = record.attempts.iter().filter_map(|attempt| attempt.value(primary).and_then(finite));
    let best = valued.reduce(|best, next| if primary.direction.gain(next, best) > 0.0 { next } else { best });
    let submission = record.submitted().and_then(|attempt| attempt.value(primary)).and_then(finite);
    let mut values = [None, None];
    values[Kind::Best as usize] = best;
    values[Kind::Submission as usize] = submission;
    values
}

fn ranges(entries: &[Entry<'_>], contenders: usize, tasks: usize) -> Vec<std::ops::Range<usize>> {
    let mut ranges = Vec::with_capacity(contenders * tasks);
    let mut start = 0;
    for place in 0..contenders * tasks {
        let is_here = |entry: &&Entry<'_>| entry.contender * tasks + entry.task == place;
        let end = start + entries[start..].iter().take_while(is_here).count();
        ranges.push(start..end);
        start = end;
    }
    ranges
}

/// What else a reader must know.
fn doubts(records: &[RunRecord], entries: &[Entry<'_>], tasks: &[Task], warnings: &mut Vec<String>) {
    if records.is_empty() {
        warnings.push("no run was given".to_owned());
    }
    let mut not_finite = 0_u64;
    let mut by_content: HashMap<_, u64> = HashMap::new();
    for entry in entries {
        let record = entry.record;
        let metrics = record.attempts.iter().flat_map(|attempt| attempt.metrics.values());
        not_finite += u64::from(metrics.clone().any(|value| !value.is_finite()));
        if let Origin::Foreign { digest, source, .. } = &record.origin
            && !source.is_empty()
        {
            *by_content.entry((*digest, entry.contender, entry.task, record.seed)).or_default() += 1;
        }
    }
    if not_finite > 0 {
        let have = if not_finite == 1 { "run has" } else { "runs have" };
        warnings
            .push(format!("{not_finite} {have} metrics that are not finite: these attempts have no score"));
    }
    let copies: u64 = by_content.values().filter(|&&count| count > 1).map(|count| count - 1).sum();
    if copies > 0 {
        warnings.push(match copies {
            1 => "1 run was read from the same bytes as another one and may be a copy: it counts".to_owned(),
            _ => {
                format!("{copies} runs were read from the same bytes as others and may be copies: they count")
            }
        });
    }
    for (place, task) in tasks.iter().enumerate() {
        let untold = entries.iter().filter(|entry| {
            let lacks = |primary: &Primary| {
                let valid = entry.record.attempts.iter().filter(|attempt| attempt.invalid.is_none());
                let mut valid = valid.peekable();
                valid.peek().is_some() && valid.all(|attempt| !attempt.metrics.contains_key(&primary.name))
            };
            entry.task == place && task.primary.as_ref().is_some_and(lacks)
        });
        let untold = untold.count();
        if untold > 0 {
            let (runs, were) = if untold == 1 { ("run", "was") } else { ("runs", "were") };
            let label = &task.label;
            warnings.push(format!(
                "{untold} {runs} on {label} {were} graded, but never by the metric that decides"
            ));
        }
    }
}

fn told_left_out(left_out: &[LeftOut], warnings: &mut Vec<String>) {
    for reason in [Reason::Duplicate, Reason::NotEnded, Reason::Flagged] {
        let count = left_out.iter().filter(|run| run.reason == reason).count();
        match count {
            0 => {}
            1 => warnings.push(format!("1 run was left out: {}", reason.words())),
            _ => warnings.push(format!("{count} runs were left out, each because {}", reason.words())),
        }
    }
}
