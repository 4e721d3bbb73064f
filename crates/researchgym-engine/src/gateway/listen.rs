//! Where the gateway is reached: a TCP address or a Unix socket.
//!
//! A Unix socket is made with mode 0600. One that a dead process left behind is replaced; one at which somebody listens
//! is not.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

/// An open listener. The file of a Unix socket made by [`Listener::unix`] is removed when it is dropped.
#[derive(Debug)]
pub enum Listener {
    /// Anybody who reaches the address.
    Tcp(TcpListener),
    /// Whoever may open the file.
    Unix(UnixListener, Option<SocketFile>),
}

/// The file of a socket that this process made.
#[derive(Debug)]
pub struct SocketFile(PathBuf);

/// One connection.
#[derive(Debug)]
pub(crate) enum Connection {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// A listener cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address is taken or not ours.
    #[error("cannot listen on {address}: {source}")]
    Tcp {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The path cannot be used.
    #[error("cannot listen on `{}`: {source}", path.display())]
    Unix {
        /// The path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another process listens there.
    #[error("somebody listens on `{}` already", .0.display())]
    InUse(PathBuf),
    /// Something else is there.
    #[error("`{}` is there and is no socket", .0.display())]
    NotASocket(PathBuf),
}

impl Listener {
    /// Listens on an address; port 0 takes a free one.
    ///
    /// # Errors
    /// The address cannot be used.
    pub async fn tcp(address: SocketAddr) -> Result<Listener, ListenError> {
        let bound = TcpListener::bind(address).await;
        bound.map(Listener::Tcp).map_err(|source| ListenError::Tcp { address, source })
    }

    /// Listens on a path, for this user alone.
    ///
    /// # Errors
    /// Somebody listens there, something else is there, or the path cannot be used.
    pub async fn unix(path: &Path) -> Result<Listener, ListenError> {
        let failed = |source| ListenError::Unix { path: path.to_owned(), source };
        match fs::symlink_metadata(path) {
            Ok(found) if !found.file_type().is_socket() => {
                return Err(ListenError::NotASocket(path.to_owned()));
            }
            Ok(_) => match UnixStream::connect(path).await {
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                    fs::remove_file(path).map_err(failed)?;
                }
                Err(error) => return Err(failed(error)),
                Ok(_) => return Err(ListenError::InUse(path.to_owned())),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        // Made under another name: nobody can connect before the mode is right.
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{}", std::process::id()));
        let unfinished = PathBuf::from(name);
        let listener = UnixListener::bind(&unfinished).map_err(failed)?;
        let placed = fs::set_permissions(&unfinished, fs::Permissions::from_mode(0o600))
            .and_then(|()| fs::rename(&unfinished, path));
        if let Err(error) = placed {
            let _ = fs::remove_file(&unfinished);
            return Err(failed(error));
        }
        Ok(Listener::Unix(listener, Some(SocketFile(path.to_owned()))))
    }

    /// The address that was bound, if it is one.
    pub fn address(&self) -> Option<SocketAddr> {
        match self {
            Listener::Tcp(listener) => listener.local_addr().ok(),
            Listener::Unix(..) => None,
        }
    }

    pub(crate) async fn accept(&self) -> io::Result<Connection> {
        match self {
            Listener::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                // Without it small pieces of a stream wait for each other; a socket that refuses works all the same.
                let _ = stream.set_nodelay(true);
                Ok(Connection::Tcp(stream))
            }
            Listener::Unix(listener, _) => Ok(Connection::Unix(listener.accept().await?.0)),
        }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Left behind it is only stale, and the next listener replaces it.
        let _ = fs::remove_file(&self.0);
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Connection::Tcp(stream) => Pin::new(stream).poll_read(context, buffer),
            Connection::Unix(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Connection::Tcp(stream) => Pin::new(stream).poll_write(context, bytes),
            Connection::Unix(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Connection::Tcp(stream) => Pin::new(stream).poll_flush(context),
            Connection::Unix(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Connection::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Connection::Unix(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
