//! Figures of searches: what they had reached when, their trees and islands, metrics of their trials, what operators and failures came to.

mod conduct;
mod grid;
mod niches;
mod progress;
mod tree;
mod trials;

use std::collections::BTreeMap;

use researchgym_core::record::{RunRecord, SearchRecord};

use super::super::frame::Shown;
use super::{Drawn, font};
use crate::Given;
use crate::palette::Style;
use crate::search::{contender, task};

/// One search that is shown.
#[derive(Clone, Copy)]
pub(super) struct Run<'a> {
    record: &'a RunRecord,
    search: &'a SearchRecord,
}

/// All searches that are shown, by their tasks, and who they are of, the same in every figure.
pub(super) struct Searches<'a> {
    tasks: BTreeMap<String, Vec<Run<'a>>>,
    names: Vec<String>,
}

pub(super) fn figures(given: &Given<'_>) -> Vec<Drawn> {
    let searches = Searches::of(given);
    if searches.names.is_empty() {
        return Vec::new();
    }
    let mut drawn = progress::figures(&searches);
    drawn.extend(tree::figures(&searches, given.trees));
    drawn.extend(niches::figures(&searches, given.trees));
    drawn.extend(grid::figures(&searches, given.trees));
    drawn.extend(trials::figures(&searches, given.trees));
    drawn.extend(conduct::figures(&searches));
    drawn
}

impl<'a> Searches<'a> {
    fn of(given: &Given<'a>) -> Searches<'a> {
        let mut tasks: BTreeMap<String, Vec<Run<'a>>> = BTreeMap::new();
        let mut names: Vec<String> = Vec::new();
        for (record, search) in crate::search::shown(given.records, given.analysis) {
            names.push(contender(record, search));
            tasks.entry(task(record)).or_default().push(Run { record, search });
        }
        names.sort();
        names.dedup();
        Searches { tasks, names }
    }

    fn runs(&self) -> impl Iterator<Item = &Run<'a>> {
        self.tasks.values().flatten()
    }

    /// A contender as it is shown.
    fn shown(&self, name: &str) -> Shown {
        let number = self.names.iter().position(|known| known == name).unwrap_or(0);
        Shown { name: font::plain(name), style: Style::of(number) }
    }
}
