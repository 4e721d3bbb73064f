//! The one HTTP client for all providers: sends one attempt and gives status, headers and the bytes as they come.
//!
//! For an endpoint with a cassette the answer may come from there, or goes there too. What the bytes mean, whether another attempt is made and what it costs is decided elsewhere. Proxy settings of the
//! environment are followed, except for loopback addresses.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use researchgym_core::model::redact::{RedactingStream, Redactor};
use researchgym_core::model::{FailureKind, ModelFailure};

use super::cassette::{Cassette, Played, Question};
use super::endpoint::{Auth, Backend, Endpoint, Secret};
use super::relayed::Relayed;
use crate::dataset::SystemNames;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a provider may be silent. Models that think may say nothing for many minutes.
const READ_TIMEOUT: Duration = Duration::from_secs(20 * 60);

/// Sends requests to providers. Cheap to clone; connections are kept and shared.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    direct: reqwest::Client,
    /// Who sends in this client's place, and has the keys.
    relayed: Option<Arc<Relayed>>,
}

/// The beginning of an answer; its bytes follow from [`Answer::chunk`].
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// All headers.
    pub headers: HeaderMap,
    source: Source,
    /// Takes the endpoint's key out of what comes: some repeat what they were sent.
    hiding: Option<RedactingStream>,
}

/// Where the bytes of an answer come from.
#[derive(Debug)]
enum Source {
    Provider(Box<reqwest::Response>, Option<Box<Recording>>),
    Cassette(Option<Bytes>),
}

/// An answer that goes to a cassette when it has come whole.
#[derive(Debug)]
struct Recording {
    cassette: Arc<Cassette>,
    question: Question,
    bytes: Vec<u8>,
}

/// Why no answer began.
#[derive(Clone, Debug)]
pub enum NoAnswer {
    /// The provider never had the request: nothing is billed.
    Unsent(ModelFailure),
    /// The request was sent, and nobody knows what the provider made of it: it may be billed.
    Lost(ModelFailure),
}

/// When things happened to an attempt.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// It was sent.
    pub sent: Instant,
    /// Its first byte came.
    pub first_byte: Option<Instant>,
}

impl Client {
    /// Makes the client. Nothing is connected yet.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub fn new() -> Result<Client, reqwest::Error> {
        // Fails only if a provider is installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = || {
            reqwest::Client::builder()
                .user_agent(concat!("researchgym/", env!("CARGO_PKG_VERSION")))
                .connect_timeout(CONNECT_TIMEOUT)
                .read_timeout(READ_TIMEOUT)
                .tcp_nodelay(true)
                .pool_max_idle_per_host(1024)
                .redirect(reqwest::redirect::Policy::none())
                .dns_resolver(Arc::new(SystemNames))
        };
        Ok(Client { http: builder().build()?, direct: builder().no_proxy().build()?, relayed: None })
    }

    /// The same, but every request goes to who sends it on with the key.
    pub(crate) fn through(self, relayed: Relayed) -> Client {
        Client { relayed: Some(Arc::new(relayed)), ..self }
    }

    /// Sends one attempt to an endpoint. `extra` headers are a client's own that are passed on.
    ///
    /// # Errors
    /// No answer began: the provider cannot be reached or a cassette lacks the request, which costs nothing; or the
    /// provider hung up or was silent for too long, which may.
    pub async fn send(
        &self,
        endpoint: &Endpoint,
        url: &str,
        extra: &HeaderMap,
        body: Bytes,
    ) -> Result<Answer, NoAnswer> {
        let mut recording = None;
        match &endpoint.backend {
            Backend::Http => {}
            Backend::Scripted(_) => return Err(unsent("a scripted model has no address".to_owned())),
            Backend::Cassette(cassette) => {
                let question = cassette.question(endpoint.wire, call_of(url, &endpoint.base_url), &body);
                if let Some(played) = cassette.play(&question).map_err(NoAnswer::Unsent)? {
                    return Ok(Answer::played(played));
                }
                recording =
                    Some(Box::new(Recording { cassette: cassette.clone(), question, bytes: Vec::new() }));
            }
        }
        if let Some(relayed) = &self.relayed {
            let response = relayed.send(endpoint, url, extra, body).await?;
            return Ok(Answer::of(response, None, recording));
        }
        let client = if is_loopback(url) { &self.direct } else { &self.http };
        let mut headers = extra.clone();
        headers.insert(reqwest::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in &endpoint.headers {
            let (Ok(name), Ok(value)) =
                (HeaderName::try_from(name.as_str()), HeaderValue::try_from(value.as_str()))
            else {
                continue;
            };
            headers.entry(name).or_insert(value);
        }
        let request = client.post(url).headers(headers).body(body);
        let request = match (&endpoint.key, endpoint.auth) {
            (None, _) => request,
            (Some(key), Auth::Bearer) => request.bearer_auth(key.expose()),
            (Some(key), Auth::Header(name)) => {
                let mut value = HeaderValue::try_from(key.expose())
                    .map_err(|_| unsent("the key holds characters that no header can carry".to_owned()))?;
                value.set_sensitive(true);
                request.header(name, value)
            }
        };
        let response = request.send().await.map_err(|error| no_answer(&error, url))?;
        let finder = endpoint.key.as_ref().and_then(Secret::finder);
        Ok(Answer::of(response, finder, recording))
    }
}

