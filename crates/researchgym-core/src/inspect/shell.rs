//! Shell text as simple commands: words, redirections, here-documents. For looking at commands, not for running them.
//!
//! Not a shell: nothing is expanded, and what it does not understand becomes words. It never fails, and takes time and
//! room in proportion to the text.

use super::trajectory::{FileWrite, Outcome};

/// The most commands that are taken from one text; what follows is not looked at.
const MOST_COMMANDS: usize = 20_000;

/// The most substitutions that are taken from one text, and how long one may be.
const MOST_SUBSTITUTIONS: usize = 500;
const LONGEST_SUBSTITUTION: usize = 16 << 10;

/// Deeper parentheses are not told apart.
const MOST_DEPTH: usize = 64;

/// One simple command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Command {
    /// Its words without quotes; assignments before the name are among them.
    pub words: Vec<String>,
    /// Files that its output goes to.
    pub outputs: Vec<String>,
    /// Files that its input comes from.
    pub inputs: Vec<String>,
    /// The here-document that it reads.
    pub document: Option<String>,
    /// What stands in `$(...)` and backticks of its words, outside single quotes: commands by themselves.
    pub substituted: Vec<String>,
    /// How many parentheses it stands in.
    pub depth: usize,
    /// It stands in the text of a program, which may never run it.
    pub in_program: bool,
}

/// Programs before the one that is meant.
const PREFIXES: [&str; 19] = [
    "sudo", "doas", "env", "command", "builtin", "exec", "nohup", "time", "nice", "ionice", "timeout",
    "setsid", "stdbuf", "then", "do", "else", "elif", "while", "until",
];

impl Command {
    /// The program's name without its folder, and its arguments.
    pub fn program(&self) -> Option<(&str, &[String])> {
        let mut at = 0;
        while let Some(word) = self.words.get(at) {
            let is_prefix = PREFIXES.contains(&word.as_str())
                || is_assignment(word)
                || matches!(word.as_str(), "if" | "!" | "{");
            // `timeout 5 python`, `nice -n 5 python`.
            let is_option = at > 0 && (word.starts_with('-') || word.parse::<f64>().is_ok());
            if !is_prefix && !is_option {
                let name = word.rsplit('/').next().unwrap_or(word);
                return Some((name, &self.words[at + 1..]));
            }
            at += 1;
        }
        None
    }

    /// The here-document as a file, if it goes to one or to an interpreter.
    pub fn document(&self) -> Option<FileWrite> {
        let content = self.document.clone()?;
        let (name, arguments) = self.program().unwrap_or(("", &[]));
        let to_file = match name {
            "tee" => arguments.iter().find(|word| !word.starts_with('-')).cloned(),
            _ => self.outputs.first().cloned(),
        };
        let path = to_file.unwrap_or_else(|| format!("<{name}>"));
        Some(FileWrite { path, content: Some(content), outcome: Outcome::Unknown })
    }

    /// Programs that stand on the command line: `python -c '...'`, `bash -c '...'`, `perl -e '...'`.
    pub fn inline_programs(&self) -> Vec<&str> {
        let Some((name, arguments)) = self.program() else { return Vec::new() };
        if !is_shell(name) && !is_python(name) && !["perl", "ruby", "node"].contains(&name) {
            return Vec::new();
        }
        let is_flag = |word: &String| {
            word.starts_with('-') && !word.starts_with("--") && word.len() <= 5 && word.ends_with(['c', 'e'])
        };
        let flags = arguments.iter().position(is_flag);
        flags.and_then(|at| arguments.get(at + 1)).map(String::as_str).into_iter().collect()
    }
}

/// Whether a program reads shell text.
pub fn is_shell(name: &str) -> bool {
    ["bash", "sh", "zsh", "dash", "ksh", "ash"].contains(&name)
}

/// Whether a program reads Python.
pub fn is_python(name: &str) -> bool {
    name.starts_with("python") || name.starts_with("pypy") || name == "ipython"
}

fn is_assignment(word: &str) -> bool {
    let Some((name, _)) = word.split_once('=') else { return false };
    !name.is_empty()
        && name.chars().all(|character| character.is_ascii_alphanumeric() || character == '_')
        && !name.starts_with(|character: char| character.is_ascii_digit())
}

/// The simple commands of a text, in order.
pub fn commands(text: &str) -> Vec<Command> {
    let mut reader = Reader {
        rest: text,
        done: Vec::new(),
        current: Command::default(),
        waiting: Vec::new(),
        depth: 0,
        substitutions: 0,
    };
    while reader.done.len() < MOST_COMMANDS && reader.step() {}
    reader.end();
    reader.done
}

/// A here-document that begins after the line: of which command, and how it ends.
struct Waiting {
    command: usize,
    end: String,
    may_indent: bool,
}

struct Reader<'a> {
    rest: &'a str,
    done: Vec<Command>,
    current: Command,
    waiting: Vec<Waiting>,
    depth: usize,
    substitutions: usize,
}

