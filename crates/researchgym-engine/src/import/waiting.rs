//! Files of an archive that wait for the others of their unit.

use std::collections::HashMap;

use super::group::Unit;
use super::parse::Files;

/// The most bytes that wait.
const MAX_WAITING: u64 = 128 << 20;

/// Units of an archive while it is read.
#[derive(Debug)]
pub(super) struct Waiting {
    /// File -> its unit and its name there.
    places: HashMap<usize, (usize, String)>,
    /// Unit -> how many of its files are not there yet; `None` when it has been handed over or given up.
    missing: Vec<Option<usize>>,
    files: HashMap<usize, Files>,
    bytes: u64,
}

/// A unit that is whole, or why it is given up.
pub(super) type Finished = (usize, Result<Files, String>);

impl Waiting {
    pub(super) fn new(units: &[Unit]) -> Waiting {
        let mut places = HashMap::new();
        for (number, unit) in units.iter().enumerate() {
            places.extend(unit.files.iter().map(|(name, index)| (*index, (number, name.clone()))));
        }
        let missing = units.iter().map(|unit| Some(unit.files.len())).collect();
        Waiting { places, missing, files: HashMap::new(), bytes: 0 }
    }

    /// The unit that a file is awaited for, and its name there.
    pub(super) fn place(&self, file: usize) -> Option<(usize, String)> {
        let (unit, name) = self.places.get(&file)?;
        self.missing[*unit].map(|_| (*unit, name.clone()))
    }

    /// Takes a file in, and gives what is whole or given up by that.
    pub(super) fn add(&mut self, unit: usize, name: String, bytes: Vec<u8>) -> Vec<Finished> {
        self.bytes += bytes.len() as u64;
        let files = self.files.entry(unit).or_default();
        files.insert(name, bytes);
        let Some(missing) = &mut self.missing[unit] else { return Vec::new() };
        *missing = missing.saturating_sub(1);
        let mut finished = Vec::new();
        if *missing == 0 {
            finished.extend(self.end(unit).map(|files| (unit, Ok(files))));
        }
        while self.bytes > MAX_WAITING {
            let length = |files: &Files| files.values().map(Vec::len).sum::<usize>();
            let Some(largest) =
                self.files.iter().max_by_key(|(_, files)| length(files)).map(|(unit, _)| *unit)
            else {
                break;
            };
            self.end(largest);
            finished.push((largest, Err("its files lie too far apart in the archive: unpack it".to_owned())));
        }
        finished
    }

    /// Gives a unit up.
    pub(super) fn fail(&mut self, unit: usize, why: String) -> Vec<Finished> {
        self.end(unit);
        vec![(unit, Err(why))]
    }

    /// Units that are not whole.
    pub(super) fn unfinished(&self) -> Vec<usize> {
        (0..self.missing.len()).filter(|unit| self.missing[*unit].is_some()).collect()
    }

    /// The unit of this file will never be known to be whole.
    pub(super) fn distrust(&mut self, file: usize) {
        if let Some((unit, _)) = self.places.get(&file)
            && let Some(missing) = &mut self.missing[*unit]
        {
            *missing += 1;
        }
    }

    fn end(&mut self, unit: usize) -> Option<Files> {
        self.missing[unit] = None;
        let files = self.files.remove(&unit);
        let length =
            files.iter().flat_map(|files| files.values()).map(|bytes| bytes.len() as u64).sum::<u64>();
        self.bytes -= length;
        files
    }
}
