//! The door for the user of a live run: `researchgym pause | unpause | limit | note RUN` of another process.
//!
//! A Unix socket in the run's folder, for its owner alone: one JSON line a request, one line for its answer. Requests are
//! taken between the agent's steps and while it waits; each becomes an event. The socket lives as long as the process
//! that works on the run.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream as StdStream;
use std::path::{Path, PathBuf};
use std::time::Instant;

use researchgym_core::budget::Used;
use researchgym_core::event::{Ending, Event};
use researchgym_core::failure::{Boundary, Failure};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};

use super::requests::until_true;
use super::totals::LimitChanges;
use super::{Session, Stop};

/// The socket's name in the run's folder.
pub const CONTROL_SOCKET: &str = "control.sock";
/// The longest request.
const MAX_REQUEST_BYTES: u64 = 256 << 10;

/// What a user may ask of a live run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "method", rename_all = "snake_case", deny_unknown_fields)]
pub enum Control {
    /// Stop the clock and everything in the sandbox.
    Pause {},
    /// Go on.
    Unpause {},
    /// Work under these totals from now on.
    Limit {
        /// What changes; absent totals stay.
        changes: LimitChanges,
    },
    /// Tell the agent something before its next question to the model.
    Note {
        /// What.
        text: String,
    },
}

/// A request and where its answer goes.
pub(super) struct Asked {
    control: Result<Control, String>,
    answer: oneshot::Sender<Value>,
}

/// The listening end, for the session.
pub(crate) struct Desk {
    requests: mpsc::Receiver<Asked>,
    path: PathBuf,
    task: tokio::task::JoinHandle<()>,
}

impl Desk {
    /// Listens in a run's folder.
    ///
    /// # Errors
    /// The socket cannot be made there.
    pub(crate) fn open(run: &Path) -> io::Result<Desk> {
        let path = run.join(CONTROL_SOCKET);
        // Left by a process that died: whoever holds the run's lock owns the name.
        let _ = std::fs::remove_file(&path);
        let folder = std::fs::File::open(run)?;
        let listener = std::os::unix::net::UnixListener::bind(short_path(&folder, CONTROL_SOCKET))?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        let listener = UnixListener::from_std(listener)?;
        let (sender, requests) = mpsc::channel(16);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, sender.clone()));
            }
        });
        Ok(Desk { requests, path, task })
    }

    pub(super) async fn next(&mut self) -> Option<Asked> {
        self.requests.recv().await
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.task.abort();
        let _ = std::fs::remove_file(&self.path);
    }
}

/// A socket's path that is short enough, however deep the run's folder is: `sun_path` holds 107 bytes.
fn short_path(folder: &std::fs::File, name: &str) -> PathBuf {
    use std::os::fd::AsRawFd as _;
    PathBuf::from(format!("/proc/self/fd/{}/{name}", folder.as_raw_fd()))
}

async fn serve(stream: UnixStream, requests: mpsc::Sender<Asked>) {
    let (reading, mut writing) = stream.into_split();
    let mut line = String::new();
    let mut reader = BufReader::new(reading.take(MAX_REQUEST_BYTES));
    if reader.read_line(&mut line).await.is_err() || line.is_empty() {
        return;
    }
    let control = serde_json::from_str(&line).map_err(|error| format!("not a request: {error}"));
    let (answer, answered) = oneshot::channel();
    let value = match requests.send(Asked { control, answer }).await {
        Ok(()) => answered.await.unwrap_or_else(|_| json!({ "ok": false, "error": "the run is over" })),
        Err(_) => json!({ "ok": false, "error": "the run is over" }),
    };
    let _ = writing.write_all(format!("{value}\n").as_bytes()).await;
}

