//! Patches in the form that language models write best: files to add, change, move and delete, where changes are found
//! by their context and not by line numbers.
//!
//! Pure: [`parse`] reads a patch, [`apply`] gives a file's new text. Nothing is guessed: context must be found, and must
//! be found once. White space may differ, as models lose it; the file's own lines are kept where it does.

mod apply;

pub use self::apply::{HunkError, apply};

/// A whole patch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patch {
    /// One for each file, in order; each file once.
    pub changes: Vec<Change>,
}

/// What happens to one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is made.
    Add {
        /// Its path.
        path: String,
        /// The whole content.
        content: String,
    },
    /// It is removed.
    Delete {
        /// Its path.
        path: String,
    },
    /// It is changed.
    Update {
        /// Its path.
        path: String,
        /// Its new path, if it is moved.
        moved_to: Option<String>,
        /// The changes, from top to bottom. Empty only if it is moved.
        hunks: Vec<Hunk>,
    },
}

impl Change {
    /// The file.
    pub fn path(&self) -> &str {
        match self {
            Change::Add { path, .. } | Change::Delete { path } | Change::Update { path, .. } => path,
        }
    }
}

/// One place in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hunk {
    /// Lines somewhere above the place, outermost first, that say which of several it is.
    pub headers: Vec<String>,
    /// What is there, and what is to be there.
    pub lines: Vec<HunkLine>,
    /// Whether the place is the end of the file.
    pub at_end: bool,
}

/// One line of a hunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HunkLine {
    /// Stays.
    Context(String),
    /// Goes.
    Removed(String),
    /// Comes.
    Added(String),
}

/// A text is not a patch.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("line {line} of the patch: {problem}")]
pub struct PatchError {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong, and what is expected.
    pub problem: String,
}

const BEGIN: &str = "*** Begin Patch";
const END: &str = "*** End Patch";
const ADD: &str = "*** Add File: ";
const DELETE: &str = "*** Delete File: ";
const UPDATE: &str = "*** Update File: ";
const MOVE: &str = "*** Move to: ";
const END_OF_FILE: &str = "*** End of File";

/// Reads a patch. Empty lines before and after it are passed over.
///
/// # Errors
/// The first line that cannot stand where it stands.
pub fn parse(text: &str) -> Result<Patch, PatchError> {
    let mut lines = Lines { lines: text.lines().collect(), next: 0 };
    lines.skip_empty();
    if lines.peek().map(str::trim_end) != Some(BEGIN) {
        return Err(lines.wrong(format!("a patch begins with `{BEGIN}`")));
    }
    lines.next += 1;
    let mut patch = Patch { changes: Vec::new() };
    loop {
        let at = lines.next;
        let Some(line) = lines.take() else {
            return Err(lines.wrong(format!("a patch ends with `{END}`")));
        };
        if line.trim().is_empty() {
            continue;
        }
        if line.trim_end() == END {
            break;
        }
        let change = change(line, at, &mut lines)?;
        if patch.changes.iter().any(|earlier| earlier.path() == change.path()) {
            return Err(wrong(
                at,
                format!("`{}` stands twice in the patch; write one section for it", change.path()),
            ));
        }
        patch.changes.push(change);
    }
    lines.skip_empty();
    if lines.peek().is_some() {
        return Err(lines.wrong(format!("nothing may follow `{END}`")));
    }
    if patch.changes.is_empty() {
        return Err(wrong(0, "the patch changes no file".into()));
    }
    Ok(patch)
}

fn change(line: &str, at: usize, lines: &mut Lines<'_>) -> Result<Change, PatchError> {
    let path = |rest: &str| match rest.trim() {
        "" => Err(wrong(at, "the file's path is missing".into())),
        path => Ok(path.to_owned()),
    };
    if let Some(rest) = line.strip_prefix(ADD) {
        return Ok(Change::Add { path: path(rest)?, content: content(lines)? });
    }
    if let Some(rest) = line.strip_prefix(DELETE) {
        return Ok(Change::Delete { path: path(rest)? });
    }
    let Some(rest) = line.strip_prefix(UPDATE) else {
        let known = [ADD, UPDATE, DELETE, END].map(|known| format!("`{}`", known.trim_end())).join(", ");
        return Err(wrong(at, format!("expected {known}, not `{}`", shortened(line))));
    };
    let path = path(rest)?;
    let moved_to = match lines.peek().and_then(|line| line.strip_prefix(MOVE)) {
        Some(target) if target.trim().is_empty() => return Err(lines.wrong("the new path is missing".into())),
        Some(target) => {
            lines.next += 1;
            Some(target.trim().to_owned())
        }
        None => None,
    };
    let hunks = hunks(lines)?;
    if hunks.is_empty() && moved_to.is_none() {
        return Err(wrong(at, format!("nothing is changed in `{path}`")));
    }
    Ok(Change::Update { path, moved_to, hunks })
}

