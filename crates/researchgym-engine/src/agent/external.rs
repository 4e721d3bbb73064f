//! External agents: any program, declared by a TOML file, that works inside the sandbox and uses the session from there.

use researchgym_core::action::{Action, Body};
use researchgym_core::observation::{ExecEnding, Observation};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::GivesUp;
use crate::session::{Session, Stop};

/// An agent's file: `agents/<name>.toml`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Declaration {
    /// Version of this format: 1.
    pub schema: u32,
    /// The agent's name in results.
    pub name: String,
    /// One line for people.
    #[serde(default)]
    pub description: Option<String>,
    /// Shell text that starts the agent in `/workspace`. It uses `researchgym validate | submit | status` or the socket
    /// named by `RESEARCHGYM_SESSION`; the agent's own files are in `/agent`.
    pub command: String,
    /// Folder with the agent's own files, relative to this file; mounted read-only at `/agent`.
    #[serde(default)]
    pub files: Option<String>,
}

/// A declaration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DeclarationError {
    /// Not the format.
    #[error("{path}: {problem}")]
    Format {
        /// The file.
        path: String,
        /// What is wrong, with its line.
        problem: String,
    },
}

impl Declaration {
    /// Reads a declaration; `path` is for messages.
    ///
    /// # Errors
    /// It is not TOML, has an unknown, missing or wrongly typed key, an empty command or a newer schema.
    pub fn parse(text: &str, path: &str) -> Result<Declaration, DeclarationError> {
        let wrong = |problem: String| DeclarationError::Format { path: path.into(), problem };
        let declaration: Declaration = toml::from_str(text).map_err(|error| wrong(error.to_string()))?;
        if declaration.schema != 1 {
            return Err(wrong(format!("`schema` is {}; this program reads 1", declaration.schema)));
        }
        if declaration.command.trim().is_empty() {
            return Err(wrong("`command` is empty".into()));
        }
        Ok(declaration)
    }
}

pub(super) async fn drive(session: &mut Session, declaration: &str) -> Result<GivesUp, Stop> {
    let declaration = Declaration::parse(declaration, "the recorded declaration").map_err(|error| {
        researchgym_core::failure::Failure::new(researchgym_core::failure::Boundary::Agent, error.to_string())
    })?;
    let forever = 365.0 * 86_400.0;
    let command = Action::Exec { command: Body::Text(declaration.command), timeout_s: Some(forever) };
    match session.step(command).await? {
        // The only time-out here is the run's own.
        Observation::Exec { ending: ExecEnding::TimedOut, .. } => {
            Err(Stop::Ended(researchgym_core::event::Ending::TimeLimit))
        }
        _ => Ok(GivesUp),
    }
}
