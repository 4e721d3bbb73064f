//! A run's log as a trajectory. The log is verified first; what is wrong with it is a finding itself.

use std::collections::BTreeMap;

use researchgym_core::action::{Action, Body};
use researchgym_core::chain::ChainError;
use researchgym_core::digest::Digest;
use researchgym_core::event::{AskedRequest, CallOutcome, Event, Line, RunStarted};
use researchgym_core::inspect::excerpt::excerpt;
use researchgym_core::inspect::numbers::written;
use researchgym_core::inspect::report::Subject;
use researchgym_core::inspect::trajectory::Metric;
use researchgym_core::inspect::{
    Attempt, Facts, FileWrite, Finding, Outcome, Protection, Severity, Source, Standing, Step, StepKind,
    Trajectory,
};
use researchgym_core::isolation::Runtime;
use researchgym_core::model::{Input, Message, Reply};
use researchgym_core::network::{NetworkRequested, Phase, Verdict};
use researchgym_core::observation::{Captured, Observation};
use researchgym_core::spec::AgentSpec;
use researchgym_core::state::RunState;
use researchgym_core::task::Parameter;

use super::Evidence;
use crate::store::{Blobs, LogReader, RunFolder, StoreError, verify};

/// So much of the beginning and of the end of a long text is looked at.
const HEAD_BYTES: usize = 4 << 20;
const TAIL_BYTES: usize = 1 << 20;
/// When so much was taken, further long texts are seen as the log shows them.
const MOST_BYTES: usize = 256 << 20;
/// The longest table of which ids are taken.
const MOST_TABLE_BYTES: u64 = 4 << 20;
/// The most ids.
const MOST_IDS: usize = 100_000;

/// How a grader tells a score on its control channel, which no agent code has a reason to write.
const SCORE_MARKS: [&str; 3] = ["\"type\":\"score\"", "\"type\": \"score\"", "'type': 'score'"];

/// Reads a run.
///
/// # Errors
/// There is no log, it is empty, it was written by a newer program, or it cannot be read.
pub fn read_run(folder: &RunFolder) -> Result<Evidence, StoreError> {
    let mut reader = LogReader::open(folder)?;
    let mut lines: Vec<Line> = Vec::new();
    let mut broken = None;
    for line in reader.by_ref() {
        match line {
            Ok(line) => lines.push(line),
            Err(error @ StoreError::Line { source: ChainError::Newer { .. }, .. }) => return Err(error),
            Err(error @ StoreError::Line { .. }) => broken = Some(error),
            Err(error) => return Err(error),
        }
    }
    let Some(first) = lines.first() else {
        return Err(broken.unwrap_or(StoreError::EmptyLog { path: folder.events() }));
    };
    let Event::RunStarted(started) = &first.event else {
        return Err(broken.unwrap_or(StoreError::EmptyLog { path: folder.events() }));
    };
    let mut found = Vec::new();
    let verification = verify(folder)?;
    let last = lines.len() as u64 - 1;
    let state = RunState::fold(&lines);
    let altered: Vec<String> = verification
        .problems
        .iter()
        .filter(|problem| verification.torn.is_none_or(|torn| torn.line != problem.line))
        .map(ToString::to_string)
        .chain(state.as_ref().err().map(ToString::to_string))
        .collect();
    if !altered.is_empty() {
        let event =
            verification.problems.first().map_or(last, |problem| problem.line.saturating_sub(1).min(last));
        found.push(of_record(
            "record_altered",
            Severity::Critical,
            0.9,
            "The log or what it names is not what was written; only what stands before the change was looked at.",
            &altered.join("; "),
            event,
        ));
    } else if verification.torn.is_some() {
        let text = "The log ends in the midst of a line: the program was killed while it wrote, or the end was cut off.";
        found.push(of_record("record_torn", Severity::Minor, 0.5, text, "torn last line", last));
    }
    let subject = Subject {
        run_id: started.run_id.clone(),
        run_dir: folder.root().display().to_string(),
        log_head: reader.head(),
        format: "researchgym".to_owned(),
    };
    let mut trajectory = Reading::new(folder, started).all(&lines);
    trajectory.standing = state.as_ref().map(standing).unwrap_or_default();
    Ok(Evidence { subject, trajectory, found })
}

fn standing(state: &RunState) -> Standing {
    let is_scored = state.submission().is_some_and(|attempt| attempt.score.invalid.is_none());
    Standing { is_unended: state.ended.is_none(), is_unscored: !is_scored }
}

