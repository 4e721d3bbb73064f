//! What commands write, on its way to the host: bounded in memory by the host's window, bounded in length by a cap.

use std::os::fd::OwnedFd;

use researchgym_core::wire::{Kind, MAX_CHUNK, WINDOW};
use rustix::io::Errno;

use super::link::{HIGH_WATER, Link};

/// How much each output stream of background jobs is kept between two commands.
const BACKGROUND_BYTES: usize = 64 << 10;
/// How far the window may be overshot; the host cuts off a guest that goes beyond four times that.
const OVERSHOOT: u64 = 1 << 20;

/// The two output streams of one request.
#[derive(Debug)]
pub(crate) struct Output {
    id: u64,
    kept_bytes: u64,
    unacknowledged: u64,
    streams: [Sent; 2],
}

#[derive(Clone, Copy, Debug, Default)]
struct Sent {
    sent: u64,
    dropped: u64,
}

fn index(kind: Kind) -> usize {
    usize::from(kind == Kind::Stderr)
}

/// A pipe that a process writes to.
#[derive(Debug)]
pub(crate) struct Pipe {
    pub stream: OwnedFd,
    /// Whether anybody may still write.
    pub open: bool,
}

impl Pipe {
    pub(crate) fn new(stream: OwnedFd) -> Pipe {
        Pipe { stream, open: true }
    }

    /// Reads once without waiting. Nothing may be there.
    pub(crate) fn read<'a>(&mut self, buffer: &'a mut [u8]) -> &'a [u8] {
        match read_some(&self.stream, buffer) {
            Some(bytes) => {
                self.open = !bytes.is_empty();
                bytes
            }
            None => &[],
        }
    }

    /// Reads what was in it when asked, not what is being written meanwhile.
    pub(crate) fn read_present(&self, mut take: impl FnMut(&[u8])) {
        let mut present = rustix::io::ioctl_fionread(&self.stream).unwrap_or(0) as usize;
        let mut buffer = [0; MAX_CHUNK];
        while present > 0 {
            let wanted = present.min(buffer.len());
            match read_some(&self.stream, &mut buffer[..wanted]) {
                None | Some([]) => return,
                Some(bytes) => {
                    take(bytes);
                    present -= bytes.len();
                }
            }
        }
    }
}

impl Output {
    pub(crate) fn new(id: u64, kept_bytes: u64) -> Output {
        Output { id, kept_bytes, unacknowledged: 0, streams: Default::default() }
    }

    /// Whether more may be read: the host keeps up, or what comes is only counted.
    pub(crate) fn may_read(&self, kind: Kind, link: &Link) -> bool {
        self.streams[index(kind)].sent >= self.kept_bytes
            || (self.unacknowledged < WINDOW && link.backlog() < HIGH_WATER)
    }

    /// Sends what is below the cap, counts the rest.
    pub(crate) fn push(&mut self, kind: Kind, bytes: &[u8], link: &mut Link) {
        let stream = &mut self.streams[index(kind)];
        // What is taken out of pipes without asking (when a command ends) is bounded too.
        let in_window = (WINDOW + OVERSHOOT).saturating_sub(self.unacknowledged);
        let room = usize::try_from(in_window.min(self.kept_bytes - stream.sent)).unwrap_or(usize::MAX);
        let kept = &bytes[..bytes.len().min(room)];
        stream.sent += kept.len() as u64;
        stream.dropped += (bytes.len() - kept.len()) as u64;
        self.unacknowledged += kept.len() as u64;
        for chunk in kept.chunks(MAX_CHUNK) {
            link.send_raw(kind, self.id, chunk);
        }
    }

    pub(crate) fn drop_bytes(&mut self, kind: Kind, bytes: u64) {
        self.streams[index(kind)].dropped += bytes;
    }

    pub(crate) fn taken(&mut self, bytes: u64) {
        self.unacknowledged = self.unacknowledged.saturating_sub(bytes);
    }

    /// Bytes of standard output and of standard error that were not sent.
    pub(crate) fn dropped(&self) -> (u64, u64) {
        (self.streams[0].dropped, self.streams[1].dropped)
    }
}

/// What background jobs of the shell write while no command runs; it is handed over with the next one.
#[derive(Debug, Default)]
pub(crate) struct Background {
    streams: [(Vec<u8>, u64); 2],
}

impl Background {
    pub(crate) fn push(&mut self, kind: Kind, bytes: &[u8]) {
        let (kept, dropped) = &mut self.streams[index(kind)];
        let room = BACKGROUND_BYTES - kept.len();
        let (head, rest) = bytes.split_at(bytes.len().min(room));
        kept.extend_from_slice(head);
        *dropped += rest.len() as u64;
    }

    /// Moves all of it to the output of a new command.
    pub(crate) fn hand_over(&mut self, output: &mut Output, link: &mut Link) {
        for kind in [Kind::Stdout, Kind::Stderr] {
            let (kept, dropped) = std::mem::take(&mut self.streams[index(kind)]);
            output.push(kind, &kept, link);
            output.drop_bytes(kind, dropped);
        }
    }
}

/// Reads once without waiting. `None` if nothing is there yet, nothing at all if nobody will ever write again.
fn read_some<'a>(stream: &OwnedFd, buffer: &'a mut [u8]) -> Option<&'a [u8]> {
    loop {
        match rustix::io::read(stream, &mut *buffer) {
            Ok(length) => return Some(&buffer[..length]),
            Err(Errno::INTR) => {}
            Err(_) => return None,
        }
    }
}

/// Leaves out bash's complaints about the terminal that an interactive shell without one does not have.
pub(crate) fn without_terminal_complaints(bytes: &[u8]) -> Vec<u8> {
    const COMPLAINT: &[u8] = b"tcsetattr: Inappropriate ioctl for device";
    let complains = |line: &[u8]| {
        line.starts_with(b"bash: ") && line.windows(COMPLAINT.len()).any(|window| window == COMPLAINT)
    };
    bytes.split_inclusive(|&byte| byte == b'\n').filter(|line| !complains(line)).flatten().copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_complaint_is_left_out() {
        let text = b"one\nbash: [4: 2 (255)] tcsetattr: Inappropriate ioctl for device\ntcsetattr\n[1] 12\n";
        assert_eq!(without_terminal_complaints(text), b"one\ntcsetattr\n[1] 12\n");
    }

    #[test]
    fn background_output_is_bounded_and_counted() {
        let mut background = Background::default();
        background.push(Kind::Stderr, &[b'x'; BACKGROUND_BYTES + 5]);
        background.push(Kind::Stderr, b"more");
        assert_eq!(background.streams[1].0.len(), BACKGROUND_BYTES);
        assert_eq!(background.streams[1].1, 9);
    }
}