impl Reader<'_> {
    /// Takes one piece; false at the end.
    fn step(&mut self) -> bool {
        let Some(first) = self.rest.chars().next() else { return false };
        match first {
            '\n' => {
                self.skip(1);
                self.end();
                self.documents();
            }
            ' ' | '\t' | '\r' => self.skip(1),
            '#' => {
                let line = self.rest.find('\n').unwrap_or(self.rest.len());
                self.skip(line);
            }
            ';' | '&' if !self.rest.starts_with("&>") => {
                self.skip(1);
                self.end();
            }
            '|' => {
                self.skip(1);
                self.end();
            }
            '(' => {
                self.skip(1);
                self.end();
                self.depth = (self.depth + 1).min(MOST_DEPTH);
            }
            ')' => {
                self.skip(1);
                self.end();
                self.depth = self.depth.saturating_sub(1);
            }
            '<' => self.input(),
            '>' | '&' => self.output(),
            _ => self.plain_word(),
        }
        true
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or("");
    }

    fn blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
    }

    fn end(&mut self) {
        let command = std::mem::take(&mut self.current);
        if command != Command::default() {
            self.done.push(Command { depth: self.depth, ..command });
        }
    }

    /// The word that begins here, without taking it; what is substituted in it is kept.
    fn word(&mut self) -> (String, usize) {
        let left = MOST_SUBSTITUTIONS.saturating_sub(self.substitutions);
        let mut found = Vec::new();
        let read = word(self.rest, left, &mut found);
        self.substitutions += found.len();
        self.current.substituted.extend(found);
        read
    }

    fn plain_word(&mut self) {
        let (word, length) = self.word();
        // `2> file`: the number belongs to the redirection.
        let next = self.rest.as_bytes().get(length);
        let is_descriptor =
            word.len() == 1 && word.as_bytes()[0].is_ascii_digit() && matches!(next, Some(b'<' | b'>'));
        self.skip(length.max(1));
        if !is_descriptor {
            self.current.words.push(word);
        }
    }

    fn input(&mut self) {
        if let Some(rest) = self.rest.strip_prefix("<<<") {
            self.rest = rest;
            self.blanks();
            let (word, length) = self.word();
            self.skip(length);
            self.current.document = Some(word);
        } else if let Some(rest) = self.rest.strip_prefix("<<") {
            let (rest, may_indent) = match rest.strip_prefix('-') {
                Some(rest) => (rest, true),
                None => (rest, false),
            };
            self.rest = rest;
            self.blanks();
            let (end, length) = word(self.rest, 0, &mut Vec::new());
            self.skip(length);
            if !end.is_empty() {
                self.waiting.push(Waiting { command: self.done.len(), end, may_indent });
            }
        } else {
            self.skip(1);
            self.target(|command| &mut command.inputs);
        }
    }

    fn output(&mut self) {
        let operator =
            self.rest.find(|character| !matches!(character, '&' | '>' | '|')).unwrap_or(self.rest.len());
        let is_copy = self.rest.get(..operator).is_some_and(|operator| operator.ends_with('&'));
        self.skip(operator);
        self.blanks();
        if is_copy && self.rest.starts_with(|character: char| character.is_ascii_digit() || character == '-')
        {
            self.skip(1);
        } else {
            self.target(|command| &mut command.outputs);
        }
    }

    fn target(&mut self, list: impl Fn(&mut Command) -> &mut Vec<String>) {
        self.blanks();
        let (word, length) = self.word();
        self.skip(length);
        if length > 0 {
            list(&mut self.current).push(word);
        }
    }

    /// The here-documents that begin at this line.
    fn documents(&mut self) {
        for Waiting { command, end, may_indent } in std::mem::take(&mut self.waiting) {
            let mut length = 0;
            let mut after = self.rest.len();
            for line in self.rest.split_inclusive('\n') {
                let bare = line.trim_end_matches(['\n', '\r']);
                let bare = if may_indent { bare.trim_start_matches('\t') } else { bare };
                if bare == end {
                    after = length + line.len();
                    break;
                }
                length += line.len();
            }
            let content = self.rest[..length].to_owned();
            self.rest = &self.rest[after..];
            if let Some(command) = self.done.get_mut(command) {
                command.document = Some(content);
            }
        }
    }
}

