//! Trees that an agent wrote, or will write: handing them to the sandbox's user and making mount points in them.
//!
//! Nothing here follows a link. No process of the agent runs meanwhile.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Component, Path, PathBuf};

use researchgym_core::wire::User;
use rustix::fs::{AtFlags, Dir, FileType, Gid, Mode, OFlags, ResolveFlags, Uid};
use rustix::io::Errno;

/// Makes everything in the folder, and the folder, belong to the user. Entries nested too deep to be named by a path
/// keep their owner.
pub(super) fn hand_over(folder: &Path, user: User) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let root = rustix::fs::open(folder, flags, Mode::empty())?;
    let (uid, gid) = (Some(Uid::from_raw(user.uid)), Some(Gid::from_raw(user.gid)));
    rustix::fs::fchown(&root, uid, gid)?;
    let mut pending = vec![PathBuf::from(".")];
    while let Some(path) = pending.pop() {
        let opened = match beneath(&root, &path, flags) {
            Ok(opened) => opened,
            Err(Errno::NAMETOOLONG) => continue,
            Err(error) => return Err(error.into()),
        };
        for entry in Dir::read_from(&opened)? {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let status = rustix::fs::statat(&opened, name, AtFlags::SYMLINK_NOFOLLOW)?;
            if status.st_uid != user.uid || status.st_gid != user.gid {
                rustix::fs::chownat(&opened, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)?;
            }
            if FileType::from_raw_mode(status.st_mode) == FileType::Directory {
                pending.push(path.join(OsString::from_vec(name.to_bytes().to_vec())));
            }
        }
    }
    Ok(())
}

/// Makes everything in the folder, and the folder, belong to this process's user again.
pub(crate) fn take_back(folder: &Path) -> io::Result<()> {
    let user = User { uid: rustix::process::geteuid().as_raw(), gid: rustix::process::getegid().as_raw() };
    hand_over(folder, user)
}

/// Makes sure that a file or folder can be mounted over `relative` in the folder: makes what is missing and removes
/// links and whatever else is in the way.
pub(super) fn make_mount_point(folder: &Path, relative: &Path, is_folder: bool) -> io::Result<()> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut parent = rustix::fs::open(folder, flags, Mode::empty())?;
    let names: Vec<_> = relative.components().collect();
    for (index, component) in names.iter().enumerate() {
        let Component::Normal(name) = component else {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a mount point must be a plain relative path",
            ));
        };
        let last = index + 1 == names.len();
        make_entry(&parent, name, is_folder || !last)?;
        if !last {
            parent = beneath(&parent, Path::new(name), flags)?;
        }
    }
    Ok(())
}

fn make_entry(parent: &OwnedFd, name: &std::ffi::OsStr, is_folder: bool) -> io::Result<()> {
    let wanted = if is_folder { FileType::Directory } else { FileType::RegularFile };
    match rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(status) if FileType::from_raw_mode(status.st_mode) == wanted => return Ok(()),
        // Set aside rather than removed: it may be a folder full of the agent's files.
        Ok(_) => {
            let aside = [name.as_bytes(), b".covered-", std::process::id().to_string().as_bytes()].concat();
            rustix::fs::renameat(parent, name, parent, OsString::from_vec(aside))?;
        }
        Err(Errno::NOENT) => {}
        Err(error) => return Err(error.into()),
    }
    if is_folder {
        rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o755))?;
    } else {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        rustix::fs::openat(parent, name, flags, Mode::from_raw_mode(0o644))?;
    }
    Ok(())
}

fn beneath(root: &OwnedFd, path: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    rustix::fs::openat2(root, path, flags, Mode::empty(), resolve)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_planted_link_is_set_aside_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        symlink(outside.path(), folder.path().join("data")).unwrap();
        make_mount_point(folder.path(), Path::new("data/points/a.csv"), false).unwrap();
        assert!(folder.path().join("data/points/a.csv").is_file());
        assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_fits_already_stays() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("target.py"), "rules").unwrap();
        make_mount_point(folder.path(), Path::new("target.py"), false).unwrap();
        assert_eq!(std::fs::read_to_string(folder.path().join("target.py")).unwrap(), "rules");
        assert!(make_mount_point(folder.path(), Path::new("../x"), true).is_err());
    }
}
