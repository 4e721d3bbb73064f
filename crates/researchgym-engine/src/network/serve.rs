//! Connections of programs: each carries one request, which is judged, reported, and passed on or refused.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use hyper::body::Incoming as IncomingBody;
use hyper::header::{HeaderMap, PROXY_AUTHORIZATION};
use hyper::service::service_fn;
use hyper::{Method, Request};
use hyper_util::rt::{TokioIo, TokioTimer};
use researchgym_core::network::{HostName, NotAName, Refusal, Rules, Tunnel, shown_url};
use researchgym_core::web::Address;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::answer::{Answer, connected, refused, unknown};
use super::crowd::{Crowd, Place};
use super::names::Resolver;
use super::plain;
use super::report::{Asked, Book, Report};
use super::tunnel::{self, Far, Waiting};
use crate::gateway::Token;

/// Connections at the same time; more wait.
const CONNECTIONS: usize = 256;
/// The longest head of a request, in bytes; one that comes all at once may be twice as long.
const LONGEST_HEAD: usize = 64 << 10;
/// The most headers of one.
const MOST_HEADERS: usize = 100;
/// How long a head may take to come.
const HEAD: Duration = Duration::from_secs(30);
/// After an accept that failed, because descriptors are short or a client is gone already.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);

/// Where programs come in.
pub(super) enum Incoming {
    Unix(UnixListener),
    Tcp(TcpListener),
}

/// What all connections need.
pub(super) struct Shared {
    pub(super) rules: Rules,
    pub(super) names: Arc<Resolver>,
    /// Connections that have not said what they want.
    pub(super) crowd: Arc<Crowd>,
    /// What programs must show, where others can connect too.
    pub(super) token: Option<Token>,
    pub(super) book: Arc<Book>,
}

/// Serves until told to stop; then all connections are cut.
pub(super) async fn serve(incoming: Incoming, shared: Arc<Shared>, mut stopped: watch::Receiver<bool>) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let accepted = async {
            // The semaphore is never closed.
            let permit = permits.clone().acquire_owned().await.ok();
            (permit, accept(&incoming).await)
        };
        tokio::select! {
            biased;
            // The sender is gone: so is the sandbox.
            _ = async { stopped.wait_for(|stop| *stop).await.is_ok() } => break,
            Some(_) = connections.join_next() => {}
            (permit, stream) = accepted => match stream {
                Ok(stream) => {
                    let shared = shared.clone();
                    connections.spawn(async move {
                        stream.attend(shared).await;
                        drop(permit);
                    });
                }
                Err(_) => tokio::time::sleep(ACCEPT_AGAIN).await,
            },
        }
    }
    connections.shutdown().await;
}

enum Accepted {
    Unix(tokio::net::UnixStream),
    Tcp(tokio::net::TcpStream),
}

async fn accept(incoming: &Incoming) -> std::io::Result<Accepted> {
    match incoming {
        Incoming::Unix(listener) => Ok(Accepted::Unix(listener.accept().await?.0)),
        Incoming::Tcp(listener) => Ok(Accepted::Tcp(listener.accept().await?.0)),
    }
}

impl Accepted {
    async fn attend(self, shared: Arc<Shared>) {
        match self {
            Accepted::Unix(stream) => attend(stream, shared).await,
            Accepted::Tcp(stream) => attend(stream, shared).await,
        }
    }
}

/// One connection: one request, and the tunnel that it opens.
async fn attend<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(stream: S, shared: Arc<Shared>) {
    let waiting: Arc<Mutex<Option<Waiting>>> = Arc::default();
    let place = shared.crowd.enter();
    let patience = place.patience(HEAD);
    let place: Mutex<Option<Place>> = Mutex::new(Some(place));
    let leave = || place.lock().unwrap_or_else(PoisonError::into_inner).take();
    let impatient = async {
        patience.await;
        // Whoever has asked may wait for its answer.
        if leave().is_none() {
            std::future::pending::<()>().await;
        }
    };
    let answering = service_fn(|request| {
        drop(leave());
        let (shared, waiting) = (shared.clone(), waiting.clone());
        async move { Ok::<_, Infallible>(respond(&shared, request, &waiting).await) }
    });
    let serving = hyper::server::conn::http1::Builder::new()
        .keep_alive(false)
        // A program may say that it has said all before it hears the answer.
        .half_close(true)
        .max_buf_size(LONGEST_HEAD)
        .max_headers(MOST_HEADERS)
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .serve_connection(TokioIo::new(stream), answering)
        .with_upgrades();
    let served = tokio::select! {
        served = serving => served,
        () = impatient => return,
    };
    if served.is_err_and(|error| error.is_parse()) {
        let unread = Asked { method: "?".into(), host: "?".into(), port: 0, url: None };
        shared.book.open(unread).refuse(Refusal::Malformed);
    }
    let waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(waiting) = waiting {
        tunnel::carry::<S>(waiting).await;
    }
}

