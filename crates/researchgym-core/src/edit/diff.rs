//! Unified diffs, plain and of git. What models get wrong is mended where only one reading is left: counts are taken
//! from the body unless they fit, and line numbers are hints.

use std::ops::Range;

use super::error::{EditError, Part, shortened, shown_path};
use super::header::{self, Name};
use super::reply::{Files, fences};
use super::{Edit, Hunk};
use crate::patch::HunkLine;

/// Whether a text begins as a diff does.
pub(super) fn begins_as_diff(lines: &[&str]) -> bool {
    let first = lines.iter().position(|line| !line.trim().is_empty());
    first.is_some_and(|first| begins_section(lines, first))
}

/// Whether a line begins a hunk or what a diff says of a file.
pub(super) fn is_diff(lines: &[&str], at: usize) -> bool {
    begins_section(lines, at) || numbers(lines[at]).is_some()
}

fn begins_section(lines: &[&str], at: usize) -> bool {
    lines[at].starts_with("diff --git ") || is_pair(lines, at)
}

/// Whether a plain header stands here: two lines of paths, and a hunk, unless the file goes.
fn is_pair(lines: &[&str], at: usize) -> bool {
    let next = |by: usize| lines.get(at + by).copied().unwrap_or_default();
    lines[at].starts_with("--- ")
        && next(1).starts_with("+++ ")
        && (next(2).starts_with("@@") || next(1).starts_with("+++ /dev/null"))
}

/// The files of a diff, in order.
pub(super) fn parse(lines: &[&str], files: &Files<'_>) -> Result<Vec<Edit>, EditError> {
    let mut reader = Reader { lines, files, edits: Vec::new(), sections: 0, section: None };
    for (range, is_fenced) in regions(lines)? {
        reader.read(range, is_fenced)?;
        reader.finish()?;
    }
    Ok(reader.edits)
}

/// Where the diff stands: the whole text if it begins as one, else the fenced blocks that hold one, else the whole.
fn regions(lines: &[&str]) -> Result<Vec<(Range<usize>, bool)>, EditError> {
    let whole = vec![(0..lines.len(), false)];
    if begins_as_diff(lines) {
        return Ok(whole);
    }
    let mut found = Vec::new();
    for block in fences(lines) {
        let range = block.open + 1..block.end;
        let within = &lines[range.clone()];
        if !(0..within.len()).any(|at| is_diff(within, at) || within[at].starts_with("@@")) {
            continue;
        }
        if !block.is_closed {
            return Err(EditError::Malformed {
                part: Part::Section(found.len() + 1),
                line: block.open + 1,
                problem: "the reply ends inside the block of the diff; it was cut off, or the closing fence is missing"
                    .into(),
            });
        }
        found.push((range, true));
    }
    Ok(if found.is_empty() { whole } else { found })
}

/// What is known of the file that is being read.
#[derive(Default)]
struct Section {
    number: usize,
    line: usize,
    is_git: bool,
    old: Option<Name>,
    new: Option<Name>,
    renamed: [Option<Name>; 2],
    is_new: bool,
    is_deleted: bool,
    has_mode: bool,
    hunks: Vec<Hunk>,
}

struct Reader<'l, 'f> {
    lines: &'l [&'l str],
    files: &'f Files<'f>,
    edits: Vec<Edit>,
    sections: usize,
    section: Option<Section>,
}

