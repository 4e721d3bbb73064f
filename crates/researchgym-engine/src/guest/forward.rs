//! The model gateway, or the proxy of the network policy, under a TCP address: connections to the sandbox's own loopback,
//! passed on to a Unix socket of the host. Both are called gateway here.
//!
//! Bytes are not looked at. Each direction holds a bounded number of them and its source is not read from beyond that;
//! an end is passed on once everything before it was. A client that is gone ends its connection at once, so that the
//! gateway stops working for it; a gateway that is gone may still have said something, which is delivered first.
//! While the gateway takes no more connections, or descriptors run out, clients wait in the listener's queue.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use researchgym_core::wire::Gateway;
use rustix::event::PollFlags;
use rustix::fs::{Access, Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SendFlags, Shutdown, SocketAddrUnix, SocketFlags, SocketType};

use super::flow::Flow;

/// How many connections are forwarded at a time; further ones wait.
const MAX_CONNECTIONS: usize = 256;
/// When to try again where the kernel does not tell that it would work now.
const RETRY_INTERVAL: Duration = Duration::from_millis(20);

pub(crate) struct Forwarder {
    listener: TcpListener,
    gateway: GatewaySocket,
    connections: Vec<Connection>,
    /// No client is taken before.
    rests_until: Option<Instant>,
}

/// The gateway's socket as it was when the guest started: whatever is put in its place later is not connected to.
struct GatewaySocket {
    address: SocketAddrUnix,
    /// What the address leads through.
    _opened: OwnedFd,
}

struct Connection {
    client: OwnedFd,
    gateway: OwnedFd,
    /// From the client to the gateway.
    up: Flow,
    /// From the gateway to the client.
    down: Flow,
    client_gone: bool,
}

/// What of a forwarder is polled. Numbers are good until [`Forwarder::tidy`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Watched {
    Listener,
    Client(usize),
    Gateway(usize),
}

impl Forwarder {
    /// Listens on the loopback interface. Call it before anything of the agent's runs.
    pub(crate) fn listen(gateway: &Gateway) -> io::Result<Forwarder> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, gateway.port))?;
        listener.set_nonblocking(true)?;
        let gateway = GatewaySocket::open(&gateway.socket)?;
        Ok(Forwarder { listener, gateway, connections: Vec::new(), rests_until: None })
    }

    /// Everything to be polled, and for what.
    pub(crate) fn interests(&self) -> Vec<(Watched, BorrowedFd<'_>, PollFlags)> {
        let mut interests = Vec::with_capacity(1 + 2 * self.connections.len());
        if self.connections.len() < MAX_CONNECTIONS && self.rests_until.is_none() {
            interests.push((Watched::Listener, self.listener.as_fd(), PollFlags::IN));
        }
        for (number, connection) in self.connections.iter().enumerate() {
            let Connection { client, gateway, up, down, .. } = connection;
            if let Some(flags) = interest(up, down) {
                interests.push((Watched::Client(number), client.as_fd(), flags));
            }
            if let Some(flags) = interest(down, up) {
                interests.push((Watched::Gateway(number), gateway.as_fd(), flags));
            }
        }
        interests
    }

    /// When to poll again even if nothing is ready.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.rests_until.filter(|_| self.connections.len() < MAX_CONNECTIONS)
    }

    /// Acts on what polling one of [`Forwarder::interests`] gave.
    pub(crate) fn on_ready(&mut self, watched: Watched, ready: PollFlags, buffer: &mut [u8]) {
        match watched {
            Watched::Listener => self.take_client(),
            Watched::Client(number) => self.connections[number].on_client(ready, buffer),
            Watched::Gateway(number) => self.connections[number].on_gateway(ready, buffer),
        }
    }

    /// Hangs up where nothing more can be said, and looks whether a rest is over. Call it after each round.
    pub(crate) fn tidy(&mut self) {
        self.connections.retain(|connection| !connection.is_finished());
        self.rests_until = self.rests_until.filter(|&until| until > Instant::now());
    }

    /// Connects to the gateway first: a client that cannot be served yet stays where it is.
    fn take_client(&mut self) {
        let gateway = self.gateway.connect();
        if let Err(error) = &gateway
            && is_passing(*error)
        {
            self.rests_until = Some(Instant::now() + RETRY_INTERVAL);
            return;
        }
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        match (rustix::net::accept_with(&self.listener, flags), gateway) {
            (Ok(client), Ok(gateway)) => {
                // Events of a stream are to arrive as they come. Refused only by a client that is gone.
                let _ = rustix::net::sockopt::set_tcp_nodelay(&client, true);
                let (up, down) = (Flow::default(), Flow::default());
                self.connections.push(Connection { client, gateway, up, down, client_gone: false });
            }
            // There is no gateway any more, which the client sees by the end of its connection.
            (Ok(_), Err(_)) => {}
            // The client has left meanwhile.
            (Err(Errno::AGAIN | Errno::INTR | Errno::CONNABORTED), _) => {}
            (Err(_), _) => self.rests_until = Some(Instant::now() + RETRY_INTERVAL),
        }
    }
}

