//! Paths as agents write them, made comparable; and names in program text.

use memchr::memmem;

/// A path relative to the workspace if it is in there, else absolute. `folder` is where it was written, absolute.
pub fn resolved(path: &str, folder: &str, workspace: &str) -> String {
    let path = path.trim();
    let variables =
        ["${RESEARCHGYM_WORKSPACE:-/workspace}", "$RESEARCHGYM_WORKSPACE", "${RESEARCHGYM_WORKSPACE}"];
    let named =
        variables.iter().find_map(|name| path.strip_prefix(name).map(|rest| format!("{workspace}{rest}")));
    let path = named.as_deref().unwrap_or(path);
    let whole = if path.starts_with('/') { path.to_owned() } else { format!("{folder}/{path}") };
    let mut parts: Vec<&str> = Vec::new();
    for part in whole.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let whole = format!("/{}", parts.join("/"));
    match whole.strip_prefix(workspace).and_then(|rest| rest.strip_prefix('/')) {
        Some(inside) => inside.to_owned(),
        None => whole,
    }
}

/// The places of a name in a text where it is a word of its own: no letter, digit, `_` or `-` on either side, and no
/// further extension.
pub fn mentions<'a>(text: &'a str, name: &'a str) -> impl Iterator<Item = usize> + 'a {
    let is_absolute = name.starts_with('/');
    let places = memmem::find_iter(text.as_bytes(), name).filter(|at| text.is_char_boundary(*at));
    places.filter(move |at| {
        let before = text[..*at].chars().next_back();
        let mut after = text[at + name.len()..].chars();
        let next = after.next();
        let begins = before.is_none_or(|character| {
            !is_name(character) && character != '.' && (!is_absolute || !matches!(character, '/' | '}' | ')'))
        });
        let ends = match next {
            None => true,
            Some('.') => !after.next().is_some_and(char::is_alphanumeric),
            Some(character) => !is_name(character),
        };
        begins && ends
    })
}

fn is_name(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | '-')
}

/// Whether a text names a place: a folder with all below, or a file by its name.
pub fn names(text: &str, place: &str) -> bool {
    mentions(text, place).next().is_some()
}

/// The name of a path's file.
pub fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_comparable() {
        for (path, folder, expected) in [
            ("target.py", "/workspace", "target.py"),
            ("./a/../target.py", "/workspace", "target.py"),
            ("/workspace//target.py", "/tmp", "target.py"),
            ("$RESEARCHGYM_WORKSPACE/target.py", "/tmp", "target.py"),
            ("target.py", "/tmp", "/tmp/target.py"),
            ("../target.py", "/workspace/src", "target.py"),
            ("../../../../x", "/workspace", "/x"),
        ] {
            assert_eq!(resolved(path, folder, "/workspace"), expected, "{path} in {folder}");
        }
    }

    #[test]
    fn names_are_whole_words() {
        for (text, name, expected) in [
            ("cat data/answer.csv", "answer.csv", true),
            ("cat my_answer.csv", "answer.csv", false),
            ("cat answer.csv.bak", "answer.csv", false),
            ("see answer.csv.", "answer.csv", true),
            ("ls /grader/x", "/grader", true),
            ("ls /mine/grader", "/grader", false),
            ("ls ./grader", "/grader", false),
            ("ls /graders", "/grader", false),
            ("open('/grader')", "/grader", true),
        ] {
            assert_eq!(names(text, name), expected, "{text}");
        }
    }
}
