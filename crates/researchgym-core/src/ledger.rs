//! The ledger of a run: what its model calls have cost, and what is set aside for those under way.
//!
//! A call is granted only if the most that it can cost fits into what is left beside all holds, so that the limits hold
//! with any number of calls in flight. Pure: events fill it in, the owner of the log asks it before each call.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::spec::{Limits, MicroUsd};

/// What is set aside for one call: the most that it can cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hold {
    /// Millionths of a US dollar.
    pub cost: MicroUsd,
    /// Prompt and answer together.
    pub tokens: u64,
}

/// Money and tokens of a run's model calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    spent: MicroUsd,
    tokens: u64,
    calls: u64,
    holds: BTreeMap<u64, Hold>,
}

/// A call that asks for a grant.
pub struct Wish<'a> {
    /// The most that a call with so many output tokens can cost; never less for more tokens.
    pub cost: &'a dyn Fn(u64) -> MicroUsd,
    /// The most tokens that the prompt can have.
    pub input: u64,
    /// The most tokens of output: what the caller asked for, or a cap of ours.
    pub output: u64,
    /// The call is not worth sending with a lower cap than this; more than `output` means `output`.
    pub least_output: u64,
}

/// A call that may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// What is set aside.
    pub hold: Hold,
    /// The cap on output that it rests on: not above what was wished.
    pub output: u64,
}

/// What a call lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortage {
    /// Money.
    Budget {
        /// What the call can cost at least.
        needed: MicroUsd,
        /// What is left beside all holds.
        left: MicroUsd,
    },
    /// Tokens.
    Tokens {
        /// What the call can use at least.
        needed: u64,
        /// What is left beside all holds.
        left: u64,
    },
}

impl std::fmt::Display for Shortage {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Shortage::Budget { needed, left } => write!(
                formatter,
                "this call can cost up to {:.6} USD and {:.6} USD of the budget are left",
                needed.as_usd(),
                left.as_usd()
            ),
            Shortage::Tokens { needed, left } => {
                write!(formatter, "this call can use up to {needed} tokens and {left} are left")
            }
        }
    }
}

impl Ledger {
    /// Money spent on calls that are over.
    pub fn spent(&self) -> MicroUsd {
        self.spent
    }

    /// Tokens used by calls that are over.
    pub fn tokens(&self) -> u64 {
        self.tokens
    }

    /// Calls so far, those under way included. The next one has the next number.
    pub fn calls(&self) -> u64 {
        self.calls
    }

    /// The calls under way and what is set aside for each.
    pub fn holds(&self) -> &BTreeMap<u64, Hold> {
        &self.holds
    }

    /// Everything that is set aside.
    pub fn held(&self) -> Hold {
        self.holds.values().fold(Hold::default(), |sum, hold| Hold {
            cost: MicroUsd(sum.cost.0.saturating_add(hold.cost.0)),
            tokens: sum.tokens.saturating_add(hold.tokens),
        })
    }

    /// Money that is left beside all holds; `None` is unlimited.
    pub fn money_left(&self, limits: &Limits) -> Option<MicroUsd> {
        let taken = self.spent.0.saturating_add(self.held().cost.0);
        limits.budget.map(|limit| MicroUsd(limit.0.saturating_sub(taken)))
    }

    /// Tokens that are left beside all holds; `None` is unlimited.
    pub fn tokens_left(&self, limits: &Limits) -> Option<u64> {
        let taken = self.tokens.saturating_add(self.held().tokens);
        limits.tokens.map(|limit| limit.saturating_sub(taken))
    }

    /// Says whether a call may be sent, and with which cap on its output: the highest that fits.
    ///
    /// # Errors
    /// Not even the least output fits.
    pub fn grant(&self, limits: &Limits, wish: &Wish<'_>) -> Result<Grant, Shortage> {
        let least = wish.least_output.min(wish.output);
        let needed = wish.input.saturating_add(least);
        let by_tokens = match self.tokens_left(limits) {
            Some(left) if needed > left => return Err(Shortage::Tokens { needed, left }),
            Some(left) => wish.output.min(left - wish.input),
            None => wish.output,
        };
        let output = match self.money_left(limits) {
            None => by_tokens,
            Some(left) => {
                let needed = (wish.cost)(least);
                if needed > left {
                    return Err(Shortage::Budget { needed, left });
                }
                highest(least, by_tokens, |output| (wish.cost)(output) <= left)
            }
        };
        let hold = Hold { cost: (wish.cost)(output), tokens: wish.input.saturating_add(output) };
        Ok(Grant { hold, output })
    }

    /// Sets aside what a granted call can cost. False if the number is not the next one.
    #[must_use]
    pub fn reserve(&mut self, call: u64, hold: Hold) -> bool {
        if call != self.calls + 1 {
            return false;
        }
        self.calls = call;
        self.holds.insert(call, hold);
        true
    }

    /// Books what a call has cost in place of its hold. False if the call is not under way.
    #[must_use]
    pub fn settle(&mut self, call: u64, cost: MicroUsd, tokens: u64) -> bool {
        if self.holds.remove(&call).is_none() {
            return false;
        }
        self.spent = MicroUsd(self.spent.0.saturating_add(cost.0));
        self.tokens = self.tokens.saturating_add(tokens);
        true
    }

