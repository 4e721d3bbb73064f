//! Near duplicates by meaning: what of a candidate is embedded, vectors of length one, and which earlier one is nearest.
//!
//! An [`Index`] keeps its vectors as blocks of 32-bit numbers and compares with all of them: `4 * dimensions + 8` bytes a
//! candidate, and a multiplication for each number. It has at most [`MOST_BYTES`]; beyond that it forgets the oldest block. Blocks are
//! shared between copies, so that one can be looked through elsewhere while another grows.

use std::sync::Arc;

use similar::{Algorithm, DiffOp, capture_diff_slices};

use super::genome::Files;
use crate::digest::Digest;

/// Bytes of vectors that an index has at most.
pub const MOST_BYTES: usize = 1 << 30;
/// Vectors of a block.
const BLOCK: usize = 256;
/// Numbers that are multiplied side by side: as many sums, so that the compiler may use the widest registers. They are added
/// up in a fixed order: the same vectors have the same cosine on all machines.
const LANES: usize = 16;
/// Lines of one file beyond which changed lines are not looked for: the search for them may take their square.
const MOST_LINES: usize = 20_000;

/// The text of all files in which a candidate differs from the baseline, each under a line with its path. What does not
/// differ is the same in all candidates and says nothing. The same candidate has the same text, however it was reached.
pub fn changed_text(baseline: &Files, candidate: &Files) -> String {
    let mut text = String::new();
    for (path, content) in candidate.iter().filter(|(path, content)| baseline.get(*path) != Some(content)) {
        text.push_str(&format!("### {path}\n"));
        match std::str::from_utf8(content) {
            Ok(content) => text.push_str(content),
            Err(_) => text.push_str(&format!("({} bytes, {})", content.len(), Digest::of(content))),
        }
        text.push('\n');
    }
    for path in baseline.keys().filter(|path| !candidate.contains_key(*path)) {
        text.push_str(&format!("### {path} (deleted)\n"));
    }
    text
}

/// The same with changed lines alone, marked by `+` and `-`: for candidates whose changed files are longer than what a model
/// takes.
pub fn changed_lines(baseline: &Files, candidate: &Files) -> String {
    let empty = Vec::new();
    let mut text = String::new();
    for (path, content) in candidate.iter().filter(|(path, content)| baseline.get(*path) != Some(content)) {
        let before = baseline.get(path).unwrap_or(&empty);
        text.push_str(&format!("### {path}\n"));
        match (std::str::from_utf8(before), std::str::from_utf8(content)) {
            (Ok(before), Ok(after)) => differences(&mut text, before, after),
            _ => text.push_str(&format!("({} bytes, {})\n", content.len(), Digest::of(content))),
        }
    }
    for path in baseline.keys().filter(|path| !candidate.contains_key(*path)) {
        text.push_str(&format!("### {path} (deleted)\n"));
    }
    text
}

fn differences(text: &mut String, before: &str, after: &str) {
    let (before, after): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let mut add = |mark: char, lines: &[&str]| {
        for line in lines {
            text.push(mark);
            text.push_str(line);
            text.push('\n');
        }
    };
    if before.len() + after.len() > MOST_LINES {
        add('+', &after);
        return;
    }
    for operation in capture_diff_slices(Algorithm::Patience, &before, &after) {
        if !matches!(operation, DiffOp::Equal { .. }) {
            add('-', &before[operation.old_range()]);
            add('+', &after[operation.new_range()]);
        }
    }
}

/// A vector of length one: the cosine of two is their product.
#[derive(Clone, Debug, PartialEq)]
pub struct Unit(Arc<[f32]>);

impl Unit {
    /// The direction of a vector; `None` if it has none, because it is empty, all zeros, or not finite.
    pub fn of(vector: &[f32]) -> Option<Unit> {
        let square: f64 = vector.iter().map(|number| f64::from(*number).powi(2)).sum();
        let length = square.sqrt();
        if !length.is_finite() || length == 0.0 {
            return None;
        }
        Some(Unit(vector.iter().map(|number| (f64::from(*number) / length) as f32).collect()))
    }

