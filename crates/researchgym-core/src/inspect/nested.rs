//! Commands inside of commands: what shells, `eval`, `find`, `xargs` and pipes into a shell run beside their own words, and
//! what programs hand to a shell.
//!
//! Still nothing is run or expanded: what is made at run time is not seen. Room and depth are bounded.

use base64::Engine as _;

use super::program::shell_calls;
use super::shell::{self, Command, is_python, is_shell};

/// Deeper commands are not looked at.
const MOST_NESTING: usize = 6;
/// The most commands that are taken from one text.
const MOST_COMMANDS: usize = 20_000;

/// All commands of a shell text, each before those that it runs.
pub fn commands(text: &str) -> Vec<Command> {
    let mut found = Vec::new();
    collect(text, (0, 0), &mut found);
    found
}

/// The commands that the text of a program hands to a shell or starts. It may never come to them.
pub fn program_commands(program: &str) -> Vec<Command> {
    let mut found = Vec::new();
    for call in shell_calls(program) {
        let from = found.len();
        match call.as_slice() {
            [text] => collect(text, (1, 1), &mut found),
            words => {
                let command = Command { words: words.to_vec(), depth: 1, ..Command::default() };
                each(std::slice::from_ref(&command), (0, 1), &mut found);
            }
        }
        found[from..].iter_mut().for_each(|command| command.in_program = true);
    }
    found
}

fn collect(text: &str, (depth, nesting): (usize, usize), found: &mut Vec<Command>) {
    each(&shell::commands(text), (depth, nesting), found);
}

fn each(commands: &[Command], (depth, nesting): (usize, usize), found: &mut Vec<Command>) {
    for (index, command) in commands.iter().enumerate() {
        if found.len() >= MOST_COMMANDS {
            return;
        }
        let depth = depth + command.depth;
        found.push(Command { depth, ..command.clone() });
        if nesting >= MOST_NESTING {
            continue;
        }
        for text in command.substituted.iter().chain(&texts(command)) {
            collect(text, (depth + 1, nesting + 1), found);
        }
        let before = index.checked_sub(1).map(|before| &commands[before]);
        let inner: Vec<Command> = run_by(command, before).into_iter().chain(piped(commands, index)).collect();
        each(&inner, (depth + 1, nesting + 1), found);
    }
}

/// Shell text among the words of a command.
fn texts(command: &Command) -> Vec<String> {
    let Some((name, arguments)) = command.program() else { return Vec::new() };
    let after_c = || {
        let is_c = |word: &String| word.starts_with('-') && !word.starts_with("--") && word.ends_with('c');
        arguments.iter().position(is_c).and_then(|at| arguments.get(at + 1)).cloned()
    };
    match name {
        "eval" => vec![arguments.join(" ")],
        "trap" => arguments.first().cloned().into_iter().collect(),
        "su" | "script" | "runuser" | "flock" => after_c().into_iter().collect(),
        _ if is_shell(name) => after_c().into_iter().collect(),
        _ => Vec::new(),
    }
}

/// Commands that `xargs` and `find` run with what they are told.
fn run_by(command: &Command, before: Option<&Command>) -> Vec<Command> {
    let Some((name, arguments)) = command.program() else { return Vec::new() };
    match name {
        "xargs" | "parallel" => from_lines(arguments, before).into_iter().collect(),
        "find" | "fd" | "fdfind" => from_find(arguments),
        _ => Vec::new(),
    }
}

fn from_lines(arguments: &[String], before: Option<&Command>) -> Option<Command> {
    let mut at = 0;
    let mut place: Option<&str> = None;
    while let Some(option) = arguments.get(at).filter(|word| word.starts_with('-')) {
        at += 1;
        if let Some(attached) = option.strip_prefix("-I").filter(|attached| !attached.is_empty()) {
            place = Some(attached);
        }
        if matches!(option.as_str(), "-n" | "-I" | "-P" | "-d" | "-L" | "-s" | "-E" | "-a") {
            if option == "-I" {
                place = arguments.get(at).map(String::as_str);
            }
            at += 1;
        }
    }
    let told: Vec<String> = before
        .and_then(Command::program)
        .filter(|(name, _)| ["echo", "printf", "ls", "find", "cat"].contains(name))
        .map(|(_, words)| words.iter().filter(|word| !word.starts_with('-')).cloned().collect())
        .unwrap_or_default();
    let own = arguments.get(at..).filter(|own| !own.is_empty())?;
    let words = match place {
        Some(place) => {
            let told = told.join(" ");
            own.iter().map(|word| word.replace(place, &told)).collect()
        }
        None => own.iter().cloned().chain(told).collect(),
    };
    Some(Command { words, ..Command::default() })
}

