//! The relay: what a run's job on a node asks its model through. Keys stay on this side; a job shows the run's token.
//!
//! A request is taken from who shows a token that was admitted, for the calls of that run's own model and no other address.
//! It is sent with the key, and the answer goes back as it comes, without what tells whose account it is. Nothing is
//! metered here: the run's log is on the node, where each call is granted before it is sent and booked when it is over.
//! Who hangs up ends its call.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use hyper::body::{Body as _, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request};
use hyper_util::rt::{TokioIo, TokioTimer};
use researchgym_core::digest::Digest;
use researchgym_core::executor::SlurmSpec;
use researchgym_core::failure::{Boundary, Failure};
use researchgym_core::model::{FailureKind, ModelFailure};
use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, watch};

use crate::gateway::{Answer, Content, Listener, Token, answer, back, counting_url, json, onward};
use crate::model::relayed::{CALL, LOST, NO_ANSWER, UNSENT, shown};
use crate::model::{Door, Endpoint, NoAnswer};

/// The socket in a job's folder.
pub(crate) const SOCKET: &str = "relay.sock";
/// The run's token in a job's folder, for its owner alone.
pub(crate) const TOKEN: &str = "relay.token";

/// The longest body of a request.
const MOST_BODY_BYTES: usize = 64 << 20;
/// How long the next piece of a body, or a request's head, may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How many connections are open at the same time; more wait.
const CONNECTIONS: usize = 1024;
/// After an accept that failed, because descriptors are short or a client is gone already.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);

/// How jobs reach the relay, as their orders say it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case", deny_unknown_fields)]
pub enum Way {
    /// A Unix socket in the job's folder: only from the machine of that name.
    Socket {
        /// Which machine.
        host: String,
    },
    /// An address as nodes reach it.
    Address {
        /// `HOST:PORT`.
        address: String,
    },
}

/// Where a relay listens and how jobs reach it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayPlace {
    way: Way,
    listen: Option<SocketAddr>,
}

/// The settings of the gateway cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("[slurm] {key} = {value:?}: {wanted}")]
pub struct PlaceError {
    key: &'static str,
    value: String,
    wanted: &'static str,
}

impl RelayPlace {
    /// Reads `gateway` and `gateway_listen` of the settings.
    ///
    /// # Errors
    /// They are not what they must be.
    pub fn of(spec: &SlurmSpec) -> Result<RelayPlace, PlaceError> {
        let wrong = |key, value: &str, wanted| PlaceError { key, value: value.to_owned(), wanted };
        let listen = spec.gateway_listen.as_deref();
        match spec.gateway.as_deref() {
            None | Some("socket") => match listen {
                None => Ok(RelayPlace { way: Way::Socket { host: host() }, listen: None }),
                Some(text) => {
                    let wanted = "has a meaning only with `gateway = \"HOST:PORT\"`";
                    Err(wrong("gateway_listen", text, wanted))
                }
            },
            Some(text) => {
                let port = text.rsplit_once(':').filter(|(host, _)| {
                    !host.is_empty() && !host.contains(|letter: char| "/@?# ".contains(letter))
                });
                let port = port.and_then(|(_, port)| port.parse::<u16>().ok()).filter(|port| *port > 0);
                let port = port.ok_or_else(|| wrong("gateway", text, "write `socket` or HOST:PORT"))?;
                let listen = match listen {
                    None => SocketAddr::from(([127, 0, 0, 1], port)),
                    Some(text) => text.parse().map_err(|_| {
                        wrong("gateway_listen", text, "write ADDRESS:PORT, the address in digits")
                    })?,
                };
                Ok(RelayPlace { way: Way::Address { address: text.to_owned() }, listen: Some(listen) })
            }
        }
    }

    /// What jobs are told.
    pub fn way(&self) -> &Way {
        &self.way
    }
}

/// This machine's name.
pub(crate) fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

type Callers = Arc<Mutex<HashMap<Digest, Arc<Door>>>>;

/// Serves the jobs of this process's runs until it is dropped.
pub struct Relay {
    callers: Callers,
    /// Where all runs come together, if they do.
    shared: Option<watch::Sender<bool>>,
}

/// A run that is served until this is dropped.
pub struct Admission {
    callers: Callers,
    caller: Digest,
    /// Ends the run's own listener, and where its socket is.
    own: Option<(watch::Sender<bool>, PathBuf)>,
}