impl Reader<'_, '_> {
    fn read(&mut self, range: Range<usize>, is_fenced: bool) -> Result<(), EditError> {
        let lines = &self.lines[..range.end];
        let mut at = range.start;
        while at < range.end {
            let line = lines[at];
            let next = lines.get(at + 1).copied().unwrap_or_default();
            if let Some(paths) = line.strip_prefix("diff --git ") {
                self.begin(at, true)?;
                if let (Some(section), Some((old, new))) = (&mut self.section, header::pair(paths)) {
                    section.old = Some(old);
                    section.new = Some(new);
                }
                at += 1;
                while at < range.end && self.extended(lines[at], at)? {
                    at += 1;
                }
                if at + 1 < range.end && lines[at].starts_with("--- ") && lines[at + 1].starts_with("+++ ") {
                    self.named(lines[at], lines[at + 1]);
                    at += 2;
                }
            } else if line.starts_with("--- ") && next.starts_with("+++ ") {
                self.begin(at, false)?;
                self.named(line, next);
                at += 2;
            } else if (line.starts_with("--- ") || line.starts_with("+++ ")) && next.starts_with("@@") {
                self.begin(at, false)?;
                self.named(line, line);
                at += 1;
            } else if line.starts_with("@@") {
                if self.section.is_none() {
                    self.begin(at, false)?;
                }
                at = self.hunk(lines, at, is_fenced)?;
            } else {
                if self.section.is_some() && is_binary(line) {
                    return Err(self.wrong(at, "binary content cannot be patched; leave the file out".into()));
                }
                at += 1;
            }
        }
        Ok(())
    }

    fn begin(&mut self, at: usize, is_git: bool) -> Result<(), EditError> {
        self.finish()?;
        self.sections += 1;
        self.section = Some(Section { number: self.sections, line: at, is_git, ..Section::default() });
        Ok(())
    }

    fn named(&mut self, old: &str, new: &str) {
        if let Some(section) = &mut self.section {
            section.old = Some(header::name(&old[4..]));
            section.new = Some(header::name(&new[4..]));
        }
    }

    /// Reads a line between `diff --git` and the hunks; whether it was one.
    fn extended(&mut self, line: &str, at: usize) -> Result<bool, EditError> {
        if line.starts_with("copy from ") || line.starts_with("copy to ") {
            return Err(self.wrong(at, "copies are not made; write the new file with all its lines".into()));
        }
        if is_binary(line) {
            return Err(self.wrong(at, "binary content cannot be patched; leave the file out".into()));
        }
        let Some(section) = &mut self.section else { return Ok(false) };
        if let Some(path) = line.strip_prefix("rename from ") {
            section.renamed[0] = Some(header::name(path));
        } else if let Some(path) = line.strip_prefix("rename to ") {
            section.renamed[1] = Some(header::name(path));
        } else if line.starts_with("new file mode ") {
            section.is_new = true;
        } else if line.starts_with("deleted file mode ") {
            section.is_deleted = true;
        } else if line.starts_with("old mode ") || line.starts_with("new mode ") {
            section.has_mode = true;
        } else {
            let other = ["index ", "similarity index ", "dissimilarity index "];
            return Ok(other.iter().any(|start| line.starts_with(start)));
        }
        Ok(true)
    }

    fn wrong(&self, at: usize, problem: String) -> EditError {
        let number = self.section.as_ref().map_or(self.sections, |section| section.number);
        EditError::Malformed { part: Part::Section(number), line: at + 1, problem }
    }

