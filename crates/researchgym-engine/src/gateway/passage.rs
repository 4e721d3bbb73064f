//! How a provider's bytes pass to a client of the same form: untouched, except where the gateway asked for more than
//! the client did or the client wants Gemini's array.

use bytes::Bytes;
use researchgym_core::model::sse::Splitter;
use serde_json::Value;

/// The longest event that is held back: a chunk of usage has some hundred bytes.
const MAX_HELD_BYTES: usize = 1 << 20;

/// The way that bytes take.
pub(super) enum Passage {
    /// As they are.
    Untouched,
    /// Without the chunk of usage that the client did not ask for (chat).
    WithoutUsage(Events),
    /// As a JSON array (Gemini without `alt=sse`).
    Array(Array),
}

/// Events as they come, each held back until it is whole. Every byte is looked at once, however it is cut.
#[derive(Default)]
pub(super) struct Events {
    /// The bytes of the event that is not whole yet.
    held: Vec<u8>,
    /// How many of them were looked at.
    scanned: usize,
    /// Where the line begins that was being looked at.
    line_start: usize,
    /// How many bytes were looked at in all, again and again included.
    #[cfg(test)]
    looked_at: usize,
}

/// Events as the elements of an array.
#[derive(Default)]
pub(super) struct Array {
    splitter: Splitter,
    is_begun: bool,
}

impl Passage {
    /// What the client gets of these bytes now.
    pub(super) fn pass(&mut self, bytes: Bytes) -> Bytes {
        match self {
            Passage::Untouched => bytes,
            Passage::WithoutUsage(events) => events.take(&bytes).into(),
            Passage::Array(array) => array.take(&bytes).into(),
        }
    }

    /// What the client gets at the end.
    pub(super) fn end(self) -> Bytes {
        match self {
            Passage::Untouched => Bytes::new(),
            Passage::WithoutUsage(events) => events.held.into(),
            Passage::Array(array) => array.end().into(),
        }
    }
}

impl Events {
    /// The events that these bytes complete, but for the chunk of usage.
    fn take(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.held.extend_from_slice(bytes);
        let mut passed = Vec::new();
        let mut event_start = 0;
        while let Some(end) = self.event_end() {
            let event = &self.held[event_start..end];
            if !is_usage_alone(event) {
                passed.extend_from_slice(event);
            }
            event_start = end;
        }
        if self.held.len() - event_start > MAX_HELD_BYTES {
            // It passes as it is, its rest in pieces that are taken for events of their own.
            passed.extend_from_slice(&self.held[event_start..self.scanned]);
            event_start = self.scanned;
        }
        self.held.drain(..event_start);
        self.scanned -= event_start;
        self.line_start = self.line_start.saturating_sub(event_start);
        passed
    }

    /// Looks on for the end of an event, its empty line included.
    fn event_end(&mut self) -> Option<usize> {
        while let Some(&byte) = self.held.get(self.scanned) {
            #[cfg(test)]
            {
                self.looked_at += 1;
            }
            let is_empty = self.scanned == self.line_start;
            let after = match (byte, self.held.get(self.scanned + 1)) {
                (b'\n', _) => self.scanned + 1,
                // A line feed may follow.
                (b'\r', None) => return None,
                (b'\r', Some(b'\n')) => self.scanned + 2,
                (b'\r', Some(_)) => self.scanned + 1,
                _ => {
                    self.scanned += 1;
                    continue;
                }
            };
            self.scanned = after;
            self.line_start = after;
            if is_empty {
                return Some(after);
            }
        }
        None
    }
}

impl Array {
    /// The elements for the events that these bytes complete.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut passed = Vec::new();
        let is_begun = &mut self.is_begun;
        // An event that is too long is the meter's to report.
        let _ = self.splitter.push(bytes, |event| {
            passed.extend_from_slice(if std::mem::replace(is_begun, true) { b",\r\n" } else { b"[" });
            passed.extend_from_slice(event.data.as_bytes());
        });
        passed
    }

    pub(super) fn end(&self) -> Vec<u8> {
        if self.is_begun { b"]".to_vec() } else { b"[]".to_vec() }
    }
}

/// Whether an event is a chat chunk without a choice that tells the usage.
fn is_usage_alone(event: &[u8]) -> bool {
    let mut data = None;
    let mut splitter = Splitter::default();
    if splitter.push(event, |event| data = Some(event.data)).is_err() {
        return false;
    }
    let chunk: Value = data.and_then(|data| serde_json::from_str(&data).ok()).unwrap_or_default();
    chunk["usage"].is_object() && chunk["choices"].as_array().is_some_and(Vec::is_empty)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(passage: impl Fn() -> Passage, stream: &str, size: usize) -> String {
        let mut passage = passage();
        let mut all = Vec::new();
        for piece in stream.as_bytes().chunks(size) {
            all.extend_from_slice(&passage.pass(Bytes::copy_from_slice(piece)));
        }
        all.extend_from_slice(&passage.end());
        String::from_utf8(all).unwrap()
    }

    #[test]
    fn the_chunk_of_usage_alone_is_left_out_however_it_is_cut() {
        let stream = ": hi\r\n\r\ndata: {\"choices\":[{}],\"usage\":null}\r\n\r\ndata: \
                      {\"choices\":[],\"usage\":{\"prompt_tokens\":1}}\r\n\r\ndata: [DONE]\n\ndata: cut";
        let expected = ": hi\r\n\r\ndata: {\"choices\":[{}],\"usage\":null}\r\n\r\ndata: [DONE]\n\ndata: cut";
        for size in 1..stream.len() {
            assert_eq!(passed(|| Passage::WithoutUsage(Events::default()), stream, size), expected, "{size}");
        }
    }

    #[test]
    fn an_event_that_does_not_end_is_looked_at_once_and_held_to_a_bound() {
        let (size, count) = (1000, 4000);
        let mut events = Events::default();
        let mut all = events.take(b"data: ");
        let mut most_held = 0;
        for _ in 0..count {
            all.extend_from_slice(&events.take(&vec![b'a'; size]));
            most_held = most_held.max(events.held.len());
        }
        assert_eq!(events.looked_at, 6 + size * count);
        assert_eq!(most_held, MAX_HELD_BYTES / size * size + 6);
        all.extend_from_slice(&events.take(b"\r"));
        // What comes after is cut into events as ever.
        let usage: &[u8] = b"\n\r\ndata: {\"choices\":[],\"usage\":{}}\n\ndata: [DONE]\n\n";
        all.extend_from_slice(&events.take(usage));
        assert_eq!(all.len(), 6 + size * count + b"\r\n\r\ndata: [DONE]\n\n".len());
        assert!(all.ends_with(b"aaa\r\n\r\ndata: [DONE]\n\n") && events.held.is_empty());
    }

    #[test]
    fn events_become_an_array() {
        let array = || Passage::Array(Array::default());
        assert_eq!(passed(array, "data: {\"a\":1}\n\ndata: {\"a\":2}\n\n", 3), "[{\"a\":1},\r\n{\"a\":2}]");
        assert_eq!(passed(array, "", 3), "[]");
    }
}
