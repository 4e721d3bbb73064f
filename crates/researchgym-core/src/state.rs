//! The state of a run: a fold over its events, the same for a live run, a replay and a resumption. Longer than other files:
//! what each event does stands in one match.

mod search;

use std::collections::BTreeMap;

use crate::action::{Action, Body, Origin};
use crate::budget::Used;
use crate::digest::Digest;
use crate::event::{AskedRequest, CallOutcome, Caller, Ending, Event, Line, RunStarted};
use crate::failure::Failure;
use crate::gpu::Gpu;
use crate::integrity::Signs;
use crate::isolation::Isolation;
use crate::ledger::Ledger;
use crate::model::FailureKind;
use crate::network::{NetworkUse, Phase};
use crate::observation::Observation;
use crate::score::{AttemptKind, Finding, Score, Severity, Split};
use crate::search::Tree;
use crate::spec::{AgentSpec, Limits};

pub use self::search::Inherited;

/// Events do not make sense in this order.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("event {seq}: {problem}")]
pub struct StateError {
    /// Which event.
    pub seq: u64,
    /// What is wrong with it here.
    pub problem: String,
}

/// One graded attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    /// From 1.
    pub number: u64,
    /// Why it was graded.
    pub kind: AttemptKind,
    /// On what.
    pub split: Split,
    /// The verdict.
    pub score: Score,
    /// Manifest of what was graded.
    pub submission: Digest,
    /// The `Scored` event.
    pub seq: u64,
}

/// An action that was begun.
#[derive(Clone, Debug, PartialEq)]
pub struct Begun {
    /// Its number.
    pub action_id: u64,
    /// Who asked.
    pub origin: Origin,
    /// What.
    pub action: Action,
    /// The `Acted` event.
    pub seq: u64,
}

/// How a segment ended, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    /// How.
    pub ending: Ending,
    /// The failure, if that was it.
    pub failure: Option<Failure>,
}

/// Everything that follows from the events so far.
#[derive(Clone, Debug, PartialEq)]
pub struct RunState {
    /// What the run started with.
    pub started: RunStarted,
    /// Wall clock of the first event.
    pub started_at: String,
    /// Wall clock of the last event.
    pub last_at: String,
    /// The limits in force.
    pub limits: Limits,
    /// What is kept apart, once the sandbox was up.
    pub isolation: Option<Isolation>,
    /// The nodes, if the run is a search.
    pub search: Option<Box<Tree>>,
    /// The GPUs of the newest sandbox.
    pub gpus: Vec<Gpu>,
    /// Protected files and their hashes at the start.
    pub protected: BTreeMap<String, Digest>,
    /// The newest whole-workspace snapshot.
    pub snapshot: Option<Digest>,
    /// Steps so far: the agent's actions, and the model calls of a program inside.
    pub steps: u64,
    /// All actions so far.
    pub actions: u64,
    /// Sequence number of the newest action's `Acted`, of a search of its newest event; 0 before the first.
    pub acted_at: u64,
    /// Set once the agent has submitted or given up: whatever its record still holds, nothing may follow.
    pub concluded: Option<Ending>,
    /// Actions without an outcome yet.
    pub in_flight: Vec<Begun>,
    /// Graded attempts in order.
    pub attempts: Vec<Attempt>,
    /// Working time so far.
    pub working_ms: u64,
    /// Wall time of finished segments.
    pub wall_ms: u64,
    /// Bytes of outputs that are kept as blobs.
    pub kept_bytes: u64,
    /// What the outcomes of actions have shown that speaks against the scores.
    pub signs: Signs,
    /// Money and tokens of model calls.
    pub ledger: Ledger,
    /// Attempts at model calls that came to an end, answered or not, by model.
    pub exchanges: BTreeMap<String, u64>,
    /// Questions that a model answered.
    pub answers: u64,
    /// Bytes of what programs inside asked models and of what models answered, as they are kept.
    pub model_bytes: u64,
    /// What programs in the sandboxes asked of the network.
    pub network: NetworkUse,
    /// Bytes that the agent's sandbox moved.
    pub agent_bytes: u64,
    /// The models of the calls under way.
    asked_models: BTreeMap<u64, String>,
    /// What the user said to the agent, and when: the events' numbers.
    pub notes: Vec<(u64, Body)>,
    /// Whether the user has stopped the clock.
    pub is_paused: bool,
    /// Set between `RunEnded` and the next segment.
    pub ended: Option<Ended>,
    /// Segments so far.
    pub segments: u64,
    /// Number of events so far.
    pub events: u64,
    /// A fork: what it took over.
    pub inherited: Option<Inherited>,
    segment_began: Segment,
}

