//! `list`: the runs in the runs folder, oldest first.

use researchgym_core::spec::SCHEMA;
use researchgym_engine::store::RunFolder;
use serde_json::json;

use super::show::result_of;
use crate::arguments::ListArguments;
use crate::error::CommandError;
use crate::output::{Outcome, Printer};
use crate::settings::Settings;

pub(crate) fn list(arguments: &ListArguments, printer: &Printer) -> Outcome {
    let settings = Settings::resolve(&arguments.places)?;
    match std::fs::read_dir(&settings.runs) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(CommandError::input(format!("{}: {error}", settings.runs.display()))
                .hinted("`--runs-dir` names the folder of the runs"));
        }
        _ => {}
    }
    let mut results = Vec::new();
    let mut broken = Vec::new();
    for folder in RunFolder::list(&settings.runs) {
        match result_of(&folder) {
            Ok((result, state)) if arguments.task.as_ref().is_none_or(|task| *task == result.task) => {
                results.push((state.started_at, result));
            }
            Ok(_) => {}
            Err(error) => broken.push((folder.root().display().to_string(), error.to_string())),
        }
    }
    results.sort_by(|(one, _), (other, _)| one.cmp(other));
    let results: Vec<_> = results.into_iter().map(|(_, result)| result).collect();
    if printer.is_json() {
        let broken: Vec<_> =
            broken.iter().map(|(run, error)| json!({ "run": run, "error": error })).collect();
        printer.json(&json!({ "schema": SCHEMA, "runs": results, "broken": broken }));
    } else {
        printer.list(&results, &broken, &settings.runs);
    }
    Ok(0)
}
