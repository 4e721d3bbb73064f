//! Reads the text of a `task.toml` and checks it whole, so that one reading names all that is wrong.
//!
//! First the form (unknown, missing and mistyped keys), then, if the form is right, what the values mean.
//! Whether the files exist that it names is checked where there are files, in the engine.

use serde::Deserialize;
use toml::de::DeValue;

use super::document::{Document, KeyPath, one_line};
use super::problem::{Problem, TaskError};
use super::{TASK_SCHEMA, Task, meaning, structure};

/// Reads and checks the text; `file` is the name that the problems give.
pub fn parse(text: &str, file: &str) -> Result<Task, TaskError> {
    let document = Document::read(text, file).map_err(|problem| TaskError { problems: vec![*problem] })?;
    refuse_newer(&document).map_err(|problem| TaskError { problems: vec![*problem] })?;
    sorted(structure::problems(&document))?;
    let task = deserialize(&document, text).map_err(|problem| TaskError { problems: vec![*problem] })?;
    sorted(meaning::problems(&document, &task))?;
    Ok(task)
}

/// A newer file may have keys that are not known here; naming them would only mislead.
fn refuse_newer(document: &Document<'_>) -> Result<(), Box<Problem>> {
    let DeValue::Table(table) = document.root() else { return Ok(()) };
    let schema = table.get("schema").and_then(|schema| schema.get_ref().as_integer());
    let number =
        schema.map(|schema| i128::from_str_radix(schema.as_str(), schema.radix()).unwrap_or(i128::MAX));
    if number.is_some_and(|number| number > i128::from(TASK_SCHEMA)) {
        let shown = schema.map(|schema| schema.as_str()).unwrap_or_default();
        return Err(Box::new(document.problem(
            &KeyPath::of("schema"),
            format!("is {shown}: this file was written for a newer researchgym, this one reads schema {TASK_SCHEMA}"),
            "install a newer researchgym",
        )));
    }
    Ok(())
}

/// What the form cannot tell, such as a hash that is not one.
fn deserialize(document: &Document<'_>, text: &str) -> Result<Task, Box<Problem>> {
    let described = |error: toml::de::Error| {
        let path = document.path_at(error.span().map_or(0, |span| span.start));
        Box::new(document.problem(&path, one_line(error.message()), ""))
    };
    Task::deserialize(toml::Deserializer::parse(text).map_err(described)?).map_err(described)
}

fn sorted(mut problems: Vec<Problem>) -> Result<(), TaskError> {
    if problems.is_empty() {
        return Ok(());
    }
    problems.sort_by_key(|problem| (problem.line, problem.column));
    Err(TaskError { problems })
}
