//! Reading an event log line by line, checking the chain on the way. Never writes, and may run beside the writer.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::path::PathBuf;

use researchgym_core::chain::{ChainError, MAX_LINE_BYTES, check_line};
use researchgym_core::digest::Digest;
use researchgym_core::event::Line;
use researchgym_core::record::{Origin, RunRecord};

use super::imported::read_record;
use super::{RunFolder, StoreError};
use crate::hold;

/// Bytes at the end of a log that are not a whole line: the writer died, or is writing right now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TornTail {
    /// The number the line would have, from 1.
    pub line: u64,
    /// How many bytes there are.
    pub bytes: u64,
}

/// A whole log.
#[derive(Clone, Debug, PartialEq)]
pub struct LogReading {
    /// Its events in order.
    pub lines: Vec<Line>,
    /// The hash of the last whole line: `log_head`.
    pub head: Digest,
    /// What follows the last whole line, if anything.
    pub torn: Option<TornTail>,
}

/// Reads a whole log and checks its chain. The first line that is not what was written is an error that names it.
pub fn read_log(folder: &RunFolder) -> Result<LogReading, StoreError> {
    let mut reader = LogReader::open(folder)?;
    let lines: Vec<Line> = reader.by_ref().collect::<Result<_, _>>()?;
    if lines.is_empty() {
        return Err(StoreError::EmptyLog { path: folder.events() });
    }
    Ok(LogReading { lines, head: reader.head(), torn: reader.torn() })
}

/// The events of a log one after the other; ends at the first error.
#[derive(Debug)]
pub struct LogReader {
    reader: BufReader<File>,
    path: PathBuf,
    lines: u64,
    head: Digest,
    whole_bytes: u64,
    torn: Option<TornTail>,
    ended: bool,
    buffer: Vec<u8>,
}

/// Why there is no log in a folder.
fn no_log(folder: &RunFolder) -> StoreError {
    match read_record(folder) {
        Ok(RunRecord { origin: Origin::Foreign { program, .. }, .. }) => {
            StoreError::Imported { id: folder.id().to_owned(), program }
        }
        Ok(_) | Err(StoreError::NotImported { .. }) => StoreError::NoLog { path: folder.events() },
        Err(error) => error,
    }
}

impl LogReader {
    /// Opens the log of a run.
    pub fn open(folder: &RunFolder) -> Result<LogReader, StoreError> {
        let path = folder.events();
        let file = hold::open_file(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => no_log(folder),
            _ => StoreError::io("open", &path)(error),
        })?;
        Ok(LogReader {
            reader: BufReader::with_capacity(256 * 1024, file),
            path,
            lines: 0,
            head: Digest::ZERO,
            whole_bytes: 0,
            torn: None,
            ended: false,
            buffer: Vec::new(),
        })
    }

    /// The hash of the last line that was read.
    pub fn head(&self) -> Digest {
        self.head
    }

    /// What follows the last whole line; known when the iterator has ended.
    pub fn torn(&self) -> Option<TornTail> {
        self.torn
    }

    /// Length of the lines that were read, with their newlines.
    pub(super) fn whole_bytes(&self) -> u64 {
        self.whole_bytes
    }

    /// The next whole line without its newline and unchecked, with its number from 1.
    pub(super) fn next_raw(&mut self) -> Result<Option<(u64, &[u8])>, StoreError> {
        self.buffer.clear();
        let mut length: u64 = 0;
        loop {
            let available = match self.reader.fill_buf() {
                Ok(available) => available,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(StoreError::io("read", &self.path)(error)),
            };
            if available.is_empty() {
                self.torn = (length > 0).then_some(TornTail { line: self.lines + 1, bytes: length });
                return Ok(None);
            }
            let newline = available.iter().position(|byte| *byte == b'\n');
            let part = &available[..newline.unwrap_or(available.len())];
            length += part.len() as u64;
            // Beyond the bound only the length is of interest: an endless torn tail must not fill the memory.
            if length <= MAX_LINE_BYTES as u64 {
                self.buffer.extend_from_slice(part);
            }
            let consumed = part.len() + usize::from(newline.is_some());
            self.reader.consume(consumed);
            if newline.is_some() {
                break;
            }
        }
        self.lines += 1;
        self.whole_bytes += length + 1;
        if length > MAX_LINE_BYTES as u64 {
            return Err(StoreError::Line {
                path: self.path.clone(),
                number: self.lines,
                source: ChainError::TooLong,
            });
        }
        Ok(Some((self.lines, &self.buffer)))
    }

    fn next_line(&mut self) -> Result<Option<Line>, StoreError> {
        let (expected_seq, expected_prev) = (self.lines, self.head);
        let Some((number, bytes)) = self.next_raw()? else { return Ok(None) };
        match check_line(bytes, expected_seq, expected_prev) {
            Ok((line, digest)) => {
                self.head = digest;
                Ok(Some(line))
            }
            Err(source) => Err(StoreError::Line { path: self.path.clone(), number, source }),
        }
    }
}

impl Iterator for LogReader {
    type Item = Result<Line, StoreError>;

    fn next(&mut self) -> Option<Result<Line, StoreError>> {
        if self.ended {
            return None;
        }
        let next = self.next_line().transpose();
        self.ended = !matches!(next, Some(Ok(_)));
        next
    }
}
