//! One sandbox with its forking Python, and the conversation with it.
//!
//! Requests are a length and JSON, with descriptors beside the first byte; answers are lines of JSON. Programs never hold the
//! socket, and their output does not pass through the server: it comes by pipes of the host's own.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use researchgym_core::observation::{ExecEnding, ReachedLimit};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, Shutdown};
use rustix::pipe::PipeFlags;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Interest};
use tokio::net::UnixStream;
use tokio::net::unix::pipe;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::mounts::MountPoints;
use super::{Author, Imports, LIBRARY, Script, WarmError, WarmOutcome};
use crate::sandbox::{Capture, ExecOutcome, KEPT_BYTES, Sandbox, SandboxHost, SandboxSpec, Stream};
use crate::scratch;

/// How long the imports may take.
const IMPORT_TIME: Duration = Duration::from_secs(300);
/// How long a server may take beyond a program's time to end everything and to clear away.
const SWEEP_TIME: Duration = Duration::from_secs(30);
/// How long output may take to arrive when everything that can write it is gone.
const DRAIN_TIME: Duration = Duration::from_secs(5);
/// A server serves as long as its sandbox is there.
const FOR_EVER: Duration = Duration::from_millis(u32::MAX as u64);
/// The longest answer.
const MAX_ANSWER: u64 = 64 << 10;
/// The most descriptors that go with a request, standard output and error among them.
const MOST_DESCRIPTORS: usize = 64;

/// A Python that waits for requests.
pub(super) struct Server {
    sandbox: Arc<Sandbox>,
    folder: Option<std::path::PathBuf>,
    mounts: MountPoints,
    /// Until its end was seen.
    program: Option<Program>,
    stream: BufReader<UnixStream>,
    /// A program has said that it ends, and what is left of it is being cleared away.
    is_clearing: bool,
}

/// The server as a program of its sandbox. Dropping it ends it.
struct Program(JoinHandle<Result<(ExecOutcome, String), WarmError>>);

/// A program that has ended.
pub(super) struct Ran {
    pub(super) outcome: WarmOutcome,
    /// Whether the server can run another.
    pub(super) is_clean: bool,
}

/// The server's argument.
#[derive(Serialize)]
struct Settings<'a> {
    folder: &'a str,
    is_writable: bool,
    is_trusted: bool,
    preload: &'a [String],
    likely: &'a BTreeSet<String>,
    environment: &'a BTreeMap<String, String>,
}

#[derive(Serialize)]
struct Request<'a> {
    #[serde(flatten)]
    script: &'a Script,
    timeout_ms: u64,
}

/// What the server answers.
#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Answer {
    /// At the start: the version of Landlock that programs are under, 0 for none.
    Ready {
        #[serde(rename = "ready")]
        _landlock: u32,
    },
    Unloadable {
        unloadable: String,
    },
    Refused {
        refused: String,
    },
    Failed {
        failed: String,
    },
    Ended {
        status: i32,
        timed_out: bool,
        left_behind: u64,
        cpu_ns: u64,
        peak_kib: u64,
        /// `None`: nobody knows yet, and [`Answer::Cleared`] follows.
        tainted: Option<bool>,
    },
    /// After the end of a program that was believed: whether nothing of it is left.
    Cleared {
        cleared: bool,
    },
}

