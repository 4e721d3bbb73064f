//! The sentences that the model is told, as templates in `prompts/`. A name that a template uses and nobody gives is an
//! error, never an empty place.

use minijinja::{Environment, UndefinedBehavior};
use researchgym_core::failure::{Boundary, Failure};
use serde::Serialize;

/// One text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prompt {
    /// The system message.
    System,
    /// The task and everything that is known of the run.
    Task,
    /// Asks for notes that a new conversation begins with.
    Memento,
    /// Begins a new conversation with the notes of those before.
    Bridge,
    /// Stands where pruning left messages out.
    LeftOut,
    /// No tool was called.
    Continue,
    /// The answer reached the cap on output.
    CutOff,
    /// The model declined.
    Refused,
    /// The same call was made many times in a row.
    Repeated,
    /// The iterative loop's only sentence.
    NextStep,
    /// How the run stands.
    Status,
    /// A limit is near.
    Warning,
    /// A limit is very near.
    WrapUp,
    /// The run was interrupted and goes on.
    Resumed,
    /// The user says something.
    Note,
}

impl Prompt {
    const ALL: [Prompt; 15] = [
        Prompt::System,
        Prompt::Task,
        Prompt::Memento,
        Prompt::Bridge,
        Prompt::LeftOut,
        Prompt::Continue,
        Prompt::CutOff,
        Prompt::Refused,
        Prompt::Repeated,
        Prompt::NextStep,
        Prompt::Status,
        Prompt::Warning,
        Prompt::WrapUp,
        Prompt::Resumed,
        Prompt::Note,
    ];

    /// The file's name and content.
    fn source(self) -> (&'static str, &'static str) {
        match self {
            Prompt::System => ("system.md", include_str!("prompts/system.md")),
            Prompt::Task => ("task.md", include_str!("prompts/task.md")),
            Prompt::Memento => ("memento.md", include_str!("prompts/memento.md")),
            Prompt::Bridge => ("bridge.md", include_str!("prompts/bridge.md")),
            Prompt::LeftOut => ("left_out.md", include_str!("prompts/left_out.md")),
            Prompt::Continue => ("continue.md", include_str!("prompts/continue.md")),
            Prompt::CutOff => ("cut_off.md", include_str!("prompts/cut_off.md")),
            Prompt::Refused => ("refused.md", include_str!("prompts/refused.md")),
            Prompt::Repeated => ("repeated.md", include_str!("prompts/repeated.md")),
            Prompt::NextStep => ("next_step.md", include_str!("prompts/next_step.md")),
            Prompt::Status => ("status.md", include_str!("prompts/status.md")),
            Prompt::Warning => ("warning.md", include_str!("prompts/warning.md")),
            Prompt::WrapUp => ("wrap_up.md", include_str!("prompts/wrap_up.md")),
            Prompt::Resumed => ("resumed.md", include_str!("prompts/resumed.md")),
            Prompt::Note => ("note.md", include_str!("prompts/note.md")),
        }
    }
}

/// All texts, read.
pub(super) struct Prompts {
    environment: Environment<'static>,
}

impl Prompts {
    pub(super) fn new() -> Result<Prompts, Failure> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        for (name, text) in Prompt::ALL.map(Prompt::source) {
            environment.add_template(name, text).map_err(|error| failure(name, &error))?;
        }
        Ok(Prompts { environment })
    }

    /// A text with these values in it.
    pub(super) fn text(&self, prompt: Prompt, values: impl Serialize) -> Result<String, Failure> {
        let (name, _) = prompt.source();
        let template = self.environment.get_template(name).map_err(|error| failure(name, &error))?;
        Ok(template.render(values).map_err(|error| failure(name, &error))?.trim().to_owned())
    }
}

fn failure(name: &str, error: &minijinja::Error) -> Failure {
    Failure::new(Boundary::Agent, format!("the basic agent's text {name}: {error}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn all_texts_are_read_and_a_missing_name_is_an_error() {
        let prompts = Prompts::new().unwrap();
        assert_eq!(
            prompts.text(Prompt::Note, json!({ "text": "try less" })).unwrap(),
            "The user says: try less"
        );
        let error = prompts.text(Prompt::Note, json!({})).unwrap_err();
        assert!(error.message.starts_with("the basic agent's text note.md: undefined value"), "{error}");
    }

    #[test]
    fn sentences_name_their_numbers() {
        let prompts = Prompts::new().unwrap();
        let status = prompts.text(
            Prompt::Status,
            json!({ "turn": 5, "used": ["working time 3 min of 30 min"], "validations_left": 2, "best": "r2 = 0.9" }),
        );
        assert_eq!(
            status.unwrap(),
            "Status after 5 turns: working time 3 min of 30 min; 2 validations left; best score so far: r2 = 0.9."
        );
        let alarm = json!({ "what": "steps", "used": "96", "limit": "100", "left": "4", "may_end": true, "artefacts": ["a.csv"] });
        assert_eq!(
            prompts.text(Prompt::WrapUp, &alarm).unwrap(),
            "Almost over: of the steps, 96 of 100 are used and 4 are left. Start nothing new. Make sure that the best version of\n\
             `a.csv` is in place now, then call `submit`."
        );
    }
}
