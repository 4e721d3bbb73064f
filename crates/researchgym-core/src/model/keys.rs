//! Keys of providers from a `.env` file.
//!
//! One `KEY=value` a line, optionally behind `export`. Values are plain, 'as they are' or "with escapes"; quoted ones
//! may have several lines. Nothing is expanded: `$HOME` and `$(...)` are text. Messages name lines and never repeat what
//! stands there.

use std::collections::BTreeMap;

/// A `.env` file cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DotenvError {
    /// There is no `=`.
    #[error("line {line}: is not of the form KEY=value")]
    NoEquals {
        /// Counted from 1.
        line: usize,
    },
    /// The part before `=` is no name.
    #[error("line {line}: the name before `=` must be letters, digits and `_`, and begin with no digit")]
    BadName {
        /// Counted from 1.
        line: usize,
    },
    /// A quote is opened and not closed.
    #[error("line {line}: the quote that begins here is not closed")]
    OpenQuote {
        /// Where the quote is.
        line: usize,
    },
    /// Something other than a comment follows a quoted value.
    #[error("line {line}: only a comment may follow the closing quote")]
    BehindQuote {
        /// Where the value begins.
        line: usize,
    },
}

/// Reads the text of a `.env` file. If a name comes twice, the later value holds.
///
/// # Errors
/// The first line that is not understood.
pub fn parse_dotenv(text: &str) -> Result<BTreeMap<String, String>, DotenvError> {
    let mut values = BTreeMap::new();
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut line = 1;
    while !rest.is_empty() {
        let (first, others) = rest.split_once('\n').unwrap_or((rest, ""));
        let trimmed = first.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            (rest, line) = (others, line + 1);
            continue;
        }
        let equals = first.find('=').ok_or(DotenvError::NoEquals { line })?;
        let name = name(&first[..equals]).ok_or(DotenvError::BadName { line })?;
        let (value, behind) = value(rest[equals + 1..].trim_start_matches([' ', '\t']), line)?;
        line += rest[..rest.len() - behind.len()].matches('\n').count();
        rest = behind;
        values.insert(name.to_owned(), value);
    }
    Ok(values)
}

fn name(text: &str) -> Option<&str> {
    let text = text.trim();
    let exported = text.strip_prefix("export").filter(|rest| rest.starts_with([' ', '\t']));
    let name = exported.unwrap_or(text).trim();
    let fits = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let begins_well = name.starts_with(|first: char| !first.is_ascii_digit());
    (begins_well && name.chars().all(fits)).then_some(name)
}

/// The value at the beginning of the text, and what stands behind its last line.
fn value(text: &str, line: usize) -> Result<(String, &str), DotenvError> {
    let Some(quote) = text.chars().next().filter(|first| matches!(first, '\'' | '"')) else {
        let (first, others) = text.split_once('\n').unwrap_or((text, ""));
        return Ok((plain(first).to_owned(), others));
    };
    let (value, behind) = quoted(&text[1..], quote).ok_or(DotenvError::OpenQuote { line })?;
    let (first, others) = behind.split_once('\n').unwrap_or((behind, ""));
    let first = first.trim();
    if !first.is_empty() && !first.starts_with('#') {
        return Err(DotenvError::BehindQuote { line });
    }
    Ok((value, others))
}

/// Up to a `#` that has space before it.
fn plain(line: &str) -> &str {
    let comment = line
        .char_indices()
        .find(|&(position, character)| {
            character == '#' && (position == 0 || line[..position].ends_with([' ', '\t']))
        })
        .map_or(line.len(), |(position, _)| position);
    line[..comment].trim()
}

/// What stands before the closing quote, and what behind it; nothing if there is none.
fn quoted(text: &str, quote: char) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((position, character)) = characters.next() {
        match character {
            _ if character == quote => return Some((value, &text[position + 1..])),
            '\\' if quote == '"' => {
                let (_, escaped) = characters.next()?;
                match escaped {
                    'n' => value.push('\n'),
                    'r' => value.push('\r'),
                    't' => value.push('\t'),
                    '\\' | '"' | '\'' | '$' | '`' => value.push(escaped),
                    other => value.extend(['\\', other]),
                }
            }
            '\r' if text[position..].starts_with("\r\n") => {}
            _ => value.push(character),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, expected: &[(&str, &str)]) {
        let expected =
            expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        assert_eq!(parse_dotenv(text), Ok(expected), "{text}");
    }

    #[test]
    fn plain_values_end_at_a_comment() {
        check("", &[]);
        check("# only a comment\n\n  \n", &[]);
        check("A=1", &[("A", "1")]);
        check("\u{feff}A = sk-1 # mine\r\nB=\r\nC=a#b\n", &[("A", "sk-1"), ("B", ""), ("C", "a#b")]);
        check("export A=1\n\texport\tB=2\nexport=3", &[("A", "1"), ("B", "2"), ("export", "3")]);
        check("A=#nothing\nB=x=y==", &[("A", ""), ("B", "x=y==")]);
        check("A=1\nA=2", &[("A", "2")]);
        check("A=$HOME\nB=it's", &[("A", "$HOME"), ("B", "it's")]);
    }

    #[test]
    fn quoted_values_keep_what_is_in_them() {
        check("A='a # b \\n' # c\nB=2", &[("A", "a # b \\n"), ("B", "2")]);
        check(r#"A="a\tb\n\"c\" \\ \$x \q""#, &[("A", "a\tb\n\"c\" \\ $x \\q")]);
        check(
            "A=\"one\r\ntwo\"\nB='three\nfour'\nC=5",
            &[("A", "one\ntwo"), ("B", "three\nfour"), ("C", "5")],
        );
        check("A=\"\"", &[("A", "")]);
        check("A='é'", &[("A", "é")]);
    }

    #[test]
    fn mistakes_are_named_by_their_line() {
        assert_eq!(parse_dotenv("A=1\nsk-secret\n"), Err(DotenvError::NoEquals { line: 2 }));
        assert_eq!(parse_dotenv("A='1\n2'\n1A=2"), Err(DotenvError::BadName { line: 3 }));
        assert_eq!(parse_dotenv("=2"), Err(DotenvError::BadName { line: 1 }));
        assert_eq!(parse_dotenv("A B=2"), Err(DotenvError::BadName { line: 1 }));
        assert_eq!(parse_dotenv("\nA=\"1\nB=2\\"), Err(DotenvError::OpenQuote { line: 2 }));
        assert_eq!(parse_dotenv("A='1' 2"), Err(DotenvError::BehindQuote { line: 1 }));
    }

    #[test]
    fn messages_do_not_repeat_the_file() {
        for text in ["sk-secret", "sk secret=1", "A='sk-secret", "A='sk' secret"] {
            let message = parse_dotenv(text).unwrap_err();
            assert!(!format!("{message} {message:?}").contains("sk"), "{text}: {message}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[A-Z='\"\\\\# \r\n$é]{0,60}") {
            let _ = parse_dotenv(&text);
        }

        #[test]
        fn every_value_can_be_written(value in "[^\r]{0,30}", other in "[a-z]{0,8}") {
            let escaped = value.replace('\\', "\\\\").replace('"', "\\\"");
            let expected = BTreeMap::from([("A".to_owned(), value), ("B".to_owned(), other.clone())]);
            prop_assert_eq!(parse_dotenv(&format!("A=\"{escaped}\" # x\nB={other}")), Ok(expected));
        }
    }
}
