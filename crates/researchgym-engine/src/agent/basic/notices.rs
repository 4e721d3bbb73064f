//! What the model is told of time, money and scores between its turns, and when.
//!
//! Pure. Whether and when something is told follows from what the run used after its last action, which is the same when
//! a resumed run is answered from its record; the words may then differ, and the recorded ones hold.

use std::collections::BTreeSet;

use researchgym_core::budget::Used;
use researchgym_core::ledger::Hold;
use researchgym_core::score::Primary;
use researchgym_core::spec::{Limits, MicroUsd};
use researchgym_core::state::RunState;
use serde::Serialize;

/// A status line follows every so many turns.
pub(super) const STATUS_EVERY: u64 = 5;

/// How near a limit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    /// From 80 %.
    Warning,
    /// From 95 %.
    WrapUp,
}

impl Level {
    fn percent(self) -> u64 {
        match self {
            Level::Warning => 80,
            Level::WrapUp => 95,
        }
    }
}

/// A limit that is near.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Alarm {
    /// The words for what is running out.
    pub(super) what: &'static str,
    /// How much of it was used.
    pub(super) used: String,
    /// The limit.
    pub(super) limit: String,
    /// What is left.
    pub(super) left: String,
    #[serde(skip)]
    pub(super) level: Level,
}

/// Which alarms were given.
#[derive(Debug, Default)]
pub(super) struct Alarms {
    /// What, its limit then, and the level: a raised limit warns anew.
    given: BTreeSet<(&'static str, u64, Level)>,
    /// What was used when they were last looked at: the last turn's part is what came since.
    last: Used,
}

impl Alarms {
    /// The alarms that are due now: one for each limit that is near, the more urgent of two, each once.
    ///
    /// Money and tokens end a run as soon as less is left than `next`, the most that the next question can take: there the
    /// end is near when only that and three turns like the last one are left.
    pub(super) fn due(&mut self, limits: &Limits, used: Used, next: Hold) -> Vec<Alarm> {
        let last = std::mem::replace(&mut self.last, used);
        let reserves = [
            0,
            next.cost.0.saturating_add(used.spent.0.saturating_sub(last.spent.0).saturating_mul(3)),
            next.tokens.saturating_add(used.tokens.saturating_sub(last.tokens).saturating_mul(3)),
            0,
        ];
        measures(limits, used)
            .into_iter()
            .zip(reserves)
            .filter_map(|(measure, reserve)| {
                let limit = measure.limit.filter(|limit| *limit > 0)?;
                let is_short = reserve > 0 && limit.saturating_sub(measure.used) < reserve;
                let is_at = |level: &Level| {
                    u128::from(measure.used) * 100 >= u128::from(limit) * u128::from(level.percent())
                        || *level == Level::WrapUp && is_short
                };
                let level = [Level::WrapUp, Level::Warning].into_iter().find(is_at)?;
                let is_new = self.given.insert((measure.what, limit, level));
                if level == Level::WrapUp {
                    self.given.insert((measure.what, limit, Level::Warning));
                }
                is_new.then(|| Alarm {
                    what: measure.what,
                    used: (measure.shown)(measure.used),
                    limit: (measure.shown)(limit),
                    left: (measure.shown)(limit.saturating_sub(measure.used)),
                    level,
                })
            })
            .collect()
    }
}

/// One thing that can run out.
struct Measure {
    what: &'static str,
    used: u64,
    limit: Option<u64>,
    shown: fn(u64) -> String,
}

fn measures(limits: &Limits, used: Used) -> [Measure; 4] {
    [
        Measure { what: "working time", used: used.working_ms, limit: limits.working_ms, shown: time },
        Measure {
            what: "money for model calls",
            used: used.spent.0,
            limit: limits.budget.map(|budget| budget.0),
            shown: |micro| dollars(MicroUsd(micro)),
        },
        Measure {
            what: "tokens",
            used: used.tokens,
            limit: limits.tokens,
            shown: |tokens| tokens.to_string(),
        },
        Measure { what: "steps", used: used.steps, limit: limits.steps, shown: |steps| steps.to_string() },
    ]
}

/// How the run stands, for the status line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Standing {
    /// What was used, each as `what used of limit`.
    pub(super) used: Vec<String>,
    /// Validations that are left.
    pub(super) validations_left: u64,
    /// The best valid score so far.
    pub(super) best: Option<String>,
}

impl Standing {
    /// From the run's state; `used` is what the agent may know.
    pub(super) fn of(state: &RunState, used: Used) -> Standing {
        let primary = state.started.task.primary();
        let line = |measure: Measure| {
            let limit = measure.limit.map(|limit| format!(" of {}", (measure.shown)(limit)));
            format!("{} {}{}", measure.what, (measure.shown)(measure.used), limit.unwrap_or_default())
        };
        Standing {
            used: measures(&state.limits, used).map(line).to_vec(),
            validations_left: validations_left(state),
            best: state.best().and_then(|attempt| score(&primary, attempt.score.value(&primary))),
        }
    }
}

