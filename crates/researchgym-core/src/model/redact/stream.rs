//! Redaction of what comes in pieces.

use std::fmt;

use super::Redactor;

/// Redacts a stream of bytes however it is cut. What is given out, put together, is the whole redacted at once.
///
/// Keeps back no more of the end than a secret could begin with.
pub struct RedactingStream {
    redactor: Redactor,
    /// The end of what came that is not given out yet.
    held: Vec<u8>,
    /// How many bytes at the beginning of `held` belong to a secret whose mark is given out.
    covered: usize,
}

impl fmt::Debug for RedactingStream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("RedactingStream(..)")
    }
}

impl RedactingStream {
    /// A stream of which nothing has come yet.
    pub fn new(redactor: Redactor) -> RedactingStream {
        RedactingStream { redactor, held: Vec::new(), covered: 0 }
    }

    /// Takes the next bytes and gives those out of which nothing can become a secret any more.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.held.extend_from_slice(bytes);
        let pending = self.redactor.pending(&self.held);
        self.give_out(pending)
    }

    /// Gives out the rest; the stream can then be used for another one.
    pub fn finish(&mut self) -> Vec<u8> {
        let rest = self.give_out(self.held.len());
        self.covered = 0;
        rest
    }

    /// Every secret that is not complete yet begins at `pending` or behind it.
    fn give_out(&mut self, pending: usize) -> Vec<u8> {
        let mut output = Vec::new();
        let mut done = 0;
        for (start, end) in self.redactor.places(&self.held, self.covered) {
            let is_marked = start == 0 && self.covered > 0;
            // What begins behind `pending` may still grow into something longer.
            if start >= pending && !is_marked {
                break;
            }
            output.extend_from_slice(&self.held[done..start]);
            if !is_marked {
                output.extend_from_slice(self.redactor.inner.mark.as_bytes());
            }
            done = end;
        }
        if done < pending {
            output.extend_from_slice(&self.held[done..pending]);
        }
        self.held.drain(..pending);
        self.covered = done.saturating_sub(pending);
        output
    }
}