fn from_find(arguments: &[String]) -> Vec<Command> {
    let is_test = |word: &String| word.starts_with(['-', '(', '!']);
    let places: Vec<&String> = arguments.iter().take_while(|word| !is_test(word)).collect();
    let value = |names: &[&str]| {
        let at = arguments.iter().position(|word| names.contains(&word.as_str()))?;
        arguments.get(at + 1)
    };
    let name = value(&["-name", "-iname", "-path", "-wholename"]);
    let folders: Vec<String> = match places.as_slice() {
        [] => vec![".".to_owned()],
        places => places.iter().map(|place| (*place).clone()).collect(),
    };
    let files: Vec<String> = match name {
        Some(name) if name.contains('/') => vec![name.clone()],
        Some(name) => folders.iter().map(|folder| format!("{folder}/{name}")).collect(),
        None => folders,
    };
    let mut found = Vec::new();
    if arguments.iter().any(|word| word == "-delete") {
        let words = ["rm".to_owned()].into_iter().chain(files.iter().cloned()).collect();
        found.push(Command { words, ..Command::default() });
    }
    for (at, _) in arguments.iter().enumerate().filter(|(_, word)| {
        matches!(word.as_str(), "-exec" | "-execdir" | "-ok" | "-okdir" | "-x" | "--exec")
    }) {
        let own = arguments[at + 1..].iter().take_while(|word| !matches!(word.as_str(), ";" | "+"));
        let words = own.flat_map(|word| match word.as_str() {
            "{}" => files.clone(),
            word => vec![word.replace("{}", files.first().map_or("", String::as_str))],
        });
        found.push(Command { words: words.collect(), ..Command::default() });
    }
    found
}

/// `echo TEXT | bash`, `echo TEXT | base64 -d | python3`: the interpreter with what it is told as its here-document.
fn piped(commands: &[Command], index: usize) -> Option<Command> {
    let (name, arguments) = commands[index].program()?;
    let is_interpreter = is_shell(name) || is_python(name);
    let reads_pipe =
        arguments.iter().all(|word| matches!(word.as_str(), "-" | "-s" | "-x" | "-e" | "/dev/stdin"));
    if !is_interpreter || !reads_pipe || commands[index].document.is_some() {
        return None;
    }
    let said = |command: &Command| {
        let (name, words) = command.program()?;
        let words: Vec<&str> =
            words.iter().map(String::as_str).filter(|word| !matches!(*word, "-n" | "-e")).collect();
        match name {
            "echo" | "printf" => Some(words.join(" ").replace("\\n", "\n")),
            "cat" => command.document.clone(),
            _ => command.document.clone(),
        }
    };
    let before = commands.get(index.checked_sub(1)?)?;
    let text = match decoder(before) {
        Some(decode) => {
            let told = before.document.clone().or_else(|| said(commands.get(index.checked_sub(2)?)?));
            decode(told?.trim())?
        }
        None => said(before)?,
    };
    let words = vec![name.to_owned()];
    Some(Command { words, document: Some(text), ..Command::default() })
}

/// Whether a command decodes what it reads.
pub fn is_decoder(command: &Command) -> bool {
    decoder(command).is_some()
}

fn decoder(command: &Command) -> Option<fn(&str) -> Option<String>> {
    let (name, arguments) = command.program()?;
    let has = |wanted: &[&str]| arguments.iter().any(|word| wanted.contains(&word.as_str()));
    match name {
        "base64" | "openssl" if has(&["-d", "-D", "--decode", "-di", "-id"]) => Some(from_base64),
        "xxd" if has(&["-r", "-rp", "-p", "-ps"]) => Some(from_hex),
        _ => None,
    }
}

fn from_base64(text: &str) -> Option<String> {
    let plain: String = text.split_whitespace().collect();
    let bytes = base64::engine::general_purpose::STANDARD.decode(plain).ok()?;
    String::from_utf8(bytes).ok()
}

fn from_hex(text: &str) -> Option<String> {
    let plain: String = text.split_whitespace().collect();
    String::from_utf8(hex::decode(plain).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(text: &str) -> Vec<String> {
        commands(text).into_iter().map(|command| command.words.join(" ")).collect()
    }

    #[test]
    fn what_commands_run_is_found() {
        for (text, expected) in [
            ("bash -c 'rm a; rm b'", "rm b"),
            ("sh -ec \"rm a\"", "rm a"),
            ("eval rm a", "rm a"),
            ("echo $(rm a)", "rm a"),
            ("echo \"$(rm a)\"", "rm a"),
            ("x=`rm a b`", "rm a b"),
            ("bash -c \"bash -c 'rm a'\"", "rm a"),
            ("echo a | xargs rm -f", "rm -f a"),
            ("ls a | xargs -I{} mv {} b", "mv a b"),
            ("find . -name a -delete", "rm ./a"),
            ("find d -name a -exec chmod +w {} \\;", "chmod +w d/a"),
            ("trap 'rm a' EXIT", "rm a"),
            ("echo 'rm a' | bash", "bash"),
        ] {
            assert!(shown(text).contains(&expected.to_owned()), "{text}: {:?}", shown(text));
        }
        let decoded = commands("echo cm0gYQ== | base64 -d | bash").pop().and_then(|command| command.document);
        assert_eq!(decoded.as_deref(), Some("rm a"));
        assert_eq!(shown("echo '$(rm a) `rm b`'"), ["echo $(rm a) `rm b`"]);
    }

    #[test]
    fn programs_hand_commands_to_shells() {
        for (program, expected) in [
            ("import os\nos.system('rm a')", "rm a"),
            ("import subprocess as sp\nsp.run([\"rm\", '-f', \"a\"])", "rm -f a"),
            ("subprocess.check_call(\"rm a && ls\", shell=True)", "rm a"),
            ("subprocess.run(['bash', '-c', 'rm a'])", "rm a"),
        ] {
            let found: Vec<String> =
                program_commands(program).into_iter().map(|command| command.words.join(" ")).collect();
            assert!(found.contains(&expected.to_owned()), "{program}: {found:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_taken(text in "[-a-z\u{27}\"`$(){}<>|&;#\\\\ \n\t0-9äß]{0,200}") {
            prop_assert!(commands(&text).len() <= MOST_COMMANDS + 1);
            program_commands(&format!("os.system({text}"));
        }
    }
}
