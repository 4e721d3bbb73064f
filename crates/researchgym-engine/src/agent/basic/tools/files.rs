//! Files for tools that read or change them: where they are, their content and mode.

use researchgym_core::action::{Action, Body};
use researchgym_core::observation::Observation;

use super::bench::{Bench, Outcome, unexpected};
use super::shell::quoted;
use crate::session::Stop;

/// The largest file that tools change.
const LARGEST: u64 = 16 << 20;

/// A text file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TextFile {
    pub(super) content: String,
    /// Permission bits.
    pub(super) mode: u32,
}

/// A path below `/workspace` as the session wants it: relative.
pub(super) fn relative(path: &str) -> &str {
    let path = path.strip_prefix("/workspace/").unwrap_or(path);
    path.strip_prefix("./").unwrap_or(path)
}

/// A program with a regular file as its input. The path is no argument, so nothing in it can be taken for an option.
pub(super) fn redirected(path: &str, program: &str) -> String {
    format!("{}\n{program} < {}", regular(path), quoted(path))
}

/// Ends a script unless there is a regular file.
fn regular(path: &str) -> String {
    let path = quoted(path);
    format!(
        "if [ ! -f {path} ]; then\n  if [ -e {path} ]; then printf '%s is not a regular file\\n' {path}\n  \
         else printf '%s does not exist\\n' {path}; fi >&2\n  exit 1\nfi"
    )
}

impl Bench<'_> {
    /// Reads a text file to change it, or says why it cannot be.
    pub(super) async fn load(&mut self, path: &str) -> Result<Result<TextFile, Outcome>, Stop> {
        let path = relative(path);
        let body = format!(
            "{}\nprintf '%s\\n' \"$(command stat -L -c %a - < {name})\"\ncommand cat < {name}",
            regular(path),
            name = quoted(path)
        );
        let ran = match self.script(&format!("read {path}"), &body).await? {
            Ok(ran) if ran.code != 0 => return Ok(Err(Outcome::failed(ran.output.whole().trim_end()))),
            Ok(ran) => ran,
            Err(outcome) => return Ok(Err(outcome)),
        };
        let stdout = ran.stdout;
        if stdout.bytes > LARGEST || stdout.dropped > 0 {
            return Ok(Err(Outcome::failed(format!(
                "{path} is larger than 16 MiB; change it with a program"
            ))));
        }
        let bytes = match stdout.blob {
            Some(blob) => self.session.blob(blob)?,
            None => stdout.text.into_bytes(),
        };
        Ok(match String::from_utf8(bytes) {
            Ok(text) => text_file(&text).ok_or_else(|| Outcome::failed(format!("{path} could not be read"))),
            Err(_) => Err(Outcome::failed(format!("{path} is not UTF-8 text; change it with a program"))),
        })
    }

    /// Writes a file, or says why it cannot be.
    pub(super) async fn save(&mut self, path: &str, file: TextFile) -> Result<Result<u64, Outcome>, Stop> {
        let path = relative(path).to_owned();
        let action = Action::Write { path, content: Body::Text(file.content), mode: Some(file.mode) };
        Ok(match self.session.step(action).await? {
            Observation::Wrote { bytes } => Ok(bytes),
            other => Err(unexpected(other)),
        })
    }
}

/// Mode in octal digits, a line end, the content.
fn text_file(text: &str) -> Option<TextFile> {
    let (mode, content) = text.split_once('\n')?;
    let mode = u32::from_str_radix(mode, 8).ok()? & 0o777;
    Some(TextFile { content: content.to_owned(), mode })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_the_workspace_become_relative() {
        let check = |path, expected| assert_eq!(relative(path), expected);
        check("/workspace/a/b", "a/b");
        check("./a", "a");
        check("a b", "a b");
        check("/etc/passwd", "/etc/passwd");
        check("/workspaces/a", "/workspaces/a");
    }

    #[test]
    fn mode_and_content_are_told_apart() {
        let file = |content: &str, mode| Some(TextFile { content: content.into(), mode });
        assert_eq!(text_file("755\n#!/bin/sh\n"), file("#!/bin/sh\n", 0o755));
        assert_eq!(text_file("4644\n"), file("", 0o644));
        assert_eq!(text_file(""), None);
    }

    #[test]
    fn what_is_no_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let told = |path: &str| {
            let script = redirected(path, "cat");
            let output = std::process::Command::new("bash")
                .args(["-c", &script])
                .current_dir(folder.path())
                .output()
                .unwrap();
            (output.status.code(), String::from_utf8(output.stderr).unwrap())
        };
        assert_eq!(told("/"), (Some(1), "/ is not a regular file\n".into()));
        assert_eq!(told("it's not"), (Some(1), "it's not does not exist\n".into()));
    }
}
