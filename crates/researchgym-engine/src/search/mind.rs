//! The policy at work: one of ours, or a program of the user's own that speaks JSON lines
//! (`docs/reference/policy-protocol.md`).

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use researchgym_core::failure::{Boundary, Failure};
use researchgym_core::search::policy::external::{External, Message, read_answer};
use researchgym_core::search::policy::{Answer, Policy, PolicySpec, View};
use researchgym_core::search::{Change, Repertoire, Tree};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::task::JoinHandle;

use super::unusable;
use crate::sandbox::unisolated::kill_marked;
use crate::scratch::Scratch;
use crate::workbench::Workbench;

/// How long a program may think about one question.
const PATIENCE: Duration = Duration::from_secs(300);
/// The longest answer.
const MAX_ANSWER: u64 = 1 << 20;
/// The variable by which a policy's processes are known: the path of its folder.
const MARKER: &str = "RESEARCHGYM_POLICY";
/// What the names of these folders begin with.
const FOLDER_PREFIX: &str = "researchgym-policy-";
/// Lines that the program has written to its standard error and that a failure shows.
const COMPLAINTS: usize = 5;
/// Characters of such a line.
const COMPLAINT: usize = 200;

/// What plans.
pub(super) enum Mind {
    /// One of our policies.
    Ours(Box<dyn Policy>),
    /// A program, with what it has not been told yet.
    Theirs(Box<Program>),
}

/// A policy that has seen what happened and does not work yet.
pub(super) enum Memory {
    /// One of our policies.
    Ours(Box<dyn Policy>),
    /// A program that is not started yet, and what it is to be told.
    Theirs(External, String),
}

/// A policy that is a program.
pub(super) struct Program {
    named: String,
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    complaints: Arc<Mutex<VecDeque<String>>>,
    /// Ends when nobody can complain any more.
    hearing: JoinHandle<()>,
    untold: String,
    /// Its name is in the environment of the program and of all that it starts: by that they are found and ended, by us or,
    /// if we are killed, by the sweeper.
    folder: Scratch,
}

impl Drop for Program {
    fn drop(&mut self) {
        kill_policy_of(self.folder.path());
    }
}

/// Ends a policy with all that it has started, if the folder is that of one: processes that have its name in their
/// environment. One that has cleared its environment escapes.
pub(crate) fn kill_policy_of(folder: &Path) {
    if folder.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(FOLDER_PREFIX.as_bytes())) {
        kill_marked(MARKER, folder);
    }
}

impl Memory {
    /// The policy before anything has happened.
    ///
    /// # Errors
    /// There is no such policy.
    pub(super) fn begin(spec: &PolicySpec) -> Result<Memory, Failure> {
        match (spec.begin(), spec) {
            (Some(policy), _) => Ok(Memory::Ours(policy)),
            (None, PolicySpec::External(external)) => Ok(Memory::Theirs(external.clone(), String::new())),
            (None, _) => Err(unusable(format!("the policy {} cannot be started", spec.name()))),
        }
    }

    pub(super) fn observe(&mut self, tree: &Tree, change: Change) {
        match self {
            Memory::Ours(policy) => policy.observe(tree, change),
            Memory::Theirs(_, untold) => note(untold, tree, change),
        }
    }

    /// Another policy has planned all that there is. A program finds its own way.
    pub(super) fn take_over(&mut self, tree: &Tree, operators: &Repertoire) {
        match self {
            Memory::Ours(policy) => policy.take_over(tree, operators),
            Memory::Theirs(..) => {}
        }
    }

    /// The policy at work. `first` is what a program is told before all else.
    ///
    /// # Errors
    /// The program cannot be started.
    pub(super) fn at_work(self, first: &Message, workbench: &Workbench) -> Result<Mind, Failure> {
        match self {
            Memory::Ours(policy) => Ok(Mind::Ours(policy)),
            Memory::Theirs(external, untold) => {
                let untold = first.line() + &untold;
                Ok(Mind::Theirs(Box::new(start(&external, untold, workbench)?)))
            }
        }
    }
}

impl Mind {
    pub(super) fn observe(&mut self, tree: &Tree, change: Change) {
        match self {
            Mind::Ours(policy) => policy.observe(tree, change),
            Mind::Theirs(program) => note(&mut program.untold, tree, change),
        }
    }
}

fn note(untold: &mut String, tree: &Tree, change: Change) {
    for message in Message::changed(tree, change) {
        untold.push_str(&message.line());
    }
}

fn start(external: &External, untold: String, workbench: &Workbench) -> Result<Program, Failure> {
    let named = external.command.join(" ");
    let broke = |what: String| Failure::new(Boundary::Agent, format!("the policy `{named}`: {what}"));
    let (program, arguments) =
        external.command.split_first().ok_or_else(|| broke("no program is named".to_owned()))?;
    let folder = workbench.folder(FOLDER_PREFIX)?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.env(MARKER, folder.path());
    let mut child = command.kill_on_drop(true).process_group(0).spawn().map_err(|error| {
        broke(error.to_string()).hinted(
            "it must be executable and begin with `#!` and its interpreter; `.py` files are given to python3",
        )
    })?;
    let lost = || broke("its standard streams are not there".to_owned());
    let stdin = child.stdin.take().ok_or_else(lost)?;
    let stdout = BufReader::new(child.stdout.take().ok_or_else(lost)?);
    let complaints: Arc<Mutex<VecDeque<String>>> = Arc::default();
    let (heard, stderr) = (complaints.clone(), child.stderr.take().ok_or_else(lost)?);
    let hearing = tokio::spawn(hear(stderr, heard));
    Ok(Program { named, child, stdin, stdout, complaints, hearing, untold, folder })
}

