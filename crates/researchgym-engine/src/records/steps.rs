//! A run's steps, one after the other: of ours from the log, of a foreign run from what its import wrote. Nothing but the step
//! at hand is in memory.

use std::collections::BTreeMap;

use researchgym_core::action::{Action, Body};
use researchgym_core::event::{CallOutcome, Caller, Event, Line};
use researchgym_core::model::{Part, Reply};
use researchgym_core::observation::{Captured, Observation};
use researchgym_core::record::{Category, Change, MAX_TEXT_BYTES, StepRecord, bounded};

use super::own::RecordError;
use crate::store::{Blobs, LogReader, RunFolder, read_steps};

/// Hands over the steps of the run in a folder, in order. Says whether all were taken: `take` ends it by giving false.
///
/// # Errors
/// The log cannot be read, or is not what was written; what was handed over before stands.
pub fn steps_of(folder: &RunFolder, take: &mut dyn FnMut(StepRecord) -> bool) -> Result<bool, RecordError> {
    if folder.is_imported() {
        for step in read_steps(folder)? {
            if !take(step?) {
                return Ok(false);
            }
        }
        return Ok(true);
    }
    let mut walk =
        Walk { blobs: folder.blobs(), number: 0, said: None, open: BTreeMap::new(), calls: BTreeMap::new() };
    for line in LogReader::open(folder)? {
        if let Some(step) = walk.line(&line?)
            && !take(step)
        {
            return Ok(false);
        }
    }
    for (_, step) in std::mem::take(&mut walk.open) {
        if !take(step) {
            return Ok(false);
        }
    }
    Ok(true)
}

struct Walk {
    blobs: Blobs,
    number: u64,
    /// What the model said last, until a step takes it.
    said: Option<Said>,
    /// Actions without an outcome yet.
    open: BTreeMap<u64, StepRecord>,
    /// Calls of programs inside that are under way.
    calls: BTreeMap<u64, StepRecord>,
}

/// An answer of the model that drives the agent.
struct Said {
    thought: String,
    model: Option<String>,
    tools: Vec<String>,
}

impl Walk {
    fn line(&mut self, line: &Line) -> Option<StepRecord> {
        match &line.event {
            Event::Acted { action_id, action, .. } => {
                let step = StepRecord { time: Some(line.time.clone()), ..self.step(action) };
                self.open.insert(*action_id, step);
                None
            }
            Event::Observed { action_id, observation, took_ms, .. } => {
                let step = self.open.remove(action_id)?;
                Some(StepRecord { took_ms: Some(*took_ms), ..self.observed(step, observation) })
            }
            Event::Interrupted { action_id } => {
                let step = self.open.remove(action_id)?;
                Some(step.seen("[interrupted: what became of it is not known]"))
            }
            Event::ModelAsked(asked) => {
                if let Caller::Gateway { named, .. } = &asked.caller {
                    let step = StepRecord::new(self.next(), Category::Talk, "model", named);
                    let model = Some(asked.model.clone());
                    self.calls
                        .insert(asked.call, StepRecord { time: Some(line.time.clone()), model, ..step });
                }
                None
            }
            Event::ModelCalled(called) => {
                let answer = match &called.outcome {
                    CallOutcome::Answered { response, .. } => self.text(response),
                    CallOutcome::Embedded { vectors, .. } => format!("[{} embeddings]", vectors.len()),
                    CallOutcome::Failed { failure } => format!("[failed: {}]", failure.message),
                };
                if let Some(step) = self.calls.remove(&called.call) {
                    return Some(StepRecord { took_ms: Some(called.latency_ms), ..step.seen(&answer) });
                }
                self.answered(&answer)
            }
            _ => None,
        }
    }

    fn next(&mut self) -> u64 {
        self.number += 1;
        self.number
    }

