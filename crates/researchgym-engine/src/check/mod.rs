//! `task check`: proves by real runs that a task is sound.
//!
//! An empty submission gets no score, the baseline lands where it is recorded, the oracle beats it, every cheat is
//! refused or flagged, and no hidden file can be read from the agent's sandbox. Every check is an ordinary run.

mod hidden;
mod solution;

use std::path::{Path, PathBuf};

use researchgym_core::failure::Failure;
use researchgym_core::gpu::GpuRequest;
use researchgym_core::result::RunResult;
use researchgym_core::score::Severity;
use researchgym_core::script::{self, ScriptStep};
use researchgym_core::task::Task;
use serde::Serialize;

use self::solution::{solution, submission_removed};
use crate::agent::Surroundings;
use crate::catalogue::LoadedTask;
use crate::runner::{NewRun, Runner};

/// What was checked of one task.
#[derive(Clone, Debug, Serialize)]
pub struct CheckReport {
    /// Version of this object: 1.
    pub schema: u32,
    /// The task's id, or the path that was asked for.
    pub task: String,
    /// Whether all checks passed.
    pub passed: bool,
    /// In order.
    pub checks: Vec<Check>,
}

/// One thing that was checked.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// Such as `oracle` or `cheat oversized`.
    pub name: String,
    /// Whether it is as it must be.
    pub passed: bool,
    /// What was seen.
    pub detail: String,
}

impl CheckReport {
    /// A task that cannot even be loaded.
    pub fn unreadable(task: &str, problem: String) -> CheckReport {
        CheckReport::failed(task, "parses", problem)
    }

    /// A task whose data or Python packages are not there.
    pub fn unready(task: &str, problem: String) -> CheckReport {
        CheckReport::failed(task, "ready", problem)
    }

    fn failed(task: &str, name: &str, detail: String) -> CheckReport {
        let check = Check { name: name.into(), passed: false, detail };
        CheckReport { schema: 1, task: task.into(), passed: false, checks: vec![check] }
    }
}

/// What the runs of a check are asked to be.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Makes them reproducible.
    pub seed: u64,
    /// The GPUs of each.
    pub gpus: Option<GpuRequest>,
}

/// Checks one task; `runs` is a folder for the runs that this takes.
///
/// # Errors
/// A run could not be made at all (the disk, the sandbox): nothing about the task is known then.
pub async fn check(
    runner: &Runner,
    loaded: &LoadedTask,
    runs: &Path,
    asked: Asked,
) -> Result<CheckReport, Failure> {
    let checker = Checker { runner, loaded, runs: runs.to_path_buf(), asked };
    let mut checks = vec![Check {
        name: "parses".into(),
        passed: true,
        detail: format!("digest {}", &loaded.digest.to_string()[..12]),
    }];
    checks.push(checker.empty().await?);
    checks.push(checker.hidden().await?);
    checks.extend(checker.baseline().await?);
    checks.extend(checker.oracle().await?);
    checks.extend(checker.cheats().await?);
    let passed = checks.iter().all(|check| check.passed);
    Ok(CheckReport { schema: 1, task: loaded.task.id.clone(), passed, checks })
}

struct Checker<'a> {
    runner: &'a Runner,
    loaded: &'a LoadedTask,
    runs: PathBuf,
    asked: Asked,
}

