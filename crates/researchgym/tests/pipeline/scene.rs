//! Searches of the preset `evolutionary-search` with scripted models, and what they leave behind.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{Finished, World};

/// A search that is to be made.
pub(crate) struct Scene {
    words: Vec<String>,
}

impl Scene {
    /// On a task of the repository, with the answers that lie under the task's short name.
    pub(crate) fn new(task: &str, answers: &str, more: &[&str]) -> Scene {
        let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pipeline");
        let file = |of: &str| kept.join(format!("{answers}-{of}.jsonl")).display().to_string();
        Scene::with(task, &file("code"), &file("ideas"), more)
    }

    /// On a task of the repository, with the answers of these files.
    pub(crate) fn with(task: &str, code: &str, ideas: &str, more: &[&str]) -> Scene {
        let tasks = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tasks").display().to_string();
        let (code, ideas) = (format!("scripted/{code}"), format!("scripted/{ideas}"));
        let words = ["run", task, "evolutionary-search", "--output", "json", "--tasks-dir", &tasks];
        let models = ["--model", &code, "--idea-model", &ideas];
        let words = words.iter().chain(&models).chain(more).map(|word| (*word).to_owned());
        Scene { words: words.chain(executor()).collect() }
    }

    /// The words of the command.
    pub(crate) fn words(&self) -> Vec<&str> {
        self.words.iter().map(String::as_str).collect()
    }

    /// Has it made to its end.
    pub(crate) fn finish(&self, world: &World) -> Finished {
        let finished = world.finish(&self.words());
        assert_eq!(finished.code, 0, "{}", finished.stderr);
        finished
    }
}

/// Where evaluations are to be run, if not on this machine by our own processes.
fn executor() -> Vec<String> {
    let flags = std::env::var("RESEARCHGYM_TEST_EXECUTOR").unwrap_or_default();
    flags.split_whitespace().map(str::to_owned).collect()
}

/// Whether evaluations are run on this machine by our own processes.
pub(crate) fn is_here() -> bool {
    executor().is_empty()
}

/// What an export of trajectories has in its files.
pub(crate) struct Trajectories {
    pub(crate) folder: PathBuf,
    pub(crate) ideas: Vec<Value>,
    pub(crate) epochs: Vec<Value>,
}

/// Exports a run's trajectories into a folder of this name.
pub(crate) fn trajectories(world: &World, run: &Path, name: &str) -> Trajectories {
    let run = run.display().to_string();
    let exported = world.finish(&["export", &run, "--format", "trajectories", "-o", name]);
    assert_eq!(exported.code, 0, "{}", exported.stderr);
    let folder = world.path(name);
    let read = |file: &str| std::fs::read_to_string(folder.join(file)).expect("a file of the export");
    let ideas = read("ideas.jsonl").lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let epochs: Vec<Value> = serde_json::from_str(&read("epochs.json")).expect("JSON");
    Trajectories { folder, ideas, epochs }
}
