//! What the proxy itself says, and bodies that are counted while they pass.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{CONTENT_TYPE, HeaderValue, PROXY_AUTHENTICATE};
use hyper::{Response, StatusCode};
use researchgym_core::network::Refusal;
use tokio::time::{Instant, Sleep, sleep};

use super::plain::Upstream;
use super::report::{Report, Way};

/// A body or a tunnel in which nothing moves for so long is ended.
pub(super) const IDLE: Duration = Duration::from_secs(300);

/// An answer.
pub(super) type Answer = Response<Content>;

/// The body of an answer.
pub(super) enum Content {
    /// Our own.
    Whole(Option<Bytes>),
    /// A server's.
    Passing(Passing),
}

/// A body that passes, counted.
pub(super) struct Passing {
    body: Incoming,
    way: Way,
    report: Arc<Report>,
    idle: Pin<Box<Sleep>>,
    /// The connection that it comes from, which must not be cut before its end.
    _upstream: Option<Upstream>,
}

impl Passing {
    /// A program's body, on its way up.
    pub(super) fn up(body: Incoming, report: Arc<Report>) -> Passing {
        Passing { body, way: Way::Up, report, idle: Box::pin(sleep(IDLE)), _upstream: None }
    }

    /// A server's body, on its way down.
    pub(super) fn down(body: Incoming, report: Arc<Report>, upstream: Upstream) -> Passing {
        Passing { body, way: Way::Down, report, idle: Box::pin(sleep(IDLE)), _upstream: Some(upstream) }
    }
}

impl Body for Passing {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = self.get_mut();
        let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(context) else {
            ready!(this.idle.as_mut().poll(context));
            this.report.refuse(Refusal::Late);
            return Poll::Ready(Some(Err(io::ErrorKind::TimedOut.into())));
        };
        this.idle.as_mut().reset(Instant::now() + IDLE);
        Poll::Ready(match frame {
            None => None,
            Some(Err(error)) => Some(Err(io::Error::other(error))),
            Some(Ok(frame)) => match this.report.moves(this.way, frame.data_ref().map_or(0, Bytes::len)) {
                Ok(()) => Some(Ok(frame)),
                Err(refusal) => Some(Err(io::Error::other(refusal))),
            },
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match self.get_mut() {
            Content::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Content::Passing(passing) => Pin::new(passing).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Content::Whole(bytes) => bytes.is_none(),
            Content::Passing(passing) => passing.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Content::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Content::Passing(passing) => passing.size_hint(),
        }
    }
}

/// What a program is told that is refused.
pub(super) fn refused(refusal: Refusal, host: &str) -> Answer {
    let status = match refusal {
        Refusal::NotAllowed
        | Refusal::Port
        | Refusal::IpAddress
        | Refusal::Blocked
        | Refusal::BlockedPaths
        | Refusal::NotPublic
        | Refusal::NotTls
        | Refusal::ServerName
        | Refusal::EncryptedHello
        | Refusal::Traffic => StatusCode::FORBIDDEN,
        Refusal::Unresolved | Refusal::Unreachable => StatusCode::BAD_GATEWAY,
        Refusal::Malformed => StatusCode::BAD_REQUEST,
        Refusal::Late => StatusCode::GATEWAY_TIMEOUT,
    };
    said(status, &format!("researchgym network policy: {host}: {refusal}\n"))
}

/// What a program is told that shows no password.
pub(super) fn unknown() -> Answer {
    let mut answer =
        said(StatusCode::PROXY_AUTHENTICATION_REQUIRED, "researchgym network policy: no password\n");
    answer.headers_mut().insert(PROXY_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"researchgym\""));
    answer
}

/// The tunnel stands.
pub(super) fn connected() -> Answer {
    Response::new(Content::Whole(None))
}

fn said(status: StatusCode, text: &str) -> Answer {
    let mut answer = Response::new(Content::Whole(Some(Bytes::copy_from_slice(text.as_bytes()))));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    answer
}
