//! Asking a model: granted by the ledger, recorded before it is sent, booked when it is over; or answered from the record.

use std::sync::Arc;
use std::time::{Duration, Instant};

use researchgym_core::action::Body;
use researchgym_core::event::{AskedRequest, CallOutcome, Caller, Ending, Event, ModelAsked, ModelCalled};
use researchgym_core::failure::{Boundary, Failure};
use researchgym_core::ledger::{Grant, Hold, Shortage, Wish};
use researchgym_core::model::retry::ProviderFailure;
use researchgym_core::model::{
    Conversation, FailureKind, Message, ModelFailure, Reply, Request, RequestSettings, Usage, message_bound,
    settings_bound,
};

use super::gateway::raise;
use super::record::{Item, RecordedAsk};
use super::{Session, Stop};
use crate::model::{Attempted, Door};

/// The cap on output where neither the agent nor the model's facts name one.
const USUAL_OUTPUT: u64 = 32_000;
/// An answer that may have fewer tokens than this is not worth asking for.
const LEAST_OUTPUT: u64 = 512;
/// How often a question whose answer broke off or made no sense is asked again; each time is paid for.
pub(crate) const PAID_RETRIES: u32 = 3;

/// What an agent gets for a question.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// An answer. The conversation has it already.
    Reply(Box<Reply>),
    /// The conversation is longer than the model's context: shorten it and ask again.
    ContextFull(String),
}

/// How a question without an answer goes on.
enum Unanswered {
    AskAgain(Duration),
    Told(Answer),
    Ends(Failure),
}

impl Session {
    /// Asks the run's model to go on with a conversation, to which the answer is added.
    ///
    /// # Errors
    /// [`Stop`] when the run is over (the next answer may cost more than is left, a limit, cancelled) or the model cannot
    /// be asked.
    pub async fn ask(
        &mut self,
        conversation: &mut Conversation,
        settings: &RequestSettings,
    ) -> Result<Answer, Stop> {
        if let Some(answer) = self.recall_answer(conversation)? {
            return Ok(answer);
        }
        self.may_go_on().await?;
        let door = self.door.clone().ok_or_else(|| {
            Failure::new(Boundary::Model, "this run has no model")
                .hinted("name one with --model provider/model")
        })?;
        let mut repeats = self.unanswered.take();
        for paid in 0..=PAID_RETRIES {
            let grant = self.grant(&door, conversation, settings)?;
            let call = self.set_aside(&door, conversation, settings, grant, repeats)?;
            let mut settings = RequestSettings { max_output_tokens: Some(grant.output), ..settings.clone() };
            for (key, value) in &door.endpoint.request {
                settings.extra.entry(key).or_insert_with(|| value.clone());
            }
            // Lent, not copied: a conversation may be long.
            let request = Request { messages: conversation.lend(), settings };
            let attempted = self.answer_of(&door, call, &request, grant).await;
            conversation.give_back(request.messages);
            let Outcome { called, result, again } = attempted?;
            self.recorder.append_synced(Event::ModelCalled(Box::new(called)))?;
            self.note_used();
            match result {
                Ok((reply, tokens)) => {
                    conversation.answered(reply.turn.clone(), tokens);
                    return Ok(Answer::Reply(Box::new(reply)));
                }
                Err(failure) => match unanswered(&door, failure, paid, again) {
                    Unanswered::AskAgain(wait) => {
                        repeats = Some(call);
                        self.wait_for_provider(wait).await?;
                    }
                    Unanswered::Told(answer) => return Ok(answer),
                    Unanswered::Ends(failure) => return Err(failure.into()),
                },
            }
        }
        Err(Failure::new(Boundary::Model, "the model gave no usable answer").into())
    }