impl Checker<'_> {
    fn task(&self) -> &Task {
        &self.loaded.task
    }

    /// One ordinary scripted run in the isolated sandbox.
    async fn run(&self, steps: Vec<ScriptStep>) -> Result<RunResult, Failure> {
        let script = script::format(&steps);
        let new = NewRun {
            spec: solution::specification(self.loaded, &self.runner.workbench.materials, script, &self.asked),
            task: self.task().clone(),
            task_digest: self.loaded.digest,
        };
        let open = self.runner.create(&self.runs, new)?;
        let result = self.runner.run(open, &mut Surroundings::default()).await;
        match (&result.error, result.boundary) {
            (Some(error), Some(boundary)) => {
                Err(Failure { boundary, message: error.message.clone(), hint: error.hint.clone() })
            }
            _ => Ok(result),
        }
    }

    async fn empty(&self) -> Result<Check, Failure> {
        let result = self.run(submission_removed(self.task())).await?;
        let detail = match &result.score {
            None => "no score, as it must be".to_owned(),
            Some(score) => format!("an empty submission scored {score:?}"),
        };
        Ok(Check { name: "empty submission".into(), passed: result.score.is_none(), detail })
    }

    async fn hidden(&self) -> Result<Check, Failure> {
        let looked = hidden::look(self.loaded, self.runner, &self.runs, &self.asked).await?;
        let detail = match looked.visible.as_slice() {
            [] => format!("none of {} hidden files can be read by the agent", looked.hidden),
            visible => format!("the agent can read {}", visible.join(", ")),
        };
        Ok(Check { name: "hidden files".into(), passed: looked.visible.is_empty(), detail })
    }

    /// The untouched starter, or the baseline solution where the starter is no valid submission by itself.
    async fn baseline(&self) -> Result<Option<Check>, Failure> {
        let Some(recorded) = &self.task().baseline else { return Ok(None) };
        let folder = self.task().solutions.as_ref().and_then(|solutions| solutions.baseline.as_ref());
        let (name, steps) = match folder {
            Some(folder) => ("baseline", solution(&self.loaded.path(folder))?),
            None => ("untouched starter", solution::untouched()),
        };
        let result = self.run(steps).await?;
        let Some(score) = &result.score else {
            return Ok(Some(Check { name: name.into(), passed: false, detail: "has no valid score".into() }));
        };
        let mut details = Vec::new();
        let mut passed = true;
        for (metric, expected) in &recorded.measured {
            let Some(tolerance) = recorded.tolerance.get(metric) else { continue };
            let found = score.get(metric).copied().unwrap_or(f64::NAN);
            let is_near = (found - expected).abs() <= *tolerance;
            passed &= is_near;
            let verdict = if is_near { "within" } else { "NOT within" };
            details.push(format!("{metric} {found:.6} is {verdict} {expected} +- {tolerance}"));
        }
        if details.is_empty() {
            passed = false;
            details.push("the baseline records no `measured` value with a `tolerance`".into());
        }
        Ok(Some(Check { name: name.into(), passed, detail: details.join("; ") }))
    }

    async fn oracle(&self) -> Result<Option<Check>, Failure> {
        let Some(solutions) = &self.task().solutions else { return Ok(None) };
        let result = self.run(solution(&self.loaded.path(&solutions.oracle))?).await?;
        let primary = self.task().primary();
        let value = result.score.as_ref().and_then(|score| score.get(&primary.name));
        let (passed, detail) = match (value, result.improved) {
            (Some(value), Some(true)) => (true, format!("{} {value:.6} beats the baseline", primary.name)),
            (Some(value), _) => {
                (false, format!("{} {value:.6} does not beat the baseline beyond its noise", primary.name))
            }
            (None, _) => (false, "has no valid score".to_owned()),
        };
        let flagged = result.integrity.first();
        let detail = match flagged {
            None => detail,
            Some(finding) => format!("{detail}; but it is flagged: {}", finding.evidence),
        };
        Ok(Some(Check { name: "oracle".into(), passed: passed && flagged.is_none(), detail }))
    }

    async fn cheats(&self) -> Result<Vec<Check>, Failure> {
        let folder = self.task().solutions.as_ref().and_then(|solutions| solutions.cheats.as_ref());
        let Some(folder) = folder else { return Ok(Vec::new()) };
        let mut checks = Vec::new();
        for cheat in solution::folders(&self.loaded.path(folder))? {
            let name = cheat.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let result = self.run(solution(&cheat)?).await?;
            // What is only worth a look does not keep a cheat's score from being believed.
            let flagged = result.integrity.iter().find(|finding| finding.severity >= Severity::Warning);
            let (passed, detail) = match (&result.score, flagged) {
                (None, _) => (true, "refused: no valid score".to_owned()),
                (Some(_), Some(finding)) => (true, format!("flagged: {}", finding.kind)),
                (Some(score), None) => (false, format!("neither refused nor flagged; it scored {score:?}")),
            };
            checks.push(Check { name: format!("cheat {name}"), passed, detail });
        }
        Ok(checks)
    }
}
