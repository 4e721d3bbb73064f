//! The tools of the basic agent: each a type whose documents and fields are its schema, with what it does.
//!
//! A call that cannot be understood is answered with what is wrong and never ends a run. A new tool is a new file and a
//! line in [`offered`] and in [`call`].

mod apply_patch;
mod bash;
mod files;
mod jobs;
mod python;
mod read;
mod replace;
mod score;
mod search;
mod shell;
mod web;
mod write;

use researchgym_core::action::{Action, Body};
use researchgym_core::model::Tool as Offer;
use researchgym_core::nearest::nearest;
use researchgym_core::observation::{Captured, ExecEnding, Observation, SHOWN_HEAD_BYTES, SHOWN_TAIL_BYTES};
use researchgym_core::spec::{BasicMode, BasicSpec};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::de::DeserializeOwned;
use serde_json::Value;

use self::apply_patch::ApplyPatch;
use self::bash::Bash;
use self::jobs::{CancelAsync, CheckAsync, StartAsync};
use self::python::Python;
use self::read::ReadFileChunk;
use self::replace::Replace;
use self::score::{EndTask, Submit, Validate};
use self::search::SearchFile;
pub(super) use self::web::OpenPage;
use self::web::{WebBrowser, WebSearch};
use self::write::WriteFile;
use super::output::{KEPT_END, Output};
use crate::session::{Session, Stop};

/// A tool: its arguments, and what it does with them. The type's document is what the model is told of it.
trait Tool: DeserializeOwned + JsonSchema {
    /// The name in calls.
    const NAME: &'static str;
    /// Does it.
    async fn run(self, bench: &mut Bench<'_>) -> Result<Outcome, Stop>;
}

/// What tools work with.
pub(super) struct Bench<'a> {
    /// The run.
    pub(super) session: &'a mut Session,
    /// Background jobs started so far: the last one's number.
    pub(super) jobs: &'a mut u64,
    /// The page of the web that was read last.
    pub(super) page: &'a mut Option<OpenPage>,
}

/// What the model is told of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) text: String,
    pub(super) is_error: bool,
}

impl Outcome {
    fn done(text: impl Into<String>) -> Outcome {
        Outcome { text: text.into(), is_error: false }
    }

    fn failed(text: impl Into<String>) -> Outcome {
        Outcome { text: text.into(), is_error: true }
    }
}

/// What became of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Handled {
    /// The tool was used, with success or not.
    Used(Outcome),
    /// No tool could be used: no such tool, or not its arguments.
    Unusable(String),
}

/// The tools that the model is offered: those of the web only in a run that may use it.
pub(super) fn offered(spec: &BasicSpec, web: bool) -> Vec<Offer> {
    let mut offers = vec![offer::<Bash>()];
    match spec.mode {
        BasicMode::Plus => offers.extend([
            offer::<Python>(),
            offer::<ReadFileChunk>(),
            offer::<SearchFile>(),
            offer::<WriteFile>(),
            offer::<Replace>(),
            offer::<ApplyPatch>(),
        ]),
        BasicMode::Iterative => {
            offers.extend([offer::<ReadFileChunk>(), offer::<WriteFile>(), offer::<Replace>()]);
        }
    }
    offers.extend([
        offer::<StartAsync>(),
        offer::<CheckAsync>(),
        offer::<CancelAsync>(),
        offer::<Validate>(),
    ]);
    if web {
        offers.extend([offer::<WebSearch>(), offer::<WebBrowser>()]);
    }
    if spec.may_end {
        offers.push(offer::<Submit>());
        if spec.mode == BasicMode::Plus {
            offers.push(offer::<EndTask>());
        }
    }
    offers
}

/// Does a call of a tool that is offered.
pub(super) async fn call(
    name: &str,
    arguments: &str,
    offers: &[Offer],
    bench: &mut Bench<'_>,
) -> Result<Handled, Stop> {
    if !offers.iter().any(|offer| offer.name == name) {
        return Ok(Handled::Unusable(no_such_tool(name, offers)));
    }
    match name {
        Bash::NAME => run::<Bash>(arguments, bench).await,
        Python::NAME => run::<Python>(arguments, bench).await,
        ReadFileChunk::NAME => run::<ReadFileChunk>(arguments, bench).await,
        SearchFile::NAME => run::<SearchFile>(arguments, bench).await,
        WriteFile::NAME => run::<WriteFile>(arguments, bench).await,
        Replace::NAME => run::<Replace>(arguments, bench).await,
        ApplyPatch::NAME => run::<ApplyPatch>(arguments, bench).await,
        StartAsync::NAME => run::<StartAsync>(arguments, bench).await,
        CheckAsync::NAME => run::<CheckAsync>(arguments, bench).await,
        CancelAsync::NAME => run::<CancelAsync>(arguments, bench).await,
        WebSearch::NAME => run::<WebSearch>(arguments, bench).await,
        WebBrowser::NAME => run::<WebBrowser>(arguments, bench).await,
        Validate::NAME => run::<Validate>(arguments, bench).await,
        Submit::NAME => run::<Submit>(arguments, bench).await,
        EndTask::NAME => run::<EndTask>(arguments, bench).await,
        unknown => Ok(Handled::Unusable(no_such_tool(unknown, offers))),
    }
}