async fn respond(
    shared: &Shared,
    mut request: Request<IncomingBody>,
    waiting: &Mutex<Option<Waiting>>,
) -> Answer {
    if shared.token.as_ref().is_some_and(|token| !is_shown(token, request.headers())) {
        return unknown();
    }
    if request.method() == Method::CONNECT {
        let (host, port) = authority(&request);
        let asked = Asked { method: "CONNECT".into(), host: host.clone(), port, url: None };
        let report = shared.book.open(asked);
        return match open(shared, &host, port, &report).await {
            Ok(far) => {
                let upgrade = hyper::upgrade::on(&mut request);
                let opened = Waiting { upgrade, far, place: shared.crowd.enter(), report };
                *waiting.lock().unwrap_or_else(PoisonError::into_inner) = Some(opened);
                connected()
            }
            Err(refusal) => {
                report.refuse(refusal);
                refused(refusal, &host)
            }
        };
    }
    let text = request.uri().to_string();
    let address = Address::parse(&text).ok();
    let report = shared.book.open(Asked {
        method: request.method().to_string(),
        host: request.uri().host().unwrap_or("?").to_owned(),
        port: address.as_ref().map_or(0, Address::port),
        url: Some(shown_url(&text)),
    });
    let host = request.uri().host().unwrap_or("this proxy").to_owned();
    let passed = match address {
        Some(address) if request.uri().scheme_str() == Some("http") => {
            plain::pass(shared, &address, request, &report).await
        }
        // HTTPS is for tunnels; an address without a host was meant for a server and not for a proxy.
        _ => Err(Refusal::Malformed),
    };
    passed.unwrap_or_else(|refusal| {
        report.refuse(refusal);
        refused(refusal, &host)
    })
}

/// Judges a tunnel and finds its host; connects to it unless a greeting must come first.
async fn open(shared: &Shared, host: &str, port: u16, report: &Arc<Report>) -> Result<Far, Refusal> {
    let name = HostName::parse(host).map_err(|error| match error {
        NotAName::Address => Refusal::IpAddress,
        NotAName::Malformed => Refusal::Malformed,
    })?;
    if port == 0 {
        return Err(Refusal::Malformed);
    }
    let names = shared.names.clone();
    match shared.rules.tunnel(&name, port)? {
        Tunnel::Tls => {
            report.may_move()?;
            let addresses = names.resolve(&name, port).await?;
            Ok(Far::Greeted { name, addresses })
        }
        Tunnel::Any => {
            report.may_move()?;
            Ok(Far::Open(names.connect(&name, port).await?))
        }
    }
}

/// Host and port of a `CONNECT`; port 0 if there is none.
fn authority(request: &Request<IncomingBody>) -> (String, u16) {
    match request.uri().authority() {
        Some(authority) if !authority.as_str().contains('@') => {
            (authority.host().to_owned(), authority.port_u16().unwrap_or(0))
        }
        // Credentials, which are not recorded.
        Some(authority) => (authority.host().to_owned(), 0),
        None => ("?".to_owned(), 0),
    }
}

/// Whether a request shows the password. The user's name does not matter.
fn is_shown(token: &Token, headers: &HeaderMap) -> bool {
    let shown = headers.get(PROXY_AUTHORIZATION).and_then(|value| {
        let (scheme, credentials) = value.as_bytes().split_at_checked(6)?;
        let credentials = scheme.eq_ignore_ascii_case(b"basic ").then_some(credentials.trim_ascii())?;
        base64::engine::general_purpose::STANDARD.decode(credentials).ok()
    });
    let password = shown.as_deref().and_then(|pair| pair.splitn(2, |byte| *byte == b':').nth(1));
    password.is_some_and(|password| token.is(password))
}
