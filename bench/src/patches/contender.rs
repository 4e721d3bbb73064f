//! Those who apply diffs: ours in this process, the others as processes of their own in a folder of their own.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use researchgym_core::edit::{self, EditError, Form, Tree};
use tempfile::TempDir;

use super::case::Case;
use crate::Outcome;
use crate::process;
use crate::report::talk;

/// Who applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Contender {
    Ours,
    /// `patch` with its usual fuzz: `-p1`, and `-p0` if that fails.
    Patch,
    /// `git apply`, in the same way.
    GitApply,
    GitApplyRecount,
    /// What is known of the published pipeline for execution-grounded ideas: headers are rewritten to the base names of files, counts
    /// are taken from the bodies, then `patch -p0`.
    Published,
}

impl Contender {
    pub(super) fn name(self) -> &'static str {
        match self {
            Contender::Ours => "ours",
            Contender::Patch => "patch",
            Contender::GitApply => "git apply",
            Contender::GitApplyRecount => "git apply --recount",
            Contender::Published => "published pipeline",
        }
    }

    fn program(self) -> Option<&'static str> {
        match self {
            Contender::Ours => None,
            Contender::Patch | Contender::Published => Some("patch"),
            Contender::GitApply | Contender::GitApplyRecount => Some("git"),
        }
    }
}

/// Those whose programs this machine has.
pub(super) fn present() -> Vec<Contender> {
    let all = [
        Contender::Ours,
        Contender::Patch,
        Contender::GitApply,
        Contender::GitApplyRecount,
        Contender::Published,
    ];
    let starts = |program: &str| {
        let quiet =
            Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        quiet.is_ok_and(|status| status.success())
    };
    all.into_iter()
        .filter(|contender| {
            let missing = contender.program().filter(|program| !starts(program));
            if let Some(program) = missing {
                talk(&format!("SKIPPED: {}: there is no `{program}` here", contender.name()));
            }
            missing.is_none()
        })
        .collect()
}

/// What a contender made of a diff.
pub(super) struct Made {
    /// `None`: it was refused.
    pub(super) tree: Option<Tree>,
    pub(super) problem: Option<String>,
    /// CPU time of applying: of this process, or of those that were started; copying the tree is not in it.
    pub(super) cpu: Duration,
}

/// Where diffs are applied.
pub(super) struct Bench {
    folder: TempDir,
    /// How many times ours applies a diff; its time is the mean.
    repeats: u32,
}

/// The folder of a tree, as the published pipeline names it in headers.
const VARIANT: &str = "variant";

impl Bench {
    pub(super) fn new(repeats: usize) -> Outcome<Bench> {
        let folder = tempfile::Builder::new().prefix("researchgym-bench-").tempdir()?;
        Ok(Bench { folder, repeats: u32::try_from(repeats)? })
    }

    pub(super) fn apply(&self, contender: Contender, case: &Case) -> Outcome<Made> {
        match contender {
            Contender::Ours => Ok(self.ours(case)),
            Contender::Patch => self.either(case, &["patch", "--force", "--silent"]),
            Contender::GitApply => self.either(case, &["git", "apply"]),
            Contender::GitApplyRecount => self.either(case, &["git", "apply", "--recount"]),
            Contender::Published => {
                let place = self.fresh(&case.before, &published(&case.reply))?;
                self.started(&place, &place, &["patch", "--force", "--silent"], "-p0")
            }
        }
    }

    fn ours(&self, case: &Case) -> Made {
        let files = case.surface.files(&case.before);
        let make = || -> Result<Tree, EditError> {
            let edits = edit::parse(&case.reply, Form::Any, &files)?;
            Ok(edit::apply(&case.before, &edits, &case.surface)?.tree)
        };
        let began = process::own_cpu();
        for _ in 1..self.repeats {
            std::hint::black_box(make()).ok();
        }
        let made = make();
        let cpu = process::own_cpu().saturating_sub(began) / self.repeats;
        match made {
            Ok(tree) => Made { tree: Some(tree), problem: None, cpu },
            Err(error) => Made { tree: None, problem: Some(error.to_string()), cpu },
        }
    }

