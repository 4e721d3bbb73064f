//! Failures: each belongs to exactly one boundary and is recorded once.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whose fault a failure is. Infrastructure failure is never scored as the agent's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Boundary {
    /// The task folder or its data.
    Task,
    /// The sandbox or its guest.
    Sandbox,
    /// A model provider.
    Model,
    /// The agent's own program.
    Agent,
    /// The grader.
    Grader,
    /// The job executor.
    Executor,
    /// The run folder: log, blobs, lock, disk.
    Store,
}

impl Boundary {
    /// The name used in results and messages.
    pub fn name(self) -> &'static str {
        match self {
            Boundary::Task => "task",
            Boundary::Sandbox => "sandbox",
            Boundary::Model => "model",
            Boundary::Agent => "agent",
            Boundary::Grader => "grader",
            Boundary::Executor => "executor",
            Boundary::Store => "store",
        }
    }
}

/// A failure as it is recorded and shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, thiserror::Error)]
#[serde(deny_unknown_fields)]
#[error("{message}")]
pub struct Failure {
    /// Whose.
    pub boundary: Boundary,
    /// What happened: a fragment that names the path, task or command.
    pub message: String,
    /// What to do next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Failure {
    /// A failure without advice.
    pub fn new(boundary: Boundary, message: impl Into<String>) -> Failure {
        Failure { boundary, message: message.into(), hint: None }
    }

    /// Adds what to do next.
    pub fn hinted(mut self, hint: impl Into<String>) -> Failure {
        self.hint = Some(hint.into());
        self
    }
}
