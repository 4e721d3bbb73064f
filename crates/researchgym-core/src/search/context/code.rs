//! Files of candidates as a model sees them: whole, in fences that nothing within them can close. What does not fit is
//! named, never cut.

use std::collections::{BTreeSet, HashMap};

use super::Files;
use super::room::{cost, fenced, inline, listed};
use super::template::{NOTES, fill, part};

/// How files are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lines {
    Plain,
    /// For diffs, whose hunks name lines.
    Numbered,
}

/// How many files are looked at.
const MOST_FILES: usize = 500;

/// The longest of the notes that stand for all files, for which [`shown`] must have room.
pub(super) fn least() -> &'static str {
    ["nothing-shown", "empty", "not-at-hand"]
        .map(|name| part(&NOTES, name))
        .into_iter()
        .max_by_key(|note| cost(note))
        .unwrap_or_default()
}

/// The files within so much room, in the order of their paths, with a note that names those left out. Files that
/// `before` does not have, or has otherwise, come in first; of the others the shorter ones.
pub(super) fn shown(files: &Files, before: Option<&Files>, lines: Lines, room: u64) -> String {
    if files.is_empty() {
        return part(&NOTES, "empty").to_owned();
    }
    let mut blocks: Vec<Block<'_>> = Vec::new();
    let mut binary = Vec::new();
    let mut order: Vec<(bool, usize, usize)> = Vec::new();
    for (path, content) in files {
        let Some(text) = readable(content) else {
            binary.push(path.as_str());
            continue;
        };
        let is_same = before.is_none_or(|before| before.get(path) == Some(content));
        order.push((is_same, text.len(), blocks.len()));
        blocks.push(Block { path, text, shown: None });
    }
    order.sort_unstable();
    let mut spent = 0;
    for (_, length, at) in order.into_iter().take(MOST_FILES) {
        // One that is longer than the room need not be written down.
        if length as u64 > room {
            continue;
        }
        let written = blocks[at].written(lines);
        let price = cost(&written) + cost("\n\n");
        blocks[at].shown = Some(written);
        if spent + price + cost(&notes(&blocks, &binary, lines)) <= room {
            spent += price;
        } else {
            blocks[at].shown = None;
        }
    }
    let notes = notes(&blocks, &binary, lines);
    let mut pieces: Vec<String> = blocks.into_iter().filter_map(|block| block.shown).collect();
    if pieces.is_empty() && cost(&notes) > room {
        return part(&NOTES, "nothing-shown").to_owned();
    }
    pieces.extend((!notes.is_empty()).then_some(notes));
    pieces.join("\n\n")
}

struct Block<'a> {
    path: &'a str,
    text: &'a str,
    /// As it is shown, if it is.
    shown: Option<String>,
}

fn notes(blocks: &[Block<'_>], binary: &[&str], lines: Lines) -> String {
    let mut notes = Vec::new();
    if lines == Lines::Numbered && blocks.iter().any(|block| block.shown.is_some()) {
        notes.push(part(&NOTES, "numbered").to_owned());
    }
    let mut left_out = blocks.iter().filter(|block| block.shown.is_none()).map(|block| block.path).peekable();
    if left_out.peek().is_some() {
        notes.push(fill(part(&NOTES, "left-out"), &[("files", &listed(left_out))]));
    }
    if !binary.is_empty() {
        notes.push(fill(part(&NOTES, "binary"), &[("files", &listed(binary.iter().copied()))]));
    }
    notes.join("\n")
}

fn readable(content: &[u8]) -> Option<&str> {
    std::str::from_utf8(content).ok().filter(|text| !text.contains('\0'))
}

impl Block<'_> {
    /// The file with its path above it.
    fn written(&self, lines: Lines) -> String {
        let Block { path, text, .. } = self;
        let language = match path.rsplit_once('.').map_or("", |(_, extension)| extension) {
            "py" => "python",
            "rs" => "rust",
            "sh" => "bash",
            known @ ("json" | "toml" | "yaml" | "c" | "cpp" | "jl" | "js") => known,
            _ => "text",
        };
        let body = match lines {
            Lines::Plain => fenced(language, text),
            Lines::Numbered => fenced(language, &numbered(text)),
        };
        let plain = inline(path);
        let end =
            if text.is_empty() || text.ends_with('\n') { "" } else { " (its last line has no line end)" };
        format!("File: {}{end}\n{body}", plain.trim_matches('`').trim())
    }
}

fn numbered(text: &str) -> String {
    let width = text.lines().count().to_string().len();
    let lines = text.split_inclusive('\n').enumerate();
    lines.map(|(index, line)| format!("{:>width$}|{line}", index + 1)).collect()
}

/// What a candidate changed, in a line: files with the lines that are new and gone. Lines that merely moved count as
/// neither.
pub fn summary(before: &Files, after: &Files) -> String {
    const MOST: usize = 6;
    let mut changes = Vec::new();
    let paths: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for path in paths {
        let (old, new) = (before.get(path), after.get(path));
        if old == new {
            continue;
        }
        let word = match (old, new) {
            (None, _) => "new ",
            (_, None) => "deleted ",
            (Some(_), Some(_)) => "",
        };
        let none = Vec::new();
        let counts = counts(old.unwrap_or(&none), new.unwrap_or(&none));
        changes.push(format!("{word}{} ({counts})", inline(path)));
    }
    if changes.is_empty() {
        return "no change".to_owned();
    }
    if changes.len() > MOST {
        let more = changes.len() - MOST;
        changes.truncate(MOST);
        changes.push(format!("and {more} more"));
    }
    changes.join(", ")
}

