//! The policy at work: one of ours, or a program of the user's own that speaks JSON lines
//! (`docs/reference/policy-protocol.md`).

use std::collections::VecDeque;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use researchgym_core::failure::{Boundary, Failure};
use researchgym_core::search::policy::external::{External, Message, read_answer};
use researchgym_core::search::policy::{Answer, Policy, PolicySpec, View};
use researchgym_core::search::{Change, Repertoire, Tree};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

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
    let mut child =
        command.kill_on_drop(true).process_group(0).spawn().map_err(|error| broke(error.to_string()))?;
    let lost = || broke("its standard streams are not there".to_owned());
    let stdin = child.stdin.take().ok_or_else(lost)?;
    let stdout = BufReader::new(child.stdout.take().ok_or_else(lost)?);
    let complaints: Arc<Mutex<VecDeque<String>>> = Arc::default();
    let (heard, stderr) = (complaints.clone(), child.stderr.take().ok_or_else(lost)?);
    tokio::spawn(async move {
        let mut lines = BufReader::new(stderr).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
            heard.push_back(line.chars().take(200).collect());
            if heard.len() > COMPLAINTS {
                heard.pop_front();
            }
        }
    });
    Ok(Program { named, child, stdin, stdout, complaints, untold, folder })
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
        let status =
            ended.ok().and_then(Result::ok).map_or_else(String::new, |status| format!(" ({status})"));
        tokio::task::yield_now().await;
        let heard = self.complaints.lock().unwrap_or_else(PoisonError::into_inner);
        let said: Vec<&str> = heard.iter().map(String::as_str).collect();
        let said = if said.is_empty() { String::new() } else { format!("; it wrote:\n{}", said.join("\n")) };
        Failure::new(Boundary::Agent, format!("the policy `{}`: {what}{status}{said}", self.named)).hinted(
            "the protocol is in docs/reference/policy-protocol.md; mend the program, then resume the run",
        )
    }
}
