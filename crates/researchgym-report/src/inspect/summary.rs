//! What sums a log up: a line for each sample, means of scores, tokens of models.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use researchgym_core::import::inspect::OURS;
use researchgym_core::import::time::Moment;
use researchgym_core::model::Usage;
use researchgym_core::record::{Cause, RunRecord, TaskRecord};

use super::sample::{common, error, limit, submission, usage, with_scores};
use crate::story::Story;

/// A log so far. It holds records without their steps.
#[derive(Debug, Default)]
pub(super) struct Summary {
    runs: Vec<Run>,
}

#[derive(Debug)]
struct Run {
    record: RunRecord,
    id: String,
    line: Vec<u8>,
}

impl Summary {
    pub(super) fn add(&mut self, story: &Story, id: String, epoch: u64) {
        let record = &story.record;
        let mut line = common(record, &id, epoch);
        let message = error(record).map(|error| error["message"].clone());
        line.extend(message.map(|message| ("error".to_owned(), message)));
        if let Some(limit) = limit(story) {
            line.insert("limit".to_owned(), limit["type"].clone());
            line.insert("limit_reason".to_owned(), limit["reason"].clone());
        }
        line.insert("completed".to_owned(), json!(true));
        line.insert("metadata".to_owned(), json!({}));
        let line = with_scores(record, &Value::Object(line));
        let mut record = record.clone();
        // Of a long run, the letters of its steps are the most.
        record.actions.steps = String::new();
        self.runs.push(Run { record, id, line });
    }

    /// The record of the first run.
    pub(super) fn first(&self) -> &RunRecord {
        &self.runs[0].record
    }

    /// `summaries.json`.
    pub(super) fn samples(&self) -> Vec<u8> {
        let lines: Vec<&[u8]> = self.runs.iter().map(|run| run.line.as_slice()).collect();
        [b"[", lines.join(&b","[..]).as_slice(), b"]"].concat()
    }

    /// Names of the scores, the one that decides first.
    fn names(&self) -> Vec<&str> {
        let submissions = self.runs.iter().filter_map(|run| submission(&run.record));
        let names: BTreeSet<&str> =
            submissions.flat_map(|attempt| attempt.metrics.keys()).map(String::as_str).collect();
        let mut names: Vec<&str> = names.into_iter().collect();
        let primary = self.primary();
        names.sort_by_key(|name| Some(*name) != primary);
        names
    }

    fn primary(&self) -> Option<&str> {
        self.runs.iter().find_map(|run| Some(run.record.task.primary.as_ref()?.name.as_str()))
    }

    fn values<'s>(&'s self, name: &'s str) -> impl Iterator<Item = (&'s str, f64)> {
        self.runs
            .iter()
            .filter_map(move |run| Some((run.id.as_str(), *submission(&run.record)?.metrics.get(name)?)))
    }

    pub(super) fn scorers(&self) -> Value {
        self.names().iter().map(|name| json!({ "name": name, "metrics": [{ "name": "mean" }] })).collect()
    }

    pub(super) fn results(&self) -> Value {
        let scores: Vec<Value> = self
            .names()
            .iter()
            .map(|name| {
                let values: Vec<f64> = self.values(name).map(|(_, value)| value).collect();
                json!({
                    "name": name,
                    "scorer": name,
                    "reducer": "mean",
                    "scored_samples": values.len(),
                    "unscored_samples": self.runs.len() - values.len(),
                    "metrics": { "mean": { "name": "mean", "value": mean(&values) } },
                    "metadata": { OURS: { "direction": direction(&self.runs[0].record.task, name) } },
                })
            })
            .collect();
        let completed = self.runs.iter().filter(|run| error(&run.record).is_none()).count();
        let mut results =
            json!({ "total_samples": self.runs.len(), "completed_samples": completed, "scores": scores });
        if let Some(primary) = self.primary().filter(|primary| self.names().contains(primary)) {
            results["headline"] = json!({ "scorer": primary, "score": primary, "metric": "mean" });
        }
        results
    }

    /// `reductions.json`: the mean of each sample's epochs.
    pub(super) fn reductions(&self) -> Value {
        let reductions = self.names().into_iter().map(|name| {
            let mut by_sample: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
            self.values(name).for_each(|(id, value)| by_sample.entry(id).or_default().push(value));
            let samples: Vec<Value> = by_sample
                .iter()
                .map(|(id, values)| json!({ "sample_id": id, "value": mean(values) }))
                .collect();
            json!({ "scorer": name, "reducer": "mean", "samples": samples })
        });
        reductions.collect()
    }

    pub(super) fn stats(&self) -> Value {
        let mut models: BTreeMap<&str, Usage> = BTreeMap::new();
        for (name, used) in self.runs.iter().flat_map(|run| &run.record.usage.models) {
            let sum = models.entry(name).or_default();
            sum.input += used.usage.input;
            sum.cache_read += used.usage.cache_read;
            sum.cache_write_5m += used.usage.cache_write_5m;
            sum.cache_write_1h += used.usage.cache_write_1h;
            sum.output += used.usage.output;
            sum.reasoning += used.usage.reasoning;
        }
        let models: BTreeMap<&str, Value> =
            models.iter().map(|(name, sum)| (*name, usage(sum, None))).collect();
        let starts = self.runs.iter().filter_map(|run| {
            let start = Moment::read(run.record.started_at.as_deref()?)?;
            Some((start, start.later(run.record.usage.wall_ms.unwrap_or_default())))
        });
        let mut stats = json!({ "model_usage": models });
        if let (Some(start), Some(end)) =
            (starts.clone().map(|(start, _)| start).min(), starts.map(|(_, end)| end).max())
        {
            stats["started_at"] = json!(start.to_string());
            stats["completed_at"] = json!(end.to_string());
        }
        stats
    }

    /// How the log as a whole ended: as all of its runs did, if they did so all.
    pub(super) fn status(&self) -> (&'static str, Option<Value>) {
        let errors = || self.runs.iter().filter_map(|run| error(&run.record));
        if errors().count() == self.runs.len() {
            return ("error", errors().next());
        }
        let is_cancelled = |run: &Run| run.record.ending.cause == Some(Cause::Cancelled);
        (if self.runs.iter().all(is_cancelled) { "cancelled" } else { "success" }, None)
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn direction(task: &TaskRecord, name: &str) -> Value {
    let primary =
        task.primary.as_ref().filter(|primary| primary.name == name).map(|primary| primary.direction);
    json!(primary.or(task.directions.get(name).copied()))
}
