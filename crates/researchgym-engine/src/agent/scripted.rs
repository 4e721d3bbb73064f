//! `scripted` and `replay`: actions from a file or another run, one after the other.

use base64::Engine as _;
use researchgym_core::action::{Action, Body, Origin};
use researchgym_core::event::{Event, Line};
use researchgym_core::failure::{Boundary, Failure};
use researchgym_core::script::{self, ScriptStep};

use super::GivesUp;
use crate::session::{Session, Stop};
use crate::store::{Blobs, StoreError};

pub(super) async fn drive(session: &mut Session, script: &Body) -> Result<GivesUp, Stop> {
    let text = session.body(script)?;
    let steps = script::parse(&text)
        .map_err(|error| Failure::new(Boundary::Agent, format!("the recorded script: {error}")))?;
    for step in steps {
        match step {
            ScriptStep::Act(action) => {
                session.step(action).await?;
            }
            ScriptStep::Sleep(time) => session.think(time).await?,
        }
    }
    Ok(GivesUp)
}

/// A run's own actions as a script, with their bodies in it.
///
/// # Errors
/// A body's blob is missing or altered.
pub fn actions_as_script(lines: &[Line], blobs: &Blobs) -> Result<String, StoreError> {
    let mut steps = Vec::new();
    for line in lines {
        let Event::Acted { origin: Origin::Agent, action, .. } = &line.event else { continue };
        steps.push(ScriptStep::Act(match action {
            Action::Exec { command, timeout_s } => {
                Action::Exec { command: inline(command, blobs)?, timeout_s: *timeout_s }
            }
            Action::Write { path, content, mode } => {
                Action::Write { path: path.clone(), content: inline(content, blobs)?, mode: *mode }
            }
            Action::Say { text } => Action::Say { text: inline(text, blobs)? },
            other => other.clone(),
        }));
    }
    Ok(script::format(&steps))
}

fn inline(body: &Body, blobs: &Blobs) -> Result<Body, StoreError> {
    Ok(match String::from_utf8(blobs.resolve(body)?) {
        Ok(text) => Body::Text(text),
        Err(error) => Body::Base64(base64::engine::general_purpose::STANDARD.encode(error.as_bytes())),
    })
}
