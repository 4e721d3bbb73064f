//! The tasks that runs are compared on: told apart by id, variant and metric, each with one baseline and one noise floor.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::corpus::Entry;
use super::options::GroupBy;
use crate::record::RunRecord;
use crate::score::{Direction, Primary};

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

/// What tells tasks apart: id, variant, and the metric's name with whether less is better.
pub(super) type Key = (String, String, Option<(String, bool)>);

/// The task of each run, by its id. A run that does not tell its metric belongs to the task of its name if there is just one.
pub(super) fn task_keys<'a>(
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
        let (runs, tell) = if count == 1 { ("run", "does") } else { ("runs", "do") };
        warnings.push(match metrics[&(id, variant)].len() {
            0 => format!("no run on {task} tells which metric decides: none of {count} has a score"),
            1 => format!(
                "{count} {runs} on {task} {tell} not tell which metric decides: that of the others is taken"
            ),
            _ => format!(
                "{count} {runs} on {task} {tell} not tell which of its metrics decides: no score counts"
            ),
        });
    }
    keys
}

fn named(id: &str, variant: &str) -> String {
    if variant.is_empty() || variant == "default" { id.to_owned() } else { format!("{id}:{variant}") }
}

/// The tasks with labels as short as they can be.
pub(super) fn labelled(keys: &[Key]) -> Vec<Task> {
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

/// Counts runs, and settles on one baseline and one noise floor for each task.
pub(super) fn settle_tasks(tasks: &mut [Task], entries: &mut [Entry<'_>], warnings: &mut Vec<String>) {
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
                None => format!(
                    "no run on {label} has a baseline with {}: nothing is compared with it",
                    primary.name
                ),
                Some(value) => format!(
                    "{without} of {} runs on {label} {} no baseline with {}: {value} of the others is taken",
                    task.runs,
                    if without == 1 { "has" } else { "have" },
                    primary.name
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
