//! How a provider's bytes pass to a client of the same form: untouched, except where the gateway asked for more than
//! the client did or the client wants Gemini's array.

use bytes::Bytes;
use researchgym_core::model::sse::Splitter;
use serde_json::Value;

/// The way that bytes take.
pub(super) enum Passage {
    /// As they are.
    Untouched,
    /// Without the chunk of usage that the client did not ask for (chat).
    WithoutUsage(Vec<u8>),
    /// As a JSON array (Gemini without `alt=sse`).
    Array(Array),
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
            Passage::WithoutUsage(kept) => {
                kept.extend_from_slice(&bytes);
                let mut passed = Vec::new();
                while let Some(end) = event_end(kept) {
                    let event: Vec<u8> = kept.drain(..end).collect();
                    if !is_usage_alone(&event) {
                        passed.extend_from_slice(&event);
                    }
                }
                passed.into()
            }
            Passage::Array(array) => array.take(&bytes).into(),
        }
    }

    /// What the client gets at the end.
    pub(super) fn end(self) -> Bytes {
        match self {
            Passage::Untouched => Bytes::new(),
            Passage::WithoutUsage(kept) => kept.into(),
            Passage::Array(array) => array.end().into(),
        }
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

/// Where the first event ends, its empty line included.
fn event_end(bytes: &[u8]) -> Option<usize> {
    let mut line_start = 0;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let is_empty = at == line_start;
        at += 1;
        match byte {
            b'\n' => {}
            b'\r' => match bytes.get(at) {
                Some(b'\n') => at += 1,
                Some(_) => {}
                // A line feed may follow.
                None => return None,
            },
            _ => continue,
        }
        if is_empty {
            return Some(at);
        }
        line_start = at;
    }
    None
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
            assert_eq!(passed(|| Passage::WithoutUsage(Vec::new()), stream, size), expected, "{size}");
        }
    }

    #[test]
    fn events_become_an_array() {
        let array = || Passage::Array(Array::default());
        assert_eq!(passed(array, "data: {\"a\":1}\n\ndata: {\"a\":2}\n\n", 3), "[{\"a\":1},\r\n{\"a\":2}]");
        assert_eq!(passed(array, "", 3), "[]");
    }
}
