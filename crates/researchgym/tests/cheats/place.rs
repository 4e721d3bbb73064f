//! Runs of cheats and of honest work: a world each, with a copy of the task of its own, so that nothing of the checkout can
//! be changed even where nothing is isolated.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::script::Honest;
use crate::support::{Finished, World, exec, say, submit};

/// What must not be found inside a sandbox.
const KEY: &str = "kept-from-the-agent";

/// The image for containers, if there is an engine to test with.
pub(crate) fn image() -> Option<String> {
    std::env::var("RESEARCHGYM_TEST_IMAGE").ok()
}

/// The repository's folder.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The folder of the suite.
pub(crate) fn suite() -> PathBuf {
    repository().join("tests/cheats")
}

/// Where a task lies in the checkout.
pub(crate) fn task_folder(task: &str) -> PathBuf {
    match task {
        "vault" => suite().join("tasks/vault"),
        "tiny" => Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tasks/tiny"),
        bundled => repository().join("tasks").join(bundled),
    }
}

/// One run to make.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) task: &'a str,
    pub(crate) variant: &'a str,
    pub(crate) runtime: &'a str,
}

impl Wanted<'_> {
    /// Runs a script as the agent of a real run.
    pub(crate) fn run(self, world: &World, lines: &[Value]) -> Finished {
        let script = world.script(lines);
        self.finish(world, &["scripted", "--script", &script])
    }

    /// Runs any agent.
    pub(crate) fn finish(self, world: &World, agent: &[&str]) -> Finished {
        let task = copy(world, self.task);
        let words =
            ["--variant", self.variant, "--runtime", self.runtime, "--seed", "20261125", "--output", "json"];
        let image = image().filter(|_| self.runtime == "docker");
        let image: Vec<&str> = image.iter().flat_map(|image| ["--image", image]).collect();
        let words = [&["run", task.as_str()], agent, &words, &image].concat();
        let engine = std::env::var_os("DOCKER_HOST").map(|host| ("DOCKER_HOST", host));
        let run = || {
            Finished::of(
                world
                    .command(&words)
                    .env("OPENAI_API_KEY", KEY)
                    .envs(engine.clone())
                    .output()
                    .expect("the binary starts"),
            )
        };
        // An infrastructure failure proves nothing: a busy machine can lose a sandbox. One that a cheat causes comes again,
        // and fails its test.
        let is_lost = |run: &Finished| run.code == 3 && run.object().get("boundary").is_some();
        let mut finished = run();
        for _ in 0..2 {
            if !is_lost(&finished) {
                break;
            }
            say(&format!("made again: {}", finished.object()["error"]["message"]));
            finished = run();
        }
        finished
    }

    /// What honest work does.
    pub(crate) fn lines(self, honest: Honest) -> Vec<Value> {
        let solutions = task_folder(self.task).join("solutions");
        let folder = match honest {
            // Where the starter is no submission yet, the baseline makes one.
            Honest::Starter => solutions.join("baseline"),
            Honest::Oracle => solutions.join("oracle"),
        };
        let mut lines = Vec::new();
        let mut open = vec![folder.clone()];
        while let Some(inner) = open.pop() {
            for entry in std::fs::read_dir(inner).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    open.push(path);
                    continue;
                }
                let name = path.strip_prefix(&folder).expect("it lies in it").display().to_string();
                let content = std::fs::read_to_string(&path).expect("a text");
                lines.push(json!({ "write": { "path": name, "content": content } }));
            }
        }
        lines.sort_by_key(Value::to_string);
        if folder.join("run.sh").is_file() {
            lines.push(exec("bash run.sh"));
        }
        lines.push(submit());
        lines
    }
}

/// A copy of the task in the world's own folder.
fn copy(world: &World, task: &str) -> String {
    let folder = world.path("tasks").join(task);
    if !folder.exists() {
        std::fs::create_dir_all(world.path("tasks")).expect("a folder");
        let copied = Command::new("cp").arg("-r").arg(task_folder(task)).arg(&folder).status();
        assert!(copied.is_ok_and(|status| status.success()), "{task} is copied");
    }
    folder.display().to_string()
}
