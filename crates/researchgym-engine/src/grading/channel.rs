//! The sockets of one grading: host to grader (control), grader to each player (the game).

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use researchgym_core::grading::{Cpu, GraderError, MAX_LINE_BYTES, Start, Verdict};
use researchgym_core::task::Player;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};

use crate::sandbox::Sandbox;

/// All ends of a grading's sockets.
pub(super) struct Joined {
    /// The host's end of the control channel.
    pub(super) host: UnixStream,
    /// What the grader inherits: control, then one per player.
    pub(super) grader: Vec<OwnedFd>,
    /// What each player inherits.
    pub(super) players: Vec<OwnedFd>,
}

/// Makes the socket pairs.
pub(super) fn open(players: &[Player]) -> Result<Joined, std::io::Error> {
    let (host, control) = UnixStream::pair()?;
    let mut grader = vec![OwnedFd::from(control)];
    let mut ends = Vec::new();
    for _ in players {
        let (for_grader, for_player) = UnixStream::pair()?;
        grader.push(for_grader.into());
        ends.push(for_player.into());
    }
    Ok(Joined { host, grader, players: ends })
}

/// The control channel broke, or the grader broke its rules.
#[derive(Debug, thiserror::Error)]
pub(super) enum ChannelError {
    #[error(transparent)]
    Grader(#[from] GraderError),
    #[error("the grader's control channel broke: {0}")]
    Io(#[from] std::io::Error),
    #[error("the grader sent a line of more than {MAX_LINE_BYTES} bytes")]
    LongLine,
    #[error("the grader asked for the CPU time of `{0}`, which is no player of this task")]
    UnknownPlayer(String),
    #[error("the CPU time of player `{player}` cannot be read: {source}")]
    Meter { player: String, source: Box<crate::sandbox::SandboxError> },
}

/// Starts the grader, answers its questions and collects its verdict, until it closes the channel.
pub(super) async fn attend(
    host: UnixStream,
    start: Start,
    mut verdict: Verdict,
    players: &BTreeMap<&str, &Sandbox>,
) -> Result<Verdict, ChannelError> {
    host.set_nonblocking(true)?;
    let mut stream = tokio::net::UnixStream::from_std(host)?;
    let (reader, mut writer) = stream.split();
    let mut reader = BufReader::new(reader);
    // A grader that ends without reading is judged by its exit status, not by this write.
    let _ = send(&mut writer, &start).await;
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = (&mut reader).take(MAX_LINE_BYTES as u64 + 1).read_until(b'\n', &mut line).await?;
        if read == 0 {
            return Ok(verdict);
        }
        if line.len() > MAX_LINE_BYTES {
            return Err(ChannelError::LongLine);
        }
        if let Some(player) = verdict.line(&line)? {
            let sandbox =
                players.get(player.as_str()).ok_or_else(|| ChannelError::UnknownPlayer(player.clone()))?;
            let cpu = sandbox
                .cpu_time()
                .await
                .map_err(|source| ChannelError::Meter { player, source: Box::new(source) })?;
            send(&mut writer, &Cpu { seconds: cpu.as_secs_f64() }).await?;
        }
    }
}

async fn send(
    writer: &mut tokio::net::unix::WriteHalf<'_>,
    message: &impl serde::Serialize,
) -> Result<(), std::io::Error> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    writer.write_all(&line).await
}
