//! A hunk whose context has lost or won indentation: whether the lines that come have, too.
//!
//! A line that goes would tell, as it stands in the file and has its sign as those that come do. Without one there are two readings:
//! all of the hunk was moved, or only the context was damaged, as when its leading blanks are taken for signs. The lines beside
//! them in the file decide, if they can.

use super::page::Fit;
use crate::patch::HunkLine;

/// Whether lines that come are to be moved as the context is; `None` if both readings fit, or neither. `file` are the
/// lines of the file that the context stands for. A run of new lines fits if its least indentation is that of the line
/// above or below it.
pub(super) fn is_shared(file: &[&str], hunk: &[HunkLine], fit: &Fit) -> Option<bool> {
    let Fit::Indented { more, less } = fit else { return Some(false) };
    if hunk.iter().any(|line| matches!(line, HunkLine::Removed(_))) {
        return Some(true);
    }
    let (mut verbatim, mut moved, mut has_new) = (true, true, false);
    let mut beside = file.iter().map(|line| indentation(line));
    let mut above = None;
    let mut least: Option<usize> = None;
    for line in hunk.iter().map(Some).chain([None]) {
        match line {
            Some(HunkLine::Added(text)) => {
                least = indentation(text).map(|new| least.map_or(new, |least| least.min(new))).or(least);
            }
            Some(HunkLine::Context(_) | HunkLine::Removed(_)) | None => {
                let below = line.and_then(|_| beside.next().flatten());
                if line.is_some() && below.is_none() {
                    // A blank line tells nothing; the next one may.
                    continue;
                }
                if let Some(new) = least.take() {
                    let fits = |new: usize| [above, below].contains(&Some(new));
                    has_new = true;
                    verbatim &= fits(new);
                    moved &= fits((new + more.len()).saturating_sub(less.len()));
                }
                above = below.or(above);
            }
        }
    }
    match (verbatim, moved) {
        _ if !has_new => Some(true),
        (true, false) => Some(false),
        (false, true) => Some(true),
        (true, true) | (false, false) => None,
    }
}

/// How far a line is indented; `None` for a blank one.
fn indentation(line: &str) -> Option<usize> {
    let bare = line.trim_start();
    (!bare.is_empty()).then(|| line.len() - bare.len())
}
