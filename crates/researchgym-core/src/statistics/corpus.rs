//! What of the given records is analysed: which runs count, on which tasks, for which contenders, with which values.
//!
//! Nothing is dropped in silence: a run that does not count stands in [`Corpus::left_out`], everything else that a reader must
//! know is a warning.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::options::{Flagged, GroupBy, Kind, Options};
use crate::record::{Origin, RunRecord};
use crate::result::Progress;
use crate::score::{Direction, Primary};

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

/// A task as it is compared on: an id, a variant and the metric that decides.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// What tables call it: the id, with variant and metric where the id alone would mean two tasks. Unique.
    pub label: String,
    /// The id.
    pub id: String,
    /// The variant; empty where variants are the contenders.
    pub variant: String,
    /// The metric that decides, if it is known.
    pub primary: Option<Primary>,
    /// The primary metric to beat: of the first run, in the order of contenders, whose baseline has it.
    pub baseline: Option<f64>,
    /// Differences up to this are noise: the largest that a run tells; 0 if none does.
    pub noise_floor: f64,
    /// Runs that count.
    pub runs: u64,
    /// Of these, runs with a best attempt.
    pub scored: u64,
}

/// A run that counts.
pub(super) struct Entry<'a> {
    pub record: &'a RunRecord,
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

type Key = (String, String, Option<(String, bool)>);

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
            .map(|record| {
                let (contender, task) = place(record);
                let values = match &tasks[task].primary {
                    Some(primary) => values(record, primary),
                    None => [None, None],
                };
                Entry { record, contender, task, values, baseline: None }
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

/// The task of each run, by its id. A run that does not tell its metric belongs to the task of its name if there is just one.
fn task_keys<'a>(
    records: &[&'a RunRecord],
    group_by: GroupBy,
    warnings: &mut Vec<String>,
) -> HashMap<&'a str, Key> {
    let name = |record: &RunRecord| {
        let variant = if group_by == GroupBy::Variant { String::new() } else { record.task.variant.clone() };
        (record.task.id.clone(), variant)
    };
    let metric = |record: &RunRecord| {
        let primary = record.task.primary.as_ref()?;
        Some((primary.name.clone(), primary.direction == Direction::Minimize))
    };
    let mut metrics: BTreeMap<(String, String), BTreeSet<(String, bool)>> = BTreeMap::new();
    for record in records {
        metrics.entry(name(record)).or_default().extend(metric(record));
    }
    for ((id, variant), found) in metrics.iter().filter(|(_, found)| found.len() > 1) {
        let list = found.iter().map(|(name, is_lower)| {
            format!("{name} ({} is better)", if *is_lower { "lower" } else { "higher" })
        });
        let list = list.collect::<Vec<String>>().join(", ");
        warnings.push(format!(
            "task {} is decided by different metrics and kept apart: {list}",
            named(id, variant)
        ));
    }
    let mut without: BTreeMap<(String, String), u64> = BTreeMap::new();
    let mut keys = HashMap::new();
    for record in records {
        let (id, variant) = name(record);
        let own = metric(record).or_else(|| {
            *without.entry((id.clone(), variant.clone())).or_default() += 1;
            let found = &metrics[&(id.clone(), variant.clone())];
            found.first().filter(|_| found.len() == 1).cloned()
        });
        keys.insert(record.run_id.as_str(), (id, variant, own));
    }
    for ((id, variant), count) in without {
        let task = named(&id, &variant);
        warnings.push(match metrics[&(id, variant)].len() {
            0 => format!("no run on {task} tells which metric decides: its {count} runs have no score"),
            1 => format!(
                "{count} runs on {task} do not tell which metric decides: that of the others is taken"
            ),
            _ => {
                format!("{count} runs on {task} do not tell which of its metrics decides: they have no score")
            }
        });
    }
    keys
}

fn named(id: &str, variant: &str) -> String {
    if variant.is_empty() || variant == "default" { id.to_owned() } else { format!("{id}:{variant}") }
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

/// The tasks with labels as short as they can be.
fn labelled(keys: &[Key]) -> Vec<Task> {
    let count = |matches: &dyn Fn(&Key) -> bool| keys.iter().filter(|key| matches(key)).count();
    keys.iter()
        .map(|key| {
            let (id, variant, metric) = key;
            let mut label = named(id, variant);
            if count(&|other| other.0 == *id && other.1 == *variant) > 1 {
                label += &match metric {
                    Some((name, _))
                        if count(&|o| {
                            o.0 == *id && o.1 == *variant && o.2.as_ref().is_some_and(|m| m.0 == *name)
                        }) > 1 =>
                    {
                        format!(
                            " ({name}, {})",
                            if metric.as_ref().is_some_and(|m| m.1) { "lower" } else { "higher" }
                        )
                    }
                    Some((name, _)) => format!(" ({name})"),
                    None => " (metric unknown)".to_owned(),
                };
            }
            let primary = metric.as_ref().map(|(name, is_lower)| Primary {
                name: name.clone(),
                direction: if *is_lower { Direction::Minimize } else { Direction::Maximize },
            });
            let (id, variant) = (id.clone(), variant.clone());
            Task { label, id, variant, primary, baseline: None, noise_floor: 0.0, runs: 0, scored: 0 }
        })
        .collect()
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

fn settle_tasks(tasks: &mut [Task], entries: &mut [Entry<'_>], warnings: &mut Vec<String>) {
    for (place, task) in tasks.iter_mut().enumerate() {
        let mut baselines: Vec<f64> = Vec::new();
        let mut floors: BTreeSet<u64> = BTreeSet::new();
        let mut digests = BTreeSet::new();
        let mut without = 0_u64;
        for entry in entries.iter_mut().filter(|entry| entry.task == place) {
            let record = entry.record;
            task.runs += 1;
            task.scored += u64::from(entry.values[0].is_some());
            task.noise_floor = task.noise_floor.max(record.task.noise_floor);
            floors.insert(record.task.noise_floor.to_bits());
            digests.extend(record.task.digest);
            let metrics = record.task.baseline.as_ref();
            entry.baseline = task
                .primary
                .as_ref()
                .and_then(|primary| metrics?.get(&primary.name).copied())
                .filter(|value| value.is_finite());
            match entry.baseline {
                Some(value) if !baselines.contains(&value) => baselines.push(value),
                Some(_) => {}
                None => without += 1,
            }
        }
        task.baseline = baselines.first().copied();
        for entry in entries.iter_mut().filter(|entry| entry.task == place) {
            entry.baseline = entry.baseline.or(task.baseline);
        }
        let label = &task.label;
        if let (Some(primary), true) = (&task.primary, without > 0) {
            warnings.push(match task.baseline {
                None => format!("no run on {label} has a baseline with {}: nothing is compared with it", primary.name),
                Some(value) => format!(
                    "{without} of {} runs on {label} have no baseline with {}: {value} of the others is taken",
                    task.runs, primary.name
                ),
            });
        }
        if baselines.len() > 1 {
            let (low, high) = baselines.iter().fold((f64::MAX, f64::MIN), |(l, h), &b| (l.min(b), h.max(b)));
            warnings.push(format!(
                "runs on {label} have {} different baselines from {low} to {high}: {} of the first contender counts, and \
                 each run's own for its improvement",
                baselines.len(),
                baselines[0]
            ));
        }
        if floors.len() > 1 {
            warnings.push(format!(
                "runs on {label} have different noise floors: the largest, {}, counts",
                task.noise_floor
            ));
        }
        if digests.len() > 1 {
            warnings.push(format!(
                "runs on {label} were made with {} different versions of the task",
                digests.len()
            ));
        }
    }
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
        warnings.push(format!(
            "{not_finite} runs have metrics that are not finite: these attempts have no score"
        ));
    }
    let copies: u64 = by_content.values().filter(|&&count| count > 1).map(|count| count - 1).sum();
    if copies > 0 {
        warnings.push(format!(
            "{copies} runs were read from the same bytes as another one and may be copies: they count"
        ));
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
            warnings.push(format!(
                "{untold} runs on {} were graded, but never by the metric that decides",
                task.label
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