    /// Reads a hunk; gives the line after it.
    fn hunk(&mut self, lines: &[&str], at: usize, is_fenced: bool) -> Result<usize, EditError> {
        let numbers = numbers(lines[at]);
        let is_git = self.section.as_ref().is_some_and(|section| section.is_git);
        let counted = numbers.and_then(|numbers| self.counted(lines, at + 1, numbers, is_git, is_fenced));
        let end = counted.unwrap_or_else(|| recounted(lines, at + 1, is_fenced));
        let mut hunk = Hunk::default();
        for line in &lines[at + 1..end] {
            let (first, rest) = match line.chars().next() {
                None => (' ', ""),
                Some(first @ (' ' | '-' | '+' | '\\')) => (first, &line[1..]),
                // Its leading blank was lost.
                Some(_) => (' ', *line),
            };
            match first {
                '-' => hunk.lines.push(HunkLine::Removed(rest.to_owned())),
                '+' => hunk.lines.push(HunkLine::Added(rest.to_owned())),
                '\\' => match hunk.lines.last() {
                    Some(HunkLine::Removed(_)) => hunk.old_lacks_newline = true,
                    Some(HunkLine::Added(_)) => hunk.new_lacks_newline = true,
                    Some(HunkLine::Context(_)) => {
                        hunk.old_lacks_newline = true;
                        hunk.new_lacks_newline = true;
                    }
                    None => {}
                },
                _ => hunk.lines.push(HunkLine::Context(rest.to_owned())),
            }
        }
        if hunk.lines.is_empty() {
            return Err(self.wrong(at, "the hunk has no lines".into()));
        }
        let adds_only = hunk.lines.iter().all(|line| matches!(line, HunkLine::Added(_)));
        hunk.line = numbers
            .filter(|numbers| if adds_only { numbers.old.1 == 0 } else { numbers.old.0 > 0 })
            .map(|numbers| numbers.old.0);
        if let Some(section) = &mut self.section {
            section.hunks.push(hunk);
        }
        Ok(end)
    }

    /// The end of a hunk whose counts fit: they lead to a line at which a hunk can end.
    fn counted(
        &self,
        lines: &[&str],
        from: usize,
        numbers: Numbers,
        is_git: bool,
        is_fenced: bool,
    ) -> Option<usize> {
        let (mut old, mut new) = (numbers.old.1, numbers.new.1);
        let mut at = from;
        while old > 0 || new > 0 {
            let line = lines.get(at)?;
            if !is_git && self.is_known_pair(lines, at) {
                return None;
            }
            match line.bytes().next() {
                None | Some(b' ') => {
                    old = old.checked_sub(1)?;
                    new = new.checked_sub(1)?;
                }
                Some(b'-') => old = old.checked_sub(1)?,
                Some(b'+') => new = new.checked_sub(1)?,
                Some(b'\\') => {}
                Some(_) => return None,
            }
            at += 1;
        }
        while lines.get(at).is_some_and(|line| line.starts_with("\\ ")) {
            at += 1;
        }
        let blanks = lines[at..].iter().take_while(|line| line.is_empty()).count();
        let ends = lines.get(at + blanks).is_none_or(|line| {
            !line.starts_with([' ', '-', '+'])
                || begins_section(lines, at + blanks)
                || is_signature(lines, at + blanks)
                // Below a diff without a fence may be a list.
                || (!is_fenced && blanks > 0)
        });
        ends.then_some(at)
    }

    /// Whether a plain header stands here that names a file, and is not two lines that look like one.
    fn is_known_pair(&self, lines: &[&str], at: usize) -> bool {
        is_pair(lines, at) && {
            let names = [header::name(&lines[at][4..]), header::name(&lines[at + 1][4..])];
            let (old, new) = header::resolved(&names[0], &names[1], false, self.files);
            let is_known = |path: &Option<String>| path.as_ref().is_none_or(|path| self.files.contains(path));
            is_known(&old) || is_known(&new)
        }
    }

