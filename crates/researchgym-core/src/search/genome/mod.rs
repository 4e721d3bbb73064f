//! Numbers that operators without a model change: the genome of `[search.genome]`, or the parameters of `[tunable]`.
//!
//! Pure, and deterministic for a [`Stream`](super::Stream). A [`Space`] says where the numbers stand and what values
//! they may take, a [`Genome`] is one choice of values; `tune`, `cross` and `cma` make new ones.

pub mod cma;
mod coordinate;
pub mod cross;
mod eigen;
mod files;
mod space;
mod step;
pub mod tune;

#[cfg(test)]
mod tests;

use std::ops::Range;

use serde_json::Value;

pub use coordinate::Coordinate;
pub use files::{Files, Made, Nothing, crossover, draft, replaced, sampled, tuned};
pub use space::{NoNumbers, Space};
pub use step::StepSizes;

/// The most bytes of a genome's file.
pub const MOST_BYTES: usize = 4 << 20;
/// The most numbers of a genome.
pub const MOST_NUMBERS: usize = 200_000;
/// The deepest nesting of its arrays.
const DEEPEST: usize = 8;

/// A file does not hold numbers of its space.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum GenomeError {
    /// It has too many bytes.
    #[error("{file}: {bytes} bytes, and at most {MOST_BYTES} are read")]
    TooLong {
        /// The file.
        file: String,
        /// How many.
        bytes: usize,
    },
    /// It is no JSON.
    #[error("{file}:{line}:{column}: {problem}")]
    Syntax {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
        /// What the parser says.
        problem: String,
    },
    /// It is JSON of another form, or a value is out of bounds.
    #[error("{file}: {place} {problem}")]
    Value {
        /// The file.
        file: String,
        /// Where in it, such as `[3][1]` or `alpha`; `the whole` for all of it.
        place: String,
        /// What is wrong there.
        problem: String,
    },
}

/// How the numbers of a genome are arranged in their file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Shape {
    /// An array of so many numbers.
    Numbers(usize),
    /// An array of arrays.
    Arrays(Vec<Shape>),
    /// An object of parameters, with what it holds beside them.
    Object(serde_json::Map<String, Value>),
}

/// One choice of values for the numbers of a space.
#[derive(Clone, Debug, PartialEq)]
pub struct Genome {
    /// The numbers, in the order of the file; of a choice, its position in the list.
    values: Vec<f64>,
    shape: Shape,
}

impl Genome {
    /// The numbers of a `[search.genome]` file.
    ///
    /// # Errors
    /// It does not hold such numbers.
    pub fn parse(bytes: &[u8], spec: &crate::task::Genome) -> Result<Genome, GenomeError> {
        Space::array(spec).parse(bytes)
    }

    /// The numbers in the order of the file; of a choice, its position in the list.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// Runs of numbers that belong together: innermost arrays, or single numbers where there is only one array.
    pub fn rows(&self) -> Vec<Range<usize>> {
        match &self.shape {
            Shape::Numbers(count) => (0..*count).map(|at| at..at + 1).collect(),
            Shape::Object(_) => (0..self.values.len()).map(|at| at..at + 1).collect(),
            Shape::Arrays(_) => {
                let (mut rows, mut at) = (Vec::new(), 0);
                leaves(&self.shape, &mut |count| {
                    rows.push(at..at + count);
                    at += count;
                });
                rows
            }
        }
    }

    /// The same arrangement with other values.
    pub(crate) fn with(&self, values: Vec<f64>) -> Genome {
        Genome { values, shape: self.shape.clone() }
    }
}

fn leaves(shape: &Shape, visit: &mut impl FnMut(usize)) {
    match shape {
        Shape::Numbers(count) => visit(*count),
        Shape::Arrays(arrays) => arrays.iter().for_each(|inner| leaves(inner, visit)),
        Shape::Object(_) => {}
    }
}
