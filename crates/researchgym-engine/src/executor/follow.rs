//! Reading a run's log while somebody else writes it, for who watches from another machine.
//!
//! Only whole lines are read, each once and with the chain checked. The file is opened anew each time: that is when shared
//! file systems look what is new.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};

use researchgym_core::chain::{MAX_LINE_BYTES, check_line};
use researchgym_core::digest::Digest;
use researchgym_core::failure::{Boundary, Failure};
use researchgym_core::result::{Context, RunResult};
use researchgym_core::state::RunState;

use crate::session::Observer;
use crate::store::{RunFolder, StoreError};

/// What is read at a time.
const PIECE: usize = 1 << 20;

/// Follows one run.
pub(crate) struct Follower {
    folder: RunFolder,
    observer: Observer,
    state: Option<RunState>,
    offset: u64,
    head: Digest,
    lines: u64,
    /// The beginning of a line whose end has not been read.
    rest: Vec<u8>,
}

impl Follower {
    /// Begins at the log's beginning. Nothing is read yet.
    pub(crate) fn new(folder: RunFolder, observer: Observer) -> Follower {
        Follower { folder, observer, state: None, offset: 0, head: Digest::ZERO, lines: 0, rest: Vec::new() }
    }

    /// How the run stands by what was read.
    pub(crate) fn state(&self) -> Option<&RunState> {
        self.state.as_ref()
    }

    /// Reads what is there without telling anybody: it is not news.
    ///
    /// # Errors
    /// See [`Follower::read`].
    pub(crate) fn catch_up(&mut self) -> Result<(), Failure> {
        let silent: Observer = std::sync::Arc::new(|_, _| {});
        let observer = std::mem::replace(&mut self.observer, silent);
        let read = self.read();
        self.observer = observer;
        read
    }

    /// Reads what is new and tells it.
    ///
    /// # Errors
    /// The log cannot be read, or is not what was written.
    pub(crate) fn read(&mut self) -> Result<(), Failure> {
        let path = self.folder.events();
        let mut file = File::open(&path).map_err(StoreError::io("open", &path))?;
        file.seek(SeekFrom::Start(self.offset)).map_err(StoreError::io("read", &path))?;
        let mut piece = vec![0; PIECE];
        // A torn line is cut off by whoever goes on with the run: what was read of it is read again.
        self.rest.clear();
        loop {
            let length = match file.read(&mut piece) {
                Ok(0) => return Ok(()),
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(StoreError::io("read", &path)(error).into()),
            };
            let mut new = &piece[..length];
            while let Some(end) = new.iter().position(|&byte| byte == b'\n') {
                self.rest.extend_from_slice(&new[..end]);
                new = &new[end + 1..];
                self.take()?;
            }
            self.rest.extend_from_slice(new);
            if self.rest.len() > MAX_LINE_BYTES {
                return Err(Failure::new(Boundary::Store, format!("{}: an endless line", path.display())));
            }
        }
    }

    /// Takes the line in `rest`.
    fn take(&mut self) -> Result<(), Failure> {
        let path = self.folder.events();
        let number = self.lines + 1;
        let (line, digest) = check_line(&self.rest, self.lines, self.head)
            .map_err(|source| StoreError::Line { path, number, source })?;
        let impossible = |error: researchgym_core::state::StateError| {
            Failure::new(Boundary::Store, format!("run {}: {error}", self.folder.id()))
        };
        match &mut self.state {
            Some(state) => state.apply(&line).map_err(impossible)?,
            None => self.state = Some(RunState::start(&line).map_err(impossible)?),
        }
        if let Some(state) = &self.state {
            (self.observer)(&line, state);
        }
        self.offset += self.rest.len() as u64 + 1;
        self.rest.clear();
        self.head = digest;
        self.lines = number;
        Ok(())
    }

    /// The run's result by what was read.
    pub(crate) fn result(&self) -> Option<RunResult> {
        let context = Context {
            run: self.folder.root().display().to_string(),
            log_head: self.head,
            is_running: self.folder.is_locked(),
            segment_ms: Some(0),
        };
        self.state.as_ref().map(|state| RunResult::of(state, context))
    }
}

#[cfg(test)]
mod tests;
