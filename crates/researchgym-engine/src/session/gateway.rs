//! The run's gateway as the session sees it: grants and bookings for the model calls of programs inside, in the order in
//! which they come. The session owns the log, so it alone may grant.

use std::time::{Duration, Instant};

use researchgym_core::event::{CallOutcome, Ending, Event, ModelCalled};
use researchgym_core::failure::Failure;
use researchgym_core::ledger::Shortage;
use researchgym_core::model::{FailureKind, ModelFailure, Usage};
use tokio::sync::mpsc;

use super::{Recorder, Session};
use crate::gateway::{Asked, Entry, Granted, Refused, Room, RunGateway, Settled, grant};

/// How long calls under way may take to be booked once the agent's programs are gone.
const SETTLING: Duration = Duration::from_secs(20);

/// The session's half of a gateway.
pub(crate) struct Counter {
    pub(crate) entries: mpsc::Receiver<Entry>,
    /// Ends the server when dropped.
    pub(crate) server: RunGateway,
}

/// Calls of programs that were refused in this segment.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    count: u64,
    last: String,
}

/// The run's log at one moment, for the entries of its gateway.
pub(super) struct Books<'a> {
    pub(super) recorder: &'a mut Recorder,
    /// Working time of the run so far.
    pub(super) working_ms: u64,
    pub(super) refusals: &'a mut Refusals,
}

impl Session {
    /// Takes one entry of the gateway.
    pub(super) fn on_entry(&mut self, entry: Entry) -> Result<(), Failure> {
        let working_ms = self.clock.working_ms();
        Books { recorder: &mut self.recorder, working_ms, refusals: &mut self.refusals }.on_entry(entry)
    }
}