/// A word without its quotes, and how many bytes it took. At most `room` of the commands that are substituted in it are
/// added to `substituted`.
fn word(text: &str, room: usize, substituted: &mut Vec<String>) -> (String, usize) {
    let mut word = String::new();
    let mut characters = text.char_indices().peekable();
    let mut quote = None;
    while let Some((at, character)) = characters.next() {
        match (quote, character) {
            (None | Some('"'), '`') => {
                word.push('`');
                substituted.extend(until_backtick(&text[at + 1..]).filter(|_| substituted.len() < room));
                // Blanks between them do not end the word.
                if quote.is_none() {
                    quote = Some('`');
                }
            }
            (Some('`'), '`') => {
                word.push('`');
                quote = None;
            }
            (None, '\'' | '"') => quote = Some(character),
            (None, '\\') => match characters.next() {
                Some((_, '\n')) | None => {}
                Some((_, escaped)) => word.push(escaped),
            },
            // `$(...)` and `${...}` stay in the word up to their first blank.
            (None | Some('"'), '$') if matches!(characters.peek(), Some((_, '(' | '{'))) => {
                let opens = text[at..].strip_prefix("$(").filter(|rest| !rest.starts_with('('));
                let inner = opens.filter(|_| substituted.len() < room).and_then(until_parenthesis);
                substituted.extend(inner);
                word.push('$');
                word.extend(characters.next().map(|(_, bracket)| bracket));
            }
            (None, ' ' | '\t' | '\n' | '\r' | ';' | '&' | '|' | '<' | '>' | '(' | ')') => return (word, at),
            (Some('"'), '\\') => match characters.next() {
                Some((_, escaped @ ('"' | '\\' | '$' | '`'))) => word.push(escaped),
                Some((_, '\n')) | None => {}
                Some((_, other)) => word.extend(['\\', other]),
            },
            (Some(open), _) if open == character => quote = None,
            (_, character) => word.push(character),
        }
    }
    (word, text.len())
}

/// What stands before the next backtick, if it is not too far.
fn until_backtick(text: &str) -> Option<String> {
    let end = text.bytes().take(LONGEST_SUBSTITUTION).position(|byte| byte == b'`')?;
    Some(text[..end].to_owned())
}

/// What stands before the parenthesis that closes, if it is not too far.
fn until_parenthesis(text: &str) -> Option<String> {
    let mut open = 1;
    let mut quote = None;
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().take(LONGEST_SUBSTITUTION) {
        match (quote, byte) {
            _ if escaped => escaped = false,
            (None | Some(b'"'), b'\\') => escaped = true,
            (None, b'\'' | b'"') => quote = Some(byte),
            (Some(opened), _) if opened == byte => quote = None,
            (None, b'(') => open += 1,
            (None, b')') => {
                open -= 1;
                if open == 0 {
                    return Some(text[..at].to_owned());
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(text: &str) -> Vec<String> {
        let show = |command: Command| {
            let mut parts = vec![command.words.join(" ")];
            parts.extend(command.inputs.iter().map(|file| format!("< {file}")));
            parts.extend(command.outputs.iter().map(|file| format!("> {file}")));
            parts.extend(command.document.iter().map(|text| format!("<< {text:?}")));
            parts.join(" ").trim().to_owned()
        };
        commands(text).into_iter().map(show).collect()
    }

    #[test]
    fn commands_are_found() {
        for (text, expected) in [
            ("ls -l; echo 'a b' > out.txt", vec!["ls -l", "echo a b > out.txt"]),
            ("a && b || c | d &", vec!["a", "b", "c", "d"]),
            ("x 2>&1 >>log", vec!["x > log"]),
            ("x 2> errors &> all", vec!["x > errors > all"]),
            ("cat <<'EOF' > f.py\nprint(1)\nEOF\nls", vec!["cat > f.py << \"print(1)\\n\"", "ls"]),
            ("python - <<EOF\na", vec!["python - << \"a\""]),
            ("cat <<-E\n\ta\n\tE\n", vec!["cat << \"\\ta\\n\""]),
            ("(cd /tmp && ls) # not this; rm x", vec!["cd /tmp", "ls"]),
            ("echo \"it's \\\"a\\\"\" it\\'s", vec!["echo it's \"a\" it's"]),
            ("sort < in", vec!["sort < in"]),
            ("wc <<< word", vec!["wc << \"word\""]),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn programs_are_found_behind_what_stands_before_them() {
        for (text, program, arguments) in [
            ("A=1 sudo -E nice -n 5 /usr/bin/python3 x.py", "python3", vec!["x.py"]),
            ("timeout 10 cat f", "cat", vec!["f"]),
            ("if true", "true", vec![]),
        ] {
            let command = commands(text).remove(0);
            let (name, words) = command.program().unwrap();
            assert_eq!(
                (name, words),
                (program, &arguments.iter().map(ToString::to_string).collect::<Vec<_>>()[..])
            );
        }
        assert_eq!(commands("python3 -c 'print(1)' x")[0].inline_programs(), ["print(1)"]);
        assert_eq!(commands("A=1")[0].program(), None);
    }

    proptest! {
        #[test]
        fn any_text_is_taken(text in "[-a-z'\"`$(){}<>|&;#\\\\ \n\t0-9äß\u{0}]{0,200}") {
            for command in commands(&text) {
                let _ = (command.program(), command.document(), command.inline_programs());
            }
        }
    }
}
