//! Figures to standard output as JSON lines, talk to standard error. Nothing else of this crate prints.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this module is the crate's output")]

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::sample::Samples;

/// The unit of durations in a line.
#[derive(Clone, Copy)]
pub(crate) enum Unit {
    Microseconds,
    Milliseconds,
    Seconds,
}

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Unit::Microseconds => "us",
            Unit::Milliseconds => "ms",
            Unit::Seconds => "s",
        }
    }

    /// A duration in this unit.
    pub(crate) fn of(self, duration: Duration) -> f64 {
        let seconds = duration.as_secs_f64();
        rounded(match self {
            Unit::Microseconds => seconds * 1e6,
            Unit::Milliseconds => seconds * 1e3,
            Unit::Seconds => seconds,
        })
    }
}

/// One figure, for [`Report::write`].
pub(crate) struct Figure(Map<String, Value>);

impl Figure {
    /// Repeated measurements.
    pub(crate) fn samples(name: &str, unit: Unit, samples: &Samples) -> Figure {
        Figure::empty(name, unit.name())
            .with("n", samples.len())
            .with("p50", unit.of(samples.median()))
            .with("p99", unit.of(samples.quantile(0.99)))
            .with("min", unit.of(samples.minimum()))
            .with("mean", unit.of(samples.mean()))
    }

    /// One duration.
    pub(crate) fn duration(name: &str, unit: Unit, duration: Duration) -> Figure {
        Figure::empty(name, unit.name()).with("value", unit.of(duration))
    }

    /// One number.
    pub(crate) fn number(name: &str, unit: &str, value: f64) -> Figure {
        Figure::empty(name, unit).with("value", rounded(value))
    }

    /// A number with all its digits, if there is one.
    pub(crate) fn exact(name: &str, unit: &str, value: Option<f64>) -> Figure {
        Figure::empty(name, unit).with("value", value)
    }

    fn empty(name: &str, unit: &str) -> Figure {
        Figure(Map::new()).with("name", name).with("unit", unit)
    }

    /// Adds a field.
    pub(crate) fn with(mut self, key: &str, value: impl Into<Value>) -> Figure {
        self.0.insert(key.to_owned(), value.into());
        self
    }

    /// What it is beside: the floor.
    pub(crate) fn beside_duration(self, name: &str, unit: Unit, value: Duration) -> Figure {
        self.with("beside", json!({ "name": name, "value": unit.of(value) }))
    }

    /// What it should be below.
    pub(crate) fn aim(self, value: f64) -> Figure {
        self.with("aim", value)
    }
}

/// Where a measurement's figures go.
pub(crate) struct Report {
    bench: String,
}

impl Report {
    pub(crate) fn new(bench: &str) -> Report {
        Report { bench: bench.to_owned() }
    }

    /// Writes one line.
    pub(crate) fn write(&self, figure: Figure) {
        let mut line = Map::from_iter([("bench".to_owned(), Value::from(self.bench.as_str()))]);
        line.extend(figure.0);
        println!("{}", Value::Object(line));
    }
}

/// Says something to whoever watches.
pub(crate) fn talk(text: &str) {
    eprintln!("{text}");
}

/// Tells another process of ours something, as one line of standard output.
pub(crate) fn say(text: &str) {
    println!("{text}");
}

/// Four significant digits are more than any of this is good for.
fn rounded(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return 0.0;
    }
    let scale = 10_f64.powi(3 - value.abs().log10().floor() as i32);
    (value * scale).round() / scale
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_digits_are_kept() {
        assert_eq!([1234.56, 0.00123456, 0.0, 98_765.4].map(rounded), [1235.0, 0.001235, 0.0, 98_770.0]);
    }
}
