//! The one HTTP client for all providers: sends one attempt and gives status, headers and the bytes as they come.
//!
//! What the bytes mean, whether another attempt is made and what it costs is decided elsewhere. Proxy settings of the
//! environment are followed, except for loopback addresses.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use researchgym_core::model::{FailureKind, ModelFailure};

use super::endpoint::{Auth, Endpoint};
use crate::dataset::SystemNames;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a provider may be silent. Models that think may say nothing for many minutes.
const READ_TIMEOUT: Duration = Duration::from_secs(20 * 60);

/// Sends requests to providers. Cheap to clone; connections are kept and shared.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    direct: reqwest::Client,
}

/// The beginning of an answer; its bytes follow from [`Answer::chunk`].
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// All headers.
    pub headers: HeaderMap,
    response: reqwest::Response,
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
        Ok(Client { http: builder().build()?, direct: builder().no_proxy().build()? })
    }

    /// Sends one attempt to an endpoint. `extra` headers are a client's own that are passed on.
    ///
    /// # Errors
    /// No answer began: the provider cannot be reached, hung up or was silent for too long.
    pub async fn send(
        &self,
        endpoint: &Endpoint,
        url: &str,
        extra: &HeaderMap,
        body: Bytes,
    ) -> Result<Answer, ModelFailure> {
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
                    .map_err(|_| unreachable("the key holds characters that no header can carry"))?;
                value.set_sensitive(true);
                request.header(name, value)
            }
        };
        let response = request.send().await.map_err(|error| failure(&error))?;
        Ok(Answer { status: response.status().as_u16(), headers: response.headers().clone(), response })
    }
}

impl Answer {
    /// The next bytes, as they come; `None` at the end.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, ModelFailure> {
        self.response.chunk().await.map_err(|error| failure(&error))
    }
}

fn is_loopback(url: &str) -> bool {
    let host = reqwest::Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned));
    host.is_some_and(|host| {
        host == "localhost"
            || host
                .trim_matches(['[', ']'])
                .parse::<std::net::IpAddr>()
                .is_ok_and(|address| address.is_loopback())
    })
}

fn failure(error: &reqwest::Error) -> ModelFailure {
    // Addresses may hold what is not for a log; the causes below say enough.
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
    unreachable(&message)
}

fn unreachable(message: &str) -> ModelFailure {
    ModelFailure { kind: FailureKind::Unreachable, status: None, message: message.to_owned() }
}