    /// Books a call whose answer was lost at its full hold. False if the call is not under way.
    #[must_use]
    pub fn lose(&mut self, call: u64) -> bool {
        let Some(hold) = self.holds.get(&call).copied() else { return false };
        self.settle(call, hold.cost, hold.tokens)
    }
}

/// The highest number from `low` (which fits) to `high` that fits.
fn highest(mut low: u64, mut high: u64, fits: impl Fn(u64) -> bool) -> u64 {
    if fits(high) {
        return high;
    }
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if fits(middle) { low = middle } else { high = middle }
    }
    low
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn limits(budget: Option<u64>, tokens: Option<u64>) -> Limits {
        Limits { working_ms: None, steps: None, budget: budget.map(MicroUsd), tokens }
    }

    fn wish(cost: &dyn Fn(u64) -> MicroUsd) -> Wish<'_> {
        Wish { cost, input: 100, output: 50, least_output: 10 }
    }

    #[test]
    fn the_cap_is_lowered_to_what_fits_and_no_further() {
        let two_each = |output: u64| MicroUsd(100 + 2 * output);
        let check = |budget, tokens, expected| {
            let granted = Ledger::default().grant(&limits(budget, tokens), &wish(&two_each));
            assert_eq!(granted.map(|grant| (grant.output, grant.hold.cost.0, grant.hold.tokens)), expected);
        };
        check(None, None, Ok((50, 200, 150)));
        check(Some(200), None, Ok((50, 200, 150)));
        check(Some(199), None, Ok((49, 198, 149)));
        check(Some(120), None, Ok((10, 120, 110)));
        check(Some(119), None, Err(Shortage::Budget { needed: MicroUsd(120), left: MicroUsd(119) }));
        check(Some(150), Some(120), Ok((20, 140, 120)));
        check(None, Some(109), Err(Shortage::Tokens { needed: 110, left: 109 }));
        check(Some(0), None, Err(Shortage::Budget { needed: MicroUsd(120), left: MicroUsd(0) }));
    }

    #[test]
    fn a_free_call_fits_into_a_budget_of_nothing() {
        let free = |_| MicroUsd(0);
        assert!(Ledger::default().grant(&limits(Some(0), None), &wish(&free)).is_ok());
    }

    #[test]
    fn a_lost_call_is_booked_at_its_hold_once() {
        let mut ledger = Ledger::default();
        assert!(ledger.reserve(1, Hold { cost: MicroUsd(7), tokens: 9 }));
        assert!(!ledger.reserve(1, Hold::default()));
        assert!(ledger.lose(1) && !ledger.lose(1) && !ledger.settle(1, MicroUsd(1), 1));
        assert_eq!((ledger.spent(), ledger.tokens(), ledger.held()), (MicroUsd(7), 9, Hold::default()));
    }

    /// One thing that happens to a ledger; `share` says how much of a hold a call really uses, in 256ths.
    #[derive(Clone, Debug)]
    enum Happening {
        Ask { input: u64, output: u64, price: u64 },
        Settle { which: usize, share: u8 },
        Lose { which: usize },
    }

    fn happening() -> impl Strategy<Value = Happening> {
        prop_oneof![
            (0u64..5000, 1u64..5000, 0u64..20).prop_map(|(input, output, price)| Happening::Ask {
                input,
                output,
                price
            }),
            (any::<usize>(), any::<u8>()).prop_map(|(which, share)| Happening::Settle { which, share }),
            any::<usize>().prop_map(|which| Happening::Lose { which }),
        ]
    }

    proptest! {
        #[test]
        fn spent_and_held_never_exceed_the_limits(
            happenings in proptest::collection::vec(happening(), 0..200),
            budget in 0u64..200_000,
            tokens in 0u64..100_000,
        ) {
            let limits = limits(Some(budget), Some(tokens));
            let mut ledger = Ledger::default();
            let mut bill = 0;
            for happening in happenings {
                let under_way: Vec<(u64, Hold)> = ledger.holds().iter().map(|(call, hold)| (*call, *hold)).collect();
                match happening {
                    Happening::Ask { input, output, price } => {
                        let cost = |output: u64| MicroUsd((input + output) * price);
                        let wish = Wish { cost: &cost, input, output, least_output: 100 };
                        if let Ok(grant) = ledger.grant(&limits, &wish) {
                            prop_assert!(grant.output <= output && grant.output >= output.min(100));
                            let call = ledger.calls() + 1;
                            prop_assert!(ledger.reserve(call, grant.hold));
                        }
                    }
                    Happening::Settle { which, share } if !under_way.is_empty() => {
                        let (call, hold) = under_way[which % under_way.len()];
                        let part = |whole: u64| whole * u64::from(share) / 255;
                        bill += part(hold.cost.0);
                        prop_assert!(ledger.settle(call, MicroUsd(part(hold.cost.0)), part(hold.tokens)));
                    }
                    Happening::Lose { which } if !under_way.is_empty() => {
                        let (call, hold) = under_way[which % under_way.len()];
                        bill += hold.cost.0;
                        prop_assert!(ledger.lose(call));
                    }
                    Happening::Settle { .. } | Happening::Lose { .. } => {}
                }
                prop_assert!(ledger.spent().0 + ledger.held().cost.0 <= budget);
                prop_assert!(ledger.tokens() + ledger.held().tokens <= tokens);
            }
            prop_assert_eq!(ledger.spent().0, bill);
        }
    }
}
