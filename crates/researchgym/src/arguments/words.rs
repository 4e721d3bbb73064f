//! The words of a command line before they are understood: other spellings, and what can be seen in words that are wrong.

use std::ffi::OsString;

/// The seed projects spelled flags with underscores; both spellings are accepted.
pub(crate) fn normalised(words: impl Iterator<Item = OsString>) -> Vec<OsString> {
    // In the seed project a budget of nothing is no limit.
    let mut words: Vec<OsString> = words.collect();
    let seeds_own = |word: &OsString| word == "--budget_limit";
    if let Some(at) = words.iter().position(seeds_own).filter(|at| words.get(at + 1).is_some_and(is_zero)) {
        words[at + 1] = "unlimited".into();
    }
    words
        .into_iter()
        .map(|word| match word.to_str().and_then(|text| text.strip_prefix("--")) {
            Some(flag) if flag.contains('_') => {
                let (name, value) =
                    flag.split_once('=').map_or((flag, None), |(name, value)| (name, Some(value)));
                let name = name.replace('_', "-");
                OsString::from(value.map_or(format!("--{name}"), |value| format!("--{name}={value}")))
            }
            _ => word,
        })
        .collect()
}

fn is_zero(word: &OsString) -> bool {
    word.to_str().and_then(|text| text.parse::<f64>().ok()) == Some(0.0)
}

/// Whether the command is `run`, whose usage errors are objects on standard output too.
pub(crate) fn is_run(words: &[OsString]) -> bool {
    words.iter().skip(1).any(|word| word == "run")
}

/// Whether JSON was asked for, as far as that can be seen in words that could not be understood.
pub(crate) fn wants_json(words: &[OsString]) -> bool {
    words.windows(2).any(|pair| pair[0] == "--output" && pair[1] == "json")
        || words.iter().any(|word| word == "--output=json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn underscored_flags_are_the_same_flags() {
        let words = [
            "researchgym",
            "run",
            "a_task",
            "scripted",
            "--dry_run",
            "--basic_hours=0_1",
            "--data_dir",
            "my_data",
            "--budget_limit",
            "0",
        ];
        let words = normalised(words.iter().map(OsString::from));
        let expected = [
            "researchgym",
            "run",
            "a_task",
            "scripted",
            "--dry-run",
            "--basic-hours=0_1",
            "--data-dir",
            "my_data",
            "--budget-limit",
            "unlimited",
        ];
        assert_eq!(words, expected.iter().map(OsString::from).collect::<Vec<_>>());
    }
}
