//! The known word that a misspelt one most likely means.

/// The candidate that differs from the word by the fewest edits, if that is few enough to be a slip.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let bounded: Vec<char> = word.chars().take(80).flat_map(char::to_lowercase).collect();
    let allowed = (bounded.len() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (edits(&bounded, candidate), candidate))
        .filter(|(distance, candidate)| {
            *distance <= allowed || (bounded.len() >= 3 && candidate.contains(word) && !word.is_empty())
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Counts insertions, deletions, replacements and swaps of neighbours (each pair of letters swapped at most once).
fn edits(word: &[char], candidate: &str) -> usize {
    let candidate: Vec<char> = candidate.chars().take(80).flat_map(char::to_lowercase).collect();
    let mut before_previous: Vec<usize> = Vec::new();
    let mut previous: Vec<usize> = (0..=candidate.len()).collect();
    for (row, letter) in word.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, other) in candidate.iter().enumerate() {
            let replaced = previous[column] + usize::from(letter != other);
            let mut best = replaced.min(previous[column + 1] + 1).min(current[column] + 1);
            if row > 0 && column > 0 && word[row - 1] == *other && *letter == candidate[column - 1] {
                best = best.min(before_previous[column - 1] + 1);
            }
            current.push(best);
        }
        before_previous = std::mem::replace(&mut previous, current);
    }
    previous[candidate.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    fn check(word: &str, expected: Option<&str>) {
        assert_eq!(nearest(word, ["command", "files", "timeout_s", "battle-of-sexes"]), expected, "{word}");
    }

    #[test]
    fn finds_slips_and_nothing_else() {
        check("comand", Some("command"));
        check("Command", Some("command"));
        check("fiels", Some("files"));
        check("timeout", Some("timeout_s"));
        check("battle", Some("battle-of-sexes"));
        check("quantum", None);
        check("", None);
    }
}
