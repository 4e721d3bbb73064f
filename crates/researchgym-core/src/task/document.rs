//! The text of a task file as a tree that knows where each key stands.

use std::fmt;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::Problem;

/// One step from a value to a value inside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

/// The way from the root of the file to a value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct KeyPath(Vec<Step>);

impl KeyPath {
    /// The path of `names` joined by dots; for names written in this program.
    pub(super) fn of(names: &str) -> KeyPath {
        KeyPath(names.split('.').map(|name| Step::Key(name.to_owned())).collect())
    }

    pub(super) fn key(&self, name: &str) -> KeyPath {
        self.with(Step::Key(name.to_owned()))
    }

    pub(super) fn index(&self, index: usize) -> KeyPath {
        self.with(Step::Index(index))
    }

    fn with(&self, step: Step) -> KeyPath {
        let mut steps = self.0.clone();
        steps.push(step);
        KeyPath(steps)
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(formatter, "[{index}]")?,
                Step::Key(name) => {
                    let dot = if position == 0 { "" } else { "." };
                    let bare =
                        |character: char| character.is_ascii_alphanumeric() || "_-".contains(character);
                    if !name.is_empty() && name.chars().all(bare) {
                        write!(formatter, "{dot}{name}")?;
                    } else {
                        write!(formatter, "{dot}{name:?}")?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// A parsed file.
pub(super) struct Document<'t> {
    file: &'t str,
    text: &'t str,
    root: Spanned<DeValue<'t>>,
}

impl<'t> Document<'t> {
    /// Reads the text; the problem is the first place that is not TOML.
    pub(super) fn read(text: &'t str, file: &'t str) -> Result<Document<'t>, Box<Problem>> {
        match DeTable::parse(text) {
            Ok(table) => {
                let span = table.span();
                let root = Spanned::new(span, DeValue::Table(table.into_inner()));
                Ok(Document { file, text, root })
            }
            Err(error) => {
                let (line, column) = position(text, error.span().map_or(0, |span| span.start));
                Err(Box::new(Problem {
                    file: file.to_owned(),
                    line,
                    column,
                    key: String::new(),
                    message: format!("not valid TOML: {}", one_line(error.message())),
                    advice: None,
                }))
            }
        }
    }

    pub(super) fn root(&self) -> &DeValue<'t> {
        self.root.get_ref()
    }

    /// A problem with the value at the path or, if the path ends in nothing, with the deepest value on the way.
    pub(super) fn problem(
        &self,
        path: &KeyPath,
        message: impl Into<String>,
        advice: impl Into<String>,
    ) -> Problem {
        let (line, column) = position(self.text, self.locate(path).start);
        let advice = advice.into();
        Problem {
            file: self.file.to_owned(),
            line,
            column,
            key: path.to_string(),
            message: message.into(),
            advice: (!advice.is_empty()).then_some(advice),
        }
    }

    /// The path of the innermost value that covers the byte.
    pub(super) fn path_at(&self, offset: usize) -> KeyPath {
        let mut path = KeyPath::default();
        let mut value = self.root.get_ref();
        loop {
            let inner = match value {
                DeValue::Table(table) => table
                    .iter()
                    .find(|(key, value)| covers(&key.span(), offset) || contains(value, offset))
                    .map(|(key, value)| (path.key(key.get_ref()), value)),
                DeValue::Array(array) => array
                    .iter()
                    .enumerate()
                    .find(|(_, value)| contains(value, offset))
                    .map(|(index, value)| (path.index(index), value)),
                _ => None,
            };
            match inner {
                Some((longer, inner)) => (path, value) = (longer, inner.get_ref()),
                None => return path,
            }
        }
    }

    fn locate(&self, path: &KeyPath) -> Range<usize> {
        let mut span = 0..0;
        let mut value = self.root.get_ref();
        for step in &path.0 {
            match (step, value) {
                (Step::Key(name), DeValue::Table(table)) => {
                    let Some((key, inner)) = table.iter().find(|(key, _)| key.get_ref() == name) else {
                        break;
                    };
                    span = key.span();
                    value = inner.get_ref();
                }
                (Step::Index(index), DeValue::Array(array)) => {
                    let Some(inner) = array.get(*index) else { break };
                    span = inner.span();
                    value = inner.get_ref();
                }
                _ => break,
            }
        }
        span
    }
}

/// A table that headers spread over the file has no span of its own that covers its values, so they are asked one by one.
fn contains(value: &Spanned<DeValue<'_>>, offset: usize) -> bool {
    covers(&value.span(), offset)
        || match value.get_ref() {
            DeValue::Table(table) => {
                table.iter().any(|(key, value)| covers(&key.span(), offset) || contains(value, offset))
            }
            DeValue::Array(array) => array.iter().any(|value| contains(value, offset)),
            _ => false,
        }
}

fn covers(span: &Range<usize>, offset: usize) -> bool {
    span.contains(&offset)
}

/// Line and column of a byte, both from 1; the column counts characters.
fn position(text: &str, offset: usize) -> (usize, usize) {
    let bytes = &text.as_bytes()[..offset.min(text.len())];
    let before = String::from_utf8_lossy(bytes);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// A message of the TOML reader on one line.
pub(super) fn one_line(message: &str) -> String {
    message.split('\n').map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(", ")
}