/// The lines of a new file.
fn content(lines: &mut Lines<'_>) -> Result<String, PatchError> {
    let mut content = String::new();
    while let Some(line) = lines.peek().filter(|line| !line.starts_with("*** ")) {
        let Some(added) = line.strip_prefix('+') else {
            return Err(
                lines.wrong(format!("every line of a new file begins with `+`, not `{}`", shortened(line)))
            );
        };
        content.push_str(added);
        content.push('\n');
        lines.next += 1;
    }
    Ok(content)
}

fn hunks(lines: &mut Lines<'_>) -> Result<Vec<Hunk>, PatchError> {
    let mut hunks = Vec::new();
    let mut hunk = Hunk::default();
    let mut began = lines.next;
    loop {
        let line = lines.peek();
        let opens = line.is_some_and(|line| line.starts_with("@@"));
        let is_marker = line.is_none_or(|line| line.starts_with("*** ") && line.trim_end() != END_OF_FILE);
        let is_finished = !hunk.lines.is_empty() || hunk.at_end;
        if is_marker
            || (opens && is_finished)
            || (hunk.at_end && line.is_some_and(|line| !line.trim().is_empty()))
        {
            let ended = std::mem::take(&mut hunk);
            if ended.lines.iter().any(|line| !matches!(line, HunkLine::Context(_))) {
                hunks.push(ended);
            } else if ended != Hunk::default() {
                return Err(wrong(
                    began,
                    "this hunk changes nothing: `-` and `+` begin the lines that go and come".into(),
                ));
            }
            began = lines.next;
        }
        let Some(line) = line.filter(|_| !is_marker) else { return Ok(hunks) };
        if let Some(header) = line.strip_prefix("@@") {
            let header = header.trim_end_matches("@@").trim();
            if !header.is_empty() {
                hunk.headers.push(header.to_owned());
            }
        } else if line.trim_end() == END_OF_FILE {
            hunk.at_end = true;
        } else if !hunk.at_end {
            hunk.lines.push(hunk_line(line).ok_or_else(|| {
                lines.wrong(format!(
                    "a line of a hunk begins with a space (stays), `-` (goes) or `+` (comes), not `{}`",
                    shortened(line)
                ))
            })?);
        }
        lines.next += 1;
    }
}

fn hunk_line(line: &str) -> Option<HunkLine> {
    let mut characters = line.chars();
    let first = characters.next();
    let rest = characters.as_str().to_owned();
    Some(match first {
        // An empty line whose leading space was lost.
        None | Some(' ') => HunkLine::Context(rest),
        Some('-') => HunkLine::Removed(rest),
        Some('+') => HunkLine::Added(rest),
        Some(_) => return None,
    })
}

/// Where the parser is.
struct Lines<'a> {
    lines: Vec<&'a str>,
    next: usize,
}

impl<'a> Lines<'a> {
    fn peek(&self) -> Option<&'a str> {
        self.lines.get(self.next).copied()
    }

    fn take(&mut self) -> Option<&'a str> {
        let line = self.peek();
        self.next += usize::from(line.is_some());
        line
    }

    fn skip_empty(&mut self) {
        while self.peek().is_some_and(|line| line.trim().is_empty()) {
            self.next += 1;
        }
    }

    fn wrong(&self, problem: String) -> PatchError {
        wrong(self.next, problem)
    }
}

fn wrong(index: usize, problem: String) -> PatchError {
    PatchError { line: index + 1, problem }
}