impl Server {
    pub(super) async fn start(
        host: &SandboxHost,
        spec: &SandboxSpec,
        environment: &BTreeMap<String, String>,
        imports: &Imports,
        author: Author,
    ) -> Result<Server, WarmError> {
        let system = |doing| move |source| WarmError::System { doing, source };
        let (ours, theirs) =
            std::os::unix::net::UnixStream::pair().map_err(system("making a socket pair"))?;
        ours.set_nonblocking(true).map_err(system("making a socket pair"))?;
        let stream = UnixStream::from_std(ours).map_err(system("watching a socket"))?;
        let output = scratch::folder(&host.home().join("scratch"))
            .map_err(system("making a folder for the output of a warm Python"))?;
        let settings = Settings {
            folder: spec.working_folder.target(),
            is_writable: spec.working_folder.writable_source().is_some(),
            is_trusted: author == Author::Task,
            preload: &imports.preload,
            likely: &imports.likely,
            environment,
        };
        let settings = serde_json::to_string(&settings)
            .map_err(|error| WarmError::Broken { reason: format!("its settings are no JSON: {error}") })?;
        let argv = ["python3".to_owned(), format!("{LIBRARY}/researchgym_warm.py"), settings];
        let sandbox = Arc::new(Sandbox::start(host, spec.clone(), vec![theirs.into()]).await?);
        let folder = spec.working_folder.writable_source().cloned();
        let mounts = MountPoints::of(spec);
        let inside = Arc::clone(&sandbox);
        let program = tokio::spawn(async move {
            let mut capture = Capture::new(output.path());
            let ended = inside.spawn(&argv, FOR_EVER, &mut capture).await?;
            let said = capture.finish().map(|(_, stderr)| stderr.text).unwrap_or_default();
            Ok((ended, said.trim().to_owned()))
        });
        let program = Some(Program(program));
        let mut server =
            Server { sandbox, folder, mounts, program, stream: BufReader::new(stream), is_clearing: false };
        let answer = tokio::time::timeout(IMPORT_TIME, server.answer()).await;
        let reason = match answer {
            Ok(Ok(Some(Answer::Ready { _landlock }))) => return Ok(server),
            Ok(Ok(Some(Answer::Unloadable { unloadable }))) => {
                server.stop().await;
                return Err(WarmError::Preload { reason: unloadable });
            }
            Ok(Ok(Some(_))) => "it did not say that it is ready".to_owned(),
            Ok(Ok(None)) => server.last_words().await.1,
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("its imports took more than {} s", IMPORT_TIME.as_secs()),
        };
        server.stop().await;
        Err(WarmError::Broken { reason })
    }

    /// Whether what is mounted below the working folder still is.
    pub(super) fn has_its_mounts(&self) -> bool {
        self.mounts.are_there()
    }

    /// Waits until nothing is left of a program that said that it ends. False if something may be.
    pub(super) async fn is_clear(&mut self) -> bool {
        if !self.is_clearing {
            return true;
        }
        let answer = tokio::time::timeout(SWEEP_TIME, receive(&mut self.stream)).await;
        self.is_clearing = false;
        matches!(answer, Ok(Ok(Some(Answer::Cleared { cleared: true }))))
    }

    /// Makes what the host has put into the working folder the program's own.
    pub(super) fn hand_over_folder(&self) -> Result<(), WarmError> {
        match &self.folder {
            Some(folder) => Ok(self.sandbox.hand_over(folder)?),
            None => Ok(()),
        }
    }

