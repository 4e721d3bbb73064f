//! A call that was granted and must be booked, come what may: dropped unbooked, it books itself at its bounds.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use researchgym_core::model::{FailureKind, ModelFailure, Stop, Usage};
use researchgym_core::spec::MicroUsd;

use super::meter::Reading;
use super::teller::{Booked, Settled, Teller};
use crate::model::Endpoint;

/// A granted call that is not yet booked.
pub(super) struct Booking {
    teller: Teller,
    endpoint: Arc<Endpoint>,
    call: u64,
    input_bound: u64,
    output_bound: u64,
    choices: u64,
    attempts: u32,
    waited: Duration,
    sent: Option<Instant>,
    first_byte: Option<Duration>,
    is_open: bool,
}

/// What a call is bounded by.
pub(super) struct Bounds {
    /// Tokens of the prompt.
    pub(super) input: u64,
    /// Tokens of all choices together.
    pub(super) output: u64,
    /// How many choices were asked for.
    pub(super) choices: u64,
}

impl Booking {
    pub(super) fn new(teller: Teller, endpoint: Arc<Endpoint>, call: u64, bounds: &Bounds) -> Booking {
        Booking {
            teller,
            endpoint,
            call,
            input_bound: bounds.input,
            output_bound: bounds.output,
            choices: bounds.choices,
            attempts: 0,
            waited: Duration::ZERO,
            sent: None,
            first_byte: None,
            is_open: true,
        }
    }

    /// The call's number.
    pub(super) fn call(&self) -> u64 {
        self.call
    }

    /// How often it was sent.
    pub(super) fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Notes that it is sent now.
    pub(super) fn sending(&mut self) {
        self.attempts += 1;
        self.sent = Some(Instant::now());
        self.first_byte = None;
    }

    /// Notes that the answer begins.
    pub(super) fn answering(&mut self) {
        self.first_byte = self.sent.map(|sent| sent.elapsed());
    }

    /// Notes that the last attempt failed unbilled and that another follows after a wait.
    pub(super) async fn retrying(&mut self, failure: ModelFailure, wait: Duration) {
        self.sent = None;
        self.waited += wait;
        self.teller.retry(self.call, failure, milliseconds(wait)).await;
    }

    /// Books a call that the provider does not bill.
    pub(super) async fn unbilled(mut self, failure: ModelFailure) {
        let settled = self.settled(Booked::Failed(failure), Usage::default(), MicroUsd(0), true);
        self.teller.clone().settle(settled).await;
    }

    /// Books a call of which nothing is known but that the provider had it.
    pub(super) async fn lost(mut self, failure: ModelFailure) {
        let settled = self.at_bounds(failure);
        self.teller.clone().settle(settled).await;
    }

    /// Books an answer that ended, well or not.
    pub(super) async fn ended(mut self, reading: &Reading) {
        let stop = match &reading.reply {
            Ok(reply) => Ok(reply.stop.clone()),
            Err(error) => Err(super::failures::of_wire(error)),
        };
        let settled = match (stop, reading.usage) {
            (Ok(stop), Some(usage)) => self.answered(reading.bytes.clone(), stop, usage, true),
            (Ok(stop), None) => {
                let usage = Usage { input: self.input_bound, output: self.output_bound, ..Usage::default() };
                self.answered(reading.bytes.clone(), stop, usage, false)
            }
            // An error in place of an answer: nothing was made that could be billed.
            (Err(failure), None)
                if failure.kind != FailureKind::BrokenStream && reading.output_bytes == 0 =>
            {
                self.settled(Booked::Failed(failure), Usage::default(), MicroUsd(0), true)
            }
            (Err(failure), _) => self.broken(failure, reading.usage, reading.output_bytes),
        };
        self.teller.clone().settle(settled).await;
    }

    /// Books an answer that broke off.
    pub(super) async fn broke_off(mut self, failure: ModelFailure, usage: Option<Usage>, output_bytes: u64) {
        let settled = self.broken(failure, usage, output_bytes);
        self.teller.clone().settle(settled).await;
    }

    fn answered(&mut self, bytes: Bytes, stop: Stop, usage: Usage, is_reported: bool) -> Settled {
        let cost = if is_reported { self.cost(usage) } else { self.bound(usage) };
        self.settled(Booked::Answered { bytes, stop }, usage, cost, is_reported)
    }

    /// What was used by an answer that broke off: the prompt as reported or else its bound, and no less output than has
    /// come. A token has at least one byte.
    fn broken(&mut self, failure: ModelFailure, seen: Option<Usage>, output_bytes: u64) -> Settled {
        let come = if self.choices == 1 { output_bytes.min(self.output_bound) } else { self.output_bound };
        let (usage, cost) = match seen.filter(|seen| seen.tells_prompt()) {
            Some(seen) => {
                let usage = Usage { output: seen.output.max(come), ..seen };
                (usage, self.cost(usage))
            }
            None => {
                let usage = Usage { input: self.input_bound, output: come, ..Usage::default() };
                (usage, self.bound(usage))
            }
        };
        self.settled(Booked::Failed(failure), usage, cost, false)
    }

    fn at_bounds(&mut self, failure: ModelFailure) -> Settled {
        let usage = Usage { input: self.input_bound, output: self.output_bound, ..Usage::default() };
        let cost = self.bound(usage);
        self.settled(Booked::Failed(failure), usage, cost, false)
    }

    fn cost(&self, usage: Usage) -> MicroUsd {
        self.endpoint.facts.price.as_ref().map_or(MicroUsd(0), |price| price.cost(usage))
    }

    fn bound(&self, usage: Usage) -> MicroUsd {
        let price = self.endpoint.facts.price.as_ref();
        price.map_or(MicroUsd(0), |price| price.bound(usage.input, usage.output))
    }

    fn settled(&mut self, outcome: Booked, usage: Usage, cost: MicroUsd, usage_reported: bool) -> Settled {
        self.is_open = false;
        Settled {
            call: self.call,
            outcome,
            cost,
            usage,
            usage_reported,
            attempts: self.attempts,
            waited_ms: milliseconds(self.waited),
            latency_ms: self.sent.map_or(0, |sent| milliseconds(sent.elapsed())),
            first_byte_ms: self.first_byte.map(milliseconds),
        }
    }
}

impl Drop for Booking {
    fn drop(&mut self) {
        if !self.is_open {
            return;
        }
        let message = "the gateway stopped working at this call".to_owned();
        let failure = ModelFailure { kind: FailureKind::BrokenStream, status: None, message };
        let settled = match self.sent {
            Some(_) => self.at_bounds(failure),
            None => self.settled(Booked::Failed(failure), Usage::default(), MicroUsd(0), true),
        };
        let teller = self.teller.clone();
        // Without a runtime the program is ending; the owner of the log books what is left at its hold.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { teller.settle(settled).await });
        }
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
