//! A run of ours as a record: a fold over its log beside [`RunState`], which does most of it.

use std::collections::{BTreeMap, BTreeSet};

use crate::action::{Action, Body};
use crate::digest::Digest;
use crate::event::{AskedRequest, CallOutcome, Caller, Event, Line};
use crate::model::{Message, Reply};
use crate::observation::Observation;
use crate::result::Progress;
use crate::search::Chronicle;
use crate::spec::{Fork, MicroUsd};
use crate::state::{Attempt, RunState, StateError};

use super::{
    ActionsRecord, AttemptRecord, Category, EmbeddingSpending, EndingRecord, ModelUse, Origin as Whose,
    RECORD_SCHEMA, RunRecord, SearchRecord, TaskRecord, UsageRecord,
};

/// Gives the bytes of a body, or of as much of it as is worth looking at.
pub type Resolve<'a> = &'a dyn Fn(&Body) -> Option<Vec<u8>>;

/// Takes the lines of a log in, one after the other.
#[derive(Clone, Debug)]
pub struct Recorder {
    state: RunState,
    steps: Vec<(u64, Category)>,
    took: BTreeMap<Category, u64>,
    models: BTreeMap<String, ModelUse>,
    asked: BTreeMap<u64, String>,
    /// Where each attempt came: steps, milliseconds, money.
    places: Vec<(u64, u64, MicroUsd)>,
    /// The tools that the model's last answer calls, with their arguments.
    tools: Vec<(String, String)>,
    edit_calls: BTreeSet<String>,
    edits: u64,
    edits_rejected: u64,
    chronicle: Chronicle,
    embeddings: EmbeddingSpending,
}

const SHELLS: [&str; 2] = ["bash", "start_async"];
const EDITORS: [&str; 3] = ["write_file", "replace", "apply_patch"];

impl Recorder {
    /// Begins with the first line.
    ///
    /// # Errors
    /// It is not `run_started`.
    pub fn start(line: &Line) -> Result<Recorder, StateError> {
        Ok(Recorder {
            state: RunState::start(line)?,
            steps: Vec::new(),
            took: BTreeMap::new(),
            models: BTreeMap::new(),
            asked: BTreeMap::new(),
            places: Vec::new(),
            tools: Vec::new(),
            edit_calls: BTreeSet::new(),
            edits: 0,
            edits_rejected: 0,
            chronicle: Chronicle::default(),
            embeddings: EmbeddingSpending::default(),
        })
    }

    /// Takes one more line in.
    ///
    /// # Errors
    /// An event that cannot come here.
    pub fn apply(&mut self, line: &Line, resolve: Resolve<'_>) -> Result<(), StateError> {
        match &line.event {
            Event::Acted { action_id, action, .. } => {
                let category = self.category(action, resolve);
                if category == Category::Edit && self.tools.is_empty() {
                    self.edits += 1;
                }
                self.steps.push((*action_id, category));
            }
            Event::Observed { action_id, took_ms, observation, .. } => {
                self.observed(*action_id, *took_ms, observation)
            }
            Event::Interrupted { action_id } => self.steps.retain(|(step, _)| step != action_id),
            Event::Scored { .. } => {
                self.places.push((self.state.steps, self.state.working_ms, self.state.ledger.spent()));
            }
            Event::ModelAsked(asked) => {
                self.asked.insert(asked.call, asked.model.clone());
                match (&asked.caller, &asked.request) {
                    // No action has the number 0: calls of programs inside are steps that nothing interrupts.
                    (Caller::Gateway { .. }, _) => self.steps.push((0, Category::Talk)),
                    (Caller::Agent, AskedRequest::Conversation { added, .. }) => self.told(added, resolve),
                    (Caller::Agent, AskedRequest::Bytes { .. } | AskedRequest::Embedding { .. }) => {}
                }
            }
            Event::ModelCalled(called) => {
                let name = self.asked.remove(&called.call).unwrap_or_default();
                let used = self.models.entry(name).or_default();
                used.calls += 1;
                used.usage = used.usage.plus(called.usage);
                if let CallOutcome::Answered { response, .. } = &called.outcome {
                    self.answered(response, resolve);
                }
            }
            Event::ModelLost { call } => {
                let name = self.asked.remove(call).unwrap_or_default();
                self.models.entry(name).or_default().calls += 1;
            }
            _ => {}
        }
        self.state.apply(line)?;
        self.chronicle.observe(&line.event, &self.state);
        self.embeddings.observe(&line.event);
        Ok(())
    }

    /// What the run was as a search so far, if it is one.
    pub fn search(&self) -> Option<SearchRecord> {
        let record = SearchRecord::of(&self.state, &self.chronicle)?;
        Some(SearchRecord { embeddings: self.embeddings.spent(), ..record })
    }

    /// The state of the run so far.
    pub fn state(&self) -> &RunState {
        &self.state
    }