fn of_record(
    kind: &str,
    severity: Severity,
    confidence: f64,
    text: &str,
    evidence: &str,
    event: u64,
) -> Finding {
    Finding {
        kind: kind.to_owned(),
        severity,
        file: Some("events.jsonl".to_owned()),
        description: text.to_owned(),
        evidence: excerpt(evidence, 0),
        events: vec![event],
        confidence,
        source: Source::Rule,
        judged: None,
    }
}

struct Reading {
    blobs: Blobs,
    trajectory: Trajectory,
    /// Action -> its step.
    steps: BTreeMap<u64, usize>,
    /// The agent's answer that came last.
    last_words: Option<(u64, Body)>,
    submission: Option<Digest>,
    artefacts: Vec<String>,
    taken: usize,
}

impl Reading {
    fn new(folder: &RunFolder, started: &RunStarted) -> Reading {
        let is_host = started.spec.runtime == Runtime::Host;
        let facts = Facts {
            workspace: if is_host {
                folder.workspace().display().to_string()
            } else {
                "/workspace".to_owned()
            },
            protection: if is_host { Protection::None } else { Protection::ReadOnly },
            ..facts(started)
        };
        Reading {
            blobs: folder.blobs(),
            trajectory: Trajectory { facts, ..Trajectory::default() },
            steps: BTreeMap::new(),
            last_words: None,
            submission: None,
            artefacts: started.task.submission.artefacts.clone(),
            taken: 0,
        }
    }

    fn all(mut self, lines: &[Line]) -> Trajectory {
        for line in lines {
            self.trajectory.last_event = line.seq;
            self.event(line.seq, &line.event);
        }
        if let Some((event, body)) = self.last_words.take()
            && let Ok(reply) = serde_json::from_slice::<Reply>(&self.bytes(&body))
        {
            let number = self.trajectory.steps.len() as u64 + 1;
            self.trajectory.steps.push(Step::new(number, event, StepKind::Say, reply.turn.text()));
        }
        if let Some(submission) = self.submission {
            self.trajectory.facts.held_out = self.ids(submission);
        }
        self.trajectory
    }

    fn event(&mut self, seq: u64, event: &Event) {
        match event {
            Event::WorkspaceReady { snapshot, protected, .. } => {
                let facts = &mut self.trajectory.facts;
                facts.protected.extend(protected.keys().cloned());
                facts.protected.sort();
                facts.protected.dedup();
                // A hidden file may have a namesake in the workspace.
                if let Ok(manifest) = self.blobs.manifest(*snapshot) {
                    let here: Vec<&str> =
                        manifest.files.keys().filter_map(|path| path.rsplit('/').next()).collect();
                    self.trajectory.facts.hidden.retain(|name| !here.contains(&name.as_str()));
                }
            }
            Event::Acted { action_id, action, .. } => {
                let step = self.step(seq, action);
                self.steps.insert(*action_id, self.trajectory.steps.len());
                self.trajectory.steps.push(step);
            }
            Event::Observed { action_id, observation, took_ms, .. } => {
                let Some(index) = self.steps.get(action_id).copied() else { return };
                self.observed(index, seq, observation, *took_ms);
            }
            Event::Interrupted { action_id } => {
                if let Some(step) =
                    self.steps.get(action_id).and_then(|index| self.trajectory.steps.get_mut(*index))
                {
                    step.outcome = Outcome::Unknown;
                }
            }
            Event::Scored { kind, split, score, submission, .. } => {
                let primary = self.trajectory.primary().map(|metric| metric.name.clone());
                let value = primary.and_then(|name| score.metrics.get(&name).copied());
                self.trajectory.attempts.push(Attempt {
                    event: seq,
                    after_steps: self.trajectory.steps.len(),
                    value: value.filter(|_| score.invalid.is_none()),
                    numbers: score.metrics.values().copied().collect(),
                    artefact: Some(submission.to_string()),
                    split: Some(*split),
                });
                if kind.is_submission() {
                    self.submission = Some(*submission);
                }
                for finding in &score.findings {
                    let finding = researchgym_core::score::Finding { events: vec![seq], ..finding.clone() };
                    self.trajectory.integrity.push(finding);
                }
            }
            Event::ModelAsked(asked) => {
                // The first question holds the task as the agent was told it.
                if let AskedRequest::Conversation { conversation: 0, kept: 0, added, .. } = &asked.request {
                    self.told(added);
                }
            }
            Event::ModelCalled(called) => {
                if let CallOutcome::Answered { response, .. } = &called.outcome {
                    self.last_words = Some((seq, response.clone()));
                }
            }
            Event::UserNoted { text } => {
                let text = self.text(text);
                self.known(&text);
            }
            Event::NetworkRequested(asked) if asked.phase == Phase::Agent => {
                let step = self.asked(seq, asked);
                self.trajectory.steps.push(step);
            }
            Event::RunStarted(started) => {
                if matches!(started.spec.agent, AgentSpec::Search(_)) {
                    let gap = "the run is a search, whose candidates are not looked at one by one: what its gates \
                               refused and what was quarantined stands in `show`";
                    self.trajectory.gaps.push(gap.to_owned());
                }
            }
            Event::NetworkRequested(_)
            | Event::SnapshotTaken { .. }
            | Event::ModelRetried { .. }
            | Event::ModelLost { .. }
            | Event::Planned(_)
            | Event::IdeasHad(_)
            | Event::NodeBuilt(_)
            | Event::NodeDropped(_)
            | Event::EvaluationBegan(_)
            | Event::TrialReported(_)
            | Event::Evaluated(_)
            | Event::Paused
            | Event::Unpaused { .. }
            | Event::LimitsChanged { .. }
            | Event::RunResumed
            | Event::RunExtended { .. }
            | Event::Noted { .. }
            | Event::RunEnded { .. } => {}
        }
    }

