//! Whole files in fenced blocks, each with its path in the fence or on the line above it.
//!
//! A block that leaves lines out (`# ... as before`) is not recognised: it is written as it stands.

use std::collections::HashSet;

use super::Edit;
use super::error::{EditError, Part, shown_path};
use super::reply::{Fenced, Files, fences, line_above, path_in_info, path_in_line, path_in_sentence};

/// The files of a reply. Where one file is editable and no block names one, the largest block is that file, or the
/// largest in its language if there are such; without any block, the reply itself may be.
pub(super) fn parse(lines: &[&str], files: &Files<'_>, may_be_bare: bool) -> Result<Vec<Edit>, EditError> {
    let blocks = fences(lines);
    let mut edits = Vec::new();
    let mut seen = HashSet::new();
    let mut floor = 0;
    for (index, block) in blocks.iter().enumerate() {
        let above = line_above(lines, block.open, floor).map_or("", |at| lines[at]);
        let path =
            path_in_info(block.fence.info, files).or_else(|| path_in_line(above, files)).or_else(|| {
                path_in_sentence(above, files).filter(|path| {
                    // Where one file is editable it needs no sentence; commands and output stand below sentences too.
                    files.only().is_none() && is_language(block.fence.info, path)
                })
            });
        floor = block.end + 1;
        let Some(path) = path else { continue };
        let part = Part::Fence(index + 1);
        if !seen.insert(path.clone()) {
            let problem = format!("`{}` is written twice; write one block for it", shown_path(&path));
            return Err(EditError::Malformed { part, line: block.open + 1, problem });
        }
        edits.push(written(lines, block, part, path)?);
    }
    if !edits.is_empty() {
        return Ok(edits);
    }
    // The first of the largest, and those in the file's language before all others: commands may be longer.
    let weight = |index: &usize| {
        let block = &blocks[*index];
        let length: usize = lines[block.open + 1..block.end].iter().map(|line| line.len() + 1).sum();
        (files.only().is_some_and(|only| is_language(block.fence.info, only)), length)
    };
    let is_diff =
        |index: &usize| ["diff", "patch"].iter().any(|name| is_language(blocks[*index].fence.info, name));
    let largest = (0..blocks.len()).rev().filter(|index| !is_diff(index)).max_by_key(weight);
    match (largest, files.only()) {
        (Some(index), Some(only)) => {
            Ok(vec![written(lines, &blocks[index], Part::Fence(index + 1), only.to_owned())?])
        }
        (Some(_), None) => Err(EditError::NoPath { part: Part::Fence(1), editable: files.listing() }),
        (None, Some(only))
            if may_be_bare && blocks.is_empty() && lines.iter().any(|line| !line.trim().is_empty()) =>
        {
            let blank = |line: &&str| line.trim().is_empty();
            let first = lines.iter().take_while(|line| blank(line)).count();
            let last = lines.len() - lines.iter().rev().take_while(|line| blank(line)).count();
            let content = joined(&lines[first..last]);
            Ok(vec![Edit::Write { part: Part::Fence(1), path: only.to_owned(), content }])
        }
        (None, _) => Ok(Vec::new()),
    }
}

/// Whether a block's language is that of a file.
fn is_language(info: &str, path: &str) -> bool {
    let language = info.split_whitespace().next().unwrap_or_default().to_ascii_lowercase();
    let extension = path.rsplit('.').next().unwrap_or_default();
    let long_names: &[&str] = match extension {
        "py" => &["python", "python3"],
        "rs" => &["rust"],
        "js" => &["javascript"],
        "ts" => &["typescript"],
        "cc" | "cpp" | "hpp" | "h" | "cu" => &["cpp", "c++", "c", "cuda"],
        "md" => &["markdown"],
        "yml" => &["yaml"],
        "jl" => &["julia"],
        _ => &[],
    };
    language == extension || long_names.contains(&language.as_str())
}

fn written(lines: &[&str], block: &Fenced<'_>, part: Part, path: String) -> Result<Edit, EditError> {
    if !block.is_closed {
        let problem = format!(
            "the reply ends inside the block of `{}`; it was cut off, or the closing fence is missing",
            shown_path(&path)
        );
        return Err(EditError::Malformed { part, line: block.open + 1, problem });
    }
    Ok(Edit::Write { part, path, content: joined(&lines[block.open + 1..block.end]) })
}

fn joined(lines: &[&str]) -> String {
    let mut text = lines.join("\n");
    if !lines.is_empty() {
        text.push('\n');
    }
    text
}
