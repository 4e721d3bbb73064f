//! The lines of a file that a message shows: those that resemble what was looked for.

use std::collections::HashSet;

use super::error::shortened;

/// How many characters of a line are shown.
const WIDTH: usize = 90;

/// The lines of a file that resemble the wanted ones most, with their numbers, and the first wanted one that the file
/// does not have.
pub(super) fn nearest(lines: &[&str], wanted: &[&str]) -> String {
    if lines.iter().all(|line| line.trim().is_empty()) {
        return "The file is empty.".into();
    }
    let words: HashSet<&str> = wanted.iter().take(100).flat_map(|line| words(line)).collect();
    let whole: HashSet<&str> =
        wanted.iter().take(100).map(|line| line.trim()).filter(|line| !line.is_empty()).collect();
    let scores: Vec<usize> = lines
        .iter()
        .map(|line| {
            let shared: HashSet<&str> = self::words(line).filter(|word| words.contains(word)).collect();
            shared.len() + if whole.contains(line.trim()) { 4 } else { 0 }
        })
        .collect();
    let height = wanted.len().clamp(1, 6).min(lines.len());
    let mut sum: usize = scores[..height].iter().sum();
    let (mut best, mut start) = (sum, 0);
    for end in height..lines.len() {
        sum = sum + scores[end] - scores[end - height];
        if sum > best {
            (best, start) = (sum, end + 1 - height);
        }
    }
    let present: HashSet<&str> = lines.iter().map(|line| line.trim()).collect();
    let missing = wanted.iter().map(|line| line.trim()).find(|line| !present.contains(line));
    let difference = match missing {
        Some(line) => format!("The first of them that is not in it: `{}`.", shortened(line, WIDTH)),
        None => "Each of them is in it, but not together in this order.".into(),
    };
    let (start, introduction) = match best {
        0 => (0, "It begins:"),
        _ => (start, "The nearest lines of the file:"),
    };
    format!("{difference} {introduction}\n{}", shown(lines, start.saturating_sub(1), height + 3))
}

/// Some lines with their numbers.
pub(super) fn shown(lines: &[&str], from: usize, count: usize) -> String {
    let numbered = lines.iter().enumerate().skip(from).take(count);
    let rows: Vec<String> = numbered
        .map(|(index, line)| format!("{:>5} | {}", index + 1, shortened(line.trim_end(), WIDTH)))
        .collect();
    rows.join("\n")
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|character: char| !character.is_alphanumeric() && character != '_')
        .filter(|word| !word.is_empty())
}
