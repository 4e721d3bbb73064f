//! The session offered to programs inside: one JSON line in, one JSON line out, over a Unix socket.
//!
//! Lines are only length-checked and passed on. A client has one line under way at a time; what it sends meanwhile
//! waits in its socket.

use std::collections::HashSet;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::Path;

use researchgym_core::wire::{FromGuest, MAX_LINE, MAX_SESSION_CLIENTS};
use rustix::event::PollFlags;
use rustix::io::Errno;

use super::link::Link;

pub(crate) struct Session {
    listener: UnixListener,
    clients: Vec<Client>,
    /// Lines of clients that have gone: the host still holds them, so their places are taken.
    abandoned: HashSet<u64>,
    last_id: u64,
}

struct Client {
    stream: std::os::unix::net::UnixStream,
    received: Vec<u8>,
    unsent: Vec<u8>,
    waiting_for: Option<u64>,
    finished: bool,
}

impl Session {
    /// Listens at the path; anyone inside may connect.
    pub(crate) fn listen(path: &str) -> io::Result<Session> {
        let path = Path::new(path);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let listener = UnixListener::bind(path)?;
        listener.set_nonblocking(true)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666))?;
        Ok(Session { listener, clients: Vec::new(), abandoned: HashSet::new(), last_id: 0 })
    }

    /// Everything to be polled: the listener first if more clients are taken, then each client.
    pub(crate) fn interests(&self) -> Vec<(BorrowedFd<'_>, PollFlags)> {
        let mut interests = vec![(
            self.listener.as_fd(),
            if self.clients.len() + self.abandoned.len() < MAX_SESSION_CLIENTS {
                PollFlags::IN
            } else {
                PollFlags::empty()
            },
        )];
        interests.extend(self.clients.iter().map(|client| (client.stream.as_fd(), client.interest())));
        interests
    }

    /// Acts on what polling [`Session::interests`] gave, in the same order.
    pub(crate) fn advance(&mut self, ready: &[PollFlags], link: &mut Link) {
        for (client, ready) in self.clients.iter_mut().zip(&ready[1..]) {
            if ready.intersects(PollFlags::OUT) {
                client.write();
            }
            let hung_up = ready.intersects(PollFlags::HUP | PollFlags::ERR);
            if hung_up && client.waiting_for.is_some() {
                client.finished = true;
            } else if hung_up || ready.contains(PollFlags::IN) {
                client.read();
            }
            if client.waiting_for.is_none() {
                client.next_line(&mut self.last_id, link);
            }
        }
        let gone = self.clients.iter().filter(|client| client.finished);
        self.abandoned.extend(gone.filter_map(|client| client.waiting_for));
        self.clients.retain(|client| !client.finished);
        if ready[0].contains(PollFlags::IN)
            && let Ok((stream, _)) = self.listener.accept()
            && stream.set_nonblocking(true).is_ok()
        {
            let (received, unsent) = (Vec::new(), Vec::new());
            self.clients.push(Client { stream, received, unsent, waiting_for: None, finished: false });
        }
    }

    /// Passes an answer on, if who asked is still there.
    pub(crate) fn answer(&mut self, id: u64, line: &str, link: &mut Link) {
        self.abandoned.remove(&id);
        if let Some(client) = self.clients.iter_mut().find(|client| client.waiting_for == Some(id)) {
            client.waiting_for = None;
            client.say(line);
            client.next_line(&mut self.last_id, link);
        }
    }
}

impl Client {
    fn interest(&self) -> PollFlags {
        let mut interest = PollFlags::empty();
        if !self.unsent.is_empty() {
            interest |= PollFlags::OUT;
        }
        if self.waiting_for.is_none() {
            interest |= PollFlags::IN;
        }
        interest
    }

    fn read(&mut self) {
        let mut buffer = [0; 4096];
        match rustix::io::read(&self.stream, &mut buffer) {
            Ok(0) => self.finished = true,
            Ok(length) => self.received.extend_from_slice(&buffer[..length]),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => self.finished = true,
        }
    }

    fn next_line(&mut self, last_id: &mut u64, link: &mut Link) {
        match self.received.iter().position(|&byte| byte == b'\n') {
            Some(end) => {
                let line: Vec<u8> = self.received.drain(..=end).take(end).collect();
                match String::from_utf8(line) {
                    Ok(line) if line.len() <= MAX_LINE => {
                        *last_id += 1;
                        self.waiting_for = Some(*last_id);
                        link.send(&FromGuest::Line { id: *last_id, line });
                    }
                    Ok(_) => self.refuse("a line is longer than 64 KiB"),
                    Err(_) => self.refuse("a line is not UTF-8"),
                }
            }
            None if self.received.len() > MAX_LINE => self.refuse("a line is longer than 64 KiB"),
            None => {}
        }
    }

    fn refuse(&mut self, reason: &str) {
        self.say(&format!("{{\"ok\":false,\"error\":\"{reason}\"}}"));
        self.finished = true;
    }

    fn say(&mut self, line: &str) {
        self.unsent.extend_from_slice(line.as_bytes());
        self.unsent.push(b'\n');
        self.write();
    }

    fn write(&mut self) {
        while !self.unsent.is_empty() {
            match rustix::io::write(&self.stream, &self.unsent) {
                Ok(length) => drop(self.unsent.drain(..length)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                Err(_) => {
                    self.finished = true;
                    return;
                }
            }
        }
    }
}