/// Where the running segment began, to know the wall time of one that died.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Segment {
    working_ms: u64,
    grading_ms: u64,
}

impl RunState {
    /// Folds a whole log.
    ///
    /// # Errors
    /// An event that cannot come at its place.
    pub fn fold(lines: &[Line]) -> Result<RunState, StateError> {
        let Some((first, rest)) = lines.split_first() else {
            return Err(StateError { seq: 0, problem: "the log is empty: the run never started".into() });
        };
        let mut state = RunState::start(first)?;
        for line in rest {
            state.apply(line)?;
        }
        Ok(state)
    }

    /// Begins with the first event.
    ///
    /// # Errors
    /// It is not `run_started`.
    pub fn start(line: &Line) -> Result<RunState, StateError> {
        let Event::RunStarted(started) = &line.event else {
            return Err(StateError { seq: line.seq, problem: "a log begins with `run_started`".into() });
        };
        Ok(RunState {
            limits: started.spec.limits.clone(),
            started: (**started).clone(),
            started_at: line.time.clone(),
            last_at: line.time.clone(),
            isolation: None,
            gpus: Vec::new(),
            protected: BTreeMap::new(),
            snapshot: None,
            steps: 0,
            actions: 0,
            acted_at: 0,
            concluded: None,
            in_flight: Vec::new(),
            attempts: Vec::new(),
            working_ms: 0,
            wall_ms: 0,
            kept_bytes: 0,
            signs: Signs::default(),
            ledger: Ledger::default(),
            exchanges: BTreeMap::new(),
            answers: 0,
            model_bytes: 0,
            network: NetworkUse::default(),
            agent_bytes: 0,
            asked_models: BTreeMap::new(),
            notes: Vec::new(),
            search: matches!(started.spec.agent, AgentSpec::Search(_))
                .then(|| Box::new(Tree::new(&started.task))),
            is_paused: false,
            ended: None,
            segments: 1,
            events: 1,
            inherited: None,
            segment_began: Segment::default(),
        })
    }

