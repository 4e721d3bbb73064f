//! `config show`: the merged settings, each with where it stands, and which keys are there.

use researchgym_core::spec::SCHEMA;
use researchgym_engine::model::registry::Options;
use researchgym_engine::model::settings;
use serde_json::json;

use super::model::{declared, registry, variable};
use crate::arguments::ConfigCommand;
use crate::output::{Outcome, Printer};
use crate::settings::here;

pub(crate) fn config(command: &ConfigCommand, printer: &Printer) -> Outcome {
    match command {
        ConfigCommand::Show => show(printer),
    }
}

fn show(printer: &Printer) -> Outcome {
    let here = here()?;
    let files = settings::files(&variable, &here);
    let merged = declared(&here, printer)?;
    let registry = registry(&merged, Options { here, ..Options::default() })?;
    let keys = registry.keys();
    if printer.is_json() {
        let files: Vec<_> =
            files.iter().map(|file| json!({ "file": file, "exists": file.is_file() })).collect();
        let settings: Vec<_> = merged
            .entries
            .iter()
            .map(|entry| json!({ "key": entry.key, "value": entry.value, "file": entry.file, "line": entry.line }))
            .collect();
        let keys: Vec<_> = keys
            .iter()
            .map(|(provider, state, variables)| {
                let (source, problem) = match state {
                    Some(Ok(origin)) => (Some(origin), None),
                    Some(Err(problem)) => (None, Some(problem)),
                    None => (None, None),
                };
                json!({ "provider": provider, "source": source, "problem": problem, "variables": variables })
            })
            .collect();
        printer.json(&json!({ "schema": SCHEMA, "files": files, "settings": settings, "keys": keys }));
    } else {
        printer.config(&files, &merged.entries, &keys);
    }
    Ok(0)
}
