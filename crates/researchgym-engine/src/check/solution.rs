//! A solution folder as a script: its files written over the starter, its `run.sh` run, the result submitted.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use researchgym_core::action::{Action, Body};
use researchgym_core::failure::{Boundary, Failure};
use researchgym_core::script::ScriptStep;
use researchgym_core::spec::{AgentSpec, Limits, RunSpec, SCHEMA};
use researchgym_core::task::Task;

use super::Asked;
use crate::catalogue::LoadedTask;
use crate::materials::Materials;

/// What every check's run is asked to be.
pub(super) fn specification(
    loaded: &LoadedTask,
    materials: &Materials,
    script: String,
    asked: &Asked,
) -> RunSpec {
    RunSpec {
        schema: SCHEMA,
        task: loaded.task.id.clone(),
        task_dir: loaded.folder.display().to_string(),
        variant: "default".into(),
        agent: AgentSpec::Scripted { script: Body::Text(script) },
        model: None,
        model_spec: None,
        fork: None,
        seed: asked.seed,
        seed_given: true,
        runtime: materials.runtime(),
        image: materials.image.clone(),
        gpus: asked.gpus.clone(),
        limits: Limits { working_ms: Some(3_600_000), steps: None, budget: None, tokens: None },
        web: false,
        network: None,
        tags: Vec::new(),
        data_dir: None,
        executor: Default::default(),
    }
}

/// Submits what is there.
pub(super) fn untouched() -> Vec<ScriptStep> {
    vec![ScriptStep::Act(Action::Submit)]
}

/// Removes the declared artefacts, then submits.
pub(super) fn submission_removed(task: &Task) -> Vec<ScriptStep> {
    let quoted: Vec<String> =
        task.submission.artefacts.iter().map(|path| format!("'{}'", path.replace('\'', r"'\''"))).collect();
    vec![exec(format!("rm -rf -- {}", quoted.join(" "))), ScriptStep::Act(Action::Submit)]
}

/// Writes a solution's files, runs its `run.sh` if it has one, submits.
pub(super) fn solution(folder: &Path) -> Result<Vec<ScriptStep>, Failure> {
    let mut steps = Vec::new();
    for file in files(folder)? {
        let path = file.strip_prefix(folder).unwrap_or(&file).display().to_string();
        let content = std::fs::read(&file).map_err(|error| unreadable(&file, &error))?;
        let mode = file.metadata().map_err(|error| unreadable(&file, &error))?.permissions().mode() & 0o777;
        let content = match String::from_utf8(content) {
            Ok(text) => Body::Text(text),
            Err(error) => Body::Base64(base64::engine::general_purpose::STANDARD.encode(error.as_bytes())),
        };
        steps.push(ScriptStep::Act(Action::Write { path, content, mode: Some(mode) }));
    }
    if folder.join("run.sh").is_file() {
        steps.push(exec("bash run.sh".into()));
    }
    steps.push(ScriptStep::Act(Action::Submit));
    Ok(steps)
}

/// The folders in a folder, by name.
pub(super) fn folders(parent: &Path) -> Result<Vec<PathBuf>, Failure> {
    Ok(entries(parent)?.into_iter().filter(|path| path.is_dir()).collect())
}

/// All regular files below a folder, by name; compiled Python is not part of a solution.
pub(super) fn files(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(folder) = open.pop() {
        for path in entries(&folder)? {
            match path.is_dir() {
                true if path.ends_with("__pycache__") => {}
                true => open.push(path),
                false => found.push(path),
            }
        }
    }
    found.sort();
    Ok(found)
}

pub(super) fn exec(command: String) -> ScriptStep {
    ScriptStep::Act(Action::Exec { command: Body::Text(command), timeout_s: None })
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let listed = std::fs::read_dir(folder).map_err(|error| unreadable(folder, &error))?;
    let mut paths = Vec::new();
    for entry in listed {
        paths.push(entry.map_err(|error| unreadable(folder, &error))?.path());
    }
    paths.sort();
    Ok(paths)
}

pub(super) fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Boundary::Task, format!("{}: {error}", path.display()))
}
