//! What host and guest say to each other: frames over any transport that carries bytes in order.
//!
//! A frame is a 4-byte big-endian length of what follows, one byte for its kind, and the payload. Control messages
//! are JSON; output and file contents are raw bytes behind the 8-byte number of the request they belong to. Either
//! side must treat the other's frames as hostile: lengths are bounded here, numbers and order are for the receiver
//! to check.

use serde::{Deserialize, Serialize};

use crate::observation::ExecEnding;

/// The longest frame, kind included. A longer one ends the conversation.
pub const MAX_FRAME: usize = 2 << 20;
/// The longest shell text of one command; its JSON fits into a frame however it is escaped.
pub const MAX_COMMAND: usize = 256 << 10;
/// The longest line of the session socket, without its newline.
pub const MAX_LINE: usize = 64 << 10;
/// The most raw bytes put into one frame.
pub const MAX_CHUNK: usize = 64 << 10;
/// How many raw bytes of one request may be on their way without an acknowledgement.
pub const WINDOW: u64 = 1 << 20;
/// How many lines of the session socket may wait for their answers.
pub const MAX_SESSION_CLIENTS: usize = 64;

/// What kind of payload follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// JSON: a [`ToGuest`] or [`FromGuest`].
    Control,
    /// Raw: standard output, or the content of a file (both directions).
    Stdout,
    /// Raw: standard error.
    Stderr,
}

impl Kind {
    fn byte(self) -> u8 {
        match self {
            Kind::Control => b'J',
            Kind::Stdout => b'1',
            Kind::Stderr => b'2',
        }
    }
}

/// One frame in the decoder's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// JSON.
    Control(&'a [u8]),
    /// Raw bytes of a request.
    Raw {
        /// `Stdout` or `Stderr`.
        kind: Kind,
        /// The request.
        id: u64,
        /// The bytes.
        bytes: &'a [u8],
    },
}

/// The bytes received are no frames.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The length is zero or above [`MAX_FRAME`].
    #[error("a frame of {0} bytes")]
    Length(usize),
    /// Unknown kind.
    #[error("a frame of unknown kind {0}")]
    Kind(u8),
    /// A raw frame without its request's number.
    #[error("a raw frame of {0} bytes is too short")]
    Short(usize),
}

/// Appends a JSON message as one frame.
pub fn encode_control<T: Serialize>(message: &T, buffer: &mut Vec<u8>) {
    let start = buffer.len();
    buffer.extend_from_slice(&[0; 4]);
    buffer.push(Kind::Control.byte());
    serde_json::to_writer(&mut *buffer, message).expect("our messages have string keys and write to memory");
    let length = (buffer.len() - start - 4) as u32;
    buffer[start..start + 4].copy_from_slice(&length.to_be_bytes());
}

/// Appends raw bytes of a request as one frame. At most [`MAX_CHUNK`] at a time.
pub fn encode_raw(kind: Kind, id: u64, bytes: &[u8], buffer: &mut Vec<u8>) {
    buffer.extend_from_slice(&((bytes.len() + 9) as u32).to_be_bytes());
    buffer.push(kind.byte());
    buffer.extend_from_slice(&id.to_be_bytes());
    buffer.extend_from_slice(bytes);
}

/// Cuts a stream of bytes into frames. Holds at most one incomplete frame and what was pushed last.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: Vec<u8>,
    start: usize,
}

impl Decoder {
    /// Takes bytes as they came.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame, if there is one. After an error the stream is of no use.
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, WireError> {
        let rest = &self.buffer[self.start..];
        let Some((length, rest)) = rest.split_first_chunk::<4>() else { return Ok(None) };
        let length = u32::from_be_bytes(*length) as usize;
        if length == 0 || length > MAX_FRAME {
            return Err(WireError::Length(length));
        }
        if rest.len() < length {
            return Ok(None);
        }
        self.start += 4 + length;
        let (kind, payload) = (rest[0], &rest[1..length]);
        let kind = match kind {
            b'J' => return Ok(Some(Frame::Control(payload))),
            b'1' => Kind::Stdout,
            b'2' => Kind::Stderr,
            other => return Err(WireError::Kind(other)),
        };
        let Some((id, bytes)) = payload.split_first_chunk::<8>() else {
            return Err(WireError::Short(payload.len()));
        };
        Ok(Some(Frame::Raw { kind, id: u64::from_be_bytes(*id), bytes }))
    }
}

