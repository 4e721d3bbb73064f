//! Server-sent events: cutting a stream of bytes into events, and writing them.
//!
//! After the WHATWG HTML standard, section "Server-sent events". Comments and unknown fields are skipped.

/// The longest event that is read; a provider that sends more is not understood.
pub const MAX_EVENT_BYTES: usize = 64 << 20;

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SseEvent {
    /// Its name; empty if the stream names none.
    pub event: String,
    /// Its data lines joined.
    pub data: String,
}

impl SseEvent {
    /// An event without a name.
    pub fn data(data: impl Into<String>) -> SseEvent {
        SseEvent { event: String::new(), data: data.into() }
    }

    /// An event with a name.
    pub fn named(event: impl Into<String>, data: impl Into<String>) -> SseEvent {
        SseEvent { event: event.into(), data: data.into() }
    }

    /// Appends its bytes as a server writes them.
    pub fn write(&self, buffer: &mut Vec<u8>) {
        if !self.event.is_empty() {
            buffer.extend_from_slice(b"event: ");
            buffer.extend_from_slice(self.event.as_bytes());
            buffer.push(b'\n');
        }
        for line in self.data.split('\n') {
            buffer.extend_from_slice(b"data: ");
            buffer.extend_from_slice(line.as_bytes());
            buffer.push(b'\n');
        }
        buffer.push(b'\n');
    }
}

/// The stream holds an event longer than [`MAX_EVENT_BYTES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event of more than {MAX_EVENT_BYTES} bytes")]
pub struct TooLong;

/// Cuts bytes, however they are chunked, into events.
#[derive(Debug, Default)]
pub struct Splitter {
    line: Vec<u8>,
    current: SseEvent,
    has_data: bool,
    after_return: bool,
}

impl Splitter {
    /// Takes bytes and gives each event that they complete.
    ///
    /// # Errors
    /// An event is too long.
    pub fn push(&mut self, bytes: &[u8], mut each: impl FnMut(SseEvent)) -> Result<(), TooLong> {
        let mut rest = bytes;
        if std::mem::take(&mut self.after_return) && rest.first() == Some(&b'\n') {
            rest = &rest[1..];
        }
        while let Some(end) = rest.iter().position(|&byte| byte == b'\n' || byte == b'\r') {
            self.line.extend_from_slice(&rest[..end]);
            let is_return = rest[end] == b'\r';
            rest = &rest[end + 1..];
            if is_return {
                match rest.first() {
                    Some(b'\n') => rest = &rest[1..],
                    Some(_) => {}
                    None => self.after_return = true,
                }
            }
            if let Some(event) = self.end_line() {
                each(event);
            }
        }
        self.line.extend_from_slice(rest);
        if self.line.len() + self.current.data.len() > MAX_EVENT_BYTES { Err(TooLong) } else { Ok(()) }
    }

    /// Whether bytes of an unfinished event are held.
    pub fn is_midway(&self) -> bool {
        self.has_data || !self.line.is_empty()
    }

    fn end_line(&mut self) -> Option<SseEvent> {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            let event = std::mem::take(&mut self.current);
            return std::mem::take(&mut self.has_data).then_some(event);
        }
        let (field, value) = match line.iter().position(|&byte| byte == b':') {
            Some(at) => (&line[..at], line[at + 1..].strip_prefix(b" ").unwrap_or(&line[at + 1..])),
            None => (&line[..], &b""[..]),
        };
        let value = String::from_utf8_lossy(value);
        match field {
            b"data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.current.data.push('\n');
                }
                self.current.data.push_str(&value);
            }
            b"event" => self.current.event = value.into_owned(),
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(bytes: &[u8], size: usize) -> Vec<SseEvent> {
        let mut splitter = Splitter::default();
        let mut events = Vec::new();
        for piece in bytes.chunks(size.max(1)) {
            splitter.push(piece, |event| events.push(event)).unwrap();
        }
        events
    }

    #[test]
    fn fields_comments_and_line_ends() {
        let stream = b": hello\n\nevent: a\r\ndata: 1\r\ndata:2\r\n\r\ndata\rid: 7\r\rdata: cut";
        let expected = [SseEvent::named("a", "1\n2"), SseEvent::data("")];
        for size in 1..stream.len() {
            assert_eq!(split(stream, size), expected, "in pieces of {size}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_however_it_is_cut(
            events in proptest::collection::vec(("[a-z_.]{0,12}", "[^\r]{0,80}"), 0..8),
            size in 1usize..40,
        ) {
            let events: Vec<SseEvent> = events.into_iter().map(|(name, data)| SseEvent::named(name, data)).collect();
            let mut bytes = Vec::new();
            events.iter().for_each(|event| event.write(&mut bytes));
            prop_assert_eq!(split(&bytes, size), events);
        }

        #[test]
        fn hostile_bytes_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..500), size in 1usize..40) {
            split(&bytes, size);
        }
    }
}
