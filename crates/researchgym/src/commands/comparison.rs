//! What `report` and `leaderboard` compare: the runs that are meant, their records, and the analysis of them.

use std::path::Path;

use researchgym_core::model::price::PriceTable;
use researchgym_core::record::RunRecord;
use researchgym_core::statistics::{Analysis, Flagged, Options};
use researchgym_engine::model::read_prices;
use researchgym_engine::records::{Broken, record_of};
use researchgym_engine::store::RunFolder;

use super::list::library;
use crate::arguments::Comparison;
use crate::error::{CommandError, input};
use crate::output::Printer;
use crate::settings::Settings;

/// The runs that are meant, and what cannot be read of them.
pub(super) struct Meant {
    pub(super) records: Vec<RunRecord>,
    pub(super) broken: Vec<Broken>,
    /// Where they are.
    pub(super) folders: Vec<RunFolder>,
}

/// The runs that are named, else all of the store, as far as they pass the filters.
pub(super) fn meant(names: &[String], asked: &Comparison, printer: &Printer) -> Result<Meant, CommandError> {
    let settings = Settings::resolve(&asked.places)?;
    let query = asked.filters.query();
    let mut meant = match names {
        [] => {
            let mut library = library(&settings, asked.places.names_runs(), printer)?;
            library.select(&query);
            let broken = std::mem::take(&mut library.broken);
            let folders = library.runs.iter().map(|kept| kept.folder.clone()).collect();
            Meant { records: library.into_records(), broken, folders }
        }
        names => {
            let mut meant = Meant { records: Vec::new(), broken: Vec::new(), folders: Vec::new() };
            for name in names {
                let folder = RunFolder::find(&settings.runs, name).map_err(input)?;
                match record_of(&folder) {
                    Ok((record, _)) => {
                        meant.records.push(record);
                        meant.folders.push(folder);
                    }
                    Err(error) => {
                        let run = folder.root().display().to_string();
                        meant.broken.push(Broken { run, error: error.to_string() });
                    }
                }
            }
            meant.records.retain(|record| query.matches(record));
            meant
        }
    };
    for broken in &mut meant.broken {
        printer.warn(&broken.error);
    }
    if meant.records.is_empty() {
        let hint = if query.is_empty() {
            "make runs with `researchgym run`, or import some"
        } else {
            "`researchgym list` shows the runs that there are"
        };
        return Err(CommandError::input(format!("there are no such runs in {}", settings.runs.display()))
            .hinted(hint));
    }
    Ok(meant)
}

/// The analysis that was asked for, and the same without flagged runs if there are any among those that count.
pub(super) fn analysed(
    records: &[RunRecord],
    asked: &Comparison,
) -> Result<(Analysis, Option<Analysis>), CommandError> {
    let options = Options {
        group_by: asked.group_by.into(),
        resamples: asked.resamples,
        seed: asked.seed,
        confidence: asked.confidence,
        flagged: if asked.without_flagged { Flagged::LeftOut } else { Flagged::Kept },
        prices: asked.prices.as_deref().map(prices).transpose()?,
        ..Options::default()
    };
    let analysis = Analysis::of(records, &options);
    let clean = (!asked.without_flagged && records.iter().any(RunRecord::is_flagged))
        .then(|| Analysis::of(records, &Options { flagged: Flagged::LeftOut, ..options }));
    Ok((analysis, clean))
}

fn prices(path: &Path) -> Result<PriceTable, CommandError> {
    if path == Path::new("builtin") {
        return Ok(PriceTable::builtin());
    }
    read_prices(path).map_err(|error| CommandError::input(error.to_string()))
}
