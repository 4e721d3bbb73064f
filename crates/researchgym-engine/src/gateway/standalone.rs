//! The owner of the log of a gateway by itself: one ledger for all its clients, and a folder that records the calls.
//!
//! It works on a thread of its own and takes what has gathered: the disk is waited for once for all entries that came
//! meanwhile, before any of them is answered. If the folder cannot be written any more, no further call is granted;
//! those under way are still counted.

mod journal;

use std::path::Path;
use std::time::Instant;

use researchgym_core::event::{Event, ModelCalled};
use researchgym_core::ledger::{Grant, Hold, Ledger, Shortage, Wish};
use researchgym_core::model::{ModelFacts, Usage};
use researchgym_core::spec::{Limits, MicroUsd};
use tokio::sync::{mpsc, oneshot};

pub use self::journal::JournalError;
use self::journal::{Journal, Opened};
use super::teller::{Asked, Entry, Granted, Refused, Settled};

/// A call is not worth sending with a lower cap on its output, unless the client itself asks for less.
const LEAST_OUTPUT: u64 = 256;
/// The cap on output where neither the client nor what is known of the model says one.
const DEFAULT_OUTPUT: u64 = 32_000;
/// How many entries are answered together at most.
const TOGETHER: usize = 256;

/// The owner of the ledger.
pub struct Standalone {
    ledger: Ledger,
    limits: Limits,
    journal: Option<Journal>,
    broken: Option<String>,
    began: Instant,
    summary: Summary,
}

/// What a gateway has done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Calls that are over, those of earlier days included.
    pub calls: u64,
    /// Of these, calls that failed.
    pub failed: u64,
    /// Tokens of prompts and answers.
    pub usage: Usage,
    /// What they cost.
    pub spent: MicroUsd,
    /// What is set aside for calls that are not over.
    pub held: Hold,
    /// Why calls are not recorded any more, if that happened.
    pub broken: Option<String>,
}

/// A reply that is given when the disk has the entries before it.
enum Reply {
    Granted(oneshot::Sender<Result<Granted, Refused>>, Granted),
    Refused(oneshot::Sender<Result<Granted, Refused>>, Refused),
    Booked(Option<oneshot::Sender<()>>),
}

impl Standalone {
    /// Begins with nothing spent, or goes on with what a folder records. Calls that were under way when the program
    /// died are booked at what was set aside for them.
    ///
    /// # Errors
    /// The folder cannot be used, or another process uses it.
    pub fn open(limits: Limits, folder: Option<&Path>) -> Result<Standalone, JournalError> {
        let mut standalone = Standalone {
            ledger: Ledger::default(),
            limits,
            journal: None,
            broken: None,
            began: Instant::now(),
            summary: Summary::default(),
        };
        if let Some(folder) = folder {
            let Opened { journal, events } = Journal::open(folder)?;
            for (number, event) in events.iter().enumerate() {
                if !standalone.apply(event) {
                    return Err(JournalError::Order { path: journal.path().to_owned(), line: number + 1 });
                }
            }
            standalone.journal = Some(journal);
            let lost: Vec<u64> = standalone.ledger.holds().keys().copied().collect();
            for call in lost {
                standalone.record(Event::ModelLost { call });
            }
            standalone.sync();
            if let Some(message) = standalone.broken.take() {
                return Err(JournalError::Unwritable { message });
            }
        }
        Ok(standalone)
    }

    /// Takes entries until all tellers are gone.
    pub fn run(mut self, mut entries: mpsc::Receiver<Entry>) -> Summary {
        while let Some(first) = entries.blocking_recv() {
            let mut replies = Vec::new();
            let mut next = Some(first);
            while let Some(entry) = next {
                replies.extend(self.take(entry));
                next = if replies.len() < TOGETHER { entries.try_recv().ok() } else { None };
            }
            self.sync();
            for reply in replies {
                self.answer(reply);
            }
        }
        self.summary()
    }

    /// What was done so far.
    pub fn summary(&self) -> Summary {
        Summary {
            spent: self.ledger.spent(),
            held: self.ledger.held(),
            broken: self.broken.clone(),
            ..self.summary.clone()
        }
    }

    fn take(&mut self, entry: Entry) -> Option<Reply> {
        match entry {
            // Whoever asked is gone already.
            Entry::Ask(_, sender) if sender.is_closed() => None,
            Entry::Ask(asked, sender) => Some(match self.ask(*asked) {
                Ok(granted) => Reply::Granted(sender, granted),
                Err(refused) => Reply::Refused(sender, refused),
            }),
            Entry::Retry { call, failure, wait_ms } => {
                self.record(Event::ModelRetried { call, failure, wait_ms });
                None
            }
            Entry::Settle(settled, sender) => {
                self.settle(*settled);
                Some(Reply::Booked(sender))
            }
        }
    }

    fn answer(&mut self, reply: Reply) {
        match reply {
            Reply::Granted(sender, granted) => {
                let answer = match &self.broken {
                    None => Ok(granted),
                    Some(message) => Err(Refused::Log(message.clone())),
                };
                let is_refused = answer.is_err();
                // Whoever asked may be gone; then nothing is sent and nothing may stay set aside.
                if sender.send(answer).is_err() || is_refused {
                    self.release(granted.call);
                }
            }
            Reply::Refused(sender, refused) => drop(sender.send(Err(refused))),
            Reply::Booked(sender) => drop(sender),
        }
    }

