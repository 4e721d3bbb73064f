//! The files that diffs are made for, and edits in them that a seed repeats.

use std::fs;
use std::path::Path;

use researchgym_core::edit::Tree;
use researchgym_core::search::Stream;

use super::diff::{Edit, lines};
use crate::Outcome;
use crate::place;

/// The program of a task: the Python files of its starter, and its grader in a folder.
pub(super) struct Source {
    pub(super) task: &'static str,
    pub(super) tree: Tree,
    /// Files with enough lines to be changed in several places; those of the starter come first.
    pub(super) files: Vec<String>,
}

const TASKS: [&str; 6] = [
    "circle-packing-26",
    "heilbronn-triangle-11",
    "three-sat",
    "house-price",
    "online-bin-packing",
    "cap-set",
];

/// All of them.
pub(super) fn sources() -> Outcome<Vec<Source>> {
    let folder = place::repository().join("tasks");
    let source = |task: &'static str| -> Outcome<Source> {
        let mut tree = Tree::new();
        read(&folder.join(task).join("starter"), "", &mut tree)?;
        read(&folder.join(task).join("grader"), "grader/", &mut tree)?;
        let mut files: Vec<String> = tree.keys().cloned().collect();
        files.retain(|path| lines(&text(&tree, path)).len() >= 30);
        files.sort_by_key(|path| (path.contains('/'), path.clone()));
        Ok(Source { task, tree, files })
    };
    TASKS.into_iter().map(source).collect()
}

fn read(folder: &Path, prefix: &str, tree: &mut Tree) -> Outcome<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.ends_with(".py") {
            tree.insert(format!("{prefix}{name}"), fs::read(&path)?);
        }
    }
    Ok(())
}

/// A file of a tree.
pub(super) fn text(tree: &Tree, path: &str) -> String {
    tree.get(path).map(|bytes| String::from_utf8_lossy(bytes).into_owned()).unwrap_or_default()
}

/// `count` edits of different kinds in a text, apart from each other, each of which stands in lines that are there once.
pub(super) fn edits(text: &str, count: usize, random: &mut Stream) -> Vec<Edit> {
    let lines = lines(text);
    let mut edits: Vec<Edit> = Vec::new();
    for _ in 0..1000 {
        if edits.len() == count {
            break;
        }
        let at = random.below(lines.len());
        let line = lines[at];
        let is_far = edits.iter().all(|edit| edit.at.abs_diff(at) > 9);
        if line.trim().is_empty() || !is_far || at + 2 > lines.len() || !is_single(&lines, at) {
            continue;
        }
        edits.push(edit(line, at, edits.len(), random));
    }
    edits.sort_by_key(|edit| edit.at);
    edits
}

/// An edit at a line: it changes, lines come below it, or it goes.
fn edit(line: &str, at: usize, index: usize, random: &mut Stream) -> Edit {
    let indentation: String = line.chars().take_while(|character| *character == ' ').collect();
    let number = random.below(900) + 100;
    match (index + random.below(2)) % 3 {
        0 => {
            let bare = line.trim_end_matches('\n');
            Edit { at, removed: 1, added: vec![format!("{bare}  # {number}\n")] }
        }
        1 => {
            let added = 0..1 + random.below(3);
            let added = added.map(|step| format!("{indentation}step_{step} = {}\n", number * (step + 1)));
            Edit { at: at + 1, removed: 0, added: added.collect() }
        }
        _ => Edit { at, removed: 1, added: Vec::new() },
    }
}

/// Whether the lines around this one, as a hunk shows them, are there once.
fn is_single(lines: &[&str], at: usize) -> bool {
    let trimmed: Vec<&str> = lines.iter().map(|line| line.trim()).collect();
    let window = |from: usize, to: usize| &trimmed[from..to.min(trimmed.len())];
    let (from, to) = (at.saturating_sub(2), (at + 4).min(lines.len()));
    let wanted = window(from, to);
    trimmed.windows(wanted.len()).filter(|other| *other == wanted).count() == 1
}
