//! What is wrong with edits, said to the model that wrote them: which block or hunk, which file, what was found
//! instead, what to do. No message is longer than 2,000 characters.

use std::fmt;

use super::{MAX_EDITS, MAX_FILE_BYTES, MAX_REPLY_BYTES};

/// One piece of a reply, counted from 1 as the reply has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A SEARCH/REPLACE block; counted through the reply.
    Block(usize),
    /// A hunk of a unified diff; counted within its file.
    Hunk(usize),
    /// A fenced block with a whole file; counted through the reply.
    Fence(usize),
    /// What a unified diff says of one file; counted through the reply.
    Section(usize),
}

impl fmt::Display for Part {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Part::Block(number) => write!(formatter, "block {number}"),
            Part::Hunk(number) => write!(formatter, "hunk {number}"),
            Part::Fence(number) => write!(formatter, "fenced block {number}"),
            Part::Section(number) => write!(formatter, "file {number} of the diff"),
        }
    }
}

/// A reply holds no edits that can be read, or its edits do not fit the tree.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum EditError {
    /// More text than is read.
    #[error("the reply has {bytes} bytes, and at most {MAX_REPLY_BYTES} are read; write only what changes")]
    ReplyTooLong {
        /// Its length.
        bytes: usize,
    },
    /// More edits than are made.
    #[error("the reply has {count} edits, and at most {MAX_EDITS} are made at once; join or leave out some")]
    TooMany {
        /// Blocks, hunks and files together.
        count: usize,
    },
    /// Nothing in the reply is an edit.
    #[error("the reply holds no edits: {problem}")]
    NoEdits {
        /// What was looked for.
        problem: String,
    },
    /// A piece is not finished, or a line stands where it cannot.
    #[error("{part}, line {line} of the reply: {problem}")]
    Malformed {
        /// The piece.
        part: Part,
        /// From 1.
        line: usize,
        /// What is wrong, and what is expected.
        problem: String,
    },
    /// A piece without a path, where more than one file can be meant.
    #[error(
        "{part} does not say which file it belongs to; write the path on the line before it, one of: {editable}"
    )]
    NoPath {
        /// The piece.
        part: Part,
        /// The editable files, shortened.
        editable: String,
    },
    /// A path that does not stay inside the tree, or cannot be one.
    #[error("`{path}` cannot be edited: {problem}")]
    BadPath {
        /// The path, shortened.
        path: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A path outside the surface.
    #[error("`{path}` may not be changed; editable: {editable}")]
    NotEditable {
        /// The path, shortened.
        path: String,
        /// What is, shortened.
        editable: String,
    },
    /// A path that is held fixed.
    #[error("`{path}` is protected and may not be changed; editable: {editable}")]
    Protected {
        /// The path, shortened.
        path: String,
        /// What may be changed, shortened.
        editable: String,
    },
    /// A change of a file that is not there.
    #[error("{part}: there is no file `{path}`{hint}; editable: {editable}")]
    Missing {
        /// The piece.
        part: Part,
        /// The path, shortened.
        path: String,
        /// The path that was probably meant, as a half-sentence.
        hint: String,
        /// What may be changed, shortened.
        editable: String,
    },
    /// A new file in the place of one that is there.
    #[error("{part}: `{path}` exists already; change it, or delete it first")]
    Exists {
        /// The piece.
        part: Part,
        /// The path, shortened.
        path: String,
    },
    /// A file below a file.
    #[error("`{path}` cannot be a file: `{other}` is one, and a path is either a file or a folder")]
    BelowFile {
        /// The path, shortened.
        path: String,
        /// The file that is in the way, or lies below it, shortened.
        other: String,
    },
    /// A change of some lines of a file that is not text.
    #[error("{part}: `{path}` is not UTF-8 text, so it can be deleted or written whole, but not patched")]
    NotText {
        /// The piece.
        part: Part,
        /// The path, shortened.
        path: String,
    },
    /// Lines that are not in the file.
    #[error("{part} of `{path}`: its lines to be found are not in the file. {found}\n{advice}")]
    NotFound {
        /// The piece.
        part: Part,
        /// The path, shortened.
        path: String,
        /// The lines of the file that resemble them most, and the first difference.
        found: String,
        /// What to do.
        advice: &'static str,
    },
    /// Lines that are in the file more than once.
    #[error(
        "{part} of `{path}`: its lines fit at lines {lines} of the file; add the lines above or below that tell \
         which place is meant. The first two places:\n{shown}"
    )]
    Ambiguous {
        /// The piece.
        part: Part,
        /// The path, shortened.
        path: String,
        /// The first of each place, from 1.
        lines: String,
        /// Two of them, with their neighbours.
        shown: String,
    },
    /// Both sides of a block are equal.
    #[error(
        "{part} of `{path}` changes nothing: both its sides are equal; leave it out, or write what changes"
    )]
    Unchanged {
        /// The piece.
        part: Part,
        /// The path, shortened.
        path: String,
    },
    /// All edits together leave the tree as it is.
    #[error("the edits change nothing: every file is as it was before")]
    NothingChanged,
    /// A changed file with nothing in it.
    #[error("`{path}` would be empty; write its content, or delete the file if that is meant")]
    Empty {
        /// The path, shortened.
        path: String,
    },
    /// A resulting file that is too long.
    #[error("`{path}` would have {bytes} bytes, and a file may have at most {MAX_FILE_BYTES}")]
    FileTooLong {
        /// The path, shortened.
        path: String,
        /// Its length.
        bytes: usize,
    },
    /// Lines that repeat so often that finding places takes too long.
    #[error(
        "{part} of `{path}`: the file repeats these lines too often to look at every place; write the whole file"
    )]
    TooRepetitive {
        /// The piece.
        part: Part,
        /// The path, shortened.
        path: String,
    },
}

/// A text's beginning, for a message; control characters are shown escaped.
pub(super) fn shortened(text: &str, characters: usize) -> String {
    let mut shown = String::new();
    let mut count = 0;
    for character in text.chars() {
        if count >= characters {
            shown.push_str("...");
            break;
        }
        if character.is_control() && character != '\t' {
            let escaped = character.escape_default().to_string();
            count += escaped.len();
            shown.push_str(&escaped);
        } else {
            count += 1;
            shown.push(character);
        }
    }
    shown
}

/// A path for a message.
pub(super) fn shown_path(path: &str) -> String {
    shortened(path, 160)
}

/// Names in a row, as many as have room.
pub(super) fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut text = String::new();
    let mut left_out = 0;
    for name in names {
        if text.chars().count() > 500 {
            left_out += 1;
            continue;
        }
        if !text.is_empty() {
            text.push_str(", ");
        }
        text.push_str(&shown_path(name));
    }
    if left_out > 0 {
        text.push_str(&format!(" and {left_out} more"));
    }
    if text.is_empty() { "none".into() } else { text }
}