/// Whether a call lets time pass on purpose: then repeating it is no standstill.
pub(super) fn waits(name: &str, arguments: &str) -> bool {
    name == CheckAsync::NAME && parsed::<CheckAsync>(arguments).is_ok_and(|check| check.waits())
}

async fn run<T: Tool>(arguments: &str, bench: &mut Bench<'_>) -> Result<Handled, Stop> {
    match parsed::<T>(arguments) {
        Ok(tool) => tool.run(bench).await.map(Handled::Used),
        Err(problem) => {
            let schema = schema::<T>().1;
            let text = format!("`{}` was not called: {problem}. Its arguments: {schema}", T::NAME);
            Ok(Handled::Unusable(text))
        }
    }
}

/// Reads arguments. Nothing at all counts as no arguments.
fn parsed<T: Tool>(arguments: &str) -> Result<T, String> {
    let arguments = if arguments.trim().is_empty() { "{}" } else { arguments };
    let value: Value =
        serde_json::from_str(arguments).map_err(|error| format!("its arguments are not JSON ({error})"))?;
    if !value.is_object() {
        return Err("its arguments are not a JSON object".to_owned());
    }
    serde_json::from_value(value).map_err(|error| error.to_string())
}

fn no_such_tool(name: &str, offers: &[Offer]) -> String {
    let names: Vec<&str> = offers.iter().map(|offer| offer.name.as_str()).collect();
    let meant = nearest(name, names.iter().copied())
        .and_then(|nearest| offers.iter().find(|offer| offer.name == nearest))
        .map(|offer| format!(" Did you mean `{}`? Its arguments: {}", offer.name, offer.parameters));
    let shown: String = name.chars().take(80).collect();
    format!("There is no tool `{shown}`; the tools are {}.{}", names.join(", "), meant.unwrap_or_default())
}

fn offer<T: Tool>() -> Offer {
    let (description, parameters) = schema::<T>();
    Offer { name: T::NAME.to_owned(), description, parameters }
}

/// A type's document, and its fields as a schema that every provider takes.
fn schema<T: JsonSchema>() -> (String, Value) {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    let description = match schema.as_object_mut().and_then(|schema| schema.remove("description")) {
        Some(Value::String(text)) => text,
        _ => String::new(),
    };
    plain(&mut schema);
    (description, schema)
}

/// Takes out what some providers refuse; an absent value is said by `required`, not by a type `null`.
fn plain(value: &mut Value) {
    let Value::Object(object) = value else { return };
    for key in ["$schema", "title", "format", "default"] {
        object.remove(key);
    }
    if let Some(Value::Array(types)) = object.get("type")
        && let Some(kind) = types.iter().find(|kind| *kind != "null").cloned()
    {
        object.insert("type".to_owned(), kind);
    }
    if let Some(Value::Object(properties)) = object.get_mut("properties") {
        properties.values_mut().for_each(plain);
    }
    if object.get("type").is_some_and(|kind| kind == "object") {
        object.entry("properties").or_insert_with(|| Value::Object(serde_json::Map::new()));
    }
}

