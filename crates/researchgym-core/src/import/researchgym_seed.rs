//! Run folders of the ResearchGym that this project's first tasks come from: a record with its steps, from the folder's files.
//!
//! Three families of agents leave three kinds of transcripts: `rg-agent` messages of Inspect, `claude-code` blocks as Python
//! prints them, `codex` lines of JSON. None of them was graded by that program, so that no scores are taken over. `plan.json`
//! and `agent.log` are not read: they hold keys.

mod claude;
mod codex;
mod costs;
mod messages;
mod repr;

use std::collections::BTreeMap;

use serde::Deserialize;

use self::costs::Costs;
use super::steps::{push_call, push_words};
use super::text;
use super::time::Moment;
use crate::record::{Cause, Foreign, RunRecord, TaskRecord};
use crate::spec::MicroUsd;

/// Files of a run folder by their names from it on: `metadata.json`, `logs/cost_summary.json`.
pub type Files = BTreeMap<String, Vec<u8>>;

/// Files are no run of ResearchGym.
#[derive(Debug, thiserror::Error)]
pub enum NotSeed {
    /// There is neither a description of the run nor a transcript.
    #[error("this is no run folder of ResearchGym: it has neither a metadata.json nor a transcript")]
    Nothing,
}

/// Whether a file of a run folder is read, by its name from there on. Whatever else is there is not looked at.
pub fn is_read(name: &str) -> bool {
    const ROOT: [&str; 4] = ["metadata.json", "status.json", "transcript.json", "usage_summary.json"];
    const LOGS: [&str; 5] = [
        "transcript.json",
        "cost_summary.json",
        "session.json",
        "codex_output.jsonl",
        "metadata_stream.jsonl",
    ];
    match name.strip_prefix("logs/") {
        Some(name) => LOGS.contains(&name),
        None => ROOT.contains(&name),
    }
}

/// `metadata.json`: little, and all of it optional.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Metadata {
    task_dir: Option<String>,
    run_group: Option<String>,
    run_id: Option<String>,
    resumed_from_run_id: Option<String>,
}

/// `status.json`; also `session.json`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Status {
    status: Option<String>,
}

/// `usage_summary.json`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct UsageSummary {
    hours_spent: Option<f64>,
    budget_spent: Option<f64>,
}

/// A run while it is read.
struct Reader<'f> {
    files: &'f Files,
    run: Foreign,
}

/// Reads a run folder. `name` is the folder's.
///
/// # Errors
/// There is nothing in it to make a record of.
pub fn record(name: &str, files: &Files) -> Result<Foreign, NotSeed> {
    let has = |file: &str| files.contains_key(file);
    let has_transcript =
        has("transcript.json") || has("logs/transcript.json") || has("logs/codex_output.jsonl");
    if !has("metadata.json") && !has_transcript {
        return Err(NotSeed::Nothing);
    }
    let agent = match () {
        () if has("logs/codex_output.jsonl") => "codex",
        () if has("logs/transcript.json") => "claude-code",
        () if has("transcript.json") => "rg-agent",
        () => "unknown",
    };
    let task = TaskRecord::named("unknown");
    let run = Foreign { record: RunRecord::foreign("researchgym-seed", task, agent), steps: Vec::new() };
    let mut reader = Reader { files, run };
    reader.describe(name);
    let told = match agent {
        "codex" => reader.codex(),
        "claude-code" => reader.claude(),
        "rg-agent" => reader.messages(),
        _ => {
            reader.leave_out("there is no transcript of a form that is known: the steps are unknown");
            None
        }
    };
    reader.end(told);
    reader.used();
    reader.leave_out(
        "that program did not grade runs: scores that the agent computed itself were not taken over",
    );
    Ok(reader.run)
}

