//! Metrics in a program's output: JSON objects, each on a line of its own.

use serde_json::{Map, Value};

use super::Reading;
use crate::import::json;

/// How long a line with metrics may be.
pub const MOST_LINE_BYTES: usize = 64 << 10;
/// How deep objects may stand in each other: `a/b/c/d` is the longest name.
pub const MOST_DEPTH: usize = 4;
/// Members that are the step. The first that is there and a whole number is it; none of them is a metric.
pub const STEPS: [&str; 4] = ["step", "global_step", "iteration", "epoch"];

/// Reads an output as it comes. A line ends with a newline or, as progress bars do it, with a carriage return.
#[derive(Debug, Default)]
pub struct Lines {
    /// What there is of a line that may have metrics.
    line: Vec<u8>,
    kind: Kind,
    /// Lines that began like an object and were too long.
    pub overlong: u64,
}

/// What the line is that is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Kind {
    /// Nothing of it but spaces was seen.
    #[default]
    Blank,
    /// It began with a brace.
    Object,
    /// It is of no interest, or too long.
    Other,
}

impl Lines {
    /// Takes the next bytes, and tells the values in the lines that they end.
    pub fn push(&mut self, bytes: &[u8], tell: &mut dyn FnMut(Reading<'_>)) {
        let mut rest = bytes;
        // A flood of output is not looked at byte by byte.
        while let Some(end) = memchr::memchr2(b'\n', b'\r', rest) {
            self.extend(&rest[..end]);
            self.end(tell);
            rest = &rest[end + 1..];
        }
        self.extend(rest);
    }

    /// Ends the output, whose last line may have no end.
    pub fn finish(&mut self, tell: &mut dyn FnMut(Reading<'_>)) {
        self.end(tell);
    }

    fn extend(&mut self, piece: &[u8]) {
        let mut piece = piece;
        if self.kind == Kind::Blank {
            piece = piece.trim_ascii_start();
            self.kind = match piece.first() {
                None => return,
                Some(b'{') => Kind::Object,
                Some(_) => Kind::Other,
            };
        }
        if self.kind == Kind::Object {
            if self.line.len() + piece.len() > MOST_LINE_BYTES {
                self.overlong += 1;
                self.kind = Kind::Other;
                self.line = Vec::new();
            } else {
                self.line.extend_from_slice(piece);
            }
        }
    }

    fn end(&mut self, tell: &mut dyn FnMut(Reading<'_>)) {
        if self.kind == Kind::Object
            && let Ok(Value::Object(object)) = json::parse(&self.line)
        {
            tell_object(&object, tell);
        }
        self.line.clear();
        self.kind = Kind::Blank;
    }
}

fn tell_object(object: &Map<String, Value>, tell: &mut dyn FnMut(Reading<'_>)) {
    let step = STEPS.iter().find_map(|name| whole(object.get(*name)?));
    for (name, value) in object.iter().filter(|(name, _)| !STEPS.contains(&name.as_str())) {
        tell_member(name, value, step, 1, tell);
    }
}

fn tell_member(
    name: &str,
    value: &Value,
    step: Option<i64>,
    depth: usize,
    tell: &mut dyn FnMut(Reading<'_>),
) {
    let mut told = |value: f64| tell(Reading { name, step, value, wall_time: None });
    match value {
        Value::Number(number) => told(number.as_f64().unwrap_or(f64::NAN)),
        // What the lenient reader makes of words that Python writes for numbers that are none.
        Value::String(word) if matches!(word.as_str(), "NaN" | "Infinity" | "-Infinity") => told(f64::NAN),
        Value::Object(inner) if depth < MOST_DEPTH => {
            for (inner, value) in inner {
                tell_member(&format!("{name}/{inner}"), value, step, depth + 1, tell);
            }
        }
        Value::Object(_) | Value::Array(_) | Value::String(_) | Value::Bool(_) | Value::Null => {}
    }
}

/// A whole number, also one that is written as `10.0`.
fn whole(value: &Value) -> Option<i64> {
    const EXACT: f64 = (1u64 << 53) as f64;
    let float = || value.as_f64().filter(|float| float.fract() == 0.0 && float.abs() <= EXACT);
    value.as_i64().or_else(|| float().map(|float| float as i64))
}
