//! Opening things below a folder without ever leaving it: `openat2` refuses links, `..`, magic links and what is mounted
//! further down in the kernel, so that no race with a running agent can lead elsewhere, nor a mount that was forgotten.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, OFlags, ResolveFlags, Stat, Uid, openat, openat2};
use rustix::io::Errno;
use rustix::path::Arg;

/// Who owns what is made: user and group.
pub(super) type Owner = Option<(u32, u32)>;

/// A race that the kernel could not settle is tried again this often.
const RACES: usize = 16;

/// A folder that is ours by its path; what is below it need not be.
pub(crate) fn open_root(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(CWD, path, flags, Mode::empty())?)
}

/// A folder below `root`, to be listed; the empty path is `root` itself.
pub(crate) fn open_folder(root: &OwnedFd, path: &[u8]) -> io::Result<OwnedFd> {
    let path = if path.is_empty() { b"." } else { path };
    open(root, path, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())
}

/// Something in `folder` that was a regular file a moment ago. Never waits for the other end of a FIFO.
pub(crate) fn open_file(folder: &OwnedFd, name: &[u8]) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
    Ok(File::from(open(folder, name, flags, Mode::empty())?))
}

/// A new file in `folder`, for us alone so far.
pub(crate) fn create_file(folder: &OwnedFd, name: &[u8]) -> io::Result<File> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
    Ok(File::from(open(folder, name, flags, Mode::from_raw_mode(0o600))?))
}

fn open(folder: impl AsFd, path: &[u8], flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
    // Not O_NOFOLLOW: NO_SYMLINKS refuses a link at the end too, and says ELOOP where the other says ENOTDIR.
    let flags = flags | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH
        | ResolveFlags::NO_SYMLINKS
        | ResolveFlags::NO_MAGICLINKS
        | ResolveFlags::NO_XDEV;
    let mut races = 0;
    loop {
        match openat2(&folder, path, flags, mode, resolve) {
            Ok(opened) => return Ok(opened),
            Err(Errno::AGAIN) if races < RACES => races += 1,
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// What stands there, without following a link.
pub(crate) fn stat(folder: &OwnedFd, name: impl Arg) -> io::Result<Stat> {
    Ok(rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?)
}

/// The kind of thing that a mode tells.
pub(crate) fn kind(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

/// Sets owner and permission bits of something open.
pub(super) fn settle(opened: impl AsFd, mode: u32, owner: Owner) -> io::Result<()> {
    if let Some((user, group)) = owner {
        rustix::fs::fchown(&opened, Some(Uid::from_raw(user)), Some(Gid::from_raw(group)))?;
    }
    Ok(rustix::fs::fchmod(&opened, Mode::from_raw_mode(mode & 0o777))?)
}
