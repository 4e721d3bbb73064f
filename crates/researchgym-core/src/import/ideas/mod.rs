//! Trajectories of execution-grounded search over ideas: one run, whose attempts are the ideas that were executed, by epoch and
//! number.
//!
//! A search leaves lists of ideas, ranked scores, a database of scored ideas, diffs and metrics of trainings in files whose names
//! tell epoch and idea ([`File::of`]); published trajectories are rows instead ([`Ideas::rows`]), whose columns are looked up
//! under every name that is in use. Neither names the models or what they cost. Scores of zero and less mark failures there.

mod file;
mod rows;

use std::collections::BTreeMap;

use serde_json::Value;

use super::json::{Unreadable, count, number, parse, parse_without, text};
use super::steps::push;
use crate::digest::Digest;
use crate::record::{AttemptRecord, Category, Foreign, RunRecord, StepRecord, TaskRecord, bounded};
use crate::score::{AttemptKind, Direction, Metrics, Primary};

pub use self::file::File;

/// The name of the format.
pub const PROGRAM: &str = "ideas";

/// Bytes are no part of a search over ideas.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotIdeas {
    /// They cannot be read.
    #[error("the file {0}")]
    Unreadable(#[from] Unreadable),
    /// They are JSON of another kind.
    #[error("this is no part of a search over ideas: {0}")]
    Other(&'static str),
}

/// A search as its files come in, in any order.
#[derive(Clone, Debug, Default)]
pub struct Ideas {
    ideas: BTreeMap<(u64, u64), Idea>,
    metric: Option<(String, Direction)>,
    /// Whether lists of ranked scores rise, for want of a metric's name.
    ranked_upwards: Option<bool>,
    unread_rows: u64,
    others: u64,
    /// Of rows that this program exported: the run that is taken, and how many rows are of others.
    first_run: Option<String>,
    /// Their task.
    task: Option<String>,
    of_other_runs: u64,
}

#[derive(Clone, Debug, Default)]
struct Idea {
    text: Option<String>,
    diff: Option<(String, Digest)>,
    /// The score by which ideas are ranked.
    ranked: Option<Option<f64>>,
    /// The score that a database or a row tells.
    told: Option<Option<f64>>,
    /// The best of its training's metrics.
    measured: Option<Option<f64>>,
    time_to_target_ms: Option<f64>,
}

impl Ideas {
    /// Takes a file in.
    ///
    /// # Errors
    /// It cannot be read, or is not what its name says.
    pub fn file(&mut self, file: File, bytes: &[u8]) -> Result<(), NotIdeas> {
        match file {
            File::Ideas { epoch } => self.list(epoch, bytes),
            File::Database => self.database(bytes),
            File::Rows => self.rows(bytes),
            File::Ranked { epoch } => self.ranked(epoch, bytes),
            File::Metrics { epoch, idea } => self.measured(epoch, idea, bytes),
            File::Diff { epoch, idea } => {
                let diff = String::from_utf8_lossy(bytes);
                self.idea(epoch, idea).diff = Some((bounded(&diff).0, Digest::of(bytes)));
                Ok(())
            }
        }
    }

    /// How many ideas there are.
    pub fn count(&self) -> usize {
        self.ideas.len()
    }

    fn idea(&mut self, epoch: u64, idea: u64) -> &mut Idea {
        self.ideas.entry((epoch, idea)).or_default()
    }

    fn list(&mut self, epoch: u64, bytes: &[u8]) -> Result<(), NotIdeas> {
        let value = parse(bytes)?;
        let Some(ideas) = value.as_array() else { return Err(NotIdeas::Other("the ideas are no list")) };
        for (index, idea) in ideas.iter().enumerate() {
            match idea.as_str().or_else(|| text(idea, "idea")) {
                Some(words) => self.idea(epoch, index as u64).text = Some(bounded(words).0),
                None => self.others += 1,
            }
        }
        Ok(())
    }

    fn database(&mut self, bytes: &[u8]) -> Result<(), NotIdeas> {
        let value = parse(bytes)?;
        let Some(entries) = value.as_array() else { return Err(NotIdeas::Other("the database is no list")) };
        for entry in entries {
            let unread = self.unread_rows;
            self.row(entry);
            self.others += self.unread_rows - unread;
            self.unread_rows = unread;
        }
        Ok(())
    }

    fn ranked(&mut self, epoch: u64, bytes: &[u8]) -> Result<(), NotIdeas> {
        let value = parse(bytes)?;
        let Some(entries) = value.as_array() else {
            return Err(NotIdeas::Other("the ranked ideas are no list"));
        };
        let mut scores = Vec::new();
        for (name, score) in entries.iter().filter_map(Value::as_object).flatten() {
            let Some(idea) = name.strip_prefix("idea_").and_then(|number| number.parse().ok()) else {
                self.others += 1;
                continue;
            };
            let score = number(score).filter(|score| *score > 0.0);
            scores.extend(score);
            self.idea(epoch, idea).ranked = Some(score);
        }
        if let (Some(first), Some(last)) = (scores.first(), scores.last())
            && first != last
        {
            self.ranked_upwards = Some(first < last);
        }
        Ok(())
    }

    /// `metrics.json` of a training: rewards of which the highest counts, or losses of which the lowest does.
    fn measured(&mut self, epoch: u64, idea: u64, bytes: &[u8]) -> Result<(), NotIdeas> {
        let value = parse_without(bytes, &[&["train_rewards"]])?;
        let Some(points) = value["eval_rewards"].as_array() else {
            return Err(NotIdeas::Other("the metrics have no `eval_rewards`"));
        };
        let all = |key: &str| points.iter().filter_map(|point| number(point.get(key)?)).collect::<Vec<f64>>();
        let (rewards, losses) = (all("eval_reward"), all("val_loss"));
        let best = if losses.is_empty() {
            rewards.into_iter().reduce(f64::max)
        } else {
            self.metric.get_or_insert(("lowest_val_loss".to_owned(), Direction::Minimize));
            losses.into_iter().reduce(f64::min)
        };
        let entry = self.idea(epoch, idea);
        entry.measured = Some(best);
        entry.time_to_target_ms = value.get("time_to_target").and_then(number).filter(|time| *time > 0.0);
        Ok(())
    }

    /// The run. `name` is the task's, where rows do not name it.
    pub fn finish(self, name: &str) -> Foreign {
        let mut doubt = None;
        let (metric, direction) = self.metric.clone().unwrap_or_else(|| {
            let direction = match self.ranked_upwards {
                Some(true) => Direction::Minimize,
                Some(false) => Direction::Maximize,
                None => {
                    doubt =
                        Some("nothing says which way a score is better: more was taken as better".to_owned());
                    Direction::Maximize
                }
            };
            ("score".to_owned(), direction)
        });
        let mut task = TaskRecord::named(self.task.as_deref().unwrap_or(name));
        task.primary = Some(Primary { name: metric.clone(), direction });
        let record = RunRecord::foreign(PROGRAM, task, PROGRAM);
        let mut run = Foreign { record, steps: Vec::new() };
        let (mut not_executed, mut is_scored) = (0, false);
        for ((epoch, number), idea) in &self.ideas {
            let Some(score) = idea.ranked.or(idea.told).or(idea.measured) else {
                not_executed += 1;
                continue;
            };
            is_scored |= score.is_some();
            push_idea(&mut run, (*epoch, *number), idea, (score, &metric));
        }
        let record = &mut run.record;
        record.left_out.extend(doubt.filter(|_| is_scored));
        if not_executed > 0 {
            record.left_out.push(format!("{not_executed} ideas that have no score: they were not executed"));
        }
        if self.unread_rows > 0 {
            record.left_out.push(format!("{} rows without an idea or a score", self.unread_rows));
        }
        if self.of_other_runs > 0 {
            record
                .left_out
                .push(format!("{} ideas of further runs: one is read at a time", self.of_other_runs));
        }
        if self.others > 0 {
            record.left_out.push(format!("{} entries in another form", self.others));
        }
        run
    }
}

fn push_idea(
    run: &mut Foreign,
    (epoch, number): (u64, u64),
    idea: &Idea,
    (score, metric): (Option<f64>, &str),
) {
    let category = if idea.diff.is_some() { Category::Edit } else { Category::Other };
    let action = idea.diff.as_ref().map(|(diff, _)| diff.clone()).unwrap_or_default();
    let seen = match score {
        Some(score) => format!("epoch {epoch}, idea {number}: {metric} {score}"),
        None => format!("epoch {epoch}, idea {number}: no score"),
    };
    let mut step = StepRecord::new(0, category, "idea", action).seen(&seen);
    step.thought.clone_from(&idea.text);
    push(run, step);
    run.record.actions.edits += u64::from(idea.diff.is_some());
    let mut metrics: Metrics = score.map(|score| (metric.to_owned(), score)).into_iter().collect();
    metrics.extend(score.and(idea.time_to_target_ms).map(|time| ("time_to_target".to_owned(), time)));
    run.record.attempts.push(AttemptRecord {
        number: run.record.attempts.len() as u64 + 1,
        kind: Some(AttemptKind::Validate),
        split: None,
        metrics,
        invalid: score.is_none().then(|| "its execution gave no score".to_owned()),
        after_steps: Some(run.steps.len() as u64),
        after_ms: None,
        after_cost: None,
        artefact: idea.diff.as_ref().map(|(_, digest)| digest.to_string()),
    });
}

#[cfg(test)]
mod tests;
