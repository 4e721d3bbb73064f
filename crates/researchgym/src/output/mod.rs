//! Everything that reaches the terminal. Data goes to standard output, talk to standard error.

mod audit;
mod cluster;
mod doctor;
mod export;
mod gateway;
mod gpus;
mod importing;
mod inspection;
mod listing;
mod live;
mod models;
mod person;
mod plan;
mod progress;
mod reports;
mod runs;
mod search;
mod shoot_out;
mod sparkline;
mod tasks;
mod terminal;
mod trials;
mod words;

use std::borrow::Cow;
use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use researchgym_core::model::redact::Redactor;
use researchgym_core::result::{ResultError, UsageError};
use researchgym_core::spec::SCHEMA;
use researchgym_engine::progress::Progress;
use serde::Serialize;

pub(crate) use self::export::{Exported, ExportedFile, PrunedRun};
pub(crate) use self::gateway::Door;
pub(crate) use self::importing::Importing;
pub(crate) use self::person::Person;
pub(crate) use self::plan::Plan;
pub(crate) use self::progress::Console;
pub(crate) use self::search::Candidate;
pub(crate) use self::shoot_out::ShootOutPlan;
pub(crate) use self::words::limits as limits_in_words;
use self::words::printable;
use crate::arguments::OutputFormat;
use crate::error::CommandError;

/// The doors to the terminal. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Printer {
    format: OutputFormat,
    bar: Arc<indicatif::MultiProgress>,
    /// What the reader types to call this program.
    program: Arc<str>,
    /// Takes keys out of whatever is printed.
    redactor: Arc<OnceLock<Redactor>>,
    /// Why data could not be written, if that happened and its reader is still there.
    unwritten: Arc<OnceLock<std::io::Error>>,
    /// What the terminal itself writes.
    echo: Arc<terminal::Echo>,
}

/// What a command leaves behind: its exit code, or why it failed.
pub(crate) type Outcome = Result<u8, CommandError>;

impl Printer {
    pub(crate) fn new(format: OutputFormat) -> Printer {
        let target = terminal::target(std::io::stderr().is_terminal());
        let bar = Arc::new(indicatif::MultiProgress::with_draw_target(target));
        Printer {
            format,
            bar,
            program: terminal::program().into(),
            redactor: Arc::default(),
            unwritten: Arc::default(),
            echo: Arc::default(),
        }
    }

    /// From here on, nothing is printed that holds one of these keys. The first call counts.
    pub(crate) fn hide(&self, redactor: Redactor) {
        let _ = self.redactor.set(redactor);
    }