    pub(super) async fn run(
        &mut self,
        script: &Script,
        timeout: Duration,
        passed: Vec<OwnedFd>,
        capture: &mut Capture,
        mut quiet: Option<oneshot::Sender<()>>,
    ) -> Result<Ran, WarmError> {
        if passed.len() + 2 > MOST_DESCRIPTORS {
            let what = format!("{} descriptors are too many", passed.len());
            return Err(WarmError::NotWarm { what });
        }
        capture.keep_at_most(KEPT_BYTES);
        let (stdout, stdout_end) = pipe()?;
        let (stderr, stderr_end) = pipe()?;
        let descriptors: Vec<OwnedFd> = [stdout_end, stderr_end].into_iter().chain(passed).collect();
        let timeout_ms =
            u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX).min(FOR_EVER.as_millis() as u64);
        let cpu_before = self.sandbox.counted_cpu_time();
        let (out, err) = (&mut capture.stdout, &mut capture.stderr);
        let output = async { tokio::join!(drain(stdout, out), drain(stderr, err)) };
        tokio::pin!(output);
        let mut is_drained = false;
        let answer = {
            let mut hang_up = HangUp { stream: &mut self.stream, is_armed: true };
            let conversation = async {
                let content = serde_json::to_vec(&Request { script, timeout_ms })?;
                send(hang_up.stream.get_mut(), &content, descriptors).await?;
                receive(hang_up.stream).await
            };
            let conversation = tokio::time::timeout(timeout.saturating_add(SWEEP_TIME), conversation);
            tokio::pin!(conversation);
            let answer = loop {
                tokio::select! {
                    answer = &mut conversation => break answer,
                    _ = &mut output, if !is_drained => {
                        is_drained = true;
                        // Perhaps nobody is interested.
                        let _ = quiet.take().map(|quiet| quiet.send(()));
                    }
                }
            };
            hang_up.is_armed = false;
            answer
        };
        let ran = match answer {
            Ok(Ok(Some(Answer::Refused { refused }))) => Err(WarmError::NotWarm { what: refused }),
            Ok(Ok(Some(Answer::Failed { failed }))) => Err(WarmError::Confinement { reason: failed }),
            Ok(Ok(Some(Answer::Ended { status, timed_out, left_behind, cpu_ns, peak_kib, tainted }))) => {
                let mut notes = Vec::new();
                let limits = self.sandbox.limits_met(&mut notes);
                let (exit_code, ending) = match timed_out {
                    true => (None, ExecEnding::TimedOut),
                    false => (Some(exit_code(status)), ExecEnding::Exited),
                };
                let ended = ExecOutcome { exit_code, ending, new_shell: false, notes, limits };
                let cpu = Duration::from_nanos(cpu_ns).max(self.cpu_since(cpu_before));
                let peak_memory_bytes = Some(peak_kib << 10);
                let outcome = WarmOutcome { ended, cpu, peak_memory_bytes, left_behind };
                self.is_clearing = tainted.is_none();
                Ok(Ran { outcome, is_clean: tainted != Some(true) })
            }
            Ok(Ok(Some(Answer::Ready { .. } | Answer::Unloadable { .. } | Answer::Cleared { .. }))) => {
                Err(WarmError::Broken { reason: "an answer of the wrong kind".to_owned() })
            }
            // It is gone: a program did that, or filled the memory or the workspace. If the sandbox is gone, none did.
            Ok(Ok(None)) => self.killed(cpu_before).await,
            Ok(Err(error)) => Err(WarmError::Broken { reason: error.to_string() }),
            Err(_) => Err(WarmError::Broken {
                reason: format!("no answer {} s after a program's time was over", SWEEP_TIME.as_secs()),
            }),
        };
        if !is_drained && tokio::time::timeout(DRAIN_TIME, output).await.is_err() {
            // Somebody outside of the sandbox was handed the other end; what it still writes is nobody's.
            return ran.map(|ran| Ran { is_clean: false, ..ran });
        }
        ran
    }

    /// The outcome of a program that has taken the server with it.
    async fn killed(&mut self, cpu_before: Option<Duration>) -> Result<Ran, WarmError> {
        let (ended, said) = self.last_words().await;
        // What it has started may still run, and write.
        self.sandbox.kill_all();
        let cpu = self.cpu_since(cpu_before);
        let mut ended = ended.map_err(|error| error.unwrap_or(WarmError::Broken { reason: said }))?;
        ended.exit_code = Some(137);
        ended.ending = ExecEnding::Exited;
        if !ended.limits.iter().any(|limit| matches!(limit, ReachedLimit::Memory | ReachedLimit::Workspace)) {
            ended.notes.push("the Python that it was forked from was killed with it".to_owned());
        }
        let outcome = WarmOutcome { ended, cpu, peak_memory_bytes: None, left_behind: 0 };
        Ok(Ran { outcome, is_clean: false })
    }

    fn cpu_since(&self, before: Option<Duration>) -> Duration {
        let now = self.sandbox.counted_cpu_time();
        now.zip(before).map(|(now, before)| now.saturating_sub(before)).unwrap_or_default()
    }

    /// How the server itself ended, and what it wrote.
    async fn last_words(&mut self) -> (Result<ExecOutcome, Option<WarmError>>, String) {
        let Some(mut program) = self.program.take() else { return (Err(None), String::new()) };
        match tokio::time::timeout(SWEEP_TIME, &mut program.0).await {
            Ok(Ok(Ok((ended, said)))) => {
                let code = ended.exit_code.map_or_else(String::new, |code| code.to_string());
                let said = if said.is_empty() { format!("it ended with status {code}") } else { said };
                (Ok(ended), said)
            }
            Ok(Ok(Err(error))) => {
                let said = error.to_string();
                (Err(Some(error)), said)
            }
            Ok(Err(error)) => (Err(None), error.to_string()),
            Err(_) => (Err(None), "it closed its socket and did not end".to_owned()),
        }
    }

    async fn answer(&mut self) -> io::Result<Option<Answer>> {
        receive(&mut self.stream).await
    }

    /// Kills everything and waits until it is gone.
    pub(super) async fn stop(self) {
        let Server { sandbox, program, .. } = self;
        if let Some(mut program) = program {
            program.0.abort();
            // It lets go of the sandbox.
            let _ = (&mut program.0).await;
        }
        if let Some(sandbox) = Arc::into_inner(sandbox) {
            sandbox.stop().await;
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Tells the server to end everything if nobody waits for the answer any more.
struct HangUp<'a> {
    stream: &'a mut BufReader<UnixStream>,
    is_armed: bool,
}

impl Drop for HangUp<'_> {
    fn drop(&mut self) {
        if self.is_armed {
            // If it is gone already, so is everything.
            let _ = rustix::net::shutdown(self.stream.get_ref(), Shutdown::Both);
        }
    }
}

