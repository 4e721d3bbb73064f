//! One number of a genome: which values it may take, on a scale from 0 to 1.

use crate::search::Stream;
use crate::task::Range;

/// The values that one number may take.
#[derive(Clone, Debug, PartialEq)]
pub enum Coordinate {
    /// Anything between two bounds.
    Linear {
        /// The lowest.
        low: f64,
        /// The highest.
        high: f64,
    },
    /// The same, where ratios matter rather than differences; both bounds are above 0.
    Logarithmic {
        /// The lowest.
        low: f64,
        /// The highest.
        high: f64,
    },
    /// Whole numbers between two bounds, both possible.
    Whole {
        /// The lowest.
        low: f64,
        /// The highest.
        high: f64,
    },
    /// A position in a list.
    Choice {
        /// The length of the list.
        count: usize,
    },
}

impl Coordinate {
    /// The values of a tunable parameter.
    pub fn of(range: &Range) -> Coordinate {
        match range {
            Range::Float { low, high, log: true } if *low > 0.0 => {
                Coordinate::Logarithmic { low: *low, high: *high }
            }
            Range::Float { low, high, .. } => Coordinate::Linear { low: *low, high: *high },
            Range::Int { low, high } => Coordinate::Whole { low: *low as f64, high: *high as f64 },
            Range::Choice { choices } => Coordinate::Choice { count: choices.len() },
        }
    }

    /// The lowest and the highest value.
    pub fn bounds(&self) -> (f64, f64) {
        match self {
            Coordinate::Linear { low, high }
            | Coordinate::Logarithmic { low, high }
            | Coordinate::Whole { low, high } => (*low, *high),
            Coordinate::Choice { count } => (0.0, count.saturating_sub(1) as f64),
        }
    }

    /// Whether only one value is possible.
    pub fn is_fixed(&self) -> bool {
        let (low, high) = self.bounds();
        low >= high
    }

    /// The width of one value on the scale from 0 to 1; 0 where values are not whole.
    pub fn grain(&self) -> f64 {
        let (low, high) = self.bounds();
        match self {
            Coordinate::Linear { .. } | Coordinate::Logarithmic { .. } => 0.0,
            Coordinate::Whole { .. } | Coordinate::Choice { .. } => 1.0 / (high - low + 1.0),
        }
    }

    /// Where a value stands on a scale from 0 to 1. A whole number stands in the middle of its part.
    pub fn unit(&self, value: f64) -> f64 {
        let (low, high) = self.bounds();
        let unit = match self {
            _ if low >= high => 0.5,
            Coordinate::Linear { .. } => (value - low) / (high - low),
            Coordinate::Logarithmic { .. } => (value / low).ln() / (high / low).ln(),
            Coordinate::Whole { .. } | Coordinate::Choice { .. } => (value - low + 0.5) * self.grain(),
        };
        unit.clamp(0.0, 1.0)
    }

    /// The value at a place of that scale; places outside are mirrored at its ends.
    pub fn value(&self, unit: f64) -> f64 {
        let (low, high) = self.bounds();
        let unit = mirrored(unit);
        let value = match self {
            _ if low >= high => low,
            Coordinate::Linear { .. } => low + (high - low) * unit,
            Coordinate::Logarithmic { .. } => low * (high / low).powf(unit),
            Coordinate::Whole { .. } | Coordinate::Choice { .. } => low + (unit / self.grain()).floor(),
        };
        value.clamp(low, high)
    }

    /// A value of which all are equally likely.
    pub fn uniform(&self, random: &mut Stream) -> f64 {
        self.value(random.unit())
    }
}

/// A place outside of `[0, 1]` thrown back at the end that it has passed, as often as it takes.
pub(crate) fn mirrored(unit: f64) -> f64 {
    if !unit.is_finite() {
        return 0.5;
    }
    let folded = unit.abs() % 2.0;
    if folded > 1.0 { 2.0 - folded } else { folded }
}
