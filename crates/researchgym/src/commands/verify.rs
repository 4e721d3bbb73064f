//! `verify`: is the log whole? Exit code 0 if it is, 1 if not.

use researchgym_core::spec::SCHEMA;
use researchgym_core::state::RunState;
use researchgym_engine::store::{RunFolder, read_log, verify as verify_folder};
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
    let mut problems: Vec<String> = verification.problems.iter().map(ToString::to_string).collect();
    if let (true, Ok(reading)) = (verification.is_whole(), read_log(&folder))
        && let Err(error) = RunState::fold(&reading.lines)
    {
        problems.push(error.to_string());
    }
    if printer.is_json() {
        let object = json!({
            "schema": SCHEMA, "run": run, "whole": problems.is_empty(), "problems": problems,
            "events": verification.lines, "log_head": verification.head,
        });
        printer.json(&object);
    } else {
        printer.verification(&run, &verification, &problems);
    }
    Ok(u8::from(!problems.is_empty()))
}