    /// Makes an edit of what was read of a file.
    fn finish(&mut self) -> Result<(), EditError> {
        let Some(section) = self.section.take() else { return Ok(()) };
        let part = Part::Section(section.number);
        let wrong = |problem: String| EditError::Malformed { part, line: section.line + 1, problem };
        if let [Some(from), Some(to)] = &section.renamed {
            self.edits.push(Edit::Patch {
                part,
                path: from.text.clone(),
                renamed_to: Some(to.text.clone()),
                hunks: section.hunks,
            });
            return Ok(());
        }
        let (old, new) = match (&section.old, &section.new) {
            (Some(old), Some(new)) => header::resolved(old, new, section.is_git, self.files),
            _ if section.is_git => return Err(wrong("its `diff --git` line does not name two paths".into())),
            _ => {
                let only = self.files.only();
                let only = only.ok_or_else(|| EditError::NoPath { part, editable: self.files.listing() })?;
                (Some(only.to_owned()), Some(only.to_owned()))
            }
        };
        let (is_new, is_deleted) = (section.is_new || old.is_none(), section.is_deleted || new.is_none());
        let edit = match (old, new) {
            (_, Some(path)) if is_new && !is_deleted => {
                let content = content(&section.hunks).map_err(wrong)?;
                Edit::Create { part, path, content }
            }
            (Some(path), _) if is_deleted && !is_new => Edit::Delete { part, path },
            (Some(old), Some(new)) if !is_new && !is_deleted => {
                if section.hunks.is_empty() {
                    if section.has_mode {
                        return Ok(());
                    }
                    return Err(wrong(format!("nothing is said of `{}` but its name", shown_path(&new))));
                }
                let is_known = |path: &str| self.files.contains(path);
                if old != new && is_known(&old) && !is_known(&new) {
                    return Err(wrong(format!(
                        "its headers name two files, `{}` and `{}`; name one, or write `rename from` and `rename to` \
                         lines",
                        shown_path(&old),
                        shown_path(&new)
                    )));
                }
                Edit::Patch { part, path: new, renamed_to: None, hunks: section.hunks }
            }
            _ => return Err(wrong("its headers say that the file is both new and deleted".into())),
        };
        self.edits.push(edit);
        Ok(())
    }
}

fn is_binary(line: &str) -> bool {
    line.starts_with("GIT binary patch") || (line.starts_with("Binary files ") && line.ends_with("differ"))
}

/// The content of a new file.
fn content(hunks: &[Hunk]) -> Result<String, String> {
    let mut content = String::new();
    for line in hunks.iter().flat_map(|hunk| &hunk.lines) {
        match line {
            HunkLine::Added(text) | HunkLine::Context(text) => {
                content.push_str(text);
                content.push('\n');
            }
            HunkLine::Removed(text) => {
                return Err(format!(
                    "a new file has no lines that go, and this one has `-{}`",
                    shortened(text, 100)
                ));
            }
        }
    }
    if hunks.last().is_some_and(|hunk| hunk.new_lacks_newline) {
        content.pop();
    }
    Ok(content)
}

/// The end of a hunk by its body alone.
fn recounted(lines: &[&str], from: usize, is_fenced: bool) -> usize {
    let is_end = |at: usize| {
        let line = lines[at];
        let ends_always = line.starts_with("@@")
            || begins_section(lines, at)
            || line.starts_with("Index: ")
            || is_signature(lines, at);
        let is_body = line.is_empty() || line.starts_with([' ', '-', '+', '\\', '\t']);
        ends_always || (!is_body && !is_fenced)
    };
    let end = (from..lines.len()).find(|at| is_end(*at)).unwrap_or(lines.len());
    let blanks = lines[from..end].iter().rev().take_while(|line| line.is_empty()).count();
    end - blanks
}

/// Whether the last lines of a mail stand here, as `git format-patch` writes them: `-- ` and its version.
fn is_signature(lines: &[&str], at: usize) -> bool {
    lines[at].trim_end() == "--"
        && lines.len() - at <= 4
        && lines.get(at + 1).is_some_and(|next| next.starts_with(|first: char| first.is_ascii_digit()))
}

/// The numbers of a hunk's header: first lines and counts.
#[derive(Clone, Copy)]
struct Numbers {
    old: (usize, usize),
    new: (usize, usize),
}

fn numbers(line: &str) -> Option<Numbers> {
    let rest = line.strip_prefix("@@")?.trim_start();
    let mut words = rest.split([' ', '@']);
    let range = |word: Option<&str>, sign: char| -> Option<(usize, usize)> {
        let word = word?.strip_prefix(sign)?;
        match word.split_once(',') {
            Some((first, count)) => Some((first.parse().ok()?, count.parse().ok()?)),
            None => Some((word.parse().ok()?, 1)),
        }
    };
    Some(Numbers { old: range(words.next(), '-')?, new: range(words.next(), '+')? })
}