/// Asks something of the process that works on a run, and waits for its answer.
///
/// # Errors
/// Nobody listens, or it hung up.
pub fn control(run: &Path, control: &Control) -> io::Result<Value> {
    use std::io::{BufRead as _, Write as _};
    let folder = std::fs::File::open(run)?;
    let mut stream = StdStream::connect(short_path(&folder, CONTROL_SOCKET))?;
    writeln!(stream, "{}", serde_json::to_string(control)?)?;
    let mut line = String::new();
    if io::BufReader::new(stream).read_line(&mut line)? == 0 {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it hung up"));
    }
    Ok(serde_json::from_str(&line)?)
}

impl Session {
    /// Takes the requests that wait already.
    pub(super) async fn attend_desk(&mut self) -> Result<(), Stop> {
        while let Some(asked) = self.desk.as_mut().and_then(|desk| desk.requests.try_recv().ok()) {
            self.on_control(asked).await?;
        }
        Ok(())
    }

    /// Does what the user asks. A pause is answered when everything stands still, and ends when the user says so or cancels.
    pub(super) async fn on_control(&mut self, asked: Asked) -> Result<(), Stop> {
        if let Some(answer) = self.note_control(asked)? {
            self.stand_still(answer).await?;
        }
        Ok(())
    }

    /// Records a request and answers it; a pause is given back to be begun first.
    fn note_control(&mut self, asked: Asked) -> Result<Option<oneshot::Sender<Value>>, Failure> {
        let Asked { control, answer } = asked;
        let is_paused = self.recorder.state.is_paused;
        let said = match control {
            Err(problem) => Err(problem),
            Ok(Control::Pause {}) if is_paused => Err("the run is paused already".to_owned()),
            Ok(Control::Pause {}) => {
                self.recorder.append_synced(Event::Paused)?;
                return Ok(Some(answer));
            }
            Ok(Control::Unpause {}) if !is_paused => Err("the run is not paused".to_owned()),
            Ok(Control::Unpause {}) => {
                // Recorded with its time by who waits for it.
                self.unpaused = true;
                Ok(json!(null))
            }
            Ok(Control::Limit { changes }) => {
                let used = Used { working_ms: self.clock.working_ms(), ..self.recorder.state.used() };
                match changes.apply(&self.recorder.state.limits, used) {
                    Ok(limits) => {
                        let shown = json!(limits);
                        self.recorder.append_synced(Event::LimitsChanged { limits })?;
                        Ok(shown)
                    }
                    Err(problem) => Err(problem.to_string()),
                }
            }
            Ok(Control::Note { text }) if text.trim().is_empty() => Err("the note is empty".to_owned()),
            Ok(Control::Note { text }) => {
                let text = self.recorder.blobs.body(text.as_bytes())?;
                self.recorder.append_synced(Event::UserNoted { text })?;
                Ok(json!(null))
            }
        };
        let value = match said {
            Ok(result) => json!({ "ok": true, "result": result }),
            Err(problem) => json!({ "ok": false, "error": problem }),
        };
        // Whoever asked may have gone.
        let _ = answer.send(value);
        Ok(None)
    }

    async fn stand_still(&mut self, answer: oneshot::Sender<Value>) -> Result<(), Stop> {
        let began = Instant::now();
        self.unpaused = false;
        self.sandbox.freeze().await?;
        let _ = answer.send(json!({ "ok": true, "result": null }));
        let mut cancelled = self.cancelled.clone();
        let mut stop = None;
        while !self.unpaused && stop.is_none() {
            let Some(desk) = self.desk.as_mut() else { break };
            tokio::select! {
                biased;
                true = until_true(&mut cancelled) => stop = Some(Stop::Ended(Ending::Cancelled)),
                asked = desk.next() => match asked {
                    Some(asked) => drop(self.note_control(asked)?),
                    None => stop = Some(Failure::new(Boundary::Store, "the run's control socket is lost").into()),
                },
            }
        }
        self.clock.leave_out(began.elapsed());
        self.sandbox.thaw().await?;
        let paused_ms = began.elapsed().as_millis() as u64;
        self.recorder.append_synced(Event::Unpaused { paused_ms })?;
        stop.map_or(Ok(()), Err)
    }
}
