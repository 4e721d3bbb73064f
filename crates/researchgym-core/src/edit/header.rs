//! The paths in the headers of unified diffs: prefixes, times, quotes, and which of two names is meant.

use super::reply::Files;

/// A path as a header has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) text: String,
    /// Whether it is known where it ends: it was quoted, or a tab followed.
    is_exact: bool,
}

impl Name {
    pub(super) fn exact(text: String) -> Self {
        Self { text, is_exact: true }
    }

    pub(super) fn is_none(&self) -> bool {
        self.text == "/dev/null"
    }
}

/// The path after `--- `, `+++ `, `rename from ` and their like.
pub(super) fn name(text: &str) -> Name {
    let text = text.trim_end_matches('\r');
    if let Some((path, _)) = unquoted(text) {
        return Name::exact(path);
    }
    match text.split_once('\t') {
        Some((path, _)) => Name::exact(path.to_owned()),
        None => Name { text: text.trim().to_owned(), is_exact: false },
    }
}

/// Both paths of `diff --git `, if they can be told apart.
pub(super) fn pair(text: &str) -> Option<(Name, Name)> {
    let text = text.trim();
    if let Some((old, rest)) = unquoted(text) {
        return Some((Name::exact(old), name(rest.trim_start())));
    }
    if let Some(at) = text.find(" \"") {
        return Some((Name::exact(text[..at].to_owned()), name(&text[at + 1..])));
    }
    // Both are the same but for the prefix, so the middle divides them, also where they have blanks.
    let middle = text.len() / 2;
    let halves = text.get(..middle).zip(text.get(middle + 1..)).filter(|_| text.as_bytes()[middle] == b' ');
    if let Some((old, new)) = halves
        && (old == new || without_prefixes(old, new).is_some_and(|(old, new)| old == new))
    {
        return Some((Name::exact(old.to_owned()), Name::exact(new.to_owned())));
    }
    let (old, new) = text.split_once(' ')?;
    (!new.contains(' ')).then(|| (Name::exact(old.to_owned()), Name::exact(new.to_owned())))
}

/// A path in quotes with the escapes of C, and what follows it.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let inside = text.strip_prefix('"')?;
    let mut bytes = Vec::new();
    let mut rest = inside.bytes().enumerate();
    while let Some((at, byte)) = rest.next() {
        match byte {
            b'"' => return Some((String::from_utf8(bytes).ok()?, &inside[at + 1..])),
            b'\\' => {
                let (_, escaped) = rest.next()?;
                bytes.push(match escaped {
                    b'n' => b'\n',
                    b't' => b'\t',
                    b'r' => b'\r',
                    b'a' => 7,
                    b'b' => 8,
                    b'v' => 11,
                    b'f' => 12,
                    b'0'..=b'7' => {
                        let mut value = u32::from(escaped - b'0');
                        for _ in 0..2 {
                            let (_, digit) = rest.next()?;
                            value = value * 8 + char::from(digit).to_digit(8)?;
                        }
                        u8::try_from(value).ok()?
                    }
                    other => other,
                });
            }
            other => bytes.push(other),
        }
    }
    None
}

/// A path as a header of git has it: in quotes if it must be.
pub(super) fn quoted(path: &str) -> String {
    let is_plain = |character: char| !character.is_control() && !matches!(character, '"' | '\\');
    // A blank at an end would be lost on a line of a header.
    if path.chars().all(is_plain) && path.trim() == path {
        return path.to_owned();
    }
    let mut text = String::from("\"");
    for character in path.chars() {
        match character {
            '"' | '\\' => text.extend(['\\', character]),
            '\n' => text.push_str("\\n"),
            '\t' => text.push_str("\\t"),
            control if control.is_control() => {
                let mut bytes = [0; 4];
                for byte in control.encode_utf8(&mut bytes).bytes() {
                    text.push_str(&format!("\\{byte:03o}"));
                }
            }
            other => text.push(other),
        }
    }
    text.push('"');
    text
}

/// The prefixes of git: usual, and those of `diff.mnemonicPrefix`.
const PREFIXES: [&str; 6] = ["a/", "b/", "i/", "w/", "c/", "o/"];

fn without_prefixes<'a>(old: &'a str, new: &'a str) -> Option<(&'a str, &'a str)> {
    let pairs = [("a/", "b/"), ("i/", "w/"), ("c/", "i/"), ("c/", "w/"), ("o/", "w/")];
    pairs.iter().find_map(|(first, second)| old.strip_prefix(first).zip(new.strip_prefix(second)))
}

const OLD_WORDS: [&str; 5] = ["original", "old", "before", "a", "current"];
const NEW_WORDS: [&str; 6] = ["modified", "new", "after", "b", "updated", "improved"];

/// What two headers say, as paths of the tree; `None` is `/dev/null`.
pub(super) fn resolved(
    old: &Name,
    new: &Name,
    is_git: bool,
    files: &Files<'_>,
) -> (Option<String>, Option<String>) {
    match (old.is_none(), new.is_none()) {
        (true, true) => (None, None),
        (true, false) => (None, Some(alone(new, is_git, files))),
        (false, true) => (Some(alone(old, is_git, files)), None),
        (false, false) => {
            let (old, new) = (clean(old, files), clean(new, files));
            if let Some((old, new)) = without_prefixes(&old, &new) {
                return (Some(inner(old)), Some(inner(new)));
            }
            let is_word = |path: &str, words: &[&str]| {
                let stem = path.split('.').next().unwrap_or(path).to_ascii_lowercase();
                !path.contains('/') && !files.contains(path) && words.contains(&stem.as_str())
            };
            let (old, new) = (known(&old, files), known(&new, files));
            match (is_word(&old, &OLD_WORDS), is_word(&new, &NEW_WORDS), files.only()) {
                (true, true, Some(only)) => (Some(only.to_owned()), Some(only.to_owned())),
                (true, false, _) => (Some(new.clone()), Some(new)),
                (false, true, _) => (Some(old.clone()), Some(old)),
                _ => (Some(old), Some(new)),
            }
        }
    }
}

