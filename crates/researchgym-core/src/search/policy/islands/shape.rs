//! The shape of a candidate's text, by which its distance to others is known: bytes, lines and the set of characters.
//!
//! OpenEvolve's fast distance is 0.1 per character of difference in length, 10 per line, and 0.5 per character that only one of
//! the two has. A tree holds what candidates changed, not the files: here a file that was never changed counts as
//! empty, for its text is the same in all that never changed it; the length is that of all editable files; only ASCII
//! characters count; and of a file that is kept beside the log, because it is longer than
//! [`crate::action::INLINE_BODY_BYTES`], neither lines nor characters are known, so that its candidates differ by
//! length alone.

use std::collections::{BTreeMap, HashMap};

use crate::action::Body;
use crate::search::{Node, NodeId};

/// What a distance is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Shape {
    bytes: u64,
    lines: u32,
    characters: u128,
}

impl Shape {
    /// OpenEvolve's fast distance.
    pub(super) fn distance(&self, other: &Shape) -> f64 {
        let characters = (self.characters ^ other.characters).count_ones();
        0.1 * self.bytes.abs_diff(other.bytes) as f64
            + 10.0 * f64::from(self.lines.abs_diff(other.lines))
            + 0.5 * f64::from(characters)
    }
}

/// The shapes of all candidates that were built.
#[derive(Clone, Debug, Default)]
pub(super) struct Shapes {
    paths: HashMap<String, u32>,
    nodes: HashMap<NodeId, Files>,
}

/// The files of a candidate that are not the baseline's.
type Files = Box<[FileText]>;

/// What is known of the text of a file.
#[derive(Clone, Copy, Debug)]
struct FileText {
    /// The number of its path.
    path: u32,
    lines: u32,
    characters: u128,
}

impl Shapes {
    /// Takes in a candidate: its base's files, with what it changed.
    pub(super) fn built(&mut self, node: &Node, base: Option<&Node>) {
        let inherited = base.and_then(|base| self.nodes.get(&base.id)).into_iter().flatten();
        let mut files: BTreeMap<u32, FileText> = inherited.map(|file| (file.path, *file)).collect();
        let learned = base.into_iter().flat_map(|base| &base.learned).map(|(path, body)| (path, Some(body)));
        let changed = node.changes.iter().map(|(path, body)| (path, body.as_ref()));
        for (path, body) in learned.chain(changed) {
            let next = self.paths.len() as u32;
            let path = *self.paths.entry(path.clone()).or_insert(next);
            let (lines, characters) = body.map_or((0, 0), text_of);
            files.insert(path, FileText { path, lines, characters });
        }
        self.nodes.insert(node.id, files.into_values().collect());
    }

    /// The shape of a candidate.
    pub(super) fn of(&self, node: &Node) -> Shape {
        let mut shape = Shape { bytes: node.size, ..Shape::default() };
        for file in self.nodes.get(&node.id).into_iter().flatten() {
            shape.lines = shape.lines.saturating_add(file.lines);
            shape.characters |= file.characters;
        }
        shape
    }
}

fn text_of(body: &Body) -> (u32, u128) {
    match body {
        Body::Text(text) => {
            let ascii = text.bytes().filter(u8::is_ascii);
            let characters = ascii.fold(0, |set, byte| set | 1_u128 << byte);
            (text.lines().count() as u32, characters)
        }
        Body::Base64(_) | Body::Blob { .. } => (0, 0),
    }
}

/// Candidates that are far from each other, at most so many: a newcomer that is further from all of them than the two
/// closest are from each other takes the place of one of these. OpenEvolve picks them greedily from those that live.
#[derive(Clone, Debug)]
pub(super) struct References {
    most: usize,
    shapes: Vec<Shape>,
}

impl References {
    pub(super) fn new(most: usize) -> References {
        References { most, shapes: Vec::new() }
    }

    /// Mean distance to the references; 0 without any.
    pub(super) fn diversity(&self, shape: &Shape) -> f64 {
        let sum: f64 = self.shapes.iter().map(|reference| reference.distance(shape)).sum();
        sum / self.shapes.len().max(1) as f64
    }

    /// Takes the shape in if it is far from the others.
    pub(super) fn offer(&mut self, shape: Shape) {
        let nearest =
            self.shapes.iter().map(|reference| reference.distance(&shape)).fold(f64::INFINITY, f64::min);
        if nearest <= 0.0 {
            return;
        }
        if self.shapes.len() < self.most {
            self.shapes.push(shape);
        } else if let Some((distance, position)) = self.closest()
            && nearest > distance
        {
            self.shapes[position] = shape;
        }
    }

    /// The least distance of two references, and the later one of them.
    fn closest(&self) -> Option<(f64, usize)> {
        let later = |position: usize| {
            let earlier = self.shapes[..position].iter();
            earlier.map(move |other| (other.distance(&self.shapes[position]), position))
        };
        (1..self.shapes.len()).flat_map(later).min_by(|one, other| one.0.total_cmp(&other.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(text: &str) -> Shape {
        let (lines, characters) = text_of(&Body::Text(text.to_owned()));
        Shape { bytes: text.len() as u64, lines, characters }
    }

    #[test]
    fn distances_are_as_published() {
        // Four characters more, one line more, and `y`, `z` and the line's end only in the second.
        assert!((shape("x = 1").distance(&shape("x = 1\nyz")) - (0.3 + 10.0 + 1.5)).abs() < 1e-12);
        assert_eq!(shape("é").distance(&shape("ü")), 0.0);
    }

    #[test]
    fn references_are_those_that_lie_far_apart() {
        let of = |bytes| Shape { bytes, ..Shape::default() };
        let mut references = References::new(3);
        for bytes in [0, 10, 0, 20, 15, 1000] {
            references.offer(of(bytes));
        }
        assert_eq!(references.shapes, [of(0), of(1000), of(20)]);
        assert!((references.diversity(&of(500)) - (50.0 + 50.0 + 48.0) / 3.0).abs() < 1e-9);
        assert_eq!(References::new(0).diversity(&of(5)), 0.0);
    }
}
