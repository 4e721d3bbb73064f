//! What commands and programs do to files, as far as their text tells.

use super::excerpt::boundary;
use super::paths::{mentions, resolved};
use super::shell::Command;
use super::trajectory::Step;

/// The most places of one program that are looked at.
const MOST_PLACES: usize = 1000;
/// The longest path (`PATH_MAX` of Linux).
const MOST_PATH: usize = 4096;
/// So much of a line on both sides of a place is looked at.
const MOST_LINE: usize = 1000;

/// Where the persistent shell stands, followed from step to step.
#[derive(Clone, Debug)]
pub struct Place {
    workspace: String,
    folders: Vec<String>,
}

/// What a command does to a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// The file, relative to the workspace if it is in there.
    pub path: String,
    /// In a word: `writes`, `removes`, `changes the mode of`, `mounts over`.
    pub verb: &'static str,
    /// It stands in the text of a program, which may never come to it.
    pub in_program: bool,
}

impl Effect {
    /// Whether it is about a file: by its name, by a pattern that fits it, or because the folder is removed that it is in.
    pub fn covers(&self, file: &str, workspace: &str) -> bool {
        let takes_all = matches!(self.verb, "removes" | "moves");
        let is_above = |folder: &str| {
            file.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
                || (folder == workspace && !file.starts_with('/'))
        };
        self.path == file || is_fitting(&self.path, file) || (takes_all && is_above(&self.path))
    }
}

impl Place {
    /// A shell that begins in the workspace.
    pub fn new(workspace: &str) -> Place {
        Place { workspace: workspace.to_owned(), folders: vec![workspace.to_owned()] }
    }

    /// A path as it is meant here.
    pub fn resolve(&self, path: &str) -> String {
        resolved(path, self.folders.last().map_or("/", String::as_str), &self.workspace)
    }

    /// What the commands of a step do to files, in order.
    pub fn follow(&mut self, step: &Step) -> Vec<Effect> {
        let mut effects = Vec::new();
        for command in &step.commands {
            // A subshell's folder is its own.
            let here = self.folders.last().cloned().unwrap_or_default();
            self.folders.resize(command.depth + 1, here);
            effects.extend(self.effects(command));
            if let Some(("cd", arguments)) = command.program() {
                self.change(arguments);
            }
        }
        self.folders.truncate(1);
        effects
    }

    fn change(&mut self, arguments: &[String]) {
        let Some(target) = arguments.iter().find(|word| !word.starts_with('-')) else { return };
        let inside = self.resolve(target);
        let whole = match inside.strip_prefix('/') {
            Some(_) => inside,
            None if inside.is_empty() => self.workspace.clone(),
            None => format!("{}/{inside}", self.workspace),
        };
        // No path is longer: the shell stays where it is.
        if let Some(folder) = self.folders.last_mut().filter(|_| whole.len() <= MOST_PATH) {
            *folder = whole;
        }
    }

    fn effects(&self, command: &Command) -> Vec<Effect> {
        let mut effects = self.named_effects(command);
        for effect in &mut effects {
            effect.in_program = command.in_program;
        }
        effects
    }

