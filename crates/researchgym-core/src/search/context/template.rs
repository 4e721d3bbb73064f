//! The words of `templates/`, where all that models are told is written down, and how values come into them.
//!
//! A placeholder is a lower-case name in braces. A template is read once from left to right, so a value is never
//! taken for a template. A line of nothing but a placeholder goes away when the value is empty.

use std::sync::OnceLock;

/// A file of templates that have names: each goes from a line `== name ==` to the next such line.
pub(super) struct Parts {
    file: &'static str,
    /// Once somebody has asked for one.
    parts: OnceLock<Vec<(&'static str, &'static str)>>,
}

impl Parts {
    const fn of(file: &'static str) -> Parts {
        Parts { file, parts: OnceLock::new() }
    }

    fn all(&self) -> &[(&'static str, &'static str)] {
        self.parts.get_or_init(|| {
            let parts = self.file.split("== ").skip(1);
            let named = parts.filter_map(|part| part.split_once(" ==\n"));
            named.map(|(head, text)| (head, text.trim_end_matches('\n'))).collect()
        })
    }
}

/// What a file of templates holds under a name.
pub(super) fn part(file: &'static Parts, name: &str) -> &'static str {
    file.all().iter().find(|(head, _)| *head == name).map_or("", |(_, text)| text)
}

/// The template with these values in place of its placeholders, without empty lines at its end.
pub(super) fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut text = String::with_capacity(template.len());
    for line in template.trim_end_matches('\n').split_inclusive('\n') {
        let alone = name_at(line).is_some_and(|(name, rest)| {
            rest.trim().is_empty() && values.iter().any(|(known, value)| *known == name && value.is_empty())
        });
        if !alone {
            fill_line(&mut text, line, values);
        }
    }
    text.truncate(text.trim_end_matches('\n').len());
    text
}

fn fill_line(text: &mut String, line: &str, values: &[(&str, &str)]) {
    let mut rest = line;
    while let Some(at) = rest.find('{') {
        text.push_str(&rest[..at]);
        let known = name_at(&rest[at..]).and_then(|(name, after)| {
            values.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value, after))
        });
        match known {
            Some((value, after)) => {
                text.push_str(value);
                rest = after;
            }
            None => {
                text.push('{');
                rest = &rest[at + 1..];
            }
        }
    }
    text.push_str(rest);
}

/// The placeholder that the text begins with, and what follows it.
fn name_at(text: &str) -> Option<(&str, &str)> {
    let (name, rest) = text.strip_prefix('{')?.split_once('}')?;
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    is_name.then_some((name, rest))
}

pub(super) const SYSTEM: &str = include_str!("templates/system.txt");
pub(super) static RULES: Parts = Parts::of(include_str!("templates/rules.txt"));
pub(super) static FORMATS: Parts = Parts::of(include_str!("templates/formats.txt"));
pub(super) static SECTIONS: Parts = Parts::of(include_str!("templates/sections.txt"));
pub(super) static NOTES: Parts = Parts::of(include_str!("templates/notes.txt"));
pub(super) const DRAFT: &str = include_str!("templates/draft.txt");
pub(super) const IMPROVE: &str = include_str!("templates/improve.txt");
pub(super) const DEBUG: &str = include_str!("templates/debug.txt");
pub(super) const CROSSOVER: &str = include_str!("templates/crossover.txt");
pub(super) const IMPLEMENT: &str = include_str!("templates/implement.txt");
pub(super) const ABLATE: &str = include_str!("templates/ablate.txt");
pub(super) const SIMPLIFY: &str = include_str!("templates/simplify.txt");
pub(super) static IDEAS: Parts = Parts::of(include_str!("templates/ideas.txt"));
pub(super) static TURNS: Parts = Parts::of(include_str!("templates/turns.txt"));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_never_read_as_templates_and_empty_lines_of_placeholders_go() {
        let values = [("one", "{two} {"), ("two", ""), ("three", "3")];
        let cases = [
            ("a {one} b", "a {two} { b"),
            ("a\n{two}\nb", "a\nb"),
            ("a\n{two}\n", "a"),
            ("a {two}.", "a ."),
            ("{unknown} {One} {} {", "{unknown} {One} {} {"),
            ("{one}{three}", "{two} {3"),
        ];
        for (template, expected) in cases {
            assert_eq!(fill(template, &values), expected, "{template}");
        }
    }

    #[test]
    fn every_part_has_words() {
        for file in [&RULES, &FORMATS, &SECTIONS, &NOTES, &IDEAS, &TURNS] {
            for name in file.file.lines().filter_map(|line| line.strip_prefix("== ")?.strip_suffix(" ==")) {
                assert!(!part(file, name).is_empty(), "{name}");
            }
        }
        assert_eq!(part(&NOTES, "empty"), "It has no files yet.");
        assert_eq!(part(&NOTES, "none such"), "");
    }
}
