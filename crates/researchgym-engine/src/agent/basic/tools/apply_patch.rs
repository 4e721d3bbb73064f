//! `apply_patch`.

use researchgym_core::patch::{self, Change};
use schemars::JsonSchema;
use serde::Deserialize;

use super::files::{TextFile, relative};
use super::shell::quoted;
use super::{Bench, Outcome, Tool};
use crate::session::Stop;

/// Adds, changes, moves and deletes files of the workspace. Either the whole patch fits, or nothing is changed.
/// The patch begins with `*** Begin Patch` and ends with `*** End Patch`; between them stand sections:
/// `*** Add File: PATH` and the new lines, each after `+`; `*** Delete File: PATH`; `*** Update File: PATH`, if it is to be
/// renamed `*** Move to: NEW PATH`, and hunks. A hunk is `@@` (with a line above the place, such as `@@ def train():`, if
/// the place is not the only such one), then lines that stay (after a space), go (after `-`) and come (after `+`), with
/// about three lines that stay on each side. `*** End of File` after a hunk ties it to the end. No line numbers.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ApplyPatch {
    /// The patch.
    patch: String,
}

/// What is done once everything fits.
#[derive(Debug, Default)]
struct Plan {
    writes: Vec<(String, TextFile)>,
    removals: Vec<String>,
    /// A line for each file.
    done: Vec<String>,
}

impl Tool for ApplyPatch {
    const NAME: &'static str = "apply_patch";

    async fn run(self, bench: &mut Bench<'_>) -> Result<Outcome, Stop> {
        let changes = match patch::parse(&self.patch) {
            Ok(patch) => patch.changes,
            Err(error) => return Ok(Outcome::failed(format!("nothing was changed: {error}"))),
        };
        let mut plan = Plan::default();
        for change in changes {
            if let Err(outcome) = plan.add(change, bench).await? {
                return Ok(Outcome::failed(format!("nothing was changed: {}", outcome.text)));
            }
        }
        plan.carry_out(bench).await
    }
}

impl Plan {
    async fn add(&mut self, change: Change, bench: &mut Bench<'_>) -> Result<Result<(), Outcome>, Stop> {
        match change {
            Change::Add { path, content } => {
                if let Err(outcome) = absent(&path, bench).await? {
                    return Ok(Err(outcome));
                }
                self.done.push(format!("added {path}"));
                self.writes.push((path, TextFile { content, mode: 0o644 }));
            }
            Change::Delete { path } => {
                if let Err(outcome) =
                    bench.script_is_true(&path, &format!("[ -f {} ]", quoted(relative(&path)))).await?
                {
                    return Ok(Err(
                        outcome.unwrap_or_else(|| Outcome::failed(format!("{path} is no regular file")))
                    ));
                }
                self.done.push(format!("deleted {path}"));
                self.removals.push(path);
            }
            Change::Update { path, moved_to, hunks } => {
                let mut file = match bench.load(&path).await? {
                    Ok(file) => file,
                    Err(outcome) => return Ok(Err(outcome)),
                };
                file.content = match patch::apply(&file.content, &hunks) {
                    Ok(content) => content,
                    Err(error) => return Ok(Err(Outcome::failed(format!("{path}, {error}")))),
                };
                let Some(target) = moved_to else {
                    self.done.push(format!("changed {path}"));
                    self.writes.push((path, file));
                    return Ok(Ok(()));
                };
                if let Err(outcome) = absent(&target, bench).await? {
                    return Ok(Err(outcome));
                }
                self.done.push(format!("moved {path} to {target}"));
                self.writes.push((target, file));
                self.removals.push(path);
            }
        }
        Ok(Ok(()))
    }

    async fn carry_out(self, bench: &mut Bench<'_>) -> Result<Outcome, Stop> {
        let mut written = Vec::new();
        for (path, file) in self.writes {
            if let Err(outcome) = bench.save(&path, file).await? {
                let before = if written.is_empty() { "nothing".to_owned() } else { written.join(", ") };
                return Ok(Outcome::failed(format!("{}; written before that: {before}", outcome.text)));
            }
            written.push(path);
        }
        if !self.removals.is_empty() {
            let paths: Vec<String> = self.removals.iter().map(|path| quoted(relative(path))).collect();
            let removed = bench
                .script_shown("apply_patch: delete", &format!("command rm -f -- {}", paths.join(" ")))
                .await?;
            if removed.is_error {
                return Ok(Outcome::failed(format!("files were written, but not removed: {}", removed.text)));
            }
        }
        Ok(Outcome::done(self.done.join("\n")))
    }
}

/// Nothing may be there yet.
async fn absent(path: &str, bench: &mut Bench<'_>) -> Result<Result<(), Outcome>, Stop> {
    let name = quoted(relative(path));
    let there = bench.script_is_true(path, &format!("[ ! -e {name} ] && [ ! -L {name} ]")).await?;
    Ok(there.map_err(|outcome| {
        outcome.unwrap_or_else(|| Outcome::failed(format!("{path} exists already; use `*** Update File:`")))
    }))
}

impl Bench<'_> {
    /// Whether a condition holds; the error is empty if it does not, and an outcome if nobody knows.
    async fn script_is_true(
        &mut self,
        path: &str,
        condition: &str,
    ) -> Result<Result<(), Option<Outcome>>, Stop> {
        Ok(match self.script(&format!("look for {path}"), condition).await? {
            Ok(ran) if ran.code != 0 => Err(None),
            Ok(_) => Ok(()),
            Err(outcome) => Err(Some(outcome)),
        })
    }
}
