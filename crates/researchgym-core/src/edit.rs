//! Edits: how a candidate that a language model wrote becomes a changed file tree.
//!
//! [`parse`] finds the edits in a reply, [`apply`] makes them, and [`unified`] shows what they did. Three forms are
//! read: SEARCH/REPLACE blocks, unified diffs and whole files. What stands around them (prose, fences, thoughts) is
//! passed over; white space that models lose is forgiven where only one place fits. Nothing is guessed, nothing is
//! skipped in silence, and edits are made all or not at all. Every error is written for the model that gets it back.
//!
//! Pure, and for text: executable bits, links and binary content are not its affair. Work is bounded: 4 MiB of reply,
//! 1,000 edits, 1 MiB for a file that is changed or made. The agents' `apply_patch` form is in [`crate::patch`].

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::patch::HunkLine;

mod apply;
mod blocks;
mod diff;
mod error;
mod header;
mod indentation;
mod near;
mod page;
mod reply;
mod surface;
mod unified;
mod whole;

pub use self::apply::{Applied, apply};
pub use self::error::{EditError, Part};
pub use self::surface::Surface;
pub use self::unified::unified;

/// A file tree: relative paths and contents.
pub type Tree = BTreeMap<String, Vec<u8>>;

/// The longest reply that is read.
pub const MAX_REPLY_BYTES: usize = 4 << 20;
/// The longest file that may result.
pub const MAX_FILE_BYTES: usize = 1 << 20;
/// The most edits of one reply: blocks, hunks and files together.
pub const MAX_EDITS: usize = 1000;

/// How a reply says what changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// Recognised from the text, the first that fits: it begins as a diff; it has a `<<<<<<< SEARCH` line; it has the
    /// header of a hunk or of a file of a diff; it has fenced blocks.
    #[default]
    Any,
    /// Blocks of lines to find and lines to put in their place.
    SearchReplace,
    /// A diff, plain or of git.
    UnifiedDiff,
    /// Fenced blocks that hold files; a reply without one is the only editable file.
    WholeFiles,
}

/// One change, as a reply asks for it. Paths are as written, but for prefixes; [`apply`] checks them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// Lines take the place of others. Nothing to find: the file is new or empty.
    Replace {
        /// Which one.
        part: Part,
        /// The file.
        path: String,
        /// The lines to find.
        search: Vec<String>,
        /// The lines to put there.
        replace: Vec<String>,
    },
    /// A file is changed by the hunks of a diff, and perhaps renamed.
    Patch {
        /// Which one.
        part: Part,
        /// The file.
        path: String,
        /// Its new path.
        renamed_to: Option<String>,
        /// The changes; none only if it is renamed.
        hunks: Vec<Hunk>,
    },
    /// A file is made that is not there.
    Create {
        /// Which one.
        part: Part,
        /// The file.
        path: String,
        /// All of it.
        content: String,
    },
    /// A file is removed.
    Delete {
        /// Which one.
        part: Part,
        /// The file.
        path: String,
    },
    /// A file is written whole, whether it is there or not.
    Write {
        /// Which one.
        part: Part,
        /// The file.
        path: String,
        /// All of it.
        content: String,
    },
}

/// One place of a unified diff.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hunk {
    /// The first line of the place, from 1. Of a hunk that only adds: the line to stand below, 0 for the top. `None` if
    /// the header does not say it, or contradicts the body.
    pub line: Option<usize>,
    /// What is there, and what is to be there.
    pub lines: Vec<HunkLine>,
    /// Whether the last line that is there has no line end.
    pub old_lacks_newline: bool,
    /// Whether the last line that is to be there has none.
    pub new_lacks_newline: bool,
}

/// The edits of a reply, in order. `files` are the files that may be meant, as [`Surface::files`] lists them: an edit
/// without a path belongs to the only one, and they tell paths from prefixes.
///
/// # Errors
/// The reply is too long, holds no edits of this form, too many, or one that cannot be read.
pub fn parse(reply: &str, form: Form, files: &[&str]) -> Result<Vec<Edit>, EditError> {
    if reply.len() > MAX_REPLY_BYTES {
        return Err(EditError::ReplyTooLong { bytes: reply.len() });
    }
    let mut lines = reply::lines(reply);
    let files = reply::Files::new(files);
    let (edits, expected) = match recognised(&mut lines, form) {
        Form::SearchReplace => (blocks::parse(&lines, &files)?, "no line is `<<<<<<< SEARCH`"),
        Form::UnifiedDiff => {
            (diff::parse(&lines, &files)?, "no line begins a hunk (`@@ -1,2 +1,3 @@`) or a file of a diff")
        }
        Form::WholeFiles => (whole::parse(&lines, &files, true)?, "no fenced block holds a file"),
        Form::Any => (
            whole::parse(&lines, &files, false)?,
            "there is no SEARCH/REPLACE block, no unified diff and no fenced block with a file",
        ),
    };
    if edits.is_empty() {
        let is_hidden = lines.iter().all(|line| line.trim().is_empty()) && !reply.trim().is_empty();
        let more = if is_hidden { "; all of it is thinking, or its thinking never ends" } else { "" };
        return Err(EditError::NoEdits { problem: format!("{expected}{more}") });
    }
    check_count(&edits)?;
    Ok(edits)
}

/// The form that is to be read; `Any` stands for whole files in fences alone. Fenced blocks within lists lose their
/// indentation, but for SEARCH/REPLACE blocks: there the file tells how much is too much.
fn recognised(lines: &mut [&str], form: Form) -> Form {
    let is_any = form == Form::Any;
    if (is_any || form == Form::UnifiedDiff) && diff::begins_as_diff(lines) {
        return Form::UnifiedDiff;
    }
    if form == Form::SearchReplace || (is_any && lines.iter().any(|line| blocks::opener(line).is_some())) {
        return Form::SearchReplace;
    }
    reply::dedent_fences(lines);
    if is_any && (0..lines.len()).any(|at| diff::is_diff(lines, at)) { Form::UnifiedDiff } else { form }
}

fn check_count(edits: &[Edit]) -> Result<(), EditError> {
    let count = edits.iter().map(|edit| match edit {
        Edit::Patch { hunks, .. } => hunks.len().max(1),
        Edit::Replace { .. } | Edit::Create { .. } | Edit::Delete { .. } | Edit::Write { .. } => 1,
    });
    match count.sum() {
        count if count > MAX_EDITS => Err(EditError::TooMany { count }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
