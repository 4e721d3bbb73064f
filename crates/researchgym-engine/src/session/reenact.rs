//! Doing again what brought a forked run's workspace to where its history ends.

use researchgym_core::action::Action;
use researchgym_core::event::Event;
use researchgym_core::observation::Observation;

use super::{Session, Stop};

/// An action of the history that is done again, and what came of it then.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reenacted {
    pub(crate) action_id: u64,
    pub(crate) action: Action,
    pub(crate) observation: Observation,
}

impl Session {
    /// Does the actions again, unrecorded, and notes each outcome that differs from the recorded one. The agent keeps
    /// what it saw then.
    pub(crate) async fn reenact(&mut self, actions: &[Reenacted]) -> Result<(), Stop> {
        for Reenacted { action_id, action, observation } in actions {
            let now = match action {
                Action::Exec { command, timeout_s } => self.exec(command, *timeout_s).await?,
                Action::Write { path, content, mode } => {
                    self.write(path, content, mode.unwrap_or(0o644)).await?
                }
                Action::Search { .. } | Action::Fetch { .. } => continue,
                Action::Read { .. } | Action::Say { .. } | Action::Validate | Action::Submit => continue,
                Action::GiveUp { .. } => continue,
            };
            if let Some(difference) = difference(observation, &now) {
                let text = format!("action {action_id}, done again for the fork, differs: {difference}");
                self.recorder.append(Event::Noted { text })?;
            }
            if *self.cancelled.borrow() {
                return Err(Stop::Ended(researchgym_core::event::Ending::Cancelled));
            }
        }
        if !actions.is_empty() {
            self.record_workspace()?;
        }
        Ok(())
    }
}

fn difference(then: &Observation, now: &Observation) -> Option<String> {
    match (then, now) {
        (then, now) if then == now => None,
        (
            Observation::Exec { exit_code: old, stdout: old_out, stderr: old_err, .. },
            Observation::Exec { exit_code: new, stdout: new_out, stderr: new_err, .. },
        ) => {
            let status = (old != new).then(|| format!("status {new:?}, was {old:?}"));
            let output = (old_out != new_out || old_err != new_err).then(|| "another output".to_owned());
            Some([status, output].into_iter().flatten().collect::<Vec<_>>().join(", "))
                .filter(|text| !text.is_empty())
        }
        _ => Some("another kind of outcome".to_owned()),
    }
}