    /// With a folder before each path, and without.
    fn either(&self, case: &Case, words: &[&str]) -> Outcome<Made> {
        let place = self.fresh(&case.before, &case.reply)?;
        let first = self.started(&place, &place.join(VARIANT), words, "-p1")?;
        if first.tree.is_some() {
            return Ok(first);
        }
        let place = self.fresh(&case.before, &case.reply)?;
        let second = self.started(&place, &place.join(VARIANT), words, "-p0")?;
        Ok(Made { cpu: first.cpu + second.cpu, ..second })
    }

    /// A folder with nothing but the tree and the diff.
    fn fresh(&self, tree: &Tree, diff: &str) -> Outcome<std::path::PathBuf> {
        let place = self.folder.path().join("place");
        if place.exists() {
            fs::remove_dir_all(&place)?;
        }
        for (path, content) in tree {
            let path = place.join(VARIANT).join(path);
            fs::create_dir_all(path.parent().unwrap_or(&place))?;
            fs::write(path, content)?;
        }
        fs::write(place.join("change.diff"), diff)?;
        Ok(place)
    }

    fn started(&self, place: &Path, within: &Path, words: &[&str], strip: &str) -> Outcome<Made> {
        let (program, words) = words.split_first().ok_or("no program")?;
        let diff = place.join("change.diff");
        let mut command = Command::new(program);
        command.args(words).arg(strip);
        if *program == "patch" {
            command.arg("-i");
        }
        let child = command
            .arg(&diff)
            .current_dir(within)
            // A repository around the folder would be the one that git changes.
            .env("GIT_CEILING_DIRECTORIES", self.folder.path())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let (status, cpu) = process::ended(child)?;
        let mut tree = Tree::new();
        read(&place.join(VARIANT), "", &mut tree)?;
        Ok(Made { tree: status.success().then_some(tree), problem: None, cpu })
    }
}

/// All files of a folder but those that `patch` leaves beside: what it had before, and what it could not place.
fn read(folder: &Path, prefix: &str, tree: &mut Tree) -> Outcome<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name =
            entry.file_name().into_string().map_err(|name| format!("a name that is not text: {name:?}"))?;
        if entry.file_type()?.is_dir() {
            read(&entry.path(), &format!("{prefix}{name}/"), tree)?;
        } else if !name.ends_with(".orig") && !name.ends_with(".rej") {
            tree.insert(format!("{prefix}{name}"), fs::read(entry.path())?);
        }
    }
    Ok(())
}

/// A diff as the published pipeline gives it to `patch -p0`: the facts are known, the lines are ours.
fn published(reply: &str) -> String {
    let lines: Vec<&str> = reply.lines().collect();
    let is_header = |line: &str| line.starts_with("--- ") || line.starts_with("+++ ");
    let mut text = String::new();
    for (at, line) in lines.iter().enumerate() {
        if is_header(line) {
            let name = line[4..].trim().rsplit('/').next().unwrap_or_default();
            text.push_str(&format!("{} {VARIANT}/{name}\n", &line[..3]));
            continue;
        }
        let Some(numbers) = line.strip_prefix("@@ -") else {
            text.push_str(&format!("{line}\n"));
            continue;
        };
        let first = |word: Option<&str>| {
            word.and_then(|word| word.split(',').next()?.parse::<usize>().ok()).unwrap_or_default()
        };
        let mut words = numbers.split([' ', '+']).filter(|word| !word.is_empty());
        let (old_start, new_start) = (first(words.next()), first(words.next()));
        let body = lines[at + 1..].iter().take_while(|line| !line.starts_with("@@") && !is_header(line));
        let (mut old, mut new) = (0, 0);
        for line in body {
            old += usize::from(!line.starts_with('+'));
            new += usize::from(!line.starts_with('-'));
        }
        text.push_str(&format!("@@ -{old_start},{old} +{new_start},{new} @@\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_way_counts_and_flattens() {
        assert_eq!(
            published(
                "--- a/lib/x.py\n+++ b/lib/x.py\n@@ -3,9 +3,9 @@ def f():\n a\n-b\n+c\n+d\ndiff --git a/y b/y\n"
            ),
            "--- variant/x.py\n+++ variant/x.py\n@@ -3,3 +3,4 @@\n a\n-b\n+c\n+d\ndiff --git a/y b/y\n"
        );
    }
}
