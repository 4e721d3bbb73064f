//! The way out of a sandbox that its network policy leaves: an HTTP proxy of ours, outside.
//!
//! It is reached through a Unix socket that is mounted in the sandbox, which has no other way out. Hosts are asked for by
//! name, judged by [`Rules`], resolved here, and connected to only if all their addresses are public. `CONNECT` tunnels
//! must begin with a TLS greeting that names the host of the tunnel, before which nothing is connected to; plain HTTP is read and written anew, one request a
//! connection. What is inside TLS is not seen: neither paths nor the `Host` of requests. Every request is reported once,
//! when it is over.

mod answer;
pub(crate) mod connect;
mod crowd;
mod environment;
mod names;
mod plain;
mod report;
mod serve;
mod tunnel;

#[cfg(test)]
mod tests;

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use researchgym_core::network::{NetworkPolicy, NetworkRequested, Phase, Rules};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use self::environment::environment;
pub use self::names::Names;
use self::names::Resolver;
use self::report::Book;
use self::serve::{Incoming, Shared};
use crate::gateway::{Token, listen_in};
use crate::scratch::{self, Scratch};

/// How long connections that were cut may take to say what they moved.
const CLOSING: Duration = Duration::from_secs(5);

/// What a proxy lets through, and for whom.
pub struct Policy {
    /// Whose sandbox it serves.
    pub phase: Phase,
    /// What is let through.
    pub rules: Rules,
    /// Bytes that may be moved, both ways together.
    pub traffic: u64,
    /// How names are resolved.
    pub names: Names,
}

/// The proxy of one sandbox. Dropping it ends it.
pub struct Proxy {
    door: Door,
    carries_anything: bool,
    book: Arc<Book>,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
    _folder: Option<Scratch>,
}

/// Where it is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Door {
    /// A socket of this machine, to be mounted in the sandbox.
    Socket(PathBuf),
    /// A port of this machine's loopback, and the password that it asks for: where nothing is isolated.
    Port(u16, Token),
}

impl Proxy {
    /// Listens on a socket in a folder below `scratch`.
    ///
    /// # Errors
    /// The socket cannot be had.
    pub fn on_socket(scratch: &Path, policy: Policy) -> io::Result<Proxy> {
        let folder = scratch::folder(scratch)?;
        let listener = UnixListener::from_std(listen_in(folder.path(), "proxy.sock")?)?;
        let socket = folder.path().join("proxy.sock");
        // The folder is ours alone; the sandbox's user, who is another, comes through the mount.
        std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o666))?;
        Ok(Proxy::serve(Incoming::Unix(listener), Door::Socket(socket), policy, Some(folder)))
    }

    /// Listens on a free port of this machine's loopback, for who shows a password.
    ///
    /// # Errors
    /// The port cannot be had, or the system gives no random numbers.
    pub async fn on_port(policy: Policy) -> io::Result<Proxy> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let token = Token::random().map_err(|error| io::Error::other(error.to_string()))?;
        let door = Door::Port(listener.local_addr()?.port(), token);
        Ok(Proxy::serve(Incoming::Tcp(listener), door, policy, None))
    }

    fn serve(incoming: Incoming, door: Door, policy: Policy, folder: Option<Scratch>) -> Proxy {
        let Policy { phase, rules, traffic, names } = policy;
        let carries_anything = rules.policy() == NetworkPolicy::Open;
        let book = Arc::new(Book::new(phase, traffic));
        let token = match &door {
            Door::Socket(_) => None,
            Door::Port(_, token) => Some(token.clone()),
        };
        let shared = Arc::new(Shared {
            rules,
            names: Arc::new(Resolver::new(names)),
            crowd: Arc::default(),
            token,
            book: book.clone(),
        });
        let (stop, stopped) = watch::channel(false);
        let serving = tokio::spawn(serve::serve(incoming, shared, stopped));
        Proxy { door, carries_anything, book, stop, serving, _folder: folder }
    }

    /// Where it is reached.
    pub fn door(&self) -> &Door {
        &self.door
    }

    /// The socket, if it is reached through one.
    pub fn socket(&self) -> Option<&Path> {
        match &self.door {
            Door::Socket(path) => Some(path),
            Door::Port(..) => None,
        }
    }

    /// Waits until there is something to be recorded.
    pub async fn recorded(&self) {
        self.book.written().await;
    }

    /// What is to be recorded now.
    pub fn take(&self) -> Vec<NetworkRequested> {
        self.book.take()
    }

    /// Cuts all connections and gives what is left to be recorded.
    pub async fn close(mut self) -> Vec<NetworkRequested> {
        self.stop.send_replace(true);
        // A task that does not end is aborted when this is dropped.
        let _ = tokio::time::timeout(CLOSING, async {
            let _ = (&mut self.serving).await;
            self.book.settled().await;
        })
        .await;
        self.book.rest()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
