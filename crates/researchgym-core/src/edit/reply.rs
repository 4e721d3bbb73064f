//! What a reply holds around its edits: thoughts, code fences, lines that name a file.

use std::collections::HashSet;

/// The files that a reply may mean.
pub(super) struct Files<'a> {
    known: HashSet<&'a str>,
    list: &'a [&'a str],
}

impl<'a> Files<'a> {
    pub(super) fn new(list: &'a [&'a str]) -> Self {
        Self { known: list.iter().copied().collect(), list }
    }

    pub(super) fn contains(&self, path: &str) -> bool {
        self.known.contains(path)
    }

    /// The one that needs no name.
    pub(super) fn only(&self) -> Option<&'a str> {
        match self.list {
            [only] => Some(only),
            _ => None,
        }
    }

    /// Their names, for a message.
    pub(super) fn listing(&self) -> String {
        super::error::listed(self.list.iter().copied())
    }
}

/// The lines of a reply, without Windows line ends if all are such; lines of thoughts are empty.
pub(super) fn lines(reply: &str) -> Vec<&str> {
    let ends = reply.matches('\n').count();
    let is_windows = ends > 0 && reply.matches("\r\n").count() == ends;
    let mut lines: Vec<&str> = reply.split('\n').collect();
    if lines.last() == Some(&"") {
        lines.pop();
    }
    if is_windows {
        for line in &mut lines {
            *line = line.strip_suffix('\r').unwrap_or(line);
        }
    }
    hide_thoughts(&mut lines);
    lines
}

const THOUGHTS: [(&str, &str); 2] = [("<think>", "</think>"), ("<thinking>", "</thinking>")];

/// Empties what stands between tags of thoughts that begin a line, and all before a closing tag alone on its line
/// (templates that begin inside the thought). Tags within fences and blocks belong to the files.
fn hide_thoughts(lines: &mut [&str]) {
    let last = |fits: &dyn Fn(&str, &str) -> bool| {
        THOUGHTS.map(|(_, close)| lines.iter().rposition(|line| fits(line, close)))
    };
    let last_ending = last(&|line, close| line.trim_end().ends_with(close));
    let last_holding = last(&|line, close| line.contains(close));
    let mut fence: Option<Fence<'_>> = None;
    let mut is_block = false;
    let mut emptied = 0;
    let mut index = 0;
    while index < lines.len() {
        let line = lines[index];
        if is_block {
            is_block = !super::blocks::is_closer(line);
        } else if super::blocks::opener(line).is_some() {
            is_block = true;
        } else if let Some(open) = &fence {
            if open.is_closed_by(line) {
                fence = None;
            }
        } else if let Some(kind) = THOUGHTS.iter().position(|(open, _)| line.starts_with(open)) {
            let close = THOUGHTS[kind].1;
            let end = if last_ending[kind].is_some_and(|last| last >= index) {
                (index..lines.len()).find(|at| lines[*at].trim_end().ends_with(close))
            } else if last_holding[kind].is_some_and(|last| last >= index) {
                (index..lines.len()).find(|at| lines[*at].contains(close))
            } else {
                None
            };
            let Some(end) = end else {
                lines[index..].fill("");
                return;
            };
            let rest = lines[end].rfind(close).map_or("", |at| &lines[end][at + close.len()..]);
            lines[index..end].fill("");
            lines[end] = rest;
            index = end;
        } else if THOUGHTS.iter().any(|(_, close)| line.trim_end() == *close) {
            lines[emptied..=index].fill("");
            emptied = index + 1;
        } else {
            fence = self::fence(line);
        }
        index += 1;
    }
}

/// The line that opens or closes a fenced block.
#[derive(Clone, Copy)]
pub(super) struct Fence<'a> {
    mark: char,
    length: usize,
    pub(super) indent: usize,
    pub(super) info: &'a str,
}

impl Fence<'_> {
    fn is_closed_by(&self, line: &str) -> bool {
        fence(line).is_some_and(|other| self.closes_with(&other))
    }

    fn closes_with(&self, other: &Fence<'_>) -> bool {
        other.info.is_empty() && other.length >= self.length && self.is_beside(other)
    }

    fn is_beside(&self, other: &Fence<'_>) -> bool {
        other.mark == self.mark && other.indent <= self.indent
    }
}

pub(super) fn fence(line: &str) -> Option<Fence<'_>> {
    let text = line.trim_start();
    let mark = text.chars().next().filter(|mark| matches!(mark, '`' | '~'))?;
    let rest = text.trim_start_matches(mark);
    let length = text.len() - rest.len();
    let info = rest.trim();
    (length >= 3 && !info.contains('`')).then_some(Fence {
        mark,
        length,
        indent: line.len() - text.len(),
        info,
    })
}

/// A fenced block.
pub(super) struct Fenced<'a> {
    pub(super) fence: Fence<'a>,
    /// The index of the line that opens it.
    pub(super) open: usize,
    /// One past its last line.
    pub(super) end: usize,
    /// Whether a line closes it.
    pub(super) is_closed: bool,
}

/// Takes the indentation that fences share with all lines of their block, as in a list. One blank is none: lines that
/// stay in a diff have it.
pub(super) fn dedent_fences(lines: &mut [&str]) {
    let found: Vec<(usize, usize, usize)> =
        fences(lines).iter().map(|block| (block.open, block.end, block.fence.indent)).collect();
    let blank = |line: &str| line.len() - line.trim_start().len();
    for (open, end, indent) in found {
        let within = lines[open + 1..end].iter().filter(|line| !line.trim().is_empty());
        let cut = within.map(|line| blank(line)).min().unwrap_or_default().min(indent);
        let last = (end + 1).min(lines.len());
        if cut >= 2 {
            for line in &mut lines[open..last] {
                *line = line.get(cut.min(blank(line))..).unwrap_or_default();
            }
        }
    }
}

