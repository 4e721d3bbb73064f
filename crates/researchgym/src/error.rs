//! A command's failure as the user meets it: what happened, what to do next, and the documented exit code.

use researchgym_core::failure::{Boundary, Failure};
use researchgym_core::result::ResultError;
use researchgym_engine::runner::OpenError;

/// What kind of failure, which decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Usage or bad input: exit code 2.
    Input,
    /// Something of the machine or the project broke: exit code 3.
    Infrastructure,
}

/// A command's failure.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct CommandError {
    pub(crate) kind: Kind,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

impl CommandError {
    /// Bad input.
    pub(crate) fn input(message: impl Into<String>) -> CommandError {
        CommandError { kind: Kind::Input, message: message.into(), hint: None }
    }

    /// Adds what to do next.
    pub(crate) fn hinted(mut self, hint: impl Into<String>) -> CommandError {
        self.hint = Some(hint.into());
        self
    }

    /// The documented exit code.
    pub(crate) fn exit_code(&self) -> u8 {
        match self.kind {
            Kind::Input => 2,
            Kind::Infrastructure => 3,
        }
    }
}

impl From<Failure> for CommandError {
    fn from(failure: Failure) -> CommandError {
        let kind = match failure.boundary {
            Boundary::Task | Boundary::Agent => Kind::Input,
            Boundary::Sandbox | Boundary::Model | Boundary::Grader | Boundary::Executor | Boundary::Store => {
                Kind::Infrastructure
            }
        };
        CommandError { kind, message: failure.message, hint: failure.hint }
    }
}

impl From<&CommandError> for ResultError {
    fn from(error: &CommandError) -> ResultError {
        ResultError { message: error.message.clone(), hint: error.hint.clone() }
    }
}

impl From<OpenError> for CommandError {
    fn from(error: OpenError) -> CommandError {
        match error {
            OpenError::LimitStands { flag, .. } => {
                CommandError::input(error.to_string()).hinted(format!("give a higher total with {flag}"))
            }
            OpenError::Limit(error) => CommandError::input(error.to_string()),
            OpenError::NoStep { .. }
            | OpenError::NoCandidate { .. }
            | OpenError::NoBaseline { .. }
            | OpenError::HalfForked { .. }
            | OpenError::State { .. } => CommandError::input(error.to_string()),
            OpenError::Store(error) => input(error),
            OpenError::Failure(failure) => CommandError::from(failure),
        }
    }
}

/// An error of the engine whose fault is the user's input: a run that cannot be opened, a task that cannot be found.
pub(crate) fn input(error: impl Into<Failure>) -> CommandError {
    CommandError { kind: Kind::Input, ..CommandError::from(error.into()) }
}
