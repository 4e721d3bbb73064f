//! Two trees as one diff of git.

use std::collections::BTreeSet;

use similar::{Algorithm, DiffOp, capture_diff_slices, group_diff_ops};

use super::Tree;
use super::header::quoted;

/// More lines than this between the first and the last difference are shown as one replacement: finding the shortest
/// diff of two long texts with nothing in common would take too long.
const MAX_COMPARED_LINES: usize = 20_000;

/// What has to be done to `before` to get `after`, as `git diff` shows it, with `context` lines around each change.
///
/// Files with other bytes than UTF-8, or with NUL, are only named. Renames are shown as a file that goes and one that
/// comes. [`super::parse`] reads the diff back.
pub fn unified(before: &Tree, after: &Tree, context: usize) -> String {
    let paths: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let mut text = String::new();
    for path in paths {
        let (old, new) = (before.get(path), after.get(path));
        if old != new {
            section(&mut text, path, old.map(Vec::as_slice), new.map(Vec::as_slice), context);
        }
    }
    text
}

fn section(text: &mut String, path: &str, old: Option<&[u8]>, new: Option<&[u8]>, context: usize) {
    let (from, to) = (quoted(&format!("a/{path}")), quoted(&format!("b/{path}")));
    text.push_str(&format!("diff --git {from} {to}\n"));
    if old.is_none() {
        text.push_str("new file mode 100644\n");
    }
    if new.is_none() {
        text.push_str("deleted file mode 100644\n");
    }
    let name = |name: String, content: Option<&[u8]>| match content {
        None => "/dev/null".to_owned(),
        // As git does: the tab says that the blanks before it belong to the path.
        Some(_) if name.contains(char::is_whitespace) => format!("{name}\t"),
        Some(_) => name,
    };
    let (from, to) = (name(from, old), name(to, new));
    let (Some(old), Some(new)) = (readable(old.unwrap_or_default()), readable(new.unwrap_or_default()))
    else {
        text.push_str(&format!("Binary files {from} and {to} differ\n"));
        return;
    };
    let (old, new): (Vec<&str>, Vec<&str>) =
        (old.split_inclusive('\n').collect(), new.split_inclusive('\n').collect());
    if old.is_empty() && new.is_empty() {
        return;
    }
    text.push_str(&format!("--- {from}\n+++ {to}\n"));
    for group in group_diff_ops(operations(&old, &new), context) {
        hunk(text, &group, &old, &new);
    }
}

fn readable(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}

fn operations(old: &[&str], new: &[&str]) -> Vec<DiffOp> {
    let same = |pair: &(&&str, &&str)| pair.0 == pair.1;
    let head = old.iter().zip(new).take_while(same).count();
    let tail = old[head..].iter().rev().zip(new[head..].iter().rev()).take_while(same).count();
    let (old_len, new_len) = (old.len() - head - tail, new.len() - head - tail);
    if old_len + new_len <= MAX_COMPARED_LINES {
        return capture_diff_slices(Algorithm::Myers, old, new);
    }
    vec![
        DiffOp::Equal { old_index: 0, new_index: 0, len: head },
        DiffOp::Replace { old_index: head, old_len, new_index: head, new_len },
        DiffOp::Equal { old_index: head + old_len, new_index: head + new_len, len: tail },
    ]
}

fn hunk(text: &mut String, group: &[DiffOp], old: &[&str], new: &[&str]) {
    let (Some(first), Some(last)) = (group.first(), group.last()) else { return };
    let range = |start: usize, end: usize| match end - start {
        0 => format!("{start},0"),
        1 => (start + 1).to_string(),
        count => format!("{},{count}", start + 1),
    };
    let old_range = range(first.old_range().start, last.old_range().end);
    let new_range = range(first.new_range().start, last.new_range().end);
    text.push_str(&format!("@@ -{old_range} +{new_range} @@\n"));
    let mut push = |sign: char, lines: &[&str]| {
        for line in lines {
            text.push(sign);
            text.push_str(line);
            if !line.ends_with('\n') {
                text.push_str("\n\\ No newline at end of file\n");
            }
        }
    };
    for operation in group {
        match operation {
            DiffOp::Equal { .. } => push(' ', &old[operation.old_range()]),
            DiffOp::Delete { .. } | DiffOp::Insert { .. } | DiffOp::Replace { .. } => {
                push('-', &old[operation.old_range()]);
                push('+', &new[operation.new_range()]);
            }
        }
    }
}
