//! The operators without a model as the engine calls them: from files of candidates to files of a new one.

use std::collections::BTreeMap;

use super::tune::{self, Mix, Near};
use super::{Genome, GenomeError, Space, cross};
use crate::search::Stream;

/// A candidate's files: path -> content.
pub type Files = BTreeMap<String, Vec<u8>>;

/// A new candidate.
#[derive(Clone, Debug, PartialEq)]
pub struct Made {
    /// All its files.
    pub files: Files,
    /// How it was made, in a phrase.
    pub description: String,
}

/// An operator had nothing to work on.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Nothing {
    /// The candidate does not have the file of the numbers.
    #[error("{file}: there is no such file in the candidate")]
    NoFile {
        /// The file.
        file: String,
    },
    /// Its numbers cannot be read.
    #[error(transparent)]
    Genome(#[from] GenomeError),
    /// No number can change.
    #[error("{file}: every number has one possible value only")]
    Fixed {
        /// The file.
        file: String,
    },
    /// Two candidates have nothing between them.
    #[error("the two candidates differ in nothing that can be combined")]
    Alike,
}

/// The numbers of a candidate.
///
/// # Errors
/// It has none that can be read.
pub fn sampled(space: &Space, files: &Files) -> Result<Genome, Nothing> {
    let content = files.get(space.file()).ok_or_else(|| Nothing::NoFile { file: space.file().to_owned() })?;
    Ok(space.parse(content)?)
}

/// `tune`: a parent's files with other numbers. `others` are files of measured candidates, the best first; those
/// whose numbers cannot be read are left out.
///
/// # Errors
/// The parent has no numbers that can be read and changed.
pub fn tuned(
    space: &Space,
    parent: &Files,
    others: &[&Files],
    (sigma, mix): (f64, &Mix),
    random: &mut Stream,
) -> Result<Made, Nothing> {
    let genome = sampled(space, parent)?;
    let others: Vec<Genome> = others.iter().filter_map(|files| sampled(space, files).ok()).collect();
    let near = Near { parent: &genome, others: &others, sigma };
    let tuned = tune::tune(space, &near, mix, random)
        .ok_or_else(|| Nothing::Fixed { file: space.file().to_owned() })?;
    Ok(Made { files: replaced(space, parent, &tuned.genome), description: tuned.description })
}

/// A draft: the baseline's files with all numbers drawn anew.
///
/// # Errors
/// The baseline has no numbers that can be read.
pub fn draft(space: &Space, baseline: &Files, random: &mut Stream) -> Result<Made, Nothing> {
    let genome = tune::sample(space, &sampled(space, baseline)?, random);
    let description = format!("all {} numbers anew", genome.values().len());
    Ok(Made { files: replaced(space, baseline, &genome), description })
}

/// A candidate's files with a genome in the place of its own.
pub fn replaced(space: &Space, files: &Files, genome: &Genome) -> Files {
    let mut files = files.clone();
    files.insert(space.file().to_owned(), space.write(genome));
    files
}

/// `crossover`: numbers are combined if there is a space and both have numbers that differ, other files are taken
/// whole. Where both are possible, each happens every other time.
///
/// # Errors
/// There is nothing between the two.
pub fn crossover(
    space: Option<&Space>,
    first: &Files,
    second: &Files,
    random: &mut Stream,
) -> Result<Made, Nothing> {
    let of_numbers = space.and_then(|space| {
        let (one, other) = (sampled(space, first).ok()?, sampled(space, second).ok()?);
        let (genome, description) = cross::genomes(space, &one, &other, random)?;
        Some(Made { files: replaced(space, first, &genome), description })
    });
    let of_files = cross::files(first, second, random).map(|(files, taken)| {
        let more = if taken.len() > 3 { format!(" and {} more", taken.len() - 3) } else { String::new() };
        let named = taken[..taken.len().min(3)].join(", ");
        Made { files, description: format!("{named}{more} from the second parent") }
    });
    let (one, other) = if random.chance(0.5) { (of_files, of_numbers) } else { (of_numbers, of_files) };
    one.or(other).ok_or(Nothing::Alike)
}
