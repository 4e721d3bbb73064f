//! The folder of a gateway by itself: `calls.jsonl`, one event a line, and `blobs/` with what is too long for a line.
//!
//! A line that a dying process left half written is cut off and kept in `calls.torn`. A line that cannot be read is not
//! skipped: what was spent would be unknown.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use researchgym_core::action::Body;
use researchgym_core::event::Event;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::super::room::Room;
use crate::store::{Blobs, StoreError, event_time, sync_folder};

/// The open log.
pub(super) struct Journal {
    file: File,
    path: PathBuf,
    length: u64,
    blobs: Blobs,
    room: Room,
}

/// A log and what it holds.
pub(super) struct Opened {
    pub(super) journal: Journal,
    pub(super) events: Vec<Event>,
}

/// One line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    /// Wall clock in UTC, RFC 3339 with milliseconds.
    time: String,
    /// What happened.
    event: Event,
}

/// The log of a gateway cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file system refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Another process has it.
    #[error("`{}` is in use by another process", .0.display())]
    InUse(PathBuf),
    /// A line is no event.
    #[error("{}:{line}: {source}", path.display())]
    Line {
        /// The log.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// An event does not fit those before it.
    #[error("{}:{line}: this event cannot follow those before it", path.display())]
    Order {
        /// The log.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// The log takes no more.
    #[error("{message}")]
    Unwritable {
        /// Why.
        message: String,
    },
}

impl Journal {
    /// Opens the log in a folder, making both if they are not there.
    pub(super) fn open(folder: &Path) -> Result<Opened, JournalError> {
        let blobs = folder.join("blobs");
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700).create(&blobs).map_err(StoreError::io("create", &blobs))?;
        let path = folder.join("calls.jsonl");
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true).mode(0o600);
        let mut file = options.open(&path).map_err(StoreError::io("open", &path))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Err(JournalError::InUse(path)),
            Err(errno) => return Err(StoreError::io("lock", &path)(errno.into()).into()),
        }
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(StoreError::io("read", &path))?;
        let whole = text.iter().rposition(|&byte| byte == b'\n').map_or(0, |last| last + 1);
        let length = whole as u64;
        let mut journal =
            Journal { file, path, length, blobs: Blobs::at(blobs), room: Room::on_disk(folder.to_owned()) };
        if whole < text.len() {
            journal.cut(&text[whole..], &folder.join("calls.torn"))?;
        }
        sync_folder(folder)?;
        let mut events = Vec::new();
        for (number, line) in text[..whole].split_inclusive(|&byte| byte == b'\n').enumerate() {
            let read: Line = serde_json::from_slice(line).map_err(|source| JournalError::Line {
                path: journal.path.clone(),
                line: number + 1,
                source,
            })?;
            events.push(read.event);
        }
        Ok(Opened { journal, events })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What may be kept.
    pub(super) fn room(&self) -> &Room {
        &self.room
    }

    /// Keeps bytes for an event.
    pub(super) fn body(&self, bytes: &[u8]) -> Result<Body, StoreError> {
        self.blobs.body(bytes)
    }

    /// Appends an event: the kernel has it when this returns, the disk after [`Journal::sync`].
    pub(super) fn append(&mut self, event: &Event) -> Result<(), JournalError> {
        let line = Line { time: event_time(jiff::Timestamp::now()), event: event.clone() };
        let mut text = serde_json::to_vec(&line)
            .map_err(|error| JournalError::Unwritable { message: error.to_string() })?;
        text.push(b'\n');
        if let Err(error) = self.file.write_all(&text) {
            let _ = self.file.set_len(self.length);
            return Err(StoreError::io("append to", &self.path)(error).into());
        }
        self.length += text.len() as u64;
        Ok(())
    }

    /// Waits until the disk has all events and what they name.
    pub(super) fn sync(&mut self) -> Result<(), JournalError> {
        self.blobs.sync_pending()?;
        self.file.sync_data().map_err(StoreError::io("sync", &self.path))?;
        Ok(())
    }

    /// Cuts off a torn last line and keeps it.
    fn cut(&mut self, torn: &[u8], kept_path: &Path) -> Result<(), StoreError> {
        let mut options = OpenOptions::new();
        options.append(true).create(true).mode(0o600);
        let mut kept = options.open(kept_path).map_err(StoreError::io("create", kept_path))?;
        let write = |kept: &mut File| -> io::Result<()> {
            kept.write_all(torn)?;
            kept.write_all(b"\n")?;
            kept.sync_data()
        };
        write(&mut kept).map_err(StoreError::io("write", kept_path))?;
        self.file.set_len(self.length).map_err(StoreError::io("cut", &self.path))?;
        self.file.seek(SeekFrom::End(0)).map_err(StoreError::io("read", &self.path))?;
        self.file.sync_data().map_err(StoreError::io("sync", &self.path))
    }
}

/// In the place of bytes that nobody keeps.
pub(super) fn unrecorded() -> Body {
    Body::Text(String::new())
}