/// Keeps the begins of the last lines of what a program complains of, whatever it writes: bytes of any kind, and lines of
/// any length.
async fn hear(mut stderr: impl AsyncRead + Unpin, heard: Arc<Mutex<VecDeque<String>>>) {
    let mut line: Vec<u8> = Vec::new();
    let mut piece = vec![0; 8 << 10];
    let keep = |line: &mut Vec<u8>| {
        let text: String = String::from_utf8_lossy(line).trim_end().chars().take(COMPLAINT).collect();
        line.clear();
        let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.push_back(text);
        if heard.len() > COMPLAINTS {
            heard.pop_front();
        }
    };
    while let Ok(count @ 1..) = stderr.read(&mut piece).await {
        for part in piece[..count].split_inclusive(|byte| *byte == b'\n') {
            let room = (4 * COMPLAINT).saturating_sub(line.len());
            line.extend_from_slice(&part[..part.len().min(room)]);
            if part.ends_with(b"\n") {
                keep(&mut line);
            }
        }
    }
    if !line.is_empty() {
        keep(&mut line);
    }
}

impl Program {
    /// What it has not been told yet, with the question.
    pub(super) fn told(&mut self, view: &View<'_>) -> String {
        self.untold.push_str(&Message::ask(view.tree, view.free).line());
        std::mem::take(&mut self.untold)
    }

    /// Tells it, and waits for its answer.
    ///
    /// # Errors
    /// It has died, or does not answer.
    pub(super) async fn exchange(&mut self, told: String) -> Result<Vec<u8>, Failure> {
        let exchange = async {
            let (stdin, stdout) = (&mut self.stdin, &mut self.stdout);
            let write = async {
                stdin.write_all(told.as_bytes()).await?;
                stdin.flush().await
            };
            let mut line = Vec::new();
            let read = async {
                let mut bounded = stdout.take(MAX_ANSWER + 1);
                bounded.read_until(b'\n', &mut line).await
            };
            // Both at once: a program may write while it reads.
            let (written, read) = tokio::join!(write, read);
            written.and(read)?;
            Ok::<Vec<u8>, std::io::Error>(line)
        };
        match tokio::time::timeout(PATIENCE, exchange).await {
            Err(_) => Err(self.broke(&format!("no answer within {} s", PATIENCE.as_secs())).await),
            Ok(Err(error)) if error.kind() == ErrorKind::BrokenPipe => Err(self.broke("it has ended").await),
            Ok(Err(error)) => Err(self.broke(&error.to_string()).await),
            Ok(Ok(line)) if line.is_empty() => Err(self.broke("it has ended").await),
            Ok(Ok(line)) => Ok(line),
        }
    }

    /// Reads its answer.
    ///
    /// # Errors
    /// It cannot be followed.
    pub(super) async fn read(
        &mut self,
        line: &[u8],
        tree: &Tree,
        operators: &Repertoire,
        free: usize,
    ) -> Result<Answer, Failure> {
        match read_answer(line, tree, operators, free) {
            Ok(answer) => Ok(answer),
            Err(error) => Err(self.broke(&error.to_string()).await),
        }
    }

    async fn broke(&mut self, what: &str) -> Failure {
        // What it says at its end is still to come.
        let ended = tokio::time::timeout(Duration::from_secs(1), self.child.wait()).await;
        let status = match ended {
            Ok(Ok(status)) => {
                // What it has started may hold its standard error open: that is not waited for.
                let _ = tokio::time::timeout(Duration::from_millis(500), &mut self.hearing).await;
                format!(" ({status})")
            }
            Ok(Err(_)) | Err(_) => String::new(),
        };
        let heard = self.complaints.lock().unwrap_or_else(PoisonError::into_inner);
        let said: Vec<&str> = heard.iter().map(String::as_str).collect();
        let said = if said.is_empty() { String::new() } else { format!("; it wrote:\n{}", said.join("\n")) };
        Failure::new(Boundary::Agent, format!("the policy `{}`: {what}{status}{said}", self.named)).hinted(
            "the protocol is in docs/reference/policy-protocol.md; mend the program, then resume the run",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_last_complaints_are_kept_whatever_they_are() {
        let mut said = b"first\n\xff\xfe no text\r\n".to_vec();
        said.extend([b'x'; 100_000]);
        said.extend(b"\n1\n2\n\xc3\xa9");
        let heard: Arc<Mutex<VecDeque<String>>> = Arc::default();
        hear(said.as_slice(), heard.clone()).await;
        let heard = heard.lock().expect("nobody else holds it");
        let expected = [
            "\u{fffd}\u{fffd} no text".to_owned(),
            "x".repeat(COMPLAINT),
            "1".to_owned(),
            "2".to_owned(),
            "\u{e9}".to_owned(),
        ];
        assert_eq!(*heard, expected);
    }
}
