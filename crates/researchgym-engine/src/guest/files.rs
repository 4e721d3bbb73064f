//! Files of the working folder, read and written with the agent's rights and never outside of it.
//!
//! Paths are resolved by the kernel beneath the folder; FIFOs, devices and sockets are opened without waiting and
//! then refused. Content goes through in pieces, so a large file neither fills memory nor keeps the guest busy.

use std::io;
use std::os::fd::OwnedFd;

use researchgym_core::wire::{Kind, MAX_CHUNK, Refusal, User};
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::output::Output;
use crate::guest::link::Link;
use crate::sys::FileUser;

/// The folder, and who accesses it.
pub(crate) struct Files {
    folder: OwnedFd,
    user: Option<User>,
}

/// A file being written. After a refusal the rest of its content is ignored.
pub(crate) struct Incoming {
    pub id: u64,
    pub file: Result<OwnedFd, Refusal>,
    pub left: u64,
    pub written: u64,
}

/// A file being sent.
pub(crate) struct Outgoing {
    pub id: u64,
    file: OwnedFd,
    size: u64,
    sent: u64,
    pub output: Output,
}

impl Files {
    pub(crate) fn open(folder: &str, user: Option<User>) -> io::Result<Files> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Files { folder: rustix::fs::open(folder, flags, Mode::empty())?, user })
    }

    /// Opens a file for writing, making its parents, and empties it.
    pub(crate) fn create(&self, path: &str, mode: u32) -> Result<OwnedFd, Refusal> {
        let _user = FileUser::enter(self.user);
        if let Some((parents, _)) = path.trim_end_matches('/').rsplit_once('/') {
            self.make_folders(parents)?;
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(mode & 0o777);
        let file = self.resolve(path, flags, mode)?;
        regular(&file)?;
        rustix::fs::ftruncate(&file, 0).map_err(refusal)?;
        // Not ours to change if somebody else owns it; the content is what counts.
        let _ = rustix::fs::fchmod(&file, mode);
        Ok(file)
    }

    /// Appends content.
    pub(crate) fn write(&self, file: &OwnedFd, mut bytes: &[u8]) -> Result<(), Refusal> {
        let _user = FileUser::enter(self.user);
        while !bytes.is_empty() {
            match rustix::io::write(file, bytes) {
                Ok(length) => bytes = &bytes[length..],
                Err(Errno::INTR) => {}
                Err(error) => return Err(refusal(error)),
            }
        }
        Ok(())
    }

    /// Opens a file for sending.
    pub(crate) fn read(&self, id: u64, path: &str, kept_bytes: u64) -> Result<Outgoing, Refusal> {
        let _user = FileUser::enter(self.user);
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = self.resolve(path, flags, Mode::empty())?;
        let size = regular(&file)?;
        Ok(Outgoing { id, file, size, sent: 0, output: Output::new(id, kept_bytes) })
    }

    fn make_folders(&self, path: &str) -> Result<(), Refusal> {
        let mut end = 0;
        for name in path.split('/') {
            let parent = path[..end].trim_end_matches('/');
            end += name.len() + 1;
            if matches!(name, "" | ".") {
                continue;
            }
            let folder = OFlags::PATH | OFlags::DIRECTORY;
            let parent = self.resolve(if parent.is_empty() { "." } else { parent }, folder, Mode::empty())?;
            match rustix::fs::mkdirat(&parent, name, Mode::from_raw_mode(0o755)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(refusal(error)),
            }
        }
        Ok(())
    }

    fn resolve(&self, path: &str, flags: OFlags, mode: Mode) -> Result<OwnedFd, Refusal> {
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        loop {
            match rustix::fs::openat2(&self.folder, path, flags | OFlags::CLOEXEC, mode, resolve) {
                Ok(file) => return Ok(file),
                // EAGAIN: something was renamed meanwhile.
                Err(Errno::INTR | Errno::AGAIN) => {}
                Err(error) => return Err(refusal(error)),
            }
        }
    }
}

impl Outgoing {
    /// Whether the host takes more.
    pub(crate) fn may_send(&self, link: &Link) -> bool {
        self.output.may_read(Kind::Stdout, link)
    }

    /// Sends the next piece. True at the end.
    pub(crate) fn send(&mut self, link: &mut Link) -> Result<bool, Refusal> {
        let mut buffer = [0; MAX_CHUNK];
        let wanted = self.size.saturating_sub(self.sent).min(MAX_CHUNK as u64) as usize;
        let length = rustix::io::read(&self.file, &mut buffer[..wanted]).map_err(refusal)?;
        self.sent += length as u64;
        self.output.push(Kind::Stdout, &buffer[..length], link);
        Ok(length == 0 || self.sent >= self.size || self.output.dropped().0 > 0)
    }

    /// What the file's size is said to be: what was sent, or all of it if only the cap kept it from being sent.
    pub(crate) fn bytes(&self) -> u64 {
        if self.output.dropped().0 > 0 { self.size } else { self.sent }
    }
}

/// The size of a regular file.
fn regular(file: &OwnedFd) -> Result<u64, Refusal> {
    let status = rustix::fs::fstat(file).map_err(refusal)?;
    match FileType::from_raw_mode(status.st_mode) {
        FileType::RegularFile => Ok(status.st_size as u64),
        _ => Err(Refusal::NotRegular),
    }
}

fn refusal(error: Errno) -> Refusal {
    match error {
        Errno::XDEV | Errno::LOOP => Refusal::Outside,
        Errno::NOENT => Refusal::NotFound,
        Errno::ISDIR | Errno::NXIO | Errno::NOTDIR => Refusal::NotRegular,
        Errno::ACCESS | Errno::PERM | Errno::ROFS => Refusal::Denied,
        Errno::NOSPC | Errno::DQUOT => Refusal::NoSpace,
        Errno::FBIG => Refusal::TooLarge,
        other => Refusal::Other(io::Error::from(other).to_string()),
    }
}
