//! A run folder of MLGym as a record: `results.json`, the trajectory, and the folder's name. One of the files may be missing.
//!
//! Numbers are taken as they were recorded: the last score is the final submission however the run ended, and a baseline
//! stays as it is even if it lacks the metric that decides. Times of day and the models' times are not in the files.

use super::file::{Info, Results, Scores};
use super::steps::{Told, Took};
use super::{NotMlgym, facts};
use crate::import::text::{self, Reading};
use crate::model::Usage;
use crate::record::{AttemptRecord, Cause, Foreign, ModelUse, RunRecord, TaskRecord};
use crate::score::{AttemptKind, Direction, Metrics, Primary};
use crate::spec::MicroUsd;

/// Reads a run folder: its `results.json`, its `.traj`, and its name, which tells model, task and number of the run.
/// A name of another form is taken as the task's.
///
/// # Errors
/// Neither file is there, or neither can be read.
pub fn record(
    results: Option<&[u8]>,
    trajectory: Option<&[u8]>,
    folder_name: &str,
) -> Result<Foreign, NotMlgym> {
    let mut left_out = Vec::new();
    let mut broken = None;
    let results =
        results.and_then(|bytes| scores(bytes, &mut left_out).map_err(|error| broken = Some(error)).ok());
    let took =
        trajectory.and_then(|bytes| took(bytes, &mut left_out).map_err(|error| broken = Some(error)).ok());
    if results.is_none() && took.is_none() {
        return Err(broken.unwrap_or(NotMlgym::Nothing));
    }
    if let Some(error) = broken {
        left_out.push(error.to_string());
    }
    let mut named = Named::read(folder_name);
    let mut took = took.unwrap_or_else(|| {
        left_out.push(
            "there is no trajectory: how the run ended, its steps and its usage are unknown".to_owned(),
        );
        Took::default()
    });
    let info = took.info.take().unwrap_or_default();
    let told = info.score.as_deref().unwrap_or_default();
    let (entries, baseline) = match &results {
        Some(results) => (&results.agent[..], results.baseline.as_ref().map(finite)),
        None => {
            left_out.push(
                "there is no results.json: scores and baseline are those that the trajectory tells"
                    .to_owned(),
            );
            (told, took.baseline.take())
        }
    };
    if info.score.is_some() && entries != told {
        left_out.push(
            "the scores in the trajectory differ from those of results.json, which were taken".to_owned(),
        );
    }
    named.task.baseline = baseline;
    if named.task.primary.is_none() {
        left_out.push(format!("the task {:?} is not known: which metric decides is unknown", named.task.id));
    }
    let mut record = RunRecord::foreign("mlgym", named.task, named.agent);
    record.seed = named.seed;
    let exit = trajectory
        .and(info.exit_status.clone())
        .map(|status| normalised(status, took.last_action.as_deref()));
    record.attempts = attempts(entries, &record.task, exit.as_deref(), &took);
    record.submission = record.attempts.last().map(|attempt| attempt.number);
    record.ending.cause = Some(exit.as_deref().map_or(Cause::Unknown, cause));
    record.ending.told = exit;
    record.usage.cost = cost(&info);
    if let Some(stats) = &info.model_stats {
        let whole = |number: Option<f64>| number.map_or(0, |number| number as u64);
        let usage = Usage {
            input: whole(stats.tokens_sent),
            output: whole(stats.tokens_received),
            ..Usage::default()
        };
        let used = ModelUse { calls: whole(stats.api_calls), usage };
        record.usage.models.insert(named.model.clone().unwrap_or_else(|| "unknown".to_owned()), used);
    }
    record.model = named.model;
    record.actions = took.actions;
    if took.shortened > 0 {
        left_out.push(format!("of {} long texts only head and tail were kept", took.shortened));
    }
    record.left_out = left_out;
    Ok(Foreign { record, steps: took.steps })
}

fn scores(bytes: &[u8], left_out: &mut Vec<String>) -> Result<Results, NotMlgym> {
    let Reading { value, error, notes } = text::read(bytes, |text| match serde_json::from_str(text) {
        Ok(results) => (Some(results), None),
        Err(error) => (None, Some(error)),
    });
    left_out.extend(notes.into_iter().map(|note| format!("results.json: {note}")));
    match (value, error) {
        (Some(results), _) => Ok(results),
        (None, Some(error)) => Err(NotMlgym::Results(error)),
        (None, None) => Err(NotMlgym::Nothing),
    }
}

/// A file that is cut keeps the steps before the cut.
fn took(bytes: &[u8], left_out: &mut Vec<String>) -> Result<Took, NotMlgym> {
    let Reading { value, error, notes } = text::read(bytes, Took::read);
    left_out.extend(notes.into_iter().map(|note| format!("trajectory: {note}")));
    match error {
        None if value.has_trajectory => Ok(value),
        None => Err(NotMlgym::NoSteps),
        Some(error) if value.steps.is_empty() => Err(NotMlgym::Trajectory(error)),
        Some(error) => {
            left_out.push(format!(
                "the trajectory cannot be read to its end ({error}): its first {} steps were taken",
                value.steps.len()
            ));
            Ok(value)
        }
    }
}

/// What a run folder's name tells: `<model>__<task>__<configuration>__...__<suffix>_run_<n>`.
struct Named {
    task: TaskRecord,
    agent: String,
    model: Option<String>,
    seed: Option<u64>,
}

