//! The gateway of one run: a Unix socket that is mounted in the agent's sandbox, where every name means the run's model.
//!
//! Without isolation there is no loopback of the sandbox's own: then the gateway also listens on a free port of the
//! machine's loopback, and whoever comes there must show a token that the run's programs alone are given.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::UnixListener;
use tokio::sync::watch;

use super::count::Counting;
use super::listen::Listener;
use super::patience::Patience;
use super::served::Served;
use super::server::{Service, serve};
use super::teller::Teller;
use super::token::Token;
use crate::model::Door;
use crate::sandbox::SandboxHost;
use crate::scratch::{self, Scratch};

/// What the names of its folders begin with.
pub(crate) const PREFIX: &str = "researchgym-gateway-";

/// How often a client that waits for a translated stream gets a sign of life.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// The gateway of one run. Dropping it ends the server.
pub struct RunGateway {
    socket: PathBuf,
    port: Option<(u16, Token)>,
    stop: watch::Sender<bool>,
    _folder: Scratch,
}

impl RunGateway {
    /// Listens in a folder below `parent`, made and marked by [`scratch`] and removed after us; on a port too if
    /// `with_port`.
    ///
    /// # Errors
    /// The socket or the port cannot be had.
    pub(crate) async fn open(
        (parent, sandboxes): (&Path, &SandboxHost),
        with_port: bool,
        door: &Door,
        teller: &Teller,
    ) -> io::Result<RunGateway> {
        // Who runs us may go through; as root without isolation, so may the unprivileged user of the commands.
        let mode = if with_port { 0o711 } else { 0o700 };
        // Not all of it is below our own scratch folder, where the next start would clear it away.
        let announce = |folder: &Path| sandboxes.remove_after_us(folder).map_err(io::Error::other);
        let make = || scratch::marked(parent, PREFIX, mode, sandboxes.home(), &announce);
        let folder = tokio::task::block_in_place(make)?;
        let socket = folder.path().join("gateway.sock");
        let listener = UnixListener::from_std(listen_in(folder.path(), "gateway.sock")?)?;
        std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o666))?;
        let (stop, _) = watch::channel(false);
        let service = |token| Service {
            served: Served::one(door.endpoint.clone()),
            teller: teller.clone(),
            client: door.client.clone(),
            retry: door.policy,
            token,
            keep_alive: KEEP_ALIVE,
            may_fetch: false,
            patience: Patience::USUAL,
            counting: Counting::USUAL,
        };
        spawn(Listener::Unix(listener, None), service(None), &stop);
        let port = match with_port {
            false => None,
            true => {
                let listener = Listener::tcp(([127, 0, 0, 1], 0).into()).await.map_err(io::Error::other)?;
                let token = Token::random().map_err(|error| io::Error::other(error.to_string()))?;
                let port = listener.address().map_or(0, |address| address.port());
                spawn(listener, service(Some(token.clone())), &stop);
                Some((port, token))
            }
        };
        Ok(RunGateway { socket, port, stop, _folder: folder })
    }

    /// The socket's path on this machine.
    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// The port of the machine's loopback, and the token that it asks for.
    pub(crate) fn port(&self) -> Option<(u16, &str)> {
        self.port.as_ref().map(|(port, token)| (*port, token.expose()))
    }

    /// Takes no new request any more; calls under way go on.
    pub(crate) fn stop_accepting(&self) {
        self.stop.send_replace(true);
    }
}

fn spawn(listener: Listener, service: Service, stop: &watch::Sender<bool>) {
    let mut stopped = stop.subscribe();
    tokio::spawn(serve(listener, service, async move {
        // The sender is gone: so is the run.
        let _ = stopped.wait_for(|stop| *stop).await;
    }));
}

/// Listens in a folder however long its path is: the address of a Unix socket holds 107 bytes.
pub(crate) fn listen_in(folder: &Path, name: &str) -> io::Result<std::os::unix::net::UnixListener> {
    use std::os::fd::AsRawFd as _;
    let folder = std::fs::File::open(folder)?;
    let short = format!("/proc/self/fd/{}/{name}", folder.as_raw_fd());
    let listener = std::os::unix::net::UnixListener::bind(short)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}
