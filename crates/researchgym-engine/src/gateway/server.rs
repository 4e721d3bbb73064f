//! The HTTP server: connections, tokens, bodies, and who answers what.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use hyper::body::{Body as _, Incoming};
use hyper::header::{CONTENT_ENCODING, HeaderMap, UPGRADE};
use hyper::service::service_fn;
use hyper::{Method, Request};
use hyper_util::rt::{TokioIo, TokioTimer};
use researchgym_core::model::Wire;
use researchgym_core::model::retry::RetryPolicy;
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};

use super::answer::{Answer, error, final_error, json};
use super::ask::{Arrived, ask};
use super::count::{Counting, Minute};
use super::listen::{Connection, Listener};
use super::patience::{Patience, Progress};
use super::route::{Delivery, Route, route};
use super::served::Served;
use super::teller::Teller;
use super::token::Token;
use super::{count, listing};
use crate::model::Client;

/// The longest body of a request.
const MOST_BODY_BYTES: usize = 64 << 20;
/// What the bodies of all requests under way may take together, in KiB.
const ALL_BODIES_KIB: usize = 512 << 10;
/// How many connections are open at the same time; more wait.
const CONNECTIONS: usize = 1024;
/// After an accept that failed, because descriptors are short or a client is gone already.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);

/// What a gateway serves, and with what.
pub struct Service {
    /// Which model answers under which name.
    pub served: Served,
    /// Where calls are granted and booked.
    pub teller: Teller,
    /// How providers are reached.
    pub client: Client,
    /// When failed calls are sent again.
    pub retry: RetryPolicy,
    /// What clients must show; without it everybody who can connect is served.
    pub token: Option<Token>,
    /// How often a client that waits for a translated stream gets a sign of life.
    pub keep_alive: Duration,
    /// Whether requests may have the provider fetch what they name by its address.
    pub may_fetch: bool,
    /// How long clients are waited for.
    pub patience: Patience,
    /// How questions for a count are passed on.
    pub counting: Counting,
}

/// Something that is under way: a gateway that ends waits until all of them are dropped.
#[derive(Clone)]
pub(super) struct Work {
    pub(super) service: Arc<Service>,
    pub(super) counts: Arc<Minute>,
    bodies: Arc<Semaphore>,
    _alive: mpsc::Sender<()>,
}

/// Serves clients until `shutdown`; then takes no new requests and returns when the calls under way are booked. A request
/// that has not come whole by then is none.
pub async fn serve(listener: Listener, service: Service, shutdown: impl Future<Output = ()>) {
    let (alive, mut ended) = mpsc::channel(1);
    let bodies = Arc::new(Semaphore::new(ALL_BODIES_KIB));
    let work = Work { service: Arc::new(service), counts: Arc::default(), bodies, _alive: alive };
    let connections = Arc::new(Semaphore::new(CONNECTIONS));
    let (stop, stopped) = watch::channel(false);
    let accepting = async {
        loop {
            let Ok(permit) = Arc::clone(&connections).acquire_owned().await else { return };
            match listener.accept().await {
                Ok(connection) => {
                    let served = connected(connection, work.clone(), stopped.clone());
                    tokio::spawn(async move {
                        served.await;
                        drop(permit);
                    });
                }
                Err(_) => tokio::time::sleep(ACCEPT_AGAIN).await,
            }
        }
    };
    tokio::select! {
        () = accepting => {}
        () = shutdown => {}
    }
    drop(listener);
    stop.send_replace(true);
    drop(work);
    // Nothing is ever sent: the channel ends with the last work.
    let _ = ended.recv().await;
}

async fn connected(connection: Connection, work: Work, mut stopped: watch::Receiver<bool>) {
    let patience = work.service.patience;
    let (progress, seen) = Progress::new();
    let answering = service_fn(move |request| {
        let (work, progress) = (work.clone(), progress.clone());
        async move {
            let answer = respond(work, request, &progress).await;
            Ok::<_, Infallible>(progress.told(answer))
        }
    });
    let serving = hyper::server::conn::http1::Builder::new()
        .half_close(false)
        .timer(TokioTimer::new())
        .header_read_timeout(patience.head)
        .serve_connection(TokioIo::new(connection), answering);
    tokio::pin!(serving);
    tokio::select! {
        // How a client ends its connection is its own affair; what it asked is booked in any case.
        _ = serving.as_mut() => return,
        _ = stopped.wait_for(|stop| *stop) => {}
    }
    serving.as_mut().graceful_shutdown();
    tokio::select! {
        biased;
        _ = serving => {}
        () = seen.over(patience.farewell) => {}
    }
}

