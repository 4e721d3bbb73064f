//! Where output goes: head and tail in memory, the whole streamed to a file beside the blobs.

use std::io::{self, Write as _};
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
    /// Keeps of each stream at most so many bytes on disk; what is shown is kept in any case.
    pub fn at_most(mut self, bytes: u64) -> Capture {
        let bytes = bytes.max((SHOWN_HEAD_BYTES + SHOWN_TAIL_BYTES) as u64);
        (self.stdout.keeps, self.stderr.keeps) = (bytes, bytes);
        self
    }

    /// Keeps of each stream at most so many bytes on disk, or less if that was said before.
    pub(crate) fn keep_at_most(&mut self, bytes: u64) {
        for stream in [&mut self.stdout, &mut self.stderr] {
            stream.keeps = stream.keeps.min(bytes);
        }
    }

    /// Keeps long output in `blob_folder`, under the name of its hash. The folder must exist.
    pub fn new(blob_folder: &Path) -> Capture {
        Capture { stdout: Stream::new(blob_folder), stderr: Stream::new(blob_folder) }
    }

    /// Hands everything that comes on standard output on, as it comes.
    pub(crate) fn tapped(mut self, tap: impl FnMut(&[u8]) + Send + 'static) -> Capture {
        self.stdout.tap = Some(Box::new(tap));
        self
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
    /// The most that may be on disk.
    keeps: u64,
    /// Received, but not kept.
    unkept: u64,
    spill: Option<Spill>,
    failed: Option<io::Error>,
    /// Is told everything too.
    tap: Option<Tap>,
}

/// Is told bytes as they come.
type Tap = Box<dyn FnMut(&[u8]) + Send>;

struct Spill {
    file: tempfile::NamedTempFile,
    bytes: u64,
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
            keeps: u64::MAX,
            unkept: 0,
            spill: None,
            failed: None,
            tap: None,
        }
    }

    /// Takes the next bytes. A failing disk is reported by [`Capture::finish`].
    pub fn push(&mut self, bytes: &[u8]) {
        self.received += bytes.len() as u64;
        if let Some(tap) = &mut self.tap {
            tap(bytes);
        }
        if self.spill.is_some() || self.received > (SHOWN_HEAD_BYTES + SHOWN_TAIL_BYTES) as u64 {
            // The file gets what is in memory first: before these bytes are added to it.
            if let Err(error) = self.spill(bytes) {
                self.failed.get_or_insert(error);
            }
        }
        let room = SHOWN_HEAD_BYTES - self.head.len();
        let (first, rest) = bytes.split_at(bytes.len().min(room));
        self.head.extend_from_slice(first);
        self.tail.extend_from_slice(&rest[rest.len().saturating_sub(SHOWN_TAIL_BYTES)..]);
        let surplus = self.tail.len().saturating_sub(SHOWN_TAIL_BYTES);
        self.tail.drain(..surplus);
    }

    fn spill(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.failed.is_some() {
            return Ok(());
        }
        if self.spill.is_none() {
            self.spill = Some(self.start_file()?);
        }
        if let Some(spill) = &mut self.spill {
            let room = usize::try_from(self.keeps.saturating_sub(spill.bytes)).unwrap_or(usize::MAX);
            let (kept, rest) = bytes.split_at(bytes.len().min(room));
            self.unkept += rest.len() as u64;
            spill.file.write_all(kept)?;
            spill.hasher.update(kept);
            spill.bytes += kept.len() as u64;
        }
        Ok(())
    }

    /// A file with what is in memory, which is everything until then.
    fn start_file(&self) -> io::Result<Spill> {
        let mut file = tempfile::Builder::new().prefix(".output-").tempfile_in(&self.blob_folder)?;
        file.write_all(&self.head)?;
        file.write_all(&self.tail)?;
        let hasher = Sha256::new_with_prefix(&self.head).chain_update(&self.tail);
        Ok(Spill { file, bytes: (self.head.len() + self.tail.len()) as u64, hasher })
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
    pub fn finish(mut self) -> io::Result<Captured> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let bytes = self.bytes();
        let text = Captured::shown(&self.head, &self.tail, bytes);
        let is_whole = text.len() as u64 == bytes && text.as_bytes() == [&self.head[..], &self.tail].concat();
        let blob = match (self.spill.take(), is_whole) {
            (Some(spill), _) => Some(keep(spill, &self.blob_folder)?),
            (None, true) => None,
            (None, false) => Some(keep(self.start_file()?, &self.blob_folder)?),
        };
        Ok(Captured { text, bytes, blob, dropped: self.dropped + self.unkept })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pieces: &[&[u8]], text: &str, is_kept: bool) {
        let folder = tempfile::tempdir().unwrap();
        let mut capture = Capture::new(folder.path());
        pieces.iter().for_each(|piece| capture.stdout.push(piece));
        let (captured, nothing) = capture.finish().unwrap();
        let whole = pieces.concat();
        assert_eq!((captured.text.as_str(), captured.bytes), (text, whole.len() as u64));
        assert_eq!(captured.blob.is_some(), is_kept);
        if let Some(blob) = captured.blob {
            assert_eq!(blob, Digest::of(&whole));
            assert_eq!(std::fs::read(folder.path().join(blob.to_string())).unwrap(), whole);
        }
        assert_eq!(nothing, Captured::default());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), usize::from(is_kept));
    }

    #[test]
    fn short_text_is_all_there_is() {
        check(&[b"one ", b"two"], "one two", false);
        check(&[], "", false);
        let most = "x".repeat(SHOWN_HEAD_BYTES + SHOWN_TAIL_BYTES);
        check(&[most.as_bytes()], &most, false);
    }

    #[test]
    fn what_is_shown_does_not_depend_on_the_pieces() {
        let long: Vec<u8> = (0..40_000).map(|number| b'a' + (number % 23) as u8).collect();
        let text = Captured::shown(
            &long[..SHOWN_HEAD_BYTES],
            &long[long.len() - SHOWN_TAIL_BYTES..],
            long.len() as u64,
        );
        check(&[&long], &text, true);
        check(&long.chunks(7).collect::<Vec<_>>(), &text, true);
        check(&long.chunks(9000).collect::<Vec<_>>(), &text, true);
        check(&[&long[..13_000], &long[13_000..]], &text, true);
    }

    #[test]
    fn no_more_is_kept_than_there_is_room_for() {
        let long: Vec<u8> = (0..40_000).map(|number| b'a' + (number % 23) as u8).collect();
        for (room, kept) in [(0, 4000), (4000, 4000), (9000, 9000), (40_000, 40_000), (50_000, 40_000)] {
            let folder = tempfile::tempdir().unwrap();
            let mut capture = Capture::new(folder.path()).at_most(room);
            long.chunks(700).for_each(|piece| capture.stdout.push(piece));
            let (captured, _) = capture.finish().unwrap();
            let ends = [&long[..SHOWN_HEAD_BYTES], &long[long.len() - SHOWN_TAIL_BYTES..]];
            assert_eq!(captured.text, Captured::shown(ends[0], ends[1], 40_000));
            assert_eq!((captured.bytes, captured.dropped), (40_000, 40_000 - kept as u64));
            let blob = std::fs::read(folder.path().join(captured.blob.unwrap().to_string())).unwrap();
            assert_eq!(blob, long[..kept], "{room}");
        }
    }

    #[test]
    fn what_is_no_text_is_kept_as_it_is() {
        check(&[b"a\0b"], "a\0b", false);
        check(&[b"\xff"], "\u{fffd}", true);
    }
}
