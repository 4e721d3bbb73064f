//! `replace`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::files::{TextFile, relative};
use super::{Bench, Outcome, Tool};
use crate::session::Stop;

/// Replaces a text in a file of the workspace. The text must be in it exactly as often as expected, else nothing is
/// changed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Replace {
    /// The file, relative to `/workspace`.
    file_path: String,
    /// The text to replace, with its white space, long enough to be the only one.
    old_string: String,
    /// What is put there; empty to remove.
    new_string: String,
    /// How often the old text is in the file: 1 unless told.
    expected_replacements: Option<u64>,
}

impl Tool for Replace {
    const NAME: &'static str = "replace";

    async fn run(self, bench: &mut Bench<'_>) -> Result<Outcome, Stop> {
        let file = match bench.load(&self.file_path).await? {
            Ok(file) => file,
            Err(outcome) => return Ok(outcome),
        };
        let path = relative(&self.file_path);
        let content = match self.replaced(&file.content) {
            Ok(content) => content,
            Err(problem) => return Ok(Outcome::failed(format!("{path} was not changed: {problem}"))),
        };
        let count = self.expected_replacements.unwrap_or(1);
        Ok(match bench.save(path, TextFile { content, mode: file.mode }).await? {
            Ok(_) => Outcome::done(format!("{path}: {count} replaced")),
            Err(outcome) => outcome,
        })
    }
}

impl Replace {
    fn replaced(&self, content: &str) -> Result<String, String> {
        if self.old_string.is_empty() {
            return Err("`old_string` is empty; use `write_file` to make a file".to_owned());
        }
        let expected = self.expected_replacements.unwrap_or(1).max(1);
        let found = content.matches(&self.old_string).count() as u64;
        if found == expected {
            return Ok(content.replace(&self.old_string, &self.new_string));
        }
        if found > 0 {
            return Err(format!("`old_string` is in it {found} times, not {expected}"));
        }
        let spaceless = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        Err(match spaceless(content).contains(&spaceless(&self.old_string)) {
            true => "`old_string` is in it only with other white space; read the place and copy it exactly"
                .to_owned(),
            false => "`old_string` is not in it".to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(content: &str, old: &str, expected: Option<u64>, outcome: Result<&str, &str>) {
        let replace = Replace {
            file_path: "f".into(),
            old_string: old.into(),
            new_string: "new".into(),
            expected_replacements: expected,
        };
        assert_eq!(replace.replaced(content), outcome.map(str::to_owned).map_err(str::to_owned));
    }

    #[test]
    fn a_text_is_replaced_as_often_as_expected_or_not_at_all() {
        check("a b a", "b", None, Ok("a new a"));
        check("a b a", "a", Some(2), Ok("new b new"));
        check("a b a", "a", None, Err("`old_string` is in it 2 times, not 1"));
        check("a b", "c", None, Err("`old_string` is not in it"));
        check(
            "a\n  b",
            "a\nb",
            None,
            Err("`old_string` is in it only with other white space; read the place and copy it exactly"),
        );
        check("a", "", None, Err("`old_string` is empty; use `write_file` to make a file"));
    }
}
