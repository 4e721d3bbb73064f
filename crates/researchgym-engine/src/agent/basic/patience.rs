//! When a model that gets nowhere is told so, and when its run ends.
//!
//! Pure. Counts of turns in a row: without a usable call, without any call, refused; and of the very same call.

/// So many turns in a row whose calls were all unusable end the run.
const UNUSABLE_TURNS: u32 = 10;
/// So many turns in a row without a call end the run.
const SILENT_TURNS: u32 = 20;
/// So many refusals in a row end the run.
const REFUSALS: u32 = 3;
/// After the same call this many times in a row, the model is told each time.
const REPEATED_CALLS: u32 = 10;
/// The same call this many times in a row ends the run.
pub(super) const MOST_REPEATED_CALLS: u32 = 30;

/// What the model did in a row.
#[derive(Debug, Default)]
pub(super) struct Patience {
    unusable: u32,
    silent: u32,
    refused: u32,
    call: Option<(String, String)>,
    repeated: u32,
}

/// How to go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// As usual.
    GoOn,
    /// The model has done the same so often.
    Remark(u32),
    /// The run ends, for this reason.
    GiveUp(String),
}

impl Patience {
    /// One call of a turn.
    pub(super) fn call(&mut self, name: &str, arguments: &str) -> Verdict {
        let call = Some((name.to_owned(), arguments.to_owned()));
        self.repeated = if self.call == call { self.repeated + 1 } else { 1 };
        self.call = call;
        match self.repeated {
            0..=REPEATED_CALLS => Verdict::GoOn,
            MOST_REPEATED_CALLS.. => Verdict::GiveUp(format!(
                "the model made the same call of `{name}` {MOST_REPEATED_CALLS} times in a row"
            )),
            times => Verdict::Remark(times),
        }
    }

    /// A call that let time pass on purpose: repeating it, or what came before it, is no standstill.
    pub(super) fn waited(&mut self) {
        self.call = None;
    }

    /// A turn with calls is over.
    pub(super) fn called(&mut self, any_usable: bool) -> Verdict {
        self.silent = 0;
        self.unusable = if any_usable { 0 } else { self.unusable + 1 };
        match self.unusable {
            UNUSABLE_TURNS.. => Verdict::GiveUp(format!(
                "the model made no usable tool call in {UNUSABLE_TURNS} turns in a row"
            )),
            _ => Verdict::GoOn,
        }
    }

    /// A turn without calls is over.
    pub(super) fn said_nothing_to_do(&mut self) -> Verdict {
        self.silent += 1;
        match self.silent {
            SILENT_TURNS.. => {
                Verdict::GiveUp(format!("the model called no tool in {SILENT_TURNS} turns in a row"))
            }
            _ => Verdict::GoOn,
        }
    }

    /// A turn was refused by the model, or was not.
    pub(super) fn refusal(&mut self, is_refusal: bool) -> Verdict {
        self.refused = if is_refusal { self.refused + 1 } else { 0 };
        match self.refused {
            0 => Verdict::GoOn,
            REFUSALS.. => Verdict::GiveUp(format!("the model refused {REFUSALS} times in a row")),
            times => Verdict::Remark(times),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(mut next: impl FnMut() -> Verdict) -> u32 {
        (1..100).find(|_| matches!(next(), Verdict::GiveUp(_))).expect("it must end")
    }

    #[test]
    fn each_kind_of_standstill_ends() {
        let mut patience = Patience::default();
        assert_eq!(ends(|| patience.said_nothing_to_do()), 20);
        let mut patience = Patience::default();
        assert_eq!(ends(|| patience.called(false)), 10);
        let mut patience = Patience::default();
        assert_eq!(ends(|| patience.refusal(true)), 3);
        let mut patience = Patience::default();
        assert_eq!(ends(|| patience.call("bash", "{}")), 30);
    }

    #[test]
    fn progress_begins_the_count_again() {
        let mut patience = Patience::default();
        for _ in 0..9 {
            assert_eq!(patience.called(false), Verdict::GoOn);
        }
        assert_eq!(patience.called(true), Verdict::GoOn);
        assert_eq!(patience.called(false), Verdict::GoOn);
        for _ in 0..10 {
            assert_eq!(patience.call("bash", "{}"), Verdict::GoOn);
        }
        assert_eq!(patience.call("bash", "{}"), Verdict::Remark(11));
        patience.waited();
        assert_eq!(patience.call("bash", "{}"), Verdict::GoOn);
        assert_eq!(patience.refusal(true), Verdict::Remark(1));
        assert_eq!(patience.refusal(false), Verdict::GoOn);
    }

    #[test]
    fn silence_does_not_excuse_unusable_calls() {
        let mut patience = Patience::default();
        for _ in 0..9 {
            patience.said_nothing_to_do();
            assert_eq!(patience.called(false), Verdict::GoOn);
        }
        patience.said_nothing_to_do();
        assert!(matches!(patience.called(false), Verdict::GiveUp(_)));
    }
}
