//! `show RUN --node N`: one candidate of a search.

use researchgym_core::action::Body;
use researchgym_core::edit::unified;
use researchgym_core::record::{NodeRecord, TrialRecord};
use researchgym_core::search::{Node, NodeId};
use researchgym_core::spec::SCHEMA;
use researchgym_core::state::RunState;
use researchgym_engine::records::{Candidates, trials_of};
use researchgym_engine::search::Files;
use researchgym_engine::store::{Blobs, RunFolder};
use serde_json::json;

use super::{Read, read};
use crate::arguments::{Against, ShowArguments};
use crate::error::CommandError;
use crate::output::{Candidate, Outcome, Printer};

/// Lines around a change in a diff, as git has them.
pub(crate) const CONTEXT: usize = 3;

pub(super) fn show(
    folder: &RunFolder,
    number: NodeId,
    arguments: &ShowArguments,
    printer: &Printer,
) -> Outcome {
    let Read { lines, state, .. } = read(folder)?;
    let Some(tree) = &state.search else {
        return Err(CommandError::input(format!("run {} is no search: it has no nodes", folder.id())));
    };
    let Some(node) = tree.get(number) else {
        let there_are = match tree.nodes().len() {
            0 => "none yet".to_owned(),
            count => format!("0 to {}", count - 1),
        };
        return Err(CommandError::input(format!(
            "run {} has no node {number}; its nodes are {there_are}",
            folder.id()
        )));
    };
    let blobs = folder.blobs();
    let mut files = None;
    let mut diff = None;
    if arguments.files || arguments.diff.is_some() {
        if node.artefact.is_none() {
            return Err(CommandError::input(format!(
                "node {number} has no candidate: it is {}",
                node.status.name()
            )));
        }
        let mut candidates = Candidates::of(&lines, &state.started.task, tree, blobs.clone())?;
        let own = candidates.tree_of(number)?;
        match arguments.diff {
            None => files = Some(own),
            Some(Against::Parent) => diff = Some(unified(&candidates.base_of(number)?, &own, CONTEXT)),
            Some(Against::Baseline) => diff = Some(unified(&candidates.baseline(), &own, CONTEXT)),
        }
    }
    let mut trials: Vec<TrialRecord> = Vec::new();
    if printer.is_json() || (files.is_none() && diff.is_none()) {
        let told = trials_of(folder, &|node| node == number, &mut |trial| {
            trials.push(trial);
            true
        });
        told.map_err(|error| CommandError::input(error.to_string()))?;
    }
    if printer.is_json() {
        let mut object =
            json!({ "schema": SCHEMA, "run_id": folder.id(), "node": record(&state, node, &blobs) });
        object["lineage"] = tree.lineage(number).map(|node| json!(record(&state, node, &blobs))).collect();
        object["measurements"] = measurements(node);
        object["trials"] = json!(trials);
        object["feedback"] = json!(node.feedback.as_ref().and_then(|body| text(&blobs, body)));
        if let Some(diff) = &diff {
            object["diff"] = json!(diff);
        }
        if let Some(files) = &files {
            object["files"] = contents(files);
        }
        printer.json(&object);
        return Ok(0);
    }
    match (&diff, &files) {
        (Some(diff), _) => printer.document(diff),
        (None, Some(files)) => printer.files(files),
        (None, None) => printer.candidate(&Candidate {
            run: folder,
            tree,
            node,
            record: record(&state, node, &blobs),
            feedback: node.feedback.as_ref().and_then(|body| text(&blobs, body)),
            trials,
        }),
    }
    Ok(0)
}

fn record(state: &RunState, node: &Node, blobs: &Blobs) -> NodeRecord {
    NodeRecord::of(state, node, &|body: &Body| blobs.resolve(body).ok())
}

fn measurements(node: &Node) -> serde_json::Value {
    let of = |measurement: &researchgym_core::search::Measurement| {
        json!({
            "evaluation": measurement.evaluation, "value": measurement.value, "metrics": measurement.metrics,
        })
    };
    node.measurements.iter().map(of).collect()
}

fn text(blobs: &Blobs, body: &Body) -> Option<String> {
    Some(String::from_utf8_lossy(&blobs.resolve(body).ok()?).into_owned())
}

/// Files as JSON: text as it is, other bytes as their number.
fn contents(files: &Files) -> serde_json::Value {
    let content = |bytes: &Vec<u8>| match std::str::from_utf8(bytes) {
        Ok(text) => json!({ "text": text }),
        Err(_) => json!({ "bytes": bytes.len() }),
    };
    files.iter().map(|(path, bytes)| (path.clone(), content(bytes))).collect::<serde_json::Map<_, _>>().into()
}