fn pipe() -> Result<(pipe::Receiver, OwnedFd), WarmError> {
    let system = |source| WarmError::System { doing: "making a pipe", source };
    let (reader, writer) =
        rustix::pipe::pipe_with(PipeFlags::CLOEXEC).map_err(|error| system(error.into()))?;
    // Refused beyond a per-user total; the pipe is then smaller, which is no harm.
    let _ = rustix::pipe::fcntl_setpipe_size(&reader, 256 << 10);
    Ok((pipe::Receiver::from_owned_fd(reader).map_err(system)?, writer))
}

/// Takes what comes until nobody can write any more.
async fn drain(mut pipe: pipe::Receiver, stream: &mut Stream) {
    let mut buffer = Vec::with_capacity(64 << 10);
    while let Ok(1..) = pipe.read_buf(&mut buffer).await {
        stream.push(&buffer);
        buffer.clear();
    }
}

/// Sends a request. The descriptors go with the first bytes and are closed here.
async fn send(stream: &mut UnixStream, content: &[u8], descriptors: Vec<OwnedFd>) -> io::Result<()> {
    let length = u32::try_from(content.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let message = [&length.to_be_bytes(), content].concat();
    let sent = {
        let borrowed: Vec<BorrowedFd<'_>> = descriptors.iter().map(|descriptor| descriptor.as_fd()).collect();
        let socket = &*stream;
        let send = || {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
            let mut ancillary = SendAncillaryBuffer::new(&mut space);
            ancillary.push(SendAncillaryMessage::ScmRights(&borrowed));
            let content = [IoSlice::new(&message)];
            Ok(rustix::net::sendmsg(socket, &content, &mut ancillary, SendFlags::NOSIGNAL)?)
        };
        socket.async_io(Interest::WRITABLE, send).await?
    };
    drop(descriptors);
    stream.write_all(&message[sent..]).await
}

/// The next answer; nothing if the server has gone.
async fn receive(stream: &mut BufReader<UnixStream>) -> io::Result<Option<Answer>> {
    let mut line = Vec::new();
    match stream.take(MAX_ANSWER).read_until(b'\n', &mut line).await {
        Ok(_) if line.ends_with(b"\n") => Ok(Some(serde_json::from_slice(&line)?)),
        Ok(_) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(None),
        Err(error) => Err(error),
    }
}

/// As bash reports what `wait` gives.
fn exit_code(status: i32) -> i32 {
    match status & 0x7f {
        0 => (status >> 8) & 0xff,
        signal => 128 + signal,
    }
}