impl Relay {
    /// Listens, if all runs come to one address.
    ///
    /// # Errors
    /// The address cannot be listened at.
    pub async fn open(place: &RelayPlace) -> Result<Relay, Failure> {
        let callers = Callers::default();
        let shared = match place.listen {
            None => None,
            Some(address) => {
                let listener = Listener::tcp(address).await.map_err(|error| {
                    broken(error.to_string())
                        .hinted("choose another port in `gateway` or `gateway_listen` of [slurm]; one process listens at one")
                })?;
                Some(serve(listener, callers.clone(), None))
            }
        };
        Ok(Relay { callers, shared })
    }

    /// Lets the job in `folder` ask the run's model, with the token that lies there or a new one.
    ///
    /// # Errors
    /// The token or the socket cannot be made.
    pub async fn admit(&self, folder: &Path, door: Arc<Door>) -> Result<Admission, Failure> {
        let failed =
            |error: io::Error| broken(format!("the way to the model in {}: {error}", folder.display()));
        let token = token(folder).map_err(failed)?;
        let caller = Digest::of(token.expose().as_bytes());
        locked(&self.callers).insert(caller, door.clone());
        let mut admission = Admission { callers: self.callers.clone(), caller, own: None };
        if self.shared.is_none() {
            let own = Callers::new(Mutex::new(HashMap::from([(caller, door)])));
            let opened = File::open(folder).map_err(failed)?;
            // The address of a Unix socket holds 107 bytes.
            let path = format!("/proc/self/fd/{}/{SOCKET}", opened.as_raw_fd());
            let listener = Listener::unix(Path::new(&path)).await;
            let listener = listener.map_err(|error| broken(error.to_string()))?;
            admission.own = Some((serve(listener, own, Some(opened)), folder.join(SOCKET)));
        }
        Ok(admission)
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        locked(&self.callers).remove(&self.caller);
        if let Some((stop, socket)) = &self.own {
            stop.send_replace(true);
            // The listener removes it too, if this process lives long enough.
            let _ = std::fs::remove_file(socket);
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        if let Some(stop) = &self.shared {
            stop.send_replace(true);
        }
    }
}

/// The token in a job's folder; a new one if there is none.
fn token(folder: &Path) -> io::Result<Token> {
    let path = folder.join(TOKEN);
    if let Some(token) = read_token(folder)? {
        return Ok(token);
    }
    let token = Token::random().map_err(|error| io::Error::other(error.to_string()))?;
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
    file.write_all(token.expose().as_bytes())?;
    file.sync_all()?;
    Ok(token)
}

/// Removes what a job that is over was admitted by. Most have nothing of it.
pub(crate) fn forget(folder: &Path) {
    for name in [SOCKET, TOKEN] {
        // It opens nothing any more.
        let _ = std::fs::remove_file(folder.join(name));
    }
}

/// The token in a job's folder.
pub(crate) fn read_token(folder: &Path) -> io::Result<Option<Token>> {
    let mut text = String::new();
    match File::open(folder.join(TOKEN)) {
        Ok(file) => file.take(1024).read_to_string(&mut text)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(Token::new(&text))
}

/// A change of the map is one step: what a thread that panicked left behind is whole.
fn locked(callers: &Callers) -> MutexGuard<'_, HashMap<Digest, Arc<Door>>> {
    callers.lock().unwrap_or_else(PoisonError::into_inner)
}

fn broken(message: String) -> Failure {
    Failure::new(Boundary::Executor, message)
}

/// Serves until told to stop. `folder` is what the path of the listener's socket leads through: it stays open for so long, or
/// the listener would remove a file of another folder.
fn serve(listener: Listener, callers: Callers, folder: Option<File>) -> watch::Sender<bool> {
    let (stop, mut stopped) = watch::channel(false);
    let connections = Arc::new(Semaphore::new(CONNECTIONS));
    let accepting = async move {
        loop {
            let Ok(permit) = connections.clone().acquire_owned().await else { return };
            let Ok(connection) = listener.accept().await else {
                tokio::time::sleep(ACCEPT_AGAIN).await;
                continue;
            };
            let callers = callers.clone();
            tokio::spawn(async move {
                let answering = service_fn(move |request| {
                    let callers = callers.clone();
                    async move { Ok::<_, Infallible>(respond(&callers, request).await) }
                });
                let serving = hyper::server::conn::http1::Builder::new()
                    .half_close(false)
                    .keep_alive(false)
                    .timer(TokioTimer::new())
                    .header_read_timeout(PATIENCE)
                    .serve_connection(TokioIo::new(connection), answering);
                // How a job ends its connection is its own affair: it books what it asked in any case.
                let _ = serving.await;
                drop(permit);
            });
        }
    };
    tokio::spawn(async move {
        tokio::select! {
            () = accepting => {}
            // The sender is gone: so are the runs.
            _ = stopped.wait_for(|stop| *stop) => {}
        }
        drop(folder);
    });
    stop
}

async fn respond(callers: &Callers, request: Request<Incoming>) -> Answer {
    let (parts, body) = request.into_parts();
    let refused = |status, kind, message: &str| {
        let failure = ModelFailure { kind, status: Some(status), message: message.to_owned() };
        no_answer(status, UNSENT, &failure)
    };
    if parts.method != Method::POST {
        return refused(405, FailureKind::BadRequest, "only POST is served here");
    }
    let door = shown(&parts.headers).map(|token| Digest::of(token.as_bytes()));
    let door = door.and_then(|caller| locked(callers).get(&caller).cloned());
    let Some(door) = door else {
        return refused(401, FailureKind::Authentication, "the relay does not know this token");
    };
    let call = parts.headers.get(CALL).and_then(|call| call.to_str().ok()).unwrap_or_default();
    let Some(url) = address(&door.endpoint, call) else {
        return refused(
            403,
            FailureKind::BadRequest,
            "the relay serves the calls of the run's own model alone",
        );
    };
    let body = match read(body).await {
        Ok(body) => body,
        Err(status) => return refused(status, FailureKind::BadRequest, "the request did not come whole"),
    };
    let extra = onward(&parts.headers, door.endpoint.wire);
    let mut answered = match door.client.send(&door.endpoint, &url, &extra, body).await {
        Ok(answered) => answered,
        Err(NoAnswer::Unsent(failure)) => return no_answer(502, UNSENT, &failure),
        Err(NoAnswer::Lost(failure)) => return no_answer(502, LOST, &failure),
    };
    let (pieces, content) = Content::pieces();
    let (status, headers) = (answered.status, back(&answered.headers));
    tokio::spawn(async move {
        loop {
            let chunk = tokio::select! {
                chunk = answered.chunk() => chunk,
                () = pieces.closed() => return,
            };
            let piece = match chunk {
                Ok(None) => return,
                Ok(Some(bytes)) => Ok(bytes),
                Err(failure) => Err(io::Error::other(failure.message)),
            };
            let is_broken = piece.is_err();
            if pieces.send(piece).await.is_err() || is_broken {
                return;
            }
        }
    });
    answer(status, headers, content)
}

/// The whole address of a call, if it is one of the endpoint's.
fn address(endpoint: &Endpoint, call: &str) -> Option<String> {
    let urls = [Some(endpoint.url(true)), Some(endpoint.url(false)), counting_url(endpoint)];
    urls.into_iter().flatten().find(|url| url.strip_prefix(&endpoint.base_url) == Some(call))
}

/// Says that there is no answer of a provider.
fn no_answer(status: u16, what: &'static str, failure: &ModelFailure) -> Answer {
    let mut answer = json(status, &serde_json::to_value(failure).unwrap_or_default());
    answer.headers_mut().insert(NO_ANSWER, HeaderValue::from_static(what));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

/// The whole body, or the status that says why not.
async fn read(mut body: Incoming) -> Result<Bytes, u16> {
    if body.size_hint().lower() > MOST_BODY_BYTES as u64 {
        return Err(413);
    }
    let mut bytes = BytesMut::new();
    let mut frame = async || std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await;
    while let Some(next) = tokio::time::timeout(PATIENCE, frame()).await.map_err(|_| 408u16)? {
        let Ok(data) = next.map_err(|_| 400u16)?.into_data() else { continue };
        if bytes.len() + data.len() > MOST_BODY_BYTES {
            return Err(413);
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes.freeze())
}

#[cfg(test)]
mod tests;
