//! A guest that is not started by the host itself: it connects to a socket, and its streams come over that.

use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags};

/// The most descriptors that one message may carry.
const MOST_DESCRIPTORS: usize = 253;

/// Connects, makes the connection the standard input and output, and the first descriptor that the host sends standard
/// error. Returns the others.
pub(crate) fn connect(path: &Path) -> io::Result<Vec<OwnedFd>> {
    let stream = UnixStream::connect(path)?;
    let mut received = receive(&stream)?.into_iter();
    let complaints = received.next().ok_or(io::ErrorKind::UnexpectedEof)?;
    rustix::stdio::dup2_stdin(&stream)?;
    rustix::stdio::dup2_stdout(&stream)?;
    rustix::stdio::dup2_stderr(&complaints)?;
    Ok(received.collect())
}

fn receive(stream: &UnixStream) -> io::Result<Vec<OwnedFd>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let mut content = [IoSliceMut::new(&mut byte)];
    let received = rustix::net::recvmsg(stream, &mut content, &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
    if received.bytes != 1 || received.flags.contains(ReturnFlags::CTRUNC) {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut descriptors = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            descriptors.extend(rights);
        }
    }
    Ok(descriptors)
}
