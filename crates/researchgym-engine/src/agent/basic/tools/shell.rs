//! Shell text for tools: quoted, and run so that the persistent shell is the same afterwards.

use researchgym_core::observation::{Captured, Observation};

use super::super::output::Output;
use super::{Bench, Outcome};
use crate::session::Stop;

/// Written with its code at the end of standard error by a script that failed. No file name or message holds it.
const FAILED: char = '\u{1}';

/// So long a tool's own script may take.
const SCRIPT_TIMEOUT_S: f64 = 300.0;

/// One word for the shell, whatever is in it.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The text as the content of a here-document: operator and document.
pub(super) fn document(text: &str) -> (String, String) {
    let mut end = "END".to_owned();
    while text.lines().any(|line| line == end) {
        end.push('_');
    }
    (format!("<<'{end}'"), format!("{text}\n{end}\n"))
}

/// A script in the workspace, in a shell of its own: it cannot move the persistent one, and its failure does not end it
/// where `set -e` is on. The title is a comment for whoever reads the log.
fn script(title: &str, body: &str) -> String {
    let title = title.replace(char::is_control, " ");
    format!(
        "# {title}\nif ( {{ set +euxv; IFS=$' \\t\\n'; }} 2>/dev/null\nbuiltin cd -- \"${{RESEARCHGYM_WORKSPACE:-/workspace}}\" || builtin exit 1\n{body}\n); then :; else builtin printf '\\1%s' \"$?\" >&2; fi"
    )
}

/// What a tool's script did.
pub(super) struct Ran {
    pub(super) output: Output,
    /// Its exit code.
    pub(super) code: i32,
    /// The whole of standard output, as the log has it.
    pub(super) stdout: Captured,
}

impl Bench<'_> {
    /// Runs a tool's script. Fails with what the model is to be told if it could not be run to its end.
    pub(super) async fn script(&mut self, title: &str, body: &str) -> Result<Result<Ran, Outcome>, Stop> {
        self.timed_script(title, body, Some(SCRIPT_TIMEOUT_S)).await
    }

    /// The same with another time-out; the task's if `None`.
    pub(super) async fn timed_script(
        &mut self,
        title: &str,
        body: &str,
        timeout_s: Option<f64>,
    ) -> Result<Result<Ran, Outcome>, Stop> {
        let observation = self.exec(script(title, body), timeout_s).await?;
        let Observation::Exec { exit_code: Some(0), stdout, stderr, .. } = observation else {
            return Ok(Err(self.shown(observation).await?));
        };
        let (stderr, code) = code(self.text(&stderr)?);
        Ok(Ok(Ran { output: Output { stdout: self.text(&stdout)?, stderr }, code, stdout }))
    }

    /// Runs a tool's script and shows what it wrote.
    pub(super) async fn script_shown(&mut self, title: &str, body: &str) -> Result<Outcome, Stop> {
        match self.script(title, body).await? {
            Ok(ran) => Ok(Outcome { text: self.fitted(&ran.output).await?, is_error: ran.code != 0 }),
            Err(outcome) => Ok(outcome),
        }
    }
}

/// Takes the exit code out of what a script wrote to standard error.
fn code(stderr: String) -> (String, i32) {
    let Some((before, after)) = stderr.rsplit_once(FAILED) else { return (stderr, 0) };
    let digits = after.find(|character: char| !character.is_ascii_digit()).unwrap_or(after.len());
    let (code, remarks) = after.split_at(digits);
    (format!("{before}{remarks}"), code.parse().unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    fn bash(text: &str) -> (String, String) {
        let output = Command::new("bash").args(["-c", text]).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (text(output.stdout), text(output.stderr))
    }

    #[test]
    fn a_failing_script_leaves_the_shell_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let set =
            format!("RESEARCHGYM_WORKSPACE={}; set -eu; cd /", quoted(&folder.path().display().to_string()));
        let inside = script("read a\nb\'c", "pwd; x=1; cat missing 2>/dev/null");
        let expected = format!("{}\n/\nunset\n", folder.path().display());
        let after = "pwd; echo ${x-unset}";
        assert_eq!(bash(&format!("{set}\n{inside}\n{after}")), (expected, "\u{1}1".into()));
        let failing = script("title", "echo why >&2; exit 37");
        let (stdout, stderr) = bash(&format!("{set}\n{failing}\necho alive"));
        assert_eq!((stdout.as_str(), code(stderr)), ("alive\n", ("why\n".into(), 37)));
        let fine = script("title", "true");
        assert_eq!(bash(&format!("{set}\n{fine}\necho alive")), ("alive\n".into(), String::new()));
    }

    #[test]
    fn remarks_of_the_sandbox_stay() {
        assert_eq!(code("a\n\u{1}12\n[killed]".into()), ("a\n\n[killed]".into(), 12));
        assert_eq!(code("a\n".into()), ("a\n".into(), 0));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn bash_reads_back_what_is_quoted(text in "[^\0\r]{0,40}") {
            prop_assert_eq!(bash(&format!("printf %s {}", quoted(&text))).0, text.clone());
            let (operator, document) = document(&text);
            prop_assert_eq!(bash(&format!("cat {operator}\n{document}")).0, text + "\n");
        }
    }
}
