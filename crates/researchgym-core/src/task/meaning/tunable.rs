//! What `[tunable]` must mean: a file, and ranges that hold something.

use super::super::Range;
use super::{Checker, KeyPath};

impl Checker<'_> {
    pub(super) fn tunable(&mut self) {
        let Some(tunable) = &self.task.tunable else { return };
        let path = KeyPath::of("tunable");
        self.path(&tunable.file, &path.key("file"));
        if tunable.apply.trim().is_empty() {
            self.report(
                &path.key("apply"),
                "is empty",
                "write the command that turns the file into a submission",
            );
        }
        self.above_zero(tunable.trials, &path.key("trials"));
        if tunable.parameters.is_empty() {
            self.report(&path.key("parameters"), "is empty", "declare at least one parameter");
        }
        for (name, range) in &tunable.parameters {
            let path = path.key("parameters").key(name);
            match range {
                Range::Float { low, high, log } => {
                    if !(low.is_finite() && high.is_finite()) {
                        self.report(&path, "has a bound that is not finite", "write finite bounds");
                    } else if low >= high {
                        self.report(
                            &path,
                            format!("has low {low} not below high {high}"),
                            "write low < high",
                        );
                    }
                    if *log && *low <= 0.0 {
                        let message = format!("is searched on a logarithmic scale from {low}");
                        self.report(&path.key("low"), message, "write a low above 0 or drop `log`");
                    }
                }
                Range::Int { low, high } => {
                    if low >= high {
                        self.report(
                            &path,
                            format!("has low {low} not below high {high}"),
                            "write low < high",
                        );
                    }
                }
                Range::Choice { choices } => {
                    if choices.is_empty() {
                        self.report(&path.key("choices"), "is empty", "list at least one value");
                    }
                    for (index, choice) in choices.iter().enumerate() {
                        self.finite(choice, &path.key("choices").index(index));
                    }
                }
            }
        }
    }
}
