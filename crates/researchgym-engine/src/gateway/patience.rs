//! How long clients are waited for, and how far a connection is: what has asked for nothing yet must hold up neither
//! others nor the end.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::Response;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::watch;
use tokio::time::timeout;

use super::answer::{Answer, Content};

/// How long clients are waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// For the head of a request, also of the next one on a connection that is kept.
    pub head: Duration,
    /// For more of a request's body.
    pub body: Duration,
    /// For the last bytes of an answer to be taken, once the gateway ends.
    pub farewell: Duration,
}

impl Patience {
    /// What programs of all kinds get along with.
    pub const USUAL: Patience = Patience {
        head: Duration::from_secs(60),
        body: Duration::from_secs(60),
        farewell: Duration::from_secs(2),
    };
}

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// No request has come whole.
    Unasked,
    /// A request is being answered.
    Answering,
    /// All requests that came whole are answered, but for what is on its way.
    Answered,
}

/// Where a connection's requests say how far they are.
#[derive(Clone, Debug)]
pub(super) struct Progress(Arc<watch::Sender<Stage>>);

/// Where a connection's progress is seen.
pub(super) struct Seen(watch::Receiver<Stage>);

/// An answer's body, by whose end the connection is told.
pub(super) struct Told {
    content: Content,
    progress: Progress,
}

impl Progress {
    pub(super) fn new() -> (Progress, Seen) {
        let (sender, receiver) = watch::channel(Stage::Unasked);
        (Progress(Arc::new(sender)), Seen(receiver))
    }

    /// A request has come whole.
    pub(super) fn answering(&self) {
        self.0.send_replace(Stage::Answering);
    }

    /// Has the end of an answer told.
    pub(super) fn told(self, answer: Answer) -> Response<Told> {
        self.answering();
        answer.map(|content| Told { content, progress: self })
    }
}

impl Seen {
    /// Returns when nothing is owed to the client any more and it had `farewell` to take its last answer.
    pub(super) async fn over(mut self, farewell: Duration) {
        loop {
            let stage = *self.0.borrow_and_update();
            let more = match stage {
                Stage::Unasked => return,
                Stage::Answering => self.0.changed().await.is_ok(),
                Stage::Answered => matches!(timeout(farewell, self.0.changed()).await, Ok(Ok(()))),
            };
            if !more {
                return;
            }
        }
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        self.progress.0.send_replace(Stage::Answered);
    }
}

impl Body for Told {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        Pin::new(&mut self.content).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.content.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.content.size_hint()
    }
}