/// The first message: what the guest is and what it may start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setup {
    /// Whether the guest is the first process of a process-id namespace of its own.
    pub isolated: bool,
    /// The user that everything but the guest runs as; absent if it is the guest's own.
    pub user: Option<User>,
    /// The folder in which commands start and which files are read and written beneath.
    pub working_folder: String,
    /// The whole environment of commands.
    pub environment: Vec<(String, String)>,
    /// Descriptors for the first program that is spawned.
    pub inherited: Vec<i32>,
    /// Where to listen for programs inside.
    pub session_socket: Option<String>,
    /// What programs inside reach under a TCP address.
    #[serde(default)]
    pub gateway: Option<Gateway>,
    /// The way out that the network policy leaves: a proxy, reached in the same way.
    #[serde(default)]
    pub proxy: Option<Gateway>,
    /// Limits on each process.
    pub limits: ProcessLimits,
    /// Kills what runs when all of it together uses more memory; for machines without cgroups.
    pub watched_memory_bytes: Option<u64>,
    /// How much of each output stream of a command is sent; the rest is counted.
    pub kept_bytes: u64,
}

/// A Unix socket that is reached under a port of the sandbox's own 127.0.0.1 too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gateway {
    /// Absolute path inside.
    pub socket: String,
    /// The port.
    pub port: u16,
}

/// A user id and its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// Limits on each process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessLimits {
    /// Open files.
    pub files: u64,
    /// Largest file.
    pub file_bytes: u64,
    /// Processes of the user; for machines without cgroups.
    pub processes: Option<u64>,
    /// Private memory; for machines without cgroups.
    pub data_bytes: Option<u64>,
}

/// From the host. `id`s are the host's, never used twice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToGuest {
    /// First of all.
    Setup(Box<Setup>),
    /// Run a command in the persistent shell.
    Exec {
        /// Request.
        id: u64,
        /// Shell text.
        text: String,
        /// Milliseconds.
        timeout_ms: u64,
    },
    /// Run a program.
    Spawn {
        /// Request.
        id: u64,
        /// Program and arguments.
        argv: Vec<String>,
        /// Milliseconds.
        timeout_ms: u64,
        /// Whether the inherited descriptors are kept for a later program.
        keep_inherited: bool,
    },
    /// Kill what a request runs, and all else but the shell.
    Interrupt {
        /// The request to be interrupted; one that has ended already is no error.
        id: u64,
        /// Becomes a note of its outcome.
        reason: String,
    },
    /// Write a file; its content follows in raw frames.
    Write {
        /// Request.
        id: u64,
        /// Relative to the working folder.
        path: String,
        /// Permissions.
        mode: u32,
        /// Length of the content.
        bytes: u64,
    },
    /// Send a file.
    Read {
        /// Request.
        id: u64,
        /// Relative to the working folder.
        path: String,
    },
    /// Stop every process but the guest.
    Freeze {
        /// Request.
        id: u64,
    },
    /// Let them go on.
    Thaw {
        /// Request.
        id: u64,
    },
    /// Tell the CPU time used.
    CpuTime {
        /// Request.
        id: u64,
    },
    /// Answer a session line.
    Answer {
        /// The guest's number of the line.
        id: u64,
        /// The answer.
        line: String,
    },
    /// So many raw bytes of a request have been taken.
    Taken {
        /// Request.
        id: u64,
        /// How many since the last time.
        bytes: u64,
    },
}

/// From the guest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FromGuest {
    /// The guest is set up.
    Ready,
    /// The guest cannot work; it ends.
    Failed {
        /// Why.
        reason: String,
    },
    /// A command or program ended.
    Ended(Ended),
    /// A file was written or sent, or not.
    File {
        /// Request.
        id: u64,
        /// Its size.
        bytes: u64,
        /// Why not.
        refusal: Option<Refusal>,
    },
    /// A freeze or thaw was done.
    Done {
        /// Request.
        id: u64,
    },
    /// CPU time of all processes so far.
    CpuTime {
        /// Request.
        id: u64,
        /// Nanoseconds.
        nanoseconds: u64,
    },
    /// A line from a program inside.
    Line {
        /// The guest's number.
        id: u64,
        /// The line.
        line: String,
    },
}

