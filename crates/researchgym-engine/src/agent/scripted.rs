//! `scripted` and `replay`: actions from a file or another run, one after the other.

use researchgym_core::action::Body;
use researchgym_core::failure::{Boundary, Failure};
use researchgym_core::script::{self, ScriptStep};

use super::GivesUp;
use crate::session::{Session, Stop};

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
