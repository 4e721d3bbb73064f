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
        let mut effects: Vec<Effect> =
            command.outputs.iter().map(|path| self.effect(path, "writes")).collect();
        let Some((name, arguments)) = command.program() else { return effects };
        let files: Vec<&String> = arguments.iter().filter(|word| !word.starts_with('-')).collect();
        let is_in_place =
            || arguments.iter().any(|word| word.starts_with("-i") || word.starts_with("--in-place"));
        let (targets, verb): (Vec<&String>, _) = match name {
            "tee" | "truncate" | "shred" | "patch" | "ed" | "ex" => (files, "writes"),
            "sed" | "perl" | "ruby" if is_in_place() => (files.into_iter().skip(1).collect(), "writes"),
            "cp" | "install" | "rsync" | "ln" => {
                (files.into_iter().skip(1).next_back().into_iter().collect(), "writes")
            }
            "mv" => (files, "moves"),
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
            "git" if matches!(arguments.first().map(String::as_str), Some("checkout" | "restore")) => {
                (files.into_iter().skip(1).collect(), "writes")
            }
            _ => return effects,
        };
        effects.extend(targets.into_iter().map(|path| self.effect(path, verb)));
        // `cp other/target.py .` writes the file of that name.
        if matches!(name, "cp" | "mv" | "ln" | "install") {
            let sources: Vec<&String> = arguments.iter().filter(|word| !word.starts_with('-')).collect();
            if let Some((folder, sources)) = sources.split_last() {
                let into =
                    sources.iter().map(|source| format!("{folder}/{}", super::paths::file_name(source)));
                effects.extend(into.map(|path| self.effect(&path, "writes")));
            }
        }
        effects
    }

    fn effect(&self, path: &str, verb: &'static str) -> Effect {
        Effect { path: self.resolve(path), verb }
    }
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
        opens || (method && before.contains("Path(")) || removes || copies
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