impl Books<'_> {
    fn on_entry(&mut self, entry: Entry) -> Result<(), Failure> {
        match entry {
            Entry::Ask(asked, answer) => {
                let granted = self.grant_inside(*asked)?;
                if let Err(refused) = &granted {
                    self.note_refusal(refused)?;
                }
                // A client that has gone meanwhile never sends: its call is booked as unsent.
                if let Err(Ok(Granted { call, .. })) = answer.send(granted) {
                    self.recorder
                        .append_synced(Event::ModelCalled(Box::new(unsent(call, self.working_ms))))?;
                }
            }
            Entry::Retry { call, failure, wait_ms } => {
                if self.recorder.state.ledger.holds().contains_key(&call) {
                    self.recorder.append(Event::ModelRetried { call, failure, wait_ms })?;
                }
            }
            Entry::Settle(settled, booked) => {
                self.settle(*settled)?;
                drop(booked);
            }
        }
        Ok(())
    }

    fn grant_inside(&mut self, asked: Asked) -> Result<Result<Granted, Refused>, Failure> {
        let mut used = self.recorder.state.used();
        used.working_ms = self.working_ms;
        match self.recorder.state.limits.reached(used) {
            Some(Ending::StepLimit) => return Ok(Err(Refused::Steps(used.steps))),
            Some(Ending::TimeLimit) => return Ok(Err(Refused::Over)),
            _ => {}
        }
        let state = &self.recorder.state;
        let grant = match grant(&state.ledger, &state.limits, &asked) {
            Ok(grant) => grant,
            Err(shortage) => return Ok(Err(Refused::Shortage(shortage))),
        };
        let room = Room::of_run(self.recorder.folder.root().to_owned());
        if let Err(refused) = room.check(state.model_bytes, asked.body.len()) {
            return Ok(Err(refused));
        }
        let call = self.recorder.state.ledger.calls() + 1;
        let body = self.recorder.keep(&asked.body)?;
        self.recorder.append(asked.event(call, body, grant))?;
        let others = self.recorder.state.ledger.holds().len() as u64 - 1;
        let position = self.recorder.state.exchanges_with(&asked.endpoint.target.name) + others;
        Ok(Ok(Granted { call, max_output_tokens: grant.output, position }))
    }

    /// Tells of the first refusal, then of the tenth, the hundredth and so on.
    fn note_refusal(&mut self, refused: &Refused) -> Result<(), Failure> {
        self.refusals.count += 1;
        self.refusals.last = with_way_on(refused);
        let count = self.refusals.count;
        if 10_u64.checked_pow(count.ilog10()) == Some(count) {
            let text = self.refusals.told("so far");
            self.recorder.append(Event::Noted { text })?;
        }
        Ok(())
    }

    fn settle(&mut self, settled: Settled) -> Result<(), Failure> {
        if !self.recorder.state.ledger.holds().contains_key(&settled.call) {
            // Booked at its hold already, when the run ended.
            return Ok(());
        }
        let outcome = settled.outcome.into_outcome(|bytes| self.recorder.keep(bytes))?;
        self.recorder.append_synced(Event::ModelCalled(Box::new(ModelCalled {
            call: settled.call,
            outcome,
            cost: settled.cost,
            usage: settled.usage,
            usage_reported: settled.usage_reported,
            attempts: settled.attempts,
            waited_ms: settled.waited_ms,
            latency_ms: settled.latency_ms,
            first_byte_ms: settled.first_byte_ms,
            working_ms: self.working_ms,
        })))?;
        Ok(())
    }

    /// Books what is under way when the run ends: what comes in time as it is, the rest at its hold.
    pub(super) async fn close(&mut self, counter: Counter) -> Result<(), Failure> {
        // The server lives until all is booked.
        let Counter { mut entries, server: _server } = counter;
        let until = Instant::now() + SETTLING;
        while !self.recorder.state.ledger.holds().is_empty() {
            let left = until.saturating_duration_since(Instant::now());
            match tokio::time::timeout(left, entries.recv()).await {
                Ok(Some(Entry::Ask(_, answer))) => drop(answer.send(Err(Refused::Over))),
                Ok(Some(entry)) => self.on_entry(entry)?,
                Ok(None) | Err(_) => break,
            }
        }
        let under_way: Vec<_> =
            self.recorder.state.ledger.holds().iter().map(|(call, hold)| (*call, *hold)).collect();
        for (call, hold) in under_way {
            let usage = Usage { input: hold.tokens, ..Usage::default() };
            let called = ModelCalled {
                cost: hold.cost,
                usage,
                ..stopped(call, "the run ended before the answer did", self.working_ms)
            };
            self.recorder.append_synced(Event::ModelCalled(Box::new(called)))?;
        }
        if self.refusals.count > 0 {
            let text = self.refusals.told("in all");
            self.recorder.append(Event::Noted { text })?;
        }
        Ok(())
    }
}

impl Refusals {
    fn told(&self, until: &str) -> String {
        let calls = if self.count == 1 { "call" } else { "calls" };
        let were = if self.count == 1 { "was" } else { "were" };
        format!(
            "{} {calls} of programs to the model {were} refused {until}; the last one: {}",
            self.count, self.last
        )
    }
}

/// Why a call is refused, and what the user can do about it.
fn with_way_on(refused: &Refused) -> String {
    match refused {
        Refused::Shortage(shortage) => format!("{shortage}; {}", raise(shortage)),
        Refused::Steps(_) => format!("{refused}; raise --steps"),
        Refused::Over
        | Refused::TooLittle { .. }
        | Refused::Full { .. }
        | Refused::Disk { .. }
        | Refused::Log(_) => refused.to_string(),
    }
}

/// Which total to raise.
pub(super) fn raise(shortage: &Shortage) -> &'static str {
    match shortage {
        Shortage::Budget { .. } => "raise --budget",
        Shortage::Tokens { .. } => "raise --tokens",
    }
}

fn unsent(call: u64, working_ms: u64) -> ModelCalled {
    stopped(call, "the client hung up before the call was sent", working_ms)
}

fn stopped(call: u64, message: &str, working_ms: u64) -> ModelCalled {
    let failure = ModelFailure { kind: FailureKind::Stopped, status: None, message: message.to_owned() };
    ModelCalled {
        call,
        outcome: CallOutcome::Failed { failure },
        cost: Default::default(),
        usage: Usage::default(),
        usage_reported: false,
        attempts: 0,
        waited_ms: 0,
        latency_ms: 0,
        first_byte_ms: None,
        working_ms,
    }
}