    fn ask(&mut self, asked: Asked) -> Result<Granted, Refused> {
        if let Some(message) = &self.broken {
            return Err(Refused::Log(message.clone()));
        }
        let grant = grant(&self.ledger, &self.limits, &asked).map_err(Refused::Shortage)?;
        let call = self.ledger.calls() + 1;
        let body = match &self.journal {
            Some(journal) => {
                journal.room().check(0, asked.body.len())?;
                journal.body(&asked.body).map_err(|error| {
                    self.broken = Some(error.to_string());
                    Refused::Log(error.to_string())
                })?
            }
            None => journal::unrecorded(),
        };
        self.record(asked.event(call, body, grant));
        Ok(Granted { call, max_output_tokens: grant.output, position: call - 1 })
    }

    fn settle(&mut self, settled: Settled) {
        let Settled { call, outcome, cost, usage, usage_reported, attempts, waited_ms, latency_ms, .. } =
            settled;
        let journal = self.journal.as_ref();
        let kept = outcome.into_outcome(|bytes| {
            journal.map_or_else(|| Ok(journal::unrecorded()), |journal| journal.body(bytes))
        });
        let outcome = match kept {
            Ok(outcome) => outcome,
            Err(error) => {
                // The money is gone all the same: the ledger must know.
                self.broken = Some(error.to_string());
                researchgym_core::event::CallOutcome::Answered {
                    response: journal::unrecorded(),
                    stop: researchgym_core::model::Stop::Other("not recorded".to_owned()),
                }
            }
        };
        let working = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.record(Event::ModelCalled(Box::new(ModelCalled {
            call,
            outcome,
            cost,
            usage,
            usage_reported,
            attempts,
            waited_ms,
            latency_ms,
            first_byte_ms: settled.first_byte_ms,
            working_ms: working,
        })));
    }

    /// Takes a call that was granted and not sent out of the books.
    fn release(&mut self, call: u64) {
        self.settle(Settled {
            call,
            outcome: super::teller::Booked::Failed(researchgym_core::model::ModelFailure {
                kind: researchgym_core::model::FailureKind::Unreachable,
                status: None,
                message: "it was not sent".to_owned(),
            }),
            cost: MicroUsd(0),
            usage: Usage::default(),
            usage_reported: true,
            attempts: 0,
            waited_ms: 0,
            latency_ms: 0,
            first_byte_ms: None,
        });
    }

    /// Writes an event down and lets it have its effect on the ledger.
    fn record(&mut self, event: Event) {
        if let (Some(journal), None) = (&mut self.journal, &self.broken)
            && let Err(error) = journal.append(&event)
        {
            self.broken = Some(error.to_string());
        }
        // Whatever is recorded was decided by the ledger itself just before.
        let _ = self.apply(&event);
    }

    fn sync(&mut self) {
        if let (Some(journal), None) = (&mut self.journal, &self.broken)
            && let Err(error) = journal.sync()
        {
            self.broken = Some(error.to_string());
        }
    }

    /// The effect of an event; false if it cannot follow those before it.
    #[must_use]
    fn apply(&mut self, event: &Event) -> bool {
        match event {
            Event::ModelAsked(asked) => self.ledger.reserve(asked.call, asked.hold),
            Event::ModelRetried { call, .. } => self.ledger.holds().contains_key(call),
            Event::ModelCalled(called) => {
                let is_failed = matches!(called.outcome, researchgym_core::event::CallOutcome::Failed { .. });
                self.count(called.usage, is_failed);
                self.ledger.settle(called.call, called.cost, called.usage.total())
            }
            Event::ModelLost { call } => {
                let hold = self.ledger.holds().get(call).copied().unwrap_or_default();
                self.count(Usage { input: hold.tokens, ..Usage::default() }, true);
                self.ledger.lose(*call)
            }
            _ => false,
        }
    }

    fn count(&mut self, usage: Usage, is_failed: bool) {
        let summary = &mut self.summary;
        summary.calls += 1;
        summary.failed += u64::from(is_failed);
        let sum = &mut summary.usage;
        sum.input = sum.input.saturating_add(usage.input);
        sum.cache_read = sum.cache_read.saturating_add(usage.cache_read);
        sum.cache_write_5m = sum.cache_write_5m.saturating_add(usage.cache_write_5m);
        sum.cache_write_1h = sum.cache_write_1h.saturating_add(usage.cache_write_1h);
        sum.output = sum.output.saturating_add(usage.output);
        sum.reasoning = sum.reasoning.saturating_add(usage.reasoning);
    }
}

/// Grants a client's call, with the highest cap on output that fits.
///
/// # Errors
/// Not even the least output fits.
pub fn grant(ledger: &Ledger, limits: &Limits, asked: &Asked) -> Result<Grant, Shortage> {
    let facts = &asked.endpoint.facts;
    let price = facts.price.as_ref();
    let cost = |output: u64| price.map_or(MicroUsd(0), |price| price.bound(asked.input_bound, output));
    let output = asked.output_wanted.unwrap_or_else(|| default_output(facts, asked.input_bound));
    ledger.grant(limits, &Wish { cost: &cost, input: asked.input_bound, output, least_output: LEAST_OUTPUT })
}

/// The cap on output for a client that says none: as much as the model can say in what its window leaves.
fn default_output(facts: &ModelFacts, input_bound: u64) -> u64 {
    let longest = facts.max_output.unwrap_or(DEFAULT_OUTPUT);
    let window = facts.context_window.map_or(u64::MAX, |window| window.saturating_sub(input_bound));
    longest.min(window.max(LEAST_OUTPUT))
}