    fn redacted<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.redactor.get().map_or(Cow::Borrowed(text), |redactor| redactor.redact(text))
    }

    /// Leaves the terminal as it was found, for who ends the program at once.
    pub(crate) fn leave(&self) {
        self.echo.restore();
    }

    /// Whether results are printed as JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.format == OutputFormat::Json
    }

    /// The form in which results are wanted.
    pub(crate) fn format(&self) -> OutputFormat {
        self.format
    }

    /// A text of several lines on standard output.
    pub(crate) fn document(&self, text: &str) {
        for line in text.lines() {
            self.data(line);
        }
    }

    /// Whether a person sees standard error as it comes.
    pub(crate) fn is_live(&self) -> bool {
        std::io::stderr().is_terminal()
    }

    /// A line of data on standard output.
    pub(crate) fn data(&self, line: &str) {
        self.bar.suspend(|| {
            let mut out = std::io::stdout();
            let written = writeln!(out, "{}", printable(&self.redacted(line))).and_then(|()| out.flush());
            // A reader that has gone is not a failure of the run.
            if let Err(error) = written
                && error.kind() != std::io::ErrorKind::BrokenPipe
            {
                let _ = self.unwritten.set(error);
            }
        });
    }

    /// One JSON value on one line of standard output.
    pub(crate) fn json(&self, value: &impl Serialize) {
        self.data(&serde_json::to_string(value).unwrap_or_default());
    }

    /// The summary of a result for people, and after it the result for scripts. Who would see both at one terminal is no
    /// script, and gets the object only if it is asked for.
    pub(crate) fn concluded(&self, result: &impl Serialize, summary: impl FnOnce()) {
        summary();
        let is_seen = self.is_live() && std::io::stdout().is_terminal();
        if self.is_json() || !is_seen {
            self.json(result);
        }
    }

    /// A line for people on standard error. Commands in it can be pasted as they are.
    pub(crate) fn talk(&self, line: &str) {
        let line = terminal::with_program(line, &self.program);
        self.bar.suspend(|| {
            let _ = writeln!(std::io::stderr(), "{}", printable(&self.redacted(&line)));
        });
    }

    /// Something that went wrong without ending the command.
    pub(crate) fn warn(&self, text: &str) {
        self.talk(&format!("warning: {text}"));
    }

    /// Prints what a command failed with and turns its outcome into the process's exit code.
    pub(crate) fn finish(&self, outcome: Outcome) -> ExitCode {
        match outcome {
            Ok(_) if self.unwritten.get().is_some() => {
                let why = self.unwritten.get().map(ToString::to_string).unwrap_or_default();
                self.talk(&format!("error: what was asked for cannot be written to standard output: {why}"));
                ExitCode::from(3)
            }
            Ok(code) => ExitCode::from(code),
            Err(error) => {
                self.failure(&error);
                ExitCode::from(error.exit_code())
            }
        }
    }

    /// The object that scripts read when a command was not understood.
    pub(crate) fn usage_object(&self, error: &CommandError) {
        self.json(&UsageError { schema: SCHEMA, error: ResultError::from(error) });
    }

    /// A moment of a slow preparation.
    pub(crate) fn preparing(&self, progress: &Progress<'_>) {
        match progress {
            Progress::Stage(stage) => self.talk(&format!("{stage} ...")),
            Progress::Line(line) => self.talk(&format!("  {line}")),
            Progress::Bytes { done, total } => {
                if done == total {
                    self.talk(&format!("  {total} bytes"));
                }
            }
        }
    }

    /// What the session answered to a program inside.
    pub(crate) fn answer(&self, answer: &serde_json::Value) {
        if answer["ok"] == true {
            self.data(&format!("{:#}", answer["result"]));
        } else {
            self.talk(answer["error"].as_str().unwrap_or("the session gave no reason"));
        }
    }

    fn failure(&self, error: &CommandError) {
        self.talk(&format!("error: {}", error.message));
        if let Some(hint) = &error.hint {
            self.talk(&format!("\nhint: {hint}"));
        }
        if self.is_json() {
            self.usage_object(error);
        }
    }
}

/// Prints what is wrong with the arguments, or the help that was asked for.
pub(crate) fn usage(error: &clap::Error, is_run: bool, wants_json: bool) -> ExitCode {
    if !error.use_stderr() {
        // A reader that has gone, such as `head`, has seen enough.
        let _ = write!(std::io::stdout(), "{error}");
        return ExitCode::SUCCESS;
    }
    let _ = write!(std::io::stderr(), "{error}");
    if is_run || wants_json {
        let text = error.to_string();
        // Its first paragraph: what is wrong, with the values that would be right.
        let paragraph = text.split("\n\n").next().unwrap_or_default();
        let message = paragraph.trim_start_matches("error: ").trim_end().to_owned();
        let tip = text.lines().find_map(|line| line.trim().strip_prefix("tip: "));
        let command = if is_run { "researchgym run" } else { "researchgym" };
        let hint = Some(tip.map_or_else(|| format!("see `{command} --help`"), str::to_owned));
        let object = UsageError { schema: SCHEMA, error: ResultError { message, hint } };
        let _ = writeln!(std::io::stdout(), "{}", serde_json::to_string(&object).unwrap_or_default());
    }
    ExitCode::from(2)
}
