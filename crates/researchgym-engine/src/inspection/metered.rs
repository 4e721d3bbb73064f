//! Questions to a model within a budget, without a run: one ledger for all inspections of a command.
//!
//! The same door and the same rules of granting as in a run. Nothing is recorded but the totals, which the report has.

use std::sync::Arc;
use std::time::Duration;

use researchgym_core::failure::Failure;
use researchgym_core::inspect::report::Cost;
use researchgym_core::ledger::{Grant, Ledger, Wish};
use researchgym_core::model::{
    Conversation, FailureKind, Reply, Request, RequestSettings, Usage, message_bound, settings_bound,
};
use researchgym_core::spec::{Limits, MicroUsd};

use crate::model::Door;

/// The cap on output of one answer.
const OUTPUT: u64 = 16_000;
/// An answer that may have fewer tokens than this is not worth asking for.
const LEAST_OUTPUT: u64 = 256;

/// A model with a budget.
pub struct Metered {
    door: Arc<Door>,
    ledger: Ledger,
    limits: Limits,
    exchanges: u64,
    cost: Cost,
}

/// A question was not answered.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Unanswered {
    /// The next answer may cost more than is left.
    Budget,
    /// The conversation is longer than the model's context.
    ContextFull,
    /// The model cannot be asked.
    Failed(Failure),
}

impl Metered {
    /// A model with nothing spent yet; no budget is no limit.
    pub fn new(door: Arc<Door>, budget: Option<MicroUsd>) -> Metered {
        let limits = Limits { working_ms: None, steps: None, budget, tokens: None };
        Metered { door, ledger: Ledger::default(), limits, exchanges: 0, cost: Cost::default() }
    }

    /// `provider/model`.
    pub fn name(&self) -> &str {
        &self.door.endpoint.target.name
    }

    /// Whether it was asked anything.
    pub fn was_asked(&self) -> bool {
        self.exchanges > 0
    }

    /// What was spent, with what is set aside for a call that was broken off.
    pub fn spent(&self) -> MicroUsd {
        MicroUsd(self.ledger.spent().0.saturating_add(self.ledger.held().cost.0))
    }

    /// What the calls since the last time cost.
    pub(super) fn take_cost(&mut self) -> Cost {
        std::mem::take(&mut self.cost)
    }

    /// Asks the model to go on with a conversation, to which the answer is added.
    pub(super) async fn ask(
        &mut self,
        conversation: &mut Conversation,
        settings: &RequestSettings,
    ) -> Result<Reply, Unanswered> {
        let grant = self.grant(conversation, settings)?;
        let call = self.ledger.calls() + 1;
        // The number is the next one: it was just asked for.
        let _ = self.ledger.reserve(call, grant.hold);
        let mut settings = RequestSettings { max_output_tokens: Some(grant.output), ..settings.clone() };
        for (key, value) in &self.door.endpoint.request {
            settings.extra.entry(key).or_insert_with(|| value.clone());
        }
        let request = Request { messages: conversation.messages().to_vec(), settings };
        let mut attempts = 0;
        let attempted = loop {
            attempts += 1;
            let attempted = self.door.attempt(&request, self.exchanges).await;
            self.exchanges += 1;
            let wait: Option<Duration> = match (&attempted.result, attempted.billed) {
                (Err(_), None) => self.door.wait_before(&attempted, attempts),
                _ => None,
            };
            match wait {
                Some(wait) => tokio::time::sleep(wait).await,
                None => break attempted,
            }
        };
        let usage = attempted.billed.unwrap_or_default();
        let cost = self.door.endpoint.facts.price.unwrap_or_default().cost(usage);
        let cost = if attempted.usage_reported { cost } else { cost.min(grant.hold.cost) };
        let _ = self.ledger.settle(call, cost, usage.total());
        self.book(usage, cost);
        match attempted.result {
            Ok(reply) => {
                conversation.answered(reply.turn.clone(), attempted.usage_reported.then_some(usage.total()));
                Ok(reply)
            }
            Err(failure) if failure.kind == FailureKind::ContextLength => Err(Unanswered::ContextFull),
            Err(failure) => Err(Unanswered::Failed(self.door.failure(&failure.into()))),
        }
    }

    fn grant(&self, conversation: &Conversation, settings: &RequestSettings) -> Result<Grant, Unanswered> {
        let facts = &self.door.endpoint.facts;
        let price = facts.price.unwrap_or_default();
        let mut input = conversation.tokens_bound(message_bound);
        if !conversation.is_counted() {
            input = input.saturating_add(settings_bound(settings));
        }
        let input = facts.context_window.map_or(input, |window| input.min(window));
        let output = facts.max_output.map_or(OUTPUT, |most| most.min(OUTPUT));
        let wish =
            Wish { cost: &|output| price.bound(input, output), input, output, least_output: LEAST_OUTPUT };
        self.ledger.grant(&self.limits, &wish).map_err(|_| Unanswered::Budget)
    }

    fn book(&mut self, usage: Usage, cost: MicroUsd) {
        let sum = &mut self.cost;
        sum.calls += 1;
        sum.input_tokens += usage.input;
        sum.output_tokens += usage.output;
        sum.cached_tokens += usage.cache_read;
        sum.reasoning_tokens += usage.reasoning;
        sum.total_tokens += usage.total();
        sum.cost_usd += cost.as_usd();
    }
}
