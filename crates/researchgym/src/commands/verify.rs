//! `verify`: is the log whole, of a run or in a bundle? Exit code 0 if it is, 1 if not.

use std::path::Path;

use researchgym_core::spec::SCHEMA;
use researchgym_engine::bundle::{self, BundleError};
use researchgym_engine::store::{RunFolder, verify as verify_folder};
use serde_json::json;

use super::export::{failed_bundle, stoppable};
use crate::arguments::VerifyArguments;
use crate::error::input;
use crate::output::{Outcome, Printer};
use crate::settings::{Settings, absolute};

pub(crate) fn verify(arguments: &VerifyArguments, printer: &Printer) -> Outcome {
    let settings = Settings::resolve(&arguments.places)?;
    let path = absolute(&settings.here, Path::new(&arguments.run));
    if path.is_file() {
        // A link of the user's is followed.
        let path = path.canonicalize().unwrap_or(path);
        return verify_bundle(&path, &settings, printer);
    }
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

fn verify_bundle(path: &Path, settings: &Settings, printer: &Printer) -> Outcome {
    let scratch = settings.home.join("scratch");
    let checked = stoppable(printer, |is_stopped| bundle::check(path, &scratch, is_stopped))?;
    let checked = match checked {
        Ok(checked) => checked,
        Err(BundleError::Stopped) => return Ok(130),
        Err(error) => return Err(failed_bundle(path, error)),
    };
    let problems = &checked.problems;
    if printer.is_json() {
        let manifest = checked.manifest.as_ref();
        printer.json(&json!({
            "schema": SCHEMA, "bundle": path, "whole": problems.is_empty(), "problems": problems,
            "run_id": manifest.map(|manifest| &manifest.run_id), "files": manifest.map(|manifest| manifest.files.len()),
            "bytes": manifest.map(|manifest| manifest.bytes()), "holds": manifest.map(|manifest| &manifest.holds),
            "events": checked.events, "log_head": checked.log_head,
        }));
    } else {
        printer.bundle_checked(path, checked.log_head.map(|head| head.to_string()), problems);
    }
    Ok(u8::from(!problems.is_empty()))
}
