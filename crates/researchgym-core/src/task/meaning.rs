//! What the values of a well-formed task file must mean: finite numbers, plain paths, names that exist.

mod datasets;
mod network;
mod search;
mod tunable;

use std::collections::BTreeSet;

use super::document::{Document, KeyPath};
use super::problem::Problem;
use super::{Baseline, DEFAULT_VARIANT, Parameter, TASK_SCHEMA, Task, TaskLimits};
use crate::image::{IMAGE_FORM, check_image_name};
use crate::score::Metrics;

/// The longest limit of time that a file may set, in hours: more than a year.
const LONGEST_HOURS: f64 = 10_000.0;

/// Says what is wrong with a task's id, or with the name of a variant.
pub fn check_id(id: &str) -> Result<(), String> {
    let plain =
        |character: char| character.is_ascii_lowercase() || character.is_ascii_digit() || character == '-';
    if id.is_empty() || id.len() > 64 {
        return Err(format!("has {} characters; write 1 to 64", id.chars().count()));
    }
    if let Some(other) = id.chars().find(|character| !plain(*character)) {
        return Err(format!(
            "has the character {other:?}; write lower-case letters, digits and hyphens only"
        ));
    }
    if id.starts_with('-') || id.ends_with('-') {
        return Err("has a hyphen at its end; begin and end with a letter or digit".to_owned());
    }
    Ok(())
}

/// All that is wrong with the values.
pub(super) fn problems(document: &Document<'_>, task: &Task) -> Vec<Problem> {
    let mut checker = Checker { document, task, problems: Vec::new() };
    checker.identity();
    checker.metrics();
    if let Some(baseline) = &task.baseline {
        checker.baseline(baseline, &KeyPath::of("baseline"));
    }
    checker.files();
    checker.submission();
    checker.grader();
    checker.resources();
    checker.network();
    checker.limits(&task.limits, &KeyPath::of("limits"));
    checker.datasets();
    checker.parameters();
    checker.tunable();
    checker.search();
    checker.variants();
    checker.problems
}

struct Checker<'a> {
    document: &'a Document<'a>,
    task: &'a Task,
    problems: Vec<Problem>,
}