    /// The agent's model answered. Words that call no tool are not a step of the session, and told all the same.
    fn answered(&mut self, answer: &str) -> Option<StepRecord> {
        let reply: Reply = serde_json::from_str(answer).ok()?;
        let tools: Vec<String> = reply.turn.calls().map(|(_, name, _)| name.to_owned()).collect();
        let thinking = reply.turn.parts.iter().filter_map(|part| match part {
            Part::Thinking { text } | Part::Text { text } | Part::Refusal { text } => Some(text.as_str()),
            Part::Call { .. } | Part::Other { .. } => None,
        });
        let thought = thinking.filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n");
        self.said = Some(Said { thought: bounded(&thought).0, model: reply.model, tools });
        None
    }

    fn step(&mut self, action: &Action) -> StepRecord {
        let number = self.next();
        let said = self.said.take();
        let tool = match said.as_ref().map(|said| said.tools.as_slice()) {
            Some([one]) => one.clone(),
            _ => action.name().to_owned(),
        };
        let (category, text, changes) = match action {
            Action::Exec { command, .. } => {
                let text = self.text(command);
                (Category::of_shell(&text), text, Vec::new())
            }
            Action::Write { path, content, .. } => {
                let content = Some(self.text(content));
                (Category::Edit, path.clone(), vec![Change { path: path.clone(), content, is_applied: true }])
            }
            Action::Read { path } => (Category::View, path.clone(), Vec::new()),
            Action::Search { query, .. } => (Category::Web, query.clone(), Vec::new()),
            Action::Fetch { url } => (Category::Web, url.clone(), Vec::new()),
            Action::Say { text } => (Category::Talk, self.text(text), Vec::new()),
            Action::Validate => (Category::Validate, String::new(), Vec::new()),
            Action::Submit => (Category::Submit, String::new(), Vec::new()),
            Action::GiveUp { reason } => (Category::Other, reason.clone(), Vec::new()),
        };
        let mut step = StepRecord::new(number, category, tool, text);
        step.changes = changes;
        if let Some(said) = said {
            step.thought = (!said.thought.is_empty()).then_some(said.thought);
            step.model = said.model;
        }
        step
    }

    fn observed(&self, step: StepRecord, observation: &Observation) -> StepRecord {
        match observation {
            Observation::Exec { exit_code, stdout, stderr, .. } => {
                let (mut text, mut dropped) = self.captured(stdout);
                let (errors, more) = self.captured(stderr);
                if !errors.is_empty() {
                    text.push_str(if text.is_empty() || text.ends_with('\n') { "" } else { "\n" });
                    text.push_str(&errors);
                    dropped += more;
                }
                StepRecord { exit_code: *exit_code, dropped_bytes: dropped, observation: text, ..step }
            }
            Observation::Read { content } | Observation::Fetched { content, .. } => {
                let (text, dropped) = self.captured(content);
                StepRecord { dropped_bytes: dropped, observation: text, ..step }
            }
            Observation::Found { results } => {
                let lines = results
                    .iter()
                    .map(|found| format!("{}\n{}\n{}\n", found.title, found.url, found.snippet));
                step.seen(&lines.collect::<String>())
            }
            Observation::Refused { reason } => {
                let mut step = step.seen(reason);
                step.is_refused = true;
                step.changes.iter_mut().for_each(|change| change.is_applied = false);
                step
            }
            Observation::Graded { .. } => step.seen(&serde_json::to_string(observation).unwrap_or_default()),
            Observation::Wrote { bytes } => step.seen(&format!("{bytes} bytes written")),
            Observation::Said | Observation::Ended => step,
        }
    }

    /// An output with its ends, and the bytes that are not shown.
    fn captured(&self, captured: &Captured) -> (String, u64) {
        let Some(blob) = captured.blob else { return (captured.text.clone(), captured.dropped) };
        let half = MAX_TEXT_BYTES / 2;
        match self.blobs.ends(blob, half, half) {
            Ok((head, tail)) => {
                let shown = (head.len() + tail.len()) as u64;
                (Captured::shown(&head, &tail, captured.bytes), captured.bytes.saturating_sub(shown))
            }
            Err(_) => (captured.text.clone(), captured.bytes.saturating_sub(captured.text.len() as u64)),
        }
    }

    fn text(&self, body: &Body) -> String {
        let bytes = self.blobs.resolve(body).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}