    fn named_effects(&self, command: &Command) -> Vec<Effect> {
        let mut effects: Vec<Effect> =
            command.outputs.iter().map(|path| self.effect(path, "writes")).collect();
        let Some((name, arguments)) = command.program() else { return effects };
        let words: Vec<String> = arguments.iter().flat_map(|word| unbraced(word)).collect();
        let files: Vec<&String> = words.iter().filter(|word| !word.starts_with('-')).collect();
        // `-i`, `-i.bak`, `-pi`, `-ni`: among the letters of the first options.
        let is_in_place = || {
            arguments.iter().any(|word| {
                let letters = word.strip_prefix('-').filter(|letters| !letters.starts_with('-'));
                let before_i = letters.and_then(|letters| Some(letters.split_once('i')?.0));
                word.starts_with("--in-place")
                    || before_i
                        .is_some_and(|before| before.chars().all(|letter| "pnEruszlwa0".contains(letter)))
            })
        };
        let (targets, verb): (Vec<&String>, _) = match name {
            "tee" | "truncate" | "shred" | "patch" | "ed" | "sponge" => (files, "writes"),
            "vi" | "vim" | "nvim" | "ex" | "view" | "emacs"
                if arguments.iter().any(|word| word.starts_with(['-', '+'])) =>
            {
                (files.into_iter().filter(|word| !word.starts_with('+')).collect(), "writes")
            }
            "sed" | "perl" | "ruby" if is_in_place() => (files.into_iter().skip(1).collect(), "writes"),
            "awk" | "gawk" | "mawk" => {
                let is_inplace = files.first().is_some_and(|word| *word == "inplace");
                let written = files.iter().filter_map(|word| written_by_awk(word));
                effects.extend(written.map(|path| self.effect(path, "writes")));
                (if is_inplace { files.into_iter().skip(2).collect() } else { Vec::new() }, "writes")
            }
            "cp" | "install" | "rsync" | "ln" => {
                (files.into_iter().skip(1).next_back().into_iter().collect(), "writes")
            }
            "mv" => {
                let target = files.iter().skip(1).next_back();
                effects.extend(target.map(|path| self.effect(path, "writes")));
                (files.split_last().map_or(Vec::new(), |(_, sources)| sources.to_vec()), "moves")
            }
            "rm" | "unlink" => (files, "removes"),
            "chmod" | "chown" | "chattr" | "setfacl" => {
                (files.into_iter().skip(1).collect(), "changes the mode of")
            }
            "mount" | "umount" => (files, "mounts over"),
            "dd" => {
                let written = arguments.iter().filter_map(|word| word.strip_prefix("of="));
                effects.extend(written.map(|path| self.effect(path, "writes")));
                return effects;
            }
            "curl" | "wget" => {
                let is_output = |word: &&[String]| {
                    matches!(word[0].as_str(), "-o" | "-O" | "--output" | "--output-document")
                };
                (words.windows(2).filter(is_output).map(|pair| &pair[1]).collect(), "writes")
            }
            "git" if matches!(arguments.first().map(String::as_str), Some("checkout" | "restore")) => {
                (files.into_iter().skip(1).collect(), "writes")
            }
            _ => return effects,
        };
        effects.extend(targets.into_iter().map(|path| self.effect(path, verb)));
        // `cp other/target.py .` writes the file of that name.
        if matches!(name, "cp" | "mv" | "ln" | "install") {
            let sources: Vec<&String> = words.iter().filter(|word| !word.starts_with('-')).collect();
            if let Some((folder, sources)) = sources.split_last() {
                // What a pattern stands for elsewhere is not known.
                let known = sources.iter().filter(|source| !is_pattern(source));
                let into = known.map(|source| format!("{folder}/{}", super::paths::file_name(source)));
                effects.extend(into.map(|path| self.effect(&path, "writes")));
            }
        }
        effects
    }

    fn effect(&self, path: &str, verb: &'static str) -> Effect {
        Effect { path: self.resolve(path), verb, in_program: false }
    }
}

/// The most words that braces of one word become.
const MOST_UNBRACED: usize = 64;

/// `{a,b}.py` as the words that a shell makes of it.
fn unbraced(word: &str) -> Vec<String> {
    let mut done = Vec::new();
    let mut pending = vec![word.to_owned()];
    while let Some(word) = pending.pop() {
        let parts = word.find('{').and_then(|open| {
            let close = open + word[open..].find('}')?;
            let inner = &word[open + 1..close];
            let is_list = inner.contains(',') && !word[..open].ends_with('$');
            is_list.then(|| (word[..open].to_owned(), inner.to_owned(), word[close + 1..].to_owned()))
        });
        match parts {
            Some((before, inner, after)) if done.len() + pending.len() < MOST_UNBRACED => {
                pending.extend(inner.rsplit(',').map(|choice| format!("{before}{choice}{after}")));
            }
            _ => done.push(word),
        }
    }
    done
}

/// A file that the text of an `awk` program writes: `print > "target.py"`.
fn written_by_awk(program: &str) -> Option<&str> {
    let (_, after) = program.split_once('>')?;
    let name = after.trim_start_matches(['>', ' ']).strip_prefix('"')?;
    name.split('"').next()
}

/// Whether a shell would look for files that fit it.
fn is_pattern(path: &str) -> bool {
    path.contains(['*', '?', '['])
}

/// Whether a file fits a pattern: `*` and `?` stand for what is not `/`, `[...]` for one of its characters.
pub(super) fn is_fitting(pattern: &str, file: &str) -> bool {
    is_pattern(pattern)
        && pattern.split('/').count() == file.split('/').count()
        && pattern
            .split('/')
            .zip(file.split('/'))
            .all(|(pattern, name)| fits(pattern.as_bytes(), name.as_bytes()))
}

