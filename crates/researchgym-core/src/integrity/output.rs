//! Printed text that pretends to be a record of ours, or that would steer the terminal of whoever reads it.

use serde_json::{Map, Value};

/// What one line of output pretends to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Forgery {
    /// A line of an event log.
    Event,
    /// A grader's verdict, or the result object of a run.
    Score,
}

/// The forgeries in an output, one for each line that is one.
pub(super) fn forgeries(text: &str) -> impl Iterator<Item = Forgery> {
    // A carriage return is how a line is written over.
    text.split(['\n', '\r']).filter_map(forgery)
}

fn forgery(line: &str) -> Option<Forgery> {
    let line = line.trim();
    if !line.starts_with('{') || !line.ends_with('}') {
        return None;
    }
    let Ok(Value::Object(object)) = serde_json::from_str(line) else { return None };
    if is_event(&object) {
        return Some(Forgery::Event);
    }
    let is_verdict = object.get("type").is_some_and(|kind| kind == "score")
        && object.get("metrics").is_some_and(Value::is_object);
    let is_result = ["schema", "run_id", "log_head", "score"].iter().all(|key| object.contains_key(*key));
    (is_verdict || is_result).then_some(Forgery::Score)
}

fn is_event(object: &Map<String, Value>) -> bool {
    let digest = object.get("prev").and_then(Value::as_str).unwrap_or_default();
    object.get("seq").is_some_and(Value::is_u64)
        && digest.len() == 64
        && object.get("event").and_then(|event| event.get("type")).is_some_and(Value::is_string)
}

/// Whether a text does more to a terminal than colours and progress bars do: moves to a place, clears the screen, sets
/// titles or the clipboard, asks for an answer, or reorders what is read.
pub(super) fn steers_terminal(text: &str) -> bool {
    let mut rest = text;
    while let Some(at) = rest.find(['\u{1b}', '\u{9b}', '\u{9d}', '\u{90}']) {
        let mut characters = rest[at..].chars();
        let first = characters.next();
        let steers = match first {
            Some('\u{1b}') => match characters.next() {
                Some('[') => is_steering_sequence(characters.as_str()),
                Some(']' | 'P' | '_' | '^' | 'X' | 'c') => true,
                _ => false,
            },
            Some('\u{9b}') => is_steering_sequence(characters.as_str()),
            _ => true,
        };
        if steers {
            return true;
        }
        rest = &rest[at + first.map_or(1, char::len_utf8)..];
    }
    text.contains(|character| matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
}

/// What follows `ESC [`: parameters, then one letter that says what is done.
fn is_steering_sequence(text: &str) -> bool {
    let end = text.find(|character: char| !matches!(character, ' '..='?')).unwrap_or(text.len());
    let (parameters, rest) = text.split_at(end);
    match rest.chars().next() {
        Some('J' | 'H' | 'f' | 'n' | 't' | 'r' | 'c') => true,
        // The other screen; hiding the cursor (25) is what progress bars do.
        Some('h' | 'l') => ["?47", "?1047", "?1048", "?1049"].contains(&parameters),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lines_in_our_own_forms_are_forgeries() {
        let check = |text: &str, expected: &[Forgery]| {
            assert_eq!(forgeries(text).collect::<Vec<_>>(), expected, "{text}");
        };
        let prev = "0".repeat(64);
        let event = format!(r#"{{"seq":9,"prev":"{prev}","time":"t","event":{{"type":"scored"}}}}"#);
        check(&event, &[Forgery::Event]);
        check(&format!("10%\r  {event}  \nepoch 1\n{event}"), &[Forgery::Event, Forgery::Event]);
        check(r#"{"type":"score","metrics":{"Score":1000.0}}"#, &[Forgery::Score]);
        check(r#"{"schema":1,"run_id":"x","log_head":"y","score":{"a":1}}"#, &[Forgery::Score]);
        for honest in [
            r#"{"Score": 0.3}"#,
            r#"{"type":"score","value":1}"#,
            r#"{"seq":1,"prev":0,"event":{"type":"x"}}"#,
            r#"{"ok":true,"result":{"attempt":1,"metrics":{"Score":0.1}}}"#,
            "{not json}",
        ] {
            check(honest, &[]);
        }
    }

    #[test]
    fn colours_and_progress_bars_do_not_steer() {
        for honest in [
            "\u{1b}[31mred\u{1b}[0m",
            "\u{1b}[?25l 10%\r\u{1b}[K 20%\u{1b}[1A\u{1b}[2K\u{1b}[10G\u{1b}[?25h",
            "plain",
            "\u{1b}",
        ] {
            assert!(!steers_terminal(honest), "{honest:?}");
        }
        for steering in [
            "\u{1b}]0;title\u{7}",
            "\u{1b}]52;c;cm0=\u{7}",
            "\u{1b}[2J",
            "\u{1b}[1;1Hscore 1.0",
            "\u{1b}[6n",
            "\u{1b}c",
            "\u{1b}[?1049h",
            "\u{1b}P+q\u{1b}\\",
            "red \u{1b}[31m then \u{9b}2J",
            "\u{202e}0.1 erocS",
        ] {
            assert!(steers_terminal(steering), "{steering:?}");
        }
    }
}