    /// Takes one more event in.
    ///
    /// # Errors
    /// It cannot come here: two starts, an outcome without an action, anything after the end but a new segment.
    pub fn apply(&mut self, line: &Line) -> Result<(), StateError> {
        let wrong = |problem: &str| Err(StateError { seq: line.seq, problem: problem.into() });
        let reopens =
            matches!(line.event, Event::RunExtended { .. } | Event::RunResumed | Event::Noted { .. });
        if self.ended.is_some() && !reopens {
            return wrong("the run had ended");
        }
        match &line.event {
            Event::RunStarted(_) => return wrong("a run starts once"),
            Event::WorkspaceReady { isolation, snapshot, protected, gpus } => {
                self.isolation = Some(isolation.clone());
                // Those of a search are its evaluations'.
                if self.search.is_none() {
                    self.gpus = gpus.clone();
                }
                self.snapshot = Some(*snapshot);
                self.protected = protected.clone();
            }
            Event::Acted { action_id, origin, action } => {
                if *action_id != self.actions + 1 {
                    return wrong("actions are numbered one by one");
                }
                self.actions = *action_id;
                self.acted_at = line.seq;
                if *origin == Origin::Agent {
                    self.steps += 1;
                }
                self.in_flight.push(Begun {
                    action_id: *action_id,
                    origin: *origin,
                    action: action.clone(),
                    seq: line.seq,
                });
            }
            Event::Observed { action_id, observation, working_ms, .. } => {
                let begun = self.in_flight.iter().find(|begun| begun.action_id == *action_id);
                self.kept_bytes = self.kept_bytes.saturating_add(observation.kept_bytes());
                self.signs.observe(line.seq, begun.map(|begun| &begun.action), observation);
                if !self.finish(*action_id) {
                    return wrong("an outcome of an action that is not in flight");
                }
                self.working_ms = self.working_ms.max(*working_ms);
                if *observation == Observation::Ended {
                    self.concluded = Some(Ending::GaveUp);
                }
            }
            Event::Interrupted { action_id } => {
                let Some(begun) = self.in_flight.iter().find(|begun| begun.action_id == *action_id) else {
                    return wrong("an interruption of an action that is not in flight");
                };
                if begun.origin == Origin::Agent {
                    self.steps -= 1;
                }
                self.finish(*action_id);
            }
            Event::Scored { attempt, kind, split, score, submission, grading_ms } => {
                if *attempt != self.attempts.len() as u64 + 1 {
                    return wrong("attempts are numbered one by one");
                }
                let grading = &mut self.segment_began.grading_ms;
                *grading = grading.saturating_add(*grading_ms);
                if *kind == AttemptKind::Submit {
                    self.concluded = Some(Ending::Submitted);
                }
                self.attempts.push(Attempt {
                    number: *attempt,
                    kind: *kind,
                    split: *split,
                    score: score.clone(),
                    submission: *submission,
                    seq: line.seq,
                });
            }
            Event::SnapshotTaken { snapshot, .. } => self.snapshot = Some(*snapshot),
            Event::NetworkRequested(request) => {
                self.network.add(request);
                if request.phase == Phase::Agent {
                    let bytes = request.bytes_up.saturating_add(request.bytes_down);
                    self.agent_bytes = self.agent_bytes.saturating_add(bytes);
                }
            }
            Event::ModelAsked(asked) => {
                if !self.ledger.reserve(asked.call, asked.hold) {
                    return wrong("model calls are numbered one by one");
                }
                self.asked_models.insert(asked.call, asked.model.clone());
                if let AskedRequest::Bytes { body } = &asked.request {
                    self.model_bytes = self.model_bytes.saturating_add(body.kept_bytes());
                }
                match asked.caller {
                    Caller::Agent => {}
                    Caller::Gateway { .. } => self.steps += 1,
                }
            }
            Event::ModelRetried { call, .. } => {
                if !self.ledger.holds().contains_key(call) {
                    return wrong("another attempt at a model call that is not under way");
                }
                self.exchanged(*call, 1);
            }
            Event::ModelCalled(called) => {
                if !self.ledger.settle(called.call, called.cost, called.usage.total()) {
                    return wrong("the end of a model call that is not under way");
                }
                self.working_ms = self.working_ms.max(called.working_ms);
                let was_stopped = matches!(
                    &called.outcome,
                    CallOutcome::Failed { failure } if failure.kind == FailureKind::Stopped
                );
                self.exchanged(called.call, u64::from(!was_stopped));
                if let CallOutcome::Answered { response, .. } = &called.outcome {
                    self.answers += 1;
                    self.model_bytes = self.model_bytes.saturating_add(response.kept_bytes());
                }
                self.asked_models.remove(&called.call);
            }
            Event::ModelLost { call } => {
                if !self.ledger.lose(*call) {
                    return wrong("the loss of a model call that is not under way");
                }
                self.asked_models.remove(call);
            }
            Event::Planned(_)
            | Event::IdeasHad(_)
            | Event::NodeBuilt(_)
            | Event::NodeDropped(_)
            | Event::EvaluationBegan(_)
            | Event::TrialReported(_)
            | Event::Evaluated(_) => {
                self.acted_at = line.seq;
                self.searched(line)?;
            }
            Event::UserNoted { text } => self.notes.push((line.seq, text.clone())),
            Event::Paused => self.is_paused = true,
            Event::Unpaused { .. } => self.is_paused = false,
            Event::LimitsChanged { limits } => self.limits = limits.clone(),
            Event::RunResumed => {
                self.is_paused = false;
                self.ended = None;
                self.new_segment();
            }
            Event::RunExtended { limits } => {
                self.limits = limits.clone();
                self.ended = None;
                self.new_segment();
            }
            Event::Noted { .. } => {}
            Event::RunEnded { ending, failure, working_ms, segment_wall_ms } => {
                self.ended = Some(Ended { ending: *ending, failure: failure.clone() });
                self.working_ms = self.working_ms.max(*working_ms);
                self.wall_ms = self.wall_ms.saturating_add(*segment_wall_ms);
                self.segment_began = Segment { working_ms: self.working_ms, grading_ms: 0 };
            }
        }
        self.last_at.clone_from(&line.time);
        self.events += 1;
        self.inherit();
        Ok(())
    }

    /// Attempts at calls of this model that came to an end so far.
    pub fn exchanges_with(&self, model: &str) -> u64 {
        self.exchanges.get(model).copied().unwrap_or(0)
    }

    /// Calls of this model that are under way.
    pub fn under_way_with(&self, model: &str) -> u64 {
        self.asked_models.values().filter(|asked| *asked == model).count() as u64
    }