/// One part of a path. Takes time in proportion to both lengths: only the last `*` is tried again.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut from, mut again) = (0, 0, None);
    while from < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                again = Some((at, from));
                at += 1;
            }
            Some(b'?') => (at, from) = (at + 1, from + 1),
            Some(b'[') if class(&pattern[at..], name[from]).is_some_and(|(fits, _)| fits) => {
                at += class(&pattern[at..], name[from]).map_or(1, |(_, length)| length);
                from += 1;
            }
            Some(byte) if *byte == name[from] => (at, from) = (at + 1, from + 1),
            _ => match again {
                Some((star, begun)) => {
                    again = Some((star, begun + 1));
                    (at, from) = (star + 1, begun + 1);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

/// Whether a class of characters holds one, and how long it is.
fn class(pattern: &[u8], byte: u8) -> Option<(bool, usize)> {
    let end = pattern.iter().skip(2).position(|closing| *closing == b']')? + 2;
    let inner = &pattern[1..end];
    let (is_negated, inner) = match inner.first() {
        Some(b'!' | b'^') => (true, &inner[1..]),
        _ => (false, inner),
    };
    let in_range = inner.windows(3).any(|range| range[1] == b'-' && (range[0]..=range[2]).contains(&byte));
    Some(((inner.contains(&byte) || in_range) != is_negated, end + 1))
}

/// The place in a program (Python, as a rule) where it changes a file of this name.
pub fn program_writes(program: &str, name: &str) -> Option<usize> {
    mentions(program, name).take(MOST_PLACES).find(|at| {
        let (first, last) =
            (boundary(program, at.saturating_sub(MOST_LINE)), boundary(program, at + MOST_LINE));
        let begin = program[first..*at].rfind('\n').map_or(first, |newline| first + newline + 1);
        let end = program[*at..last.max(*at)].find('\n').map_or(last.max(*at), |newline| at + newline);
        let end = end.max(at + name.len());
        let (before, after) = (&program[begin..*at], &program[at + name.len()..end]);
        let opens = before.contains("open(") && is_writing_mode(after);
        let method =
            [".write_text(", ".write_bytes(", ".unlink(", ".chmod(", ".rename(", ".replace(", ".symlink_to("]
                .iter()
                .any(|method| after.contains(method));
        let removes = ["os.remove(", "os.unlink(", "os.chmod(", "os.truncate(", "os.rename(", "os.replace("]
            .iter()
            .any(|call| before.contains(call));
        let copies = ["shutil.copy", "shutil.move(", "os.symlink(", "os.link("]
            .iter()
            .any(|call| before.rfind(call).is_some_and(|call| before[call..].contains(',')));
        let flags = before.contains("os.open(")
            && ["O_WRONLY", "O_RDWR", "O_TRUNC"].iter().any(|flag| after.contains(flag));
        opens
            || (method && before.contains("Path("))
            || removes
            || copies
            || flags
            || named(before).is_some_and(|name| is_written_by_name(program, name))
    })
}

/// The variable that a line gives the text that follows: `p` of `p = '` and of `p = Path('`.
fn named(before: &str) -> Option<&str> {
    let statement = before.rsplit(';').next().unwrap_or(before).trim();
    let (name, value) = statement.split_once('=')?;
    let value = value.trim().trim_end_matches(['\'', '"']);
    let name = name.trim();
    let is_name = !name.is_empty() && name.chars().all(|letter| letter.is_alphanumeric() || letter == '_');
    (is_name && matches!(value, "" | "Path(" | "pathlib.Path(")).then_some(name)
}

/// Whether a program changes the file that a variable names.
fn is_written_by_name(program: &str, name: &str) -> bool {
    let is_letter = |letter: char| letter.is_alphanumeric() || letter == '_';
    let places = program.match_indices(name).map(|(at, _)| at).filter(|at| {
        !program[..*at].ends_with(is_letter) && !program[at + name.len()..].starts_with(is_letter)
    });
    places.take(MOST_PLACES).any(|at| {
        let (before, after) = (&program[..at], &program[at + name.len()..]);
        let line = after.lines().next().unwrap_or_default();
        let is_method = [".write_text(", ".write_bytes(", ".unlink(", ".chmod(", ".rename("]
            .iter()
            .any(|method| line.starts_with(method));
        let is_call = ["os.remove(", "os.unlink(", "os.chmod(", "os.truncate("]
            .iter()
            .any(|call| before.ends_with(call));
        let opens_itself =
            line.strip_prefix(".open(").is_some_and(|mode| is_writing_mode(&format!(",{mode}")));
        is_method || is_call || opens_itself || (before.ends_with("open(") && is_writing_mode(line))
    })
}

/// Whether the rest of a call of `open` after the file's name asks for writing.
fn is_writing_mode(after: &str) -> bool {
    let arguments = after.split(')').next().unwrap_or_default();
    arguments.split([',', '=']).skip(1).any(|argument| {
        let mode = argument.trim().trim_matches(['\'', '"']);
        !mode.is_empty()
            && mode.len() <= 3
            && mode.starts_with(['w', 'a', 'x', 'r'])
            && mode.contains(['w', 'a', 'x', '+'])
    })
}

#[cfg(test)]
mod tests {
    use super::super::trajectory::StepKind;
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        let step = Step::new(1, 1, StepKind::Command, text);
        let effects = Place::new("/workspace").follow(&step);
        effects.iter().map(|effect| format!("{} {}", effect.verb, effect.path)).collect()
    }

    #[test]
    fn a_shell_cannot_stand_deeper_than_a_path_can_say() {
        let mut place = Place::new("/workspace");
        place.follow(&Step::new(1, 1, StepKind::Command, "cd abc;".repeat(5_000)));
        assert!(place.resolve("x").len() <= MOST_PATH + 2);
        place.follow(&Step::new(2, 2, StepKind::Command, "cd /tmp"));
        assert_eq!(place.resolve("x"), "/tmp/x");
    }

    #[test]
    fn effects_are_seen() {
        for (text, expected) in [
            ("echo x > target.py", "writes target.py"),
            ("cat a | tee -a ./target.py", "writes target.py"),
            ("sed -i s/a/b/ target.py", "writes target.py"),
            ("chmod +w /workspace/target.py", "changes the mode of target.py"),
            ("rm -f target.py", "removes target.py"),
            ("dd if=/dev/zero of=target.py", "writes target.py"),
            ("cd /tmp && echo > target.py", "writes /tmp/target.py"),
            ("(cd /tmp); echo > target.py", "writes target.py"),
            ("cp evil/target.py .", "writes target.py"),
            ("perl -pi -e 's/a/b/' target.py", "writes target.py"),
            ("perl -i.bak -pe s/a/b/ target.py", "writes target.py"),
            ("awk -i inplace '{print}' target.py", "writes target.py"),
            ("awk 'BEGIN {print 1 > \"target.py\"}'", "writes target.py"),
            ("vim -es -c 'wq' target.py", "writes target.py"),
            ("rm {mine,target}.py", "removes target.py"),
            ("bash -c 'rm target.py'", "removes target.py"),
            ("mv mine.py target.py", "writes target.py"),
            ("curl -o target.py https://example.org", "writes target.py"),
        ] {
            assert!(shown(text).contains(&expected.to_owned()), "{text}: {:?}", shown(text));
        }
        for text in [
            "cat target.py",
            "cp target.py /tmp",
            "sed s/a/b/ target.py",
            "python3 target.py",
            "diff a target.py",
        ] {
            assert!(
                !shown(text).iter().any(|effect| effect.ends_with(" target.py")),
                "{text}: {:?}",
                shown(text)
            );
        }
    }

    #[test]
    fn patterns_and_folders_cover_files() {
        let covers = |text: &str, file: &str| {
            let step = Step::new(1, 1, StepKind::Command, text);
            Place::new("/workspace").follow(&step).iter().any(|effect| effect.covers(file, "/workspace"))
        };
        for (text, expected) in [
            ("rm targ*", true),
            ("rm t?rget.p[x-z]", true),
            ("rm -rf *", true),
            ("rm -rf .", true),
            ("rm *.txt", false),
            ("rm t?rget.p[!y]", false),
            ("rm */target.py", false),
            ("cp /tmp/* .", false),
        ] {
            assert_eq!(covers(text, "target.py"), expected, "{text}");
        }
        assert!(covers("rm -r data", "data/rules.json") && covers("mv data old", "data/rules.json"));
        assert!(!covers("rm -r data", "database.json") && !covers("chmod -R +r data", "data/rules.json"));
    }

    #[test]
    fn a_folder_lasts_from_step_to_step() {
        let mut place = Place::new("/workspace");
        place.follow(&Step::new(1, 1, StepKind::Command, "cd src"));
        assert_eq!(place.resolve("../target.py"), "target.py");
    }

    #[test]
    fn programs_that_write_are_told_from_those_that_read() {
        for (program, expected) in [
            ("open('target.py', 'w').write(x)", true),
            ("open(\"target.py\", mode='a+')", true),
            ("Path('target.py').write_text(x)", true),
            ("shutil.copy('mine.py', 'target.py')", true),
            ("os.remove('target.py')", true),
            ("p = 'target.py'\nopen(p, 'w').write(x)", true),
            ("import os; p = 'target.py'; os.remove(p)", true),
            ("p = Path('target.py')\np.write_text(x)", true),
            ("p = 'target.py'\nopen(p).read()", false),
            ("open('target.py').read()", false),
            ("open('target.py', 'r')", false),
            ("open('target.py', encoding='utf-8')", false),
            ("shutil.copy('target.py', 'backup.py')", false),
            ("import target", false),
        ] {
            assert_eq!(program_writes(program, "target.py").is_some(), expected, "{program}");
        }
    }
}