/// How a command or program ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Request.
    pub id: u64,
    /// As bash reports it.
    pub exit_code: Option<i32>,
    /// How.
    pub ending: ExecEnding,
    /// Whether the next command meets a new shell.
    pub new_shell: bool,
    /// What else happened.
    pub notes: Vec<String>,
    /// Bytes of standard output that were not sent.
    pub stdout_dropped: u64,
    /// Bytes of standard error that were not sent.
    pub stderr_dropped: u64,
}

/// Why a file was not read or written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// The path leads out of the working folder.
    Outside,
    /// Nothing is there.
    NotFound,
    /// Something is there, but no regular file.
    NotRegular,
    /// The agent has no right to it.
    Denied,
    /// It is above the limit on one file.
    TooLarge,
    /// The disk is full.
    NoSpace,
    /// Anything else: the kernel's words.
    Other(String),
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug, PartialEq, Eq)]
    enum Owned {
        Control(Vec<u8>),
        Raw(Kind, u64, Vec<u8>),
    }

    fn drain(decoder: &mut Decoder, into: &mut Vec<Owned>) -> Result<(), WireError> {
        while let Some(frame) = decoder.next_frame()? {
            into.push(match frame {
                Frame::Control(json) => Owned::Control(json.to_vec()),
                Frame::Raw { kind, id, bytes } => Owned::Raw(kind, id, bytes.to_vec()),
            });
        }
        Ok(())
    }

    fn message() -> impl Strategy<Value = (bool, u64, Vec<u8>)> {
        (any::<bool>(), any::<u64>(), proptest::collection::vec(any::<u8>(), 0..300))
    }

    proptest! {
        #[test]
        fn frames_survive_any_cutting(messages in proptest::collection::vec(message(), 0..20), cut in 1usize..50) {
            let mut bytes = Vec::new();
            let mut expected = Vec::new();
            for (raw, id, content) in messages {
                if raw {
                    encode_raw(Kind::Stderr, id, &content, &mut bytes);
                    expected.push(Owned::Raw(Kind::Stderr, id, content));
                } else {
                    let line = String::from_utf8_lossy(&content).into_owned();
                    let message = ToGuest::Answer { id, line };
                    encode_control(&message, &mut bytes);
                    expected.push(Owned::Control(serde_json::to_vec(&message).unwrap()));
                }
            }
            let mut decoder = Decoder::default();
            let mut seen = Vec::new();
            for piece in bytes.chunks(cut) {
                decoder.push(piece);
                drain(&mut decoder, &mut seen).unwrap();
            }
            prop_assert_eq!(seen, expected);
        }

        #[test]
        fn hostile_bytes_neither_panic_nor_grow(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
            let mut decoder = Decoder::default();
            for piece in bytes.chunks(7) {
                decoder.push(piece);
                if drain(&mut decoder, &mut Vec::new()).is_err() {
                    break;
                }
            }
            prop_assert!(decoder.buffer.len() <= bytes.len());
        }

        #[test]
        fn messages_survive_json(id in any::<u64>(), text in any::<String>(), mode in any::<u32>()) {
            let message = ToGuest::Write { id, path: text, mode, bytes: id };
            let json = serde_json::to_vec(&message).unwrap();
            prop_assert_eq!(serde_json::from_slice::<ToGuest>(&json).unwrap(), message);
        }
    }

    #[test]
    fn bad_frames_are_named() {
        let check = |bytes: &[u8], expected: WireError| {
            let mut decoder = Decoder::default();
            decoder.push(bytes);
            assert_eq!(decoder.next_frame(), Err(expected));
        };
        check(&[0, 0, 0, 0], WireError::Length(0));
        check(&[255, 255, 255, 255], WireError::Length(u32::MAX as usize));
        check(&[0, 0, 0, 1, b'x'], WireError::Kind(b'x'));
        check(&[0, 0, 0, 3, b'1', 0, 0], WireError::Short(2));
    }

    #[test]
    fn the_longest_command_fits_into_a_frame() {
        let text = "\u{1}".repeat(MAX_COMMAND);
        let mut buffer = Vec::new();
        encode_control(&ToGuest::Exec { id: u64::MAX, text, timeout_ms: u64::MAX }, &mut buffer);
        assert!(buffer.len() < MAX_FRAME);
    }
}
