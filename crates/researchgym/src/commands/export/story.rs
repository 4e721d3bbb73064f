//! A run with all that is known of it: what its agent said to models is in the log of a run of ours, and nowhere of others.

use std::collections::BTreeMap;

use researchgym_core::action::Body;
use researchgym_core::event::{AskedRequest, CallOutcome, Caller, Event, Line, ModelAsked, ModelCalled};
use researchgym_core::model::{Message, Reply, RequestSettings, Tool};
use researchgym_core::record::RunRecord;
use researchgym_core::spec::MicroUsd;
use researchgym_engine::records::{RecordError, steps_of};
use researchgym_engine::store::{Blobs, LogReader, RunFolder, StoreError};
use researchgym_report::{Call, Story};

/// What a run said to models.
#[derive(Default)]
pub(super) struct Spoken {
    /// The agent's conversation as it was at its end; absent if there was none, or a part of it cannot be read.
    pub(super) messages: Option<Vec<Message>>,
    /// The tools that it was offered last.
    pub(super) tools: Vec<Tool>,
    /// All calls in order.
    pub(super) calls: Vec<Call>,
    /// The version of the program that ran it.
    pub(super) version: Option<String>,
}

/// The story of a run.
pub(super) fn of(folder: &RunFolder, record: RunRecord) -> Result<Story, RecordError> {
    let mut steps = Vec::new();
    steps_of(folder, &mut |step| {
        steps.push(step);
        true
    })?;
    let spoken = spoken(folder)?;
    Ok(Story {
        messages: spoken.messages,
        tools: spoken.tools,
        calls: spoken.calls,
        version: spoken.version,
        ..Story::of(record, steps)
    })
}

/// What a run said to models; nothing is known of that for an imported one.
pub(super) fn spoken(folder: &RunFolder) -> Result<Spoken, StoreError> {
    if folder.is_imported() {
        return Ok(Spoken::default());
    }
    let mut listener = Listener::new(folder);
    for line in LogReader::open(folder)? {
        listener.take(&line?);
    }
    Ok(listener.finish())
}

/// A message with the call that it answers, if it is an answer.
type Said = (Message, Option<usize>);

struct Listener {
    blobs: Blobs,
    version: Option<String>,
    steps: u64,
    /// By number.
    conversations: BTreeMap<u64, Conversation>,
    /// The conversation that was asked in last.
    newest: Option<u64>,
    /// Calls under way, by number: with the conversation that the answer belongs to.
    open: BTreeMap<u64, (Call, Option<u64>, MicroUsd)>,
    calls: Vec<Call>,
}

#[derive(Default)]
struct Conversation {
    messages: Vec<Said>,
    tools: Vec<Tool>,
    is_unreadable: bool,
}

impl Listener {
    fn new(folder: &RunFolder) -> Listener {
        Listener {
            blobs: folder.blobs(),
            version: None,
            steps: 0,
            conversations: BTreeMap::new(),
            newest: None,
            open: BTreeMap::new(),
            calls: Vec::new(),
        }
    }

    fn take(&mut self, line: &Line) {
        match &line.event {
            Event::RunStarted(started) => self.version = Some(started.version.clone()),
            Event::Acted { .. } => self.steps += 1,
            Event::ModelAsked(asked) => self.asked(asked, &line.time),
            Event::ModelCalled(called) => self.called(called),
            Event::ModelLost { call } => {
                if let Some((call, _, held)) = self.open.remove(call) {
                    let failure = Some("its answer was lost when the program died".to_owned());
                    self.calls.push(Call { failure, cost: Some(held), ..call });
                }
            }
            _ => {}
        }
    }

    fn asked(&mut self, asked: &ModelAsked, time: &str) {
        let mut place = None;
        if let (Caller::Agent, AskedRequest::Conversation { conversation, kept, added, settings, .. }) =
            (&asked.caller, &asked.request)
        {
            let messages: Option<Vec<Message>> = added.iter().map(|body| read(&self.blobs, body)).collect();
            let settings = settings.as_ref().map(|body| read::<RequestSettings>(&self.blobs, body));
            let own = self.conversations.entry(*conversation).or_default();
            own.messages.truncate(usize::try_from(*kept).unwrap_or(usize::MAX));
            match messages {
                Some(messages) => own.messages.extend(messages.into_iter().map(|message| (message, None))),
                None => own.is_unreadable = true,
            }
            match settings {
                Some(Some(settings)) => own.tools = settings.tools,
                Some(None) => own.is_unreadable = true,
                None => {}
            }
            (self.newest, place) = (Some(*conversation), Some(*conversation));
        }
        let call = Call {
            model: asked.model.clone(),
            time: Some(time.to_owned()),
            answer: None,
            after_steps: self.steps,
            stop: None,
            failure: None,
            usage: None,
            cost: None,
            took_ms: None,
        };
        self.open.insert(asked.call, (call, place, asked.hold.cost));
        // A program's call is a step of its own.
        self.steps += u64::from(asked.caller != Caller::Agent);
    }

    fn called(&mut self, called: &ModelCalled) {
        let Some((call, place, _)) = self.open.remove(&called.call) else { return };
        let mut call = Call {
            usage: Some(called.usage),
            cost: Some(called.cost),
            took_ms: Some(called.latency_ms),
            ..call
        };
        match &called.outcome {
            CallOutcome::Answered { response, stop } => {
                call.stop = Some(stop.clone());
                if let Some(own) = place.and_then(|place| self.conversations.get_mut(&place)) {
                    match read::<Reply>(&self.blobs, response) {
                        Some(reply) => {
                            own.messages.push((Message::Assistant(reply.turn), Some(self.calls.len())))
                        }
                        None => own.is_unreadable = true,
                    }
                }
            }
            CallOutcome::Embedded { .. } => {}
            CallOutcome::Failed { failure } => call.failure = Some(failure.message.clone()),
        }
        self.calls.push(call);
    }

    fn finish(mut self) -> Spoken {
        let newest = self.newest.and_then(|newest| self.conversations.remove(&newest));
        let newest = newest.filter(|conversation| !conversation.is_unreadable);
        let Some(Conversation { messages, tools, .. }) = newest else {
            return Spoken { calls: self.calls, version: self.version, ..Spoken::default() };
        };
        let mut kept = Vec::with_capacity(messages.len());
        for (at, (message, call)) in messages.into_iter().enumerate() {
            if let Some(call) = call.and_then(|call| self.calls.get_mut(call)) {
                call.answer = Some(at);
            }
            kept.push(message);
        }
        Spoken { messages: Some(kept), tools, calls: self.calls, version: self.version }
    }
}

fn read<T: serde::de::DeserializeOwned>(blobs: &Blobs, body: &Body) -> Option<T> {
    serde_json::from_slice(&blobs.resolve(body).ok()?).ok()
}
