//! The guest's end of the conversation with the host, over standard input and output. Never blocks once set up.

use std::io;
use std::os::fd::BorrowedFd;

use researchgym_core::wire::{self, Decoder, Frame, FromGuest, Kind, ToGuest};
use rustix::io::Errno;

use crate::sys;

/// Above so many bytes waiting to be taken by the host, nothing more is read from commands.
pub(crate) const HIGH_WATER: usize = 1 << 20;

/// What came from the host.
#[derive(Debug)]
pub(crate) enum Message {
    Control(ToGuest),
    Content { id: u64, bytes: Vec<u8> },
}

pub(crate) struct Link {
    input: BorrowedFd<'static>,
    output: BorrowedFd<'static>,
    decoder: Decoder,
    outgoing: Vec<u8>,
    written: usize,
}

impl Link {
    pub(crate) fn new() -> Link {
        let (input, output) = sys::standard_streams();
        Link { input, output, decoder: Decoder::default(), outgoing: Vec::new(), written: 0 }
    }

    pub(crate) fn input(&self) -> BorrowedFd<'static> {
        self.input
    }

    pub(crate) fn output(&self) -> BorrowedFd<'static> {
        self.output
    }

    /// Waits for the next message. Only for the start, while the streams still block.
    pub(crate) fn wait(&mut self) -> io::Result<Message> {
        loop {
            if let Some(message) = self.next()? {
                return Ok(message);
            }
            if !self.read()? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// From here on neither reading nor writing waits.
    pub(crate) fn stop_blocking(&self) -> io::Result<()> {
        for stream in [self.input, self.output] {
            rustix::io::ioctl_fionbio(stream, true)?;
        }
        Ok(())
    }

    /// Takes what has arrived. False at the end of the stream.
    pub(crate) fn read(&mut self) -> io::Result<bool> {
        let mut buffer = [0; 64 << 10];
        match rustix::io::read(self.input, &mut buffer) {
            Ok(0) => Ok(false),
            Ok(length) => {
                self.decoder.push(&buffer[..length]);
                Ok(true)
            }
            Err(Errno::AGAIN | Errno::INTR) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    /// The next message that has arrived whole.
    pub(crate) fn next(&mut self) -> io::Result<Option<Message>> {
        Ok(match self.decoder.next_frame().map_err(io::Error::other)? {
            None => None,
            Some(Frame::Control(json)) => Some(Message::Control(serde_json::from_slice(json)?)),
            Some(Frame::Raw { id, bytes, .. }) => Some(Message::Content { id, bytes: bytes.to_vec() }),
        })
    }

    pub(crate) fn send(&mut self, message: &FromGuest) {
        wire::encode_control(message, &mut self.outgoing);
    }

    pub(crate) fn send_raw(&mut self, kind: Kind, id: u64, bytes: &[u8]) {
        wire::encode_raw(kind, id, bytes, &mut self.outgoing);
    }

    /// Bytes that the host has not taken yet.
    pub(crate) fn backlog(&self) -> usize {
        self.outgoing.len() - self.written
    }

    /// Writes as much as the host takes now.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        while self.written < self.outgoing.len() {
            match rustix::io::write(self.output, &self.outgoing[self.written..]) {
                Ok(length) => self.written += length,
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if self.written == self.outgoing.len() {
            self.outgoing.clear();
            self.written = 0;
        } else if self.written >= HIGH_WATER {
            self.outgoing.drain(..self.written);
            self.written = 0;
        }
        Ok(())
    }
}
