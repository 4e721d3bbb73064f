//! Bytes of foreign files as text that a JSON parser takes: encodings, and what Python writes that is no JSON.
//!
//! A file that is in order costs one check of its encoding. What was mended is told in sentences.

use std::borrow::Cow;

/// A text, and what was done to it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Decoded<'a> {
    /// The text.
    pub text: Cow<'a, str>,
    /// What was mended, each in a sentence.
    pub notes: Vec<String>,
}

/// What was read of a file.
#[derive(Debug)]
pub(super) struct Reading<T> {
    /// What the reader made of it, perhaps only in part.
    pub value: T,
    /// Why it could not be read to its end.
    pub error: Option<serde_json::Error>,
    /// What was mended, each in a sentence.
    pub notes: Vec<String>,
}

/// Reads a file as JSON; if that fails for what can be mended, once more without it.
pub(super) fn read<T>(bytes: &[u8], reader: impl Fn(&str) -> (T, Option<serde_json::Error>)) -> Reading<T> {
    let Decoded { text, mut notes } = decode(bytes);
    let (value, error) = reader(&text);
    if error.is_some()
        && let Some(mended) = mend(&text)
    {
        let (value, error) = reader(&mended.text);
        notes.extend(mended.notes);
        return Reading { value, error, notes };
    }
    Reading { value, error, notes }
}

/// The text of a file: UTF-8, with or without its mark, or UTF-16 with its mark. Bytes that are no text are replaced.
pub(super) fn decode(bytes: &[u8]) -> Decoded<'_> {
    let wide = |read: fn([u8; 2]) -> u16| {
        let units = bytes[2..].chunks_exact(2).map(|pair| read([pair[0], pair[1]]));
        let text: String =
            char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
        Decoded { text: Cow::Owned(text), notes: Vec::new() }
    };
    match bytes {
        [0xff, 0xfe, ..] => return wide(u16::from_le_bytes),
        [0xfe, 0xff, ..] => return wide(u16::from_be_bytes),
        _ => {}
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    match std::str::from_utf8(bytes) {
        Ok(text) => Decoded { text: Cow::Borrowed(text), notes: Vec::new() },
        Err(error) => Decoded {
            text: Cow::Owned(String::from_utf8_lossy(bytes).into_owned()),
            notes: vec![format!(
                "the file is no UTF-8 from byte {} on: what is no text was replaced by U+FFFD",
                error.valid_up_to()
            )],
        },
    }
}

/// The text with what Python writes and JSON does not know replaced, or `None` if there is nothing of the kind:
/// `NaN`, `Infinity` and numbers out of range become `null`, lone surrogates U+FFFD, control characters in strings spaces.
pub(super) fn mend(text: &str) -> Option<Decoded<'static>> {
    let mut mended = String::with_capacity(text.len());
    let mut counts = [0_u64; 3];
    let mut rest = text;
    let mut is_string = false;
    while let Some(first) = rest.chars().next() {
        let (length, written) = match first {
            '"' => {
                is_string = !is_string;
                (1, None)
            }
            '\\' if is_string => escape(rest),
            control if is_string && control < ' ' => {
                counts[2] += 1;
                (1, Some(" "))
            }
            _ if is_string => {
                (rest.find(|next: char| matches!(next, '"' | '\\') || next < ' ').unwrap_or(rest.len()), None)
            }
            'N' | 'I' | '-' | '0'..='9' => word(rest),
            other => (other.len_utf8(), None),
        };
        match written {
            Some("null") => counts[0] += 1,
            Some("\\ufffd") => counts[1] += 1,
            _ => {}
        }
        mended.push_str(written.unwrap_or(&rest[..length]));
        rest = &rest[length..];
    }
    let names = [
        "numbers that are not finite were taken as unknown",
        "lone surrogates were replaced by U+FFFD",
        "control characters in strings were taken as spaces",
    ];
    let notes: Vec<String> = counts
        .iter()
        .zip(names)
        .filter(|(count, _)| **count > 0)
        .map(|(count, name)| format!("{name} ({count} times)"))
        .collect();
    (!notes.is_empty()).then_some(Decoded { text: Cow::Owned(mended), notes })
}

/// The length of the escape that the text begins with, and what stands for it if it is half a pair of surrogates.
fn escape(text: &str) -> (usize, Option<&'static str>) {
    let unit = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(digits, 16).ok()
    };
    match (unit(0), unit(6)) {
        (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => (12, None),
        (Some(0xd800..=0xdfff), _) => (6, Some("\\ufffd")),
        (Some(_), _) => (6, None),
        // The backslash and what it escapes, if anything is left.
        (None, _) => (1 + text[1..].chars().next().map_or(0, char::len_utf8), None),
    }
}

/// The length of the number or word that the text begins with, and `null` if it is not finite.
fn word(text: &str) -> (usize, Option<&'static str>) {
    let is_part = |next: char| next.is_ascii_alphanumeric() || matches!(next, '+' | '-' | '.');
    let length = text.find(|next: char| !is_part(next)).unwrap_or(text.len());
    let word = &text[..length];
    let is_finite = match word {
        "NaN" | "Infinity" | "-Infinity" | "-NaN" => false,
        number => number.parse::<f64>().is_ok_and(f64::is_finite) || number.parse::<f64>().is_err(),
    };
    (length, (!is_finite).then_some("null"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_are_told_by_their_marks() {
        let utf16: Vec<u8> = "\u{feff}{\"ä\": 1}".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(decode(&utf16).text, "{\"ä\": 1}");
        let utf16: Vec<u8> = "\u{feff}[]".encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(decode(&utf16).text, "[]");
        assert_eq!(decode(b"\xef\xbb\xbf[]").text, "[]");
        let decoded = decode(b"[\"\xe4\"]");
        assert_eq!(decoded.text, "[\"\u{fffd}\"]");
        assert_eq!(
            decoded.notes,
            ["the file is no UTF-8 from byte 2 on: what is no text was replaced by U+FFFD"]
        );
    }

    #[test]
    fn what_python_writes_becomes_json() {
        let cases = [
            (
                r#"{"a": NaN, "b": [-Infinity, Infinity, 1e999]}"#,
                r#"{"a": null, "b": [null, null, null]}"#,
                1,
            ),
            (
                r#"["\ud800", "\ud83d\ude00", "\udc00x", "NaN \" NaN"]"#,
                r#"["\ufffd", "\ud83d\ude00", "\ufffdx", "NaN \" NaN"]"#,
                1,
            ),
            ("[\"a\nb\"]\n", "[\"a b\"]\n", 1),
            ("[NaN, \"\t\\ud900\"]", "[null, \" \\ufffd\"]", 3),
        ];
        for (text, expected, notes) in cases {
            let mended = mend(text).unwrap();
            assert_eq!((mended.text.as_ref(), mended.notes.len()), (expected, notes), "{text}");
            serde_json::from_str::<serde_json::Value>(&mended.text).unwrap();
        }
        for text in ["", "[1, -2.5e3, \"\\\\\", \"\\u00e4\", true]", "{\"cut", "\"\\", "None"] {
            assert_eq!(mend(text), None, "{text}");
        }
    }
}
