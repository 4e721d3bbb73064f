//! Looks for hidden files from inside: hashes everything that the agent can read and compares with what is hidden.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use researchgym_core::digest::Digest;
use researchgym_core::event::Event;
use researchgym_core::failure::{Boundary, Failure};
use researchgym_core::observation::Observation;
use researchgym_core::script;

use super::Asked;
use super::solution::{exec, files, specification, unreadable};
use crate::agent::Surroundings;
use crate::catalogue::LoadedTask;
use crate::runner::{NewRun, Runner};
use crate::store::{RunFolder, read_log};

/// What the agent's sandbox showed.
pub(super) struct Looked {
    /// How many hidden files there are.
    pub(super) hidden: usize,
    /// Hidden files that were found inside, by their path in the task's folder.
    pub(super) visible: Vec<String>,
}

/// Everything but the machine's own programs, which no task puts there, and the kernel's views.
const LOOK: &str = "find / \\( -path /usr -o -path /proc -o -path /sys -o -path /dev -o -path /environment \\) -prune \
                    -o -type f -readable -size +0 -print0 2>/dev/null | xargs -0 -r sha256sum 2>/dev/null";

pub(super) async fn look(
    loaded: &LoadedTask,
    runner: &Runner,
    runs: &Path,
    asked: &Asked,
) -> Result<Looked, Failure> {
    let hidden = hidden_files(loaded, runner)?;
    let script = script::format(&[exec(LOOK.to_owned())]);
    let new = NewRun {
        spec: specification(loaded, &runner.workbench.materials, script, asked),
        task: loaded.task.clone(),
        task_digest: loaded.digest,
    };
    let open = runner.create(runs, new)?;
    let path = open.path();
    runner.run(open, &mut Surroundings::default()).await;
    let listing = listing(&RunFolder::open(&path)?)?;
    let seen: BTreeSet<Digest> = listing.lines().filter_map(|line| line.get(..64)?.parse().ok()).collect();
    if seen.is_empty() {
        return Err(Failure::new(Boundary::Sandbox, "the agent's sandbox showed no files at all"));
    }
    let visible =
        hidden.iter().filter(|(digest, _)| seen.contains(digest)).map(|(_, path)| path.clone()).collect();
    Ok(Looked { hidden: hidden.len(), visible })
}

/// Hash -> path of all that must stay hidden. A file whose content the starter shows anyway is not hidden.
fn hidden_files(loaded: &LoadedTask, runner: &Runner) -> Result<BTreeMap<Digest, String>, Failure> {
    let task = &loaded.task;
    let mut folders = vec![loaded.path(&task.grader.files)];
    folders.extend(
        task.grader.players.iter().filter_map(|player| player.files.as_ref()).map(|files| loaded.path(files)),
    );
    if let Some(solutions) = &task.solutions {
        let known = [solutions.baseline.as_ref(), Some(&solutions.oracle), solutions.cheats.as_ref()];
        folders.extend(known.into_iter().flatten().map(|folder| loaded.path(folder)));
    }
    let mut paths = vec![loaded.folder.join("task.toml")];
    for folder in folders {
        paths.extend(files(&folder)?);
    }
    paths.extend(runner.workbench.materials.hidden.iter().map(|(_, path)| path.clone()));
    let mut hidden = BTreeMap::new();
    for path in paths {
        let content = std::fs::read(&path).map_err(|error| unreadable(&path, &error))?;
        if !content.is_empty() {
            hidden.insert(Digest::of(&content), shown(loaded, &path));
        }
    }
    for path in files(&loaded.path(&task.workspace.starter))? {
        let content = std::fs::read(&path).map_err(|error| unreadable(&path, &error))?;
        hidden.remove(&Digest::of(&content));
    }
    Ok(hidden)
}

fn shown(loaded: &LoadedTask, path: &Path) -> String {
    path.strip_prefix(&loaded.folder).unwrap_or(path).display().to_string()
}

/// What the look printed, whole.
fn listing(folder: &RunFolder) -> Result<String, Failure> {
    for line in read_log(folder)?.lines {
        let Event::Observed { observation: Observation::Exec { stdout, .. }, .. } = line.event else {
            continue;
        };
        return match stdout.blob {
            None => Ok(stdout.text),
            Some(blob) => Ok(String::from_utf8_lossy(&folder.blobs().get(blob)?).into_owned()),
        };
    }
    Err(Failure::new(Boundary::Sandbox, "the look into the agent's sandbox did not end"))
}
