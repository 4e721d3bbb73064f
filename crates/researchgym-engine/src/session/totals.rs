//! New totals for a live run: what a user may change them to.
//!
//! No total may be below what the run has used, because that would be no limit but an ending that nobody asked for. Whoever
//! wants the ending gives 0: from then on the run may use no more.

use researchgym_core::budget::Used;
use researchgym_core::spec::{Limits, MicroUsd};
use serde::{Deserialize, Serialize};

/// New totals, or what is added to them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitChanges {
    /// Milliseconds of working time.
    pub working_ms: Option<Change>,
    /// Steps.
    pub steps: Option<Change>,
    /// Micro-dollars.
    pub budget: Option<Change>,
    /// Tokens.
    pub tokens: Option<Change>,
}

/// How one total changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// To this.
    To(u64),
    /// By so much more.
    Add(u64),
    /// By so much less.
    Subtract(u64),
    /// To no limit.
    Unlimited,
}

/// A total that no run can work under.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// More is taken away than there is.
    #[error("{flag}: the total is {total}, so {less} less would be below 0")]
    Negative {
        /// The flag that names the total.
        flag: &'static str,
        /// The total as it is.
        total: String,
        /// What was to be taken away.
        less: String,
    },
    /// Less than what is gone already.
    #[error("{flag}: the run has used {used} already, so its total cannot be {total}; 0 lets it use no more")]
    BelowUsed {
        /// The flag that names the total.
        flag: &'static str,
        /// What is used.
        used: String,
        /// The total that was asked for.
        total: String,
    },
    /// Something is taken away from no limit.
    #[error("{flag}: there is no limit of which {less} could be taken away; give a total")]
    NoLimit {
        /// The flag that names the total.
        flag: &'static str,
        /// What was to be taken away.
        less: String,
    },
}

impl LimitChanges {
    /// The totals after the change.
    ///
    /// # Errors
    /// One of them would be negative or below what the run has used.
    pub fn apply(&self, old: &Limits, used: Used) -> Result<Limits, LimitError> {
        let hours = |ms: u64| format!("{} h", (ms as f64 / 360.0).round() / 1e4);
        let dollars = |micro_usd: u64| format!("{} USD", MicroUsd(micro_usd).as_usd());
        let count = |number: u64| number.to_string();
        let budget = old.budget.map(|budget| budget.0);
        Ok(Limits {
            working_ms: changed("--hours", self.working_ms, old.working_ms, used.working_ms, hours)?,
            steps: changed("--steps", self.steps, old.steps, used.steps, count)?,
            budget: changed("--budget", self.budget, budget, used.spent.0, dollars)?.map(MicroUsd),
            tokens: changed("--tokens", self.tokens, old.tokens, used.tokens, count)?,
        })
    }
}

fn changed(
    flag: &'static str,
    change: Option<Change>,
    old: Option<u64>,
    used: u64,
    shown: impl Fn(u64) -> String,
) -> Result<Option<u64>, LimitError> {
    let Some(change) = change else { return Ok(old) };
    let total =
        match (change, old) {
            // Nothing is more than no limit.
            (Change::Unlimited, _) | (Change::Add(_), None) => return Ok(None),
            (Change::To(0), _) => return Ok(Some(0)),
            (Change::To(total), _) => total,
            (Change::Add(more), Some(old)) => old.saturating_add(more),
            (Change::Subtract(less), None) => return Err(LimitError::NoLimit { flag, less: shown(less) }),
            (Change::Subtract(less), Some(old)) => old
                .checked_sub(less)
                .ok_or_else(|| LimitError::Negative { flag, total: shown(old), less: shown(less) })?,
        };
    if total < used {
        return Err(LimitError::BelowUsed { flag, used: shown(used), total: shown(total) });
    }
    Ok(Some(total))
}

#[cfg(test)]
mod tests {
    use super::*;

    const USED: Used = Used { steps: 4, working_ms: 360_000, spent: MicroUsd(1_250_000), tokens: 5 };

    fn old() -> Limits {
        Limits {
            working_ms: Some(3_600_000),
            steps: None,
            budget: Some(MicroUsd(10_000_000)),
            tokens: Some(9),
        }
    }

    fn apply(changes: LimitChanges) -> Result<Limits, String> {
        changes.apply(&old(), USED).map_err(|error| error.to_string())
    }

    fn budget(change: Change) -> LimitChanges {
        LimitChanges { budget: Some(change), ..LimitChanges::default() }
    }

    #[test]
    fn totals_change_as_asked() {
        assert_eq!(apply(LimitChanges::default()), Ok(old()));
        let changes = LimitChanges {
            working_ms: Some(Change::Add(11)),
            steps: Some(Change::Add(3)),
            budget: Some(Change::Unlimited),
            tokens: Some(Change::Subtract(4)),
        };
        let expected = Limits { working_ms: Some(3_600_011), steps: None, budget: None, tokens: Some(5) };
        assert_eq!(apply(changes), Ok(expected));
        let changes = LimitChanges { steps: Some(Change::To(4)), ..LimitChanges::default() };
        assert_eq!(apply(changes), Ok(Limits { steps: Some(4), ..old() }));
    }

    #[test]
    fn nothing_lets_a_run_use_no_more() {
        let stopped = Limits { budget: Some(MicroUsd(0)), ..old() };
        assert_eq!(apply(budget(Change::To(0))), Ok(stopped));
    }

    #[test]
    fn totals_below_what_is_used_are_refused() {
        let check = |changes: LimitChanges, expected: &str| {
            assert_eq!(apply(changes), Err(expected.to_owned()));
        };
        check(
            budget(Change::Subtract(100_000_000)),
            "--budget: the total is 10 USD, so 100 USD less would be below 0",
        );
        check(
            budget(Change::Subtract(9_000_000)),
            "--budget: the run has used 1.25 USD already, so its total cannot be 1 USD; 0 lets it use no more",
        );
        check(
            budget(Change::Subtract(10_000_000)),
            "--budget: the run has used 1.25 USD already, so its total cannot be 0 USD; 0 lets it use no more",
        );
        check(
            LimitChanges { working_ms: Some(Change::To(180_000)), ..LimitChanges::default() },
            "--hours: the run has used 0.1 h already, so its total cannot be 0.05 h; 0 lets it use no more",
        );
        check(
            LimitChanges { steps: Some(Change::Subtract(1)), ..LimitChanges::default() },
            "--steps: there is no limit of which 1 could be taken away; give a total",
        );
    }
}
