//! Room for text: what a text costs of the limit, and how texts are made to fit without breaking the page.
//!
//! The cost of a text is its length as JSON, which is what [`message_bound`](crate::model::message_bound) counts: it adds
//! up over pieces, and no tokenizer makes more tokens of it.

use super::template::{NOTES, fill, part};
use crate::model::escaped_bytes;

/// The most tokens that a text can have within a message.
pub(super) fn cost(text: &str) -> u64 {
    escaped_bytes(text)
}

/// The text in a fence that is longer than any run of backticks within it.
pub(super) fn fenced(language: &str, text: &str) -> String {
    let fence = "`".repeat(longest_ticks(text).saturating_add(1).max(3));
    let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    format!("{fence}{language}\n{text}{end}{fence}")
}

/// How long the longest run of backticks is.
pub(super) fn longest_ticks(text: &str) -> usize {
    let mut longest = 0;
    let mut rest = text.as_bytes();
    while let Some(at) = memchr::memchr(b'`', rest) {
        rest = &rest[at..];
        let run = rest.iter().take_while(|byte| **byte == b'`').count();
        longest = longest.max(run);
        rest = &rest[run..];
    }
    longest
}

/// A path or command within a sentence; what could break the line is written as an escape.
pub(super) fn inline(text: &str) -> String {
    let plain = match text.chars().any(breaks_lines) {
        true => text.chars().flat_map(escaped).collect(),
        false => text.to_owned(),
    };
    if plain.contains('`') { format!("`` {plain} ``") } else { format!("`{plain}`") }
}

fn escaped(character: char) -> Vec<char> {
    if breaks_lines(character) { character.escape_default().collect() } else { vec![character] }
}

fn breaks_lines(character: char) -> bool {
    character.is_control() || matches!(character, '\u{2028}' | '\u{2029}')
}

/// The text on one line, of at most so many characters.
pub(super) fn one_line(text: &str, most: usize) -> String {
    let mut line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((at, _)) = line.char_indices().nth(most) {
        line.truncate(at);
        line.truncate(line.trim_end().len());
        line.push_str(" ...");
    }
    line
}

/// Head and tail of a text, cut at line borders where that keeps half of the room, with a line between them that says
/// how much is left out; the text itself if it fits. `None` if not even that line fits.
pub(super) fn shortened(text: &str, room: u64, cost: impl Fn(&str) -> u64) -> Option<String> {
    if cost(text) <= room {
        return Some(text.to_owned());
    }
    let note = |count: usize| fill(part(&NOTES, "shortened"), &[("count", &count.to_string())]);
    // What is left out is at most all of it, so the note is never longer than this one. Two line ends join the parts.
    let room = room.checked_sub(cost(&format!("\n{}\n", note(text.len()))))?;
    let head = head(text, room.div_ceil(2), &cost);
    let tail = tail(&text[head.len()..], room.saturating_sub(cost(head)), &cost);
    let left_out = note(text.len() - head.len() - tail.len());
    let (head, tail) = (head.trim_end_matches('\n'), tail.trim_start_matches('\n'));
    let before = if head.is_empty() { "" } else { "\n" };
    let after = if tail.is_empty() { "" } else { "\n" };
    Some(format!("{head}{before}{left_out}{after}{tail}"))
}

fn head<'t>(text: &'t str, room: u64, cost: &impl Fn(&str) -> u64) -> &'t str {
    let mut spent = 0;
    let mut end = 0;
    for (at, character) in text.char_indices() {
        spent += cost(&text[at..at + character.len_utf8()]);
        if spent > room {
            break;
        }
        end = at + character.len_utf8();
    }
    let whole = text[..end].rfind('\n').map_or(0, |at| at + 1);
    if cost(&text[..whole]) * 2 >= room { &text[..whole] } else { &text[..end] }
}

fn tail<'t>(text: &'t str, room: u64, cost: &impl Fn(&str) -> u64) -> &'t str {
    let mut spent = 0;
    let mut start = text.len();
    for (at, character) in text.char_indices().rev() {
        spent += cost(&text[at..at + character.len_utf8()]);
        if spent > room {
            break;
        }
        start = at;
    }
    let whole = text[start..].find('\n').map_or(text.len(), |at| start + at + 1);
    if cost(&text[whole..]) * 2 >= room { &text[whole..] } else { &text[start..] }
}

/// A value with at most ten significant digits.
pub(super) fn number(value: f64) -> String {
    let size = value.abs();
    if size >= 1e15 || (size > 0.0 && size < 1e-5) {
        let rounded: f64 = format!("{value:.9e}").parse().unwrap_or(value);
        return format!("{rounded:e}");
    }
    let rounded: f64 = format!("{value:.9e}").parse().unwrap_or(value);
    format!("{rounded}")
}

/// Names in a sentence: the first 20, and how many more there are.
pub(super) fn listed<'t>(names: impl Iterator<Item = &'t str>) -> String {
    const MOST: usize = 20;
    let names: Vec<&str> = names.collect();
    let shortened = |name: &&str| inline(&name.chars().take(120).collect::<String>());
    let mut shown: Vec<String> = names.iter().take(MOST).map(shortened).collect();
    if names.len() > MOST {
        shown.push(format!("and {} more", names.len() - MOST));
    }
    shown.join(", ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_short_and_exact_enough() {
        let cases = [
            (0.0, "0"),
            (2.635_983_084_917_6, "2.635983085"),
            (-0.1, "-0.1"),
            (0.1 + 0.2, "0.3"),
            (1e-9, "1e-9"),
            (1_234_567.0, "1234567"),
            (1e300, "1e300"),
        ];
        for (value, expected) in cases {
            assert_eq!(number(value), expected);
        }
    }

    #[test]
    fn long_texts_keep_head_and_tail_on_line_borders() {
        let text: String = (0..100).map(|line| format!("line {line}\n")).collect();
        let expected = "line 0\nline 1\nline 2\n[... 745 bytes left out ...]\nline 97\nline 98\nline 99\n";
        assert_eq!(shortened(&text, 78, |text| text.len() as u64).unwrap(), expected);
        assert_eq!(shortened(&text, 10, |text| text.len() as u64), None);
        assert_eq!(fenced("py", "a\n```\nb"), "````py\na\n```\nb\n````");
        assert_eq!(inline("a\n`b"), "`` a\\n`b ``");
        assert_eq!(one_line(" a\n  bcd e", 4), "a bc ...");
    }

    proptest! {
        #[test]
        fn costs_are_those_of_json_and_shortened_texts_fit(text in "(?s).{0,300}", room in 0_u64..400) {
            let json = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(cost(&text) + 2, json.len() as u64);
            if let Some(short) = shortened(&text, room, cost) {
                prop_assert!(cost(&short) <= room);
            }
        }
    }
}
