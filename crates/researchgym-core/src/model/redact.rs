//! Takes secrets out of what is written down.
//!
//! A [`Redactor`] knows the secrets of a run and finds each of them as it is and in the forms in which programs pass it
//! on: base64 (both alphabets, at any place of a longer text), percent-encoded, JSON-escaped once or twice, and hex.
//! Forms that overlap in a text become one mark, so no rest of one stays beside another.
//!
//! Limits: a secret of fewer than [`MIN_SECRET_BYTES`] bytes is ignored, since it would be found everywhere. A secret
//! that is cut in two by anything (line-wrapped base64, a log line between its halves), compressed, encrypted, encoded
//! twice (but for JSON), or spelled in any other way is not found. A key inside a longer base64 text leaves the few bits
//! of it that share a character with its neighbours.

mod forms;
mod stream;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, MatchKind};

pub use self::stream::RedactingStream;

/// Shorter secrets are ignored.
pub const MIN_SECRET_BYTES: usize = 8;

/// What stands in the place of a secret; the first that cannot make up a secret together with the text around it.
const MARKS: [&str; 4] = ["[redacted]", "<redacted>", "{redacted}", "\u{2588}\u{2588}\u{2588}\u{2588}"];

/// Finds secrets and their forms. Cheap to clone.
#[derive(Clone)]
pub struct Redactor {
    inner: Arc<Inner>,
}

struct Inner {
    /// In order, so that those with a common beginning stand together.
    forms: Vec<Vec<u8>>,
    /// Absent if there is nothing to find.
    search: Option<AhoCorasick>,
    longest: usize,
    mark: &'static str,
    ignored: usize,
}

impl fmt::Debug for Redactor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Redactor(..)")
    }
}

impl Redactor {
    /// Knows the secrets that have at least [`MIN_SECRET_BYTES`] bytes.
    pub fn new<'s>(secrets: impl IntoIterator<Item = &'s str>) -> Redactor {
        let mut ignored = 0;
        let mut forms = BTreeSet::new();
        for secret in secrets {
            if secret.len() < MIN_SECRET_BYTES {
                ignored += 1;
            } else {
                forms::add(secret, &mut forms);
            }
        }
        let forms: Vec<Vec<u8>> = forms.into_iter().collect();
        let search = (!forms.is_empty()).then(|| {
            let built = AhoCorasick::builder().match_kind(MatchKind::Standard).build(&forms);
            built.expect("secrets have far fewer bytes than the search has states")
        });
        let longest = forms.iter().map(Vec::len).max().unwrap_or(0);
        let mark = MARKS.into_iter().find(|mark| is_apart(mark, &forms)).unwrap_or(MARKS[MARKS.len() - 1]);
        Redactor { inner: Arc::new(Inner { forms, search, longest, mark, ignored }) }
    }

    /// Whether there is nothing to find.
    pub fn is_empty(&self) -> bool {
        self.inner.search.is_none()
    }

    /// How many secrets were too short to be looked for.
    pub fn ignored(&self) -> usize {
        self.inner.ignored
    }

    /// Whether a secret is in there in any form.
    pub fn contains(&self, bytes: &[u8]) -> bool {
        self.inner.search.as_ref().is_some_and(|search| search.is_match(bytes))
    }

    /// The text with `[redacted]` for each secret, or with another mark if a secret has brackets.
    pub fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        match self.redact_bytes(text.as_bytes()) {
            Cow::Borrowed(_) => Cow::Borrowed(text),
            Cow::Owned(bytes) => Cow::Owned(
                String::from_utf8(bytes)
                    .expect("whole characters of the text and whole marks are put together"),
            ),
        }
    }

    /// The bytes with a mark for each secret.
    pub fn redact_bytes<'b>(&self, bytes: &'b [u8]) -> Cow<'b, [u8]> {
        if !self.contains(bytes) {
            return Cow::Borrowed(bytes);
        }
        let mut stream = RedactingStream::new(self.clone());
        let mut output = stream.push(bytes);
        output.extend_from_slice(&stream.finish());
        Cow::Owned(output)
    }

    /// Where forms are, sorted; those that overlap are one, and so is what overlaps the first `covered` bytes.
    fn places(&self, bytes: &[u8], covered: usize) -> Vec<(usize, usize)> {
        let mut found: Vec<(usize, usize)> = Vec::new();
        if covered > 0 {
            found.push((0, covered));
        }
        let matches = self.inner.search.iter().flat_map(|search| search.find_overlapping_iter(bytes));
        found.extend(matches.map(|place| (place.start(), place.end())));
        found.sort_unstable();
        let mut places: Vec<(usize, usize)> = Vec::new();
        for (start, end) in found {
            match places.last_mut() {
                Some(last) if start < last.1 => last.1 = last.1.max(end),
                _ => places.push((start, end)),
            }
        }
        places
    }

    /// Where the longest end of the bytes begins with which a form can begin.
    fn pending(&self, bytes: &[u8]) -> usize {
        let earliest = bytes.len().saturating_sub(self.inner.longest.saturating_sub(1));
        let forms = &self.inner.forms;
        let may_begin = |start: &usize| {
            let end = &bytes[*start..];
            let next = forms.partition_point(|form| form.as_slice() <= end);
            forms.get(next).is_some_and(|form| form.starts_with(end))
        };
        (earliest..bytes.len()).find(may_begin).unwrap_or(bytes.len())
    }
}

/// Whether no form can be made up of the mark and text beside it.
fn is_apart(mark: &str, forms: &[Vec<u8>]) -> bool {
    let mark = mark.as_bytes();
    let (first, last) = (mark[0], mark[mark.len() - 1]);
    forms.iter().all(|form| {
        let inside = mark.windows(form.len()).any(|window| window == form.as_slice());
        !inside && !form.contains(&first) && !form.contains(&last)
    })
}