    /// The answer on record, if the record goes on with a question. The recorded messages take the place of the agent's
    /// own: what was said then is what the conversation is, whatever this program would say today.
    fn recall_answer(&mut self, conversation: &mut Conversation) -> Result<Option<Answer>, Stop> {
        let Some(recorded) = self.recorded.front() else { return Ok(None) };
        let Item::Ask(ask) = &recorded.item else {
            return self.diverged("asks a model where the record goes on with an action").map(|()| None);
        };
        let used = recorded.used;
        let RecordedAsk { kept, added, told, called, conversation: id } = (**ask).clone();
        let added = added.iter().map(|body| self.message(body)).collect::<Result<Vec<_>, Failure>>()?;
        if id != conversation.id || !conversation.recall(kept as usize, added) {
            return self.diverged("asks about another conversation than the one on record").map(|()| None);
        }
        self.recorded.pop_front();
        self.seen = used;
        self.told_until = told.unwrap_or_default();
        Ok(Some(match &called.outcome {
            CallOutcome::Answered { response, .. } => {
                let bytes = self.recorder.blobs.resolve(response)?;
                let reply: Reply = serde_json::from_slice(&bytes).map_err(|error| {
                    Failure::new(
                        Boundary::Store,
                        format!("the recorded answer of call {}: {error}", called.call),
                    )
                })?;
                conversation.answered(reply.turn.clone(), counted(&called));
                Answer::Reply(Box::new(reply))
            }
            CallOutcome::Embedded { .. } => {
                let broken = format!("call {} is a question that has vectors for an answer", called.call);
                return Err(Failure::new(Boundary::Store, broken).into());
            }
            CallOutcome::Failed { failure } => Answer::ContextFull(failure.message.clone()),
        }))
    }

    /// A recorded message.
    pub(super) fn message(&self, body: &Body) -> Result<Message, Failure> {
        let bytes = self.recorder.blobs.resolve(body)?;
        serde_json::from_slice(&bytes)
            .map_err(|error| Failure::new(Boundary::Store, format!("a recorded message: {error}")))
    }

    /// The highest cap on output that fits into what is left.
    fn grant(
        &mut self,
        door: &Door,
        conversation: &Conversation,
        settings: &RequestSettings,
    ) -> Result<Grant, Stop> {
        let shortage = match self.granted(door, conversation, settings) {
            Ok(grant) => return Ok(grant),
            Err(shortage) => shortage,
        };
        self.note_shortage(&shortage)?;
        Err(Stop::Ended(ended_by(&shortage)))
    }

    /// The same, without a word in the log.
    pub(super) fn granted(
        &self,
        door: &Door,
        conversation: &Conversation,
        settings: &RequestSettings,
    ) -> Result<Grant, Shortage> {
        let facts = &door.endpoint.facts;
        let price = facts.price.unwrap_or_default();
        let input = input_bound(door, conversation, settings);
        let output = settings.max_output_tokens.or(facts.max_output.map(|most| most.min(USUAL_OUTPUT)));
        let wish = Wish {
            cost: &|output| price.bound(input, output),
            input,
            output: output.unwrap_or(USUAL_OUTPUT),
            least_output: least_output(settings),
        };
        let state = &self.recorder.state;
        state.ledger.grant(&state.limits, &wish)
    }

    /// Says in the log why no model is asked.
    pub(crate) fn note_shortage(&mut self, shortage: &Shortage) -> Result<(), Failure> {
        let text = format!("the model is not asked: {shortage}; {}", raise(shortage));
        self.recorder.append(Event::Noted { text }).map(drop)
    }

    /// What must be left for the next question to be asked at all.
    pub fn least_hold(&self, conversation: &Conversation, settings: &RequestSettings) -> Hold {
        let Some(door) = &self.door else { return Hold::default() };
        let input = input_bound(door, conversation, settings);
        let output = least_output(settings);
        let price = door.endpoint.facts.price.unwrap_or_default();
        Hold { cost: price.bound(input, output), tokens: input.saturating_add(output) }
    }

    /// Records the question with what it can cost; from here on it is under way.
    pub(super) fn set_aside(
        &mut self,
        door: &Door,
        conversation: &mut Conversation,
        settings: &RequestSettings,
        grant: Grant,
        retry_of: Option<u64>,
    ) -> Result<u64, Failure> {
        let call = self.recorder.state.ledger.calls() + 1;
        let kept = conversation.recorded();
        let mut added = Vec::new();
        for message in &conversation.messages()[kept..] {
            added.push(self.recorder.keep_json(message)?);
        }
        let is_asked_alike =
            self.asked_with.as_ref().is_some_and(|(id, last)| *id == conversation.id && last == settings);
        let new_settings = match is_asked_alike {
            true => None,
            false => Some(self.recorder.keep_json(settings)?),
        };
        self.recorder.append(Event::ModelAsked(Box::new(ModelAsked {
            call,
            caller: Caller::Agent,
            model: door.endpoint.target.name.clone(),
            wire: door.endpoint.wire,
            request: AskedRequest::Conversation {
                conversation: conversation.id,
                kept: kept as u64,
                added,
                settings: new_settings,
                told: Some(self.told_until).filter(|seq| *seq > 0),
            },
            max_output_tokens: grant.output,
            hold: grant.hold,
            retry_of,
        })))?;
        if !is_asked_alike {
            self.asked_with = Some((conversation.id, settings.clone()));
        }
        conversation.mark_recorded();
        Ok(call)
    }

