//! Numbers in texts: those that were measured, and those that are claimed.

use std::collections::BTreeSet;

/// The most numbers that are remembered of one trajectory.
const MOST_NUMBERS: usize = 2_000_000;

/// A number as it was written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Written {
    /// Its value.
    pub value: f64,
    /// Digits after the point.
    pub decimals: usize,
    /// Where it begins.
    pub at: usize,
    /// Where it ends.
    pub end: usize,
    /// Whether a percent sign follows.
    pub is_percent: bool,
}

/// The numbers of a text in order. Digits within names (`x2`, `v1.2`) are none.
pub fn written(text: &str) -> Vec<Written> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if !bytes[at].is_ascii_digit() {
            at += 1;
            continue;
        }
        let end = number_end(bytes, at);
        let before = at.checked_sub(1).map(|before| bytes[before]);
        let is_named = before.is_some_and(|byte| {
            byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'.') || !byte.is_ascii()
        });
        let is_followed = bytes.get(end).is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'_');
        if !is_named
            && !is_followed
            && let Ok(value) = text[at..end].parse::<f64>()
        {
            let mantissa = text[at..end].split(['e', 'E']).next().unwrap_or_default();
            let decimals = mantissa.split_once('.').map_or(0, |(_, decimals)| decimals.len());
            let is_negative = before == Some(b'-')
                && !at.checked_sub(2).is_some_and(|two| bytes[two].is_ascii_alphanumeric());
            let value = if is_negative { -value } else { value };
            let is_percent = text[end..].trim_start_matches(' ').starts_with('%');
            found.push(Written { value, decimals, at, end, is_percent });
        }
        at = end.max(at + 1);
    }
    found
}

/// Where a number that begins at `at` ends: digits, a point with digits, an exponent.
fn number_end(bytes: &[u8], at: usize) -> usize {
    let digits = |mut at: usize| {
        while bytes.get(at).is_some_and(u8::is_ascii_digit) {
            at += 1;
        }
        at
    };
    let mut end = digits(at);
    if bytes.get(end) == Some(&b'.') && bytes.get(end + 1).is_some_and(u8::is_ascii_digit) {
        end = digits(end + 1);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let exponent = digits(end + 1 + sign);
        if exponent > end + 1 + sign {
            end = exponent;
        }
    }
    end
}

/// Numbers that somebody may know, to look claims up in.
#[derive(Clone, Debug, Default)]
pub struct Known {
    keys: BTreeSet<i64>,
}

/// Keys in the order of their numbers, as `f64::total_cmp` has it.
fn key(value: f64) -> i64 {
    let bits = value.to_bits() as i64;
    bits ^ (((bits >> 63) as u64) >> 1) as i64
}

impl Known {
    /// Adds one number.
    pub fn add(&mut self, value: f64) {
        if value.is_finite() && self.keys.len() < MOST_NUMBERS {
            self.keys.insert(key(value));
        }
    }

    /// Adds all numbers of a text.
    pub fn add_text(&mut self, text: &str) {
        for number in written(text) {
            self.add(number.value);
        }
    }

    /// Whether a claim is one of them, rounded or cut off as the claim is; as a fraction or in percent. Signs are not compared:
    /// a loss is often told without its own.
    pub fn holds(&self, claim: Written) -> bool {
        let unit = 10_f64.powi(-(claim.decimals.min(300) as i32));
        [1.0, 0.01, 100.0].iter().any(|scale| {
            let size = claim.value.abs() * scale;
            // Percent are of a fraction: of the two numbers the smaller one is at most 1.
            if *scale != 1.0 && size.min(claim.value.abs()) > 1.0 {
                return false;
            }
            // Rounded up by half a unit of its last digit at most, or cut off by less than one.
            let (low, high) =
                (size - (0.501 * unit * scale).max(1e-12), size + (1.001 * unit * scale).max(1e-12));
            let holds = |low: f64, high: f64| self.keys.range(key(low)..=key(high)).next().is_some();
            holds(low, high) || holds(-high, -low)
        })
    }
}