impl Bench<'_> {
    /// Runs shell text in the persistent shell.
    async fn exec(&mut self, command: String, timeout_s: Option<f64>) -> Result<Observation, Stop> {
        self.session.step(Action::Exec { command: Body::Text(command), timeout_s }).await
    }

    /// A command's outcome for the model. Output that is too long to be shown goes to a file of the workspace.
    async fn shown(&mut self, observation: Observation) -> Result<Outcome, Stop> {
        let Observation::Exec { exit_code, ending, new_shell, stdout, stderr } = observation else {
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
    async fn fitted(&mut self, output: &Output) -> Result<String, Stop> {
        if output.is_short() {
            return Ok(output.whole());
        }
        let path = format!(".outputs/{}.txt", self.session.used().steps);
        let content = Body::Text(output.whole());
        let written = self.session.step(Action::Write { path: path.clone(), content, mode: None }).await?;
        Ok(match written {
            Observation::Refused { reason } => output.ends(&format!("; they could not be kept: {reason}")),
            _ => output.ends(&format!("; everything is in {path}")),
        })
    }

    /// A stream, or as much of both its ends as is kept, with what the sandbox remarked.
    fn text(&self, captured: &Captured) -> Result<String, Stop> {
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
fn unexpected(observation: Observation) -> Outcome {
    match observation {
        Observation::Refused { reason } => Outcome::failed(reason),
        other => Outcome::failed(format!("nothing is known of the outcome: {other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn names(mode: BasicMode, may_end: bool) -> Vec<String> {
        let spec = BasicSpec { mode, may_end, idea_hint: None, reasoning: None, temperature: None };
        offered(&spec, false).into_iter().map(|offer| offer.name).collect()
    }

    #[test]
    fn each_loop_has_its_tools() {
        let plus = [
            "bash",
            "python",
            "read_file_chunk",
            "search_file",
            "write_file",
            "replace",
            "apply_patch",
            "start_async",
            "check_async",
            "cancel_async",
            "validate",
            "submit",
            "end_task",
        ];
        assert_eq!(names(BasicMode::Plus, true), plus);
        assert_eq!(names(BasicMode::Plus, false), plus[..11]);
        let iterative = [
            "bash",
            "read_file_chunk",
            "write_file",
            "replace",
            "start_async",
            "check_async",
            "cancel_async",
            "validate",
            "submit",
        ];
        assert_eq!(names(BasicMode::Iterative, true), iterative);
    }

    #[test]
    fn the_web_is_offered_where_it_may_be_used() {
        for mode in [BasicMode::Plus, BasicMode::Iterative] {
            let spec = BasicSpec { mode, may_end: true, idea_hint: None, reasoning: None, temperature: None };
            let without: Vec<String> = names(mode, true);
            let with: Vec<String> = offered(&spec, true).into_iter().map(|offer| offer.name).collect();
            let more: Vec<&String> = with.iter().filter(|name| !without.contains(name)).collect();
            assert_eq!(more, ["web_search", "web_browser"]);
        }
    }

    #[test]
    fn schemas_are_plain() {
        let (description, schema) = schema::<SearchFile>();
        assert!(description.starts_with("Finds lines"), "{description}");
        assert_eq!(
            schema,
            json!({
                "type": "object",
                "properties": {
                    "file": { "type": "string", "description": "The file, relative to `/workspace` or absolute." },
                    "query": { "type": "string", "description": "The text, in upper or lower case. No pattern." },
                    "context_lines": { "type": "integer", "minimum": 0, "description": "Lines shown around each match: 2 unless told, at most 20." },
                    "max_matches": { "type": "integer", "minimum": 0, "description": "Matches a page: 5 unless told, at most 50." },
                    "page": { "type": "integer", "minimum": 0, "description": "Which page of matches: 1 unless told." },
                },
                "required": ["file", "query"],
                "additionalProperties": false,
            })
        );
        let nothing = json!({ "type": "object", "properties": {}, "additionalProperties": false });
        assert_eq!(super::schema::<Validate>().1, nothing);
    }

    #[test]
    fn bad_arguments_are_named() {
        let problem = |arguments: &str| parsed::<Bash>(arguments).err().expect("must be refused");
        assert_eq!(
            problem("{"),
            "its arguments are not JSON (EOF while parsing an object at line 1 column 1)"
        );
        assert_eq!(problem("[]"), "its arguments are not a JSON object");
        assert_eq!(problem(""), "missing field `cmd`");
        assert_eq!(problem(r#"{"cmd": 5}"#), "invalid type: integer `5`, expected a string");
        assert_eq!(
            problem(r#"{"cmd": "ls", "timeout": 5}"#),
            "unknown field `timeout`, expected `cmd` or `timeout_minutes`"
        );
        assert!(parsed::<Validate>("").is_ok());
    }

    #[test]
    fn the_nearest_tool_is_named() {
        let spec = BasicSpec {
            mode: BasicMode::Iterative,
            may_end: false,
            idea_hint: None,
            reasoning: None,
            temperature: None,
        };
        let offers = offered(&spec, false);
        let told = no_such_tool("write-file", &offers);
        let known =
            "bash, read_file_chunk, write_file, replace, start_async, check_async, cancel_async, validate";
        assert!(told.starts_with(&format!(
            "There is no tool `write-file`; the tools are {known}. Did you mean `write_file`? Its arguments: {{"
        )));
        assert_eq!(
            no_such_tool("submit", &offers),
            format!("There is no tool `submit`; the tools are {known}.")
        );
    }

    #[test]
    fn only_a_sleeping_check_waits() {
        assert!(waits("check_async", r#"{"job_id": "job-1", "sleep_minutes": 5}"#));
        assert!(!waits("check_async", r#"{"job_id": "job-1"}"#));
        assert!(!waits("bash", r#"{"cmd": "sleep 5"}"#));
    }
}
