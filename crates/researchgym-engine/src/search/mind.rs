//! The policy at work: one of ours, or a program of the user's own that speaks JSON lines
//! (`docs/reference/policy-protocol.md`).

use std::collections::VecDeque;
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

/// How long a program may think about one question.
const PATIENCE: Duration = Duration::from_secs(300);
/// The longest answer.
const MAX_ANSWER: u64 = 1 << 20;
/// Lines that the program has written to its standard error and that a failure shows.
const COMPLAINTS: usize = 5;

/// What plans.
pub(super) enum Mind {
    /// One of our policies.
    Ours(Box<dyn Policy>),
    /// A program, with what it has not been told yet.
    Theirs(Box<Program>),
}

/// A policy that is a program.
pub(super) struct Program {
    named: String,
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    complaints: Arc<Mutex<VecDeque<String>>>,
    untold: String,
}

impl Mind {
    /// The policy before anything has happened.
    ///
    /// # Errors
    /// The program cannot be started.
    pub(super) fn begin(spec: &PolicySpec, first: &Message) -> Result<Mind, Failure> {
        match (spec.begin(), spec) {
            (Some(policy), _) => Ok(Mind::Ours(policy)),
            (None, PolicySpec::External(external)) => Ok(Mind::Theirs(Box::new(start(external, first)?))),
            (None, _) => Err(unusable(format!("the policy {} cannot be started", spec.name()))),
        }
    }

    pub(super) fn observe(&mut self, tree: &Tree, change: Change) {
        match self {
            Mind::Ours(policy) => policy.observe(tree, change),
            Mind::Theirs(program) => {
                for message in Message::changed(tree, change) {
                    program.untold.push_str(&message.line());
                }
            }
        }
    }
}

fn start(external: &External, first: &Message) -> Result<Program, Failure> {
    let named = external.command.join(" ");
    let broke = |what: String| Failure::new(Boundary::Agent, format!("the policy `{named}`: {what}"));
    let (program, arguments) =
        external.command.split_first().ok_or_else(|| broke("no program is named".to_owned()))?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
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
    Ok(Program { named, child, stdin, stdout, complaints, untold: first.line() })
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
