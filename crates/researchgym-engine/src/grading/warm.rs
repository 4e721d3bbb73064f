//! Gradings by a grader that is forked from a warm Python rather than started in a sandbox of its own.
//!
//! The grader's sandbox is what it would be, and stays: it has the hidden files, and `/submission` is a folder whose content
//! the host exchanges. Each grading is a process of its own that starts from the same state. Tasks with players cannot be
//! graded so, because a player is a sandbox of its own, nor those whose grader uses the network, whose requests are recorded
//! by grading.

use std::path::PathBuf;

use researchgym_core::failure::{Boundary, Failure};
use researchgym_core::score::Score;

use super::{Grading, Program, channel, play, sandboxes};
use crate::sandbox::SandboxHost;
use crate::snapshot::{clear_folder, copy_in};
use crate::warm::{Author, Imports, Script, WarmPython};

/// A warm Python in a grader's sandbox.
pub struct WarmGrader {
    python: WarmPython,
    /// What is at `/submission`.
    submission: PathBuf,
}

impl WarmGrader {
    /// The folder of the host that is at `/submission`: a grading whose submission is this one is graded as it lies there.
    pub fn submission(&self) -> &std::path::Path {
        &self.submission
    }

    /// How often a sandbox was started for it.
    pub fn starts(&self) -> u64 {
        self.python.starts()
    }

    /// Kills everything, waits until it is gone and removes what was made for it.
    pub async fn stop(self) {
        self.python.stop().await;
    }
}

/// Starts the sandbox of a task's grader with a Python that imports `preload` and what the grader's files import of the
/// standard library and of ours. Of the template its task, name and folders
/// count; its submission is the folder that will be shown, whatever is in it.
///
/// # Errors
/// The task has players, a grader with network or one that is no Python file; the sandbox or an import fails.
pub async fn start_warm_grader(
    host: &SandboxHost,
    template: &Grading<'_>,
    preload: Vec<String>,
) -> Result<WarmGrader, Failure> {
    let task = template.task;
    let refuse =
        |what: &str| Err(Failure::new(Boundary::Task, format!("task {}: its grader {what}", task.id)));
    if !task.grader.players.is_empty() {
        return refuse("cannot be forked from a warm Python, because it has players");
    }
    if task.network.grader.has_proxy() {
        return refuse("cannot be forked from a warm Python, because it may use the network");
    }
    if let Err(error) = Script::parse(&task.grader.command) {
        return refuse(&format!("has another command than `python3 FILE`: {error}"));
    }
    let specification = sandboxes::grader(template, None)?;
    let files = template.task_folder.join(&task.grader.files);
    let imports = Imports { preload, ..Imports::default() }.and_those_of(&files);
    let python = WarmPython::start(host, specification, imports, Author::Task).await?;
    Ok(WarmGrader { python, submission: template.submission.to_path_buf() })
}

/// Grades one submission of the task that the grader was started for, like [`grade`](super::grade).
///
/// # Errors
/// The sandbox or the grader failed: infrastructure, never the agent's fault.
pub async fn grade_warm(grader: &mut WarmGrader, grading: &Grading<'_>) -> Result<Score, Failure> {
    if grading.submission != grader.submission {
        let (source, shown) = (grading.submission.to_path_buf(), grader.submission.clone());
        let copied = tokio::task::spawn_blocking(move || {
            clear_folder(&shown)?;
            copy_in(&source, &shown, None)
        });
        copied.await.map_err(|error| Failure::new(Boundary::Sandbox, error.to_string()))??;
    }
    let joined = channel::open(&grading.task.grader.players).map_err(super::not_joined)?;
    let program = Program::Warm { python: &mut grader.python, control: joined.grader };
    Ok(play(grading, program, &[], joined.host).await?.score)
}
