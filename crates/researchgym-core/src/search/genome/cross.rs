//! `crossover` without a model: one candidate out of two, of their numbers or of their files.

use super::{Files, Genome, Space};
use crate::search::Stream;

/// How far beyond the parents BLX-alpha reaches, in parts of their distance (Eshelman and Schaffer 1993).
const ALPHA: f64 = 0.5;

/// How numbers of two parents are combined.
const WAYS: [Way; 3] = [Way::Uniform, Way::Blend, Way::Rows];

#[derive(Clone, Copy, PartialEq)]
enum Way {
    /// Each number from one of them.
    Uniform,
    /// Each number anywhere between and a little beyond them: BLX-0.5.
    Blend,
    /// Each row from one of them.
    Rows,
}

/// A combination of two genomes that is none of them, with a phrase that says how it was made; `None` if there is
/// none, because they are equal, differ in one number of few values, or are arranged differently.
pub fn genomes(space: &Space, one: &Genome, other: &Genome, random: &mut Stream) -> Option<(Genome, String)> {
    let is_alike = one.rows() == other.rows() && one.values().len() == other.values().len();
    if !is_alike || one.values() == other.values() {
        return None;
    }
    let rows = one.rows();
    // Three tries of each way.
    for _ in 0..9 {
        let way = WAYS[random.below(WAYS.len())];
        let (values, what): (Vec<f64>, &str) = match way {
            Way::Uniform => (by_number(one, other, random), "numbers of two, each from one of them"),
            Way::Rows => (by_row(one, other, &rows, random), "rows of two, each from one of them"),
            Way::Blend => (blended(space, one, other, random), "numbers between and beyond those of two"),
        };
        let child = one.with(values);
        if child.values() != one.values() && child.values() != other.values() {
            return Some((child, what.to_owned()));
        }
    }
    None
}

fn by_number(one: &Genome, other: &Genome, random: &mut Stream) -> Vec<f64> {
    let pairs = one.values().iter().zip(other.values());
    pairs.map(|(one, other)| if random.chance(0.5) { *one } else { *other }).collect()
}

fn by_row(one: &Genome, other: &Genome, rows: &[std::ops::Range<usize>], random: &mut Stream) -> Vec<f64> {
    rows.iter()
        .flat_map(|row| {
            let from = if random.chance(0.5) { one } else { other };
            from.values()[row.clone()].iter().copied()
        })
        .collect()
}

fn blended(space: &Space, one: &Genome, other: &Genome, random: &mut Stream) -> Vec<f64> {
    let (ones, others) = (space.units(one), space.units(other));
    let mut values = one.values().to_vec();
    for (at, value) in values.iter_mut().enumerate() {
        let (low, high) = (ones[at].min(others[at]), ones[at].max(others[at]));
        if low == high {
            continue;
        }
        *value = match space.coordinate(at) {
            super::Coordinate::Choice { .. } if random.chance(0.5) => *value,
            super::Coordinate::Choice { .. } => other.values()[at],
            coordinate => {
                let beyond = ALPHA * (high - low);
                coordinate.value(random.between(low - beyond, high + beyond))
            }
        };
    }
    values
}

/// The first parent with some of the files in which the second differs: at least one, and not all of them. With the
/// paths that were taken; `None` if fewer than two files differ, because then there is nothing between the two.
pub fn files(first: &Files, second: &Files, random: &mut Stream) -> Option<(Files, Vec<String>)> {
    let mut paths: Vec<&String> = first.keys().chain(second.keys()).collect();
    paths.sort_unstable();
    paths.dedup();
    let mut differing: Vec<&String> =
        paths.into_iter().filter(|path| first.get(*path) != second.get(*path)).collect();
    if differing.len() < 2 {
        return None;
    }
    random.shuffle(&mut differing);
    let count = 1 + random.below(differing.len() - 1);
    let mut taken: Vec<String> = differing[..count].iter().map(|path| (*path).clone()).collect();
    taken.sort_unstable();
    let mut child = first.clone();
    for path in &taken {
        match second.get(path) {
            Some(content) => child.insert(path.clone(), content.clone()),
            None => child.remove(path),
        };
    }
    Some((child, taken))
}
