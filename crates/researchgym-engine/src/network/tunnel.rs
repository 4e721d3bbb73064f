//! Tunnels: bytes both ways once the greeting at their beginning names the host that was asked for.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hyper::upgrade::{OnUpgrade, Parts};
use hyper_util::rt::TokioIo;
use researchgym_core::network::{Hello, HostName, MAX_HELLO_BYTES, Refusal, read_hello};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};

use super::answer::IDLE;
use super::crowd::Place;
use super::names::connect_to;
use super::report::{Report, Way};

/// How long a greeting may take to come.
const GREETING: Duration = Duration::from_secs(30);
/// What a greeting may take with the heads of its records.
const LONGEST_GREETING: usize = 2 * MAX_HELLO_BYTES;
/// How much is moved at once.
const PIECE: usize = 64 << 10;
/// The alert "access denied" (RFC 8446, 6.2), so that programs say something sensible.
const DENIED: [u8; 7] = [21, 3, 3, 0, 2, 2, 49];

/// A tunnel that opens when the program has heard that it may.
pub(super) struct Waiting {
    pub(super) upgrade: OnUpgrade,
    pub(super) far: Far,
    pub(super) place: Place,
    pub(super) report: Arc<Report>,
}

/// The other end of a tunnel.
pub(super) enum Far {
    /// It carries anything, and is connected.
    Open(TcpStream),
    /// It carries TLS, and is connected to once a greeting has named its host.
    Greeted { name: HostName, addresses: Vec<SocketAddr> },
}

/// Carries a tunnel to its end.
pub(super) async fn carry<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(waiting: Waiting) {
    let Waiting { upgrade, far, place, report } = waiting;
    let Ok(Ok(parts)) = upgrade.await.map(|upgraded| upgraded.downcast::<TokioIo<S>>()) else { return };
    let Parts { io, read_buf, .. } = parts;
    let mut program = io.into_inner();
    let mut said = read_buf.to_vec();
    let server = match far {
        Far::Open(server) => {
            drop(place);
            Ok(Some(server))
        }
        Far::Greeted { name, addresses } => match greeting(&mut program, &mut said, (&name, place)).await {
            Ok(()) if said.is_empty() => Ok(None),
            Ok(()) => connect_to(&addresses).await.map(Some),
            Err(refusal) => Err(refusal),
        },
    };
    let server = match server {
        Ok(Some(server)) => server,
        // It left without a word: there is nothing to carry, and nobody to ask.
        Ok(None) => return,
        Err(refusal) => {
            report.refuse(refusal);
            // It may have gone already.
            let _ = program.write_all(&DENIED).await;
            return;
        }
    };
    join(program, server, &said, &report).await;
}

/// Reads on until the greeting is whole, and looks at it. A program that says nothing and leaves is let go.
async fn greeting(
    program: &mut (impl AsyncRead + Unpin),
    said: &mut Vec<u8>,
    (host, place): (&HostName, Place),
) -> Result<(), Refusal> {
    let whole = async {
        loop {
            match read_hello(said) {
                Hello::Unfinished if said.len() < LONGEST_GREETING => {}
                other => return other,
            }
            match program.read_buf(said).await {
                Ok(read) if read > 0 => {}
                _ => return Hello::Unfinished,
            }
        }
    };
    let whole = tokio::select! {
        whole = whole => whole,
        () = place.waited_too_long(GREETING) => return Err(Refusal::Late),
    };
    match whole {
        Hello::Unfinished if said.is_empty() => Ok(()),
        Hello::Unfinished | Hello::NotTls => Err(Refusal::NotTls),
        Hello::Greets { is_hidden: true, .. } => Err(Refusal::EncryptedHello),
        Hello::Greets { name, .. } if name.as_ref() == Some(host) => Ok(()),
        Hello::Greets { .. } => Err(Refusal::ServerName),
    }
}

/// Moves bytes both ways until both sides have said all, one breaks off, or nothing moves any more.
async fn join<S: AsyncRead + AsyncWrite + Unpin>(
    program: S,
    mut server: TcpStream,
    said: &[u8],
    report: &Report,
) {
    if report.moves(Way::Up, said.len()).is_err() || server.write_all(said).await.is_err() {
        return;
    }
    let began = Instant::now();
    let last = AtomicU64::new(0);
    let (mut from_program, mut to_program) = tokio::io::split(program);
    let (mut from_server, mut to_server) = server.split();
    let up = pump(&mut from_program, &mut to_server, (Way::Up, report), (began, &last));
    let down = pump(&mut from_server, &mut to_program, (Way::Down, report), (began, &last));
    let silence = async {
        loop {
            let since = began + Duration::from_millis(last.load(Ordering::Relaxed));
            if since.elapsed() >= IDLE {
                return;
            }
            sleep_until(since + IDLE).await;
        }
    };
    tokio::select! {
        // Whoever breaks off ends both ways.
        _ = async { tokio::try_join!(up, down) } => {}
        () = silence => report.refuse(Refusal::Late),
    }
}

/// Moves bytes one way; an end is passed on.
async fn pump(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    (way, report): (Way, &Report),
    (began, last): (Instant, &AtomicU64),
) -> std::io::Result<()> {
    let mut piece = vec![0; PIECE];
    loop {
        let length = from.read(&mut piece).await?;
        last.store(began.elapsed().as_millis() as u64, Ordering::Relaxed);
        if length == 0 {
            return to.shutdown().await;
        }
        report.moves(way, length).map_err(std::io::Error::other)?;
        to.write_all(&piece[..length]).await?;
    }
}
