//! The writer of a run's event log: it owns the chain.
//!
//! An event is one line, and a `write` takes over one line or some that were gathered. When a write fails, what it left
//! is cut off again and the log takes nothing more, so that no later event can follow a lost one. A log has one writer:
//! whoever holds the run's lock.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use researchgym_core::chain::{ChainError, append_line};
use researchgym_core::digest::Digest;
use researchgym_core::event::{Event, Line};

use super::folder::sync_folder;
use super::read::{LogReader, TornTail};
use super::{RunFolder, StoreError};

/// The open log of a run, to append to.
#[derive(Debug)]
pub struct EventLog {
    file: File,
    path: PathBuf,
    next_seq: u64,
    head: Digest,
    /// Lines that are not written yet.
    buffer: Vec<u8>,
    written: Written,
    poisoned: bool,
}

/// What the kernel has.
#[derive(Clone, Copy, Debug)]
struct Written {
    next_seq: u64,
    head: Digest,
    length: u64,
}

impl EventLog {
    /// Starts the log of a new run. Its first event must be `RunStarted`.
    pub fn create(folder: &RunFolder) -> Result<EventLog, StoreError> {
        let path = folder.events();
        let mut options = OpenOptions::new();
        options.append(true).create_new(true).mode(0o600);
        let file = options.open(&path).map_err(StoreError::io("create", &path))?;
        sync_folder(folder.root())?;
        Ok(EventLog::at(file, path, 0, Digest::ZERO, 0))
    }

    /// Opens the log of an interrupted or ended run to go on with it, and gives what it holds.
    ///
    /// A torn last line is cut off; its bytes are kept in `events.torn`. A log that was edited, or written by a
    /// newer program, is refused and left as it is. Also removes what a killed writer of blobs left half done.
    pub fn reopen(folder: &RunFolder) -> Result<(EventLog, Vec<Line>, Option<TornTail>), StoreError> {
        let mut lines = Vec::new();
        let (log, torn) = EventLog::reopen_seeing(folder, |line| {
            lines.push(line);
            Ok::<(), StoreError>(())
        })?;
        Ok((log, lines, torn))
    }

    /// The same, with one line after the other for `see`, so that nobody needs to hold all of a long log.
    ///
    /// # Errors
    /// Those of [`EventLog::reopen`], and those of `see`; then the log is left as it is.
    pub fn reopen_seeing<E: From<StoreError>>(
        folder: &RunFolder,
        mut see: impl FnMut(Line) -> Result<(), E>,
    ) -> Result<(EventLog, Option<TornTail>), E> {
        let mut reader = LogReader::open(folder)?;
        let mut count = 0;
        for line in reader.by_ref() {
            see(line?)?;
            count += 1;
        }
        let path = folder.events();
        if count == 0 {
            return Err(StoreError::EmptyLog { path }.into());
        }
        let mut options = OpenOptions::new();
        let file = options.read(true).append(true).open(&path).map_err(StoreError::io("open", &path))?;
        let mut log = EventLog::at(file, path, count, reader.head(), reader.whole_bytes());
        let torn = reader.torn();
        if torn.is_some() {
            log.cut_torn_tail(folder)?;
        }
        super::remove_unfinished(folder.root())?;
        Ok((log, torn))
    }

    fn at(file: File, path: PathBuf, next_seq: u64, head: Digest, length: u64) -> EventLog {
        let written = Written { next_seq, head, length };
        EventLog { file, path, next_seq, head, buffer: Vec::new(), written, poisoned: false }
    }

