//! A load in a closed loop: so many connections, each sending its next request when the last is answered.
//!
//! One thread with a runtime of its own, so that it takes as little as possible of the machine that it shares with what is
//! measured.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::Outcome;
use crate::http::Connection;
use crate::sample::Samples;

/// What is sent to whom.
pub(crate) struct Load<'a> {
    pub(crate) address: &'a str,
    /// A request in full.
    pub(crate) request: &'a [u8],
    /// What every answer holds.
    pub(crate) expected: &'a str,
    pub(crate) connections: usize,
    /// As long as this before anything counts.
    pub(crate) warm_up: Duration,
    pub(crate) time: Duration,
}

/// What came of it.
#[derive(Default)]
pub(crate) struct Answered {
    /// From a request to its answer's end.
    pub(crate) whole: Samples,
    /// From a request to the first bytes of its answer's body.
    pub(crate) first: Samples,
    /// From the first request to the last answer.
    pub(crate) took: Duration,
    /// How often the server hung up in place of an answer.
    pub(crate) hung_up: usize,
}

impl Load<'_> {
    /// Sends it. `around` is called just before what counts and just after.
    pub(crate) fn send(&self, mut around: impl FnMut()) -> Outcome<Answered> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let mut connections = try_join_all((0..self.connections).map(|_| self.connect())).await?;
            self.all(&mut connections, self.warm_up).await?;
            around();
            let answered = self.all(&mut connections, self.time).await?;
            around();
            Ok(answered)
        })
    }

    async fn connect(&self) -> Outcome<Connection> {
        Connection::new(TcpStream::connect(self.address).await?)
    }

    async fn all(&self, connections: &mut [Connection], time: Duration) -> Outcome<Answered> {
        let began = Instant::now();
        let until = began + time;
        let each = try_join_all(connections.iter_mut().map(|connection| self.one(connection, until))).await?;
        let mut all = Answered { took: began.elapsed(), ..Answered::default() };
        for one in each {
            all.whole.extend(one.whole);
            all.first.extend(one.first);
            all.hung_up += one.hung_up;
        }
        Ok(all)
    }

    async fn one(&self, connection: &mut Connection, until: Instant) -> Outcome<Answered> {
        let mut all = Answered::default();
        while Instant::now() < until {
            let sent = Instant::now();
            let answered = async {
                connection.stream.write_all(self.request).await?;
                connection.read().await
            };
            let answer = match answered.await {
                Ok(Some(answer)) => answer,
                Err(error) if !is_hang_up(error.as_ref()) => return Err(error),
                // Some servers do so with connections that were idle for seconds while others had their turn.
                Ok(None) | Err(_) => {
                    all.hung_up += 1;
                    *connection = self.connect().await?;
                    continue;
                }
            };
            all.whole.push(sent.elapsed());
            all.first.extend(answer.body_began.map(|at| at.duration_since(sent)));
            let is_good = answer.first_line().contains(" 200 ") && answer.body().contains(self.expected);
            if !is_good {
                let (line, body) = (answer.first_line(), answer.body());
                return Err(format!("{} answers {line}: {body}", self.address).into());
            }
        }
        Ok(all)
    }
}

fn is_hang_up(error: &(dyn std::error::Error + 'static)) -> bool {
    let kind = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
    matches!(kind, Some(ErrorKind::ConnectionReset | ErrorKind::BrokenPipe))
}
