//! What tools work with: the run, and how what a command wrote is shown to the model.

use researchgym_core::action::{Action, Body};
use researchgym_core::observation::{Captured, ExecEnding, Observation, SHOWN_HEAD_BYTES, SHOWN_TAIL_BYTES};

use super::super::output::{KEPT, KEPT_END, Output, clip};
use super::OpenPage;
use crate::session::{Session, Stop};

/// What tools work with.
pub(in super::super) struct Bench<'a> {
    /// The run.
    pub(in super::super) session: &'a mut Session,
    /// Background jobs started so far: the last one's number.
    pub(in super::super) jobs: &'a mut u64,
    /// The page of the web that was read last.
    pub(in super::super) page: &'a mut Option<OpenPage>,
}

/// What the model is told of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Outcome {
    pub(in super::super) text: String,
    pub(in super::super) is_error: bool,
}

impl Outcome {
    pub(super) fn done(text: impl Into<String>) -> Outcome {
        Outcome { text: text.into(), is_error: false }
    }

    pub(super) fn failed(text: impl Into<String>) -> Outcome {
        Outcome { text: text.into(), is_error: true }
    }
}

impl Bench<'_> {
    /// Runs shell text in the persistent shell.
    pub(super) async fn exec(
        &mut self,
        command: String,
        timeout_s: Option<f64>,
    ) -> Result<Observation, Stop> {
        self.session.step(Action::Exec { command: Body::Text(command), timeout_s }).await
    }

    /// A command's outcome for the model. Output that is too long to be shown goes to a file of the workspace.
    pub(super) async fn shown(&mut self, observation: Observation) -> Result<Outcome, Stop> {
        let Observation::Exec { exit_code, ending, new_shell, stdout, stderr, limits: _ } = observation
        else {
            return Ok(unexpected(observation));
        };
        let mut head = match (ending, exit_code) {
            (ExecEnding::Exited, Some(code)) => format!("exit code {code}"),
            (ExecEnding::Exited, None) => "ended without an exit code".to_owned(),
            (ExecEnding::TimedOut, _) => "timed out: all that the command had started was stopped".to_owned(),
            (ExecEnding::ShellEnded, code) => {
                format!(
                    "the shell ended{}",
                    code.map(|code| format!(" with code {code}")).unwrap_or_default()
                )
            }
            (ExecEnding::Stopped, _) => "the run was interrupted while this was running".to_owned(),
        };
        if new_shell {
            head.push_str("; a new shell was started, whose folder and variables are those of the beginning");
        }
        let output = Output { stdout: self.text(&stdout)?, stderr: self.text(&stderr)? };
        let is_error = matches!(ending, ExecEnding::TimedOut | ExecEnding::Stopped);
        let text = format!("{head}\n{}", self.fitted(&output).await?);
        Ok(Outcome { text, is_error })
    }

    /// Output as it is shown.
    pub(super) async fn fitted(&mut self, output: &Output) -> Result<String, Stop> {
        if output.is_short() {
            return Ok(output.whole());
        }
        let path = format!(".outputs/{}.txt", self.session.used().steps);
        let content = Body::Text(clip(&output.whole(), KEPT, ""));
        let written = self.session.step(Action::Write { path: path.clone(), content, mode: None }).await?;
        Ok(match written {
            Observation::Refused { reason } => output.ends(&format!("; they could not be kept: {reason}")),
            _ => output.ends(&format!("; everything is in {path}")),
        })
    }

    /// A stream, or as much of both its ends as is kept, with what the sandbox remarked.
    pub(super) fn text(&self, captured: &Captured) -> Result<String, Stop> {
        let Some(blob) = captured.blob else { return Ok(captured.text.clone()) };
        let (head, tail) = self.session.blob_ends(blob, KEPT_END, KEPT_END)?;
        let both = [head.as_slice(), tail.as_slice()].concat();
        let shown_tail = &both[both.len().saturating_sub(SHOWN_TAIL_BYTES)..];
        let shown = Captured::shown(&both[..both.len().min(SHOWN_HEAD_BYTES)], shown_tail, captured.bytes);
        let remarks = captured.text.strip_prefix(&shown).unwrap_or_default();
        Ok(Captured::shown(&head, &tail, captured.bytes) + remarks)
    }
}

/// The answer to an action that has another kind of outcome than it should, which a refusal is.
pub(super) fn unexpected(observation: Observation) -> Outcome {
    match observation {
        Observation::Refused { reason } => Outcome::failed(reason),
        other => Outcome::failed(format!("nothing is known of the outcome: {other:?}")),
    }
}