    fn cut_torn_tail(&mut self, folder: &RunFolder) -> Result<(), StoreError> {
        let kept_path = folder.torn();
        let mut options = OpenOptions::new();
        let mut kept = options
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&kept_path)
            .map_err(StoreError::io("create", &kept_path))?;
        self.file.seek(SeekFrom::Start(self.written.length)).map_err(StoreError::io("read", &self.path))?;
        io::copy(&mut self.file, &mut kept)
            .and_then(|_| kept.write_all(b"\n"))
            .and_then(|()| kept.sync_data())
            .map_err(StoreError::io("write", &kept_path))?;
        self.file
            .set_len(self.written.length)
            .and_then(|()| self.file.sync_data())
            .map_err(StoreError::io("cut", &self.path))
    }

    /// Appends one event and gives the line as it stands in the log. The kernel has it when this returns; the disk
    /// has it after [`EventLog::sync`].
    ///
    /// An event that cannot be encoded, or a first event other than `RunStarted`, is refused without harm. After a
    /// failed write every later append fails too.
    pub fn append(&mut self, time: &str, event: Event) -> Result<Line, StoreError> {
        self.append_hiding(time, event, |_| None)
    }

    /// The same, where `hide` may put another event into the place of one in whose text it finds what must not be written
    /// down. It is asked about the encoded line, so that an event without any is encoded once.
    pub(crate) fn append_hiding(
        &mut self,
        time: &str,
        event: Event,
        hide: impl FnOnce(&[u8]) -> Option<Event>,
    ) -> Result<Line, StoreError> {
        let line = self.gather_hiding(time, event, hide)?;
        self.flush()?;
        Ok(line)
    }

    /// Appends one event that the kernel has only after the next [`EventLog::flush`] or append.
    ///
    /// # Errors
    /// Those of [`EventLog::append`], but for writing.
    pub fn gather(&mut self, time: &str, event: Event) -> Result<Line, StoreError> {
        self.gather_hiding(time, event, |_| None)
    }

    /// The same, hiding as [appending](EventLog::append_hiding) does.
    pub(crate) fn gather_hiding(
        &mut self,
        time: &str,
        event: Event,
        hide: impl FnOnce(&[u8]) -> Option<Event>,
    ) -> Result<Line, StoreError> {
        if self.poisoned {
            return Err(StoreError::Poisoned { path: self.path.clone() });
        }
        if (self.next_seq == 0) != matches!(event, Event::RunStarted(_)) {
            return Err(self.line_error(ChainError::Start));
        }
        let mut line = Line { seq: self.next_seq, prev: self.head, time: time.to_owned(), event };
        let unwritable = |source| StoreError::Encode { path: self.path.clone(), source };
        let start = self.buffer.len();
        let mut digest = append_line(&line, &mut self.buffer).map_err(unwritable)?;
        if let Some(event) = hide(&self.buffer[start..]) {
            self.buffer.truncate(start);
            line.event = event;
            digest = append_line(&line, &mut self.buffer).map_err(unwritable)?;
        }
        self.buffer.push(b'\n');
        self.next_seq += 1;
        self.head = digest;
        Ok(line)
    }

    /// Whether the kernel does not have all lines.
    pub(crate) fn is_gathering(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// Writes what was gathered: one `write`; a short one means that the disk is full, and the second attempt says so.
    ///
    /// # Errors
    /// It cannot be written: all that was gathered is lost, and the log takes nothing more.
    pub fn flush(&mut self) -> Result<(), StoreError> {
        let lines = std::mem::take(&mut self.buffer);
        if self.poisoned && !lines.is_empty() {
            return Err(StoreError::Poisoned { path: self.path.clone() });
        }
        if let Err(error) = self.file.write_all(&lines) {
            self.poisoned = true;
            let Written { next_seq, head, length } = self.written;
            (self.next_seq, self.head) = (next_seq, head);
            let _ = self.file.set_len(length);
            return Err(StoreError::io("append to", &self.path)(error));
        }
        let length = self.written.length + lines.len() as u64;
        self.written = Written { next_seq: self.next_seq, head: self.head, length };
        self.buffer = lines;
        self.buffer.clear();
        Ok(())
    }

    /// Waits until the disk has all events. Whoever needs the blobs that they name calls [`super::Blobs::sync_pending`]
    /// first, so that no durable event names a blob that is not.
    pub fn sync(&mut self) -> Result<(), StoreError> {
        self.flush()?;
        self.file.sync_data().map_err(|error| {
            // After a failed sync the kernel may have dropped the pages: nothing may build on them.
            self.poisoned = true;
            StoreError::io("sync", &self.path)(error)
        })
    }

    /// Another handle of the file, for whoever waits for the disk elsewhere.
    pub(crate) fn second_handle(&self) -> Result<File, StoreError> {
        self.file.try_clone().map_err(StoreError::io("open a second time", &self.path))
    }

    /// Takes nothing more: a sync elsewhere has failed.
    pub(crate) fn poison(&mut self) {
        self.poisoned = true;
    }

    /// The hash of the last line: `log_head`.
    pub fn head(&self) -> Digest {
        self.head
    }

    /// The number that the next event gets: how many there are.
    pub fn next_seq(&self) -> u64 {
        self.next_seq
    }

    fn line_error(&self, source: ChainError) -> StoreError {
        StoreError::Line { path: self.path.clone(), number: self.next_seq + 1, source }
    }
}