/// The path beside `/dev/null`.
fn alone(name: &Name, is_git: bool, files: &Files<'_>) -> String {
    let path = clean(name, files);
    let bare = ["a/", "b/"].iter().find_map(|prefix| path.strip_prefix(prefix));
    match bare {
        Some(bare) if is_git || !files.contains(&path) => inner(bare),
        _ => known(&path, files),
    }
}

/// The path without what does not belong to it: a time, or words in brackets.
fn clean(name: &Name, files: &Files<'_>) -> String {
    let path = name.text.as_str();
    let is_known = |path: &str| files.contains(&known(path, files));
    if name.is_exact || is_known(path) {
        return path.to_owned();
    }
    let is_date = |text: &str| {
        let bytes = text.as_bytes();
        bytes.len() >= 10
            && bytes[..10].iter().enumerate().all(|(at, byte)| match at {
                4 | 7 => *byte == b'-',
                _ => byte.is_ascii_digit(),
            })
    };
    if let Some((at, _)) = path.match_indices(' ').find(|(at, _)| is_date(&path[at + 1..])) {
        return path[..at].trim_end().to_owned();
    }
    match path.split_once(' ') {
        Some((first, rest)) if is_known(first) || rest.trim_start().starts_with('(') => first.to_owned(),
        _ => path.to_owned(),
    }
}

/// The file that a path with or without a prefix names, else the path.
fn known(path: &str, files: &Files<'_>) -> String {
    let path = inner(path);
    if files.contains(&path) {
        return path;
    }
    let bare = PREFIXES.iter().find_map(|prefix| path.strip_prefix(prefix));
    match bare {
        Some(bare) if files.contains(bare) => bare.to_owned(),
        _ => path,
    }
}

fn inner(path: &str) -> String {
    let mut path = path;
    while let Some(rest) = path.strip_prefix("./") {
        path = rest;
    }
    path.to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn headers_name_files_in_many_ways() {
        let list = ["solve.py", "lib/net.py", "a/odd.py", "my file.txt"];
        let files = Files::new(&list);
        let check = |old: &str, new: &str, expected: (Option<&str>, Option<&str>)| {
            let found = resolved(&name(old), &name(new), false, &files);
            assert_eq!((found.0.as_deref(), found.1.as_deref()), expected, "{old} {new}");
        };
        let both = |path| (Some(path), Some(path));
        check("a/solve.py", "b/solve.py", both("solve.py"));
        check("solve.py", "solve.py", both("solve.py"));
        check("./solve.py", "./solve.py", both("solve.py"));
        check("a/lib/net.py", "a/lib/net.py", both("lib/net.py"));
        check("a/odd.py", "a/odd.py", both("a/odd.py"));
        check("a/a/odd.py", "b/a/odd.py", both("a/odd.py"));
        check("i/solve.py", "w/solve.py", both("solve.py"));
        check("solve.py\t2024-01-01 00:00:00.0 +0000", "solve.py\t2024-01-02", both("solve.py"));
        check("solve.py 2024-01-01 00:00:00", "solve.py 2024-01-01 00:00:01", both("solve.py"));
        check("a/my file.txt", "b/my file.txt", both("my file.txt"));
        check("solve.py (original)", "solve.py (modified)", both("solve.py"));
        check("original", "solve.py", both("solve.py"));
        check("solve.py", "modified.py", both("solve.py"));
        check("/dev/null", "b/new.py", (None, Some("new.py")));
        check("/dev/null", "new.py", (None, Some("new.py")));
        check("a/solve.py", "/dev/null", (Some("solve.py"), None));
        check("\"a/t\\303\\244st \\\"x\\\".py\"", "\"b/t\\303\\244st \\\"x\\\".py\"", both("täst \"x\".py"));
    }

    #[test]
    fn both_paths_of_a_git_header_are_told_apart() {
        let check = |text: &str, expected: Option<(&str, &str)>| {
            let found = pair(text).map(|(old, new)| (old.text, new.text));
            assert_eq!(found, expected.map(|(old, new)| (old.to_owned(), new.to_owned())), "{text}");
        };
        check("a/x.py b/x.py", Some(("a/x.py", "b/x.py")));
        check("a/my x.py b/my x.py", Some(("a/my x.py", "b/my x.py")));
        check("x.py x.py", Some(("x.py", "x.py")));
        check("a/x.py b/y.py", Some(("a/x.py", "b/y.py")));
        check("\"a/\\t\" \"b/\\t\"", Some(("a/\t", "b/\t")));
        check("a/x \"b/\\t\"", Some(("a/x", "b/\t")));
        check("one two three four five", None);
        check("", None);
    }

    proptest! {
        #[test]
        fn quoted_paths_are_read_back(path in "[a-z \"\\\\\\t\\n\u{1}é/]{1,12}") {
            prop_assert_eq!(name(&format!("{}\t", quoted(&path))).text, path);
        }
    }
}