    /// Sends the question until it is answered, is paid for, or cannot be. Programs inside are served meanwhile.
    async fn answer_of(
        &mut self,
        door: &Arc<Door>,
        call: u64,
        request: &Request,
        grant: Grant,
    ) -> Result<Outcome, Stop> {
        let mut attempts = 0;
        let mut waited = Duration::ZERO;
        loop {
            attempts += 1;
            let sent = Instant::now();
            let exchanges = self.recorder.state.exchanges_with(&door.endpoint.target.name);
            let attempt = door.attempt(request, exchanges);
            let sandbox = self.sandbox.clone();
            let attempted = self.attend_until(sandbox.guarded(attempt)).await;
            // A pause in which an answer lay ready is not the provider's.
            let latency = attempted.as_ref().map_or_else(|_| sent.elapsed(), |attempted| attempted.latency);
            let bill = |attempted: &Attempted, session: &Session| {
                session.called(door, call, grant, attempted, attempts, waited, latency)
            };
            match attempted {
                Ok(attempted) => {
                    let wait = match attempted.billed {
                        None => door.wait_before(&attempted, attempts),
                        Some(_) => None,
                    };
                    let (Err(failure), Some(wait)) = (&attempted.result, wait) else {
                        return bill(&attempted, self).map_err(Stop::Failed);
                    };
                    let wait_ms = wait.as_millis() as u64;
                    let last = failure.message.clone();
                    let failure = failure.clone().into();
                    self.recorder.append(Event::ModelRetried { call, failure, wait_ms })?;
                    if let Err(stop) = self.wait_for_provider(wait).await {
                        // Nothing is under way: the call ends unbilled. Its last attempt is recorded already.
                        let called = bill(&given_up(last), self).map_err(Stop::Failed)?.called;
                        self.recorder.append_synced(Event::ModelCalled(Box::new(called)))?;
                        return Err(stop);
                    }
                    waited += wait;
                }
                Err(stop) => {
                    // The provider may have answered: it is booked at the most that it can cost.
                    let called = bill(&stopped(grant), self).map_err(Stop::Failed)?.called;
                    self.recorder.append_synced(Event::ModelCalled(Box::new(called)))?;
                    return Err(stop);
                }
            }
        }
    }

    /// Waits as a provider asked us to: not working time.
    async fn wait_for_provider(&mut self, wait: Duration) -> Result<(), Stop> {
        let began = Instant::now();
        let left_out = self.clock.left_out();
        let sandbox = self.sandbox.clone();
        let waited = self.attend_until(sandbox.guarded(tokio::time::sleep(wait))).await;
        // A pause or a grading meanwhile is left out already.
        let meanwhile = self.clock.left_out() - left_out;
        self.clock.leave_out(began.elapsed().saturating_sub(meanwhile));
        waited
    }

