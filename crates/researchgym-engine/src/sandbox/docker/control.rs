//! The way to the guest: a socket of ours, mounted into its container, to which it connects as its very first act.
//!
//! One connection is taken; then the socket is gone. Descriptors for the guest go over it, since the engine hands over none.

use std::fs::File;
use std::io::{self, IoSlice, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use researchgym_core::wire::User;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use tokio::net::UnixListener;

use crate::scratch::{self, Announce, Scratch};

/// What the names of these folders begin with.
pub(crate) const PREFIX: &str = "researchgym-container-";

/// The most descriptors that one message may carry (a limit of the kernel).
const MOST_DESCRIPTORS: usize = 253;

const PASSWD: &str = "root:x:0:0:root:/:/usr/sbin/nologin\n";
const GROUP: &str = "root:x:0:\n";
const NOBODY: &str = "nobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n";
const NOGROUP: &str = "nogroup:x:65534:\n";

/// A folder of ours with what a container is given by mounting: the control socket and who its user is.
#[derive(Debug)]
pub(super) struct Folder {
    folder: Scratch,
}

impl Folder {
    /// Makes it for a container with this user, as a process with this home; `announce` is told of it first.
    pub(super) fn make(
        home: &Path,
        User { uid: user, gid: group }: User,
        announce: &Announce<'_>,
    ) -> io::Result<Folder> {
        let folder = scratch::marked(&std::env::temp_dir(), PREFIX, 0o700, home, announce)?;
        let write = |name: &str, text: String| {
            let path = folder.path().join(name);
            File::create(&path)?.write_all(text.as_bytes())?;
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644))
        };
        let (own_user, own_group) = match user {
            0 => (String::new(), String::new()),
            _ => (
                format!("researcher:x:{user}:{group}:researcher:/tmp:/bin/bash\n"),
                format!("researcher:x:{group}:\n"),
            ),
        };
        write("passwd", format!("{PASSWD}{own_user}{NOBODY}"))?;
        write("group", format!("{GROUP}{own_group}{NOGROUP}"))?;
        write("resolv.conf", String::new())?;
        Ok(Folder { folder })
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Listens for the guest. Its user connects, so everyone who finds the socket may: that is nobody, the folder is ours.
    pub(super) fn listen(&self) -> io::Result<UnixListener> {
        let path = self.file("control.sock");
        let listener = UnixListener::bind(&path)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666))?;
        Ok(listener)
    }

    /// Takes the name of the socket away, once the guest is connected.
    pub(super) fn close(&self) -> io::Result<()> {
        std::fs::remove_file(self.file("control.sock"))
    }
}

/// Sends descriptors to a guest that has just connected.
pub(super) fn send_descriptors(stream: &UnixStream, descriptors: &[OwnedFd]) -> io::Result<()> {
    if descriptors.len() > MOST_DESCRIPTORS {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "too many descriptors for one sandbox"));
    }
    let descriptors: Vec<BorrowedFd<'_>> = descriptors.iter().map(|descriptor| descriptor.as_fd()).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
    rustix::net::sendmsg(stream, &[IoSlice::new(b"d")], &mut ancillary, SendFlags::NOSIGNAL)?;
    Ok(())
}
