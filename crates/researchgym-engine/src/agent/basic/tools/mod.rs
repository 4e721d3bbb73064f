//! The tools of the basic agent: each a type whose documents and fields are its schema, with what it does.
//!
//! A call that cannot be understood is answered with what is wrong and never ends a run. A new tool is a new file and a
//! line in [`offered`] and in [`call`].

mod apply_patch;
mod bash;
mod bench;
mod files;
mod jobs;
mod python;
mod read;
mod replace;
mod schema;
mod score;
mod search;
mod shell;
mod web;
mod write;

use researchgym_core::model::Tool as Offer;
use researchgym_core::nearest::nearest;
use researchgym_core::spec::{BasicMode, BasicSpec};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use self::apply_patch::ApplyPatch;
use self::bash::Bash;
pub(super) use self::bench::{Bench, Outcome};
use self::jobs::{CancelAsync, CheckAsync, StartAsync};
use self::python::Python;
use self::read::ReadFileChunk;
use self::replace::Replace;
use self::schema::schema;
pub(crate) use self::schema::schema as tool_schema;
use self::score::{EndTask, Submit, Validate};
use self::search::SearchFile;
pub(super) use self::web::OpenPage;
use self::web::{WebBrowser, WebSearch};
use self::write::WriteFile;
use crate::session::Stop;

/// A tool: its arguments, and what it does with them. The type's document is what the model is told of it.
trait Tool: DeserializeOwned + JsonSchema {
    /// The name in calls.
    const NAME: &'static str;
    /// Does it.
    async fn run(self, bench: &mut Bench<'_>) -> Result<Outcome, Stop>;
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

#[cfg(test)]
mod tests {
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
    fn bad_arguments_are_named() {
        let problem = |arguments: &str| parsed::<Bash>(arguments).expect_err("must be refused");
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