    #[expect(clippy::too_many_arguments, reason = "one event, put together at the end of its one way")]
    pub(super) fn called(
        &self,
        door: &Door,
        call: u64,
        grant: Grant,
        attempted: &Attempted,
        attempts: u32,
        waited: Duration,
        latency: Duration,
    ) -> Result<Outcome, Failure> {
        let mut usage = attempted.billed.unwrap_or_default();
        let is_hold = attempted.billed.is_some()
            && matches!(&attempted.result, Err(failure) if failure.kind == FailureKind::Stopped);
        let price = door.endpoint.facts.price.unwrap_or_default();
        let cost = match (is_hold, attempted.prompt_reported) {
            (true, _) => grant.hold.cost,
            (false, true) => price.cost(usage),
            (false, false) => price.bound(usage.input, usage.output),
        };
        // Where the provider told nothing, the closer of two bounds holds: the hold knows what it counted before.
        let cost = if attempted.usage_reported { cost } else { cost.min(grant.hold.cost) };
        if !attempted.usage_reported {
            let excess = usage.total().saturating_sub(grant.hold.tokens);
            usage.input = usage.input.saturating_sub(excess);
        }
        let outcome = match &attempted.result {
            Ok(reply) => {
                let bytes = serde_json::to_vec(reply)
                    .map_err(|error| Failure::new(Boundary::Model, format!("an answer: {error}")))?;
                CallOutcome::Answered { response: self.recorder.keep(&bytes)?, stop: reply.stop.clone() }
            }
            Err(failure) => CallOutcome::Failed { failure: failure.clone().into() },
        };
        let called = ModelCalled {
            call,
            outcome,
            cost,
            usage,
            usage_reported: attempted.usage_reported,
            attempts,
            waited_ms: waited.as_millis() as u64,
            latency_ms: latency.as_millis() as u64,
            first_byte_ms: attempted.first_byte.map(|time| time.as_millis() as u64),
            working_ms: self.clock.working_ms(),
        };
        let tokens = counted(&called);
        let result = attempted.result.clone().map(|reply| (reply, tokens)).map_err(ModelFailure::from);
        let again = attempted.billed.and_then(|_| door.wait_before(attempted, 1));
        Ok(Outcome { called, result, again })
    }
}

/// How a run ends that has too little left.
pub(crate) fn ended_by(shortage: &Shortage) -> Ending {
    match shortage {
        Shortage::Budget { .. } => Ending::Budget,
        Shortage::Tokens { .. } => Ending::TokenLimit,
    }
}

/// The most tokens that the prompt can have.
fn input_bound(door: &Door, conversation: &Conversation, settings: &RequestSettings) -> u64 {
    let mut input = conversation.tokens_bound(message_bound);
    if !conversation.is_counted() {
        input = input.saturating_add(settings_bound(settings));
    }
    door.endpoint.facts.context_window.map_or(input, |window| input.min(window))
}

/// A cap below what the model is asked to think is refused by providers.
fn least_output(settings: &RequestSettings) -> u64 {
    let thinking = settings.reasoning.as_ref().and_then(|reasoning| reasoning.budget_tokens);
    LEAST_OUTPUT.saturating_add(thinking.unwrap_or(0))
}

/// The end of a call, not yet recorded.
pub(super) struct Outcome {
    pub(super) called: ModelCalled,
    pub(super) result: Result<(Reply, Option<u64>), ModelFailure>,
    /// It was paid for and failed in a way that passes: after how long it may be asked once more.
    pub(super) again: Option<Duration>,
}

/// Tokens of prompt and answer, if the provider counted them.
fn counted(called: &ModelCalled) -> Option<u64> {
    called.usage_reported.then(|| called.usage.total())
}

/// The run ended while the answer was under way: it may be paid for in full.
pub(super) fn stopped(grant: Grant) -> Attempted {
    let message = "the run ended while the answer was under way".to_owned();
    let input = grant.hold.tokens.saturating_sub(grant.output);
    Attempted {
        result: Err(ProviderFailure::new(FailureKind::Stopped, message)),
        billed: Some(Usage { input, output: grant.output, ..Usage::default() }),
        usage_reported: false,
        prompt_reported: false,
        latency: Duration::ZERO,
        first_byte: None,
    }
}

/// The run ended while another attempt was waited for: nothing is paid for.
fn given_up(last: String) -> Attempted {
    let message = format!("the run ended before another attempt; the last one: {last}");
    Attempted {
        result: Err(ProviderFailure::new(FailureKind::Stopped, message)),
        billed: None,
        usage_reported: true,
        prompt_reported: true,
        latency: Duration::ZERO,
        first_byte: None,
    }
}

fn unanswered(door: &Door, failure: ModelFailure, paid: u32, again: Option<Duration>) -> Unanswered {
    match failure.kind {
        FailureKind::ContextLength => Unanswered::Told(Answer::ContextFull(failure.message)),
        FailureKind::BrokenStream | FailureKind::Malformed if paid < PAID_RETRIES => {
            Unanswered::AskAgain(Duration::ZERO)
        }
        // An error in the midst of an answer: that the provider is overloaded, say.
        _ if paid < PAID_RETRIES && again.is_some() => Unanswered::AskAgain(again.unwrap_or_default()),
        _ => Unanswered::Ends(door.failure(&failure)),
    }
}
