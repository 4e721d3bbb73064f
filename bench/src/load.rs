//! A load in a closed loop: so many connections, each sending its next request when the last is answered.
//!
//! One thread with a runtime of its own, so that it takes as little as possible of the machine that it shares with what is
//! measured.

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
}

impl Load<'_> {
    /// Sends it. `around` is called just before what counts and just after.
    pub(crate) fn send(&self, mut around: impl FnMut()) -> Outcome<Answered> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let opened = (0..self.connections).map(async |_| {
                let stream = TcpStream::connect(self.address).await?;
                Connection::new(stream)
            });
            let mut connections = try_join_all(opened).await?;
            self.all(&mut connections, self.warm_up).await?;
            around();
            let answered = self.all(&mut connections, self.time).await?;
            around();
            Ok(answered)
        })
    }

    async fn all(&self, connections: &mut [Connection], time: Duration) -> Outcome<Answered> {
        let began = Instant::now();
        let until = began + time;
        let each = try_join_all(connections.iter_mut().map(|connection| self.one(connection, until))).await?;
        let mut all = Answered { took: began.elapsed(), ..Answered::default() };
        for (whole, first) in each {
            all.whole.extend(whole);
            all.first.extend(first);
        }
        Ok(all)
    }

    async fn one(&self, connection: &mut Connection, until: Instant) -> Outcome<(Samples, Samples)> {
        let (mut whole, mut first) = (Samples::default(), Samples::default());
        while Instant::now() < until {
            let sent = Instant::now();
            connection.stream.write_all(self.request).await?;
            let answer = connection.read().await?.ok_or("the server has hung up")?;
            whole.push(sent.elapsed());
            first.extend(answer.body_began.map(|at| at.duration_since(sent)));
            let is_good = answer.first_line().contains(" 200 ") && answer.body().contains(self.expected);
            if !is_good {
                return Err(
                    format!("{} answers {}: {}", self.address, answer.first_line(), answer.body()).into()
                );
            }
        }
        Ok((whole, first))
    }
}
