//! One connection: reads a request, writes an answer, breaks off where it must.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{State, answer};

/// The longest request that is read.
const MAX_REQUEST: usize = 64 << 20;

/// A request as it came.
pub(super) struct Received {
    pub(super) method: String,
    pub(super) path: String,
    /// Names in lower case.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

/// An answer to be written.
pub(super) struct Outgoing {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    pub(super) manner: Manner,
}

/// How it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    Whole,
    /// Only so many bytes, then a reset.
    Reset(usize),
    /// Nothing at all, then a reset.
    HangUp,
    Drip {
        bytes: usize,
        pause: Duration,
    },
}

impl Received {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }
}

pub(super) async fn serve(mut connection: TcpStream, state: Arc<State>) {
    // A client that goes away ends the connection, and nothing else.
    let _ = exchange(&mut connection, &state).await;
}

async fn exchange(connection: &mut TcpStream, state: &State) -> io::Result<()> {
    let received = receive(connection).await?;
    let outgoing = answer::answer(state, &received);
    send(connection, &outgoing).await
}

async fn receive(connection: &mut TcpStream) -> io::Result<Received> {
    let bad = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if connection.read_buf(&mut bytes).await? == 0 || bytes.len() > MAX_REQUEST {
            return Err(bad("no request"));
        }
    };
    let head = String::from_utf8_lossy(&bytes[..head_end]).into_owned();
    let mut lines = head.split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (Some(method), Some(path)) = (words.next(), words.next()) else { return Err(bad("no request line")) };
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length: usize = length.and_then(|(_, value)| value.parse().ok()).ok_or_else(|| bad("no length"))?;
    if length > MAX_REQUEST {
        return Err(bad("too long"));
    }
    let mut body = bytes.split_off(head_end + 4);
    while body.len() < length {
        if connection.read_buf(&mut body).await? == 0 {
            return Err(bad("cut off"));
        }
    }
    Ok(Received { method: method.to_owned(), path: path.to_owned(), headers, body })
}

async fn send(connection: &mut TcpStream, outgoing: &Outgoing) -> io::Result<()> {
    if outgoing.manner == Manner::HangUp {
        return reset(connection);
    }
    let mut head = format!("HTTP/1.1 {} -\r\nconnection: close\r\n", outgoing.status);
    for (name, value) in &outgoing.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("content-length: {}\r\n\r\n", outgoing.body.len()));
    connection.write_all(head.as_bytes()).await?;
    match outgoing.manner {
        Manner::Whole => connection.write_all(&outgoing.body).await?,
        Manner::Drip { bytes, pause } => {
            for piece in outgoing.body.chunks(bytes.max(1)) {
                tokio::time::sleep(pause).await;
                connection.write_all(piece).await?;
                connection.flush().await?;
            }
        }
        Manner::Reset(bytes) => {
            connection.write_all(&outgoing.body[..bytes.min(outgoing.body.len())]).await?;
            connection.flush().await?;
            return reset(connection);
        }
        Manner::HangUp => {}
    }
    connection.shutdown().await
}

/// Closes the connection at once, so that the other side meets an error and not an end.
fn reset(connection: &TcpStream) -> io::Result<()> {
    connection.set_zero_linger()
}