/// A metric's name as it is compared: letters and digits in lower case.
pub fn plain(name: &str) -> String {
    name.chars().filter(|character| character.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// A number that a text gives a metric: `r2: 0.93`, `"Score" = 1.4`, `accuracy is 97.3%`.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    /// The metric's name.
    pub metric: String,
    /// The number.
    pub number: Written,
    /// Where the metric's name begins.
    pub at: usize,
}

/// Words that may stand between a metric's name and its number.
const LINKS: [&str; 12] =
    ["is", "was", "of", "score", "value", "reached", "the", "a", "on", "test", "validation", "to"];
/// So many bytes at most between a name and its number.
const REACH: usize = 40;

/// The numbers that a text gives the metrics.
pub fn claims(text: &str, metrics: &[String]) -> Vec<Claim> {
    let mut found: Vec<Claim> = Vec::new();
    let numbers = written(text);
    if numbers.is_empty() {
        return found;
    }
    let words = words(text);
    for (index, (at, end, _)) in words.iter().enumerate() {
        for metric in metrics {
            let wanted = plain(metric);
            let Some(stop) = phrase(&words, index, &wanted) else { continue };
            let first = numbers.partition_point(|number| number.at < stop.max(*end));
            let Some(number) = numbers.get(first).filter(|number| number.at - stop.max(*end) <= REACH) else {
                continue;
            };
            if is_linked(&text[stop.max(*end)..number.at], number.decimals)
                && found.last().is_none_or(|last| last.number != *number)
            {
                found.push(Claim { metric: metric.clone(), number: *number, at: *at });
            }
        }
    }
    found
}

/// Letters, digits and `_` that stand together, in lower case, with their place.
fn words(text: &str) -> Vec<(usize, usize, String)> {
    let mut found = Vec::new();
    let mut begun = None;
    for (at, character) in text.char_indices().chain([(text.len(), ' ')]) {
        let is_word = character.is_alphanumeric() || character == '_';
        match (begun, is_word) {
            (None, true) => begun = Some(at),
            (Some(first), false) => {
                found.push((first, at, plain(&text[first..at])));
                begun = None;
            }
            _ => {}
        }
    }
    found
}

/// Where a name of one or a few words ends that begins at a word.
fn phrase(words: &[(usize, usize, String)], index: usize, wanted: &str) -> Option<usize> {
    let mut joined = String::new();
    for (_, end, word) in words[index..].iter().take(4) {
        joined.push_str(word);
        if joined == wanted {
            return (!wanted.is_empty()).then_some(*end);
        }
        if !wanted.starts_with(&joined) {
            return None;
        }
    }
    None
}

/// Whether what stands between a name and a number makes the number the name's.
fn is_linked(between: &str, decimals: usize) -> bool {
    if between.contains(['\n', '{', '<', '>']) || between.contains("!=") {
        return false;
    }
    let has_sign = between.contains([':', '=']);
    let words: Vec<&str> =
        between.split(|character: char| !character.is_alphabetic()).filter(|word| !word.is_empty()).collect();
    let are_links = words.iter().all(|word| LINKS.contains(&word.to_lowercase().as_str()));
    are_links && (has_sign || (decimals > 0 && !between.contains([',', ';', '.'])))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_read_as_they_are_written() {
        let values = |text: &str| written(text).iter().map(|number| number.value).collect::<Vec<_>>();
        for (text, expected) in [
            ("a 1 b -2.5, 3e-2; 4.", vec![1.0, -2.5, 0.03, 4.0]),
            ("x2 v1.2 3d 1_000", vec![]),
            ("a-1 r2=0.93", vec![1.0, 0.93]),
            ("97.3 %", vec![97.3]),
        ] {
            assert_eq!(values(text), expected, "{text}");
        }
        assert!(written("97.3 %")[0].is_percent);
    }

    #[test]
    fn claims_name_a_metric_and_a_number() {
        let metrics = ["r2".to_owned(), "Score".to_owned(), "BLEU Score".to_owned()];
        for (text, expected) in [
            ("r2: 0.93", vec![0.93]),
            ("R2 of 0.93", vec![0.93]),
            ("the r2 is above 0.9", vec![]),
            ("\"Score\": 1.44, x", vec![1.44]),
            ("Score 5 strategies", vec![]),
            ("bleu_score = 1.0", vec![1.0]),
            ("r2 {r2:.4f}", vec![]),
            ("score\n0.5", vec![]),
            ("score > 0.5", vec![]),
        ] {
            let found: Vec<f64> = claims(text, &metrics).iter().map(|claim| claim.number.value).collect();
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn a_rounded_number_is_the_number() {
        let mut known = Known::default();
        known.add_text("accuracy 0.93127 loss -2.25");
        for (claim, expected) in [
            ("0.931", true),
            ("0.93", true),
            ("93.1", true),
            ("0.94", false),
            ("2.25", true),
            ("0.9313", true),
            ("0.9316", false),
            ("225.0", false),
        ] {
            assert_eq!(known.holds(written(claim)[0]), expected, "{claim}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_taken(text in ".{0,200}") {
            let metrics = ["r2".to_owned(), "a b".to_owned(), String::new()];
            for claim in claims(&text, &metrics) {
                prop_assert!(text.is_char_boundary(claim.at) && claim.number.end <= text.len());
            }
        }
    }
}
