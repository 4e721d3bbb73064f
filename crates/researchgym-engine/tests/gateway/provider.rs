//! A provider that answers as it is told, and remembers what it was asked.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming};
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc};

/// A request as it reached the provider.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Bytes,
}

impl Received {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap()
    }
}

/// A piece of an answer.
pub(crate) enum Step {
    /// Bytes, as one piece.
    Bytes(Bytes),
    /// Waits until the test says so.
    Wait(Arc<Notify>),
    /// Tells the test that everything before was handed to the connection.
    Tell(Arc<Notify>),
    /// Breaks the connection.
    Cut,
}

/// An answer.
pub(crate) struct Told {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, &'static str)>,
    pub(crate) steps: Vec<Step>,
}

impl Told {
    pub(crate) fn json(status: u16, text: impl Into<Bytes>) -> Told {
        Told {
            status,
            headers: vec![("content-type", "application/json")],
            steps: vec![Step::Bytes(text.into())],
        }
    }

    /// A stream in pieces of so many bytes.
    pub(crate) fn events(text: &str, size: usize) -> Told {
        let steps = text.as_bytes().chunks(size).map(|piece| Step::Bytes(Bytes::copy_from_slice(piece)));
        Told { status: 200, headers: vec![("content-type", "text/event-stream")], steps: steps.collect() }
    }

    pub(crate) fn with(mut self, step: Step) -> Told {
        self.steps.push(step);
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: &'static str) -> Told {
        self.headers.push((name, value));
        self
    }
}

pub(crate) struct Provider {
    pub(crate) address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Provider {
    /// Starts one; `tell` is given each request and how many came before it.
    pub(crate) async fn start(tell: impl Fn(&Received, usize) -> Told + Send + Sync + 'static) -> Provider {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let received = Arc::new(Mutex::new(Vec::new()));
        let (kept, tell) = (received.clone(), Arc::new(tell));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (kept, tell) = (kept.clone(), tell.clone());
                let service = service_fn(move |request| {
                    let (kept, tell) = (kept.clone(), tell.clone());
                    async move { Ok::<_, Infallible>(answer(request, &kept, &*tell).await) }
                });
                let server = hyper::server::conn::http1::Builder::new();
                tokio::spawn(server.serve_connection(TokioIo::new(stream), service));
            }
        });
        Provider { address, received }
    }

    /// All requests so far.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// The only request.
    pub(crate) fn only(&self) -> Received {
        let received = self.received();
        assert_eq!(received.len(), 1);
        received.into_iter().next().unwrap()
    }
}

async fn answer(
    request: Request<Incoming>,
    kept: &Mutex<Vec<Received>>,
    tell: &(dyn Fn(&Received, usize) -> Told + Send + Sync),
) -> Response<Pieces> {
    let (parts, mut body) = request.into_parts();
    let mut bytes = Vec::new();
    while let Some(frame) = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        bytes.extend_from_slice(frame.unwrap().data_ref().unwrap());
    }
    let target = parts.uri.to_string();
    let received = Received { target, headers: parts.headers, bytes: bytes.into() };
    let before = {
        let mut kept = kept.lock().unwrap();
        kept.push(received.clone());
        kept.len() - 1
    };
    let told = tell(&received, before);
    let (sender, pieces) = mpsc::channel(1);
    tokio::spawn(async move {
        for step in told.steps {
            let piece = match step {
                Step::Bytes(bytes) => Piece::Bytes(bytes),
                Step::Wait(notify) => {
                    notify.notified().await;
                    continue;
                }
                Step::Tell(notify) => {
                    notify.notify_one();
                    continue;
                }
                Step::Cut => {
                    // What came before is on its way before the connection breaks.
                    let _ = sender.send(Piece::Flush).await;
                    Piece::Cut
                }
            };
            if sender.send(piece).await.is_err() {
                return;
            }
        }
    });
    let mut response = Response::builder().status(told.status);
    for (name, value) in told.headers {
        response = response.header(name, value);
    }
    response.body(Pieces(pieces)).unwrap()
}

struct Pieces(mpsc::Receiver<Piece>);

enum Piece {
    Bytes(Bytes),
    Flush,
    Cut,
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match std::task::ready!(self.get_mut().0.poll_recv(context)) {
            None => Poll::Ready(None),
            Some(Piece::Bytes(bytes)) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            Some(Piece::Cut) => Poll::Ready(Some(Err(io::Error::other("cut")))),
            Some(Piece::Flush) => {
                // The server flushes when there is nothing more at the moment.
                context.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }
}