async fn respond(work: Work, request: Request<Incoming>, progress: &Progress) -> Answer {
    let (parts, body) = request.into_parts();
    let query = parts.uri.query();
    let asked = route(&parts.method, parts.uri.path(), query);
    let dialect = dialect(&asked, &parts.headers);
    if parts.headers.contains_key(UPGRADE) && parts.method == Method::GET {
        return final_error(dialect, 426, "only plain HTTP is spoken here: send a POST");
    }
    if asked == Route::Health {
        return json(200, &json!({"status": "ok"}));
    }
    let token = work.service.token.as_ref();
    if token.is_some_and(|token| !token.is_shown(&parts.headers, query)) {
        return error(dialect, 401, "this gateway needs its token as the API key");
    }
    let in_path = match &asked {
        Route::AskGemini { model, delivery } => Some((model.clone(), *delivery)),
        Route::Count(_, model) => model.clone().map(|model| (model, Delivery::Plain)),
        Route::Models { one, .. } => return listing::models(&work.service.served, dialect, one.as_deref()),
        Route::WrongMethod(_) => {
            return final_error(dialect, 405, &format!("{} is not for this path", parts.method));
        }
        Route::Unknown(_) => {
            let path: String = parts.uri.path().chars().take(200).collect();
            return final_error(dialect, 404, &format!("nothing is served at `{path}`"));
        }
        Route::Ask(_) | Route::Health => None,
    };
    let (bytes, permit) = match read(body, &parts.headers, &work).await {
        Ok(read) => read,
        Err(failed) => return error(dialect, failed.status(), &failed.to_string()),
    };
    progress.answering();
    let arrived = Arrived { dialect, in_path, headers: parts.headers, bytes };
    let answer = match asked {
        Route::Count(..) => count::count(&work, arrived).await,
        _ => ask(work, arrived).await,
    };
    drop(permit);
    answer
}

/// The form in which this client understands an answer.
fn dialect(asked: &Route, headers: &HeaderMap) -> Wire {
    match asked {
        Route::Ask(wire) | Route::Count(wire, _) | Route::WrongMethod(wire) => *wire,
        Route::AskGemini { .. } | Route::Models { is_gemini: true, .. } => Wire::Gemini,
        Route::Unknown(Wire::Chat) | Route::Models { .. } if headers.contains_key("anthropic-version") => {
            Wire::Messages
        }
        Route::Unknown(wire) => *wire,
        // Google's clients ask below `/v1` too.
        Route::Models { .. } if is_google(headers) => Wire::Gemini,
        Route::Models { .. } | Route::Health => Wire::Chat,
    }
}

fn is_google(headers: &HeaderMap) -> bool {
    ["x-goog-api-client", "x-goog-api-key"].iter().any(|name| headers.contains_key(*name))
}

/// A body that is not taken.
#[derive(Debug, thiserror::Error)]
enum Untaken {
    #[error("the body is longer than {MOST_BODY_BYTES} bytes")]
    TooLong,
    #[error("too many long requests are under way")]
    TooMany,
    #[error("the body is compressed, which is not understood here")]
    Encoded,
    #[error("the body did not come to its end")]
    CutOff,
    #[error("the rest of the body did not come in time")]
    TooSlow,
}

impl Untaken {
    fn status(&self) -> u16 {
        match self {
            Untaken::TooLong => 413,
            Untaken::TooMany => 503,
            Untaken::Encoded => 415,
            Untaken::CutOff => 400,
            Untaken::TooSlow => 408,
        }
    }
}

async fn read(
    mut body: Incoming,
    headers: &HeaderMap,
    work: &Work,
) -> Result<(Bytes, Option<OwnedSemaphorePermit>), Untaken> {
    if headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        return Err(Untaken::Encoded);
    }
    if body.size_hint().lower() > MOST_BODY_BYTES as u64 {
        return Err(Untaken::TooLong);
    }
    let mut bytes = BytesMut::new();
    let mut taken: Option<OwnedSemaphorePermit> = None;
    let mut frame = async || std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await;
    let patience = work.service.patience.body;
    while let Some(next) = tokio::time::timeout(patience, frame()).await.map_err(|_| Untaken::TooSlow)? {
        let Ok(data) = next.map_err(|_| Untaken::CutOff)?.into_data() else { continue };
        if bytes.len() + data.len() > MOST_BODY_BYTES {
            return Err(Untaken::TooLong);
        }
        let needed = (bytes.len() + data.len()).div_ceil(1024) - bytes.len().div_ceil(1024);
        let needed = u32::try_from(needed).map_err(|_| Untaken::TooLong)?;
        let permit = Arc::clone(&work.bodies).try_acquire_many_owned(needed).map_err(|_| Untaken::TooMany)?;
        match &mut taken {
            Some(taken) => taken.merge(permit),
            None => taken = Some(permit),
        }
        bytes.extend_from_slice(&data);
    }
    Ok((bytes.freeze(), taken))
}
