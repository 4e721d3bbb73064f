//! Text of a run as it is shown to people and models: bounded, and with nothing in it that acts on who reads it.

/// Bytes of an excerpt.
pub const MOST_EXCERPT_BYTES: usize = 600;

/// Text with control characters, invisible ones and those that change the direction of writing as `\u{...}`. New lines and
/// tabs stay.
pub fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '\n' | '\t') || !acts(character) {
            safe.push(character);
        } else {
            safe.extend(character.escape_unicode());
        }
    }
    safe
}

/// Whether a character does something instead of being seen.
fn acts(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180e}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fe00}'..='\u{fe0f}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// A piece of a text around a place, on one line, escaped and bounded.
pub fn excerpt(text: &str, at: usize) -> String {
    let from = boundary(text, at.saturating_sub(MOST_EXCERPT_BYTES / 4));
    let until = boundary(text, from.saturating_add(MOST_EXCERPT_BYTES / 2));
    let mut shown = String::new();
    if from > 0 {
        shown.push_str("[...] ");
    }
    for character in escaped(&text[from..until]).chars() {
        match character {
            '\n' => shown.push_str("\\n"),
            '\t' => shown.push(' '),
            character => shown.push(character),
        }
    }
    if until < text.len() {
        shown.push_str(" [...]");
    }
    bounded(&shown, MOST_EXCERPT_BYTES)
}

/// The beginning of a text, at most so many bytes.
pub fn bounded(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let mut cut = text[..boundary(text, most.saturating_sub(5))].to_owned();
    cut.push_str("[...]");
    cut
}

/// The last place at or before `at` where a character begins.
pub(crate) fn boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_acts_is_shown() {
        for (text, expected) in [
            ("a\u{1b}[2Jb", "a\\u{1b}[2Jb"),
            ("a\u{202e}b\u{200b}", "a\\u{202e}b\\u{200b}"),
            ("ä 漢 \u{1f600}\n", "ä 漢 \u{1f600}\n"),
            ("\u{e0041}", "\\u{e0041}"),
        ] {
            assert_eq!(escaped(text), expected);
        }
        assert_eq!(excerpt("one\ntwo", 4), "one\\ntwo");
    }

    proptest! {
        #[test]
        fn excerpts_are_bounded(text in "\\PC{0,40}", times in 0..200_usize, at in 0..10_000_usize) {
            let shown = excerpt(&text.repeat(times), at);
            prop_assert!(shown.len() <= MOST_EXCERPT_BYTES && !shown.chars().any(acts));
        }
    }
}
