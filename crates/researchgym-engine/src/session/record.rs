//! What an agent did and heard before: the record from which a resumed or forked run is answered as far as it goes.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

use researchgym_core::action::{Action, Body, Origin};
use researchgym_core::budget::Used;
use researchgym_core::event::{AskedRequest, CallOutcome, Caller, Event, Line, ModelAsked, ModelCalled};
use researchgym_core::model::{FailureKind, ModelFailure};
use researchgym_core::observation::{ExecEnding, Observation};
use researchgym_core::state::{RunState, StateError};

/// One thing that the agent did, with what came of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Recorded {
    /// What.
    pub(crate) item: Item,
    /// What the run had used after it: what the agent was told.
    pub(crate) used: Used,
}

/// See [`Recorded`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Item {
    /// An action.
    Act(Box<(Action, Observation)>),
    /// A question to a model.
    Ask(Box<RecordedAsk>),
}

/// A question with its answer, or with the failure that the agent was told.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RecordedAsk {
    pub(crate) conversation: u64,
    pub(crate) kept: u64,
    pub(crate) added: Vec<Body>,
    /// The user's newest note in the conversation then.
    pub(crate) told: Option<u64>,
    pub(crate) called: ModelCalled,
}

/// How the record treats what was under way when a program died or a limit came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unfinished {
    /// Done again: for agents that only repeat themselves.
    DoAgain,
    /// The agent is told that its effect is unknown.
    Tell,
}

/// The record of a log, in order.
///
/// # Errors
/// The events cannot come in this order.
pub(crate) fn record(lines: &[Line], unfinished: Unfinished) -> Result<VecDeque<Recorded>, StateError> {
    let Some((first, rest)) = lines.split_first() else { return Ok(VecDeque::new()) };
    let mut state = RunState::start(first)?;
    let mut acted: BTreeMap<u64, Action> = BTreeMap::new();
    let mut asked: BTreeMap<u64, Question> = BTreeMap::new();
    let mut record = VecDeque::new();
    for line in rest {
        state.apply(line)?;
        let item = match &line.event {
            Event::Acted { action_id, origin: Origin::Agent, action } => {
                acted.insert(*action_id, action.clone());
                None
            }
            Event::Observed { action_id, observation, .. } => {
                let cut_off = matches!(observation, Observation::Exec { ending: ExecEnding::Stopped, .. });
                let action = acted.remove(action_id);
                action
                    .filter(|_| !cut_off || unfinished == Unfinished::Tell)
                    .map(|action| Item::Act(Box::new((action, observation.clone()))))
            }
            Event::Interrupted { action_id } => {
                let action = acted.remove(action_id);
                action
                    .filter(|_| unfinished == Unfinished::Tell)
                    .map(|action| Item::Act(Box::new((action, interrupted()))))
            }
            Event::ModelAsked(question) if question.caller == Caller::Agent => {
                let repeats = question.retry_of.and_then(|call| asked.get(&call));
                if let Some(understood) = Question::of(question, repeats) {
                    asked.insert(question.call, understood);
                }
                None
            }
            Event::ModelCalled(called) => {
                let question = asked.get(&called.call).filter(|_| is_told(called));
                question.map(|question| Item::Ask(Box::new(question.clone().ended(called))))
            }
            _ => None,
        };
        record.extend(item.map(|item| Recorded { item, used: state.used() }));
    }
    Ok(record)
}

/// The answers that agents were told, by conversation, in order: for a search, whose conversations go on beside each other.
#[derive(Default)]
pub(crate) struct Answers {
    asked: BTreeMap<u64, Question>,
    told: BTreeMap<u64, VecDeque<RecordedAsk>>,
}

impl Answers {
    /// Takes in what an event says of questions and answers.
    pub(crate) fn see(&mut self, event: &Event) {
        match event {
            Event::ModelAsked(question) if question.caller == Caller::Agent => {
                let repeats = question.retry_of.and_then(|call| self.asked.get(&call));
                if let Some(understood) = Question::of(question, repeats) {
                    self.asked.insert(question.call, understood);
                }
            }
            Event::ModelCalled(called) if matches!(called.outcome, CallOutcome::Answered { .. }) => {
                if let Some(question) = self.asked.remove(&called.call) {
                    let ask = question.ended(called);
                    self.told.entry(ask.conversation).or_default().push_back(ask);
                }
            }
            _ => {}
        }
    }

    /// Forgets conversations that are over.
    pub(crate) fn forget(&mut self, conversations: Range<u64>) {
        self.asked.retain(|_, question| !conversations.contains(&question.conversation));
        self.told.retain(|conversation, _| !conversations.contains(conversation));
    }

    /// Those of conversations that may go on.
    pub(crate) fn into_told(self) -> BTreeMap<u64, VecDeque<RecordedAsk>> {
        self.told
    }
}

/// The newest question of the agent's that has no answer which it was told: the next one repeats it.
pub(crate) fn unanswered(lines: &[Line]) -> Option<u64> {
    let mut open = None;
    for line in lines {
        match &line.event {
            Event::ModelAsked(asked) if asked.caller == Caller::Agent => open = Some(asked.call),
            Event::ModelCalled(called) if is_told(called) && open == Some(called.call) => open = None,
            _ => {}
        }
    }
    open
}

/// What an agent is told of an action whose outcome nobody saw.
pub(crate) fn interrupted() -> Observation {
    Observation::Refused {
        reason: "the program was interrupted while this was under way; it may have been done, in part or not at all"
            .to_owned(),
    }
}

/// Whether the agent was told the outcome: answers, and a context that was full.
fn is_told(called: &ModelCalled) -> bool {
    match &called.outcome {
        CallOutcome::Answered { .. } | CallOutcome::Embedded { .. } => true,
        CallOutcome::Failed { failure: ModelFailure { kind, .. } } => *kind == FailureKind::ContextLength,
    }
}

/// What a question adds to which conversation.
#[derive(Clone, Debug)]
struct Question {
    conversation: u64,
    kept: u64,
    added: Vec<Body>,
    told: Option<u64>,
}

impl Question {
    /// A question that repeats another one adds only what that one did not: the agent has never been told of that one, so
    /// both are one question of the record.
    fn of(asked: &ModelAsked, repeats: Option<&Question>) -> Option<Question> {
        let AskedRequest::Conversation { conversation, kept, added, told, .. } = &asked.request else {
            return None;
        };
        let own = Question { conversation: *conversation, kept: *kept, added: added.clone(), told: *told };
        let Some(first) = repeats.filter(|first| first.conversation == own.conversation) else {
            return Some(own);
        };
        let shared = own.kept.checked_sub(first.kept).and_then(|shared| first.added.get(..shared as usize));
        Some(match shared {
            Some(shared) => {
                Question { kept: first.kept, added: [shared, own.added.as_slice()].concat(), ..own }
            }
            None => own,
        })
    }

    fn ended(self, called: &ModelCalled) -> RecordedAsk {
        let Question { conversation, kept, added, told } = self;
        RecordedAsk { conversation, kept, added, told, called: called.clone() }
    }
}

#[cfg(test)]
mod tests;
