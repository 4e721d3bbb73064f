//! Finding a hunk's place in a file and putting its lines there.

use super::{Hunk, HunkLine};

/// A hunk does not fit.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum HunkError {
    /// Its header is nowhere below the hunk before.
    #[error("hunk {hunk}: its `@@` line is not in the file{after}: `{header}`")]
    NoHeader {
        /// From 1.
        hunk: usize,
        /// The line.
        header: String,
        /// Where it was looked for.
        after: &'static str,
    },
    /// Its context is nowhere below its header and the hunk before.
    #[error("hunk {hunk}: these lines are not together in the file{after}:\n{wanted}")]
    NotFound {
        /// From 1.
        hunk: usize,
        /// The lines that stay or go.
        wanted: String,
        /// Where they were looked for.
        after: &'static str,
    },
    /// Its context is there more than once.
    #[error(
        "hunk {hunk}: its lines fit at lines {lines}; add lines of context or an `@@` line that tell which is meant"
    )]
    Ambiguous {
        /// From 1.
        hunk: usize,
        /// The first of each place, from 1.
        lines: String,
    },
}

/// How exactly lines must agree; tried in this order.
const DEGREES: [fn(&str, &str) -> bool; 3] = [
    |line, wanted| line == wanted,
    |line, wanted| line.trim_end() == wanted.trim_end(),
    |line, wanted| line.split_whitespace().eq(wanted.split_whitespace()),
];

const ANYWHERE: &str = "";
const BELOW: &str = " below the place of the hunk or `@@` line before";

/// The text of a file with all hunks applied.
///
/// Lines that stay are the file's own, also where their white space differs from the hunk's. Line ends are kept: added
/// lines get CR LF in a file whose first line has them.
///
/// # Errors
/// The first hunk whose place is not found, or is found more than once.
pub fn apply(text: &str, hunks: &[Hunk]) -> Result<String, HunkError> {
    let mut lines: Vec<&str> = text.split('\n').collect();
    // A text that ends with a line end has an empty piece after it.
    let ends_with_newline = lines.last() == Some(&"");
    if ends_with_newline {
        lines.pop();
    }
    let is_dos = text.split_once('\n').is_some_and(|(first, _)| first.ends_with('\r'));
    let mut result: Vec<String> = Vec::new();
    let mut done = 0;
    for (index, hunk) in hunks.iter().enumerate() {
        let start = place(&lines, done, hunk, index + 1)?;
        result.extend(lines[done..start].iter().map(|line| (*line).to_owned()));
        done = start;
        for line in &hunk.lines {
            match line {
                HunkLine::Context(_) => {
                    result.push(lines[done].to_owned());
                    done += 1;
                }
                HunkLine::Removed(_) => done += 1,
                HunkLine::Added(added) => {
                    let added = added.trim_end_matches('\r');
                    result.push(if is_dos { format!("{added}\r") } else { added.to_owned() });
                }
            }
        }
    }
    result.extend(lines[done..].iter().map(|line| (*line).to_owned()));
    let mut joined = result.join("\n");
    if !result.is_empty() && (ends_with_newline || text.is_empty()) {
        joined.push('\n');
    }
    Ok(joined)
}

