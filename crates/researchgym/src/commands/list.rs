//! `list`: the runs in the runs folder, oldest first, those of others that were imported among them.

use researchgym_core::spec::SCHEMA;
use researchgym_engine::records::{Broken, Library};
use serde_json::{Value, json};

use crate::arguments::ListArguments;
use crate::error::CommandError;
use crate::output::{Outcome, Printer};
use crate::settings::Settings;

pub(crate) fn list(arguments: &ListArguments, printer: &Printer) -> Outcome {
    let settings = Settings::resolve(&arguments.places)?;
    let mut library = library(&settings, arguments.places.names_runs(), printer)?;
    library.select(&arguments.filters.query());
    if printer.is_json() {
        let (own, foreign): (Vec<_>, Vec<_>) = library.runs.iter().partition(|kept| kept.is_own());
        let results: Vec<_> = own.iter().filter_map(|kept| kept.result()).collect();
        let imported: Vec<Value> = foreign.iter().map(|kept| json!(kept.record)).collect();
        let broken: Vec<Value> = library.broken.iter().map(shown).collect();
        printer.json(&json!({ "schema": SCHEMA, "runs": results, "imported": imported, "broken": broken }));
    } else {
        printer.list(&library, &settings.runs, arguments.filters.query().is_empty());
    }
    Ok(0)
}

fn shown(broken: &Broken) -> Value {
    json!({ "run": broken.run, "error": broken.error })
}

/// The runs of the store. A folder that was named has to be there.
pub(super) fn library(
    settings: &Settings,
    is_named: bool,
    printer: &Printer,
) -> Result<Library, CommandError> {
    match std::fs::read_dir(&settings.runs) {
        Err(error) if is_named || error.kind() != std::io::ErrorKind::NotFound => {
            return Err(CommandError::input(format!("{}: {error}", settings.runs.display()))
                .hinted("`--runs-dir` names the folder of the runs"));
        }
        _ => {}
    }
    let library = Library::read(&settings.runs);
    for warning in &library.warnings {
        printer.warn(warning);
    }
    Ok(library)
}