fn shortened(line: &str) -> String {
    let mut text: String = line.chars().take(60).collect();
    if text.len() < line.len() {
        text.push_str("...");
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn problem(patch: &str) -> String {
        parse(patch).expect_err("must be refused").to_string()
    }

    #[test]
    fn every_section_is_read() {
        let patch = "\n*** Begin Patch\n*** Add File: a b.txt\n+one\n+\n*** Update File: c.py\n*** Move to: d.py\n\
                     @@ class A\n@@ def f\n x\n-y\n+z\n\n@@\n+last\n*** End of File\n*** Delete File: e\n*** End Patch\n";
        let line = |text: &str| text.to_owned();
        assert_eq!(
            parse(patch),
            Ok(Patch {
                changes: vec![
                    Change::Add { path: line("a b.txt"), content: line("one\n\n") },
                    Change::Update {
                        path: line("c.py"),
                        moved_to: Some(line("d.py")),
                        hunks: vec![
                            Hunk {
                                headers: vec![line("class A"), line("def f")],
                                lines: vec![
                                    HunkLine::Context(line("x")),
                                    HunkLine::Removed(line("y")),
                                    HunkLine::Added(line("z")),
                                    HunkLine::Context(String::new()),
                                ],
                                at_end: false,
                            },
                            Hunk {
                                headers: Vec::new(),
                                lines: vec![HunkLine::Added(line("last"))],
                                at_end: true
                            },
                        ],
                    },
                    Change::Delete { path: line("e") },
                ]
            })
        );
    }

    #[test]
    fn a_file_may_only_be_moved() {
        let moved = Change::Update { path: "a".into(), moved_to: Some("b".into()), hunks: Vec::new() };
        assert_eq!(
            parse("*** Begin Patch\n*** Update File: a\n*** Move to: b\n*** End Patch"),
            Ok(Patch { changes: vec![moved] })
        );
    }

    #[test]
    fn bad_lines_are_named() {
        let check = |inside: &str, expected: &str| {
            assert_eq!(problem(&format!("*** Begin Patch\n{inside}\n*** End Patch")), expected);
        };
        check("*** Add File: a\nx", "line 3 of the patch: every line of a new file begins with `+`, not `x`");
        check("*** Delete File: ", "line 2 of the patch: the file's path is missing");
        check("*** Update File: a", "line 2 of the patch: nothing is changed in `a`");
        check(
            "*** Update File: a\n@@ f\n x",
            "line 3 of the patch: this hunk changes nothing: `-` and `+` begin the lines that go and come",
        );
        check(
            "*** Update File: a\n@@\n-x\ny",
            "line 5 of the patch: a line of a hunk begins with a space (stays), `-` (goes) or `+` (comes), not `y`",
        );
        check(
            "*** Delete File: a\n*** Delete File: a",
            "line 3 of the patch: `a` stands twice in the patch; write one section for it",
        );
        check(
            "diff --git a b",
            "line 2 of the patch: expected `*** Add File:`, `*** Update File:`, `*** Delete File:`, `*** End Patch`, \
             not `diff --git a b`",
        );
        assert_eq!(problem("x"), "line 1 of the patch: a patch begins with `*** Begin Patch`");
        assert_eq!(problem("*** Begin Patch\n"), "line 2 of the patch: a patch ends with `*** End Patch`");
        assert_eq!(
            problem("*** Begin Patch\n*** End Patch"),
            "line 1 of the patch: the patch changes no file"
        );
        assert_eq!(
            problem("*** Begin Patch\n*** Delete File: a\n*** End Patch\nEOF"),
            "line 4 of the patch: nothing may follow `*** End Patch`"
        );
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in any::<String>()) {
            let _ = parse(&text);
        }

        #[test]
        fn arbitrary_lines_of_patches_never_panic(
            lines in proptest::collection::vec(
                prop_oneof![
                    Just("*** Begin Patch"), Just("*** End Patch"), Just("*** Update File: a"), Just("*** Add File: b"),
                    Just("*** End of File"), Just("*** Move to: c"), Just("@@"), Just("@@ x"), Just(" a"), Just("-b"),
                    Just("+c"), Just(""), Just("é"),
                ],
                0..20,
            ),
            file in "[ab\n ]{0,12}",
        ) {
            if let Ok(patch) = parse(&format!("*** Begin Patch\n{}\n*** End Patch", lines.join("\n"))) {
                for change in patch.changes {
                    if let Change::Update { hunks, .. } = change {
                        let _ = apply(&file, &hunks);
                    }
                }
            }
        }
    }
}