fn counts(old: &[u8], new: &[u8]) -> String {
    let (Some(old), Some(new)) = (readable(old), readable(new)) else { return "not text".to_owned() };
    let (old, new) = without_common_ends(old, new);
    let mut balance: HashMap<&str, i64> = HashMap::new();
    for line in new.lines() {
        *balance.entry(line).or_default() += 1;
    }
    for line in old.lines() {
        *balance.entry(line).or_default() -= 1;
    }
    let added: i64 = balance.values().filter(|count| **count > 0).sum();
    let removed: i64 = balance.values().filter(|count| **count < 0).map(|count| -count).sum();
    format!("+{added} -{removed}")
}

/// Both texts without the whole lines with which both begin, and those with which both end: most of a candidate is its
/// base's.
fn without_common_ends<'t>(old: &'t str, new: &'t str) -> (&'t str, &'t str) {
    let same = common_prefix(old.as_bytes(), new.as_bytes());
    let begin = memchr::memrchr(b'\n', &old.as_bytes()[..same]).map_or(0, |at| at + 1);
    let (old, new) = (&old[begin..], &new[begin..]);
    let same = common_suffix(old.as_bytes(), new.as_bytes());
    let end = &old.as_bytes()[old.len() - same..];
    let end = memchr::memchr(b'\n', end).map_or(0, |at| end.len() - at - 1);
    (&old[..old.len() - end], &new[..new.len() - end])
}

/// Bytes that are compared at once.
const AT_ONCE: usize = 32;

/// How many bytes both begin with.
fn common_prefix(one: &[u8], other: &[u8]) -> usize {
    let chunks = one.chunks_exact(AT_ONCE).zip(other.chunks_exact(AT_ONCE));
    let same = chunks.take_while(|(one, other)| one == other).count() * AT_ONCE;
    let rest = one[same..].iter().zip(&other[same..]);
    same + rest.take_while(|(one, other)| one == other).count()
}

/// How many bytes both end with.
fn common_suffix(one: &[u8], other: &[u8]) -> usize {
    let chunks = one.rchunks_exact(AT_ONCE).zip(other.rchunks_exact(AT_ONCE));
    let same = chunks.take_while(|(one, other)| one == other).count() * AT_ONCE;
    let rest = one[..one.len() - same].iter().rev().zip(other[..other.len() - same].iter().rev());
    same + rest.take_while(|(one, other)| one == other).count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn common_ends_change_no_count(old in "(é?a?b?\n){0,6}c?", new in "(é?a?b?\n){0,6}c?") {
            let lines = |text: &str| {
                let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
                lines.sort();
                lines
            };
            let (short_old, short_new) = without_common_ends(&old, &new);
            let mut all = lines(&old);
            all.extend(lines(short_new));
            let mut other = lines(&new);
            other.extend(lines(short_old));
            all.sort();
            other.sort();
            prop_assert_eq!(all, other, "{:?} {:?}", short_old, short_new);
        }
    }

    fn files(files: &[(&str, &str)]) -> Files {
        files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect()
    }

    #[test]
    fn a_summary_counts_lines_per_file() {
        let before = files(&[("a.py", "one\ntwo\nthree\n"), ("b.py", "x\n"), ("c.py", "same\n")]);
        let after = files(&[("a.py", "two\none\n3\n4\n"), ("c.py", "same\n"), ("d`.py", "y\n")]);
        assert_eq!(
            summary(&before, &after),
            "`a.py` (+2 -1), deleted `b.py` (+0 -1), new `` d`.py `` (+1 -0)"
        );
        assert_eq!(summary(&before, &before), "no change");
        let binary = Files::from([("a.py".to_owned(), vec![0xff])]);
        assert_eq!(summary(&Files::new(), &binary), "new `a.py` (not text)");
    }

    #[test]
    fn files_are_shown_whole_or_named() {
        let tree = files(&[("a.py", "x = '''\n```\n'''\n"), ("long.txt", &"word ".repeat(40)), ("z", "end")]);
        let all = shown(&tree, None, Lines::Plain, 1000);
        assert!(
            all.starts_with("File: a.py\n````python\nx = '''\n```\n'''\n````\n\nFile: long.txt (its last"),
            "{all}"
        );
        let some = shown(&tree, None, Lines::Plain, 250);
        let expected = "File: a.py\n````python\nx = '''\n```\n'''\n````\n\nFile: z (its last line has no line end)\n\
                        ```text\nend\n```\n\nLeft out for lack of room: `long.txt`. Do not change these in part; what \
                        you do not name stays as it is.";
        assert_eq!(some, expected);
        assert_eq!(shown(&tree, None, Lines::Plain, 20), part(&NOTES, "nothing-shown"));
        assert_eq!(shown(&Files::new(), None, Lines::Plain, 20), part(&NOTES, "empty"));
        let numbered = shown(&files(&[("a.sh", "a\n\nb\n")]), None, Lines::Numbered, 1000);
        let expected = "File: a.sh\n```bash\n1|a\n2|\n3|b\n```\n\nThe number and the bar at the beginning of a line \
                        are not part of the file.";
        assert_eq!(numbered, expected);
        // What differs from the base comes first, although it is longer.
        let (short, long) = ("short ".repeat(20), "long ".repeat(30));
        let base = files(&[("a.py", &short), ("b.py", "old\n")]);
        let tree = files(&[("a.py", &short), ("b.py", &long)]);
        let one = shown(&tree, Some(&base), Lines::Plain, 350);
        assert!(one.starts_with("File: b.py (its") && one.contains("room: `a.py`."), "{one}");
    }
}