    /// The record of a run whose log ends here.
    pub fn record(&self, log_head: Digest, is_running: bool) -> RunRecord {
        let state = &self.state;
        let started = &state.started;
        let ended = state.ended.as_ref();
        let failure = ended.and_then(|ended| ended.failure.as_ref());
        let mut actions = ActionsRecord {
            edits: self.edits,
            edits_rejected: self.edits_rejected,
            took_ms: self.took.clone(),
            // What programs inside ask of the session is an action and no step.
            count: Some(state.steps),
            ..ActionsRecord::default()
        };
        actions.steps = self.steps.iter().map(|(_, category)| category.letter()).collect();
        let primary = started.task.primary();
        let others = started.task.metrics.iter().filter(|metric| metric.name != primary.name);
        let directions = others.map(|metric| (metric.name.clone(), metric.direction)).collect();
        let baseline = started.task.baseline.as_ref();
        RunRecord {
            schema: RECORD_SCHEMA,
            run_id: started.run_id.clone(),
            origin: Whose::Researchgym { log_head },
            task: TaskRecord {
                id: started.task.id.clone(),
                variant: started.spec.variant.clone(),
                directions,
                baseline: baseline.map(|baseline| baseline.shown(&primary).clone()),
                noise_floor: baseline.map_or(0.0, |baseline| baseline.noise_floor),
                digest: Some(started.digests.task),
                primary: Some(primary),
            },
            agent: started.spec.agent.name().to_owned(),
            model: started.spec.model.clone(),
            seed: Some(started.spec.seed),
            tags: started.spec.tags.clone(),
            started_at: Some(state.started_at.clone()),
            state: match (ended, is_running) {
                (Some(_), _) => Progress::Ended,
                (None, true) if state.is_paused => Progress::Paused,
                (None, true) => Progress::Running,
                (None, false) => Progress::Interrupted,
            },
            ending: EndingRecord {
                cause: ended.map(|ended| ended.ending.into()),
                told: None,
                boundary: failure.map(|failure| failure.boundary),
                failure: failure.map(|failure| failure.message.clone()),
            },
            attempts: state.attempts.iter().zip(&self.places).map(attempt).collect(),
            submission: state.submission().map(|attempt| attempt.number),
            usage: UsageRecord {
                working_ms: Some(state.working_ms),
                wall_ms: Some(state.wall_ms(None)),
                cost: Some(state.ledger.spent()),
                models: self.models.clone(),
            },
            actions,
            integrity: state.integrity(),
            verdict: None,
            left_out: Vec::new(),
            search: self.search().map(Box::new),
            forked_from: started.spec.fork.as_ref().map(Fork::place),
        }
    }

    /// What an action is for.
    fn category(&self, action: &Action, resolve: Resolve<'_>) -> Category {
        match action {
            Action::Exec { command, .. } => {
                let text = resolve(command).unwrap_or_default();
                let text = String::from_utf8_lossy(&text);
                self.script(&text).unwrap_or_else(|| Category::of_shell(&text))
            }
            Action::Write { .. } => self.script("").unwrap_or(Category::Edit),
            Action::Read { .. } => self.script("").unwrap_or(Category::View),
            Action::Search { .. } | Action::Fetch { .. } => Category::Web,
            Action::Say { .. } => Category::Talk,
            Action::Validate => Category::Validate,
            Action::Submit => Category::Submit,
            Action::GiveUp { .. } => Category::Other,
        }
    }

    /// What a tool of the basic agent is for that does its work by actions of other kinds. Of several tools called at once it
    /// is the first that is not a shell with this very text.
    fn script(&self, text: &str) -> Option<Category> {
        let is_said = |arguments: &str| {
            let arguments: serde_json::Value = serde_json::from_str(arguments).unwrap_or_default();
            let mut texts =
                arguments.as_object().into_iter().flatten().filter_map(|(_, value)| value.as_str());
            texts.any(|said| !said.trim().is_empty() && text.contains(said.trim()))
        };
        if self.tools.iter().any(|(name, arguments)| SHELLS.contains(&name.as_str()) && is_said(arguments)) {
            return None;
        }
        self.tools.iter().find_map(|(name, _)| match name.as_str() {
            "python" => Some(Category::Python),
            "read_file_chunk" => Some(Category::View),
            "search_file" => Some(Category::Search),
            name if EDITORS.contains(&name) => Some(Category::Edit),
            _ => None,
        })
    }

    fn observed(&mut self, action_id: u64, took_ms: u64, observation: &Observation) {
        let Some((_, category)) = self.steps.iter().rev().find(|(step, _)| *step == action_id) else {
            return;
        };
        *self.took.entry(*category).or_default() += took_ms;
        let is_refused = matches!(observation, Observation::Refused { .. });
        if *category == Category::Edit && self.tools.is_empty() && is_refused {
            self.edits_rejected += 1;
        }
    }

    fn answered(&mut self, response: &Body, resolve: Resolve<'_>) {
        self.tools.clear();
        // An answer to a program inside is in the provider's own form, and no reply.
        let reply = resolve(response).and_then(|bytes| serde_json::from_slice::<Reply>(&bytes).ok());
        for (id, name, arguments) in reply.iter().flat_map(|reply| reply.turn.calls()) {
            self.tools.push((name.to_owned(), arguments.to_owned()));
            if EDITORS.contains(&name) {
                self.edits += 1;
                self.edit_calls.insert(id.to_owned());
            }
        }
    }

    /// What the model was told of its edits.
    fn told(&mut self, added: &[Body], resolve: Resolve<'_>) {
        if self.edit_calls.is_empty() {
            return;
        }
        for body in added {
            let Some(Message::Tool { results }) =
                resolve(body).and_then(|bytes| serde_json::from_slice(&bytes).ok())
            else {
                continue;
            };
            for result in results {
                if self.edit_calls.remove(&result.call_id) && result.is_error {
                    self.edits_rejected += 1;
                }
            }
        }
    }
}

fn attempt((attempt, (steps, ms, cost)): (&Attempt, &(u64, u64, MicroUsd))) -> AttemptRecord {
    AttemptRecord {
        number: attempt.number,
        kind: Some(attempt.kind),
        split: Some(attempt.split),
        metrics: attempt.score.metrics.clone(),
        invalid: attempt.score.invalid.clone(),
        after_steps: Some(*steps),
        after_ms: Some(*ms),
        after_cost: Some(*cost),
        artefact: Some(attempt.submission.to_string()),
    }
}
