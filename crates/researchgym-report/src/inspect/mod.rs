//! Logs in the form of Inspect AI (`.eval`, schema 2): runs of one task, one agent and one model are the samples and epochs of
//! one log, which `inspect view` opens and `inspect_ai.log.read_eval_log` reads.
//!
//! A log is a zip archive of JSON. Members are written as runs come, deflated, and what sums them up at the end; a log that was
//! not finished reads as one that is still being made. No clock is asked: the archive's own dates are its format's first day.
//! What Inspect has no place for stands in each sample's metadata, under `researchgym`.

mod events;
mod messages;
mod sample;
mod summary;

use std::collections::BTreeMap;
use std::io::{Seek, Write};

use serde_json::{Value, json};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use researchgym_core::import::inspect::{HEADER, OURS, START};
use researchgym_core::record::RunRecord;

use self::summary::Summary;
use crate::story::Story;

/// A log cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum NotWritten {
    /// The archive cannot be written.
    #[error("the log cannot be written")]
    Archive(#[from] zip::result::ZipError),
    /// A member cannot be written.
    #[error("the log cannot be written")]
    Write(#[from] std::io::Error),
    /// A run is of another task, agent or model than those before it.
    #[error("run {0} is of another task, agent or model than the log")]
    Other(String),
    /// There is no run.
    #[error("there is no run to write")]
    Empty,
}

/// What runs of one log have in common: their task, agent and model. Sort runs by it to write them into logs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Common {
    /// The task's id.
    pub task: String,
    /// The agent.
    pub agent: String,
    /// The model, if one was asked.
    pub model: Option<String>,
}

impl Common {
    /// Of a run.
    pub fn of(record: &RunRecord) -> Common {
        Common { task: record.task.id.clone(), agent: record.agent.clone(), model: record.model.clone() }
    }
}

/// A log's name in Inspect's way, without its folder: when it was made, task, id.
pub fn file_name(common: &Common, head: &Head) -> String {
    let plain = |text: &str| {
        text.chars()
            .map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' })
            .collect::<String>()
    };
    format!("{}_{}_{}.eval", plain(&head.created), plain(&common.task), plain(&head.id))
}

/// What a log says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its id: another log has another.
    pub id: String,
    /// When it was made, RFC 3339 in UTC.
    pub created: String,
    /// The version of this program.
    pub version: String,
}

/// A log that is being written.
#[derive(Debug)]
pub struct LogWriter<W: Write + Seek> {
    archive: ZipWriter<W>,
    head: Head,
    common: Option<Common>,
    /// How many runs each sample has.
    epochs: BTreeMap<String, u64>,
    summary: Summary,
}

impl<W: Write + Seek> LogWriter<W> {
    /// Begins a log.
    pub fn new(output: W, head: Head) -> LogWriter<W> {
        LogWriter {
            archive: ZipWriter::new(output),
            head,
            common: None,
            epochs: BTreeMap::new(),
            summary: Summary::default(),
        }
    }

    /// Adds a run.
    ///
    /// # Errors
    /// It belongs to another log, or cannot be written.
    pub fn add(&mut self, story: &Story) -> Result<(), NotWritten> {
        let record = &story.record;
        let common = Common::of(record);
        match &self.common {
            Some(known) if *known != common => return Err(NotWritten::Other(record.run_id.clone())),
            Some(_) => {}
            None => {
                let start =
                    json!({ "version": 2, "eval": self.eval(&common, record), "plan": plan(&common) });
                self.member(START, start.to_string().as_bytes())?;
                self.common = Some(common);
            }
        }
        let id = sample::id(record);
        let epoch = self.epochs.entry(id.clone()).or_default();
        *epoch += 1;
        let epoch = *epoch;
        let name = format!("samples/{id}_epoch_{epoch}.json");
        let written = sample::write(story, &id, epoch, &self.head.created);
        self.member(&name, &written)?;
        self.summary.add(story, id, epoch);
        Ok(())
    }

    /// Ends the log, and gives back what it was written to.
    ///
    /// # Errors
    /// It is empty, or cannot be written.
    pub fn finish(mut self) -> Result<W, NotWritten> {
        let Some(common) = self.common.take() else { return Err(NotWritten::Empty) };
        let summary = std::mem::take(&mut self.summary);
        self.member("summaries.json", &summary.samples())?;
        self.member("reductions.json", summary.reductions().to_string().as_bytes())?;
        let (status, error) = summary.status();
        let mut eval = self.eval(&common, summary.first());
        let ids: Vec<&String> = self.epochs.keys().collect();
        eval["dataset"] =
            json!({ "name": common.task, "samples": ids.len(), "sample_ids": ids, "shuffled": false });
        eval["config"] = json!({ "epochs": self.epochs.values().max() });
        eval["scorers"] = summary.scorers();
        let mut header = json!({
            "version": 2,
            "status": status,
            "eval": eval,
            "plan": plan(&common),
            "results": summary.results(),
            "stats": summary.stats(),
        });
        if let Some(error) = error {
            header["error"] = error;
        }
        self.member(HEADER, header.to_string().as_bytes())?;
        Ok(self.archive.finish()?)
    }

    fn member(&mut self, name: &str, bytes: &[u8]) -> Result<(), NotWritten> {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .last_modified_time(DateTime::default())
            .large_file(u32::try_from(bytes.len()).is_err());
        self.archive.start_file(name, options)?;
        self.archive.write_all(bytes)?;
        Ok(())
    }

    fn eval(&self, common: &Common, record: &RunRecord) -> Value {
        let mut eval = json!({
            "eval_id": self.head.id,
            "run_id": self.head.id,
            "task_id": self.head.id,
            "created": self.head.created,
            "task": common.task,
            "solver": common.agent,
            "dataset": { "name": common.task },
            "model": common.model.as_deref().unwrap_or("none/none"),
            "config": {},
            "packages": { OURS: self.head.version },
            "metadata": { OURS: { "task": record.task } },
        });
        if !record.tags.is_empty() {
            eval["tags"] = json!(record.tags);
        }
        if let Some(primary) = &record.task.primary {
            eval["headline_metric"] =
                json!({ "scorer": primary.name, "score": primary.name, "metric": "mean" });
        }
        eval
    }
}

fn plan(common: &Common) -> Value {
    json!({ "name": "plan", "steps": [{ "solver": common.agent, "params": {} }], "config": {} })
}

#[cfg(test)]
mod tests;