    /// What a program inside asked of the network.
    fn asked(&self, seq: u64, asked: &NetworkRequested) -> Step {
        let number = self.trajectory.steps.len() as u64 + 1;
        let tunnel = || format!("https://{}:{}", asked.host, asked.port);
        let step = Step::new(number, seq, StepKind::Web, asked.url.clone().unwrap_or_else(tunnel));
        match asked.verdict {
            Verdict::Allowed => step,
            Verdict::Refused { reason } => {
                Step { outcome: Outcome::Refused, output: reason.to_string(), ..step }
            }
        }
    }

    fn step(&mut self, seq: u64, action: &Action) -> Step {
        let number = self.trajectory.steps.len() as u64 + 1;
        let step = match action {
            Action::Exec { command, .. } => Step::new(number, seq, StepKind::Command, self.text(command)),
            Action::Write { path, content, .. } => {
                let content = String::from_utf8(self.bytes(content)).ok();
                let write = FileWrite { path: path.clone(), content, outcome: Outcome::Unknown };
                Step::new(number, seq, StepKind::Write, path).with_write(write)
            }
            Action::Read { path } => Step::new(number, seq, StepKind::Read, path),
            Action::Search { query, .. } => Step::new(number, seq, StepKind::Web, query),
            Action::Fetch { url } => Step::new(number, seq, StepKind::Web, url),
            Action::Say { text } => Step::new(number, seq, StepKind::Say, self.text(text)),
            Action::GiveUp { reason } => Step::new(number, seq, StepKind::Say, reason),
            Action::Validate | Action::Submit => Step::new(number, seq, StepKind::Score, action.name()),
        };
        Step { outcome: Outcome::Unknown, ..step }
    }

    fn observed(&mut self, index: usize, seq: u64, observation: &Observation, took_ms: u64) {
        let mut outcome = Outcome::Done;
        let (mut bytes, mut dropped) = (0, 0);
        let mut output = String::new();
        let mut take = |reading: &mut Reading, captured: &Captured| {
            bytes += captured.bytes;
            dropped += captured.dropped;
            output.push_str(&reading.captured(captured));
            output.push('\n');
        };
        match observation {
            Observation::Exec { stdout, stderr, .. } => {
                take(self, stdout);
                take(self, stderr);
            }
            Observation::Read { content } | Observation::Fetched { content, .. } => take(self, content),
            Observation::Found { results } => {
                output = results
                    .iter()
                    .map(|result| format!("{} {} {}\n", result.title, result.url, result.snippet))
                    .collect();
            }
            Observation::Refused { reason } => {
                outcome = Outcome::Refused;
                output.clone_from(reason);
            }
            Observation::Wrote { .. }
            | Observation::Said
            | Observation::Graded { .. }
            | Observation::Ended => {}
        }
        let Some(step) = self.trajectory.steps.get_mut(index) else { return };
        step.outcome = outcome;
        for write in &mut step.writes {
            // A here-document goes where the shell let it: nobody says.
            if step.kind == StepKind::Write {
                write.outcome = outcome;
            }
        }
        step.output_bytes = bytes.max(output.len() as u64);
        step.output = output;
        step.dropped_bytes = dropped;
        step.output_event = Some(seq);
        step.took_ms = took_ms;
    }