impl Reader<'_> {
    fn leave_out(&mut self, sentence: impl Into<String>) {
        self.run.record.left_out.push(sentence.into());
    }

    /// A JSON file, if it is there and can be read; what is wrong with it is told.
    fn json<T: for<'a> Deserialize<'a>>(&mut self, name: &str) -> Option<T> {
        let bytes = self.files.get(name)?;
        let read = text::read(bytes, |text| match serde_json::from_str(text) {
            Ok(value) => (Some(value), None),
            Err(error) => (None, Some(error)),
        });
        read.notes.into_iter().for_each(|note| self.leave_out(format!("{name}: {note}")));
        if let Some(error) = read.error {
            self.leave_out(format!("{name} cannot be read: {error}"));
        }
        read.value
    }

    /// The lines of a file of JSON lines; those that cannot be read are counted.
    fn lines<T: for<'a> Deserialize<'a>>(&mut self, name: &str, mut each: impl FnMut(&mut Self, T)) {
        let Some(bytes) = self.files.get(name) else { return };
        let decoded = text::decode(bytes);
        decoded.notes.into_iter().for_each(|note| self.leave_out(format!("{name}: {note}")));
        let mut unread: u64 = 0;
        for line in decoded.text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            match serde_json::from_str(line) {
                Ok(value) => each(self, value),
                Err(_) => unread += 1,
            }
        }
        if unread > 0 {
            self.leave_out(format!("{name}: {unread} lines cannot be read"));
        }
    }

    fn describe(&mut self, name: &str) {
        let metadata: Metadata = self.json("metadata.json").unwrap_or_default();
        let last = |path: &str| {
            path.trim_end_matches(['/', '\\']).rsplit(['/', '\\']).next().unwrap_or_default().to_owned()
        };
        match metadata.task_dir.as_deref().map(last).filter(|task| !task.is_empty()) {
            Some(task) => self.run.record.task.id = task,
            None => self.leave_out("the run does not say which task it worked on"),
        }
        let day = metadata.run_group.filter(|day| is_day(day));
        self.run.record.started_at = day.map(|day| format!("{day}T00:00:00.000Z"));
        if let Some(earlier) = metadata.resumed_from_run_id {
            let this = metadata.run_id.unwrap_or_else(|| name.to_owned());
            self.leave_out(format!(
                "the run {this} goes on from {earlier}, whose steps are in that one's folder"
            ));
        }
    }

    /// The first time that is told is when the run began: better than the day of its folder.
    fn begun(&mut self, moment: Moment) {
        self.run.record.started_at = Some(moment.to_string());
    }

    /// How it ended: in the agent's own word, else the runner's, which is `submitted` whatever came before.
    fn end(&mut self, told: Option<String>) {
        let session: Option<Status> = self.json("logs/session.json");
        let costs: Option<Costs> = self.json("logs/cost_summary.json");
        let status: Option<Status> = self.json("status.json");
        let words = [
            told,
            costs.and_then(|costs| costs.status),
            session.and_then(|session| session.status),
            status.and_then(|status| status.status),
        ];
        let word = words.into_iter().flatten().find(|word| !word.is_empty());
        let ending = &mut self.run.record.ending;
        ending.cause = Some(word.as_deref().map_or(Cause::Unknown, cause));
        ending.told = word;
    }

    fn used(&mut self) {
        let summary: UsageSummary = self.json("usage_summary.json").unwrap_or_default();
        if let Some(costs) = self.json::<Costs>("logs/cost_summary.json") {
            costs.book(&mut self.run.record);
        }
        let usage = &mut self.run.record.usage;
        usage.cost = usage.cost.or_else(|| dollars(summary.budget_spent));
        usage.working_ms = usage.working_ms.or_else(|| milliseconds(summary.hours_spent, 3.6e6));
    }
}

/// What that program's words mean.
fn cause(word: &str) -> Cause {
    match word {
        "submitted" | "end_task" => Cause::Submitted,
        "completed" | "success" => Cause::GaveUp,
        "time_limit" | "timeout" | "graceful_stop" => Cause::TimeLimit,
        "budget_exceeded" | "budget" => Cause::Budget,
        "context_loss" => Cause::Context,
        "failed" | "error" => Cause::Failed,
        "interrupted" | "cancelled" => Cause::Cancelled,
        _ => Cause::Unknown,
    }
}

fn dollars(amount: Option<f64>) -> Option<MicroUsd> {
    milliseconds(amount, 1e6).map(MicroUsd)
}

/// A number that is finite and not negative, scaled and rounded.
fn milliseconds(number: Option<f64>, scale: f64) -> Option<u64> {
    let number = number.filter(|number| number.is_finite() && *number >= 0.0)?;
    Some((number * scale).round() as u64)
}

fn is_day(text: &str) -> bool {
    Moment::read(&format!("{text}T00:00:00Z")).is_some() && text.len() == 10
}

#[cfg(test)]
mod tests;
