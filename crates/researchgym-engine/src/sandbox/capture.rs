//! Where output goes: head and tail in memory, the whole streamed to a file beside the blobs.

use std::io;
use std::path::{Path, PathBuf};

use researchgym_core::digest::Digest;
use researchgym_core::observation::{Captured, SHOWN_HEAD_BYTES, SHOWN_TAIL_BYTES};
use sha2::{Digest as _, Sha256};

/// The two output streams of one command, or the content of one file (in `stdout`).
pub struct Capture {
    /// Standard output.
    pub stdout: Stream,
    /// Standard error.
    pub stderr: Stream,
}

impl Capture {
    /// Keeps long output in `blob_folder`, under the name of its hash. The folder must exist.
    pub fn new(blob_folder: &Path) -> Capture {
        Capture { stdout: Stream::new(blob_folder), stderr: Stream::new(blob_folder) }
    }

    /// Ends both streams: standard output, standard error.
    pub fn finish(self) -> io::Result<(Captured, Captured)> {
        Ok((self.stdout.finish()?, self.stderr.finish()?))
    }
}

/// One stream. Memory is bounded by what is shown; a file exists only once there is more than that.
pub struct Stream {
    blob_folder: PathBuf,
    head: Vec<u8>,
    tail: Vec<u8>,
    received: u64,
    dropped: u64,
    spill: Option<Spill>,
    failed: Option<io::Error>,
}

struct Spill {
    file: tempfile::NamedTempFile,
    hasher: Sha256,
}

impl Stream {
    fn new(blob_folder: &Path) -> Stream {
        Stream {
            blob_folder: blob_folder.to_owned(),
            head: Vec::new(),
            tail: Vec::new(),
            received: 0,
            dropped: 0,
            spill: None,
            failed: None,
        }
    }

    /// Takes the next bytes. A failing disk is reported by [`Capture::finish`].
    pub fn push(&mut self, bytes: &[u8]) {
        self.received += bytes.len() as u64;
        if self.spill.is_none() && self.head.len() + bytes.len() <= SHOWN_HEAD_BYTES + SHOWN_TAIL_BYTES {
            self.head.extend_from_slice(bytes);
            return;
        }
        if let Err(error) = self.spill(bytes) {
            self.failed.get_or_insert(error);
        }
        self.tail.extend_from_slice(&bytes[bytes.len().saturating_sub(SHOWN_TAIL_BYTES)..]);
        let surplus = self.tail.len().saturating_sub(SHOWN_TAIL_BYTES);
        self.tail.drain(..surplus);
    }

    fn spill(&mut self, bytes: &[u8]) -> io::Result<()> {
        use io::Write as _;
        if self.failed.is_some() {
            return Ok(());
        }
        if self.spill.is_none() {
            let mut file = tempfile::Builder::new().prefix(".output-").tempfile_in(&self.blob_folder)?;
            file.write_all(&self.head)?;
            let hasher = Sha256::new_with_prefix(&self.head);
            self.spill = Some(Spill { file, hasher });
            self.tail = self.head.split_off(SHOWN_HEAD_BYTES.min(self.head.len()));
        }
        if let Some(spill) = &mut self.spill {
            spill.file.write_all(bytes)?;
            spill.hasher.update(bytes);
        }
        Ok(())
    }

    /// Counts bytes that existed but were not kept.
    pub fn drop_bytes(&mut self, bytes: u64) {
        self.dropped += bytes;
    }

    /// Bytes seen so far, kept or not.
    pub fn bytes(&self) -> u64 {
        self.received + self.dropped
    }

    /// Ends the stream; the whole becomes a blob if it is more than what is shown.
    pub fn finish(self) -> io::Result<Captured> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let bytes = self.received + self.dropped;
        let text = Captured::shown(&self.head, &self.tail, bytes);
        let exact = self.dropped == 0 && self.spill.is_none() && text.as_bytes() == self.head.as_slice();
        let blob = match self.spill {
            Some(spill) => Some(keep(spill, &self.blob_folder)?),
            None if exact => None,
            None => {
                use io::Write as _;
                let mut file = tempfile::Builder::new().prefix(".output-").tempfile_in(&self.blob_folder)?;
                file.write_all(&self.head)?;
                Some(keep(Spill { file, hasher: Sha256::new_with_prefix(&self.head) }, &self.blob_folder)?)
            }
        };
        Ok(Captured { text, bytes, blob, dropped: self.dropped })
    }
}

fn keep(spill: Spill, blob_folder: &Path) -> io::Result<Digest> {
    let digest = Digest::from_bytes(spill.hasher.finalize().into());
    match spill.file.persist_noclobber(blob_folder.join(digest.to_string())) {
        Ok(_) => Ok(digest),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(digest),
        Err(error) => Err(error.error),
    }
}
