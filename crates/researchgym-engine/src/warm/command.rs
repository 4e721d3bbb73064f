//! Which commands a warm Python can run.

use std::collections::BTreeMap;

use serde::Serialize;

use super::WarmError;

/// Flags whose effect a running Python can have as well as one that starts.
const FLAGS: &str = "BEIqsu";

/// A Python file with its arguments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Script {
    /// Its path, relative to the working folder or absolute.
    pub file: String,
    /// What follows it.
    pub arguments: Vec<String>,
    /// The letters of the flags before it.
    pub flags: String,
    /// What its environment has beside that of the sandbox.
    pub environment: BTreeMap<String, String>,
}

impl Script {
    /// Takes `python3 [-B|-E|-I|-q|-s|-u] FILE [ARGUMENTS]` apart.
    ///
    /// # Errors
    /// It is any other command.
    pub fn parse(argv: &[String]) -> Result<Script, WarmError> {
        let refuse = |what: String| Err(WarmError::NotWarm { what });
        if argv.iter().any(|argument| argument.contains('\0')) {
            return refuse("an argument contains a NUL character".to_owned());
        }
        let Some((program, mut rest)) = argv.split_first() else {
            return refuse("the command is empty".to_owned());
        };
        if program != "python3" {
            return refuse(format!("the command begins with `{program}`, not with `python3`"));
        }
        let mut flags = String::new();
        while let Some((first, others)) = rest.split_first() {
            let Some(letters) = first.strip_prefix('-') else {
                let (file, arguments) = (first.clone(), others.to_vec());
                return match file.is_empty() {
                    true => refuse("the name of the file is empty".to_owned()),
                    false => Ok(Script { file, arguments, flags, environment: BTreeMap::new() }),
                };
            };
            if letters.is_empty() || !letters.chars().all(|letter| FLAGS.contains(letter)) {
                return refuse(format!("`{first}` stands where a Python file should be"));
            }
            flags.push_str(letters);
            rest = others;
        }
        refuse("no Python file is named".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(command: &str) -> Result<Script, String> {
        let argv: Vec<String> = command.split_ascii_whitespace().map(str::to_owned).collect();
        Script::parse(&argv).map_err(|error| error.to_string())
    }

    #[test]
    fn a_file_and_its_arguments_are_told_from_flags() {
        let check = |command: &str, file: &str, arguments: &[&str], flags: &str| {
            let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
            assert_eq!(
                parsed(command),
                Ok(Script {
                    file: file.into(),
                    arguments,
                    flags: flags.into(),
                    environment: BTreeMap::new()
                }),
                "{command}"
            );
        };
        check("python3 grade.py", "grade.py", &[], "");
        check("python3 -I -Bu a/b.py -x --y", "a/b.py", &["-x", "--y"], "IBu");
        check("python3 /grader/grade.py", "/grader/grade.py", &[], "");
    }

    #[test]
    fn other_commands_are_for_a_cold_start() {
        for (command, why) in [
            ("", "the command is empty"),
            ("sh run.sh", "the command begins with `sh`, not with `python3`"),
            ("/usr/bin/python3 x.py", "the command begins with `/usr/bin/python3`, not with `python3`"),
            ("python3", "no Python file is named"),
            ("python3 -u", "no Python file is named"),
            ("python3 -c pass", "`-c` stands where a Python file should be"),
            ("python3 -m this", "`-m` stands where a Python file should be"),
            ("python3 -", "`-` stands where a Python file should be"),
            ("python3 -O x.py", "`-O` stands where a Python file should be"),
        ] {
            assert_eq!(parsed(command), Err(format!("it cannot be forked from a warm Python: {why}")));
        }
        let named = |file: &str| Script::parse(&["python3".to_owned(), file.to_owned()]);
        assert!(matches!(named(""), Err(WarmError::NotWarm { .. })));
        assert!(matches!(named("a\0b"), Err(WarmError::NotWarm { .. })));
    }
}
