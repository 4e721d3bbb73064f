//! A model that judges: it reads and searches a copy of the evidence, and reports once.
//!
//! The copy is text in memory and the tools are functions over it: no program runs, no file is opened, nothing is written,
//! so that there is nothing for a sandbox to hold. All text of the run that it is shown is escaped and stands between lines
//! with a mark that is drawn for this inspection.

use minijinja::Environment;
use researchgym_core::failure::{Boundary, Failure};
use researchgym_core::inspect::Finding;
use researchgym_core::inspect::evidence::{File, fenced, files, numbered};
use researchgym_core::inspect::excerpt::{bounded, excerpt};
use researchgym_core::inspect::judge::{ListFiles, Opinion, ReadFile, Search};
use researchgym_core::inspect::report::Cost;
use researchgym_core::model::{Conversation, Input, Message, RequestSettings, Tool, ToolResult};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::Evidence;
use super::metered::{Metered, Unanswered};
use crate::agent::tool_schema;

/// The most answers that are asked for.
const MOST_TURNS: usize = 60;
/// So often it is told to use its tools.
const MOST_REMINDERS: usize = 3;
/// The most bytes of one tool's answer.
const MOST_SHOWN: usize = 48 << 10;

/// What came of asking a model.
#[derive(Debug)]
pub struct Judge {
    /// `provider/model`.
    pub model: String,
    /// Its opinion, or why there is none.
    pub opinion: Result<Opinion, String>,
    /// Whether there is one.
    pub is_complete: bool,
    /// What it cost.
    pub cost: Cost,
}

impl Judge {
    /// Lets a model judge what the rules found.
    ///
    /// # Errors
    /// No question can be put together. That the model cannot be asked, that the budget is used up, or that it gives no
    /// opinion is no error: the rules stand.
    pub async fn ask(
        metered: &mut Metered,
        evidence: &Evidence,
        findings: &[Finding],
    ) -> Result<Judge, Failure> {
        let mut asking = Asking::begin(evidence, findings)?;
        let opinion = asking.opinion(metered).await;
        let is_complete = opinion.is_ok();
        Ok(Judge { model: metered.name().to_owned(), opinion, is_complete, cost: metered.take_cost() })
    }
}

struct Asking {
    files: Vec<File>,
    mark: String,
    settings: RequestSettings,
    conversation: Conversation,
}

/// What a call led to.
enum Called {
    /// Text of the evidence: it is fenced.
    Data(String),
    /// Our own words.
    Words(String),
    /// The end.
    Opinion(Box<Opinion>),
}

impl Asking {
    fn begin(evidence: &Evidence, findings: &[Finding]) -> Result<Asking, Failure> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)
            .map_err(|error| Failure::new(Boundary::Model, format!("no random numbers: {error}")))?;
        let mark = hex::encode(bytes);
        let system = Environment::new()
            .render_str(include_str!("prompts/system.md"), json!({ "mark": mark }))
            .map_err(|error| Failure::new(Boundary::Model, format!("the judge's prompt: {error}")))?;
        let files = files(&evidence.trajectory, findings);
        let opening = format!(
            "The rules found:\n{}\n\nThere are {} files of evidence. Begin with `task.txt` and `findings.txt`.",
            fenced(&numbered(findings), &mark),
            files.len()
        );
        let mut conversation = Conversation::new(0);
        conversation.push(Message::System { text: system });
        conversation.push(Message::user(opening));
        let settings = RequestSettings {
            tools: vec![
                tool::<ListFiles>("list_files"),
                tool::<ReadFile>("read_file"),
                tool::<Search>("search"),
                tool::<Opinion>("report"),
            ],
            cache: true,
            ..RequestSettings::default()
        };
        Ok(Asking { files, mark, settings, conversation })
    }

    /// Its opinion, or why there is none.
    async fn opinion(&mut self, metered: &mut Metered) -> Result<Opinion, String> {
        let mut reminders = 0;
        for _ in 0..MOST_TURNS {
            let reply = match metered.ask(&mut self.conversation, &self.settings).await {
                Ok(reply) => reply,
                Err(Unanswered::Budget) => {
                    return Err("the budget was used up before the judge reported".to_owned());
                }
                Err(Unanswered::ContextFull) => {
                    return Err("the judge's context was full before it reported".to_owned());
                }
                // Its advice is for whoever runs an agent: it does not fit here.
                Err(Unanswered::Failed(failure)) => {
                    return Err(format!("the judge could not be asked: {}", excerpt(&failure.message, 0)));
                }
            };
            let calls: Vec<(String, String, String)> = reply
                .turn
                .calls()
                .map(|(id, name, arguments)| (id.to_owned(), name.to_owned(), arguments.to_owned()))
                .collect();
            if calls.is_empty() {
                reminders += 1;
                if reminders > MOST_REMINDERS {
                    return Err("the judge did not report".to_owned());
                }
                self.conversation.push(Message::user("Use your tools; end with one call of `report`."));
                continue;
            }
            let mut results = Vec::new();
            for (call_id, name, arguments) in calls {
                let (text, is_error) = match self.call(&name, &arguments) {
                    Called::Opinion(opinion) => return Ok(*opinion),
                    Called::Data(text) => {
                        let text = bounded(&text, MOST_SHOWN);
                        (fenced(&text, &self.mark), false)
                    }
                    Called::Words(text) => (text, true),
                };
                results.push(ToolResult { call_id, name, content: vec![Input::Text { text }], is_error });
            }
            self.conversation.push(Message::Tool { results });
        }
        Err(format!("the judge did not report within {MOST_TURNS} answers"))
    }

    fn call(&self, name: &str, arguments: &str) -> Called {
        let data = |result: Result<String, String>| match result {
            Ok(text) => Called::Data(text),
            Err(problem) => Called::Words(problem),
        };
        match name {
            "list_files" => data(parsed::<ListFiles>(arguments).map(|list| list.run(&self.files))),
            "read_file" => data(parsed::<ReadFile>(arguments).and_then(|read| read.run(&self.files))),
            "search" => data(parsed::<Search>(arguments).and_then(|search| search.run(&self.files))),
            "report" => match parsed::<Opinion>(arguments) {
                Ok(opinion) => Called::Opinion(Box::new(opinion)),
                Err(problem) => Called::Words(problem),
            },
            _ => Called::Words(
                "there is no such tool; the tools are list_files, read_file, search, report".to_owned(),
            ),
        }
    }
}

fn tool<T: JsonSchema>(name: &str) -> Tool {
    let (description, parameters) = tool_schema::<T>();
    Tool { name: name.to_owned(), description, parameters }
}

fn parsed<T: DeserializeOwned>(arguments: &str) -> Result<T, String> {
    let arguments = if arguments.trim().is_empty() { "{}" } else { arguments };
    serde_json::from_str(arguments).map_err(|error| format!("these are not the tool's arguments: {error}"))
}
