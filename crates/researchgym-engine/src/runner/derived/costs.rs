//! `logs/cost_summary.json`: what the model calls cost, call by call. The keys are those of the seed project's summary
//! where it has them.

use researchgym_core::event::{CallOutcome, Caller, Event, Line, ModelAsked};
use researchgym_core::model::Usage;
use researchgym_core::spec::MicroUsd;
use researchgym_core::state::RunState;
use serde_json::{Value, json};

/// The calls so far, taken from the log line by line.
#[derive(Default)]
pub(super) struct Costs {
    asked: std::collections::BTreeMap<u64, ModelAsked>,
    turns: Vec<Value>,
    total: Usage,
    spent: u64,
    waited_ms: u64,
}

impl Costs {
    pub(super) fn take(&mut self, line: &Line) {
        match &line.event {
            Event::ModelAsked(asked) => {
                self.asked.insert(asked.call, (**asked).clone());
            }
            Event::ModelCalled(called) => {
                self.waited_ms += called.waited_ms;
                let failure = match &called.outcome {
                    CallOutcome::Answered { .. } | CallOutcome::Embedded { .. } => None,
                    CallOutcome::Failed { failure } => Some(failure),
                };
                let more = json!({
                    "duration_ms": called.latency_ms,
                    "first_byte_ms": called.first_byte_ms,
                    "attempts": called.attempts,
                    "waited_ms": called.waited_ms,
                    "usage_reported": called.usage_reported,
                    "failure": failure,
                });
                self.book(line, called.call, called.usage, called.cost, more);
            }
            Event::ModelLost { call } => {
                let hold = self.asked.get(call).map(|asked| asked.hold).unwrap_or_default();
                let usage = Usage { input: hold.tokens, ..Usage::default() };
                let more = json!({ "usage_reported": false, "failure": { "kind": "lost" } });
                self.book(line, *call, usage, hold.cost, more);
            }
            _ => {}
        }
    }

    fn book(&mut self, line: &Line, call: u64, usage: Usage, cost: MicroUsd, more: Value) {
        let sum = &mut self.total;
        let pairs = [
            (&mut sum.input, usage.input),
            (&mut sum.cache_read, usage.cache_read),
            (&mut sum.cache_write_5m, usage.cache_write_5m),
            (&mut sum.cache_write_1h, usage.cache_write_1h),
            (&mut sum.output, usage.output),
            (&mut sum.reasoning, usage.reasoning),
        ];
        for (total, part) in pairs {
            *total = total.saturating_add(part);
        }
        self.spent = self.spent.saturating_add(cost.0);
        let Some(asked) = self.asked.remove(&call) else { return };
        let mut turn = json!({
            "turn_number": call,
            "timestamp": line.time,
            "model": asked.model,
            "caller": match asked.caller { Caller::Agent => "agent", Caller::Gateway { .. } => "gateway" },
            "input_tokens": usage.input,
            "output_tokens": usage.output,
            "cache_read_tokens": usage.cache_read,
            "cache_write_tokens": usage.cache_write_5m + usage.cache_write_1h,
            "reasoning_tokens": usage.reasoning,
            "cost_usd": cost.as_usd(),
            "cumulative_cost_usd": MicroUsd(self.spent).as_usd(),
            "retry_of": asked.retry_of,
        });
        if let (Some(turn), Value::Object(more)) = (turn.as_object_mut(), more) {
            turn.extend(more);
        }
        self.turns.push(turn);
    }

    pub(super) fn summary(self, state: &RunState) -> Value {
        let Usage { input, cache_read, cache_write_5m, cache_write_1h, output, reasoning } = self.total;
        let spent = state.ledger.spent();
        let limit = state.limits.budget;
        let seconds = |ms: u64| ms as f64 / 1e3;
        json!({
            "schema": 1,
            "model": state.started.spec.model,
            "budget_limit_usd": limit.map(MicroUsd::as_usd),
            "total_cost_usd": spent.as_usd(),
            "held_usd": state.ledger.held().cost.as_usd(),
            "remaining_budget_usd": state.ledger.money_left(&state.limits).map(MicroUsd::as_usd),
            "total_turns": self.turns.len(),
            "total_tokens": {
                "input": input,
                "output": output,
                "cache_read": cache_read,
                "cache_write": cache_write_5m + cache_write_1h,
                "reasoning": reasoning,
            },
            "time": {
                "wall_clock_seconds": seconds(state.wall_ms(Some(0))),
                "active_seconds": seconds(state.working_ms),
                "retry_seconds": seconds(self.waited_ms),
                "time_limit_seconds": state.limits.working_ms.map(seconds),
                "remaining_seconds": state.limits.working_ms_left(state.used()).map(seconds),
            },
            "turns": self.turns,
        })
    }
}