impl Named {
    fn read(folder_name: &str) -> Named {
        let parts: Vec<&str> = folder_name.split("__").collect();
        let (model, task, configuration) = match parts[..] {
            [model, task, configuration, ..] => (Some(model), task, configuration),
            [model, task] => (Some(model), task, "default"),
            _ => (None, folder_name, "default"),
        };
        let without_provider = |name: &str| {
            let name =
                name.strip_prefix("metagen-").or_else(|| name.strip_prefix("litellm-")).unwrap_or(name);
            name.to_owned()
        };
        Named {
            task: task_record(task),
            agent: match configuration {
                "default" => "mlgym".to_owned(),
                other => format!("mlgym ({other})"),
            },
            model: model.map(without_provider),
            seed: folder_name.rsplit_once("_run_").and_then(|(_, number)| number.parse().ok()),
        }
    }
}

fn task_record(id: &str) -> TaskRecord {
    let facts = facts(id);
    let deciding = facts.metrics.iter().find(|metric| metric.primary);
    let primary = deciding.map(|metric| Primary { name: metric.name.clone(), direction: metric.direction });
    let others: &[(&str, Direction)] = match id {
        "regressionKaggleHousePrice" | "regressionKaggleHousePriceL1" => &[("rmse", Direction::Minimize)],
        "3SATTime" => &[("Correct", Direction::Maximize), ("Incorrect", Direction::Minimize)],
        _ => &[],
    };
    TaskRecord {
        primary,
        directions: others.iter().map(|(name, direction)| ((*name).to_owned(), *direction)).collect(),
        noise_floor: facts.noise_floor,
        ..TaskRecord::named(id)
    }
}

/// An empty status is MLGym's for an agent that broke; its analysis names it by the last action.
fn normalised(status: String, last_action: Option<&str>) -> String {
    match status.trim() {
        "" => format!("unknown_error ({})", last_action.unwrap_or_default()),
        _ => status,
    }
}

/// Where both the end and the grading are told, the grading is what went wrong.
fn cause(told: &str) -> Cause {
    let (word, rest) = told.split_once(' ').unwrap_or((told, ""));
    match (word, rest) {
        ("submitted", _) => Cause::Submitted,
        ("autosubmission", "(max_steps)") => Cause::StepLimit,
        ("autosubmission", "(exit_cost)") => Cause::Budget,
        ("autosubmission", "(exit_context)") => Cause::Context,
        ("autosubmission", "(exit_format)") => Cause::Format,
        ("autosubmission", "(exit_api)") => Cause::Provider,
        ("submission_not_found" | "evaluation_format_error", _) | ("unknown_error", "(validate)") => {
            Cause::Evaluation
        }
        ("exit_forfeit" | "skipped", _) => Cause::GaveUp,
        // The name of an exception of the evaluation, its message, and what had ended the run.
        _ if word.ends_with(',') && told.ends_with(')') => Cause::Evaluation,
        _ => Cause::Failed,
    }
}

fn finite(scores: &Scores) -> Metrics {
    scores.iter().filter_map(|(name, value)| Some((name.clone(), value.0?))).collect()
}

fn attempts(entries: &[Scores], task: &TaskRecord, exit: Option<&str>, took: &Took) -> Vec<AttemptRecord> {
    let mut told = took.told.iter();
    let last = entries.len();
    let of_entry = |(index, entry): (usize, &Scores)| {
        let number = index as u64 + 1;
        let metrics = finite(entry);
        let kind = match exit {
            _ if index + 1 < last => Some(AttemptKind::Validate),
            Some("submitted") => Some(AttemptKind::Submit),
            Some(status) if status.starts_with("autosubmission") => Some(AttemptKind::Auto),
            Some(_) => Some(AttemptKind::Validate),
            None => None,
        };
        let after_steps = match kind {
            Some(AttemptKind::Submit | AttemptKind::Auto) => Some(took.steps.len() as u64),
            _ => next(&mut told, &metrics),
        };
        let invalid = match &task.primary {
            Some(primary) if entry.get(&primary.name).is_some_and(|value| value.0.is_none()) => {
                Some(format!("{} is not a finite number", primary.name))
            }
            _ if metrics.is_empty() => Some("it tells no finite number".to_owned()),
            _ => None,
        };
        AttemptRecord {
            number,
            kind,
            split: None,
            metrics: if invalid.is_some() { Metrics::new() } else { metrics },
            invalid,
            after_steps,
            after_ms: None,
            after_cost: None,
            artefact: None,
        }
    };
    entries.iter().enumerate().map(of_entry).collect()
}

/// The step that told these numbers, the next in order; steps that told others are kept for those behind if there is none.
fn next(told: &mut std::slice::Iter<'_, Told>, metrics: &Metrics) -> Option<u64> {
    let mut ahead = told.clone();
    let found = ahead.find(|told| told.metrics == *metrics)?;
    *told = ahead;
    Some(found.number)
}

fn cost(info: &Info) -> Option<MicroUsd> {
    let stats = info.model_stats.as_ref()?;
    let dollars = stats.task_cost.or(stats.total_cost)?;
    (dollars.is_finite() && dollars >= 0.0).then(|| MicroUsd((dollars * 1e6).round() as u64))
}

#[cfg(test)]
mod tests;
