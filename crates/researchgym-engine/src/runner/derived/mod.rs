//! Files beside the log that are derived from it: for people and scripts. They may be deleted, and a failure to write
//! one is a warning, never the end of a run: the log is the run.

mod costs;
mod transcript;

use researchgym_core::action::Action;
use researchgym_core::event::{CallOutcome, Event, Line};
use researchgym_core::model::Usage;
use researchgym_core::observation::{Captured, Observation};
use serde_json::{Value, json};

use self::costs::Costs;
use self::transcript::Transcript;
use crate::session::Recorder;
use crate::store::{
    Blobs, LogAppender, LogFile, LogReader, StoreError, write_json, write_metadata, write_plan, write_status,
};

/// What could not be written, in words for the user.
pub(super) type Warnings = Vec<String>;

/// `plan.json` and `metadata.json`: what was asked for, and on what it rests.
pub(super) fn write_plan_files(recorder: &Recorder) -> Warnings {
    let started = &recorder.state.started;
    let metadata = json!({
        "schema": started.schema,
        "run_id": started.run_id,
        "version": started.version,
        "started_at": recorder.state.started_at,
        "task": started.task.id,
        "digests": started.digests,
        "agent": started.spec.agent.name(),
        "agent_spec": started.spec.agent,
        "model": started.spec.model,
        "model_spec": started.spec.model_spec,
        "variant": started.spec.variant,
        "runtime": started.spec.runtime,
        "seed": started.spec.seed,
        "seed_given": started.spec.seed_given,
        "limits": started.spec.limits,
        "fork": started.spec.fork,
        "task_dir": started.spec.task_dir,
        "data_dir": started.spec.data_dir,
        "platform": platform(),
    });
    let written = [write_plan(&recorder.folder, &started.spec), write_metadata(&recorder.folder, &metadata)];
    written.into_iter().filter_map(Result::err).map(|error| error.to_string()).collect()
}

/// What the run works on, as far as it is not a secret of the machine's.
fn platform() -> Value {
    let system = rustix::system::uname();
    json!({
        "system": system.sysname().to_string_lossy(),
        "kernel": system.release().to_string_lossy(),
        "architecture": std::env::consts::ARCH,
        "processors": std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
    })
}

/// `status.json`: the result so far.
pub(super) fn write_status_file(recorder: &Recorder) -> Warnings {
    let written = write_status(&recorder.folder, &recorder.result(None));
    written.err().map(|error| error.to_string()).into_iter().collect()
}

/// Everything, once a segment is over.
pub(super) fn write_all(recorder: &Recorder) -> Warnings {
    let mut warnings = write_status_file(recorder);
    match Logs::write(recorder) {
        Ok(more) => warnings.extend(more),
        Err(error) => warnings.push(format!("the logs of the run cannot be derived: {error}")),
    }
    warnings
}

/// The `logs/` folder: a transcript, what commands printed, the costs and two plain logs.
struct Logs {
    agent: LogAppender,
    adapter: LogAppender,
    output: LogAppender,
    transcript: Transcript,
    costs: Costs,
    blobs: Blobs,
    warnings: Warnings,
}

impl Logs {
    fn write(recorder: &Recorder) -> Result<Warnings, StoreError> {
        let folder = &recorder.folder;
        let lines = LogReader::open(folder)?;
        for log in [LogFile::Agent, LogFile::Adapter, LogFile::ExecStdout] {
            // An earlier segment's view; all of it is written again.
            let _ = std::fs::remove_file(folder.logs().join(log.name()));
        }
        let mut logs = Logs {
            agent: LogAppender::new(folder, LogFile::Agent),
            adapter: LogAppender::new(folder, LogFile::Adapter),
            output: LogAppender::new(folder, LogFile::ExecStdout),
            transcript: Transcript::default(),
            costs: Costs::default(),
            blobs: recorder.blobs.clone(),
            warnings: Vec::new(),
        };
        for line in lines {
            let line = line?;
            logs.take(&line);
            logs.transcript.take(&line, &recorder.blobs);
            logs.costs.take(&line);
        }
        write_json(&folder.logs().join("transcript.json"), &logs.transcript.entries())?;
        write_json(&folder.logs().join("cost_summary.json"), &logs.costs.summary(&recorder.state))?;
        Ok(logs.warnings)
    }

    /// The whole of an output, as far as it was kept.
    fn print(&mut self, captured: &Captured) {
        let whole = captured.blob.and_then(|digest| self.blobs.open(digest).ok());
        let Some(mut whole) = whole else {
            self.warnings.extend(self.output.append(captured.text.as_bytes()));
            return;
        };
        let mut buffer = vec![0; 64 << 10];
        while let Ok(length) = std::io::Read::read(&mut whole, &mut buffer) {
            if length == 0 {
                break;
            }
            self.warnings.extend(self.output.append(&buffer[..length]));
        }
    }

    fn take(&mut self, line: &Line) {
        let time = &line.time;
        match &line.event {
            Event::Acted { action_id, action, .. } => {
                let text = format!("{time} action {action_id}: {}\n", one_line(action));
                self.warnings.extend(self.agent.append(text.as_bytes()));
            }
            Event::Observed { action_id, observation, took_ms, .. } => {
                let text =
                    format!("{time} action {action_id}: {} after {took_ms} ms\n", outcome(observation));
                self.warnings.extend(self.agent.append(text.as_bytes()));
                if let Observation::Exec { stdout, stderr, .. } = observation {
                    self.print(stdout);
                    self.print(stderr);
                }
            }
            Event::ModelCalled(called) => {
                let outcome = match &called.outcome {
                    CallOutcome::Answered { .. } => "answered".to_owned(),
                    CallOutcome::Embedded { vectors, dimensions } => {
                        format!("embedded, {} vectors of {dimensions} numbers", vectors.len())
                    }
                    CallOutcome::Failed { failure } => format!("failed: {}", failure.message),
                };
                let Usage { input, output, .. } = called.usage;
                let (cost, took) = (called.cost.as_usd(), called.latency_ms);
                let text = format!(
                    "{time} model call {}: {outcome}, {input} tokens in, {output} out, {cost:.6} USD, {took} ms\n",
                    called.call
                );
                self.warnings.extend(self.agent.append(text.as_bytes()));
            }
            other => {
                let value = serde_json::to_value(other).unwrap_or_default();
                let kind = value.get("type").and_then(Value::as_str).unwrap_or("event");
                self.warnings.extend(self.adapter.append(format!("{time} {kind}\n").as_bytes()));
            }
        }
    }
}

fn one_line(action: &Action) -> String {
    let text = serde_json::to_string(action).unwrap_or_default();
    text.chars().take(200).collect()
}

fn outcome(observation: &Observation) -> String {
    match observation {
        Observation::Exec { exit_code: Some(code), .. } => format!("status {code}"),
        Observation::Exec { exit_code: None, .. } => "stopped".into(),
        Observation::Wrote { bytes } => format!("wrote {bytes} bytes"),
        Observation::Read { content } => format!("read {} bytes", content.bytes),
        Observation::Found { results } => format!("found {} results", results.len()),
        Observation::Fetched { status, url, content } => {
            format!("status {status}, {} bytes from {url}", content.bytes)
        }
        Observation::Said => "said".into(),
        Observation::Graded { attempt, score } => match &score.invalid {
            None => format!("attempt {attempt} graded: {:?}", score.metrics),
            Some(reason) => format!("attempt {attempt} has no valid score: {reason}"),
        },
        Observation::Refused { reason } => format!("refused: {reason}"),
        Observation::Ended => "ended".into(),
    }
}
