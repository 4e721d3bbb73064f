//! A provider that is none: a local HTTP server that speaks all four wires from a script, goes wrong where it is told to,
//! holds every request to the invariants of `model/invariants.rs`, and keeps an exact bill.
//!
//! For tests of everything that speaks to providers, at the price of a real connection. It runs on a thread of its own,
//! so that tests without a runtime can use it, and ends when it is dropped. It speaks just enough HTTP/1.1 for that: one
//! request a connection.

mod answer;
mod embedding;
mod http;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use researchgym_core::model::Usage;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::scripted::Script;

/// What goes wrong with one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A failure in place of the answer; nothing is billed.
    Status {
        /// The status.
        status: u16,
        /// Further headers, such as `retry-after`.
        headers: Vec<(String, String)>,
        /// The provider's words.
        message: String,
    },
    /// The connection is reset after the request was read and before a byte of the answer; all of it is billed.
    HangUp,
    /// The connection is reset in the midst of the answer, after this share of its bytes in hundredths. As much of the
    /// output is billed as was sent in a stream, and all of it in one piece.
    Reset(u8),
    /// The answer ends cleanly in its midst, after this share of its bytes in hundredths; all of it is billed.
    Truncated(u8),
    /// What comes is no JSON; the answer is billed.
    Garbage,
    /// The answer does not tell what was used; it is billed.
    NoUsage,
    /// The answer tells the tokens of the prompt, and none of output but what a stream tells at its start; it is billed.
    HalfUsage,
    /// All calls of the answer have the same id.
    SameIds,
    /// The answer comes in pieces of so many bytes, each after a pause.
    Drip {
        /// Bytes of a piece.
        bytes: usize,
        /// The pause before it.
        pause: Duration,
    },
    /// In a stream: an error event after this share of the events in hundredths; as much of the output is billed. In one
    /// piece: an error in place of the answer with status 200, unbilled.
    ErrorEvent {
        /// The provider's kind, such as `overloaded_error`.
        kind: String,
        /// Its words.
        message: String,
        /// Hundredths of the events that come before.
        after: u8,
    },
    /// For embeddings: these in place of the right ones, as JSON lists of whatever; billed.
    Vectors(Vec<serde_json::Value>),
}

/// How the provider behaves.
#[derive(Clone, Debug)]
pub struct Conduct {
    /// The answers, in order. A fault of [`Fault::Status`], [`Fault::HangUp`], [`Fault::Reset`], [`Fault::Truncated`],
    /// [`Fault::Garbage`] or [`Fault::ErrorEvent`] leaves its answer for the next request. A script that makes embeddings
    /// answers requests for them, and those alone.
    pub script: Script,
    /// What goes wrong, by the request's number from 0.
    pub faults: BTreeMap<u64, Fault>,
    /// The key that every request must show; `None` if none is asked for.
    pub key: Option<String>,
}

/// What the provider would be paid for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bill {
    /// Requests that came.
    pub requests: u64,
    /// Requests that are billed.
    pub billed: u64,
    /// Their tokens.
    pub usage: Usage,
}

/// A running provider.
#[derive(Debug)]
pub struct FakeProvider {
    /// Where it is, without a version: `http://127.0.0.1:PORT`. The wires chat, responses and messages are at `/v1`,
    /// Gemini's at `/v1beta`; embeddings are there, too.
    pub url: String,
    state: Arc<State>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What all connections share.
#[derive(Debug)]
struct State {
    conduct: Conduct,
    progress: Mutex<Progress>,
}

#[derive(Debug, Default)]
struct Progress {
    requests: u64,
    position: u64,
    bill: Bill,
    violations: Vec<String>,
    bodies: Vec<serde_json::Value>,
}

impl FakeProvider {
    /// Starts a provider on a free port of the loopback interface.
    ///
    /// # Errors
    /// There is no port or no thread.
    pub fn start(conduct: Conduct) -> io::Result<FakeProvider> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let url = format!("http://{}", listener.local_addr()?);
        let state = Arc::new(State { conduct, progress: Mutex::default() });
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let shared = state.clone();
        let serve = async move {
            let Ok(listener) = TcpListener::from_std(listener) else { return };
            let accept = async {
                while let Ok((connection, _)) = listener.accept().await {
                    tokio::spawn(http::serve(connection, shared.clone()));
                }
            };
            tokio::select! {
                () = accept => {}
                _ = stopped => {}
            }
        };
        let thread = std::thread::Builder::new()
            .name("fake-provider".to_owned())
            .spawn(move || runtime.block_on(serve))?;
        Ok(FakeProvider { url, state, stop: Some(stop), thread: Some(thread) })
    }

    /// What is to be paid so far.
    pub fn bill(&self) -> Bill {
        self.state.locked().bill
    }

    /// What was wrong with requests so far; each of them was refused with status 400 or 401.
    pub fn violations(&self) -> Vec<String> {
        self.state.locked().violations.clone()
    }

    /// The bodies of all requests so far.
    pub fn bodies(&self) -> Vec<serde_json::Value> {
        self.state.locked().bodies.clone()
    }
}

impl Drop for FakeProvider {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // It may have ended by itself.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl State {
    /// What a thread that panicked left behind is whole: all changes are single steps.
    fn locked(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
