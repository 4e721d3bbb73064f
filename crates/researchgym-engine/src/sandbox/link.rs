//! The host's end of the conversation with a guest: one task per sandbox reads, anyone sends.
//!
//! What a guest may have on its way is bounded: raw bytes by the window of each request, lines by the number of clients,
//! so that the reader never has to wait for anyone and a slow request holds up no other. A guest that sends more is cut off.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use researchgym_core::wire::{
    self, Decoder, Ended, Frame, FromGuest, Kind, MAX_LINE, MAX_SESSION_CLIENTS, Refusal, ToGuest, WINDOW,
};
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::{Notify, OwnedSemaphorePermit, mpsc, oneshot};

use super::SessionRequest;

/// A guest may overshoot the window by what was in its pipes when a command ended, and by what background jobs left.
const OVERSHOOT: u64 = 4 << 20;
/// Requests that the guest has not taken; content waits for room instead.
const ROOM: usize = 4 << 20;

/// Part of the answer to a request.
#[derive(Debug)]
pub(super) enum Reply {
    Raw(Kind, Vec<u8>),
    Ended(Ended),
    File { bytes: u64, refusal: Option<Refusal> },
    Done,
    CpuTime { nanoseconds: u64 },
}

pub(super) struct Link {
    stream: UnixStream,
    state: Mutex<State>,
    /// There is something to write, or we are to close.
    wake: Notify,
    /// There is room to write again.
    drained: Notify,
}

struct State {
    outgoing: Vec<u8>,
    written: usize,
    routes: HashMap<u64, Route>,
    last_id: u64,
    ready: Option<oneshot::Sender<Result<(), String>>>,
    /// Why nothing can be said any more.
    closed: Option<String>,
}

struct Route {
    replies: mpsc::UnboundedSender<Reply>,
    outstanding: u64,
    /// Given back when the request is answered, whoever waits for it.
    _permit: Option<OwnedSemaphorePermit>,
}

/// The receiving half of a link.
pub(super) struct Opened {
    pub link: Arc<Link>,
    pub ready: oneshot::Receiver<Result<(), String>>,
    pub requests: mpsc::Receiver<SessionRequest>,
}

impl Link {
    /// Starts the reading task. It ends with the conversation.
    pub(super) fn open(stream: UnixStream) -> Opened {
        let (ready_sender, ready) = oneshot::channel();
        let (line_sender, requests) = mpsc::channel(MAX_SESSION_CLIENTS);
        let state = State {
            outgoing: Vec::new(),
            written: 0,
            routes: HashMap::new(),
            last_id: 0,
            ready: Some(ready_sender),
            closed: None,
        };
        let (wake, drained) = (Notify::new(), Notify::new());
        let link = Arc::new(Link { stream, state: Mutex::new(state), wake, drained });
        tokio::spawn(serve(Arc::clone(&link), line_sender));
        Opened { link, ready, requests }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new request: its number and where its answer comes. The receiver ends if the guest is lost.
    pub(super) fn request(
        &self,
        permit: Option<OwnedSemaphorePermit>,
    ) -> (u64, mpsc::UnboundedReceiver<Reply>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut state = self.lock();
        state.last_id += 1;
        let id = state.last_id;
        if state.closed.is_none() {
            state.routes.insert(id, Route { replies: sender, outstanding: 0, _permit: permit });
        }
        (id, receiver)
    }

    /// Sends a message, or queues it if the guest is slow.
    pub(super) fn send(&self, message: &ToGuest) {
        let mut state = self.lock();
        if state.closed.is_none() {
            wire::encode_control(message, &mut state.outgoing);
            self.write(&mut state);
        }
    }

    /// Sends content in pieces, waiting for room.
    pub(super) async fn send_content(&self, id: u64, content: &[u8]) {
        for chunk in content.chunks(wire::MAX_CHUNK) {
            loop {
                let room = self.drained.notified();
                {
                    let mut state = self.lock();
                    if state.closed.is_some() {
                        return;
                    }
                    if state.outgoing.len() - state.written < ROOM {
                        wire::encode_raw(Kind::Stdout, id, chunk, &mut state.outgoing);
                        self.write(&mut state);
                        break;
                    }
                }
                room.await;
            }
        }
    }

    /// Says that raw bytes of a request were taken.
    pub(super) fn taken(&self, id: u64, bytes: u64) {
        if let Some(route) = self.lock().routes.get_mut(&id) {
            route.outstanding = route.outstanding.saturating_sub(bytes);
        }
        self.send(&ToGuest::Taken { id, bytes });
    }

    /// Ends the conversation.
    pub(super) fn close(&self, reason: &str) {
        let mut state = self.lock();
        self.close_locked(&mut state, reason);
    }

    /// Why it ended, if it has.
    pub(super) fn closed(&self) -> Option<String> {
        self.lock().closed.clone()
    }

    fn close_locked(&self, state: &mut State, reason: &str) {
        if state.closed.is_none() {
            state.closed = Some(reason.to_owned());
        }
        state.routes.clear();
        if let Some(ready) = state.ready.take() {
            let _ = ready.send(Err(reason.to_owned()));
        }
        // The guest ends at the end of its input.
        let _ = rustix::net::shutdown(&self.stream, rustix::net::Shutdown::Both);
        self.wake.notify_one();
        self.drained.notify_waiters();
    }

    fn write(&self, state: &mut State) {
        while state.written < state.outgoing.len() {
            match self.stream.try_write(&state.outgoing[state.written..]) {
                Ok(length) => state.written += length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.wake.notify_one();
                    return;
                }
                // Seen again, and acted on, by the reader.
                Err(_) => break,
            }
        }
        state.outgoing.clear();
        state.written = 0;
        self.drained.notify_waiters();
    }

