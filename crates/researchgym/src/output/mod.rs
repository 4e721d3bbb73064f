//! Everything that reaches the terminal. Data goes to standard output, talk to standard error.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this is the only module that prints")]

mod doctor;
mod person;
mod progress;
mod runs;
mod tasks;
mod words;

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::sync::Arc;

use researchgym_core::result::{ResultError, UsageError};
use researchgym_core::spec::SCHEMA;
use researchgym_engine::progress::Progress;
use serde::Serialize;

pub(crate) use self::person::Person;
pub(crate) use self::progress::Console;
use self::words::printable;
use crate::arguments::OutputFormat;
use crate::error::CommandError;

/// The doors to the terminal. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Printer {
    format: OutputFormat,
    bar: Arc<indicatif::MultiProgress>,
}

/// What a command leaves behind: its exit code, or why it failed.
pub(crate) type Outcome = Result<u8, CommandError>;

impl Printer {
    pub(crate) fn new(format: OutputFormat) -> Printer {
        Printer { format, bar: Arc::new(indicatif::MultiProgress::new()) }
    }

    /// Whether results are printed as JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.format == OutputFormat::Json
    }

    /// Whether a person sees standard error as it comes.
    pub(crate) fn is_live(&self) -> bool {
        std::io::stderr().is_terminal()
    }

    /// A line of data on standard output.
    pub(crate) fn data(&self, line: &str) {
        self.bar.suspend(|| {
            // A reader that has gone is not a failure of the run.
            let _ = writeln!(std::io::stdout(), "{}", printable(line));
        });
    }

    /// One JSON value on one line of standard output.
    pub(crate) fn json(&self, value: &impl Serialize) {
        self.data(&serde_json::to_string(value).unwrap_or_default());
    }

    /// A line for people on standard error.
    pub(crate) fn talk(&self, line: &str) {
        self.bar.suspend(|| {
            let _ = writeln!(std::io::stderr(), "{}", printable(line));
        });
    }

    /// Something that went wrong without ending the command.
    pub(crate) fn warn(&self, text: &str) {
        self.talk(&format!("warning: {text}"));
    }

    /// Prints what a command failed with and turns its outcome into the process's exit code.
    pub(crate) fn finish(&self, outcome: Outcome) -> ExitCode {
        match outcome {
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

    /// `run --dry-run`
    pub(crate) fn plan(&self, plan: &serde_json::Value) {
        match self.format {
            OutputFormat::Json => self.json(plan),
            OutputFormat::Text => self.data(&format!("{plan:#}")),
        }
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
pub(crate) fn usage(error: &clap::Error, as_object: bool) -> ExitCode {
    if !error.use_stderr() {
        print!("{error}");
        return ExitCode::SUCCESS;
    }
    eprint!("{error}");
    if as_object {
        let text = error.to_string();
        let message = text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
        let hint = Some("see `researchgym run --help`".to_owned());
        let object = UsageError { schema: SCHEMA, error: ResultError { message, hint } };
        println!("{}", serde_json::to_string(&object).unwrap_or_default());
    }
    ExitCode::from(2)
}
