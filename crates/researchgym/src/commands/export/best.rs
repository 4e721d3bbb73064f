//! `export RUN --best DIR`: the best that a run has made, as files.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use researchgym_core::edit::unified;
use researchgym_core::event::Line;
use researchgym_core::record::Recorder;
use researchgym_core::spec::SCHEMA;
use researchgym_engine::records::Candidates;
use researchgym_engine::snapshot::check_out;
use researchgym_engine::store::{RunFolder, read_log};
use serde_json::{Value, json};

use super::{UNFINISHED, parent_of, refused};
use crate::commands::show::CONTEXT;
use crate::error::{CommandError, input};
use crate::output::{Outcome, Printer};
use crate::settings::Settings;

/// A new folder is written, or an empty one: whole trees of files are not mixed.
fn is_free(to: &Path) -> Result<(), CommandError> {
    let has_entries = match fs::read_dir(to) {
        Ok(mut entries) => entries.next().is_some(),
        Err(error) => error.kind() != std::io::ErrorKind::NotFound,
    };
    match has_entries {
        true => Err(CommandError::input(format!("--best {}: there is something already", to.display()))
            .hinted("name a new folder")),
        false => Ok(()),
    }
}

pub(super) fn export(runs: &[String], to: &Path, settings: &Settings, printer: &Printer) -> Outcome {
    let [run] = runs else {
        return Err(
            CommandError::input("--best takes one run").hinted("name one: researchgym export RUN --best DIR")
        );
    };
    let folder = RunFolder::find(&settings.runs, run).map_err(input)?;
    let reading = read_log(&folder).map_err(input)?;
    let recorder = folded(&reading.lines)
        .map_err(|error| CommandError::input(format!("{}: {error}", folder.events().display())))?;
    let parent = parent_of(to)?;
    is_free(to)?;
    let staging = tempfile::Builder::new()
        .prefix(UNFINISHED)
        .tempdir_in(parent)
        .map_err(|error| refused("make a folder in", parent, &error))?;
    let files = staging.path().join("files");
    fs::create_dir(&files).map_err(|error| refused("write in", staging.path(), &error))?;
    let state = recorder.state();
    let started = &state.started;
    let primary = started.task.primary();
    let mut told = json!({
        "schema": SCHEMA, "run_id": folder.id(), "task": started.task.id, "variant": started.spec.variant,
        "task_digest": started.digests.task, "agent": started.spec.agent.name(), "model": started.spec.model,
        "seed": started.spec.seed, "log_head": reading.head, "metric": primary.name, "direction": primary.direction,
    });
    let mut diff = None;
    if let Some(tree) = &state.search {
        let best = recorder.search().and_then(|search| search.best);
        let best = best.ok_or_else(|| nothing(&folder, "no candidate of it was measured"))?;
        let node = tree.get(best.node).ok_or_else(|| nothing(&folder, "no candidate of it was measured"))?;
        let mut candidates = Candidates::of(&reading.lines, &started.task, tree, folder.blobs())?;
        candidates.write(best.node, &files)?;
        diff = Some(unified(&candidates.baseline(), &candidates.learned_of(best.node)?, CONTEXT));
        let mut operators: Vec<Value> = std::iter::once(node)
            .chain(tree.lineage(node.id))
            .map(|node| json!({ "node": node.id, "operator": node.operator }))
            .collect();
        operators.reverse();
        told["node"] = json!(best.node);
        told["value"] = json!(best.value);
        told["n"] = json!(best.n);
        told["standard_error"] = json!(best.standard_error);
        told["metrics"] = json!(node.measurements.first().map(|measurement| &measurement.metrics));
        told["artefact"] = json!(node.artefact);
        told["operators"] = operators.into();
    } else {
        let best = state.best().ok_or_else(|| nothing(&folder, "it has no valid score"))?;
        let manifest = folder.blobs().manifest(best.submission).map_err(input)?;
        check_out(&manifest, &folder.blobs(), &files, None)
            .map_err(|error| super::infrastructure(error.to_string()))?;
        told["attempt"] = json!(best.number);
        told["value"] = json!(best.score.value(&primary));
        told["metrics"] = json!(best.score.metrics);
        told["split"] = json!(best.split);
    }
    let put = |name: &str, text: &str| {
        let path = staging.path().join(name);
        fs::write(&path, text).map_err(|error| refused("write", &path, &error))
    };
    put("best.json", &format!("{told:#}\n"))?;
    if let Some(diff) = &diff {
        put("best.diff", diff)?;
    }
    place(staging, to)?;
    told["out"] = json!(to);
    match printer.is_json() {
        true => printer.json(&told),
        false => printer.best_exported(to, &told),
    }
    Ok(0)
}

fn folded(lines: &[Line]) -> Result<Recorder, String> {
    let (first, rest) = lines.split_first().ok_or("the log is empty")?;
    let mut recorder = Recorder::start(first).map_err(|error| error.to_string())?;
    for line in rest {
        recorder.apply(line, &|_| None).map_err(|error| error.to_string())?;
    }
    Ok(recorder)
}

fn nothing(folder: &RunFolder, why: &str) -> CommandError {
    CommandError::input(format!("run {} has no best: {why}", folder.id()))
}

/// Puts the folder in its place, which is empty or not there.
fn place(staging: tempfile::TempDir, to: &Path) -> Result<(), CommandError> {
    fs::set_permissions(staging.path(), fs::Permissions::from_mode(0o755))
        .and_then(|()| fs::rename(staging.path(), to))
        .map_err(|error| refused("write", to, &error))?;
    // It has another name now.
    let _ = staging.keep();
    Ok(())
}