    /// How many numbers it has.
    pub fn dimensions(&self) -> usize {
        self.0.len()
    }

    /// The cosine of the angle between two of the same length.
    pub fn cosine(&self, other: &Unit) -> f32 {
        product(&self.0, &other.0)
    }
}

/// A vector as it is kept: 32-bit numbers, the lowest byte first.
pub fn to_bytes(vector: &[f32]) -> Vec<u8> {
    vector.iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// A kept vector; `None` if the bytes are none.
pub fn from_bytes(bytes: &[u8]) -> Option<Vec<f32>> {
    let (numbers, rest) = bytes.as_chunks::<4>();
    rest.is_empty().then(|| numbers.iter().map(|number| f32::from_le_bytes(*number)).collect())
}

fn product(one: &[f32], other: &[f32]) -> f32 {
    let ((ones, one_rest), (others, other_rest)) = (one.as_chunks::<LANES>(), other.as_chunks::<LANES>());
    let mut sums = [0.0_f32; LANES];
    for (one, other) in ones.iter().zip(others) {
        for lane in 0..LANES {
            sums[lane] += one[lane] * other[lane];
        }
    }
    let rest: f32 = one_rest.iter().zip(other_rest).map(|(one, other)| one * other).sum();
    sums.iter().sum::<f32>() + rest
}

/// Vectors with keys, in the order in which they came.
#[derive(Clone, Debug)]
pub struct Index<K> {
    dimensions: usize,
    blocks: Vec<Arc<Block<K>>>,
    /// Vectors that came before those of the first block.
    before: usize,
    most_blocks: usize,
}

#[derive(Clone, Debug)]
struct Block<K> {
    /// Nothing where a vector does not count any more.
    keys: Vec<Option<K>>,
    numbers: Vec<f32>,
}

impl<K: Copy + PartialEq> Index<K> {
    /// An empty one for vectors of this length.
    pub fn new(dimensions: usize) -> Index<K> {
        Index::bounded(dimensions, MOST_BYTES)
    }

    /// One that keeps at most so many bytes of vectors, and a block in any case.
    fn bounded(dimensions: usize, most_bytes: usize) -> Index<K> {
        let block = BLOCK * dimensions.max(1) * size_of::<f32>();
        Index { dimensions, blocks: Vec::new(), before: 0, most_blocks: (most_bytes / block).max(1) }
    }

    /// How many numbers its vectors have.
    pub fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// How many vectors have come: the position of the next one.
    pub fn seen(&self) -> usize {
        let last = self.blocks.last().map_or(0, |block| block.keys.len());
        self.before + self.blocks.len().saturating_sub(1) * BLOCK + last
    }

    /// Takes a vector in. False if it has another length than the others.
    #[must_use]
    pub fn insert(&mut self, key: K, vector: &Unit) -> bool {
        if vector.dimensions() != self.dimensions {
            return false;
        }
        if self.blocks.last().is_none_or(|block| block.keys.len() == BLOCK) {
            if self.blocks.len() == self.most_blocks {
                self.blocks.remove(0);
                self.before += BLOCK;
            }
            let numbers = Vec::with_capacity(BLOCK * self.dimensions);
            self.blocks.push(Arc::new(Block { keys: Vec::with_capacity(BLOCK), numbers }));
        }
        if let Some(last) = self.blocks.last_mut() {
            let block = Arc::make_mut(last);
            block.keys.push(Some(key));
            block.numbers.extend_from_slice(&vector.0);
        }
        true
    }

    /// What has this key does not count any more.
    pub fn forget(&mut self, key: K) {
        for block in &mut self.blocks {
            if block.keys.contains(&Some(key)) {
                let keys = &mut Arc::make_mut(block).keys;
                keys.iter_mut().filter(|kept| **kept == Some(key)).for_each(|kept| *kept = None);
            }
        }
    }

    /// The nearest of those that came at position `since` or later and whose keys count, with the cosine; of equals the
    /// earlier.
    pub fn nearest(&self, vector: &Unit, since: usize, counts: impl Fn(K) -> bool) -> Option<(K, f32)> {
        if vector.dimensions() != self.dimensions {
            return None;
        }
        let mut nearest: Option<(K, f32)> = None;
        let mut position = self.before;
        for block in &self.blocks {
            if position + block.keys.len() > since {
                for (place, numbers) in block.numbers.chunks_exact(self.dimensions).enumerate() {
                    let Some(key) = block.keys[place].filter(|_| position + place >= since) else { continue };
                    let cosine = product(numbers, &vector.0);
                    if nearest.is_none_or(|(_, most)| cosine > most) && counts(key) {
                        nearest = Some((key, cosine));
                    }
                }
            }
            position += block.keys.len();
        }
        nearest
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn files(of: &[(&str, &str)]) -> Files {
        of.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect()
    }

    #[test]
    fn what_differs_from_the_baseline_is_embedded() {
        let baseline = files(&[("a.py", "one\ntwo\nthree\n"), ("b.py", "same\n"), ("c.py", "gone\n")]);
        let mut candidate = files(&[("a.py", "one\n2\nthree\n"), ("b.py", "same\n"), ("new.py", "x\n")]);
        candidate.insert("raw.bin".into(), vec![0xff, 0]);
        let raw = format!("(2 bytes, {})", Digest::of(&[0xff, 0]));
        assert_eq!(
            changed_text(&baseline, &candidate),
            format!("### a.py\none\n2\nthree\n\n### new.py\nx\n\n### raw.bin\n{raw}\n### c.py (deleted)\n")
        );
        assert_eq!(
            changed_lines(&baseline, &candidate),
            format!("### a.py\n-two\n+2\n### new.py\n+x\n### raw.bin\n{raw}\n### c.py (deleted)\n")
        );
        assert_eq!(
            (changed_text(&baseline, &baseline), changed_lines(&baseline, &baseline)),
            Default::default()
        );
    }

    #[test]
    fn vectors_have_a_direction_or_are_none() {
        let unit = |numbers: &[f32]| Unit::of(numbers).map(|unit| unit.0.to_vec());
        assert_eq!(unit(&[3.0, 4.0]), Some(vec![0.6, 0.8]));
        assert_eq!(unit(&[f32::MAX, 0.0]), Some(vec![1.0, 0.0]));
        assert_eq!(unit(&[f32::MIN_POSITIVE, 0.0]), Some(vec![1.0, 0.0]));
        for none in [&[][..], &[0.0, 0.0], &[f32::NAN, 1.0], &[f32::INFINITY, 1.0]] {
            assert_eq!(unit(none), None, "{none:?}");
        }
        let vector = [1.5, -0.0, f32::MIN_POSITIVE];
        assert_eq!(from_bytes(&to_bytes(&vector)), Some(vector.to_vec()));
        assert_eq!(to_bytes(&[1.0]), [0, 0, 0x80, 0x3f]);
        assert_eq!(from_bytes(&[0; 5]), None);
    }

    #[test]
    fn what_is_forgotten_or_does_not_count_is_not_found() {
        let mut index = Index::new(2);
        let unit = |x, y| Unit::of(&[x, y]).unwrap();
        for (key, (x, y)) in [(7, (1.0, 0.0)), (8, (1.0, 0.1)), (9, (0.0, 1.0))] {
            assert!(index.insert(key, &unit(x, y)));
        }
        assert!(!index.insert(10, &Unit::of(&[1.0]).unwrap()));
        let asked = unit(1.0, 0.0);
        let found = |index: &Index<i32>, since, but| index.nearest(&asked, since, |key| key != but);
        assert_eq!(found(&index, 0, 0), Some((7, 1.0)));
        assert_eq!(found(&index, 0, 7).map(|(key, _)| key), Some(8));
        assert_eq!(found(&index, 2, 0), Some((9, 0.0)));
        assert_eq!(found(&index, 3, 0), None);
        let copy = index.clone();
        index.forget(7);
        assert_eq!((found(&index, 0, 0).map(|(key, _)| key), index.seen()), (Some(8), 3));
        assert_eq!(found(&copy, 0, 0), Some((7, 1.0)));
        assert_eq!(index.nearest(&Unit::of(&[1.0]).unwrap(), 0, |_| true), None);
    }

    #[test]
    fn the_oldest_are_forgotten_beyond_the_bytes_that_an_index_may_have() {
        let bytes_of_a_block = BLOCK * 2 * size_of::<f32>();
        let mut index = Index::bounded(2, 2 * bytes_of_a_block);
        let at = |key: usize| Unit::of(&[1.0, key as f32]).unwrap();
        for key in 0..2 * BLOCK + 1 {
            assert!(index.insert(key, &at(key)));
        }
        assert_eq!((index.seen(), index.blocks.len()), (2 * BLOCK + 1, 2));
        assert_eq!(index.nearest(&at(0), 0, |_| true).map(|(key, _)| key), Some(BLOCK));
        let last = index.nearest(&at(2 * BLOCK), 2 * BLOCK, |_| true);
        assert_eq!(last.map(|(key, _)| key), Some(2 * BLOCK));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn the_nearest_is_that_of_comparing_all(
            seed in any::<u64>(),
            dimensions in 1..70_usize,
            count in 0..600_usize,
            since in 0..600_usize,
            forgotten in prop::collection::vec(0..600_usize, 0..4),
        ) {
            let mut random = crate::search::Stream::new(seed, "test", 0);
            let mut draw = || -> Vec<f32> { (0..dimensions).map(|_| random.normal() as f32).collect() };
            let known: Vec<Vec<f32>> = (0..count).map(|_| draw()).collect();
            let asked = draw();
            let mut index = Index::new(dimensions);
            for (key, vector) in known.iter().enumerate() {
                prop_assert!(index.insert(key, &Unit::of(vector).unwrap()));
            }
            forgotten.iter().for_each(|key| index.forget(*key));
            let exact = |vector: &Vec<f32>| -> f64 {
                let product = |one: &[f32], other: &[f32]| -> f64 {
                    one.iter().zip(other).map(|(one, other)| f64::from(*one) * f64::from(*other)).sum()
                };
                product(vector, &asked) / (product(vector, vector) * product(&asked, &asked)).sqrt()
            };
            let counted = known.iter().enumerate().filter(|(key, _)| *key >= since && !forgotten.contains(key));
            let expected = counted.map(|(_, vector)| exact(vector)).max_by(f64::total_cmp);
            let found = index.nearest(&Unit::of(&asked).unwrap(), since, |_| true);
            prop_assert_eq!(found.is_some(), expected.is_some());
            if let (Some((key, cosine)), Some(expected)) = (found, expected) {
                prop_assert!((f64::from(cosine) - expected).abs() < 1e-5, "{} of {}", cosine, expected);
                prop_assert!((exact(&known[key]) - expected).abs() < 1e-5);
            }
        }

        #[test]
        fn any_files_have_a_text(before in "\\PC{0,40}\n?\\PC{0,40}", after in "\\PC{0,40}\n?\\PC{0,40}") {
            let (baseline, candidate) = (files(&[("a", &before)]), files(&[("a", &after)]));
            let differ = before != after;
            prop_assert_eq!(changed_text(&baseline, &candidate).is_empty(), !differ);
            prop_assert_eq!(changed_lines(&baseline, &candidate).is_empty(), !differ);
        }
    }
}
