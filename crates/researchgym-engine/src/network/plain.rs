//! Plain HTTP: the request is written anew, to the host of its address and to no other, and the answer is passed back.
//!
//! Nothing of the program's bytes reaches the server but what was understood: method, address, end-to-end headers, and the
//! body in a length or chunks of our own. So there is no second request to be smuggled in the first.

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{
    CONNECTION, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION,
    TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use hyper::{Request, StatusCode, Uri, Version};
use hyper_util::rt::TokioIo;
use researchgym_core::network::Refusal;
use researchgym_core::web::Address;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::answer::{Answer, Content, IDLE, Passing};
use super::report::Report;
use super::serve::Shared;

/// The connection to a server, cut when dropped.
pub(super) struct Upstream(JoinHandle<()>);

impl Drop for Upstream {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Asks the server and passes its answer back.
pub(super) async fn pass(
    shared: &Shared,
    address: &Address,
    request: Request<Incoming>,
    report: &Arc<Report>,
) -> Result<Answer, Refusal> {
    let host = shared.rules.plain(address)?;
    report.may_move()?;
    let server = shared.names.connect(&host, address.port()).await?;
    let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
        .handshake(TokioIo::new(server))
        .await
        .map_err(|_| Refusal::Unreachable)?;
    let upstream = Upstream(tokio::spawn(async move {
        // What went wrong is seen by who waits for the answer.
        let _ = connection.await;
    }));
    let request = anew(address, request, report)?;
    let answer = match timeout(IDLE, sender.send_request(request)).await {
        Ok(Ok(answer)) if answer.status() != StatusCode::SWITCHING_PROTOCOLS => answer,
        Ok(_) => return Err(Refusal::Unreachable),
        Err(_) => return Err(Refusal::Late),
    };
    let (mut parts, body) = answer.into_parts();
    end_to_end(&mut parts.headers);
    parts.version = Version::HTTP_11;
    parts.extensions.clear();
    let body = Passing::down(body, report.clone(), upstream);
    Ok(Answer::from_parts(parts, Content::Passing(body)))
}

/// The request as the server gets it.
fn anew(
    address: &Address,
    request: Request<Incoming>,
    report: &Arc<Report>,
) -> Result<Request<Passing>, Refusal> {
    let (mut parts, body) = request.into_parts();
    let url = address.url();
    let path = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    parts.uri = path.parse::<Uri>().map_err(|_| Refusal::Malformed)?;
    parts.version = Version::HTTP_11;
    parts.extensions.clear();
    end_to_end(&mut parts.headers);
    parts.headers.remove(EXPECT);
    let authority = match url.port() {
        Some(port) => format!("{}:{port}", url.host_str().unwrap_or_default()),
        None => url.host_str().unwrap_or_default().to_owned(),
    };
    parts.headers.insert(HOST, HeaderValue::from_str(&authority).map_err(|_| Refusal::Malformed)?);
    parts.headers.insert(CONNECTION, HeaderValue::from_static("close"));
    Ok(Request::from_parts(parts, Passing::up(body, report.clone())))
}

/// Takes out what concerns one connection only (RFC 9110, 7.6.1).
fn end_to_end(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    let always =
        [CONNECTION, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE];
    for name in named.iter().chain(&always) {
        headers.remove(name);
    }
    for name in ["keep-alive", "proxy-connection"] {
        headers.remove(name);
    }
}
