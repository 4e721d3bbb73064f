//! Comma-separated values as RFC 4180 has them, in UTF-8: a line of names, lines that end with CR LF, quotes where they are
//! needed. Null is nothing; an empty text is a pair of quotes.
//!
//! Cells are written as they are, also those of agents: a spreadsheet may take a text that begins with `=` for a formula.

use std::io::{self, Write};

use super::column::Cell;

/// Writes one line.
pub(super) fn line<'a>(out: &mut impl Write, cells: impl Iterator<Item = Cell<'a>>) -> io::Result<()> {
    for (at, cell) in cells.enumerate() {
        if at > 0 {
            out.write_all(b",")?;
        }
        one(out, &cell)?;
    }
    out.write_all(b"\r\n")
}

fn one(out: &mut impl Write, cell: &Cell<'_>) -> io::Result<()> {
    match cell {
        Cell::Null => Ok(()),
        Cell::Text(text) => quoted(out, text),
        Cell::Integer(number) => write!(out, "{number}"),
        Cell::Natural(number) => write!(out, "{number}"),
        // The shortest text that is read back as the same number.
        Cell::Number(number) => write!(out, "{number:?}"),
        Cell::Truth(truth) => write!(out, "{truth}"),
        Cell::Time(time) => match jiff::Timestamp::from_millisecond(*time) {
            Ok(time) => write!(out, "{time:.3}"),
            Err(_) => Ok(()),
        },
    }
}

fn quoted(out: &mut impl Write, text: &str) -> io::Result<()> {
    let is_plain = !text.is_empty() && !text.contains([',', '"', '\r', '\n']) && text.trim() == text;
    if is_plain {
        return out.write_all(text.as_bytes());
    }
    out.write_all(b"\"")?;
    for (at, part) in text.split('"').enumerate() {
        if at > 0 {
            out.write_all(b"\"\"")?;
        }
        out.write_all(part.as_bytes())?;
    }
    out.write_all(b"\"")
}