    /// Passes on what has arrived. An error cuts the guest off.
    fn dispatch(&self, decoder: &mut Decoder, lines: &mpsc::Sender<SessionRequest>) -> Result<(), String> {
        while let Some(frame) = decoder.next_frame().map_err(|error| error.to_string())? {
            match frame {
                Frame::Raw { kind, id, bytes } => self.on_raw(kind, id, bytes)?,
                Frame::Control(json) => {
                    let message = serde_json::from_slice(json).map_err(|error| error.to_string())?;
                    self.on_message(message, lines)?;
                }
            }
        }
        Ok(())
    }

    fn on_raw(&self, kind: Kind, id: u64, bytes: &[u8]) -> Result<(), String> {
        let length = bytes.len() as u64;
        let mut state = self.lock();
        // Nobody waits for the rest of a request that was answered.
        let Some(route) = state.routes.get_mut(&id) else { return Ok(()) };
        route.outstanding += length;
        if route.outstanding > WINDOW + OVERSHOOT {
            return Err(format!("{} bytes without acknowledgement", route.outstanding));
        }
        let abandoned = route.replies.send(Reply::Raw(kind, bytes.to_vec())).is_err();
        drop(state);
        if abandoned {
            self.taken(id, length);
        }
        Ok(())
    }

    fn on_message(&self, message: FromGuest, lines: &mpsc::Sender<SessionRequest>) -> Result<(), String> {
        let (id, reply) = match message {
            FromGuest::Ready => {
                if let Some(ready) = self.lock().ready.take() {
                    let _ = ready.send(Ok(()));
                }
                return Ok(());
            }
            FromGuest::Failed { reason } => return Err(reason),
            FromGuest::Line { id, line } => {
                if line.len() > MAX_LINE || lines.try_send(SessionRequest { id, line }).is_err() {
                    return Err("more session lines than clients".to_owned());
                }
                return Ok(());
            }
            FromGuest::Ended(ended) => (ended.id, Reply::Ended(ended)),
            FromGuest::File { id, bytes, refusal } => (id, Reply::File { bytes, refusal }),
            FromGuest::Done { id } => (id, Reply::Done),
            FromGuest::CpuTime { id, nanoseconds } => (id, Reply::CpuTime { nanoseconds }),
        };
        if let Some(route) = self.lock().routes.remove(&id) {
            // Whoever asked may have lost interest.
            let _ = route.replies.send(reply);
        }
        Ok(())
    }
}

async fn serve(link: Arc<Link>, lines: mpsc::Sender<SessionRequest>) {
    let mut decoder = Decoder::default();
    let mut buffer = vec![0; 64 << 10];
    let reason = loop {
        let (writing, closed) = {
            let state = link.lock();
            (state.written < state.outgoing.len(), state.closed.is_some())
        };
        if closed {
            return;
        }
        let interest = if writing { Interest::READABLE | Interest::WRITABLE } else { Interest::READABLE };
        let ready = tokio::select! {
            ready = link.stream.ready(interest) => ready,
            () = link.wake.notified() => continue,
        };
        let Ok(ready) = ready else { break "the connection failed".to_owned() };
        if ready.is_writable() && writing {
            link.write(&mut link.lock());
        }
        if ready.is_readable() || ready.is_read_closed() {
            match link.stream.try_read(&mut buffer) {
                Ok(0) => break String::new(),
                Ok(length) => {
                    decoder.push(&buffer[..length]);
                    if let Err(what) = link.dispatch(&mut decoder, &lines) {
                        break what;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => break error.to_string(),
            }
        }
    };
    link.close(&reason);
}