    fn exchanged(&mut self, call: u64, times: u64) {
        if let Some(model) = self.asked_models.get(&call) {
            *self.exchanges.entry(model.clone()).or_default() += times;
        }
    }

    /// What counts against the limits.
    pub fn used(&self) -> Used {
        Used {
            steps: self.steps,
            working_ms: self.working_ms,
            spent: self.ledger.spent(),
            tokens: self.ledger.tokens(),
        }
    }

    /// Validations so far; every graded evaluation of a search is one.
    pub fn validations(&self) -> u64 {
        let asked =
            self.attempts.iter().filter(|attempt| attempt.kind == AttemptKind::Validate).count() as u64;
        asked + self.search.as_ref().map_or(0, |tree| tree.graded())
    }

    /// The last graded submission.
    pub fn submission(&self) -> Option<&Attempt> {
        self.attempts.iter().rev().find(|attempt| attempt.kind.is_submission())
    }

    /// The best valid attempt by the primary metric; the first of equals.
    pub fn best(&self) -> Option<&Attempt> {
        let primary = self.started.task.primary();
        let mut best: Option<(&Attempt, f64)> = None;
        for attempt in &self.attempts {
            let Some(value) = attempt.score.value(&primary) else { continue };
            if best.is_none_or(|(_, best)| primary.direction.gain(value, best) > 0.0) {
                best = Some((attempt, value));
            }
        }
        best.map(|(attempt, _)| attempt)
    }

    /// All findings of all attempts and of the run itself, each once, with the events they rest on.
    pub fn integrity(&self) -> Vec<Finding> {
        let mut findings: Vec<Finding> = Vec::new();
        for attempt in &self.attempts {
            for finding in &attempt.score.findings {
                let same =
                    |known: &&mut Finding| known.kind == finding.kind && known.evidence == finding.evidence;
                match findings.iter_mut().find(same) {
                    Some(known) => known.events.push(attempt.seq),
                    None => findings.push(Finding { events: vec![attempt.seq], ..finding.clone() }),
                }
            }
        }
        findings.extend(self.signs.findings());
        if self.is_unanswered() && !self.attempts.is_empty() {
            findings.push(Finding {
                kind: "model_never_answered".to_owned(),
                severity: Severity::Warning,
                events: self.attempts.iter().map(|attempt| attempt.seq).collect(),
                evidence: format!(
                    "none of {} questions to the model was answered: what was graded is not its work",
                    self.ledger.calls()
                ),
            });
        }
        findings
    }

    /// Whether models were asked and none ever answered.
    pub fn is_unanswered(&self) -> bool {
        self.ledger.calls() > 0 && self.answers == 0
    }

    /// By how much the best validation is better than the submission, where validations are scored on something else.
    /// What was chosen by luck, or fitted to the validations, shows as a large one.
    pub fn validation_gap(&self) -> Option<f64> {
        let primary = self.started.task.primary();
        let submission = self.submission()?;
        if submission.split != Split::Test {
            return None;
        }
        let submitted = submission.score.value(&primary)?;
        let validations = self.attempts.iter().filter(|attempt| attempt.split == Split::Validation);
        let searched = self.search.as_deref().filter(|_| self.started.task.grader.validate_on.is_apart());
        let best = searched
            .and_then(|tree| tree.get(tree.chosen(self.measurements_wanted())?)?.aggregate())
            .map(|found| found.mean);
        validations
            .filter_map(|attempt| attempt.score.value(&primary))
            .chain(best)
            .map(|value| primary.direction.gain(value, submitted))
            .max_by(f64::total_cmp)
    }

    /// Wall time over all segments, where `running` is that of the segment that is going on (zero if it died).
    pub fn wall_ms(&self, running: Option<u64>) -> u64 {
        self.wall_ms.saturating_add(running.unwrap_or_else(|| self.segment_ms()))
    }

    fn segment_ms(&self) -> u64 {
        (self.working_ms - self.segment_began.working_ms).saturating_add(self.segment_began.grading_ms)
    }

    fn new_segment(&mut self) {
        self.wall_ms = self.wall_ms(None);
        self.segment_began = Segment { working_ms: self.working_ms, grading_ms: 0 };
        self.segments += 1;
    }

    fn finish(&mut self, action_id: u64) -> bool {
        let before = self.in_flight.len();
        self.in_flight.retain(|begun| begun.action_id != action_id);
        self.in_flight.len() < before
    }
}
