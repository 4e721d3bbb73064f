//! A trajectory: the steps of a run with what is known of its task, the same for our runs and for those of others.

use crate::score::{Direction, Finding as ScoreFinding, Split};
use crate::task::Task;

use super::nested;
use super::shell::Command;

/// Everything that the rules look at.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trajectory {
    /// What is known of the task and of the place of work.
    pub facts: Facts,
    /// In order.
    pub steps: Vec<Step>,
    /// Scores in order.
    pub attempts: Vec<Attempt>,
    /// What is missing for there to be a score to trust.
    pub standing: Standing,
    /// What the grader found already.
    pub integrity: Vec<ScoreFinding>,
    /// The last event: where the trajectory as a whole is meant.
    pub last_event: u64,
    /// What could not be read, each in a sentence. Rules saw nothing of it.
    pub gaps: Vec<String>,
}

/// What is missing for there to be a score to trust. By default nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The record has no end.
    pub is_unended: bool,
    /// There is no valid score.
    pub is_unscored: bool,
}

/// What is known of the task and of the place of work.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// The folder that paths are relative to, absolute: `/workspace`.
    pub workspace: String,
    /// Files that may be read and not changed, relative to the workspace.
    pub protected: Vec<String>,
    /// Whether something keeps them from being changed.
    pub protection: Protection,
    /// Places and names of graders and labels that must not be read: absolute folders, or file names.
    pub hidden: Vec<String>,
    /// What is measured: name, direction, whether it decides.
    pub metrics: Vec<Metric>,
    /// Differences of the primary metric below this are noise.
    pub noise_floor: f64,
    /// Addresses that must not be reached, as a task writes them.
    pub blocked: Vec<String>,
    /// Ids whose labels decide the score.
    pub held_out: Vec<u64>,
    /// Numbers that everybody may know without measuring: of the task's text, its baselines.
    pub known_numbers: Vec<f64>,
    /// Texts that score if they are printed by a program: the reward channel of the place of work.
    pub channel_marks: Vec<String>,
}

impl Facts {
    /// What a task itself says about files and addresses, for a place of work in `/workspace`. Its numbers and metrics are
    /// left out.
    pub fn of(task: &Task) -> Facts {
        let of_data = |dataset: &crate::task::Dataset| {
            let visible = dataset.visible.clone();
            dataset.hidden.clone().into_iter().filter(move |file| !visible.contains(file))
        };
        let hidden = task.datasets.iter().flat_map(of_data);
        let grader = task.grader.command.iter().filter(|word| word.ends_with(".py")).cloned();
        Facts {
            workspace: "/workspace".to_owned(),
            protected: task.workspace.protected.clone(),
            hidden: std::iter::once("/grader".to_owned()).chain(hidden).chain(grader).collect(),
            blocked: task.network.blocked_urls.clone(),
            ..Facts::default()
        }
    }
}

/// One thing that is measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name.
    pub name: String,
    /// Which way is better.
    pub direction: Direction,
    /// Whether it decides.
    pub primary: bool,
}

/// What keeps protected files from being changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protection {
    /// Nothing but the rules: a change that is not refused has happened.
    #[default]
    None,
    /// They are mounted read-only: a change can be tried only.
    ReadOnly,
}

/// What a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepKind {
    /// Shell text.
    Command,
    /// A file is written.
    Write,
    /// A file is read.
    Read,
    /// Something is said.
    Say,
    /// The web is searched, or a page read.
    Web,
    /// A score is asked for.
    Score,
    /// Anything else.
    Other,
}

/// What became of a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    #[default]
    Done,
    /// It was refused or failed as a whole.
    Refused,
    /// Nobody knows: it was under way when the record ended, or was never done.
    Unknown,
}

/// One step.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Its number among the steps, from 1.
    pub number: u64,
    /// The event that findings name.
    pub event: u64,
    /// What it is.
    pub kind: StepKind,
    /// Shell text, path, words or address.
    pub text: String,
    /// The shell text as commands.
    pub commands: Vec<Command>,
    /// Files that it wrote, with what is known of their content.
    pub writes: Vec<FileWrite>,
    /// What came out, as far as it was kept.
    pub output: String,
    /// How long all that came out was.
    pub output_bytes: u64,
    /// How much of it was thrown away.
    pub dropped_bytes: u64,
    /// The event of the outcome, if it has one of its own.
    pub output_event: Option<u64>,
    /// What became of it.
    pub outcome: Outcome,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

