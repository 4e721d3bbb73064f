//! Limits and what is left of them: pure arithmetic over totals of a run.

use crate::event::Ending;
use crate::spec::{Limits, MicroUsd};

/// What a run has used so far, over all its segments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// Actions of the agent.
    pub steps: u64,
    /// Working time in milliseconds.
    pub working_ms: u64,
    /// Money spent on model calls.
    pub spent: MicroUsd,
    /// Tokens of model calls.
    pub tokens: u64,
}

impl Limits {
    /// The ending that forbids one more step, if there is one. Time comes first: it also stops a step midway.
    pub fn reached(&self, used: Used) -> Option<Ending> {
        if self.working_ms.is_some_and(|limit| used.working_ms >= limit) {
            return Some(Ending::TimeLimit);
        }
        if self.steps.is_some_and(|limit| used.steps >= limit) {
            return Some(Ending::StepLimit);
        }
        if self.budget.is_some_and(|limit| limit.0 > 0 && used.spent >= limit) {
            return Some(Ending::Budget);
        }
        if self.tokens.is_some_and(|limit| limit > 0 && used.tokens >= limit) {
            return Some(Ending::TokenLimit);
        }
        None
    }

    /// Working milliseconds that are left; `None` is unlimited.
    pub fn working_ms_left(&self, used: Used) -> Option<u64> {
        self.working_ms.map(|limit| limit.saturating_sub(used.working_ms))
    }

    /// Whether these totals allow more than `old` in the limit that ended a run, and less in none.
    pub fn raises(&self, old: &Limits) -> bool {
        fn at_least(new: Option<u64>, old: Option<u64>) -> bool {
            match (new, old) {
                (None, _) => true,
                (Some(_), None) => false,
                (Some(new), Some(old)) => new >= old,
            }
        }
        at_least(self.working_ms, old.working_ms)
            && at_least(self.steps, old.steps)
            && at_least(self.budget.map(|budget| budget.0), old.budget.map(|budget| budget.0))
            && at_least(self.tokens, old.tokens)
            && self != old
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(working_ms: Option<u64>, steps: Option<u64>, budget: Option<u64>) -> Limits {
        Limits { working_ms, steps, budget: budget.map(MicroUsd), tokens: None }
    }

    #[test]
    fn a_limit_is_reached_at_its_total_and_not_before() {
        let used = Used { steps: 3, working_ms: 999, spent: MicroUsd(5), tokens: 0 };
        assert_eq!(limits(Some(1000), Some(4), Some(6)).reached(used), None);
        assert_eq!(limits(Some(999), Some(3), Some(5)).reached(used), Some(Ending::TimeLimit));
        assert_eq!(limits(None, Some(3), Some(5)).reached(used), Some(Ending::StepLimit));
        assert_eq!(limits(None, None, Some(5)).reached(used), Some(Ending::Budget));
        assert_eq!(limits(None, None, None).reached(used), None);
    }

    #[test]
    fn only_totals_that_allow_more_raise() {
        let old = limits(Some(10), Some(5), None);
        assert!(limits(Some(20), Some(5), None).raises(&old));
        assert!(limits(None, Some(5), None).raises(&old));
        assert!(!limits(Some(10), Some(5), None).raises(&old));
        assert!(!limits(Some(20), Some(4), None).raises(&old));
        assert!(!limits(Some(20), Some(5), Some(1)).raises(&old));
    }
}