/// The fenced blocks, from top to bottom. A block within a block belongs to it, as long as all are closed.
pub(super) fn fences<'a>(lines: &[&'a str]) -> Vec<Fenced<'a>> {
    let mut found = Vec::new();
    let mut may_nest = true;
    let mut index = 0;
    while index < lines.len() {
        let Some(open) = fence(lines[index]) else {
            index += 1;
            continue;
        };
        let mut end = may_nest.then(|| closing(lines, index, &open, true)).flatten();
        if end.is_none() {
            // Once blocks do not nest, they are not tried again: that keeps this linear.
            may_nest = false;
            end = closing(lines, index, &open, false);
        }
        found.push(Fenced {
            fence: open,
            open: index,
            end: end.unwrap_or(lines.len()),
            is_closed: end.is_some(),
        });
        index = end.map_or(lines.len(), |end| end + 1);
    }
    found
}

fn closing(lines: &[&str], index: usize, open: &Fence<'_>, nests: bool) -> Option<usize> {
    let mut depth = 1;
    for (at, line) in lines.iter().enumerate().skip(index + 1) {
        let Some(other) = fence(line) else { continue };
        if open.closes_with(&other) {
            depth -= 1;
        } else if nests && !other.info.is_empty() && open.is_beside(&other) {
            depth += 1;
        }
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

/// The path above a line: on the next line above that is not empty, or above the fence that stands there, or in that
/// fence. Lines before `floor` are not looked at. A sentence may name it too: what is to be found shows whether it is
/// meant.
pub(super) fn path_above(lines: &[&str], index: usize, floor: usize, files: &Files<'_>) -> Option<String> {
    let above = |index: usize| line_above(lines, index, floor).map(|at| (at, lines[at]));
    let named = |line: &str| path_in_line(line, files).or_else(|| path_in_sentence(line, files));
    let (at, line) = above(index)?;
    match fence(line) {
        Some(fence) => path_in_info(fence.info, files).or_else(|| named(above(at)?.1)),
        None => named(line),
    }
}

/// The next line above that is not empty.
pub(super) fn line_above(lines: &[&str], index: usize, floor: usize) -> Option<usize> {
    (floor..index).rev().take(3).find(|at| !lines[*at].trim().is_empty())
}

const NAMES: [&str; 7] =
    ["file path:", "file name:", "new file:", "filename:", "filepath:", "file:", "path:"];

/// The path that a line is: `File: a.py`, `### a.py`, `` `a.py` ``, `a.py`.
pub(super) fn path_in_line(line: &str, files: &Files<'_>) -> Option<String> {
    let line = line.trim();
    if line.is_empty() || line.len() > 1200 {
        return None;
    }
    let text = line.trim_start_matches(['#', '*', '-', '>', ' ']);
    let text = text.strip_prefix("//").unwrap_or(text).trim();
    let lower = text.get(..12).unwrap_or(text).to_ascii_lowercase();
    let name = NAMES.iter().find(|name| lower.starts_with(**name));
    let text = name.map_or(text, |name| &text[name.len()..]);
    let bare = text.trim_matches(|character: char| {
        character.is_whitespace() || matches!(character, '*' | '`' | '"' | '\'' | ':')
    });
    let bare = bare.strip_prefix("./").unwrap_or(bare);
    if files.contains(bare) {
        return Some(bare.to_owned());
    }
    if name.is_some() {
        let first = bare.split([' ', '`', '*']).next().unwrap_or_default();
        return (!first.is_empty()).then(|| first.to_owned());
    }
    has_extension(bare).then(|| bare.to_owned())
}

/// The one known path that a sentence has in back quotes.
pub(super) fn path_in_sentence(line: &str, files: &Files<'_>) -> Option<String> {
    let mut quoted = line.split('`').skip(1).step_by(2).filter(|word| files.contains(word));
    let first = quoted.next()?;
    quoted.all(|other| other == first).then(|| first.to_owned())
}

/// The path in what follows the marks of a fence: `python a.py`, `python path=a.py`, `python:a.py`.
pub(super) fn path_in_info(info: &str, files: &Files<'_>) -> Option<String> {
    let clean = |word: &str| {
        let word = word.trim_matches(['"', '\'', '{', '}', '(', ')', ',']);
        word.strip_prefix("./").unwrap_or(word).to_owned()
    };
    for word in info.split_whitespace() {
        if let Some((key, value)) = word.split_once('=') {
            let key = key.trim_start_matches(['{', '.']).to_ascii_lowercase();
            let value = clean(value);
            if matches!(key.as_str(), "path" | "file" | "filename" | "title" | "name") && !value.is_empty() {
                return Some(value);
            }
            continue;
        }
        let candidates = [clean(word), word.split_once(':').map(|(_, path)| clean(path)).unwrap_or_default()];
        if let Some(path) = candidates
            .iter()
            .find(|path| files.contains(path))
            .or_else(|| candidates.iter().find(|path| has_extension(path)))
        {
            return Some(path.clone());
        }
    }
    None
}

/// Whether a word looks like a file's path: no blanks, and a name with an extension.
fn has_extension(word: &str) -> bool {
    let name = word.rsplit('/').next().unwrap_or(word);
    let Some((stem, extension)) = name.rsplit_once('.') else { return false };
    let is_plain = |character: char| character.is_alphanumeric() || "._-/+@~".contains(character);
    word.chars().all(is_plain)
        && stem.chars().any(char::is_alphanumeric)
        && extension.len() <= 10
        && extension.starts_with(|first: char| first.is_ascii_alphabetic())
}