/// A file that was written, or was to be.
#[derive(Clone, Debug, PartialEq)]
pub struct FileWrite {
    /// As it was named.
    pub path: String,
    /// What was written: all of it or the part that is new.
    pub content: Option<String>,
    /// What became of it.
    pub outcome: Outcome,
}

/// A score.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    /// The event that reports it.
    pub event: u64,
    /// How many steps had begun before it was reported: its place among them.
    pub after_steps: usize,
    /// The primary metric, if it is valid.
    pub value: Option<f64>,
    /// All its numbers.
    pub numbers: Vec<f64>,
    /// What was graded, if that is known: equal texts are equal artefacts.
    pub artefact: Option<String>,
    /// On what it was computed, if that is known. Only scores on the same data are compared.
    pub split: Option<Split>,
}

impl Step {
    /// A step of which nothing is known but what it is.
    pub fn new(number: u64, event: u64, kind: StepKind, text: impl Into<String>) -> Step {
        let text = text.into();
        let commands = if kind == StepKind::Command { nested::commands(&text) } else { Vec::new() };
        let writes: Vec<FileWrite> = commands.iter().filter_map(Command::document).collect();
        let mut step = Step {
            number,
            event,
            kind,
            commands,
            writes: Vec::new(),
            text,
            output: String::new(),
            output_bytes: 0,
            dropped_bytes: 0,
            output_event: None,
            outcome: Outcome::Done,
            took_ms: 0,
        };
        writes.into_iter().for_each(|write| step.push(write));
        let inline: Vec<Command> = step
            .commands
            .iter()
            .flat_map(Command::inline_programs)
            .flat_map(nested::program_commands)
            .collect();
        step.commands.extend(inline);
        step
    }

    /// Adds a file that it wrote. The commands of a shell script are looked at as if it were run, in a shell of its own.
    fn push(&mut self, write: FileWrite) {
        let is_script = write.path.ends_with(".sh") || matches!(write.path.as_str(), "<bash>" | "<sh>");
        if let (true, Some(content)) = (is_script, &write.content) {
            let commands = nested::commands(content).into_iter();
            self.commands.extend(commands.map(|command| Command { depth: command.depth + 1, ..command }));
        } else if let (true, Some(content)) = (is_program(&write.path), &write.content) {
            self.commands.extend(nested::program_commands(content));
        }
        self.writes.push(write);
    }

    /// The same with what came out.
    pub fn with_output(mut self, output: impl Into<String>) -> Step {
        self.output = output.into();
        self.output_bytes = self.output.len() as u64;
        self
    }

    /// The same with a file that it wrote.
    pub fn with_write(mut self, write: FileWrite) -> Step {
        self.push(write);
        self
    }

    /// The events of the step: its beginning and its outcome.
    pub fn events(&self) -> Vec<u64> {
        let mut events = vec![self.event];
        events.extend(self.output_event.filter(|event| *event != self.event));
        events
    }

    /// Program text that the step brought in: written files, here-documents, programs on the command line, the shell text
    /// itself. With the path it was written to, if any.
    pub fn programs(&self) -> impl Iterator<Item = (Option<&str>, &str)> {
        let files = self
            .writes
            .iter()
            .filter_map(|write| Some((Some(write.path.as_str()), write.content.as_deref()?)));
        let inline = self.commands.iter().flat_map(Command::inline_programs).map(|text| (None, text));
        files.chain(inline)
    }
}

/// Whether a file holds a program rather than data or words.
fn is_program(path: &str) -> bool {
    let ends = [".py", ".pl", ".rb", ".js", ".ipynb", ".R", ".c"];
    path.starts_with('<') || ends.iter().any(|end| path.ends_with(end))
}

impl Trajectory {
    /// The primary metric.
    pub fn primary(&self) -> Option<&Metric> {
        self.facts.metrics.iter().find(|metric| metric.primary).or_else(|| self.facts.metrics.first())
    }

    /// All events that a finding may name.
    pub fn has_event(&self, event: u64) -> bool {
        event <= self.last_event
    }
}