/// Validations that are left.
pub(super) fn validations_left(state: &RunState) -> u64 {
    state.started.task.grader.validations.saturating_sub(state.validations())
}

/// `name = value`.
pub(super) fn score(primary: &Primary, value: Option<f64>) -> Option<String> {
    value.map(|value| format!("{} = {value}", primary.name))
}

/// Milliseconds for people.
pub(super) fn time(ms: u64) -> String {
    let minutes = ms / 60_000;
    match (minutes / 60, minutes % 60) {
        (0, 0..2) => format!("{} s", ms / 1000),
        (0, minutes) => format!("{minutes} min"),
        (hours, minutes) => format!("{hours} h {minutes:02} min"),
    }
}

/// Money for people.
pub(super) fn dollars(money: MicroUsd) -> String {
    format!("${:.2}", money.as_usd())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(working_ms: Option<u64>, steps: Option<u64>) -> Limits {
        Limits { working_ms, steps, budget: Some(MicroUsd(2_000_000)), tokens: None }
    }

    fn due(alarms: &mut Alarms, limits: &Limits, working_ms: u64, steps: u64) -> Vec<String> {
        let used = Used { working_ms, steps, spent: MicroUsd(1_000_000), tokens: 5 };
        let shown = |alarm: Alarm| {
            format!(
                "{:?} {}: {} of {}, {} left",
                alarm.level, alarm.what, alarm.used, alarm.limit, alarm.left
            )
        };
        alarms.due(limits, used, Hold::default()).into_iter().map(shown).collect()
    }

    fn begun() -> Alarms {
        let last = Used { spent: MicroUsd(1_000_000), tokens: 5, ..Used::default() };
        Alarms { last, ..Alarms::default() }
    }

    #[test]
    fn the_end_is_near_while_a_few_questions_can_still_be_asked() {
        let limits = Limits { tokens: Some(1000), ..limits(None, None) };
        let levels = |alarms: &mut Alarms, spent: u64, tokens: u64| -> Vec<(&'static str, Level)> {
            let used = Used { spent: MicroUsd(spent), tokens, ..Used::default() };
            let next = Hold { cost: MicroUsd(300_000), tokens: 100 };
            alarms.due(&limits, used, next).iter().map(|alarm| (alarm.what, alarm.level)).collect()
        };
        let mut alarms = begun();
        assert_eq!(levels(&mut alarms, 1_100_000, 10), []);
        // 600,000 are needed for the next and three like the last, and more are left.
        assert_eq!(levels(&mut alarms, 1_200_000, 20), []);
        assert_eq!(levels(&mut alarms, 1_450_000, 30), [("money for model calls", Level::WrapUp)]);
        assert_eq!(levels(&mut alarms, 1_450_000, 950), [("tokens", Level::WrapUp)]);
    }

    #[test]
    fn each_limit_warns_once_at_each_level() {
        let mut alarms = begun();
        let hour = limits(Some(3_600_000), Some(100));
        assert_eq!(due(&mut alarms, &hour, 2_879_999, 79), [""; 0]);
        assert_eq!(
            due(&mut alarms, &hour, 2_880_000, 79),
            ["Warning working time: 48 min of 1 h 00 min, 12 min left"]
        );
        assert_eq!(due(&mut alarms, &hour, 2_890_000, 96), ["WrapUp steps: 96 of 100, 4 left"]);
        assert_eq!(
            due(&mut alarms, &hour, 3_590_000, 97),
            ["WrapUp working time: 59 min of 1 h 00 min, 10 s left"]
        );
        assert_eq!(due(&mut alarms, &hour, 3_599_000, 99), [""; 0]);
    }

    #[test]
    fn a_raised_limit_warns_anew_and_none_never_does() {
        let mut alarms = begun();
        assert_eq!(
            due(&mut alarms, &limits(None, Some(10)), u64::MAX, 8),
            ["Warning steps: 8 of 10, 2 left"]
        );
        assert_eq!(due(&mut alarms, &limits(None, Some(20)), 0, 9), [""; 0]);
        assert_eq!(due(&mut alarms, &limits(None, Some(20)), 0, 16), ["Warning steps: 16 of 20, 4 left"]);
    }

    #[test]
    fn time_is_for_people() {
        assert_eq!(
            [0, 119_000, 120_000, 3_600_000, 90_061_000].map(time),
            ["0 s", "119 s", "2 min", "1 h 00 min", "25 h 01 min"]
        );
    }
}