    /// What a command wrote, whole as far as it is kept and bounded.
    fn captured(&mut self, captured: &Captured) -> String {
        match captured.blob {
            Some(blob) if self.taken < MOST_BYTES => match self.ends(blob) {
                Some(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
                None => captured.text.clone(),
            },
            _ => captured.text.clone(),
        }
    }

    fn ends(&mut self, blob: Digest) -> Option<Vec<u8>> {
        match self.blobs.ends(blob, HEAD_BYTES, TAIL_BYTES) {
            Ok((head, tail)) => {
                let whole = [head, tail].concat();
                self.taken += whole.len();
                Some(whole)
            }
            Err(error) => {
                self.trajectory.gaps.push(error.to_string());
                None
            }
        }
    }

    fn bytes(&mut self, body: &Body) -> Vec<u8> {
        match body {
            Body::Blob { sha256, .. } => self.ends(*sha256).unwrap_or_default(),
            Body::Text(_) | Body::Base64(_) => self.blobs.resolve(body).unwrap_or_default(),
        }
    }

    fn text(&mut self, body: &Body) -> String {
        String::from_utf8_lossy(&self.bytes(body)).into_owned()
    }

    fn told(&mut self, messages: &[Body]) {
        for body in messages {
            let text = match serde_json::from_slice(&self.bytes(body)) {
                Ok(Message::System { text }) => text,
                Ok(Message::User { content }) => content
                    .iter()
                    .filter_map(|input| match input {
                        Input::Text { text } => Some(text.as_str()),
                        Input::Image { .. } | Input::ImageUrl { .. } => None,
                    })
                    .collect::<Vec<_>>()
                    .join("\n"),
                Ok(Message::Assistant(_) | Message::Tool { .. }) | Err(_) => continue,
            };
            self.known(&text);
        }
    }

    fn known(&mut self, text: &str) {
        self.trajectory.facts.known_numbers.extend(written(text).iter().map(|number| number.value));
    }

    /// The ids in the first column of a submitted table: those whose labels are held out.
    fn ids(&self, submission: Digest) -> Vec<u64> {
        let Ok(manifest) = self.blobs.manifest(submission) else { return Vec::new() };
        let mut ids = Vec::new();
        for (path, entry) in &manifest.files {
            let is_table = path.ends_with(".csv") && entry.bytes <= MOST_TABLE_BYTES;
            if !is_table || !self.artefacts.iter().any(|artefact| path.starts_with(artefact.as_str())) {
                continue;
            }
            let Ok(bytes) = self.blobs.get(entry.sha256) else { continue };
            let text = String::from_utf8_lossy(&bytes);
            let mut rows =
                text.lines().map(|row| row.split(',').next().unwrap_or_default().trim().trim_matches('"'));
            if rows.next().is_some_and(|header| header.to_lowercase().ends_with("id")) {
                ids.extend(rows.filter_map(|id| id.parse::<u64>().ok()).take(MOST_IDS));
            }
        }
        ids
    }
}

fn facts(started: &RunStarted) -> Facts {
    let task = &started.task;
    let hidden = task
        .datasets
        .iter()
        .flat_map(|dataset| dataset.hidden.iter().filter(|file| !dataset.visible.contains(file)).cloned());
    let grader = task.grader.command.iter().filter(|word| word.ends_with(".py")).cloned();
    let places =
        ["/grader".to_owned(), started.spec.task_dir.clone()].into_iter().filter(|place| place.len() > 1);
    let baseline = task.baseline.clone().unwrap_or_default();
    let numbers = baseline
        .published
        .values()
        .chain(baseline.measured.values())
        .chain(baseline.tolerance.values())
        .copied();
    let parameters = task.parameters.values().filter_map(|parameter| match parameter {
        Parameter::Integer(value) => Some(*value as f64),
        Parameter::Number(value) => Some(*value),
        Parameter::Switch(_) | Parameter::Text(_) => None,
    });
    Facts {
        protected: task.workspace.protected.clone(),
        hidden: places.chain(hidden).chain(grader).collect(),
        metrics: task
            .metrics
            .iter()
            .map(|metric| Metric {
                name: metric.name.clone(),
                direction: metric.direction,
                primary: metric.primary,
            })
            .collect(),
        noise_floor: baseline.noise_floor,
        blocked: task.network.blocked_urls.clone(),
        known_numbers: numbers.chain(parameters).collect(),
        channel_marks: SCORE_MARKS.iter().map(|mark| (*mark).to_owned()).collect(),
        ..Facts::default()
    }
}