impl GatewaySocket {
    fn open(path: &str) -> io::Result<GatewaySocket> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = rustix::fs::open(path, flags, Mode::empty())?;
        // Said now rather than by the end of every connection.
        rustix::fs::access(path, Access::WRITE_OK)?;
        let address = SocketAddrUnix::new(format!("/proc/self/fd/{}", opened.as_raw_fd()))?;
        Ok(GatewaySocket { address, _opened: opened })
    }

    fn connect(&self) -> rustix::io::Result<OwnedFd> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        // A Unix socket is connected at once or not at all.
        rustix::net::connect(&socket, &self.address)?;
        Ok(socket)
    }
}

/// Whether the same may work a little later: the gateway's queue is full, or something of the kernel's has run out.
fn is_passing(error: Errno) -> bool {
    matches!(error, Errno::AGAIN | Errno::INTR | Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM)
}

/// What the end is polled for that `from` is read from and `to` is written to. None once nothing that happens to it
/// matters: it would be reported as hung up for ever.
fn interest(from: &Flow, to: &Flow) -> Option<PollFlags> {
    let mut flags = PollFlags::empty();
    flags.set(PollFlags::IN, from.room() > 0);
    flags.set(PollFlags::OUT, !to.unsent().is_empty());
    (!flags.is_empty() || !to.is_over()).then_some(flags)
}

impl Connection {
    fn on_client(&mut self, ready: PollFlags, buffer: &mut [u8]) {
        // Before we have ended our side, a hang-up is a reset.
        if !self.down.is_over() && ready.intersects(PollFlags::ERR | PollFlags::HUP) {
            self.client_gone = true;
            return;
        }
        if ready.contains(PollFlags::OUT) {
            self.send_down();
        }
        if ready.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR) {
            match read(&self.client, &mut self.up, buffer) {
                Ok(()) => self.send_up(),
                Err(_) => self.client_gone = true,
            }
        }
    }

    fn on_gateway(&mut self, ready: PollFlags, buffer: &mut [u8]) {
        // Both ends of its side are closed: it reads nothing more.
        if ready.intersects(PollFlags::ERR | PollFlags::HUP) {
            self.up.close();
        } else if ready.contains(PollFlags::OUT) {
            self.send_up();
        }
        if ready.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR) {
            // An error comes after all that was said, when the gateway has closed without having read everything.
            if read(&self.gateway, &mut self.down, buffer).is_err() {
                self.down.take(&[]);
            }
            self.send_down();
        }
    }

    fn send_up(&mut self) {
        if write(&mut self.up, &self.gateway).is_err() {
            self.up.close();
        }
    }

    fn send_down(&mut self) {
        if write(&mut self.down, &self.client).is_err() {
            self.client_gone = true;
        }
    }

    fn is_finished(&self) -> bool {
        self.client_gone || (self.up.is_over() && self.down.is_over())
    }
}

/// Reads once what there is room for, without waiting.
fn read(source: &OwnedFd, flow: &mut Flow, buffer: &mut [u8]) -> rustix::io::Result<()> {
    let length = flow.room().min(buffer.len());
    if length == 0 {
        return Ok(());
    }
    match rustix::io::read(source, &mut buffer[..length]) {
        Ok(length) => flow.take(&buffer[..length]),
        Err(Errno::AGAIN | Errno::INTR) => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

/// Writes what is taken now, and passes the end on when its time has come.
fn write(flow: &mut Flow, sink: &OwnedFd) -> rustix::io::Result<()> {
    while !flow.unsent().is_empty() {
        match rustix::net::send(sink, flow.unsent(), SendFlags::NOSIGNAL) {
            Ok(length) => flow.sent(length),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    if flow.end_is_due() {
        // Refused only by an end that is gone, which is seen by its hang-up.
        let _ = rustix::net::shutdown(sink, Shutdown::Write);
        flow.close();
    }
    Ok(())
}
