//! The client's side of the relay: a process without keys asks the one that handed its run over to send in its place.
//!
//! A request goes to the relay with the run's token, the part of the address after the provider's base, and its body. The
//! answer is the provider's own, or says in a header that there is none: then it is what [`super::Client::send`] would
//! have said there.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use researchgym_core::model::{FailureKind, ModelFailure};

use super::client::{NoAnswer, no_answer, unsent};
use super::endpoint::{Endpoint, Secret};
use crate::dataset::SystemNames;

/// The part of the address that follows the provider's base.
pub(crate) const CALL: HeaderName = HeaderName::from_static("x-researchgym-call");
/// In the relay's answer: there is none of the provider's, and this is what is known of the request.
pub(crate) const NO_ANSWER: HeaderName = HeaderName::from_static("x-researchgym-no-answer");
/// The provider never had it.
pub(crate) const UNSENT: &str = "unsent";
/// It was sent, and nobody knows what became of it.
pub(crate) const LOST: &str = "lost";

/// How long the relay may be silent: longer than a provider may be to the relay itself.
const READ_TIMEOUT: Duration = Duration::from_secs(21 * 60);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest explanation of why there is no answer.
const MOST_WORDS: usize = 64 << 10;

/// The way to a relay.
#[derive(Debug)]
pub(crate) struct Relayed {
    http: reqwest::Client,
    url: String,
    token: Secret,
    /// What the path of the socket leads through.
    _folder: Option<File>,
}

impl Relayed {
    /// A relay at a Unix socket, however long its path is.
    ///
    /// # Errors
    /// Its folder cannot be opened.
    pub(crate) fn unix(folder: &Path, name: &str, token: Secret) -> io::Result<Relayed> {
        let folder = File::open(folder)?;
        let path = format!("/proc/self/fd/{}/{name}", folder.as_raw_fd());
        let http = builder().unix_socket(path).build().map_err(io::Error::other)?;
        Ok(Relayed { http, url: "http://relay/".to_owned(), token, _folder: Some(folder) })
    }

    /// A relay at `HOST:PORT`.
    ///
    /// # Errors
    /// There can be no client.
    pub(crate) fn tcp(address: &str, token: Secret) -> io::Result<Relayed> {
        let http = builder().build().map_err(io::Error::other)?;
        Ok(Relayed { http, url: format!("http://{address}/"), token, _folder: None })
    }

    pub(super) async fn send(
        &self,
        endpoint: &Endpoint,
        url: &str,
        extra: &HeaderMap,
        body: Bytes,
    ) -> Result<reqwest::Response, NoAnswer> {
        let call = url.strip_prefix(&endpoint.base_url).and_then(|call| HeaderValue::try_from(call).ok());
        let call =
            call.ok_or_else(|| unsent("the model's address holds what no header can carry".to_owned()))?;
        let mut headers = extra.clone();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CALL, call);
        let request = self.http.post(&self.url).headers(headers).bearer_auth(self.token.expose()).body(body);
        let response = request.send().await.map_err(|error| match no_answer(&error, &self.url) {
            NoAnswer::Unsent(failure) => NoAnswer::Unsent(away(failure)),
            NoAnswer::Lost(failure) => NoAnswer::Lost(failure),
        })?;
        match response.headers().get(NO_ANSWER).map(HeaderValue::as_bytes) {
            None => Ok(response),
            Some(word) => {
                let is_lost = word == LOST.as_bytes();
                let failure = explained(response).await;
                Err(if is_lost { NoAnswer::Lost(failure) } else { NoAnswer::Unsent(failure) })
            }
        }
    }
}

/// Whoever handed the run over may be away for a while.
fn away(failure: ModelFailure) -> ModelFailure {
    let message = format!("the side that handed the run over cannot be reached ({})", failure.message);
    ModelFailure { message, ..failure }
}

async fn explained(mut response: reqwest::Response) -> ModelFailure {
    let mut bytes = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > MOST_WORDS {
            break;
        }
    }
    serde_json::from_slice(&bytes).unwrap_or_else(|_| ModelFailure {
        kind: FailureKind::Unreachable,
        status: None,
        message: "the relay says nothing that can be understood".to_owned(),
    })
}

fn builder() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .user_agent(concat!("researchgym/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT)
        .tcp_nodelay(true)
        .no_proxy()
        // A relay that was restarted has none of the old connections.
        .pool_max_idle_per_host(0)
        .redirect(reqwest::redirect::Policy::none())
        .dns_resolver(Arc::new(SystemNames))
}

/// The token that a request shows.
pub(crate) fn shown(headers: &HeaderMap) -> Option<&str> {
    headers.get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}
