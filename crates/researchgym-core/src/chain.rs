//! The chain that joins the lines of an event log: each line carries the SHA-256 of the line before it.
//!
//! What the chain detects: any change, removal, insertion or reordering of lines that are followed by another
//! line. What it does not: a change of the last line that leaves it a valid event, lines cut off the end, and a log
//! rewritten whole. Those are seen by comparing the last line's hash with the `log_head` that a result printed.

use memchr::memmem;

use crate::digest::Digest;
use crate::event::{Event, Line};
use crate::spec::SCHEMA;

/// The longest line that is written or read, without its newline.
pub const MAX_LINE_BYTES: usize = 16 * 1024 * 1024;

/// An event cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// JSON has no such number; read back, the event would be another one.
    #[error("the event holds a number that is not finite")]
    NotFinite,
    /// Longer than [`MAX_LINE_BYTES`]: something that belongs into a blob.
    #[error("the event is {0} bytes long, more than the {MAX_LINE_BYTES} that a line may have")]
    TooLong(usize),
    /// The encoder refused it.
    #[error("the event cannot be written as JSON")]
    Json(#[source] serde_json::Error),
}

/// A line is not the one that belongs here. Lines are numbered from 1, as editors do.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// Longer than [`MAX_LINE_BYTES`].
    #[error("longer than the {MAX_LINE_BYTES} bytes that a line may have")]
    TooLong,
    /// Not an event of this schema.
    #[error("not an event: {0}")]
    NotAnEvent(String),
    /// Written by a newer program.
    #[error(
        "written by a newer version of researchgym (schema {found}); this one reads {SCHEMA}: update researchgym"
    )]
    Newer {
        /// The schema that the log names.
        found: u32,
    },
    /// The first line is something else, or a later one starts the run again.
    #[error("`run_started` must be the first event and only the first")]
    Start,
    /// A line is missing, doubled or in the wrong place.
    #[error("holds event {found} where event {expected} belongs: lines were removed, added or reordered")]
    OutOfOrder {
        /// The number that belongs here.
        expected: u64,
        /// The number that stands here.
        found: u64,
    },
    /// The hash does not fit.
    #[error(
        "its `prev` is not the hash of the line before it: one of the two was changed after it was written"
    )]
    Broken,
}

/// The line's exact bytes without a newline, and their hash.
pub fn encode_line(line: &Line) -> Result<(Vec<u8>, Digest), EncodeError> {
    let mut text = Vec::new();
    let digest = append_line(line, &mut text)?;
    Ok((text, digest))
}

/// Appends the line's exact bytes without a newline to a buffer, and gives their hash. What is refused leaves the buffer as
/// it was.
pub fn append_line(line: &Line, buffer: &mut Vec<u8>) -> Result<Digest, EncodeError> {
    let start = buffer.len();
    let appended = write_line(line, buffer);
    if appended.is_err() {
        buffer.truncate(start);
    }
    appended
}

fn write_line(line: &Line, buffer: &mut Vec<u8>) -> Result<Digest, EncodeError> {
    let start = buffer.len();
    serde_json::to_writer(&mut *buffer, line).map_err(EncodeError::Json)?;
    let text = &buffer[start..];
    if text.len() > MAX_LINE_BYTES {
        return Err(EncodeError::TooLong(text.len()));
    }
    // The encoder writes `null` for a number that is not finite. Only then is reading back worth its time.
    if may_hold_no_number(text) && serde_json::from_slice::<Line>(text).ok().as_ref() != Some(line) {
        return Err(EncodeError::NotFinite);
    }
    Ok(Digest::of(text))
}

/// Whether there is a `null` other than the one with which scores say that they have no fault. What stands before that
/// one is the end of an object, and before a number within an object never is.
fn may_hold_no_number(text: &[u8]) -> bool {
    let count = |wanted: &str| memmem::find_iter(text, wanted).count();
    let nulls = count("null");
    nulls > 0 && nulls > count("},\"invalid\":null")
}

/// Reads one line without its newline, whatever its place.
pub fn parse_line(bytes: &[u8]) -> Result<Line, ChainError> {
    if bytes.len() > MAX_LINE_BYTES {
        return Err(ChainError::TooLong);
    }
    serde_json::from_slice(bytes).map_err(|error| match newer_schema(bytes) {
        Some(found) => ChainError::Newer { found },
        None => ChainError::NotAnEvent(error.to_string()),
    })
}

/// Whether the line belongs at this place.
pub fn check_place(line: &Line, expected_seq: u64, expected_prev: Digest) -> Result<(), ChainError> {
    if let Event::RunStarted(started) = &line.event
        && started.schema > SCHEMA
    {
        return Err(ChainError::Newer { found: started.schema });
    }
    if line.seq != expected_seq {
        return Err(ChainError::OutOfOrder { expected: expected_seq, found: line.seq });
    }
    if line.prev != expected_prev {
        return Err(ChainError::Broken);
    }
    if (expected_seq == 0) != matches!(line.event, Event::RunStarted(_)) {
        return Err(ChainError::Start);
    }
    Ok(())
}

/// Reads one line without its newline, checks that it belongs here and hashes it.
pub fn check_line(
    bytes: &[u8],
    expected_seq: u64,
    expected_prev: Digest,
) -> Result<(Line, Digest), ChainError> {
    let line = parse_line(bytes)?;
    check_place(&line, expected_seq, expected_prev)?;
    Ok((line, Digest::of(bytes)))
}

/// The schema that a first line names, if it is newer than ours. The rest of such a line may be unreadable for us.
fn newer_schema(bytes: &[u8]) -> Option<u32> {
    #[derive(serde::Deserialize)]
    struct AnyLine {
        event: AnyStart,
    }
    #[derive(serde::Deserialize)]
    struct AnyStart {
        schema: u32,
    }
    let line: AnyLine = serde_json::from_slice(bytes).ok()?;
    (line.event.schema > SCHEMA).then_some(line.event.schema)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(seq: u64, prev: Digest, text: &str) -> Line {
        let event = Event::Noted { text: text.to_owned() };
        Line { seq, prev, time: "2026-11-21T12:00:00.000Z".to_owned(), event }
    }

    #[test]
    fn a_line_is_read_back_and_hashed_without_its_newline() {
        let prev = Digest::of(b"before");
        let written = line(4, prev, "two\nlines");
        let (text, digest) = encode_line(&written).unwrap();
        assert!(!text.contains(&b'\n'));
        assert_eq!(digest, Digest::of(&text));
        assert_eq!(check_line(&text, 4, prev).unwrap(), (written, digest));
    }

    #[test]
    fn a_line_elsewhere_is_refused() {
        let prev = Digest::of(b"before");
        let (text, _) = encode_line(&line(4, prev, "x")).unwrap();
        let check = |seq, prev| check_line(&text, seq, prev).unwrap_err();
        assert!(matches!(check(5, prev), ChainError::OutOfOrder { expected: 5, found: 4 }));
        assert!(matches!(check(4, Digest::ZERO), ChainError::Broken));
        let (first, _) = encode_line(&line(0, Digest::ZERO, "x")).unwrap();
        assert!(matches!(check_line(&first, 0, Digest::ZERO), Err(ChainError::Start)));
    }
}
