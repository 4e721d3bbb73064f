//! How the server asks for grants and books what calls cost. Whoever owns the log (the session of a run, or the ledger of
//! a gateway by itself) takes the entries one after the other, so that they have one order.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use researchgym_core::action::Body;
use researchgym_core::event::{AskedRequest, CallOutcome, Caller, Event, ModelAsked};
use researchgym_core::ledger::{Grant, Shortage};
use researchgym_core::model::{ModelFailure, Stop, Usage, Wire};
use researchgym_core::spec::MicroUsd;
use tokio::sync::{mpsc, oneshot};

use crate::model::Endpoint;

/// How many entries may wait for the owner of the log.
const WAITING: usize = 1024;

/// A call that asks for a grant.
pub struct Asked {
    /// Who is to answer.
    pub endpoint: Arc<Endpoint>,
    /// The model's name in the client's request.
    pub named: String,
    /// The form in which the client asks.
    pub dialect: Wire,
    /// The client's body.
    pub body: Bytes,
    /// The most tokens that the prompt can have.
    pub input_bound: u64,
    /// The cap on output that the client asked for, if it did.
    pub output_wanted: Option<u64>,
    /// The call that this one repeats after a stream that broke off.
    pub retry_of: Option<u64>,
}

impl Asked {
    /// What the log says of the call, once it is granted.
    pub(crate) fn event(&self, call: u64, body: Body, grant: Grant) -> Event {
        Event::ModelAsked(Box::new(ModelAsked {
            call,
            caller: Caller::Gateway { dialect: self.dialect, named: self.named.clone() },
            model: self.endpoint.target.name.clone(),
            wire: self.endpoint.wire,
            request: AskedRequest::Bytes { body },
            max_output_tokens: grant.output,
            hold: grant.hold,
            retry_of: self.retry_of,
        }))
    }
}

/// A grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Granted {
    /// The call's number.
    pub call: u64,
    /// The cap on output that must be sent; the client's own if it fits.
    pub max_output_tokens: u64,
    /// For scripted models: how many calls came before, over or under way.
    pub position: u64,
}

/// Why there is no grant. Final for this client: asking again gives the same.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Money or tokens are short.
    #[error("{0}")]
    Shortage(Shortage),
    /// All steps are used.
    #[error("the run's limit of {0} steps is reached")]
    Steps(u64),
    /// The run is over.
    #[error("the run is over")]
    Over,
    /// What could be granted is of no use to the request, whose thinking alone may take more.
    #[error("what is left allows {granted} tokens of output and this request needs {needed}")]
    TooLittle {
        /// What could be granted.
        granted: u64,
        /// What the request needs.
        needed: u64,
    },
    /// The run keeps as much of its calls as it may.
    #[error("the run keeps {} GiB of its model calls, which is the most that it may: no further call is made", most >> 30)]
    Full {
        /// Bytes.
        most: u64,
    },
    /// The disk is almost full.
    #[error(
        "calls cannot be recorded: the disk of `{}` is almost full, and the last {} MiB are left to the machine",
        folder.display(), free >> 20
    )]
    Disk {
        /// Bytes that are free.
        free: u64,
        /// Where calls are recorded.
        folder: PathBuf,
    },
    /// Calls cannot be recorded, so that none is made.
    #[error("calls cannot be recorded: {0}")]
    Log(String),
}

/// What became of a call.
#[derive(Clone, Debug, PartialEq)]
pub struct Settled {
    /// The call.
    pub call: u64,
    /// The provider's bytes, or the failure.
    pub outcome: Booked,
    /// What it cost.
    pub cost: MicroUsd,
    /// Tokens booked.
    pub usage: Usage,
    /// Whether the provider reported them.
    pub usage_reported: bool,
    /// How often it was sent.
    pub attempts: u32,
    /// Milliseconds waited between attempts.
    pub waited_ms: u64,
    /// Milliseconds of the last attempt.
    pub latency_ms: u64,
    /// Milliseconds to its first byte.
    pub first_byte_ms: Option<u64>,
}

/// See [`CallOutcome`], with the bytes not yet kept.
#[derive(Clone, Debug, PartialEq)]
pub enum Booked {
    /// The model answered; `bytes` as the provider sent them.
    Answered {
        /// All of them.
        bytes: Bytes,
        /// Why it ended there.
        stop: Stop,
    },
    /// It did not.
    Failed(ModelFailure),
}

/// One entry for the owner of the log.
pub enum Entry {
    /// A call asks for a grant.
    Ask(Box<Asked>, oneshot::Sender<Result<Granted, Refused>>),
    /// An attempt failed unbilled; another follows after a wait.
    Retry {
        /// The call.
        call: u64,
        /// Why.
        failure: ModelFailure,
        /// How long is waited.
        wait_ms: u64,
    },
    /// A call is over. The sender is dropped when it is booked.
    Settle(Box<Settled>, Option<oneshot::Sender<()>>),
}

/// The sending half.
#[derive(Clone)]
pub struct Teller(mpsc::Sender<Entry>);

/// Makes both halves.
pub fn teller() -> (Teller, mpsc::Receiver<Entry>) {
    let (sender, receiver) = mpsc::channel(WAITING);
    (Teller(sender), receiver)
}

impl Teller {
    /// Asks for a grant.
    ///
    /// # Errors
    /// See [`Refused`].
    pub async fn ask(&self, asked: Asked) -> Result<Granted, Refused> {
        let (sender, answer) = oneshot::channel();
        self.0.send(Entry::Ask(Box::new(asked), sender)).await.map_err(|_| Refused::Over)?;
        answer.await.unwrap_or(Err(Refused::Over))
    }

    /// Says that another attempt follows.
    pub async fn retry(&self, call: u64, failure: ModelFailure, wait_ms: u64) {
        // Nobody listens any more when the run is over; then nothing is left to be recorded either.
        let _ = self.0.send(Entry::Retry { call, failure, wait_ms }).await;
    }

    /// Books a call and waits until it is on the disk.
    pub async fn settle(&self, settled: Settled) {
        let (sender, booked) = oneshot::channel();
        if self.0.send(Entry::Settle(Box::new(settled), Some(sender))).await.is_ok() {
            let _ = booked.await;
        }
    }
}

impl Booked {
    /// The event's form, once the bytes are kept by `keep`.
    ///
    /// # Errors
    /// Those of `keep`.
    pub fn into_outcome<E>(self, keep: impl FnOnce(&[u8]) -> Result<Body, E>) -> Result<CallOutcome, E> {
        Ok(match self {
            Booked::Answered { bytes, stop } => CallOutcome::Answered { response: keep(&bytes)?, stop },
            Booked::Failed(failure) => CallOutcome::Failed { failure },
        })
    }
}
