//! Tasks as tables: the list, one task, and what a check found.

use std::path::PathBuf;

use researchgym_core::score::Direction;
use researchgym_core::task::Task;
use researchgym_engine::catalogue::Entry;

use super::Printer;
use super::words::{metrics, number, table};
use crate::commands::CheckReport;

impl Printer {
    /// `task list`
    pub(crate) fn tasks(&self, entries: &[Entry], folders: &[PathBuf]) {
        let mut rows =
            vec![["task", "domain", "primary metric", "baseline", "title"].map(str::to_owned).to_vec()];
        for entry in entries {
            if let Ok(loaded) = &entry.loaded {
                let task = &loaded.task;
                let primary = task.primary();
                let baseline =
                    task.baseline.as_ref().and_then(|baseline| baseline.shown(&primary).get(&primary.name));
                let arrow = match primary.direction {
                    Direction::Maximize => "higher is better",
                    Direction::Minimize => "lower is better",
                };
                rows.push(vec![
                    task.id.clone(),
                    task.domain.clone(),
                    format!("{} ({arrow})", primary.name),
                    baseline.map_or_else(|| "-".into(), |value| number(*value)),
                    task.title.clone(),
                ]);
            }
        }
        if rows.len() > 1 {
            for line in table(&rows) {
                self.data(&line);
            }
        }
        for entry in entries {
            if let Err(error) = &entry.loaded {
                self.warn(&format!("{}: {error}", entry.folder.display()));
            }
        }
        let tasks =
            || entries.iter().filter_map(|entry| entry.loaded.as_ref().ok()).map(|loaded| &loaded.task);
        if let Some(task) = tasks().find(|task| task.tunable.is_some() && task.datasets.is_empty()) {
            self.talk(&format!("\nTry one: researchgym run {} tuner", task.id));
        } else if tasks().next().is_none() {
            let folders: Vec<String> = folders.iter().map(|folder| folder.display().to_string()).collect();
            let folders = folders.join(", ");
            self.talk(&format!(
                "There are no tasks in {folders}.\n\nMake one: researchgym task new my-task\nOr name a folder of tasks with --tasks-dir."
            ));
        }
    }

    /// `task show`
    pub(crate) fn task(&self, task: &Task, folder: &str, has_hint: bool, description: &str) {
        let baseline = task.baseline.as_ref();
        let mut rows = vec![
            vec!["task".to_owned(), task.id.clone()],
            vec!["title".to_owned(), task.title.clone()],
            vec!["folder".to_owned(), folder.to_owned()],
        ];
        for metric in &task.metrics {
            let kind = if metric.primary { "primary metric" } else { "metric" };
            let arrow = match metric.direction {
                Direction::Maximize => "higher is better",
                Direction::Minimize => "lower is better",
            };
            rows.push(vec![kind.to_owned(), format!("{} ({arrow})", metric.name)]);
        }
        if let Some(baseline) = baseline {
            rows.push(vec!["baseline".to_owned(), metrics(baseline.shown(&task.primary()))]);
            rows.push(vec!["noise floor".to_owned(), number(baseline.noise_floor)]);
            if let Some(source) = &baseline.source {
                rows.push(vec!["source".to_owned(), source.clone()]);
            }
        }
        rows.push(vec!["submit".to_owned(), task.submission.artefacts.join(", ")]);
        rows.push(vec!["validations".to_owned(), task.grader.validations.to_string()]);
        rows.push(vec!["hours".to_owned(), task.limits.hours.to_string()]);
        rows.extend(reach(task).into_iter().map(|(key, value)| vec![key.to_owned(), value]));
        let hint = if has_hint { "one, told with --idea-hint" } else { "none" };
        rows.push(vec!["hints".to_owned(), hint.to_owned()]);
        for (name, variant) in &task.variants {
            rows.push(vec!["variant".to_owned(), format!("{name}: {}", variant.description)]);
        }
        for dataset in &task.datasets {
            rows.push(vec![
                "dataset".to_owned(),
                format!("{} ({} bytes, {})", dataset.name, dataset.bytes, dataset.license),
            ]);
        }
        for line in table(&rows) {
            self.data(&line);
        }
        self.data(&format!("\n{}", description.trim_end()));
        let agent = if task.tunable.is_some() { "tuner" } else { "human" };
        self.talk(&format!("\nWork on it: researchgym run {} {agent}", task.id));
    }

    /// `task check`
    pub(crate) fn checked(&self, report: &CheckReport) {
        self.data(&format!("{}  {}", if report.passed { "PASS" } else { "FAIL" }, report.task));
        let rows: Vec<Vec<String>> = report
            .checks
            .iter()
            .flat_map(|check| {
                let mut lines = check.detail.lines();
                let first = vec![
                    format!("  {}", if check.passed { "ok" } else { "FAILED" }),
                    check.name.clone(),
                    lines.next().unwrap_or_default().to_owned(),
                ];
                let more = lines.map(|line| vec![String::new(), String::new(), line.to_owned()]);
                std::iter::once(first).chain(more)
            })
            .collect();
        for line in table(&rows) {
            self.data(&line);
        }
    }
}

/// What a run of the task may use of machine and network, and what they are made of.
fn reach(task: &Task) -> Vec<(&'static str, String)> {
    let network = &task.network;
    let agent = match network.agent {
        Some(policy) => policy.to_string(),
        None => "the model gateway in a run with a model, else none".to_owned(),
    };
    let mut rows = vec![("network", format!("agent: {agent}; grader: {}", network.grader))];
    if !network.allow.is_empty() {
        rows.push(("allowed hosts", network.allow.join(", ")));
    }
    if network.web {
        rows.push(("web", "searches and pages, for agents with tools for them".to_owned()));
    }
    let resources = &task.resources;
    rows.push((
        "resources",
        format!(
            "{} MiB of memory, {} CPUs, {} processes",
            resources.memory_mib, resources.cpus, resources.pids
        ),
    ));
    rows.push(("GPUs", if resources.gpus == 0 { "none".to_owned() } else { resources.gpus.to_string() }));
    let container = task.container.as_ref();
    let container = container.and_then(|container| match (&container.dockerfile, &container.image) {
        (Some(file), _) => Some(format!("built from {file}")),
        (None, image) => image.clone(),
    });
    rows.push(("container", container.unwrap_or_else(|| "the image of the settings".to_owned())));
    if let Some(environment) = &task.environment {
        rows.push(("environment", environment.requirements.clone()));
    }
    rows
}
