//! The text of programs (Python, as a rule), as far as literals, statements and names of modules go.

use super::words::Words;

/// The most calls of one program that are looked at.
const MOST_CALLS: usize = 500;
/// The longest literal that is read.
const LONGEST_LITERAL: usize = 16 << 10;
/// The most words of a list.
const MOST_WORDS: usize = 200;
/// Calls that give a text, or a list of words, to a shell or start it.
static CALLS: Words = Words::of(&[
    "system(",
    "popen(",
    "Popen(",
    "check_call(",
    "check_output(",
    "getoutput(",
    "execSync(",
    "spawnSync(",
]);
/// The same, where the program names `subprocess`.
static COMMON_CALLS: Words = Words::of(&["run(", "call("]);

/// What stands between a module and another name of it.
static RENAMED: Words = Words::of(&[" as "]);

/// What a program hands to a shell: one text, or several words.
pub fn shell_calls(program: &str) -> Vec<Vec<String>> {
    let has_subprocess = program.contains("subprocess");
    let common = COMMON_CALLS.found(program).filter(|_| has_subprocess);
    let mut found = Vec::new();
    for (call, _) in CALLS.found(program).chain(common) {
        for (at, _) in program.match_indices(call).take(MOST_CALLS) {
            let is_end_of_other = program[..at].ends_with(|before: char| before.is_alphanumeric());
            if is_end_of_other && !program[..at].ends_with("get") {
                continue;
            }
            let rest = program[at + call.len()..].trim_start();
            let words = match rest.strip_prefix('[') {
                Some(list) => literals(list),
                None => literal(rest).map(|(text, _)| vec![text]).unwrap_or_default(),
            };
            if !words.is_empty() && found.len() < MOST_CALLS {
                found.push(words);
            }
        }
    }
    found
}

/// The literals of a list up to its end.
fn literals(mut rest: &str) -> Vec<String> {
    let mut words = Vec::new();
    while words.len() < MOST_WORDS {
        rest = rest.trim_start_matches([' ', '\n', '\t', ',']);
        if rest.starts_with(']') || rest.is_empty() {
            break;
        }
        match literal(rest) {
            Some((text, length)) => {
                words.push(text);
                rest = &rest[length..];
            }
            // A name or a call: its value is not known.
            None => match rest.find([',', ']']) {
                Some(end) => {
                    words.push("?".to_owned());
                    rest = &rest[end..];
                }
                None => break,
            },
        }
    }
    // A list of one word is that word alone, and no shell text.
    if words.len() == 1 {
        words.push(String::new());
    }
    words
}

/// The string literal with which a text begins, and how long it is.
pub fn literal(text: &str) -> Option<(String, usize)> {
    let prefix = text.bytes().take(2).take_while(|byte| b"rRbBfFuU".contains(byte)).count();
    let is_raw = text[..prefix].contains(['r', 'R']);
    let body = &text[prefix..];
    let quote = ["\"\"\"", "'''", "\"", "'"].into_iter().find(|quote| body.starts_with(quote))?;
    let inner = &body[quote.len()..];
    let mut value = String::new();
    let mut characters = inner.char_indices();
    while let Some((at, character)) = characters.next() {
        if at > LONGEST_LITERAL {
            return None;
        }
        if inner[at..].starts_with(quote) {
            return Some((value, prefix + quote.len() + at + quote.len()));
        }
        match character {
            '\\' if !is_raw => match characters.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, 't')) => value.push('\t'),
                Some((_, '\n')) | None => {}
                Some((_, other)) => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

/// The statements of a program: its lines, cut at semicolons that stand outside of quotes.
pub fn statements(program: &str) -> impl Iterator<Item = &str> {
    program.lines().flat_map(|line| {
        let mut quote = None;
        let mut escaped = false;
        line.split(move |character: char| {
            match (quote, character) {
                _ if escaped => escaped = false,
                (Some(_), '\\') => escaped = true,
                (Some(open), _) if open == character => quote = None,
                (None, '\'' | '"') => quote = Some(character),
                (None, ';') => return true,
                _ => {}
            }
            false
        })
    })
}

/// Names under which a module is imported beside its own: `t` of `import time as t`.
pub fn aliases<'p>(program: &'p str, module: &str) -> Vec<&'p str> {
    let places = ["import ", ", "].into_iter().flat_map(|lead| {
        RENAMED.places(program).filter_map(move |(words, at)| {
            let is_it = program[..at].strip_suffix(module)?.ends_with(lead);
            is_it.then_some(at + words.len())
        })
    });
    places
        .take(10)
        .filter_map(|at| {
            let rest = &program[at..];
            let end = rest.find(|character: char| !character.is_alphanumeric() && character != '_');
            rest.get(..end.unwrap_or(rest.len())).filter(|name| !name.is_empty())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_literals_and_aliases_are_read() {
        let found: Vec<&str> = statements("a = ';'; b()\nc").map(str::trim).collect();
        assert_eq!(found, ["a = ';'", "b()", "c"]);
        assert_eq!(literal("'a\\'b' + c"), Some(("a'b".to_owned(), 6)));
        assert_eq!(literal("name"), None);
        assert_eq!(aliases("import os, time as t\nimport time as clock\n", "time"), ["clock", "t"]);
    }
}
