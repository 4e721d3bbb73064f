//! What is sent back to a client: a body that is there or that comes piece by piece, and errors in the client's form.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::{Response, StatusCode};
use researchgym_core::model::Wire;
use serde_json::Value;
use tokio::sync::mpsc;

use super::teller::Refused;

/// How many pieces of a stream may wait for a slow client before the provider is made to wait.
const WAITING: usize = 64;

/// The body of an answer.
pub(crate) enum Content {
    Whole(Option<Bytes>),
    Pieces(mpsc::Receiver<io::Result<Bytes>>),
}

/// An answer.
pub(crate) type Answer = Response<Content>;

/// Where the pieces of a body are put. Dropped, it ends the body; an error put in cuts the connection.
pub(crate) type Pieces = mpsc::Sender<io::Result<Bytes>>;

impl Content {
    /// A body that comes piece by piece.
    pub(crate) fn pieces() -> (Pieces, Content) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (sender, Content::Pieces(receiver))
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match self.get_mut() {
            Content::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Content::Pieces(receiver) => {
                receiver.poll_recv(context).map(|piece| piece.map(|piece| piece.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Content::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Content::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Content::Pieces(_) => SizeHint::default(),
        }
    }
}

/// An answer of a status and headers.
pub(crate) fn answer(status: u16, headers: HeaderMap, content: Content) -> Answer {
    let mut answer = Response::new(content);
    // Statuses come from providers and from this file: none has more than three digits.
    *answer.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    *answer.headers_mut() = headers;
    answer
}

/// An answer that is JSON.
pub(crate) fn json(status: u16, value: &Value) -> Answer {
    let bytes = Bytes::from(value.to_string());
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
    answer(status, headers, Content::Whole(Some(bytes)))
}

/// An error in a client's form.
pub(super) fn error(dialect: Wire, status: u16, message: &str) -> Answer {
    json(status, &dialect.render_error(status, "", None, message))
}

/// An error after which a client had better not try again.
pub(super) fn final_error(dialect: Wire, status: u16, message: &str) -> Answer {
    is_final(error(dialect, status, message))
}

/// A refusal, in the form on which the dialect's clients stop at once.
pub(super) fn refusal(dialect: Wire, refused: &Refused) -> Answer {
    let message = refused.to_string();
    let (status, kind, code) = match (dialect, refused) {
        (_, Refused::Log(_)) => (500, "", None),
        (_, Refused::Full { .. } | Refused::Disk { .. }) => (507, "", None),
        (Wire::Messages, _) => (402, "billing_error", None),
        (Wire::Responses, _) => (429, "insufficient_quota", Some("insufficient_quota")),
        (Wire::Chat, _) => (402, "insufficient_quota", Some("insufficient_quota")),
        (Wire::Gemini, _) => (402, "RESOURCE_EXHAUSTED", None),
    };
    is_final(json(status, &dialect.render_error(status, kind, code, &message)))
}

fn is_final(mut answer: Answer) -> Answer {
    answer.headers_mut().insert("x-should-retry", HeaderValue::from_static("false"));
    answer
}
