//! Just enough of HTTP/1.1 for both ends of a measurement: messages over kept connections, with a length or in chunks.
//!
//! It is a floor: nothing is checked that the other end, which is ours or what we measure, does not get right anyway.

use std::time::Instant;

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use crate::Outcome;

/// A connection that carries one message after the other.
pub(crate) struct Connection {
    pub(crate) stream: TcpStream,
    buffer: Vec<u8>,
}

/// A message that has come to its end.
pub(crate) struct Message {
    bytes: Vec<u8>,
    body: usize,
    /// When the first bytes of its body came.
    pub(crate) body_began: Option<Instant>,
}

impl Connection {
    pub(crate) fn new(stream: TcpStream) -> Outcome<Connection> {
        stream.set_nodelay(true)?;
        Ok(Connection { stream, buffer: Vec::with_capacity(8 << 10) })
    }

    /// The next message; `None` if the other end has hung up between two.
    pub(crate) async fn read(&mut self) -> Outcome<Option<Message>> {
        let mut scan = Scan::default();
        let mut body_began = None;
        loop {
            let end = scan.end(&self.buffer)?;
            if body_began.is_none() && scan.body.is_some_and(|body| self.buffer.len() > body) {
                body_began = Some(Instant::now());
            }
            if let (Some(end), Some(body)) = (end, scan.body) {
                let rest = self.buffer.split_off(end);
                let bytes = std::mem::replace(&mut self.buffer, rest);
                return Ok(Some(Message { bytes, body, body_began }));
            }
            self.buffer.reserve(4 << 10);
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return match self.buffer.is_empty() {
                    true => Ok(None),
                    false => Err("the connection ended within a message".into()),
                };
            }
        }
    }
}

impl Message {
    /// The first line.
    pub(crate) fn first_line(&self) -> &str {
        let line = self.bytes.split(|byte| *byte == b'\r').next().unwrap_or_default();
        std::str::from_utf8(line).unwrap_or_default()
    }

    /// The body as it came: chunks with their lengths.
    pub(crate) fn body(&self) -> &str {
        std::str::from_utf8(self.bytes.get(self.body..).unwrap_or_default()).unwrap_or_default()
    }
}

/// Looks for a message's end, going on where it stopped.
#[derive(Default)]
struct Scan {
    /// Where the body begins.
    body: Option<usize>,
    /// Where the message ends, or the next chunk begins.
    next: usize,
    is_chunked: bool,
}

impl Scan {
    fn end(&mut self, bytes: &[u8]) -> Outcome<Option<usize>> {
        if self.body.is_none() {
            let Some(body) = after(bytes, b"\r\n\r\n") else { return Ok(None) };
            let head = std::str::from_utf8(bytes.get(..body).unwrap_or_default())?;
            self.is_chunked = header(head, "transfer-encoding").is_some();
            let length: usize = header(head, "content-length").map_or(Ok(0), str::parse)?;
            self.next = if self.is_chunked { body } else { body + length };
            self.body = Some(body);
        }
        while self.is_chunked {
            let rest = bytes.get(self.next..).unwrap_or_default();
            let Some(line) = after(rest, b"\r\n") else { return Ok(None) };
            let digits = std::str::from_utf8(rest.get(..line - 2).unwrap_or_default())?;
            let length = usize::from_str_radix(digits, 16)?;
            self.next += line + length + 2;
            if length == 0 {
                self.is_chunked = false;
            }
        }
        Ok((bytes.len() >= self.next).then_some(self.next))
    }
}

/// The position behind a pattern.
fn after(bytes: &[u8], pattern: &[u8]) -> Option<usize> {
    bytes.windows(pattern.len()).position(|window| window == pattern).map(|at| at + pattern.len())
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.split("\r\n").find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(text: &str, piece: usize) -> Option<usize> {
        let mut scan = Scan::default();
        let cuts = (0..text.len()).step_by(piece).chain([text.len()]);
        cuts.filter_map(|cut| scan.end(&text.as_bytes()[..cut]).expect("well formed")).next()
    }

    #[test]
    fn the_end_is_found_however_a_message_is_cut() {
        let plain = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
        let empty = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
        let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nb\r\nhello\r\nhell\r\n0\r\n\r\n";
        for piece in 1..10 {
            for message in [plain, empty, chunks] {
                assert_eq!(end(message, piece), Some(message.len()), "{message:?} in pieces of {piece}");
                assert_eq!(end(&message[..message.len() - 1], piece), None);
            }
        }
    }
}
