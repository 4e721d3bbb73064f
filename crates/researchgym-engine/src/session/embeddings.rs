//! Calls of a model that makes embeddings, of which many may be under way: granted, recorded and booked like all others. The
//! vectors are blobs.

use std::time::Duration;

use researchgym_core::digest::Digest;
use researchgym_core::event::{AskedRequest, CallOutcome, Caller, Event, ModelAsked, ModelCalled};
use researchgym_core::failure::Failure;
use researchgym_core::ledger::{Hold, Shortage, Wish};
use researchgym_core::model::embedding::tokens_bound;
use researchgym_core::model::retry::ProviderFailure;
use researchgym_core::model::{FailureKind, ModelFailure};
use researchgym_core::search::embedding::{Unit, to_bytes};
use researchgym_core::search::event::Spent;

use super::Session;
use crate::model::{Door, EmbeddingAttempted};

/// A call that may be sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EmbeddingGranted {
    /// Its number.
    pub(crate) call: u64,
    /// What is set aside for it.
    pub(crate) hold: Hold,
    /// Attempts at this model that came to an end before, for scripted models.
    pub(crate) position: u64,
}

/// How a call was sent and what came of it.
#[derive(Debug)]
pub(crate) struct EmbeddingSent {
    pub(crate) attempted: EmbeddingAttempted,
    pub(crate) attempts: u32,
    pub(crate) waited: Duration,
}

/// A vector, and the blob in which it is kept.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Vector {
    pub(crate) kept: Digest,
    pub(crate) unit: Unit,
}

/// A call as it was booked.
#[derive(Debug)]
pub(crate) struct EmbeddingBooked {
    pub(crate) result: Result<Vec<Vector>, ModelFailure>,
    pub(crate) spent: Spent,
    /// It was paid for, and may be asked once more.
    pub(crate) is_broken: bool,
}

impl Session {
    /// Sets aside what embedding texts can cost and records it.
    ///
    /// # Errors
    /// The log cannot be written; the inner error: less is left than it can cost.
    pub(crate) fn begin_embedding(
        &mut self,
        door: &Door,
        texts: &[String],
        retry_of: Option<u64>,
    ) -> Result<Result<EmbeddingGranted, Shortage>, Failure> {
        let facts = &door.endpoint.facts;
        let price = facts.price.unwrap_or_default();
        let input = tokens_bound(texts, facts.context_window);
        let wish = Wish { cost: &|output| price.bound(input, output), input, output: 0, least_output: 0 };
        let state = &self.recorder.state;
        let grant = match state.ledger.grant(&state.limits, &wish) {
            Ok(grant) => grant,
            Err(shortage) => return Ok(Err(shortage)),
        };
        let call = state.ledger.calls() + 1;
        let texts = texts.iter().map(|text| self.recorder.keep(text.as_bytes()));
        let texts = texts.collect::<Result<Vec<_>, _>>()?;
        self.recorder.append(Event::ModelAsked(Box::new(ModelAsked {
            call,
            caller: Caller::Agent,
            model: door.endpoint.target.name.clone(),
            wire: door.endpoint.wire,
            request: AskedRequest::Embedding { texts },
            max_output_tokens: 0,
            hold: grant.hold,
            retry_of,
        })))?;
        let (state, model) = (&self.recorder.state, &door.endpoint.target.name);
        // This one is under way already.
        let position = state.exchanges_with(model) + state.under_way_with(model) - 1;
        Ok(Ok(EmbeddingGranted { call, hold: grant.hold, position }))
    }

    /// Books a call that is over. Vectors of another length than `dimensions` are the provider's failure.
    /// [`Session::sync_nodes_beside`] is to follow.
    pub(crate) fn book_embedding(
        &mut self,
        door: &Door,
        granted: EmbeddingGranted,
        sent: EmbeddingSent,
        dimensions: Option<usize>,
    ) -> Result<EmbeddingBooked, Failure> {
        let EmbeddingSent { attempted, attempts, waited } = sent;
        let EmbeddingAttempted { result, billed, usage_reported, latency, first_byte } = attempted;
        let price = door.endpoint.facts.price.unwrap_or_default();
        let mut usage = billed.unwrap_or_default();
        let mut cost = price.cost(usage);
        if !usage_reported {
            // Where the provider told nothing, the closer of two bounds holds.
            cost = price.bound(usage.input, 0).min(granted.hold.cost);
            usage.input = usage.input.min(granted.hold.tokens);
        }
        let result = result.map_err(ModelFailure::from).and_then(|vectors| {
            let other = vectors.iter().map(Vec::len).find(|length| dimensions.is_some_and(|d| d != *length));
            match other {
                Some(length) => Err(malformed(format!(
                    "the embeddings have {length} numbers where earlier ones of this run have {}",
                    dimensions.unwrap_or_default()
                ))),
                None => units(vectors),
            }
        });
        let (outcome, result) = match result {
            Ok(vectors) => {
                let kept = vectors
                    .into_iter()
                    .map(|(bytes, unit)| Ok(Vector { kept: self.recorder.blobs.put(&bytes)?, unit }))
                    .collect::<Result<Vec<_>, Failure>>()?;
                let dimensions = kept.first().map_or(0, |vector| vector.unit.dimensions() as u32);
                let vectors = kept.iter().map(|vector| vector.kept).collect();
                (CallOutcome::Embedded { vectors, dimensions }, Ok(kept))
            }
            Err(failure) => (CallOutcome::Failed { failure: failure.clone() }, Err(failure)),
        };
        let is_broken = billed.is_some()
            && matches!(&result, Err(failure) if matches!(failure.kind, FailureKind::BrokenStream | FailureKind::Timeout));
        let spent = Spent { calls: 1, tokens: usage.total(), cost };
        self.recorder.append(Event::ModelCalled(Box::new(ModelCalled {
            call: granted.call,
            outcome,
            cost,
            usage,
            usage_reported,
            attempts,
            waited_ms: waited.as_millis() as u64,
            latency_ms: latency.as_millis() as u64,
            first_byte_ms: first_byte.map(|time| time.as_millis() as u64),
            working_ms: self.clock.working_ms(),
        })))?;
        Ok(EmbeddingBooked { result, spent, is_broken })
    }

    /// Books a call that is given up while it is under way: at the most that it can cost.
    pub(crate) fn abandon_embedding(
        &mut self,
        door: &Door,
        granted: EmbeddingGranted,
    ) -> Result<(), Failure> {
        let message = "the run ended while the answer was under way";
        let failure = ProviderFailure::new(FailureKind::Stopped, message);
        let attempted = EmbeddingAttempted::spoilt(failure, None, granted.hold.tokens);
        let sent = EmbeddingSent { attempted, attempts: 1, waited: Duration::ZERO };
        self.book_embedding(door, granted, sent, None).map(drop)
    }
}

/// The vectors as they are kept, and their directions.
fn units(vectors: Vec<Vec<f32>>) -> Result<Vec<(Vec<u8>, Unit)>, ModelFailure> {
    let unit = |vector: Vec<f32>| {
        let unit = Unit::of(&vector).ok_or_else(|| malformed("an embedding has no direction".to_owned()))?;
        Ok((to_bytes(&vector), unit))
    };
    vectors.into_iter().map(unit).collect()
}

fn malformed(message: String) -> ModelFailure {
    ModelFailure { kind: FailureKind::Malformed, status: None, message }
}