impl Checker<'_> {
    fn identity(&mut self) {
        if self.task.schema != TASK_SCHEMA {
            self.report(
                &KeyPath::of("schema"),
                format!("is {}", self.task.schema),
                format!("write {TASK_SCHEMA}"),
            );
        }
        if let Err(wrong) = check_id(&self.task.id) {
            self.report(&KeyPath::of("id"), wrong, "");
        }
        if self.task.title.trim().is_empty() {
            self.report(&KeyPath::of("title"), "is empty", "say in one line what the task is");
        }
    }

    fn metrics(&mut self) {
        let path = KeyPath::of("metrics");
        let mut seen = BTreeSet::new();
        for (index, metric) in self.task.metrics.iter().enumerate() {
            let name = path.index(index).key("name");
            if metric.name.trim().is_empty() {
                self.report(&name, "is empty", "name the metric as the grader reports it");
            } else if !seen.insert(&metric.name) {
                self.report(
                    &name,
                    format!("{:?} names an earlier metric too", metric.name),
                    "give each its own name",
                );
            }
        }
        let primary: Vec<usize> =
            (0..self.task.metrics.len()).filter(|index| self.task.metrics[*index].primary).collect();
        match primary.as_slice() {
            [_] => {}
            [] => {
                self.report(&path, "has no primary metric", "write `primary = true` in the one that decides")
            }
            [_, others @ ..] => {
                for index in others {
                    let advice = "keep `primary = true` in the one that decides";
                    self.report(
                        &path.index(*index).key("primary"),
                        "is true in an earlier metric too",
                        advice,
                    );
                }
            }
        }
    }

    fn baseline(&mut self, baseline: &Baseline, path: &KeyPath) {
        let sections = [
            ("published", &baseline.published),
            ("measured", &baseline.measured),
            ("tolerance", &baseline.tolerance),
        ];
        for (section, metrics) in sections {
            self.metric_values(metrics, &path.key(section));
        }
        for (name, value) in &baseline.tolerance {
            let key = path.key("tolerance").key(name);
            if !baseline.measured.contains_key(name) {
                self.report(&key, "has no measured value", "add it to `measured` of the same baseline");
            }
            if *value < 0.0 {
                self.report(&key, "is below 0", "write the largest absolute difference");
            }
        }
        let decides = self.task.metrics.iter().find(|metric| metric.primary);
        let held = if baseline.published.is_empty() { &baseline.measured } else { &baseline.published };
        if let Some(metric) = decides.filter(|metric| !held.contains_key(&metric.name)) {
            self.report(
                path,
                format!("has no value of the primary metric {:?}", metric.name),
                "add it to `measured`",
            );
        }
        if !(baseline.noise_floor.is_finite() && baseline.noise_floor >= 0.0) {
            self.report(&path.key("noise_floor"), format!("is {}", baseline.noise_floor), "write 0 or more");
        }
    }

    fn metric_values(&mut self, metrics: &Metrics, path: &KeyPath) {
        let declared: Vec<&str> = self.task.metrics.iter().map(|metric| metric.name.as_str()).collect();
        for (name, value) in metrics {
            if !declared.contains(&name.as_str()) {
                let advice = format!("the metrics are {}", quoted(&declared));
                self.report(&path.key(name), "is not one of the metrics", advice);
            }
            if !value.is_finite() {
                self.report(&path.key(name), format!("is {value}"), "write a finite number");
            }
        }
    }

    fn files(&mut self) {
        let task = self.task;
        let starter = &task.workspace.starter;
        self.path(&task.description, &KeyPath::of("description"));
        self.path(starter, &KeyPath::of("workspace.starter"));
        self.paths(&task.workspace.protected, &KeyPath::of("workspace.protected"));
        if let Some(environment) = &task.environment {
            self.path(&environment.requirements, &KeyPath::of("environment.requirements"));
        }
        self.container();
        let players = KeyPath::of("grader.players");
        let solutions = task.solutions.as_ref();
        let hidden = [
            (Some(&task.grader.files), KeyPath::of("grader.files")),
            (solutions.map(|solutions| &solutions.oracle), KeyPath::of("solutions.oracle")),
            (solutions.and_then(|solutions| solutions.baseline.as_ref()), KeyPath::of("solutions.baseline")),
            (solutions.and_then(|solutions| solutions.cheats.as_ref()), KeyPath::of("solutions.cheats")),
        ];
        let references = task.grader.players.iter().enumerate();
        let references =
            references.map(|(index, player)| (player.files.as_ref(), players.index(index).key("files")));
        for (folder, path) in hidden.into_iter().chain(references) {
            let Some(folder) = folder else { continue };
            self.path(folder, &path);
            if is_inside(folder, starter) {
                self.report(
                    &path,
                    format!("is inside the starter `{starter}`, which the agent sees"),
                    "move it out",
                );
            }
        }
    }

    fn container(&mut self) {
        let Some(container) = &self.task.container else { return };
        let path = KeyPath::of("container");
        match (&container.dockerfile, &container.image) {
            (Some(_), Some(_)) => {
                self.report(&path, "names both a Dockerfile and an image", "keep one of them")
            }
            (None, None) => self.report(&path, "names no image", "write `dockerfile` or `image`"),
            (None, Some(image)) if image.trim().is_empty() => {
                self.report(&path.key("image"), "is empty", "name an image, or leave the section out");
            }
            (Some(dockerfile), None) => {
                let path = path.key("dockerfile");
                self.path(dockerfile, &path);
                let advice = "put it into a folder of its own, such as `container/Dockerfile`";
                let Some((folder, _)) = dockerfile.rsplit_once('/') else {
                    return self.report(
                        &path,
                        "lies beside hidden files, which its image could contain",
                        advice,
                    );
                };
                if self.hidden().iter().any(|hidden| is_inside(hidden, folder) || is_inside(folder, hidden)) {
                    self.report(&path, "lies with hidden files, which its image could contain", advice);
                }
            }
            (None, Some(image)) => {
                if check_image_name(image).is_err() {
                    self.report(&path.key("image"), "cannot be the name of an image", IMAGE_FORM);
                }
            }
        }
    }

    /// Folders that no agent may see.
    fn hidden(&self) -> Vec<&str> {
        let task = self.task;
        let solutions = task.solutions.as_ref();
        let optional = [
            solutions.map(|solutions| &solutions.oracle),
            solutions.and_then(|solutions| solutions.baseline.as_ref()),
            solutions.and_then(|solutions| solutions.cheats.as_ref()),
        ];
        let players = task.grader.players.iter().map(|player| player.files.as_ref());
        let all = [Some(&task.grader.files)].into_iter().chain(optional).chain(players);
        all.flatten().map(String::as_str).collect()
    }

    fn submission(&mut self) {
        let submission = &self.task.submission;
        let path = KeyPath::of("submission.artefacts");
        if submission.artefacts.is_empty() {
            self.report(&path, "is empty", "name the files of the workspace that are graded");
        }
        self.paths(&submission.artefacts, &path);
        self.above_zero(submission.max_bytes, &KeyPath::of("submission.max_bytes"));
        self.above_zero(submission.max_files, &KeyPath::of("submission.max_files"));
    }

    fn grader(&mut self) {
        let grader = &self.task.grader;
        let path = KeyPath::of("grader");
        self.command(&grader.command, &path.key("command"));
        self.above_zero(grader.timeout_s, &path.key("timeout_s"));
        let mut seen = BTreeSet::new();
        for (index, player) in grader.players.iter().enumerate() {
            let path = path.key("players").index(index);
            if player.name.trim().is_empty() {
                self.report(&path.key("name"), "is empty", "name the player as the grader calls it");
            } else if !seen.insert(&player.name) {
                let message = format!("{:?} names an earlier player too", player.name);
                self.report(&path.key("name"), message, "give each its own name");
            }
            self.command(&player.command, &path.key("command"));
        }
    }

    fn resources(&mut self) {
        let resources = &self.task.resources;
        let path = KeyPath::of("resources");
        self.above_zero(resources.memory_mib, &path.key("memory_mib"));
        self.above_zero(resources.pids, &path.key("pids"));
        self.above_zero(resources.workspace_mib, &path.key("workspace_mib"));
        self.above_zero(resources.tmp_mib, &path.key("tmp_mib"));
        if !(resources.cpus.is_finite() && resources.cpus > 0.0) {
            self.report(&path.key("cpus"), format!("is {}", resources.cpus), "write a number above 0");
        }
        if resources.tmp_mib >= resources.memory_mib {
            let message =
                format!("is {}, not less than `memory_mib` ({})", resources.tmp_mib, resources.memory_mib);
            self.report(&path.key("tmp_mib"), message, "what is in /tmp counts as memory: make it smaller");
        }
    }

    fn limits(&mut self, limits: &TaskLimits, path: &KeyPath) {
        let advice = format!("write a number above 0, at most {LONGEST_HOURS}");
        if !(limits.hours > 0.0 && limits.hours <= LONGEST_HOURS) {
            self.report(&path.key("hours"), format!("is {}", limits.hours), advice);
        }
        self.above_zero(limits.command_timeout_s, &path.key("command_timeout_s"));
    }

    fn parameters(&mut self) {
        for (name, parameter) in &self.task.parameters {
            self.finite(parameter, &KeyPath::of("parameters").key(name));
        }
    }

    fn variants(&mut self) {
        let declared: Vec<&str> = self.task.parameters.keys().map(String::as_str).collect();
        for (name, variant) in &self.task.variants {
            let path = KeyPath::of("variants").key(name);
            if name == DEFAULT_VARIANT {
                self.report(&path, "is the name of the task without changes", "choose another name");
            }
            if let Err(wrong) = check_id(name) {
                self.report(&path, wrong, "");
            }
            for (parameter, value) in &variant.parameters {
                let key = path.key("parameters").key(parameter);
                self.finite(value, &key);
                match self.task.parameters.get(parameter) {
                    None if declared.is_empty() => {
                        self.report(
                            &key,
                            "replaces nothing: the task has no parameters",
                            "declare it in `[parameters]`",
                        );
                    }
                    None => {
                        let advice = format!("declare it in `[parameters]`, which has {}", quoted(&declared));
                        self.report(&key, "replaces nothing", advice);
                    }
                    Some(original) if type_name(original) != type_name(value) => {
                        let message = format!(
                            "is {}, the task's own value is {}",
                            type_name(value),
                            type_name(original)
                        );
                        self.report(&key, message, "write a value of the same type");
                    }
                    Some(_) => {}
                }
            }
            if let Some(baseline) = &variant.baseline {
                self.baseline(baseline, &path.key("baseline"));
            }
            if let Some(limits) = &variant.limits {
                self.limits(limits, &path.key("limits"));
            }
        }
    }

    fn command(&mut self, command: &[String], path: &KeyPath) {
        if command.first().is_none_or(|program| program.is_empty()) {
            self.report(path, "names no program", "write the program and its arguments");
        }
        if let Some(index) = command.iter().position(|argument| argument.contains('\0')) {
            self.report(&path.index(index), "has a zero byte", "remove it");
        }
    }

    fn paths(&mut self, listed: &[String], path: &KeyPath) {
        let mut seen = BTreeSet::new();
        for (index, file) in listed.iter().enumerate() {
            self.path(file, &path.index(index));
            if !seen.insert(file) {
                self.report(&path.index(index), format!("`{file}` is listed twice"), "list it once");
            }
        }
    }

    fn path(&mut self, value: &str, path: &KeyPath) {
        let wrong = if value.is_empty() {
            "is empty"
        } else if value.starts_with('/') {
            "is an absolute path"
        } else if value.split('/').any(|part| part == "..") {
            "leads out of its folder by `..`"
        } else if value.split('/').any(|part| part.is_empty() || part == ".") {
            "has an empty part or a `.`"
        } else if value.chars().any(char::is_control) {
            "has a control character"
        } else {
            return;
        };
        self.report(path, wrong, "write a plain relative path such as `folder/file`");
    }

    fn above_zero(&mut self, value: u64, path: &KeyPath) {
        if value == 0 {
            self.report(path, "is 0", "write a number above 0");
        }
    }

    fn finite(&mut self, parameter: &Parameter, path: &KeyPath) {
        if let Parameter::Number(number) = parameter
            && !number.is_finite()
        {
            self.report(path, format!("is {number}"), "write a finite number");
        }
    }

    fn report(&mut self, path: &KeyPath, message: impl Into<String>, advice: impl Into<String>) {
        self.problems.push(self.document.problem(path, message, advice));
    }
}

/// Integers and numbers are one type here: `1` is a number too.
fn type_name(parameter: &Parameter) -> &'static str {
    match parameter {
        Parameter::Integer(_) | Parameter::Number(_) => "a number",
        Parameter::Switch(_) => "a switch",
        Parameter::Text(_) => "a text",
    }
}

fn is_inside(path: &str, folder: &str) -> bool {
    path == folder || path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

fn quoted(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}