impl Answer {
    fn of(
        response: reqwest::Response,
        finder: Option<&Redactor>,
        recording: Option<Box<Recording>>,
    ) -> Answer {
        Answer {
            status: response.status().as_u16(),
            headers: without(finder, response.headers()),
            source: Source::Provider(Box::new(response), recording),
            hiding: finder.cloned().map(RedactingStream::new),
        }
    }

    /// The next bytes, as they come but for the endpoint's key; `None` at the end.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, ModelFailure> {
        loop {
            let chunk = self.next().await?;
            let Some(hiding) = &mut self.hiding else { return Ok(chunk) };
            let shown = match chunk {
                Some(chunk) => hiding.push(&chunk),
                None => {
                    let rest = hiding.finish();
                    self.hiding = None;
                    rest
                }
            };
            if !shown.is_empty() {
                return Ok(Some(shown.into()));
            }
        }
    }

    async fn next(&mut self) -> Result<Option<Bytes>, ModelFailure> {
        match &mut self.source {
            Source::Cassette(bytes) => Ok(bytes.take()),
            Source::Provider(response, recording) => {
                let chunk = response.chunk().await.map_err(|error| broken(&error, causes(&error)))?;
                match (&chunk, recording.as_mut()) {
                    (Some(chunk), Some(recording)) => recording.bytes.extend_from_slice(chunk),
                    (None, Some(_)) => self.end(),
                    (_, None) => {}
                }
                Ok(chunk)
            }
        }
    }

    /// What has come is the whole answer, whatever becomes of its connection: it is recorded.
    pub fn end(&mut self) {
        let Source::Provider(_, recording) = &mut self.source else { return };
        if let Some(whole) = recording.take() {
            // The answer is paid for and counts in any case; the cassette remembers what is missing on it.
            let _ = whole.cassette.record(&whole.question, self.status, &self.headers, &whole.bytes);
        }
    }

    fn played(played: Played) -> Answer {
        let pairs = played.headers.iter().filter_map(|(name, value)| {
            Some((HeaderName::try_from(name.as_str()).ok()?, HeaderValue::try_from(value.as_str()).ok()?))
        });
        let bytes = Some(Bytes::from(played.body)).filter(|bytes| !bytes.is_empty());
        let source = Source::Cassette(bytes);
        Answer { status: played.status, headers: pairs.collect(), source, hiding: None }
    }
}

/// Headers without those that hold the key.
fn without(finder: Option<&Redactor>, headers: &HeaderMap) -> HeaderMap {
    let mut kept = headers.clone();
    if let Some(finder) = finder {
        for (name, _) in headers.iter().filter(|(_, value)| finder.contains(value.as_bytes())) {
            kept.remove(name);
        }
    }
    kept
}

/// The part of an address that names the kind of call: without the provider's base and without a query.
fn call_of<'a>(url: &'a str, base_url: &str) -> &'a str {
    let call = url.strip_prefix(base_url).unwrap_or(url);
    call.split('?').next().unwrap_or(call)
}

/// Whether an address is one of this machine alone, by its text.
pub(crate) fn is_loopback(url: &str) -> bool {
    let host = reqwest::Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned));
    host.is_some_and(|host| {
        host == "localhost"
            || host
                .trim_matches(['[', ']'])
                .parse::<std::net::IpAddr>()
                .is_ok_and(|address| address.is_loopback())
    })
}

/// Only a request that could not be made, or whose connection was never there, has certainly not reached the provider. A
/// connection that breaks later, even before the first byte of an answer, may break in the midst of paid work.
pub(super) fn no_answer(error: &reqwest::Error, url: &str) -> NoAnswer {
    let causes = causes(error);
    if error.is_connect() {
        return unsent(format!("cannot connect to {}: {causes}", address(url)));
    }
    if error.is_builder() {
        return unsent(causes);
    }
    NoAnswer::Lost(broken(error, format!("no answer began after the request was sent: {causes}")))
}

pub(super) fn unsent(message: String) -> NoAnswer {
    NoAnswer::Unsent(ModelFailure { kind: FailureKind::Unreachable, status: None, message })
}

/// A connection that broke or was silent for too long.
fn broken(error: &reqwest::Error, message: String) -> ModelFailure {
    let kind = if error.is_timeout() { FailureKind::Timeout } else { FailureKind::BrokenStream };
    ModelFailure { kind, status: None, message }
}

/// Host and port alone: paths and queries may hold what is not for a log.
fn address(url: &str) -> String {
    let parsed = reqwest::Url::parse(url).ok();
    let pair = parsed.as_ref().and_then(|url| Some((url.host_str()?, url.port_or_known_default()?)));
    pair.map_or_else(|| "the provider".to_owned(), |(host, port)| format!("{host}:{port}"))
}

/// What an error says and what it comes from. Whole addresses may hold what is not for a log and are left out.
fn causes(error: &reqwest::Error) -> String {
    let mut message = String::new();
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        let text = error.to_string();
        if !message.contains(&text) && !text.contains("://") {
            if !message.is_empty() {
                message.push_str(": ");
            }
            message.push_str(&text);
        }
        cause = error.source();
    }
    message
}

impl From<NoAnswer> for ModelFailure {
    fn from(no_answer: NoAnswer) -> ModelFailure {
        match no_answer {
            NoAnswer::Unsent(failure) | NoAnswer::Lost(failure) => failure,
        }
    }
}
