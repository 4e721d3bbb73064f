//! `verify`: is the log whole? Exit code 0 if it is, 1 if not.

use researchgym_core::spec::SCHEMA;
use researchgym_engine::store::{RunFolder, verify as verify_folder};
use serde_json::json;

use crate::arguments::OneRun;
use crate::error::input;
use crate::output::{Outcome, Printer};
use crate::settings::Settings;

pub(crate) fn verify(arguments: &OneRun, printer: &Printer) -> Outcome {
    let settings = Settings::resolve(&arguments.places)?;
    let folder = RunFolder::find(&settings.runs, &arguments.run).map_err(input)?;
    let verification = verify_folder(&folder).map_err(input)?;
    let run = folder.root().display().to_string();
    let problems: Vec<String> = verification.problems.iter().map(ToString::to_string).collect();
    if printer.is_json() {
        let object = json!({
            "schema": SCHEMA, "run": run, "run_id": verification.run_id, "whole": problems.is_empty(),
            "problems": problems, "notes": verification.notes, "events": verification.lines,
            "log_head": verification.head,
        });
        printer.json(&object);
    } else {
        printer.verification(&run, &verification, &problems);
    }
    Ok(u8::from(!problems.is_empty()))
}