/// The index of the first line of a hunk's place, at or after `from`.
fn place(lines: &[&str], from: usize, hunk: &Hunk, number: usize) -> Result<usize, HunkError> {
    let after = if from == 0 && hunk.headers.is_empty() { ANYWHERE } else { BELOW };
    let mut from = from;
    for header in &hunk.headers {
        let below = DEGREES.iter().find_map(|agrees| {
            lines[from..].iter().position(|line| agrees(line.trim_start(), header.trim_start()))
        });
        let Some(below) = below else {
            let after = if from == 0 { ANYWHERE } else { BELOW };
            return Err(HunkError::NoHeader { hunk: number, header: header.clone(), after });
        };
        from += below + 1;
    }
    let wanted: Vec<&str> = hunk
        .lines
        .iter()
        .filter_map(|line| match line {
            HunkLine::Context(text) | HunkLine::Removed(text) => Some(text.as_str()),
            HunkLine::Added(_) => None,
        })
        .collect();
    if wanted.is_empty() {
        // Only additions: below the header, else at the end.
        return Ok(if hunk.headers.is_empty() || hunk.at_end { lines.len() } else { from });
    }
    for (degree, agrees) in DEGREES.iter().enumerate() {
        let last = lines.len().checked_sub(wanted.len());
        let fits =
            |start: &usize| wanted.iter().zip(&lines[*start..]).all(|(wanted, line)| agrees(line, wanted));
        let starts = last.map_or(0..0, |last| from..last + 1).filter(fits);
        let starts: Vec<usize> = starts.filter(|start| !hunk.at_end || Some(*start) == last).collect();
        match starts.as_slice() {
            [] => {}
            [only] => return Ok(*only),
            // Below a header the first exact place is meant; a place that only resembles must be the only one.
            [first, ..] if degree == 0 && !hunk.headers.is_empty() => return Ok(*first),
            several => {
                let shown: Vec<String> =
                    several.iter().take(10).map(|start| (start + 1).to_string()).collect();
                return Err(HunkError::Ambiguous { hunk: number, lines: shown.join(", ") });
            }
        }
    }
    Err(HunkError::NotFound { hunk: number, wanted: wanted.join("\n"), after })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Change, parse};
    use super::*;

    fn patched(text: &str, hunks: &str) -> Result<String, String> {
        let patch = parse(&format!("*** Begin Patch\n*** Update File: f\n{hunks}\n*** End Patch")).unwrap();
        let [Change::Update { hunks, .. }] = patch.changes.as_slice() else { panic!("one update") };
        apply(text, hunks).map_err(|error| error.to_string())
    }

    fn check(text: &str, hunks: &str, expected: &str) {
        assert_eq!(patched(text, hunks), Ok(expected.to_owned()), "{hunks}");
    }

    fn refused(text: &str, hunks: &str, expected: &str) {
        assert_eq!(patched(text, hunks), Err(expected.to_owned()), "{hunks}");
    }

    const TWO: &str = "def f():\n    return 1\n\ndef g():\n    return 1\n";

    #[test]
    fn lines_are_replaced_added_and_removed_where_their_context_is() {
        check("a\nb\nc\n", "@@\n a\n-b\n+B", "a\nB\nc\n");
        check("a\nb\nc\n", "@@\n-a\n@@\n c\n+d", "b\nc\nd\n");
        check("a\nb\n", " b\n+c", "a\nb\nc\n");
        check("a\nb\n", "@@ a\n+x", "a\nx\nb\n");
        check("a\n", "@@\n+z", "a\nz\n");
        check("", "@@\n+z", "z\n");
        check("a", "@@\n-a\n+b", "b");
        check("a\n", "@@\n-a", "");
    }

    #[test]
    fn a_header_or_the_end_tells_which_place_is_meant() {
        check(
            TWO,
            "@@ def g():\n-    return 1\n+    return 2",
            "def f():\n    return 1\n\ndef g():\n    return 2\n",
        );
        check(
            TWO,
            "@@\n-    return 1\n+    return 2\n*** End of File",
            "def f():\n    return 1\n\ndef g():\n    return 2\n",
        );
        refused(
            TWO,
            "@@\n-    return 1\n+    return 2",
            "hunk 1: its lines fit at lines 2, 5; add lines of context or an `@@` line that tell which is meant",
        );
    }

    #[test]
    fn white_space_may_differ_and_the_files_own_stays() {
        check("\ta  \n\tb\n", "@@\n a\n-b\n+\tc", "\ta  \n\tc\n");
        check("a\r\nb\r\n", "@@\n a\n-b\n+c", "a\r\nc\r\n");
        refused(
            "  a\n    a\n",
            "@@\n-a\n+b",
            "hunk 1: its lines fit at lines 1, 2; add lines of context or an `@@` line that tell which is meant",
        );
    }

    #[test]
    fn what_is_not_there_is_named() {
        refused(
            "a\nb\n",
            "@@\n-b\n+c\n@@\n-a\n+d",
            "hunk 2: these lines are not together in the file below the place of the hunk or `@@` line before:\na",
        );
        refused("a\n", "@@ nowhere\n-a", "hunk 1: its `@@` line is not in the file: `nowhere`");
        refused("a\n", "@@\n a\n b\n+c", "hunk 1: these lines are not together in the file:\na\nb");
    }

    proptest! {
        #[test]
        fn a_changed_line_of_distinct_lines_is_changed_and_nothing_else(
            count in 1usize..30, at in any::<proptest::sample::Index>(), around in 0usize..3,
        ) {
            let lines: Vec<String> = (0..count).map(|number| format!("line {number}")).collect();
            let at = at.index(count);
            let mut hunk = Hunk::default();
            for (number, line) in lines.iter().enumerate() {
                if number == at {
                    hunk.lines.push(HunkLine::Removed(line.clone()));
                    hunk.lines.push(HunkLine::Added("new".into()));
                } else if number.abs_diff(at) <= around {
                    hunk.lines.push(HunkLine::Context(line.clone()));
                }
            }
            let mut expected = lines.clone();
            expected[at] = "new".into();
            prop_assert_eq!(apply(&(lines.join("\n") + "\n"), &[hunk]), Ok(expected.join("\n") + "\n"));
        }
    }
}
