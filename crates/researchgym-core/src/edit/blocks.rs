//! SEARCH/REPLACE blocks: `<<<<<<< SEARCH`, `=======`, `>>>>>>> REPLACE`, each alone on its line (five to nine signs;
//! `------- SEARCH` and `+++++++ REPLACE` are read too).

use super::Edit;
use super::error::{EditError, Part};
use super::reply::{Files, path_above, path_in_line};

/// The blocks of a reply, from top to bottom.
pub(super) fn parse(lines: &[&str], files: &Files<'_>) -> Result<Vec<Edit>, EditError> {
    let mut edits = Vec::new();
    let mut before: Option<String> = None;
    let mut floor = 0;
    while let Some(start) = (floor..lines.len()).find(|at| opener(lines[*at]).is_some()) {
        let part = Part::Block(edits.len() + 1);
        let beside = opener(lines[start]).and_then(|rest| path_in_line(rest, files));
        let follows = || lines[floor..start].iter().all(|line| line.trim().is_empty());
        let path = beside
            .or_else(|| path_above(lines, start, floor, files))
            .or_else(|| before.take().filter(|_| follows()))
            .or_else(|| files.only().map(str::to_owned))
            .ok_or_else(|| EditError::NoPath { part, editable: files.listing() })?;
        let (divider, end) = sides(lines, start, part)?;
        let owned = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect();
        edits.push(Edit::Replace {
            part,
            path: path.clone(),
            search: owned(&lines[start + 1..divider]),
            replace: owned(&lines[divider + 1..end]),
        });
        before = Some(path);
        floor = end + 1;
    }
    Ok(edits)
}

/// Where a block's sides are divided, and where it ends.
fn sides(lines: &[&str], start: usize, part: Part) -> Result<(usize, usize), EditError> {
    let wrong =
        |at: usize, problem: &str| EditError::Malformed { part, line: at + 1, problem: problem.into() };
    let indent = blank(lines[start]);
    let mut dividers = Vec::new();
    for (at, line) in lines.iter().enumerate().skip(start + 1) {
        if is_closer(line) {
            let exact: Vec<usize> =
                dividers.iter().copied().filter(|at: &usize| lines[*at].trim().len() == 7).collect();
            return match (dividers.as_slice(), exact.as_slice()) {
                ([], _) => Err(wrong(at, "the block ends without a line `=======` between its sides")),
                ([divider], _) | (_, [divider]) => Ok((*divider, at)),
                _ => Err(wrong(
                    dividers[1],
                    "the block has several lines `=======`, so its sides cannot be told apart; write the whole file, \
                     or leave such lines out of the block",
                )),
            };
        }
        if opener(line).is_some() {
            return Err(wrong(at, "a new block begins before this one ended with `>>>>>>> REPLACE`"));
        }
        if is_divider(line) && blank(line) <= indent {
            dividers.push(at);
        }
    }
    let missing = if dividers.is_empty() { "`=======` and `>>>>>>> REPLACE`" } else { "`>>>>>>> REPLACE`" };
    Err(wrong(start, &format!("the reply ends before the block does; {missing} is missing")))
}

fn blank(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// What follows the word on a line that opens a block.
pub(super) fn opener(line: &str) -> Option<&str> {
    let word = marked(line, ['<', '-'])?;
    let rest = word.get(6..).filter(|_| word[..6].eq_ignore_ascii_case("SEARCH"))?;
    let rest = rest.trim_start_matches([':', '>']);
    // A sentence about the marker is none.
    let is_name = || rest.starts_with(' ') && !rest.trim().contains(' ') && rest.contains('.');
    (rest.trim().is_empty() || is_name()).then(|| rest.trim())
}

pub(super) fn is_closer(line: &str) -> bool {
    marked(line, ['>', '+']).is_some_and(|word| word.trim_end_matches(':').eq_ignore_ascii_case("REPLACE"))
}

fn is_divider(line: &str) -> bool {
    let line = line.trim();
    (5..=9).contains(&line.len()) && line.bytes().all(|byte| byte == b'=')
}

/// What follows five to nine of one sign.
fn marked(line: &str, signs: [char; 2]) -> Option<&str> {
    let line = line.trim();
    let sign = line.chars().next().filter(|sign| signs.contains(sign))?;
    let word = line.trim_start_matches(sign);
    (5..=9).contains(&(line.len() - word.len())).then(|| word.trim_start())
}
