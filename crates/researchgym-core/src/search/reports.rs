//! What a trial's program tells of itself while it works: values of metrics, from lines that it prints and files that it writes.
//!
//! Pure. Whoever watches a program hands in bytes as they come, cut anywhere. All of it is a stranger's: lines, records, names,
//! metrics and values are bounded, what does not fit is counted and left out, and nothing here is ever trusted for more than
//! being shown.

mod lines;
mod protobuf;
mod tensorboard;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::lines::{Lines, MOST_DEPTH, MOST_LINE_BYTES, STEPS};
pub use self::tensorboard::{EventFile, MOST_RECORD_BYTES};
use super::event::MetricPoint;

/// How many values are kept of an evaluation.
pub const MOST_POINTS: usize = 100_000;
/// How many metrics an evaluation may have.
pub const MOST_METRICS: usize = 1_000;
/// How many bytes the name of a metric may have.
pub const MOST_NAME_BYTES: usize = 128;
/// How many metrics are told while an evaluation is under way.
const MOST_TOLD: usize = 32;

/// A value as it was read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading<'a> {
    /// The metric.
    pub name: &'a str,
    /// The program's own count.
    pub step: Option<i64>,
    /// Its value; it may be no number.
    pub value: f64,
    /// When the program says that it was written, in seconds since 1970.
    pub wall_time: Option<f64>,
}

/// Where a value was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// In a line on standard output.
    Printed,
    /// In a TensorBoard file.
    Written,
}

/// What was told and not kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Unread {
    /// Values that were NaN or infinite.
    pub not_finite: u64,
    /// Values whose metric's name cannot be one, or that were of one metric too many.
    pub refused: u64,
    /// Lines and records that were too long, and records with a wrong checksum.
    pub damaged: u64,
}

impl Unread {
    /// Whether everything was kept.
    pub fn is_nothing(&self) -> bool {
        *self == Unread::default()
    }
}

/// Values of one evaluation, as many as are kept. When there are more than [`MOST_POINTS`], of the metric with most values every
/// other goes, and of its later ones as many; each metric's first and newest always stay.
#[derive(Debug, Default)]
pub struct Reports {
    series: BTreeMap<String, Series>,
    /// Values that are kept of all metrics.
    kept: usize,
    /// How many were added.
    added: u64,
    /// What was told and not kept.
    pub unread: Unread,
}

/// The values of one metric.
#[derive(Debug)]
struct Series {
    source: Source,
    /// Its number among the metrics, in the order in which they were first told.
    number: usize,
    kept: Vec<Value>,
    newest: Value,
    count: u64,
    /// Of so many values one is kept.
    every: u64,
    is_untold: bool,
}

#[derive(Clone, Copy, Debug)]
struct Value {
    /// The how manieth of all that were added.
    number: u64,
    step: Option<i64>,
    value: f64,
    at_ms: u64,
}

impl Reports {
    /// Takes in a value that was seen so many milliseconds after the program began. A metric that is both printed and written to
    /// a file is taken from where it was seen first.
    pub fn add(&mut self, source: Source, reading: Reading<'_>, at_ms: u64) {
        let Reading { name, step, value, .. } = reading;
        if !value.is_finite() {
            self.unread.not_finite += 1;
            return;
        }
        let value = Value { number: self.added, step, value, at_ms };
        if let Some(series) = self.series.get_mut(name) {
            if series.source == source {
                self.added += 1;
                self.kept += usize::from(series.push(value));
            }
        } else if is_name(name) && self.series.len() < MOST_METRICS {
            let number = self.series.len();
            self.added += 1;
            self.kept += 1;
            let kept = vec![value];
            let series = Series { source, number, kept, newest: value, count: 1, every: 1, is_untold: true };
            self.series.insert(name.to_owned(), series);
        } else {
            self.unread.refused += 1;
        }
        // The newest of each metric may come on top.
        if self.kept > MOST_POINTS - MOST_METRICS {
            self.thin();
        }
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    /// The newest value of each metric that has a newer one than when this was asked last: of those that were told first, some.
    pub fn news(&mut self) -> Vec<MetricPoint> {
        let mut news: Vec<(&String, &mut Series)> = self
            .series
            .iter_mut()
            .filter(|(_, series)| series.number < MOST_TOLD && series.is_untold)
            .collect();
        news.sort_unstable_by_key(|(_, series)| series.number);
        let told = news.into_iter().map(|(name, series)| {
            series.is_untold = false;
            series.newest.point(name)
        });
        told.collect()
    }

    /// All that is kept, in the order in which it was seen.
    pub fn into_points(self) -> Vec<MetricPoint> {
        let mut points: Vec<(u64, MetricPoint)> = Vec::with_capacity(self.kept + self.series.len());
        for (name, series) in self.series {
            let is_kept = series.kept.last().is_some_and(|last| last.number == series.newest.number);
            let newest = (!is_kept).then_some(series.newest);
            let values = series.kept.iter().copied().chain(newest);
            points.extend(values.map(|value| (value.number, value.point(&name))));
        }
        points.sort_unstable_by_key(|(number, _)| *number);
        points.into_iter().map(|(_, point)| point).collect()
    }

    /// Drops half of the longest series. It has its share of the room at least, so that this pays for the search.
    fn thin(&mut self) {
        if let Some(longest) = self.series.values_mut().max_by_key(|series| series.kept.len()) {
            let before = longest.kept.len();
            let mut number = 0;
            longest.kept.retain(|_| {
                number += 1;
                number % 2 == 1
            });
            longest.every *= 2;
            self.kept -= before - longest.kept.len();
        }
    }
}

impl Series {
    /// Whether the value is kept for good.
    fn push(&mut self, value: Value) -> bool {
        let is_kept = self.count.is_multiple_of(self.every);
        if is_kept {
            self.kept.push(value);
        }
        self.newest = value;
        self.count += 1;
        self.is_untold = true;
        is_kept
    }
}

impl Value {
    fn point(&self, name: &str) -> MetricPoint {
        MetricPoint { name: name.to_owned(), step: self.step, value: self.value, at_ms: self.at_ms }
    }
}

fn is_name(name: &str) -> bool {
    !name.trim().is_empty() && name.len() <= MOST_NAME_BYTES && !name.contains(char::is_control)
}
