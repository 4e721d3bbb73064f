//! `human`: a person at the terminal, under the same limits and in the same log as every other agent.

use researchgym_core::action::{Action, Body};
use researchgym_core::failure::{Boundary, Failure};
use researchgym_core::observation::Observation;

use super::GivesUp;
use crate::session::{Session, Stop};

/// Where a person reads and types.
pub trait Terminal: Send {
    /// Says hello: what the task is and what can be typed.
    fn welcome(&mut self, status: &serde_json::Value, help: &str);
    /// Asks for the next line; `None` at end of input.
    fn ask(&mut self)
    -> std::pin::Pin<Box<dyn Future<Output = std::io::Result<Option<String>>> + Send + '_>>;
    /// Shows what an action led to.
    fn show(&mut self, observation: &Observation);
    /// Shows a line of advice.
    fn advise(&mut self, text: &str);
}

/// What can be typed.
pub(crate) const HELP: &str = "Type shell commands; they run in one persistent bash in the workspace.
  :validate        score the current artefacts
  :submit          score them and end the run
  :status          what is left
  :read PATH       show a file of the workspace
  :search WORDS    search the web, if the task allows it
  :fetch URL       read a page of the web
  :say TEXT        put a note on record
  :give-up REASON  end the run without submitting (end of input does the same)
  :help            this";

pub(super) async fn drive(
    session: &mut Session,
    terminal: Option<&mut (dyn Terminal + 'static)>,
) -> Result<GivesUp, Stop> {
    let Some(terminal) = terminal else {
        return Err(Failure::new(Boundary::Agent, "the agent `human` needs a terminal")
            .hinted("run one human run at a time, without --parallel")
            .into());
    };
    terminal.welcome(&session.status(), HELP);
    loop {
        let line = session.wait_for(terminal.ask()).await?;
        let line = line.map_err(|error| Failure::new(Boundary::Agent, format!("standard input: {error}")))?;
        let Some(line) = line else { return Ok(GivesUp) };
        match understand(line.trim()) {
            Typed::Nothing => {}
            Typed::Help => terminal.advise(HELP),
            Typed::Status => terminal.advise(&format!("{:#}", session.status())),
            Typed::Unknown(word) => terminal.advise(&format!("unknown command `{word}`; :help lists them")),
            Typed::Act(action) => {
                let observation = session.step(action).await?;
                terminal.show(&observation);
            }
        }
    }
}

#[derive(Debug, PartialEq)]
enum Typed {
    Nothing,
    Help,
    Status,
    Unknown(String),
    Act(Action),
}

fn understand(line: &str) -> Typed {
    let Some(command) = line.strip_prefix(':') else {
        return match line {
            "" => Typed::Nothing,
            text => Typed::Act(Action::Exec { command: Body::Text(text.into()), timeout_s: None }),
        };
    };
    let (word, rest) = command.split_once(' ').unwrap_or((command, ""));
    match word {
        "help" => Typed::Help,
        "status" => Typed::Status,
        "validate" => Typed::Act(Action::Validate),
        "submit" => Typed::Act(Action::Submit),
        "read" => Typed::Act(Action::Read { path: rest.trim().into() }),
        "search" => Typed::Act(Action::Search {
            query: rest.trim().into(),
            results: researchgym_core::web::DEFAULT_RESULTS,
        }),
        "fetch" => Typed::Act(Action::Fetch { url: rest.trim().into() }),
        "say" => Typed::Act(Action::Say { text: Body::Text(rest.into()) }),
        "give-up" | "give_up" => Typed::Act(Action::GiveUp { reason: rest.into() }),
        unknown => Typed::Unknown(format!(":{unknown}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_commands_unless_they_begin_with_a_colon() {
        assert_eq!(
            understand("ls -la"),
            Typed::Act(Action::Exec { command: Body::Text("ls -la".into()), timeout_s: None })
        );
        assert_eq!(understand(""), Typed::Nothing);
        assert_eq!(understand(":submit"), Typed::Act(Action::Submit));
        assert_eq!(understand(":read a b"), Typed::Act(Action::Read { path: "a b".into() }));
        assert_eq!(understand(":give-up no idea"), Typed::Act(Action::GiveUp { reason: "no idea".into() }));
        assert_eq!(understand(":quit"), Typed::Unknown(":quit".into()));
    }
}
